"""What the tests of upstreams share: a sink that remembers, a raw server that does as it is told, loops to run on."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from freehold.core.errors import FreeholdError
from freehold.core.ports import Headers, SendHeaders, Sending, Upstream
from freehold.providers.connection import PoolLimits
from freehold.providers.pool import Pool

Pooled = Callable[..., Pool]

LOOPS = [
    ("asyncio", {"use_uvloop": False}),
    ("asyncio", {"use_uvloop": True}),
]
PATH = "/chat/completions"
JSON: SendHeaders = (("content-type", "application/json"),)
SOON = 60
"""Seconds after which a test that waits for an event gives up."""

QUICK = PoolLimits(first_byte=0.05, idle=0.05)


def ask(text: str = "hello", **more: object) -> bytes:
    """A request of one message."""
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **more}).encode()


def nobody() -> str:
    """An address on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"


class Heard:
    """A sink that remembers what it heard, in its order; `react` may answer each call at once."""

    def __init__(self, react: "Callable[[Heard, str], None] | None" = None) -> None:
        self.calls: list[str] = []
        self.status = 0
        self.headers: Headers = {}
        self.pieces: list[bytes] = []
        self.error: FreeholdError | None = None
        self.sending: Sending | None = None
        self._react = react
        self._more = asyncio.Event()

    def send(self, upstream: Upstream, body: bytes = b"{}", path: str = PATH) -> "Heard":
        self.sending = upstream.send(path, JSON, body, self)
        assert self.calls == [], "the sink was called before send returned"
        return self

    def head(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, dict(headers)
        self._heard("head")

    def data(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self._heard("data")

    def done(self) -> None:
        self._heard("done")

    def failed(self, error: FreeholdError) -> None:
        self.error = error
        self._heard("failed")

    def _heard(self, call: str) -> None:
        self.calls.append(call)
        self._more.set()
        if self._react is not None:
            self._react(self, call)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def order(self) -> list[str]:
        """The calls, with data counted once however many pieces it came in."""
        return [call for at, call in enumerate(self.calls) if call != "data" or self.calls[at - 1] != "data"]

    @property
    def over(self) -> bool:
        return bool(self.calls) and self.calls[-1] in {"done", "failed"}

    async def until(self, true: Callable[[], bool]) -> "Heard":
        with anyio.fail_after(SOON):
            while not true():
                self._more.clear()
                await self._more.wait()
        return self

    async def end(self) -> "Heard":
        return await self.until(lambda: self.over)


class Caller:
    """A connection that a raw server has accepted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self._reader = reader
        self._writer = writer
        self.number = number
        self.transport = writer.transport

    async def request(self) -> bytes | None:
        """The body of the next request; None where the connection ended before one came."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def read(self, most: int) -> bytes:
        return await self._reader.read(most)

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def closed(self) -> None:
        """Wait until the other side has closed."""
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            pass


class RawServer:
    """`url`, and every connection and request so far."""

    def __init__(self) -> None:
        self.url = ""
        self.accepted = 0
        self.requests: list[bytes] = []


@asynccontextmanager
async def raw_server(
    handle: Callable[[Caller, RawServer], Awaitable[None]], tls: object = None
) -> AsyncGenerator[RawServer]:
    """A server that runs `handle` for each connection and closes it behind that."""
    server = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handle(Caller(reader, writer, server.accepted), server)
        except (ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            tasks.discard(task)
            writer.close()

    listening = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)  # type: ignore[arg-type]
    host, port = listening.sockets[0].getsockname()[:2]
    server.url = f"{'https' if tls else 'http'}://{host}:{port}/v1"
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await listening.wait_closed()
        for _ in range(3):
            await asyncio.sleep(0)


def answering(*answers: bytes) -> Callable[[Caller, RawServer], Awaitable[None]]:
    """A server that gives these answers in turn, the last again and again, whichever connection asks."""

    async def handle(caller: Caller, server: RawServer) -> None:
        while (body := await caller.request()) is not None:
            server.requests.append(body)
            await caller.say(answers[min(len(server.requests), len(answers)) - 1])

    return handle


def sized(body: bytes, *headers: bytes) -> bytes:
    """A 200 answer with its length."""
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (
        b"".join(h + b"\r\n" for h in headers),
        len(body),
        body,
    )
