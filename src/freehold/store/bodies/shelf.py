"""A shelf: the segments that one node wrote, their indexes, and how something is taken out of them.

On disk, in `<folder>/<node>`: `00000001.bodies` and so on; `00000001.index` beside those that are full, made by whoever
reads them first; `lock`, held for moments by who changes what is written; `writer`, held by the writing process.
"""

import fcntl
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from freehold.core.errors import StoreFailed
from freehold.core.interaction import Body
from freehold.store.bodies.segment import Place, frame, places, read, torn

_NAME = re.compile(r"[0-9]{8}\.bodies")
CACHED = 16
"""Indexes kept in memory; one of a full segment has some ten thousand places."""


class _Kept(Struct, frozen=True, array_like=True):
    """An index file. `file` and `size` tell whether it is still that of its segment."""

    file: int
    size: int
    places: list[Place]


class _Index(NamedTuple):
    file: int
    size: int
    end: int
    places: Sequence[Place]
    by_id: dict[str, Place]


class _Range(NamedTuple):
    """From when to when, and from which id to which, a segment has bodies."""

    file: int
    size: int
    at: tuple[int, int]
    ids: tuple[str, str]


def path_of(home: Path, number: int) -> Path:
    return home / f"{number:08d}.bodies"


def numbers(home: Path) -> list[int]:
    """The segments in a folder, oldest first."""
    return sorted(int(p.name[:8]) for p in home.glob("*.bodies") if _NAME.fullmatch(p.name))


@contextmanager
def locked(home: Path) -> Generator[None]:
    """Alone in changing what is already written in this folder."""
    fd = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def sync_folder(home: Path) -> None:
    fd = os.open(home, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Shelf:
    """Reads one node's segments, also while that node writes. Not for several threads at once."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._indexes: OrderedDict[int, _Index] = OrderedDict()
        self._ranges: dict[int, _Range] = {}

    def get(self, id: str) -> Body | None:
        for number in reversed(numbers(self.home)):
            with self._opened(number) as fd:
                if fd < 0 or not self._may_hold(number, fd, id):
                    continue
                place = self._index(number, fd).by_id.get(id)
                if place is not None:
                    return read(fd, place, path_of(self.home, number))
        return None

    def scan(self, wanted: Callable[[Place], bool], since: int, until: int | None) -> Iterator[Body]:
        """The wanted bodies; segments wholly outside the time are not looked into."""
        for number in numbers(self.home):
            with self._opened(number) as fd:
                if fd < 0 or not self._overlaps(number, fd, since, until):
                    continue
                for place in self._index(number, fd).places:
                    if wanted(place):
                        yield read(fd, place, path_of(self.home, number))

    def remove(self, unwanted: Callable[[Place], bool]) -> int:
        """Write every segment that holds something unwanted anew, without it; how many bodies went."""
        count = 0
        with locked(self.home):
            for number in numbers(self.home):
                with self._opened(number) as fd:
                    gone = {p.id for p in self._index(number, fd).places if unwanted(p)} if fd >= 0 else set[str]()
                    if gone:
                        count += self._rewrite(number, fd, gone)
        return count

    def _rewrite(self, number: int, fd: int, gone: set[str]) -> int:
        path = path_of(self.home, number)
        index = self._index(number, fd)
        torn(fd, path, index.end)  # damage is not written over; half a body at the end is let go of
        draft = path.with_suffix(".new")
        kept = [p for p in index.places if p.id not in gone]
        try:
            with draft.open("wb") as file:
                for place in kept:
                    file.write(frame(os.pread(fd, place.length, place.offset)))
                file.flush()
                os.fsync(file.fileno())
            path.with_suffix(".index").unlink(missing_ok=True)
            draft.replace(path)
            sync_folder(self.home)
        except OSError as error:
            raise StoreFailed(
                f"{path} cannot be written anew: {error.strerror}. Nothing was removed from it"
            ) from error
        return len(index.places) - len(kept)

    @contextmanager
    def _opened(self, number: int) -> Generator[int]:
        """A descriptor, or -1 where the file is gone."""
        try:
            fd = os.open(path_of(self.home, number), os.O_RDONLY)
        except FileNotFoundError:
            yield -1
            return
        try:
            yield fd
        finally:
            os.close(fd)

    def _may_hold(self, number: int, fd: int, id: str) -> bool:
        least, most = self._range(number, fd).ids
        return least <= id <= most

    def _overlaps(self, number: int, fd: int, since: int, until: int | None) -> bool:
        first, last = self._range(number, fd).at
        return last >= since and (until is None or first < until)

    def _range(self, number: int, fd: int) -> _Range:
        stat = os.fstat(fd)
        known = self._ranges.get(number)
        if known is None or (known.file, known.size) != (stat.st_ino, stat.st_size):
            found = self._index(number, fd)
            at = [p.at for p in found.places] or [0]
            ids = found.by_id or {"": None}
            known = _Range(found.file, found.size, (min(at), max(at)), (min(ids), max(ids)))
            self._ranges[number] = known
        return known

    def _index(self, number: int, fd: int) -> _Index:
        """What the open segment holds; only what was added since the last look is read."""
        stat = os.fstat(fd)
        known = self._indexes.get(number)
        if known is not None and known.file == stat.st_ino and known.size <= stat.st_size:
            self._indexes.move_to_end(number)
            if known.size == stat.st_size:
                return known
            more, end = places(fd, path_of(self.home, number), known.end)
            found = [*known.places, *more]
        else:
            found, end = self._kept(number, fd, stat.st_ino, stat.st_size)
        index = _Index(stat.st_ino, stat.st_size, end, found, {p.id: p for p in found})
        self._indexes[number] = index
        if len(self._indexes) > CACHED:
            self._indexes.popitem(last=False)
        return index

    def _kept(self, number: int, fd: int, file: int, size: int) -> tuple[list[Place], int]:
        """From the index file of a full segment, else from the segment itself."""
        path = path_of(self.home, number)
        beside = path.with_suffix(".index")
        with suppress(FileNotFoundError, msgspec.MsgspecError):
            kept = msgspec.msgpack.decode(beside.read_bytes(), type=_Kept)
            if (kept.file, kept.size) == (file, size):
                return kept.places, size
        found, end = places(fd, path)
        if torn(fd, path, end):  # an incomplete end: somebody writes there now, or was killed doing so
            return found, end
        if path_of(self.home, number + 1).exists():
            draft = beside.with_suffix(f".{os.getpid()}")
            with suppress(OSError):  # without it the next reader looks for itself
                draft.write_bytes(msgspec.msgpack.encode(_Kept(file, size, found)))
                draft.replace(beside)
        return found, end
