"""JSON that means one thing: refused where two readers could understand it differently (RFC 8259, RFC 7493).

msgspec refuses bad syntax, NaN, bad UTF-8 and lone surrogates; it keeps the last of two members with one name, which
another reader may not. So bodies with duplicate names are refused here, by name.
"""

import json
import re
from typing import Any

import msgspec

from freehold.core.errors import InvalidRequest

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_ESCAPED_COLON = re.compile(rb"\\u003[aA]")
_HIGH_ALONE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_LOW_ALONE = re.compile(rb"(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]")
_NOT_A_NUMBER = re.compile(rb"[:\[,]\s*-?(NaN|Infinity)\b")


EMPTY = frozenset({b"null", b"false", b"[]", b"{}", b'""'})
"""Members that say nothing, as they are written."""


class _Duplicate(Exception):
    pass


def read(body: bytes) -> Any:
    """The value of a body; InvalidRequest names what is wrong with it."""
    try:
        value = _decode(body)
        again = _encode(value)
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply; use fewer levels") from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not UTF-8: {error.reason}") from None
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The body holds a number that is too large: {error}") from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {_reason(body) or error}") from None
    # Each member has one colon outside of strings, and each string keeps its own. So fewer colons after a round trip
    # mean that a member was lost, unless an escaped colon made up for it. Compact bodies come back byte for byte.
    if again != body and (body.count(b":") != again.count(b":") or _ESCAPED_COLON.search(body)):
        _unique(body)
    return value


def _reason(body: bytes) -> str:
    """What people write that is no JSON, by name; empty where it is something else."""
    if body.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark"
    if not body.strip():
        return "it is empty"
    if _HIGH_ALONE.search(body) or _LOW_ALONE.search(body):
        return "it holds half of a surrogate pair"
    found = _NOT_A_NUMBER.search(body)
    return f"{found[1].decode()} is not a JSON number" if found else ""


def _unique(body: bytes) -> None:
    try:
        json.loads(body, object_pairs_hook=_members)
    except _Duplicate as error:
        raise InvalidRequest(f"The body has two members named {str(error)!r} in one object; send one") from None
    except (RecursionError, ValueError) as error:
        raise InvalidRequest(f"The body is not usable JSON: {error}") from None


def _members(pairs: list[tuple[str, Any]]) -> None:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise _Duplicate(name[:100])
        names.add(name)


def wrong(error: msgspec.ValidationError, within: str = "") -> InvalidRequest:
    """A member of another type than the dialect has, by its name; `within` is where it stands."""
    text, _, at = str(error).partition(" - at `$")
    param = f"{within}{at.rstrip('`')}".lstrip(".")
    return InvalidRequest(f"{param or 'The body'}: {text}", param=param or None)


def sample(data: bytes) -> str:
    """The beginning of what came, for a message."""
    return repr(data[:80].decode("utf-8", "replace"))
