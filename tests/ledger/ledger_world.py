"""The little world of the ledger's tests: a clock, ids, inferences, and a log to open, copy and break."""

import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from freehold.core.ids import uuid7
from freehold.core.inference import Accepted, Inference
from freehold.ledger.book import Recovery
from freehold.ledger.entry import Act
from freehold.ledger.journal import Journal
from freehold.ledger.notary import Pace
from freehold.ledger.reader import read

NEVER = Pace(sync_seconds=60, checkpoint_seconds=1e9, checkpoint_leaves=1_000_000)
"""No sync and no checkpoint by itself."""

NODE = "node-1"
BEGIN = 1_800_000_000_000_000_000


class Ticks:
    """A clock that advances one millisecond each time it is asked."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


def id_of(number: int) -> str:
    """The id of the inference with a number, made `number` milliseconds after the beginning."""
    return uuid7(BEGIN + number * 1_000_000, number.to_bytes(10, "big"))


def accepted(number: int) -> Accepted:
    return Accepted(id=id_of(number), at=BEGIN + number, route="fast", key="key-1")


def answered(number: int, **fields: object) -> Inference:
    return Inference(
        id=id_of(number), at=BEGIN + number, outcome="answered", route="fast", key="key-1", cost=number, **fields
    )  # pyright: ignore


@contextmanager
def opened(folder: Path, **options: object) -> Generator[tuple[Journal, Recovery]]:
    journal, recovery = Journal.open(folder, node=NODE, clock=options.pop("clock", Ticks()), **options)  # pyright: ignore
    try:
        yield journal, recovery
    finally:
        journal.stop()


def write(journal: Journal, numbers: range) -> None:
    for number in numbers:
        journal.accept(accepted(number))
        journal.close(answered(number))


def snapshot(folder: Path, to: Path) -> Path:
    """What a kill at this moment would leave."""
    shutil.copytree(folder, to)
    return to


def newest(home: Path) -> Path:
    return max(home.glob("*.log"))


def until(happened: Callable[[], bool]) -> None:
    """Wait for what another thread does to files, a minute at most."""
    limit = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < limit, "It did not happen within a minute"
        time.sleep(0.001)


def outcomes(home: Path) -> dict[str, str]:
    return {e.id: e.outcome for _, e in read(home) if isinstance(e, Inference)}


def acts(home: Path) -> list[tuple[str, str]]:
    return [(e.verb, e.detail) for _, e in read(home) if isinstance(e, Act)]


def signed(journal: Journal) -> int:
    note = journal.home / "checkpoint"
    return journal.verifier.open(note.read_bytes()).size if note.exists() else 0
