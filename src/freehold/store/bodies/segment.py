"""A segment of bodies: one append-only file, and the frames in it.

    frame    2s magic 'fB', u32 length of the payload, u32 CRC-32 of the payload, payload

Integers are little-endian. The payload is one `Body` as a msgpack array. `encode` and `decode` are the only two places
that know so: bodies that are encrypted under a key for each subject will be so there.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct as Layout
from typing import NamedTuple
from zlib import crc32

import msgspec
from msgspec import Struct

from freehold.core.errors import StoreFailed
from freehold.core.events import Choice
from freehold.core.interaction import Body

MAGIC = b"fB"
_HEAD = Layout("<2sII")
HEAD_BYTES = _HEAD.size
_CHUNK = 1 << 20
_REPAIR = "Restore it from a copy, or move it away: what it holds is then missing from datasets"


class Place(Struct, frozen=True, array_like=True):
    """What an index knows of one body: who it is, and where in its segment the payload is."""

    id: str
    at: int
    route: str
    subject: str | None
    offset: int
    length: int


class Frame(NamedTuple):
    """A whole frame: its payload, where that begins, and where the frame ends."""

    payload: bytes
    offset: int
    end: int


class _Known(Struct, frozen=True, array_like=True, gc=False):
    """The first members of a stored body: all that an index wants."""

    id: str
    at: int
    route: str
    subject: str | None


class _Stored(Struct, frozen=True, array_like=True):
    """The order of the members is the format; new ones go to the end."""

    id: str
    at: int
    route: str
    subject: str | None
    episode: str | None
    deployment: str | None
    dialect: str
    request: bytes
    answer: Choice


_encoder = msgspec.msgpack.Encoder()
_known = msgspec.msgpack.Decoder(_Known)
_stored = msgspec.msgpack.Decoder(_Stored)


def encode(body: Body) -> bytes:
    """The payload of a body."""
    return _encoder.encode(_Stored(*[getattr(body, name) for name in _Stored.__struct_fields__]))


def decode(payload: bytes, path: Path, offset: int) -> Body:
    """The body in a payload; StoreFailed naming the file where it is none."""
    try:
        stored = _stored.decode(payload)
    except msgspec.MsgspecError as error:
        raise damage(path, offset) from error
    return Body(**{name: getattr(stored, name) for name in _Stored.__struct_fields__})


def frame(payload: bytes) -> bytes:
    return _HEAD.pack(MAGIC, len(payload), crc32(payload)) + payload


def damage(path: Path, offset: int) -> StoreFailed:
    return StoreFailed(f"{path} is damaged at offset {offset}. {_REPAIR}")


def frames(fd: int, start: int = 0) -> Iterator[Frame]:
    """The good frames of an open file from `start` up to the first that is incomplete or damaged."""
    buffer, base = b"", start
    while more := os.pread(fd, max(_CHUNK, _missing(buffer)), base + len(buffer)):
        buffer += more
        at = 0
        while (payload := _payload(buffer, at)) is not None:
            end = at + HEAD_BYTES + len(payload)
            yield Frame(payload, base + at + HEAD_BYTES, base + end)
            at = end
        buffer, base = buffer[at:], base + at
        if len(buffer) >= HEAD_BYTES and (buffer[:2] != MAGIC or not _missing(buffer)):
            return


def places(fd: int, path: Path, start: int = 0) -> tuple[list[Place], int]:
    """What is in an open segment from `start` on, and where its good frames end."""
    found: list[Place] = []
    end = start
    for one in frames(fd, start):
        try:
            known = _known.decode(one.payload)
        except msgspec.MsgspecError as error:
            raise damage(path, one.offset) from error
        found.append(Place(known.id, known.at, known.route, known.subject, one.offset, len(one.payload)))
        end = one.end
    return found, end


def torn(fd: int, path: Path, end: int) -> bytes:
    """What follows the last good frame, which ended at `end`: b'' or an incomplete frame.

    StoreFailed where good frames follow: then something was damaged, not just cut short.
    """
    rest = os.pread(fd, max(0, os.fstat(fd).st_size - end), end)
    at = rest.find(MAGIC, 1)
    while at >= 0:
        if _payload(rest, at) is not None:
            raise damage(path, end)
        at = rest.find(MAGIC, at + 1)
    return rest


def read(fd: int, place: Place, path: Path) -> Body:
    """The body at a place; StoreFailed where the file no longer holds it whole."""
    start = place.offset - HEAD_BYTES
    payload = _payload(os.pread(fd, HEAD_BYTES + place.length, start), 0)
    if payload is None or len(payload) != place.length:
        raise damage(path, start)
    return decode(payload, path, place.offset)


def _missing(buffer: bytes) -> int:
    """How many bytes the frame at the beginning of a buffer still lacks."""
    if len(buffer) < HEAD_BYTES:
        return HEAD_BYTES - len(buffer)
    return max(0, HEAD_BYTES + int(_HEAD.unpack_from(buffer)[1]) - len(buffer))


def _payload(data: bytes, at: int) -> bytes | None:
    """The payload of the frame at `at`, or None if no whole good frame is there."""
    if at + HEAD_BYTES > len(data):
        return None
    magic, length, crc = _HEAD.unpack_from(data, at)
    begin = at + HEAD_BYTES
    if magic != MAGIC or begin + length > len(data):
        return None
    payload = data[begin : begin + length]
    return payload if crc32(payload) == crc else None
