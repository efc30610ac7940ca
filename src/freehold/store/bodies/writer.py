"""The writing end: bodies are taken in on the event loop in microseconds, and a thread brings them to the file.

A process killed by force loses at most what it took in within the last `FLUSH_SECONDS`; a power loss what came within
the last `SYNC_SECONDS`. A file that ends in half a body is cut there by the next start, which says so. That half is not
kept aside: nobody could read it, and nobody could find a person's words in it to forget them.
"""

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from freehold.core.errors import FreeholdError, StoreFailed
from freehold.core.interaction import Body
from freehold.store.bodies.files import BodyFiles
from freehold.store.bodies.segment import encode, frame, frames, torn
from freehold.store.bodies.shelf import locked, numbers, path_of, sync_folder

FLUSH_SECONDS = 0.02
SYNC_SECONDS = 1.0
SEGMENT_BYTES = 64 << 20
PENDING_BYTES = 64 << 20
"""Taken in and not yet in a file; beyond it, where the disk takes nothing, bodies are dropped and counted."""

Told = Callable[[str], None]


class WritingBodies(BodyFiles):
    """The port `Bodies`. `trouble` says why nothing reaches the disk at the moment; `dropped` counts what was lost."""

    @classmethod
    def open(cls, folder: Path, *, node: str, told: Told, segment_bytes: int = SEGMENT_BYTES) -> "WritingBodies":
        """Open `<folder>/<node>` for writing, by one process, and cut an incomplete end, telling so.

        StoreFailed: another process writes there, or the newest file is damaged.
        """
        home = folder / node
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            holding = _hold(home)
        except OSError as error:
            raise StoreFailed(f"The bodies in {home} cannot be written: {error.strerror}") from error
        try:
            with locked(home):
                _repair(home, told)
        except BaseException:
            os.close(holding)
            raise
        return cls(folder, home, holding, segment_bytes)

    def __init__(self, folder: Path, home: Path, holding: int, segment_bytes: int) -> None:
        super().__init__(folder)
        self.trouble: str | None = None
        self.dropped = 0
        self._home = home
        self._holding = holding
        self._segment_bytes = segment_bytes
        self._queue: deque[bytes] = deque()
        self._pending = 0
        self._rest: list[bytes] = []
        self._fd = -1
        self._number = (numbers(home) or [1])[-1]
        self._synced = 0.0
        self._unsynced = False
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="freehold-bodies", daemon=True)
        self._thread.start()

    def put(self, body: Body) -> None:
        payload = encode(body)
        if self._pending + len(payload) > PENDING_BYTES:
            self.dropped += 1
            return
        self._pending += len(payload)
        self._queue.append(payload)
        if not self._wake.is_set():
            self._wake.set()

    def get(self, id: str) -> Body | None:
        self.flush()
        return super().get(id)

    def scan(self, *, since: int = 0, until: int | None = None, route: str | None = None) -> Iterator[Body]:
        self.flush()
        return super().scan(since=since, until=until, route=route)

    def forget(self, *, subject: str | None = None, ids: Sequence[str] = ()) -> int:
        self.flush()
        return super().forget(subject=subject, ids=ids)

    def flush(self) -> None:
        """Bring what was taken in to the file; StoreFailed where the disk does not take it."""
        with self._writing:
            self._write()

    def close(self) -> None:
        """Write and sync everything, and let go of the folder."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake.set()
        self._thread.join()
        try:
            self.flush()
            self._sync()
        finally:
            if self._fd >= 0:
                os.close(self._fd)
            os.close(self._holding)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(SYNC_SECONDS if self._unsynced or self._rest else None)
            self._stop.wait(FLUSH_SECONDS)
            self._wake.clear()
            try:
                self.flush()
                if self._unsynced and time.monotonic() - self._synced >= SYNC_SECONDS:
                    self._sync()
            except FreeholdError as error:
                self.trouble = error.message
            except OSError as error:
                self.trouble = f"The bodies in {self._home} could not be brought to disk: {error.strerror}"
            else:
                self.trouble = None

    def _write(self) -> None:
        batch = self._rest
        batch += [frame(self._queue.popleft()) for _ in range(len(self._queue))]
        if not batch:
            return
        data = b"".join(batch)
        try:
            with locked(self._home):
                self._reach()
                _append(self._fd, data)
        except OSError as error:
            raise StoreFailed(
                f"The bodies in {self._home} cannot be written ({error.strerror}). Free some space: it then goes on"
            ) from error
        self._rest = []
        self._pending = sum(len(payload) for payload in list(self._queue))
        self._unsynced = True

    def _reach(self) -> None:
        """Have the newest segment open: as it is now, since somebody may have written it anew; a fresh one if full."""
        path = path_of(self._home, self._number)
        if self._fd >= 0:
            here = os.fstat(self._fd)
            if not path.exists() or path.stat().st_ino != here.st_ino:
                os.close(self._fd)
                self._fd = -1
            elif here.st_size >= self._segment_bytes:
                os.fsync(self._fd)
                os.close(self._fd)
                self._fd = -1
                self._number += 1
                path = path_of(self._home, self._number)
        if self._fd < 0:
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            sync_folder(self._home)

    def _sync(self) -> None:
        with self._writing:
            if self._fd >= 0:
                os.fsync(self._fd)
            self._synced, self._unsynced = time.monotonic(), False


def _append(fd: int, data: bytes) -> None:
    """All of it, or nothing of it and an OSError."""
    before = os.fstat(fd).st_size
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError:
        os.ftruncate(fd, before)
        raise


def _hold(home: Path) -> int:
    fd = os.open(home / "writer", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise StoreFailed(
            f"The bodies in {home} are written by another process. Stop that one, or give this one another node name"
        ) from None
    return fd


def _repair(home: Path, told: Told) -> None:
    """Cut an incomplete end off the newest segment; remove what an interrupted removal left."""
    for draft in home.glob("*.new"):
        draft.unlink()
    for number in numbers(home)[-1:]:
        path = path_of(home, number)
        fd = os.open(path, os.O_RDWR)
        try:
            end = 0
            for one in frames(fd):
                end = one.end
            rest = torn(fd, path, end)
            if rest:
                os.ftruncate(fd, end)
                os.fsync(fd)
                told(f"{path} ended in an incomplete body of {len(rest)} bytes after offset {end}: it is cut off")
        finally:
            os.close(fd)
