"""The tree's hashes as C2SP tlog-tiles: rows of 256 hashes a tile, each tile's root a hash of the row above.

A row is one append-only file of 32-byte hashes, so tile N of row L is its bytes from N * 8192 on, whole or partial.
Source: https://c2sp.org/tlog-tiles.
"""

import os
from collections.abc import Callable
from pathlib import Path

from freehold.core.errors import LedgerDamaged
from freehold.ledger.merkle import HASH_BYTES, Frontier, Nodes, fold

WIDTH = 256
_HEIGHT = 8

Write = Callable[[int, int, bytes], None]
"""(row, offset in bytes, hashes): puts hashes in their place."""


class _Row:
    """The last, incomplete tile of a row, and the hashes that are not written yet."""

    __slots__ = ("count", "pending", "tile")

    def __init__(self, hashes: bytes, count: int) -> None:
        self.tile = Frontier(_hashes(hashes))
        self.count = count
        self.pending = bytearray()


class Tree:
    """A growing tree that hands out each hash of each row once, in order (`flush`)."""

    def __init__(self) -> None:
        self._rows: list[_Row] = [_Row(b"", 0)]

    @property
    def size(self) -> int:
        return self._rows[0].count

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        level, carried = 0, leaf
        while True:
            row = self._rows[level]
            row.pending += carried
            row.count += 1
            row.tile.append(carried)
            if row.tile.size < WIDTH:
                return
            carried = row.tile.root()
            row.tile = Frontier()
            level += 1
            if level == len(self._rows):
                self._rows.append(_Row(b"", 0))

    def root(self) -> bytes:
        """The RFC 6962 root of all leaves so far."""
        return fold([h for row in reversed(self._rows) for h in row.tile.hashes])

    def flush(self, write: Write) -> None:
        """Give what is new to `write`; where it raises, the same is given again the next time."""
        for level, row in enumerate(self._rows):
            if row.pending:
                write(level, row.count * HASH_BYTES - len(row.pending), bytes(row.pending))
                row.pending.clear()

    @classmethod
    def resume(cls, rows: "Rows", size: int) -> "Tree":
        """The tree as it was with `size` leaves; LedgerDamaged if the rows do not reach that far."""
        tree = cls()
        tree._rows = []
        level = 0
        while (count := size >> level * _HEIGHT) or not level:
            tail = count % WIDTH
            tree._rows.append(_Row(rows.read(level, count - tail, tail), count))
            level += 1
        return tree


class Rows:
    """The files of the rows, in a folder: `0` has the leaf hashes. Only a writer makes files that are not there."""

    def __init__(self, folder: Path, *, writes: bool = False) -> None:
        self.folder = folder
        self._flags = os.O_RDWR | os.O_CREAT if writes else os.O_RDONLY
        self._fds: dict[int, int] = {}

    def read(self, level: int, first: int, count: int) -> bytes:
        """`count` hashes of a row from number `first` on; LedgerDamaged if they are not all there.

        With first = 256 * N and count <= 256 this is tile N of the row.
        """
        data = self.at(level, first * HASH_BYTES, count * HASH_BYTES)
        if len(data) != count * HASH_BYTES:
            raise LedgerDamaged(
                f"{self.folder / str(level)} ends before hash {first + count}. It is made anew at start"
            )
        return data

    def at(self, level: int, offset: int, length: int) -> bytes:
        """What is there of `length` bytes of a row."""
        try:
            return os.pread(self._fd(level), length, offset) if length else b""
        except FileNotFoundError:
            return b""

    def write(self, level: int, offset: int, hashes: bytes) -> None:
        """Put hashes in their place. OSError as it comes."""
        fd, view = self._fd(level), memoryview(hashes)
        while view:
            done = os.pwrite(fd, view, offset)
            view, offset = view[done:], offset + done

    def cut(self, size: int) -> None:
        """Forget what is beyond `size` leaves."""
        for path in self.folder.iterdir():
            os.truncate(path, min(path.stat().st_size, (size >> int(path.name) * _HEIGHT) * HASH_BYTES))

    def nodes(self, size: int) -> Nodes:
        """The perfect subtrees of the tree with `size` leaves, for `merkle.inclusion` and `merkle.consistency`."""

        def node(height: int, index: int) -> bytes:
            if (index + 1) << height > size:
                raise ValueError(f"Subtree {index} of height {height} reaches beyond {size} leaves")
            level, inside = divmod(height, _HEIGHT)
            return Frontier(_hashes(self.read(level, index << inside, 1 << inside))).root()

        return node

    def sync(self) -> None:
        for fd in self._fds.values():
            os.fsync(fd)

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.popitem()[1])

    def _fd(self, level: int) -> int:
        fd = self._fds.get(level)
        if fd is None:
            fd = self._fds[level] = os.open(self.folder / str(level), self._flags, 0o640)
        return fd


def _hashes(data: bytes) -> list[bytes]:
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]
