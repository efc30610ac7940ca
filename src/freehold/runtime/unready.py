"""The upstream of a model that could not be made ready: each call fails and says why."""

import asyncio

from freehold.core.errors import Unreachable
from freehold.core.ports import SendHeaders, Sink


class _Failing:
    def __init__(self, sink: Sink, why: str) -> None:
        self._handle = asyncio.get_running_loop().call_soon(lambda: sink.failed(Unreachable(why)))

    def cancel(self) -> None:
        self._handle.cancel()

    def pause(self) -> None:
        """There is nothing to pause."""

    def resume(self) -> None:
        """There is nothing to resume."""


class Unready:
    """An `Upstream` in name only."""

    def __init__(self, why: str) -> None:
        self.why = why

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> _Failing:
        return _Failing(sink, self.why)

    async def close(self) -> None:
        """Nothing to close."""
