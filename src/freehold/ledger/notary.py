"""The notary of a log: one thread that syncs what was written, grows the tree over it and signs checkpoints.

It follows the journal through a queue, so nothing here is on the way of a request. On disk, in the node's folder:

    checkpoints   every signed note, framed as in a segment without header
    checkpoint    the newest of them, for readers
    rows/         the hashes of the tree
    resume        where the newest checkpoint stands in the log; a start goes on from there
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from freehold.core.errors import StoreFailed
from freehold.core.ports import Clock
from freehold.ledger.book import Found, Resume, Written
from freehold.ledger.checkpoint import Signer
from freehold.ledger.entry import CHECKPOINT
from freehold.ledger.segment import frame
from freehold.ledger.tiles import Rows

_SECOND = 1_000_000_000
_BREATH = 5e-5  # seconds: hashing holds the interpreter, and a request must not wait for a whole batch of it


class Pace(Struct, frozen=True, kw_only=True):
    """How often: seconds between two syncs of the files, seconds and leaves between two checkpoints.

    `ahead`: frames that the journal may be ahead of the notary; beyond them it waits, so that memory stays bounded.
    A sync makes the writes beside it dearer, so it comes five times a second, not with every handful of requests.
    """

    sync_seconds: float = 0.2
    checkpoint_seconds: float = 10.0
    checkpoint_leaves: int = 20_000
    ahead: int = 10_000


class Notary:
    """Runs from `start` to `stop`. `trouble` says why the journal may accept nothing now, or is None."""

    def __init__(self, home: Path, *, signer: Signer, found: Found, rows: Rows, clock: Clock, pace: Pace) -> None:
        self.trouble: str | None = None
        self.verifier = signer.verifier
        self._home = home
        self._signer = signer
        self._book = found.book
        self._rows = rows
        self._notes = found.notes
        self._signed = found.signed
        self._clock = clock
        self._pace = pace
        self._signed_at = clock()
        self._queue: deque[Written] = deque()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._asked: deque[threading.Event] = deque()
        self._stopping = False
        self._unsynced = False

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._book.tree.size

    @property
    def behind(self) -> int:
        """Frames that were told and not followed yet."""
        return len(self._queue)

    def start(self, sync: Callable[[], None]) -> None:
        """Begin to follow; `sync` brings to the disk whatever was told before it is called."""
        self._sync = sync
        self._thread = threading.Thread(target=self._run, name="freehold-ledger", daemon=True)
        self._thread.start()

    def tell(self, written: Iterable[Written]) -> None:
        """Frames are in the log. Costs well under a microsecond: the thread sleeps for a while after each round."""
        self._queue.extend(written)
        if not self._wake.is_set():
            self._wake.set()
        if self.behind > self._pace.ahead:
            self._catch_up()

    def _catch_up(self) -> None:
        """The thread is far behind, on a core too busy or a disk too slow: give it the time of the one who writes."""
        self._hurry.set()
        while self.behind > self._pace.ahead and self._thread.is_alive():
            time.sleep(_BREATH)

    def settle(self) -> None:
        """Return when all that was told is on disk and under a signed checkpoint; StoreFailed if it cannot be."""
        if not self._thread.is_alive():
            raise StoreFailed(f"The ledger in {self._home} is closed")
        done = threading.Event()
        self._asked.append(done)
        self._hurry.set()
        self._wake.set()
        done.wait()
        if self.trouble is not None:
            raise StoreFailed(self.trouble)

    def stop(self) -> None:
        """Settle and end; StoreFailed if the last round failed."""
        self._stopping = True
        self._hurry.set()
        self._wake.set()
        self._thread.join()
        if self.trouble is not None:
            raise StoreFailed(self.trouble)

    def lose(self, error: OSError) -> str:
        """The disk did not take what it had promised to take: from now on nothing is accepted."""
        self._unsynced = True
        self.trouble = (
            f"The ledger in {self._home} could not be brought to disk ({error.strerror}), so it accepts nothing. "
            "Check the disk, then start again"
        )
        return self.trouble

    def _run(self) -> None:
        stopping = False
        while not stopping:
            self._wake.wait(self._patience())
            stopping = self._stopping
            self._wake.clear()
            self._hurry.clear()
            asked = [self._asked.popleft() for _ in range(len(self._asked))]
            try:
                self._round(must_sign=stopping or bool(asked))
            except Exception as error:  # the thread's edge: a fault here must stop acceptance, not pass unseen
                self.trouble = f"The ledger's notary failed ({error!r}), so nothing is accepted. Start again"
                self._unsynced = True
            for done in asked:
                done.set()
            if not self._stopping:
                self._hurry.wait(self._pace.sync_seconds)

    def _patience(self) -> float | None:
        """Seconds until there is something to do without being told."""
        if self.trouble is not None:
            return 1.0
        if self._book.tree.size == self._signed:
            return None
        passed = (self._clock() - self._signed_at) / _SECOND
        return max(0.0, self._pace.checkpoint_seconds - passed)

    def _round(self, *, must_sign: bool) -> None:
        self._follow()
        if self._unsynced:
            return
        try:
            self._sync()
        except OSError as error:
            self.lose(error)
            return
        try:
            self._book.tree.flush(self._rows.write)
            if self._book.tree.size > self._signed and (must_sign or self._due()):
                self._sign()
        except OSError as error:  # derived files: nothing is lost, and it is tried again
            self.trouble = (
                f"The ledger in {self._home} cannot write its checkpoints ({error.strerror}), so it accepts nothing. "
                "Free some space: it goes on by itself"
            )
        else:
            self.trouble = None

    def _follow(self) -> None:
        take, next_ = self._book.take, self._queue.popleft
        for count in range(1, len(self._queue) + 1):
            take(next_())
            if count % 128 == 0:
                time.sleep(_BREATH)

    def _due(self) -> bool:
        leaves = self._book.tree.size - self._signed
        return leaves >= self._pace.checkpoint_leaves or self._patience() == 0.0

    def _sign(self) -> None:
        """Sign the tree as it is. Each step may be repeated, and a start goes on from what the last one left."""
        at, tree, book = self._clock(), self._book.tree, self._book
        note = self._signer.checkpoint(size=tree.size, root=tree.root())
        self._rows.sync()
        framed = frame(CHECKPOINT, note)
        with open(self._home / "checkpoints", "r+b") as file:
            file.seek(self._notes)
            file.write(framed)
            file.flush()
            os.fsync(file.fileno())
        notes = self._notes + len(framed)
        resume = Resume(note=note, position=book.position, open=tuple(book.open.values()), notes=notes)
        replace(self._home / "checkpoint", note)
        replace(self._home / "resume", msgspec.json.encode(resume))
        self._notes, self._signed, self._signed_at = notes, tree.size, at


def replace(path: Path, data: bytes) -> None:
    """Put a file in place whole: after a crash it is the old one or the new one."""
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
