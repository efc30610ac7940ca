"""Reading a log from a position, also while another process writes it.

A node's folder (its `home`) is `<data>/ledger/<node>`. An incomplete frame at the very end is what a writer has not
finished or a killed one left: reading stops before it. Damage anywhere else is LedgerDamaged.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from freehold.core.errors import LedgerDamaged
from freehold.core.inference import Accepted, Inference
from freehold.ledger.entry import ACCEPTED, ACT, RECORD, Entry, decode
from freehold.ledger.segment import (
    HEADER_BYTES,
    START,
    Frame,
    Position,
    frames,
    header_at,
    numbers,
    path_of,
    rest,
)

_SKEW = 60_000_000_000  # nanoseconds: by how much the clock may have been set back between two segments


def homes(folder: Path) -> list[Path]:
    """The nodes' folders in a ledger folder, by name."""
    return sorted(p.parent for p in folder.glob(f"*/{path_of(Path(), 1)}"))


def read(home: Path, start: Position = START) -> Iterator[tuple[Position, Entry]]:
    """Entries from `start` on, each with the position after it, from which reading goes on later."""
    for number, frame in walk(home, start):
        where = f"{path_of(home, number)} at offset {frame.offset}"
        yield Position(number, frame.end), decode(frame.kind, frame.payload, where=where)


def find(home: Path, id: str) -> tuple[Position, Inference | Accepted] | None:
    """The record of an inference, or its acceptance where there is no record yet, with the position after it.

    Segments are read from the newest back to the one that was being written when the id, a UUIDv7, was made (all of
    them for another kind of id); 64 MiB take a tenth of a second.
    """
    made = _made(id)
    record, acceptance = f'{{"id":"{id}",'.encode(), None
    for number in reversed(numbers(home)):
        acceptance = None
        for frame in _segment(home, number):
            if frame.kind in {RECORD, ACCEPTED} and frame.payload.startswith(record):
                where = f"{path_of(home, number)} at offset {frame.offset}"
                entry = decode(frame.kind, frame.payload, where=where)
                if isinstance(entry, Inference):
                    return Position(number, frame.end), entry
                if isinstance(entry, Accepted):
                    acceptance = Position(number, frame.end), entry
        if acceptance or header_at(path_of(home, number)).at + _SKEW < made:
            return acceptance
    return None


def leaf(home: Path, before: Position) -> tuple[int, bytes]:
    """The number in the tree, and the bytes, of the leaf that ends at a position; ValueError if none does."""
    number = header_at(path_of(home, before.segment)).leaves
    for frame in _segment(home, before.segment):
        if frame.end == before.offset and frame.kind in {RECORD, ACT}:
            return number, frame.payload
        number += frame.kind in {RECORD, ACT}
    raise ValueError(f"No leaf ends at offset {before.offset} of {path_of(home, before.segment)}")


def walk(home: Path, start: Position = START) -> Iterator[tuple[int, Frame]]:
    """The frames from `start` on, each with the number of its segment."""
    number, offset = start.segment, start.offset
    if start == START and not path_of(home, number).exists():
        return
    while True:
        path, after = path_of(home, number), path_of(home, number + 1)
        sealed = after.exists()  # asked before reading: what is sealed does not grow
        _reaches(path, offset)
        fd = os.open(path, os.O_RDONLY)
        try:
            for frame in frames(fd, offset):
                yield number, frame
                offset = frame.end
            left = rest(fd, offset)
        finally:
            os.close(fd)
        if (left.state == "damaged" and left.next > offset) or (left.state == "torn" and sealed):
            raise damage(path, offset)
        if sealed and left.state == "clean":
            number, offset = number + 1, HEADER_BYTES
        elif left.state != "damaged" and not after.exists():
            return
        # else the writer was faster than this reader: there is more


def _reaches(path: Path, offset: int) -> None:
    """LedgerDamaged unless the segment is there, has its header and is at least `offset` bytes long."""
    if not path.exists():
        raise LedgerDamaged(f"{path} is missing. Restore it from a copy")
    if offset == HEADER_BYTES:
        header_at(path)
    if path.stat().st_size < offset:
        raise LedgerDamaged(f"{path} ends before offset {offset}, which was there. Restore it from a copy")


def damage(path: Path, offset: int) -> LedgerDamaged:
    return LedgerDamaged(
        f"{path} is damaged at offset {offset}, before its end. Nothing was changed: restore it from a copy "
        "(`freehold verify` lists all damage)"
    )


def _segment(home: Path, number: int) -> Iterator[Frame]:
    for at, frame in walk(home, Position(number, HEADER_BYTES)):
        if at != number:
            return
        yield frame


def _made(id: str) -> int:
    """The time in a UUIDv7, as UTC nanoseconds; 0, before everything, for another kind of id."""
    try:
        value = UUID(id)
    except ValueError:
        return 0
    return (value.int >> 80) * 1_000_000 if value.version == 7 else 0
