"""Run: one batch, worked on by the process that holds it, from its first line to its files.

Each step writes what was answered to the spool, then in one transaction marks those lines finished and claims the next,
each under the id of the inference that it will be; only then are they sent. So whatever happens in between, the next
holder knows of every line whether it was answered, may have been sent, or was not.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from freehold.core.batch import Batch, BatchStatus, Hold, LineClaim, LineError, LineResult
from freehold.core.errors import (
    Changed,
    Draining,
    FreeholdError,
    NoneHealthy,
    Overloaded,
    RateLimited,
    StoreFailed,
    Throttled,
    Unauthenticated,
)
from freehold.core.ids import Ids
from freehold.core.inference import Accepted, Inference
from freehold.core.money import NANO
from freehold.core.ports import Batches, Clock, Files
from freehold.core.principal import Key
from freehold.dialects.dialect import Dialect
from freehold.gateway.batches import results
from freehold.gateway.batches.captured import Captured, Said
from freehold.gateway.batches.files_made import Made, Spooled, assemble
from freehold.gateway.batches.lines import Line, Lines, check
from freehold.gateway.batches.room import Room
from freehold.gateway.exchange import Ask
from freehold.gateway.pipeline import End

HELD = 60 * NANO
BEAT = 10.0
"""Seconds after which a hold of 60 is prolonged, also where nothing happens."""
PROVIDER_TRIES = 8
"""How often a line is sent that providers put off."""
LONGEST_WAIT = 60.0
NOT_SENT = (RateLimited, NoneHealthy, Draining)
PUT_OFF = (Throttled, Overloaded)
"""A provider has no room for it: nothing was run."""


class Sent(Protocol):
    """A request under way."""

    def cancel(self) -> None: ...


class Desk(Struct, frozen=True, kw_only=True):
    """What every run works with. `key`: the key of an owner, or Unauthenticated; `find`: what the ledgers of this data
    folder say of an inference; `dialects`: by endpoint."""

    infer: Callable[[Ask, End], Sent | None]
    key: Callable[[str], Key | None]
    find: Callable[[str], Inference | Accepted | None]
    files: Files
    batches: Batches
    spools: Spooled
    clock: Clock
    ids: Ids
    room: Room
    dialects: Mapping[str, Dialect]


class Run:
    """Work on one batch. `wake` lets it look whether there is something to do."""

    def __init__(self, desk: Desk, batch: Batch, hold: Hold) -> None:
        self._desk = desk
        self._batch = batch
        self._hold = hold
        self._lines: Lines | None = None
        self._said: list[Said] = []
        self._again: list[int] = []  # lines to be claimed anew
        self._tries: dict[int, int] = {}
        self._sent: dict[int, Sent | None] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._fresh = False
        self._until = 0
        self._now = asyncio.get_running_loop().time
        self._not_before = 0.0
        self._beaten = self._now()

    def wake(self, *, fresh: bool = False) -> None:
        """`fresh`: read the batch again, somebody changed it."""
        self._fresh = self._fresh or fresh
        self._wake.set()

    def stop(self) -> None:
        """Send nothing more; the work ends when what was sent is answered."""
        self._stopping = True
        self._wake.set()

    def cut(self) -> None:
        """End what is still under way."""
        for sent in list(self._sent.values()):
            if sent is not None:
                sent.cancel()

    async def work(self) -> None:
        """Until the batch is over, or somebody else's, or this process stops."""
        try:
            await self._open()
            if self._batch.status in ("in_progress", "cancelling"):
                await self._recover()
                await self._send()
            if not self._stopping and self._batch.status != "failed":
                await self._finish()
        finally:
            self._stopping = True
            while self._sent:  # what was sent is paid for: the next holder finds its answers in the spool
                await self._woken()
            await self._leave()

    async def _leave(self) -> None:
        lines = self._lines
        if lines is not None:
            if self._said:
                await asyncio.to_thread(self._spool, self._settled(), lines)
            lines.close()

    # the input

    async def _open(self) -> None:
        """Check the input; a batch whose input is wrong has failed."""
        desk = self._desk
        file = await asyncio.to_thread(desk.files.get, self._batch.input_file, now=0)
        try:
            if file is None:
                raise FileNotFoundError(self._batch.input_file)
            lines, errors = await asyncio.to_thread(check, desk.files.path(file), self._batch.endpoint)
        except OSError:
            lines, errors = None, (LineError(code="file_gone", message="The input file is not there any more"),)
        if lines is None:
            await self._close(lambda b: replace(entered(b, "failed", desk.clock()), errors=errors))
            return
        self._lines = lines
        if self._batch.status == "validating":
            total = len(lines)

            def checked(batch: Batch) -> Batch:
                whole = replace(batch, total=total)
                return entered(whole, "in_progress", desk.clock()) if batch.status == "validating" else whole

            await self._move(checked)

    # what an earlier holder left

    async def _recover(self) -> None:
        lines = self._lines
        assert lines is not None
        claims = await asyncio.to_thread(self._desk.batches.unfinished, self._batch.id)
        if claims:
            done, self._again = await asyncio.to_thread(self._looked_up, claims, lines)
            self._batch, _ = await asyncio.to_thread(
                self._desk.batches.advance,
                self._hold,
                done=done,
                again=(),
                more=0,
                ids=self._desk.ids,
                until=self._prolonged(),
            )

    def _looked_up(self, claims: Sequence[LineClaim], lines: Lines) -> tuple[list[LineResult], list[int]]:
        """What is known of lines that were claimed: the answer is kept; or it may have been sent, and is not sent
        twice; or it certainly was not, and is to be sent."""
        kept: dict[str, LineResult] = {}
        for epoch in {claim.epoch for claim in claims}:
            for at, line in self._desk.spools.scan(self._batch.id, epoch):
                kept[results.inference(line)] = LineResult(-1, epoch, at, len(line), results.good(line))
        done: list[LineResult] = []
        again: list[int] = []
        lost: list[tuple[int, bytes, bool]] = []
        for claim in claims:
            result = kept.get(claim.inference)
            if result is not None:
                done.append(result._replace(number=claim.number))
                continue
            record = self._desk.find(claim.inference)
            if record is None or (isinstance(record, Inference) and record.outcome == "refused"):
                again.append(claim.number)
            else:
                how = record.outcome if isinstance(record, Inference) else "its end is not recorded"
                custom_id = lines.line(claim.number).custom_id
                lost.append((claim.number, results.interrupted(custom_id, claim, how), False))
        return [*done, *self._spooled(lost)], again

    # sending

    async def _send(self) -> None:
        while True:
            await self._step()
            if not self._sent and not self._said and not self._may_send():
                return
            await self._woken()

    async def _woken(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    def _may_send(self) -> bool:
        """Whether there are lines that will be sent, now or later."""
        batch = self._batch
        left = len(self._again) + batch.total - batch.next
        return (
            left > 0 and batch.status == "in_progress" and not self._stopping and self._desk.clock() < batch.expires_at
        )

    async def _step(self) -> None:
        room, lines = self._desk.room, self._lines
        assert lines is not None
        batch = self._batch
        said = self._settled()
        taken = 0
        if self._may_send() and self._now() >= self._not_before:
            taken = room.take(len(self._again) + batch.total - batch.next, mine=len(self._sent))
        if not said and not taken and not self._fresh and self._now() < self._beaten + BEAT:
            return
        self._fresh, self._beaten = False, self._now()
        again, self._again = self._again[:taken], self._again[taken:]
        fresh = iter([self._desk.ids() for _ in range(taken)])
        until = self._prolonged()
        claims: list[tuple[LineClaim, Line]] = []
        try:

            def write() -> tuple[Batch, list[tuple[LineClaim, Line]]]:
                done = self._spool(said, lines)
                more = taken - len(again)
                moved, claimed = self._desk.batches.advance(
                    self._hold, done=done, again=again, more=more, ids=fresh.__next__, until=until
                )
                return moved, [(claim, lines.line(claim.number)) for claim in claimed]

            self._batch, claims = await asyncio.to_thread(write)
        finally:
            for _ in range(taken - len(claims)):
                room.leave(sent=False)
        for claim, line in claims:
            self._start(claim, line)

    def _settled(self) -> list[Said]:
        """What was said since the last step and is to be kept. What was not run is put off."""
        said, self._said = self._said, []
        kept: list[Said] = []
        for one in said:
            number, error = one.claim.number, one.error
            tries = self._tries[number] = self._tries.get(number, 0) + isinstance(error, PUT_OFF)
            if one.gone:
                continue
            if isinstance(error, NOT_SENT) or (isinstance(error, PUT_OFF) and tries < PROVIDER_TRIES):
                self._put_off(number, error, tries)
            else:
                kept.append(one)
        return kept

    def _put_off(self, number: int, error: FreeholdError, tries: int) -> None:
        self._again.append(number)
        wait = min(max(error.retry_after or 1.0, 2.0**tries - 1), LONGEST_WAIT)
        self._not_before = max(self._not_before, self._now() + wait)

    def _start(self, claim: LineClaim, line: Line) -> None:
        desk, batch = self._desk, self._batch
        if desk.clock() >= self._until:  # held up for so long that somebody else may have it
            desk.room.leave(sent=False)
            self._stopping = True
            return
        key, refusal = None, None
        try:
            key = desk.key(batch.owner)
        except Unauthenticated as error:
            refusal = error
        ask = Ask(
            dialect=desk.dialects[batch.endpoint],
            body=bytes(line.body),
            target=batch.endpoint,
            purpose="batch",
            key=key,
            refusal=refusal,
            id=claim.inference,
        )
        desk.room.enter()
        self._sent[claim.number] = None
        running = desk.infer(ask, Captured(claim, self._ended))
        if claim.number in self._sent:
            self._sent[claim.number] = running

    def _ended(self, said: Said) -> None:
        if self._sent.pop(said.claim.number, self) is not self:
            self._desk.room.leave(sent=True)
            self._said.append(said)
            self._wake.set()

    def _spool(self, said: Sequence[Said], lines: Lines) -> list[LineResult]:
        return self._spooled(
            [
                (one.claim.number, results.answered(lines.line(one.claim.number).custom_id, one), one.error is None)
                for one in said
            ]
        )

    def _spooled(self, entries: Sequence[tuple[int, bytes, bool]]) -> list[LineResult]:
        """Put lines on the disk: number, line, whether it is an answer."""
        if not entries:
            return []
        epoch = self._hold.epoch
        offsets = self._desk.spools.append(self._batch.id, epoch, [line for _, line, _ in entries])
        return [
            LineResult(number, epoch, at, len(line), good)
            for (number, line, good), at in zip(entries, offsets, strict=True)
        ]

    # the end

    async def _finish(self) -> None:
        """Make the files, then say that it is over."""
        desk = self._desk
        lines = self._lines
        assert lines is not None

        def finalizing(batch: Batch) -> Batch:
            named = replace(
                batch,
                output_file=batch.output_file or f"file-{desk.ids().replace('-', '')}",
                error_file=batch.error_file or f"file-{desk.ids().replace('-', '')}",
            )
            return entered(named, "finalizing", desk.clock()) if batch.status == "in_progress" else named

        await self._move(finalizing)
        batch = self._batch

        def make() -> Made:
            return assemble(batch, lines, files=desk.files, batches=desk.batches, spools=desk.spools, now=desk.clock())

        made = await asyncio.to_thread(make)

        def over(batch: Batch) -> Batch:
            whole = replace(
                batch,
                completed=made.good,
                failed=made.bad,
                unsent=made.unsent,
                output_file=batch.output_file if made.good else None,
                error_file=batch.error_file if made.bad else None,
            )
            if batch.status == "cancelling":
                return entered(whole, "cancelled", desk.clock())
            return entered(whole, "expired" if made.unsent else "completed", desk.clock())

        await self._close(over)

    def _prolonged(self) -> int:
        self._until = self._desk.clock() + HELD
        return self._until

    async def _move(self, changed: Callable[[Batch], Batch]) -> None:
        until = self._prolonged()
        self._batch = await asyncio.to_thread(self._desk.batches.move, self._hold, changed, until=until)

    async def _close(self, changed: Callable[[Batch], Batch]) -> None:
        self._batch = await asyncio.to_thread(self._desk.batches.close, self._hold, changed)
        await asyncio.to_thread(self._desk.spools.remove, self._batch.id)


LOST = (Changed, StoreFailed)
"""After these somebody works on the batch anew: another process, or this one when its hold has run out."""


def entered(batch: Batch, status: BatchStatus, now: int) -> Batch:
    """The batch, in another status from now on."""
    return replace(batch, status=status, times={**batch.times, status: now})
