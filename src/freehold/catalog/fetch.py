"""Fetching a file by URL: only where a command asks for it, only over TLS or from this machine, and only so much."""

from http.client import HTTPMessage
from ipaddress import ip_address
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from freehold.core.errors import CatalogRefused, Unreachable

SECONDS = 30.0
MOST = 64 << 20
"""Bytes of a file."""

WAY_OUT = "`freehold catalog update --offline FILE` takes a file that came another way"


def fetch(url: str, *, most: int = MOST) -> bytes:
    """What is at a URL. CatalogRefused where it may not be asked or sends too much, Unreachable where it does not
    answer."""
    near = allowed(url)
    opener = OpenerDirector()
    handlers = (ProxyHandler({} if near else None), HTTPHandler(), HTTPSHandler(), HTTPErrorProcessor())
    for handler in (*handlers, HTTPDefaultErrorHandler(), Redirects()):
        opener.add_handler(handler)
    try:
        with opener.open(Request(url, headers={"user-agent": "freehold"}), timeout=SECONDS) as reply:
            data: bytes = reply.read(most + 1)
    except HTTPError as error:
        with error:
            raise Unreachable(f"{url} answers {error.code} {error.reason}. {WAY_OUT}") from None
    except (URLError, OSError, ValueError) as error:
        raise Unreachable(f"{url} cannot be fetched: {getattr(error, 'reason', error)}. {WAY_OUT}") from None
    if len(data) > most:
        raise CatalogRefused(f"{url} sends more than {most:,} bytes: it is no catalog")
    return data


def allowed(url: str) -> bool:
    """Whether a URL is on this machine; CatalogRefused where it is neither that nor https."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        near = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        near = False
    if not host or parts.scheme not in {"http", "https"} or (parts.scheme == "http" and not near):
        raise CatalogRefused(f"{url}: a catalog comes over https://, or over http:// from this machine alone")
    return near


class Redirects(HTTPRedirectHandler):
    """A redirect leads only where the URL itself might have pointed, and never from outside to this machine."""

    def redirect_request(  # noqa: PLR0917 -- as the base class has it
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if allowed(newurl) != allowed(req.full_url):
            raise CatalogRefused(f"{req.full_url} leads to {newurl}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
