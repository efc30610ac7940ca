"""What tests of tuners share: examples, and steps that are kept in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from freehold.core.dataset import Example
from freehold.core.request import Message, TextPart
from freehold.flywheel.jobs.job import Cancelled, Json

WORDS = {"parcel": "delivery", "money": "refund", "password": "login"}


def example(text: str, target: str, **more: Any) -> Example:
    messages = (Message("user", (TextPart(text),)),)
    return Example(id=f"{text}/{target}", messages=messages, target=target, source="label", **more)


def examples(count: int) -> Sequence[Example]:
    """Questions about three things; the answer is one word for each."""
    words = list(WORDS)
    return [example(f"Please help, {words[i % 3]} number {i}.", WORDS[words[i % 3]]) for i in range(count)]


class Killed(BaseException):
    """The end of a worker, as far as its code can notice it: nothing catches this."""


class Told:
    """Steps that are kept in memory, and what was told of progress. Cancelled where that begins with `cancel_at`,
    or the worker's end at `killed_at`."""

    def __init__(
        self, results: dict[str, bytes] | None = None, *, cancel_at: str | None = None, killed_at: str | None = None
    ) -> None:
        self._cancel_at = cancel_at
        self._killed_at = killed_at
        self.results = dict(results or {})
        self.said: list[tuple[float, str]] = []
        self.ran: list[str] = []

    def step(self, name: str, function: Any) -> Any:
        if name not in self.results:
            self.ran.append(name)
            self.results[name] = msgspec.json.encode(function())
        return msgspec.json.decode(self.results[name])

    def progress(self, share: float, text: str) -> None:
        self.said.append((share, text))
        if self._cancel_at is not None and text.startswith(self._cancel_at):
            raise Cancelled("Job 1 was cancelled")
        if self._killed_at is not None and text.startswith(self._killed_at):
            raise Killed


def read(path: str | Path) -> Json:
    return msgspec.json.decode(Path(path).read_bytes())
