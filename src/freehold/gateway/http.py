"""The front door: HTTP/1.1 from callers, protocol to protocol. Framing is llhttp's (RFC 9112), by httptools.

A hot path goes from `data_received` straight into the pipeline. Every other path is an ordinary ASGI application
behind the same parser and the same limits. Sizes and times are bounded; one timer looks after all connections.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Protocol, cast

import httptools

from freehold.core.errors import (
    FreeholdError,
    HeadTooLarge,
    InvalidRequest,
    TooLarge,
    TooSlow,
    WrongMethod,
)
from freehold.dialects.dialect import Dialect
from freehold.gateway.asgi import App, serve
from freehold.gateway.bounds import DoorLimits
from freehold.gateway.exchange import Ask
from freehold.gateway.metrics import Metrics
from freehold.gateway.paths import Paths
from freehold.gateway.pipeline import End, Pipeline
from freehold.gateway.received import Received, ambiguous, credential, unfit
from freehold.gateway.reply import HttpReply, error_headers, status_line

HIGH_WATER = 64 * 1024
LINGER = 2.0
"""Seconds for which what a refused caller still sends is read and dropped, so that it can read the refusal."""

LOOKS = 0.5
"""Seconds between two looks at all connections."""

QUEUED = 32
"""Pipelined requests that may wait on one connection."""


class Running(Protocol):
    """What a request in progress lets its connection do."""

    def cancel(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Door:
    """What all connections share. `hot` are the paths at which a dialect is spoken; the rest goes to `app`."""

    def __init__(self, pipeline: Pipeline, app: App, hot: Paths, *, limits: DoorLimits, metrics: Metrics) -> None:
        self.pipeline = pipeline
        self.infer: Callable[[Ask, End], Running | None] = pipeline.infer
        self.app = app
        self.hot = hot
        self.limits = limits
        self.metrics = metrics
        self.connections: set[Connection] = set()
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        self.draining = False
        self._empty = asyncio.Event()
        self._timer = self.loop.call_later(LOOKS, self._sweep)

    def dialect(self, target: bytes) -> Dialect:
        """The dialect for an error at a path: the caller's, or the first one where the path is not known."""
        return self.hot.near(target)

    def _sweep(self) -> None:
        now = self.now()
        for connection in [c for c in self.connections if c.deadline < now]:
            connection.late()
        patience = max(round(self.limits.ping / LOOKS), 1)
        for connection in self.connections:
            if connection.reply is not None:
                connection.reply.look(patience)
        self._timer = self.loop.call_later(LOOKS, self._sweep)

    async def drain(self, seconds: float) -> None:
        """Take no new work, let what runs finish, cut what is left after `seconds`."""
        self.draining = self.pipeline.draining = True
        for connection in list(self.connections):
            connection.drain()
        if self.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        for connection in list(self.connections):
            connection.abort()
        self._timer.cancel()

    def left(self, connection: "Connection") -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        if self.draining and not self.connections:
            self._empty.set()


