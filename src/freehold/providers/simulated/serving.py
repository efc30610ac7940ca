"""Serving: a simulated provider on a socket, down to the bytes of its faults. Behind `freehold simulate`."""

import asyncio
import math
from collections import deque
from http import HTTPStatus
from typing import cast

import httptools

from freehold.core.errors import FreeholdError
from freehold.core.ports import Headers
from freehold.providers.connection import PoolLimits
from freehold.providers.simulated.script import Playing, Script
from freehold.providers.simulated.upstream import SERVER, Simulated
from freehold.providers.simulated.wire import JSON, failure

PATIENT = PoolLimits(first_byte=math.inf, idle=math.inf, max_head=2**62)
"""A server does not give up on itself."""

MAX_BODY = 64 * 1024 * 1024


class Serving:
    """A simulated provider that listens. `callers` are the open connections, `accepted` counts all there were."""

    def __init__(self, simulated: Simulated) -> None:
        self.simulated = simulated
        self.callers: set[Caller] = set()
        self.accepted = 0
        self.server: asyncio.Server | None = None

    @property
    def address(self) -> tuple[str, int]:
        assert self.server is not None
        host, port = self.server.sockets[0].getsockname()[:2]
        return host, port

    @property
    def url(self) -> str:
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"

    async def forever(self) -> None:
        assert self.server is not None
        await self.server.serve_forever()

    async def close(self) -> None:
        """Stop listening and break off every connection."""
        assert self.server is not None
        self.server.close()
        for caller in list(self.callers):
            caller.transport.abort()
        await self.server.wait_closed()
        await asyncio.sleep(0)


async def serve(simulated: Simulated, host: str, port: int) -> Serving:
    """Listen; port 0 takes any free one. OSError where the address cannot be had."""
    serving = Serving(simulated)
    loop = asyncio.get_running_loop()
    serving.server = await loop.create_server(lambda: Caller(serving), host, port, backlog=1024)
    return serving


class Caller(asyncio.Protocol):
    """A connection of a caller; also the sink of the script that is played to it. One request after the other."""

    transport: asyncio.Transport

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._body: list[bytes] = []
        self._size = 0
        self._requests: deque[tuple[Script, bool]] = deque()
        self._playing: Playing | None = None
        self._script = Script()
        self._keep = True
        self._chunked = False
        self._sent = 0  # pieces

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._serving.callers.add(self)
        self._serving.accepted += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._serving.callers.discard(self)
        self._requests.clear()
        if self._playing is not None:
            self._playing.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._refuse(400, f"This is not an HTTP/1.1 request: {error}")

    def pause_writing(self) -> None:
        if self._playing is not None:
            self._playing.pause()

    def resume_writing(self) -> None:
        if self._playing is not None:
            self._playing.resume()

    # what httptools calls

    def on_message_begin(self) -> None:
        self._path, self._body, self._size = b"", [], 0

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_body(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= MAX_BODY:
            self._body.append(piece)

    def on_message_complete(self) -> None:
        keep = self._parser.should_keep_alive()
        if self._size > MAX_BODY:
            self._refuse(413, f"The body exceeds {MAX_BODY} bytes")
        elif self._parser.get_method() != b"POST":
            self._refuse(405, "The simulated provider answers POST only", keep=keep)
        else:
            path = self._path.decode("latin-1")
            self._queue(self._serving.simulated.script(path, b"".join(self._body)), keep)

    def _refuse(self, status: int, message: str, *, keep: bool = False) -> None:
        body = failure(message, kind="invalid_request_error")
        self._queue(Script(status=status, headers=(("content-type", JSON), SERVER), pieces=(body,)), keep)

    # answering

    def _queue(self, script: Script, keep: bool) -> None:
        self._requests.append((script, keep))
        if self._playing is None:
            self._next()

    def _next(self) -> None:
        self._script, self._keep = self._requests.popleft()
        self._sent = 0
        self._playing = self._serving.simulated.play(self._script, self, limits=PATIENT)

    def head(self, status: int, headers: Headers) -> None:
        script = self._script
        self._chunked = script.streamed or script.ending == "endless"
        lines = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{n}: {v}" for n, v in headers.items())]
        if self._chunked:
            lines.append("transfer-encoding: chunked")
        else:  # a body that will be cut is announced as longer than it is
            lines.append(f"content-length: {sum(map(len, script.pieces)) + (script.ending != 'done')}")
        if not self._keep:
            lines.append("connection: close")
        self.transport.write("\r\n".join((*lines, "", "")).encode("latin-1"))

    def data(self, piece: bytes) -> None:
        self._sent += 1
        torn = self._script.ending == "cut_chunk" and self._sent == len(self._script.pieces)
        if self._chunked and piece:
            announced = len(piece) * 2 + 1 if torn else len(piece)
            piece = b"%x\r\n%b%b" % (announced, piece, b"" if torn else b"\r\n")
        self.transport.write(piece)

    def done(self) -> None:
        self._playing = None
        if self._chunked:
            self.transport.write(b"0\r\n\r\n")
        if not self._keep:
            self.transport.close()
        elif self._requests:
            self._next()

    def failed(self, error: FreeholdError) -> None:
        """The script ends in a fault: break off as it says."""
        self._playing = None
        self.transport.close()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Simulated"
