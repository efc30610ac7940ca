"""Spools: results of a batch on their way into its files. Each holder of a batch adds to one of its own.

A result counts when its bytes are on the disk; a line that is cut is no result.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path


class Spools:
    """A folder with a folder for each batch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, batch: str, epoch: int, lines: Sequence[bytes]) -> list[int]:
        """Write lines, each with its end, and wait until the disk has them; where each begins."""
        path = self.path(batch, epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as spool:
            at = spool.seek(0, os.SEEK_END)
            offsets: list[int] = []
            for line in lines:
                offsets.append(at)
                at += len(line)
            spool.write(b"".join(lines))
            spool.flush()
            os.fsync(spool.fileno())
        return offsets

    def path(self, batch: str, epoch: int) -> Path:
        return self._folder / batch / f"{epoch}.jsonl"

    def scan(self, batch: str, epoch: int) -> Iterator[tuple[int, bytes]]:
        """The whole lines of a spool, each with where it begins."""
        path = self.path(batch, epoch)
        if not path.exists():
            return
        at = 0
        with path.open("rb") as spool:
            for line in spool:
                if line.endswith(b"\n"):
                    yield at, line
                at += len(line)

    def remove(self, batch: str) -> None:
        shutil.rmtree(self._folder / batch, ignore_errors=True)

    def batches(self) -> list[str]:
        """Those that have a spool here."""
        return [path.name for path in self._folder.iterdir()] if self._folder.exists() else []
