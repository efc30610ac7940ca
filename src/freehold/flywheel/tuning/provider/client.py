"""Calls of a provider's tuning API: JSON and files over HTTP, errors as ours, passing ones tried again."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import msgspec
from msgspec import Struct

from freehold.core.errors import Broken, ProviderError, TimedOut, Unreachable
from freehold.core.secret import Secret
from freehold.dialects.openai_chat.errors import decode_error

TRIES = 5
SECONDS = 120.0
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0


class Account(Struct, frozen=True, kw_only=True):
    """Where and as whom to tune. `service` is one of `services.SERVICES`; `base_url` None: the service's own.
    `account` is the name that Fireworks puts into its paths."""

    service: str
    key: Secret
    base_url: str | None = None
    account: str | None = None


class Client:
    """One provider. `wait` is given seconds to wait; it may raise, and then nothing is tried again."""

    def __init__(self, name: str, base_url: str, key: Secret, wait: Callable[[float], None]) -> None:
        self.name = name
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._wait = wait

    def get(self, path: str) -> dict[str, Any]:
        return self._call("GET", path, None, "application/json", again=True)

    def post(self, path: str, body: Mapping[str, Any], *, again: bool = False) -> dict[str, Any]:
        """`again`: doing it twice does no harm, so it is tried again when it fails in passing."""
        return self._call("POST", path, msgspec.json.encode(body), "application/json", again=again)

    def delete(self, path: str) -> dict[str, Any]:
        return self._call("DELETE", path, None, "application/json", again=True)

    def upload(self, path: str, name: str, data: bytes, fields: Mapping[str, str]) -> dict[str, Any]:
        """Send a file as a form (RFC 7578). Twice is two files, of which one is used: tried again."""
        boundary = uuid.uuid4().hex
        parts = [_part(boundary, f'name="{field}"', value.encode()) for field, value in fields.items()]
        parts.append(_part(boundary, f'name="file"; filename="{name}"\r\nContent-Type: application/jsonl', data))
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        return self._call("POST", path, body, f"multipart/form-data; boundary={boundary}", again=True)

    def _call(self, method: str, path: str, body: bytes | None, kind: str, *, again: bool) -> dict[str, Any]:
        wait = FIRST_WAIT
        for left in range(TRIES - 1 if again else 0, -1, -1):
            try:
                return self._once(method, path, body, kind)
            except ProviderError as error:
                if not error.retryable or not left:
                    raise
                self._wait(max(wait, error.retry_after or 0.0))
                wait = min(wait * 2, LONGEST_WAIT)
        raise AssertionError  # the last try returns or raises

    def _once(self, method: str, path: str, body: bytes | None, kind: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._key.reveal()}", "accept": "application/json", "content-type": kind}
        request = Request(self._base_url + path, body, headers, method=method)
        try:
            with urlopen(request, timeout=SECONDS) as reply:
                text: bytes = reply.read()
        except HTTPError as error:
            with error:
                found = {name.lower(): value for name, value in error.headers.items()}
                raise decode_error(error.code, found, error.read(), provider=self.name) from None
        except TimeoutError:
            raise TimedOut(f"{self.name} did not answer within {SECONDS:g} s") from None
        except (URLError, OSError) as error:
            raise Unreachable(f"{self.name} cannot be reached: {getattr(error, 'reason', error)}") from None
        try:
            return msgspec.json.decode(text or b"{}", type=dict[str, Any])
        except msgspec.DecodeError:
            raise Broken(f"{self.name} answered {method} {path} with something that is no JSON object") from None


def _part(boundary: str, disposition: str, value: bytes) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + value + b"\r\n"
