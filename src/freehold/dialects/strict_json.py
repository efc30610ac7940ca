"""JSON that means one thing: refused where two readers could understand it differently (RFC 8259, RFC 7493).

msgspec refuses bad syntax, NaN, bad UTF-8 and lone surrogates; it keeps the last of two members with one name, which
another reader may not. So bodies with duplicate names are refused here, by name.
"""

import json
from typing import Any

import msgspec

from freehold.core.errors import InvalidRequest

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Duplicate(Exception):
    pass


def check(body: bytes) -> None:
    """InvalidRequest naming what is wrong with a body."""
    try:
        value = _decode(body)
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply; use fewer levels") from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not UTF-8 (byte {error.start})") from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from None
    # Compact bodies, as the SDKs send them, come back byte for byte: then no name was lost. Else look at each object.
    if _encode(value) != body:
        _unique(body)


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
