"""The journal: the writing end of a node's log, and what a start makes of what it finds.

On disk, in `<folder>/<node>`: `00000001.log` and so on (`segment`), the key (`checkpoint`), what the notary keeps
(`notary`), `lock`, and the `*.torn` ends that a start cut off.
"""

import errno
import fcntl
import os
import re
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from typing import Literal

from freehold.core.errors import InUse, LedgerDamaged, SettingsWrong, StoreFailed
from freehold.core.inference import Accepted, Inference
from freehold.core.ports import Clock
from freehold.ledger.book import Recovery, Written
from freehold.ledger.checkpoint import signer_at
from freehold.ledger.entry import ACCEPTED, ACT, OPENED, RECORD, Act, Kind, encode
from freehold.ledger.merkle import leaf_hash
from freehold.ledger.notary import Notary, Pace
from freehold.ledger.recovery import recover
from freehold.ledger.segment import HEADER_BYTES, Header, Position, frame, numbers, path_of
from freehold.ledger.tiles import Rows

SEGMENT_BYTES = 64 << 20
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PACE = Pace()


class Journal:
    """The ledger of one node, open for writing: by one process (a lock sees to it) and from one thread.

    When `accept`, `close` or `act` returns, its frames are with the kernel: a process killed at any moment after that
    has lost nothing. With `sync="async"` the files are brought to disk in groups, off the way of requests, so a power
    loss may cost what was written within the last moments (never what a checkpoint covers). With `sync="sync"` each of
    the three returns only when its frames are on disk; the calling thread waits for that, a disk's latency each time.

    StoreFailed: none of the frames is in the log (disk full, say); the log is as it was before, and trying again may
    help.
    """

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        node: str,
        clock: Clock,
        sync: Literal["async", "sync"] = "async",
        pace: Pace = _PACE,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> tuple["Journal", Recovery]:
        """Open `<folder>/<node>`, making it where it is missing, and bring it in order.

        What was accepted and never closed is closed as `unknown`; then an act `ledger.opened` says what was found.
        LedgerDamaged: the log does not hold what it once held, and was left as it is. StoreFailed: another process
        has it open, or the folder cannot be written.
        """
        if not _NODE.fullmatch(node):
            raise SettingsWrong(f"Node name {node!r} is not 1 to 64 letters, digits, dots, dashes and underscores")
        home = folder / node
        try:
            with ExitStack() as undo:
                (home / "rows").mkdir(parents=True, exist_ok=True)
                undo.callback(os.close, _locked(home))
                if not (home / "key").exists() and numbers(home):
                    raise LedgerDamaged(f"The key {home / 'key'} of this log is missing. Restore it from a copy")
                signer = signer_at(home / "key", name=f"freehold/{node}", seed=os.urandom(32))
                rows = Rows(home / "rows", writes=True)
                undo.callback(rows.close)
                found = recover(home, rows, signer.verifier)
                notary = Notary(home, signer=signer, found=found, rows=rows, clock=clock, pace=pace)
                journal = cls(home, notary, clock=clock, sync=sync == "sync", segment_bytes=segment_bytes)
                undo.callback(journal._leave)
                notary.start(journal._sync_files)
                undo.callback(notary.stop)
                for accepted in found.unclosed:
                    journal.close(_unknown(accepted))
                detail = str(found.recovery)
                journal.act(Act(at=clock(), actor="freehold", verb=OPENED, subject=node, detail=detail))
                journal._undo = undo.pop_all()
        except OSError as error:
            raise StoreFailed(f"The ledger in {home} cannot be opened: {error}") from error
        return journal, found.recovery

    def __init__(self, home: Path, notary: Notary, *, clock: Clock, sync: bool, segment_bytes: int) -> None:
        self.home = home
        self.verifier = notary.verifier
        self._notary = notary
        self._clock = clock
        self._sync = sync
        self._limit = segment_bytes
        self._leaves = notary.size
        self._sealed: deque[int] = deque()
        self._undo = ExitStack()
        self._broken = f"The ledger in {home} is closed"
        existing = numbers(home)
        self._number = existing[-1] if existing else 1
        self._fd = os.open(path_of(home, self._number), os.O_RDWR | os.O_APPEND) if existing else self._segment(1)
        self._end = os.fstat(self._fd).st_size
        _sync_folder(home)

    @property
    def position(self) -> Position:
        """The end of what is written."""
        return Position(self._number, self._end)

    @property
    def ahead(self) -> int:
        """Frames that are written and not under the tree yet; bounded by the pace."""
        return self._notary.behind

    @property
    def trouble(self) -> str | None:
        """Why nothing is accepted at the moment, or None."""
        return self._notary.trouble

    def accept(self, *accepted: Accepted) -> None:
        """Promise that records will follow, before anything is sent."""
        if self._notary.trouble is not None:
            raise StoreFailed(self._notary.trouble)
        ends = self._write(ACCEPTED, [encode(one) for one in accepted])
        self._tell([Written(self._number, end, one) for one, end in zip(accepted, ends, strict=True)])

    def close(self, *inferences: Inference) -> None:
        """Keep the promises. A refusal, which nothing accepted, may be recorded without one."""
        payloads = [encode(one) for one in inferences]
        ends = self._write(RECORD, payloads)
        self._leaves += len(ends)
        self._tell([
            Written(self._number, end, None, leaf_hash(payload), one.id)
            for one, payload, end in zip(inferences, payloads, ends, strict=True)
        ])  # fmt: skip

    def act(self, act: Act) -> None:
        """Record something done to the gateway."""
        payload = encode(act)
        (end,) = self._write(ACT, [payload])
        self._leaves += 1
        self._tell([Written(self._number, end, None, leaf_hash(payload))])

    def settle(self) -> None:
        """Return when all that was written is on disk and under a signed checkpoint. Waits for the disk."""
        self._notary.settle()

    def stop(self) -> None:
        """Settle, and let go of the log. Stopping again does nothing."""
        self._undo.close()

    def _write(self, kind: Kind, payloads: Sequence[bytes]) -> list[int]:
        """Put frames at the end, by one write; where each ends."""
        if self._end >= self._limit:
            self._rotate()
        frames = [frame(kind, payload) for payload in payloads]
        data = b"".join(frames)
        try:
            done = os.write(self._fd, data)
        except OSError as error:
            raise self._mended(error.strerror or str(error)) from error
        if done != len(data):
            raise self._mended("the disk is full")
        ends = list(accumulate(map(len, frames), initial=self._end))
        self._end = ends[-1]
        return ends[1:]

    def _tell(self, written: list[Written]) -> None:
        self._notary.tell(written)
        if self._sync:
            self._sync_now()

    def _mended(self, why: str) -> StoreFailed:
        """Take back half a frame; where even that fails, write nothing ever after it."""
        if self._fd < 0:
            return StoreFailed(self._broken)
        try:
            os.ftruncate(self._fd, self._end)
        except OSError as error:
            self._broken = (
                f"{path_of(self.home, self._number)} has half a frame at offset {self._end} that could not be taken "
                f"back ({error.strerror}). Start again: it is cut off then"
            )
            self._sealed.append(self._fd)
            self._fd = -1
            return StoreFailed(self._broken)
        return StoreFailed(f"The ledger in {self.home} cannot be written: {why}. Free some space and try again")

    def _rotate(self) -> None:
        if self._fd < 0:
            raise StoreFailed(self._broken)
        try:
            fd = self._segment(self._number + 1)
        except OSError as error:
            raise StoreFailed(f"The ledger in {self.home} cannot begin a segment: {error.strerror}") from error
        self._sealed.append(self._fd)
        self._fd, self._number, self._end = fd, self._number + 1, HEADER_BYTES

    def _segment(self, number: int) -> int:
        """Make a segment; it appears with its header or not at all."""
        path = path_of(self.home, number)
        draft = path.with_suffix(".new")
        fd = os.open(draft, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o640)
        try:
            header = Header(number=number, leaves=self._leaves, at=self._clock()).encode()
            if os.write(fd, header) != len(header):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._sync:
                os.fsync(fd)
            draft.rename(path)
            if self._sync:
                _sync_folder(self.home)
        except OSError:
            os.close(fd)
            raise
        return fd

    def _sync_now(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise StoreFailed(self._notary.lose(error)) from error

    def _sync_files(self) -> None:
        """Bring all that is written to disk; called by the notary's thread.

        The newest file comes first: should it be sealed meanwhile, it is found among the sealed ones as well.
        """
        newest = self._fd
        if newest >= 0:
            os.fsync(newest)
        if self._sealed:
            _sync_folder(self.home)
        while self._sealed:
            os.fsync(self._sealed[0])
            os.close(self._sealed.popleft())

    def _leave(self) -> None:
        while self._sealed:
            os.close(self._sealed.popleft())
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _unknown(accepted: Accepted) -> Inference:
    return Inference(
        id=accepted.id,
        at=accepted.at,
        outcome="unknown",
        route=accepted.route,
        key=accepted.key,
        team=accepted.team,
        purpose=accepted.purpose,
        error="process_died",
        message="The process ended before this inference did; found at the next start",
    )


def _locked(home: Path) -> int:
    """The lock of a node's folder, held as long as its descriptor is open."""
    fd = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 20, 0).decode().strip() or "unknown"
        os.close(fd)
        raise InUse(
            f"The ledger in {home} is in use by process {holder}. Stop that one, or choose another data folder"
        ) from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
