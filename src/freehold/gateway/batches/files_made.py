"""The files that a batch makes: one of the answers, one of the errors, each in the order of the input."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Protocol

from msgspec import Struct

from freehold.core.batch import Batch, LineResult, StoredFile
from freehold.core.ports import Batches, Files
from freehold.gateway.batches import results
from freehold.gateway.batches.lines import Lines


class Spooled(Protocol):
    """Where results lie until then."""

    def append(self, batch: str, epoch: int, lines: Sequence[bytes]) -> list[int]: ...

    def path(self, batch: str, epoch: int) -> Path: ...

    def scan(self, batch: str, epoch: int) -> Iterator[tuple[int, bytes]]: ...

    def remove(self, batch: str) -> None: ...

    def batches(self) -> list[str]: ...


class Made(Struct, frozen=True, kw_only=True):
    """How many lines each file has; `unsent` of the bad were never sent."""

    good: int
    bad: int
    unsent: int


def assemble(batch: Batch, lines: Lines, *, files: Files, batches: Batches, spools: Spooled, now: int) -> Made:
    """Make both files, where they have lines. Doing it again makes the same."""
    finished = {result.number: result for result in batches.finished(batch.id)}
    counts = [0, 0]
    drafts = (files.draft(), files.draft())
    try:
        with ExitStack() as stack:
            opened = [stack.enter_context(draft.open("wb")) for draft in drafts]
            for line, good in _lines(spools, batch, lines, finished, stack):
                opened[not good].write(line)
                counts[not good] += 1
        for draft, id_, kind, count in zip(
            drafts, (batch.output_file, batch.error_file), ("output", "error"), counts, strict=True
        ):
            if count and id_ is not None:
                expires = None if batch.life is None else now + batch.life
                name = f"{batch.id}_{kind}.jsonl"
                made = StoredFile(
                    id=id_, owner=batch.owner, at=now, purpose="batch_output", filename=name, expires_at=expires
                )
                files.put(made, draft)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return Made(good=counts[0], bad=counts[1], unsent=len(lines) - len(finished))


def _lines(
    spools: Spooled, batch: Batch, lines: Lines, finished: dict[int, LineResult], stack: ExitStack
) -> Iterator[tuple[bytes, bool]]:
    """Every line of the input, as its result and whether that is an answer."""
    opened: dict[int, IO[bytes]] = {}
    for number in range(len(lines)):
        result = finished.get(number)
        if result is None:
            cancelled = batch.status == "cancelling"
            yield results.unsent(batch.id, number, lines.line(number).custom_id, cancelled=cancelled), False
            continue
        spool = opened.get(result.epoch)
        if spool is None:
            spool = opened[result.epoch] = stack.enter_context(spools.path(batch.id, result.epoch).open("rb"))
        spool.seek(result.offset)
        yield spool.read(result.length), result.good
