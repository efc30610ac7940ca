"""An engine as an upstream: a request waits until the weights are loaded, then goes to the engine's server."""

import asyncio
from collections.abc import Callable

import msgspec
from msgspec import Raw

from freehold.core.errors import FreeholdError, Internal
from freehold.core.ports import Headers, SendHeaders, Sending, Sink, Upstream
from freehold.runtime.engines.engine import Engine

Connect = Callable[[str], Upstream]
"""An upstream for a base URL: a pool of connections."""


class EngineUpstream:
    """An `Upstream` on an engine. `connect` is called again where the engine has moved to another port."""

    def __init__(self, engine: Engine, connect: Connect) -> None:
        self.engine = engine
        self._connect = connect
        self._at: tuple[str, Upstream] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> Sending:
        return _Passing(self, path, headers, body, sink)

    async def close(self) -> None:
        await self.engine.close()
        if self._at is not None:
            await self._at[1].close()
        if self._closing:
            await asyncio.wait(self._closing)

    def at(self, url: str) -> Upstream:
        """The connections to where the engine is now."""
        if self._at is None or self._at[0] != url:
            if self._at is not None:
                task = asyncio.create_task(self._at[1].close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
            self._at = (url, self._connect(url))
        return self._at[1]


class _Passing:
    """One request: a `Sending` to its caller, a `Sink` to the engine's connection."""

    def __init__(self, owner: EngineUpstream, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> None:
        self._owner = owner
        self._request = (path, headers, body)
        self._sink: Sink | None = sink
        self._inner: Sending | None = None
        self._paused = False
        self._using = owner.engine.using()
        self._using.__enter__()
        self._task = asyncio.get_running_loop().create_task(self._go())

    async def _go(self) -> None:
        try:
            url = await self._owner.engine.ensure_ready()
        except FreeholdError as error:
            self.failed(error)
            return
        except Exception as error:
            self.failed(Internal(f"The engine of '{self._owner.engine.model}' failed: {error!r}"))
            return
        path, headers, body = self._request
        self._inner = self._owner.at(url).send(path, headers, _named(body, self._owner.engine.model), self)
        if self._paused:
            self._inner.pause()

    # as its caller has it

    def cancel(self) -> None:
        if self._sink is not None:
            self._task.cancel()
            if self._inner is not None:
                self._inner.cancel()
            self._end()

    def pause(self) -> None:
        self._paused = True
        if self._inner is not None:
            self._inner.pause()

    def resume(self) -> None:
        self._paused = False
        if self._inner is not None:
            self._inner.resume()

    # as the connection has it

    def head(self, status: int, headers: Headers) -> None:
        if self._sink is not None:
            self._sink.head(status, headers)

    def data(self, piece: bytes) -> None:
        if self._sink is not None:
            self._sink.data(piece)

    def done(self) -> None:
        if (sink := self._end()) is not None:
            sink.done()

    def failed(self, error: FreeholdError) -> None:
        if (sink := self._end()) is not None:
            sink.failed(error)

    def _end(self) -> Sink | None:
        sink, self._sink = self._sink, None
        if sink is not None:
            self._using.__exit__(None, None, None)
        return sink


def _named(body: bytes, model: str) -> bytes:
    """The request for the model as the engine calls it."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, Raw])
    except msgspec.DecodeError:  # the engine will say so
        return body
    fields["model"] = Raw(msgspec.json.encode(model))
    return msgspec.json.encode(fields)
