"""A segment: one append-only file of the log, and the frames in it.

    header   8s magic 'FREEHOLD', u16 version, u32 number, u64 leaves before it, u64 opened at (UTC ns), u32 CRC-32
    frame    u32 length of the payload, u32 CRC-32 of all that follows it, u8 kind, payload

All integers are little-endian. A frame is written by one system call, alone or with others, so a killed process leaves
at most one incomplete frame, at the end of the newest segment.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from struct import Struct as Layout
from typing import Literal, NamedTuple, cast
from zlib import crc32

from msgspec import Struct

from freehold.core.errors import LedgerDamaged
from freehold.ledger.entry import Kind

VERSION = 1
_MAGIC = b"FREEHOLD"
_HEADER = Layout("<8sHIQQ")
_CRC = Layout("<I")
HEADER_BYTES = _HEADER.size + _CRC.size
PREFIX = Layout("<II")
_FRAME = Layout("<IIB")
FRAME_BYTES = _FRAME.size
_CHUNK = 1 << 20
_KINDS = re.compile(rb"[\x01-\x04]")
_NAME = re.compile(r"[0-9]{8}\.log")
_SEEDS = tuple(crc32(bytes((kind,))) for kind in range(5))  # the CRC of what precedes the payload


class Position(Struct, frozen=True, order=True):
    """A place between two frames: a segment's number and an offset in bytes."""

    segment: int
    offset: int


START = Position(1, HEADER_BYTES)


class Header(Struct, frozen=True, kw_only=True):
    """The head of a segment. `leaves`: how many the log had before it; `at`: UTC nanoseconds of its making."""

    number: int
    leaves: int
    at: int

    def encode(self) -> bytes:
        head = _HEADER.pack(_MAGIC, VERSION, self.number, self.leaves, self.at)
        return head + _CRC.pack(crc32(head))


class Frame(NamedTuple):
    """A whole frame with a right CRC, from `offset` to `end` of its file."""

    kind: Kind
    payload: bytes
    offset: int
    end: int


class Rest(Struct, frozen=True):
    """What follows the last good frame: nothing, an incomplete frame, or damage with good frames after it."""

    state: Literal["clean", "torn", "damaged"]
    data: bytes = b""
    next: int = 0  # where frames are good again, if damaged


def path_of(home: Path, number: int) -> Path:
    return home / f"{number:08d}.log"


def existing(home: Path) -> list[int]:
    """The segments in a node's folder, oldest first; none where there is no folder."""
    return sorted(int(p.name[:8]) for p in home.glob("*.log") if _NAME.fullmatch(p.name))


def numbers(home: Path) -> list[int]:
    """The segments in a node's folder, oldest first; LedgerDamaged where one is missing."""
    found = existing(home)
    for expected, number in enumerate(found, start=1):
        if number != expected:
            raise LedgerDamaged(f"Segment {path_of(home, expected)} is missing. Restore it from a copy")
    return found


def header_at(path: Path) -> Header:
    """The header of a segment; LedgerDamaged if it has none."""
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES or _CRC.unpack_from(head, _HEADER.size)[0] != crc32(head[: _HEADER.size]):
        raise LedgerDamaged(f"{path} has a damaged header at offset 0. Restore it from a copy")
    magic, version, number, leaves, at = cast(tuple[bytes, int, int, int, int], _HEADER.unpack_from(head))
    if magic != _MAGIC or version != VERSION or path.name != path_of(path.parent, number).name:
        raise LedgerDamaged(f"{path} is not segment {path.stem} in version {VERSION} of the format")
    return Header(number=number, leaves=leaves, at=at)


def frame(kind: int, payload: bytes) -> bytes:
    """The bytes of a frame."""
    return _FRAME.pack(len(payload), crc32(payload, _SEEDS[kind]), kind) + payload


def frames(fd: int, offset: int) -> Iterator[Frame]:
    """The good frames of an open file from `offset` up to the first that is incomplete or damaged (see `rest`)."""
    buffer, base = b"", offset
    while more := os.pread(fd, _CHUNK, base + len(buffer)):
        buffer += more
        at = 0
        while (payload := _payload(buffer, at)) is not None:
            end = at + FRAME_BYTES + len(payload)
            yield Frame(cast(Kind, buffer[at + 8]), payload, base + at, base + end)
            at = end
        buffer, base = buffer[at:], base + at
        if len(buffer) >= FRAME_BYTES:
            end = FRAME_BYTES + int(PREFIX.unpack_from(buffer)[0])
            if end <= len(buffer) or base + end > os.fstat(fd).st_size:
                return


def rest(fd: int, offset: int) -> Rest:
    """What follows the last good frame, which ended at `offset`."""
    data = os.pread(fd, max(0, os.fstat(fd).st_size - offset), offset)
    if not data:
        return Rest("clean")
    for match in _KINDS.finditer(data, 8):
        at = match.start() - 8
        if _payload(data, at) is not None:
            return Rest("damaged", data, offset + at)
    return Rest("torn", data)


def _payload(data: bytes, at: int) -> bytes | None:
    """The payload of the frame at `at`, or None if no whole good frame is there."""
    if at + FRAME_BYTES > len(data):
        return None
    length, crc = PREFIX.unpack_from(data, at)
    end = at + FRAME_BYTES + length
    if end > len(data) or not 1 <= data[at + 8] <= 4 or crc32(data[at + 8 : end]) != crc:
        return None
    return data[at + FRAME_BYTES : end]
