"""Turn: what waits for the end of a turn of the event loop, some microseconds away, and is then done for all at once.

A write to the ledger costs several times what its bytes cost, and a write to a socket wakes the process at its other
end. So what came together is written together: promises, then records, then what leaves for callers. Nothing is sent
to a provider before its promise is written, no answer ends before its record is. A request that is alone waits for
nobody: what it has to write is written at once.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from freehold.core.errors import FreeholdError, Internal
from freehold.core.inference import Accepted, Inference
from freehold.core.ports import Ledger

Then = Callable[[FreeholdError | None], None]
"""Called once what was given is written; with the error where it is not."""


class Turn:
    """The end of the turn, of one event loop."""

    __slots__ = ("_accepted", "_closed", "_ledger", "_loop", "_open", "_running", "_writes")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = False
        self._running = 0
        self._accepted: list[tuple[Accepted, Then]] = []
        self._closed: list[tuple[Inference, Then]] = []
        self._writes: list[Callable[[], None]] = []

    @property
    def running(self) -> int:
        """Requests that have begun and whose record is not yet given."""
        return self._running

    def enter(self) -> None:
        """A request begins; its `close` will follow."""
        self._running += 1

    def accept(self, accepted: Accepted, then: Then) -> None:
        """Promise that a record will follow."""
        if self._running <= 1 and not self._open:
            self._put(self._ledger.accept, [(accepted, then)])
            return
        self._accepted.append((accepted, then))
        self._begin()

    def close(self, inference: Inference, then: Then) -> None:
        """Keep the promise."""
        self._running -= 1
        if not self._running and not self._open:
            self._put(self._ledger.close, [(inference, then)])
            return
        self._closed.append((inference, then))
        self._begin()

    def write(self, write: Callable[[], None]) -> None:
        """Let bytes go out, after the records. A stream waits even where it is alone: more may come with it."""
        if not self._running and not self._open:
            self._do(write)
            return
        self._writes.append(write)
        self._begin()

    def _begin(self) -> None:
        if not self._open:
            loop = self._loop
            if loop is None:
                loop = self._loop = asyncio.get_running_loop()
            self._open = True
            loop.call_soon(self._end)

    def _end(self) -> None:
        self._open = False  # whatever follows from this turn belongs to the next
        accepted, self._accepted = self._accepted, []
        if accepted:
            self._put(self._ledger.accept, accepted)
        closed, self._closed = self._closed, []
        if closed:
            self._put(self._ledger.close, closed)
        writes, self._writes = self._writes, []
        for write in writes:
            self._do(write)

    def _do(self, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:  # the request edge: the others must go on
            self._tell(error)

    def _put(self, put: Callable[..., None], entries: list[tuple[Any, Then]]) -> None:
        """Write entries together, and go on with each."""
        error = None
        try:
            put(*[entry for entry, _ in entries])
        except FreeholdError as failed:
            error = failed
        except Exception as failed:  # one that cannot be encoded must not take the others with it
            if len(entries) > 1:
                for one in entries:
                    self._put(put, [one])
                return
            error = Internal(f"The record could not be written: {failed!r}")
        for _, then in entries:
            try:
                then(error)
            except Exception as failed:  # as above
                self._tell(failed)

    def _tell(self, error: Exception) -> None:
        context = {"message": "The end of a turn failed for a request", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
