"""A request as it came through the front door, and what makes its head unfit to be served."""

from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from freehold.core.errors import CallerError, InvalidRequest, WrongMediaType, WrongMethod

JSON = b"application/json"
CREDENTIALS = (b"x-api-key", b"x-goog-api-key", b"api-key", b"authorization")
"""Where a key may stand; the first that is there holds."""


class Received(Struct):
    """One request as it came. Header names are lower case."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    http10: bool
    keep: bool


ONCE = frozenset({b"host", b"content-type", b"content-encoding", b"origin", *CREDENTIALS})
"""Headers of which a second one could be read instead of the first by somebody before or behind us."""


def ambiguous(received: Received) -> InvalidRequest | None:
    """Why a head can be understood in two ways (RFC 9112 section 3.2, RFC 9110 section 5.3)."""
    names = [name for name, _ in received.headers]
    if b"host" not in names and not received.http10:
        return InvalidRequest("There is no Host header; HTTP/1.1 requires one")
    twice = next((name for name in names if name in ONCE and names.count(name) > 1), None)
    if twice is not None:
        return InvalidRequest(f"The header {twice.decode()} comes more than once; send one")
    return None


def unfit(received: Received, headers: Mapping[bytes, bytes]) -> CallerError | None:
    """What makes a request unfit for a hot path before its body is read."""
    if received.method != b"POST":
        return WrongMethod(f"{received.method.decode('latin-1')} is not possible here; send POST")
    kind = headers.get(b"content-type", JSON)
    if kind != JSON and (kind := kind.partition(b";")[0].strip().lower()) != JSON:
        return WrongMediaType(f"The content type is {kind.decode('latin-1')!r}; send application/json")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return WrongMediaType("The body is compressed; send it as it is, without content-encoding")
    return None


def credential(headers: Mapping[bytes, bytes], target: bytes = b"") -> bytes | None:
    """The key of a request: in one of its headers, else as `?key=` in its target, as Gemini's clients may send it."""
    for name in CREDENTIALS:
        value = headers.get(name)
        if value:
            return value
    if b"key=" not in target:
        return None
    fields = (field.partition(b"=") for field in target.partition(b"?")[2].split(b"&"))
    return next((unquote_to_bytes(value) for name, _, value in fields if name == b"key" and value), None)


_LOOPBACK = (b"localhost", b"127.0.0.1", b"[::1]")


def foreign_page(headers: Mapping[bytes, bytes]) -> str | None:
    """The web origin or host name by which a request came, where that is not this machine."""
    origin = headers.get(b"origin", b"null" if b"sec-fetch-site" in headers else b"")
    host = headers.get(b"host", b"localhost")
    for name in (origin.partition(b"://")[2] or origin, host):
        bare = name if name.endswith(b"]") else name.rpartition(b":")[0] or name
        if name and bare.lower() not in _LOOPBACK:
            return name.decode("latin-1")
    return None