class Connection(asyncio.Protocol):
    """One caller's connection: parses requests, answers them one after the other."""

    __slots__ = (
        "_body",
        "_busy",
        "_fields",
        "_head_size",
        "_headers",
        "_linger",
        "_max_head",
        "_max_headers",
        "_parser",
        "_queue",
        "_running",
        "_size",
        "_stuck",
        "_target",
        "deadline",
        "door",
        "peer",
        "reply",
        "transport",
    )
    transport: asyncio.Transport

    def __init__(self, door: Door) -> None:
        self.door = door
        self.deadline = inf
        self.peer = ""
        self.reply: HttpReply | None = None  # what is being answered
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._max_head, self._max_headers = door.limits.max_head, door.limits.max_headers
        self._body: list[bytes] = []
        self._size = 0
        self._queue: deque[Received | FreeholdError] = deque()  # an error is the last
        self._busy = False
        self._running: Running | None = None
        self._linger = False
        self._stuck = 0  # bytes since the last step: of a name, value, trailer or chunk size that does not end
        self._fields: list[tuple[bytes, bytes]] = []

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        door = self.door
        door.connections.add(self)
        self.deadline = door.now() + door.limits.idle
        if len(door.connections) > door.limits.connections or door.draining:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._linger:
            return
        self._stuck += len(data)
        try:
            self._parser.feed_data(data)
            if self._stuck > self.door.limits.max_head:
                raise self._head_too_large()
        except httptools.HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])
        except HeadTooLarge as error:
            self._refuse(error)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(
                cause if isinstance(cause, FreeholdError) else InvalidRequest(f"This is not valid HTTP/1.1: {error}")
            )

    def _stay(self, rest: bytes) -> None:
        """An upgrade is wished for; we go on in HTTP/1.1 (RFC 9110 7.8). The parser takes the head for the end of the
        request, so it gets the head again without the wish: what follows is the body, never another request."""
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        self._parser = httptools.HttpRequestParser(self)
        if method == b"CONNECT":
            self._refuse(WrongMethod("CONNECT is not possible here; send the request itself"))
            return
        lines = [b"%b %b HTTP/%b" % (method, self._target, version)]
        lines += [b"%b: %b" % field for field in self._fields if field[0] != b"upgrade"]
        self._target = b""
        self.data_received(b"\r\n".join((*lines, b"", rest)))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.door.left(self)
        self.deadline = inf
        self._linger = True
        self._queue.clear()
        self.reply = None
        running, self._running = self._running, None
        if running is not None:
            running.cancel()

    def pause_writing(self) -> None:
        if self._running is not None:
            self._running.pause()
        self.deadline = self.door.now() + self.door.limits.stall

    def resume_writing(self) -> None:
        self.deadline = inf if self._busy else self.door.now() + self.door.limits.idle
        if self._running is not None:
            self._running.resume()

    # what httptools calls

    def on_message_begin(self) -> None:
        self._head_size = 0
        self._body = []
        self._size = 0
        if not self._busy:
            self.deadline = self.door.now() + self.door.limits.head

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))
        self._head_size += len(name) + len(value)

    def _head_too_large(self) -> HeadTooLarge:
        limits = self.door.limits
        return HeadTooLarge(
            f"The request head exceeds {limits.max_head} bytes or {limits.max_headers} headers; "
            "send fewer or shorter ones"
        )

    def on_headers_complete(self) -> None:
        self._stuck = 0
        if self._head_size > self._max_head or len(self._headers) > self._max_headers:
            raise self._head_too_large()
        self._fields, self._headers = self._headers, []  # what comes now are trailers: never headers (RFC 9110 6.5.1)
        if not self._busy:
            self.deadline = self.door.now() + self.door.limits.body
        parser, expects = self._parser, False
        for name, value in self._fields:
            if name == b"content-length":
                self._bound(int(value))
            elif name == b"expect" and value.lower() == b"100-continue":
                expects = not (self._busy or parser.should_upgrade()) and parser.get_http_version() == "1.1"
        if expects:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, piece: bytes) -> None:
        self._stuck = 0
        self._size += len(piece)
        self._bound(self._size)
        self._body.append(piece)

    def _bound(self, size: int) -> None:
        if size > self.door.limits.max_body:
            raise TooLarge(f"The body exceeds {self.door.limits.max_body} bytes; send less, or raise server.max_body")

    def on_message_complete(self) -> None:
        self._stuck = 0
        parser = self._parser
        if self._linger or parser.should_upgrade():
            return
        body = self._body
        received = Received(
            parser.get_method(),
            self._target,
            self._fields,
            body[0] if len(body) == 1 else b"".join(body),
            parser.get_http_version() == "1.0",
            parser.should_keep_alive(),
        )
        self._target, self._headers, self._body = b"", [], []  # nothing of the next request is here yet
        if self._busy:
            if len(self._queue) >= QUEUED:
                raise InvalidRequest(f"More than {QUEUED} pipelined requests; wait for answers")
            self._queue.append(received)
            self.transport.pause_reading()
        else:
            self._serve(received)

    # serving

    def _serve(self, received: Received) -> None:
        self._busy = True
        self.deadline = inf
        received.keep = received.keep and not self.door.draining
        target = received.target.partition(b"?")[0]
        dialect = self.door.hot.get(target)
        headers = dict(received.headers)
        if b"host" not in headers or len(headers) != len(received.headers):
            twofold = ambiguous(received)
            if twofold is not None:
                self._answer(twofold, self.door.dialect(target), keep=False, bare=received.method == b"HEAD")
                return
        if dialect is None:
            self._running = serve(self.door.app, received, self.transport, self.peer, self._finished)
            return
        wrong = unfit(received, headers)
        if wrong is not None:
            self._answer(wrong, dialect, keep=received.keep, bare=received.method == b"HEAD")
            return
        reply = HttpReply(self.transport, self.door.pipeline.turn, received.http10, received.keep, self._finished)
        self.reply = reply
        ask = Ask(
            dialect=dialect,
            body=received.body,
            target=received.target.decode("latin-1"),
            credential=credential(headers, received.target),
            headers=headers,
        )
        running = self.door.infer(ask, reply)
        if self._busy:
            self._running = running
            if self.transport.is_closing() and running is not None:
                running.cancel()

    def _finished(self, keep: bool) -> None:
        """An answer has been written: close, or take the next request."""
        self._busy = False
        self._running = self.reply = None
        if self._linger:
            return
        if not keep or self.door.draining:
            self._close()
        elif self._queue:
            self.door.loop.call_soon(self._next)
        else:
            self.deadline = self.door.now() + self.door.limits.idle

    def _next(self) -> None:
        if not self._busy and not self._linger and self._queue:
            received = self._queue.popleft()
            if not self._queue:
                self.transport.resume_reading()
            if isinstance(received, FreeholdError):
                self._answer(received, self.door.dialect(b""), keep=False)
            else:
                self._serve(received)

    # refusing

    def _refuse(self, error: FreeholdError) -> None:
        """A request that cannot be read to its end: answer, then drop what still comes, then close."""
        self.door.metrics.bad_connections += 1
        if self._busy:  # its turn comes when those before it are answered
            self._queue.append(error)
            self.transport.pause_reading()
            return
        self._answer(error, self.door.dialect(self._target.partition(b"?")[0]), keep=False)

    def _answer(self, error: FreeholdError, dialect: Dialect, *, keep: bool, bare: bool = False) -> None:
        """Say no. `bare`: only the head, as for HEAD."""
        body = dialect.encode_error(error)
        head = status_line(error.status) + b"content-type: application/json\r\n" + error_headers(error, exhausted=False)
        if isinstance(error, WrongMethod):
            head += b"allow: POST\r\n"
        if not keep:
            head += b"connection: close\r\n"
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), b"" if bare else body))
        self._finished(keep)

    def _close(self) -> None:
        """Close after the last byte was sent, reading on for a moment: a reset would destroy what was written."""
        self._linger = True
        self.deadline = self.door.now() + LINGER
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def abort(self) -> None:
        self.transport.abort()

    def drain(self) -> None:
        """Close where nothing is under way; what is, is answered first."""
        if not self._busy and not self._headers and not self._target and not self._linger:
            self.transport.close()

    def late(self) -> None:
        """A time limit passed: of a head or body that does not come, of an idle connection, of an unread answer."""
        self.deadline = inf
        if self._linger or self._busy or not (self._headers or self._target):
            self.abort()
            return
        self._refuse(TooSlow("The request did not arrive in time; send it without pauses"))
