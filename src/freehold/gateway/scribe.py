"""Scribe: writes to the ledger what one turn of the event loop accepted and closed, and then goes on with each.

A write costs several times what its bytes cost, and what follows it (a call, the end of an answer) wakes another
process. So both wait for the end of the turn, which is some microseconds away: requests that came together are written
together. Nothing is sent before its promise is written, no answer ends before its record is.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from freehold.core.errors import FreeholdError
from freehold.core.inference import Accepted, Inference
from freehold.core.ports import Ledger

Then = Callable[[FreeholdError | None], None]
"""Called once what was given is written; with the error where it is not."""


class Scribe:
    """The writing hand of one gateway. For one event loop."""

    __slots__ = ("_accepted", "_closed", "_ledger", "_loop")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._loop: asyncio.AbstractEventLoop | None = None
        self._accepted: list[tuple[Accepted, Then]] = []
        self._closed: list[tuple[Inference, Then]] = []

    def accept(self, accepted: Accepted, then: Then) -> None:
        """Promise that a record will follow."""
        if not (self._accepted or self._closed):
            self._soon()
        self._accepted.append((accepted, then))

    def close(self, inference: Inference, then: Then) -> None:
        """Keep the promise."""
        if not (self._accepted or self._closed):
            self._soon()
        self._closed.append((inference, then))

    def _soon(self) -> None:
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        loop.call_soon(self._write)

    def _write(self) -> None:
        accepted, self._accepted = self._accepted, []
        closed, self._closed = self._closed, []
        if accepted:
            _written(self._ledger.accept, accepted)
        if closed:
            _written(self._ledger.close, closed)


def _written(write: Callable[..., None], entries: list[tuple[Any, Then]]) -> None:
    error = None
    try:
        write(*[entry for entry, _ in entries])
    except FreeholdError as failed:
        error = failed
    for _, then in entries:
        then(error)
