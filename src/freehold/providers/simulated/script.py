"""A script: everything that will happen on the wire for one request, with its times; and playing it into a sink."""

import asyncio
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from freehold.core.errors import Broken, FreeholdError, TimedOut, Unreachable
from freehold.core.ports import Sink
from freehold.providers.connection import PoolLimits

Ending = Literal["done", "cut", "cut_chunk", "stalled", "endless"]

BREATH = 0.001
"""Seconds between the pieces of an answer that never ends, so that nothing else starves."""


class Script(Struct, frozen=True, kw_only=True):
    """What happens. `status` 0: nothing is ever answered (cut: the connection is refused; stalled: silence).

    `first` are the seconds until the head and the first piece, `gap` those before each further one but the second:
    in a stream the first names the role and the second is the first token. After the last piece comes the `ending`;
    `endless` repeats the last piece.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = ()
    first: float = 0.0
    gap: float = 0.0
    ending: Ending = "done"

    @property
    def streamed(self) -> bool:
        return any(n == "content-type" and v.startswith("text/event-stream") for n, v in self.headers)


class Playing:
    """A script on its way into a sink; implements `core.ports.Sending`. Fails as a pool of connections would.

    Limits of infinity wait for ever, as a server does.
    """

    __slots__ = ("_at", "_limits", "_loop", "_name", "_paused", "_script", "_sink", "_timer")

    def __init__(self, script: Script, sink: Sink, *, name: str, limits: PoolLimits) -> None:
        self._script = script
        self._sink: Sink | None = sink
        self._name = name
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._at = -1  # the next piece; -1: the head
        self._paused = False
        self._timer: asyncio.Handle | None = None
        if script.first > limits.first_byte:
            self._later(limits.first_byte, self._late)
        else:
            self._later(script.first, self._step)

    def cancel(self) -> None:
        self._sink = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            if self._timer is None and self._sink is not None:
                self._later(0.0, self._step)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._timer = self._loop.call_later(seconds, what) if seconds else self._loop.call_soon(what)

    def _step(self) -> None:
        self._timer = None
        sink, script, at = self._sink, self._script, self._at
        if sink is None or self._paused:
            return
        if at < 0 and script.status:
            size = sum(len(n) + len(v) for n, v in script.headers)
            if size > self._limits.max_head:
                self._fail(Broken(f"The headers of {self._name} exceed {self._limits.max_head} bytes"))
                return
            self._at = 0
            sink.head(script.status, dict(script.headers))
        elif 0 <= at < len(script.pieces):
            self._at = at + 1
            sink.data(script.pieces[at])
        else:
            self._end(sink)
            return
        if self._sink is not None and not self._paused:
            self._later(script.gap if 1 < self._at < len(script.pieces) else 0.0, self._step)

    def _end(self, sink: Sink) -> None:
        script, begun = self._script, self._at >= 0
        match script.ending:
            case "done":
                self._sink = None
                sink.done()
            case "stalled":
                seconds = self._limits.idle if begun else self._limits.first_byte
                if seconds != float("inf"):
                    self._later(seconds, self._late)
            case "endless":
                self._at = len(script.pieces) - 1
                self._later(max(script.gap, BREATH), self._step)
            case "cut" | "cut_chunk":
                where = "closed the connection in the middle of its answer" if begun else "refused the connection"
                self._fail((Broken if begun else Unreachable)(f"{self._name} {where}"))

    def _late(self) -> None:
        self._timer = None
        if self._paused:  # who does not want to hear cannot be kept waiting; `resume` starts the time again
            return
        if self._at < 0:
            self._fail(TimedOut(f"{self._name} did not begin to answer within {self._limits.first_byte:g} s"))
        else:
            self._fail(TimedOut(f"{self._name} sent nothing for {self._limits.idle:g} s in the middle of its answer"))

    def _fail(self, error: FreeholdError) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.failed(error)
