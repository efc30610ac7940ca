"""Turn: what waits for the end of a turn of the event loop, some microseconds away, and is then done for all at once.

A write to the ledger costs several times what its bytes cost, and a write to a socket wakes the process at its other
end. So what came together is written together: promises, then records, then what leaves for callers. Nothing is sent
to a provider before its promise is written, no answer ends before its record is.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from freehold.core.errors import FreeholdError
from freehold.core.inference import Accepted, Inference
from freehold.core.ports import Ledger

Then = Callable[[FreeholdError | None], None]
"""Called once what was given is written; with the error where it is not."""


class Turn:
    """The end of the turn, of one event loop."""

    __slots__ = ("_accepted", "_closed", "_ledger", "_loop", "_open", "_writes")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = False
        self._accepted: list[tuple[Accepted, Then]] = []
        self._closed: list[tuple[Inference, Then]] = []
        self._writes: list[Callable[[], None]] = []

    def accept(self, accepted: Accepted, then: Then) -> None:
        """Promise that a record will follow."""
        self._accepted.append((accepted, then))
        if not self._open:
            self._begin()

    def close(self, inference: Inference, then: Then) -> None:
        """Keep the promise."""
        self._closed.append((inference, then))
        if not self._open:
            self._begin()

    def write(self, write: Callable[[], None]) -> None:
        """Let bytes go out, after the records."""
        self._writes.append(write)
        if not self._open:
            self._begin()

    def _begin(self) -> None:
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        self._open = True
        loop.call_soon(self._end)

    def _end(self) -> None:
        accepted, self._accepted = self._accepted, []
        if accepted:
            _written(self._ledger.accept, accepted)
        closed, self._closed = self._closed, []
        if closed:
            _written(self._ledger.close, closed)
        writes, self._writes = self._writes, []
        for write in writes:
            write()
        self._open = False
        if self._accepted or self._closed or self._writes:  # something of it led to more
            self._begin()


def _written(write: Callable[..., None], entries: list[tuple[Any, Then]]) -> None:
    error = None
    try:
        write(*[entry for entry, _ in entries])
    except FreeholdError as failed:
        error = failed
    for _, then in entries:
        then(error)
