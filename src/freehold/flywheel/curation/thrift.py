"""Thrift's compact protocol, as far as the metadata of a Parquet file needs it.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. A struct is a mapping from
field number to value: an `int` of 64 bits, an `I32`, `bytes`, a nested mapping, or a list of one kind of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_DEEPEST = 16


class I32(NamedTuple):
    """An integer of 32 bits."""

    value: int


Struct = Mapping[int, Any]


def encode(struct: Struct) -> bytes:
    """The bytes of a struct."""
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


def decode(data: bytes | memoryview, at: int = 0) -> tuple[dict[int, Any], int]:
    """The struct that begins at `at`, and where it ends; ValueError where there is none. Integers are plain."""
    try:
        return _read_struct(data, at, 0)
    except IndexError:
        raise ValueError("ends in the middle of its metadata") from None


def _write_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for number, value in sorted(struct.items()):
        kind = _kind(value)
        delta = number - last
        if 0 < delta < 16:
            out.append(delta << 4 | kind)
        else:
            out.append(kind)
            _varint(out, _zigzag(number))
        _write(out, value)
        last = number
    out.append(0)


def _kind(value: Any) -> int:
    match value:
        case I32():
            return _I32
        case int():
            return _I64
        case bytes():
            return _BINARY
        case Mapping():
            return _STRUCT
        case _:
            return _LIST


def _write(out: bytearray, value: Any) -> None:
    match value:
        case I32(number):
            _varint(out, _zigzag(number))
        case int():
            _varint(out, _zigzag(value))
        case bytes():
            _varint(out, len(value))
            out += value
        case Mapping():
            _write_struct(out, cast("Struct", value))
        case _:
            items = cast("Sequence[Any]", value)
            kind = _kind(items[0]) if items else _BINARY
            if len(items) < 15:
                out.append(len(items) << 4 | kind)
            else:
                out.append(0xF0 | kind)
                _varint(out, len(items))
            for item in items:
                _write(out, item)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _varint(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("has a number of more than 64 bits in its metadata")


def _read_struct(data: bytes | memoryview, at: int, depth: int) -> tuple[dict[int, Any], int]:
    if depth > _DEEPEST:
        raise ValueError("has metadata that is too deep")
    struct: dict[int, Any] = {}
    last = 0
    while head := data[at]:
        at += 1
        kind = head & 0x0F
        if head >> 4:
            last += head >> 4
        else:
            number, at = _read_varint(data, at)
            last = (number >> 1) ^ -(number & 1)
        struct[last], at = _read(data, at, kind, depth)
    return struct, at + 1


def _read(data: bytes | memoryview, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in {_TRUE, _FALSE}:
        return kind == _TRUE, at
    if kind == _BYTE:
        return data[at], at + 1
    if kind in {_I16, _I32, _I64}:
        number, at = _read_varint(data, at)
        return (number >> 1) ^ -(number & 1), at
    if kind == _DOUBLE:
        return bytes(data[at : at + 8]), at + 8
    if kind == _BINARY:
        size, at = _read_varint(data, at)
        if at + size > len(data):
            raise IndexError
        return bytes(data[at : at + size]), at + size
    if kind == _STRUCT:
        return _read_struct(data, at, depth + 1)
    if kind in {_LIST, _SET}:
        return _read_list(data, at, depth)
    raise ValueError(f"has a field of unknown kind {kind} in its metadata")


def _read_list(data: bytes | memoryview, at: int, depth: int) -> tuple[list[Any], int]:
    head = data[at]
    at += 1
    size, kind = head >> 4, head & 0x0F
    if size == 15:
        size, at = _read_varint(data, at)
    if size > len(data) - at:
        raise IndexError
    items: list[Any] = []
    for _ in range(size):
        item, at = (data[at] == 1, at + 1) if kind in {_TRUE, _FALSE} else _read(data, at, kind, depth)
        items.append(item)
    return items, at
