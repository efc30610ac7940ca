"""Connections to one provider, made for relaying: HTTP/1.1 kept alive, pushed into a sink, nothing awaited.

An idle connection is taken and written to; what comes back goes to the sink from `data_received`. A task exists only
while a new connection is being made. Framing is llhttp's (RFC 9112), by httptools.
"""

import asyncio
import ssl
from collections import deque
from urllib.parse import urlsplit

import httptools
from msgspec import Struct

from freehold.core.errors import Broken, FreeholdError, Overloaded, TimedOut, Unreachable
from freehold.core.ports import SendHeaders, Sink


class PoolLimits(Struct, frozen=True, kw_only=True):
    """Seconds, connections and bytes. `idle`: between two pieces of an answer; `keep`: an unused connection."""

    connect: float = 5.0
    first_byte: float = 300.0
    idle: float = 120.0
    keep: float = 30.0
    connections: int = 1_000
    waiting: int = 10_000
    max_head: int = 64 * 1024


SWEEP = 0.2
"""Seconds between looks at the deadlines: one timer for a pool instead of one for a request."""


class _Sending:
    """One request on its way; implements `core.ports.Sending`."""

    __slots__ = ("bytes", "conn", "deadline", "fresh", "idle", "paused", "pool", "sink", "started", "task")

    def __init__(self, pool: "Pool", data: bytes, sink: Sink, deadline: float) -> None:
        self.pool = pool
        self.bytes = data
        self.sink: Sink | None = sink
        self.deadline = deadline
        self.idle = pool.limits.idle
        self.conn: _Connection | None = None
        self.task: asyncio.Task[None] | None = None
        self.started = False  # a byte of the answer has come
        self.fresh = False  # sent on a connection that was not used before
        self.paused = False

    def cancel(self) -> None:
        if self.sink is not None:
            self.sink = None
            self.pool.drop(self)

    def pause(self) -> None:
        self.paused = True
        if self.conn is not None:
            self.conn.transport.pause_reading()

    def resume(self) -> None:
        self.paused = False
        if self.conn is not None:
            self.deadline = self.pool.now() + self.idle
            self.conn.transport.resume_reading()

    def fail(self, error: FreeholdError) -> None:
        sink, self.sink = self.sink, None
        if sink is not None:
            sink.failed(error)


class _Connection(asyncio.Protocol):
    """A connection, and the answer that is being read from it."""

    __slots__ = (
        "_head_bytes",
        "_headers",
        "_sized",
        "in_body",
        "parser",
        "pool",
        "reusable",
        "sending",
        "since",
        "transport",
        "used",
    )
    transport: asyncio.Transport

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.parser = httptools.HttpResponseParser(self)
        self.sending: _Sending | None = None
        self.since = 0.0  # idle since
        self.used = False
        self.reusable = True
        self.in_body = False
        self._headers: dict[str, str] = {}
        self._sized = False
        self._head_bytes = 0

    def write(self, sending: _Sending) -> None:
        self.sending = sending
        sending.conn = self
        sending.fresh = not self.used
        self.used = True
        self.transport.write(sending.bytes)
        if sending.paused:
            self.transport.pause_reading()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        sending = self.sending
        if sending is None:  # nothing was asked: the connection is out of step
            self.transport.abort()
            return
        sending.started = True
        sending.deadline = self.pool.now() + sending.idle
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.reusable = False
            sink_error = error.__context__ if isinstance(error.__context__, FreeholdError) else None
            self._lost(sink_error or Broken(f"The answer of {self.pool.name} is not HTTP: {error or 'protocol switch'}"))

    def connection_lost(self, exc: Exception | None) -> None:
        sending = self.sending
        if sending is None:
            self.pool.forget(self)
            return
        if self.in_body and not self._sized and exc is None:  # the end of the connection is the end of the body
            self.reusable = False
            self.on_message_complete()
        elif not sending.started and not sending.fresh:  # it died while it lay idle: not a failure of this request
            self.sending = sending.conn = None
            self.pool.forget(self)
            self.pool.again(sending)
        elif sending.started:
            self._lost(Broken(f"{self.pool.name} closed the connection in the middle of its answer"))
        else:
            self._lost(Unreachable(f"{self.pool.name} closed the connection before it answered"))

    def _lost(self, error: FreeholdError) -> None:
        sending, self.sending = self.sending, None
        self.pool.forget(self)
        self.transport.abort()
        if sending is not None:
            self.pool.active.discard(sending)
            sending.fail(error)

    # what httptools calls

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self.pool.limits.max_head:
            raise Broken(f"The headers of {self.pool.name} exceed {self.pool.limits.max_head} bytes")
        key = name.decode("latin-1").lower()
        self._headers[key] = value.decode("latin-1")
        if key in {"content-length", "transfer-encoding"}:
            self._sized = True

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        headers, self._headers = self._headers, {}
        self._head_bytes = 0
        if status < 200:
            self._sized = False
            return
        self.in_body = True
        self._sized = self._sized or status in {204, 304}
        sending = self.sending
        if sending is not None and sending.sink is not None:
            sending.sink.head(status, headers)

    def on_body(self, piece: bytes) -> None:
        sending = self.sending
        if sending is not None and sending.sink is not None:
            sending.sink.data(piece)

    def on_message_complete(self) -> None:
        if not self.in_body:  # an interim answer (1xx)
            return
        self.in_body = self._sized = False
        sending, self.sending = self.sending, None
        if sending is None:
            return
        sink, sending.sink = sending.sink, None
        self.pool.active.discard(sending)
        if self.reusable and self.parser.should_keep_alive():
            self.pool.release(self)
        else:
            self.pool.forget(self)
            self.transport.close()
        if sink is not None:
            sink.done()


class Pool:
    """An `Upstream` over HTTP/1.1 with a bounded number of connections.

    `base_url` is 'https://host[:port]/prefix'; the path given to `send` is appended to the prefix. Made inside a
    running event loop. Certificates are checked against the system's store unless `tls` says otherwise.
    """

    def __init__(self, base_url: str, *, name: str, limits: PoolLimits, tls: ssl.SSLContext | None = None) -> None:
        url = urlsplit(base_url)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError(f"{base_url!r} is not an http(s) address")
        self.name = name
        self.limits = limits
        self._tls = (tls or ssl.create_default_context()) if url.scheme == "https" else None
        self._host = url.hostname
        self._port = url.port or (443 if self._tls else 80)
        self._prefix = url.path.rstrip("/")
        self._authority = url.netloc.rpartition("@")[2]
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self.active: set[_Sending] = set()
        self._idle: list[_Connection] = []  # newest last, so that the oldest may expire
        self._all: set[_Connection] = set()
        self._connecting = 0
        self._waiting: deque[_Sending] = deque()
        self._heads: dict[tuple[str, SendHeaders], bytes] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    # sending

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> _Sending:
        """POST `body`. The answer goes to `sink`; failures are Unreachable, TimedOut, Overloaded or Broken."""
        data = b"%b%d\r\n\r\n%b" % (self._head(path, headers), len(body), body)
        sending = _Sending(self, data, sink, self.now() + self.limits.first_byte)
        self._dispatch(sending)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP, self._sweep)
        return sending

    def _head(self, path: str, headers: SendHeaders) -> bytes:
        """The request up to the value of content-length; the same few are sent again and again."""
        known = self._heads.get((path, headers))
        if known is None:
            lines = [f"POST {self._prefix}{path} HTTP/1.1", f"host: {self._authority}"]
            lines += [f"{name}: {value}" for name, value in headers]
            lines.append("content-length: ")
            known = "\r\n".join(lines).encode("latin-1")
            if len(self._heads) >= 256:
                self._heads.clear()
            self._heads[path, headers] = known
        return known

    def _dispatch(self, sending: _Sending) -> None:
        self.active.add(sending)
        while self._idle:
            conn = self._idle.pop()
            if not conn.transport.is_closing():
                conn.write(sending)
                return
        if len(self._all) + self._connecting < self.limits.connections:
            sending.deadline = self.now() + self.limits.connect
            sending.task = self._loop.create_task(self._connect(sending))
        elif len(self._waiting) < self.limits.waiting:
            sending.deadline = self.now() + self.limits.connect
            self._waiting.append(sending)
        else:
            self._loop.call_soon(self._refuse, sending)

    def _refuse(self, sending: _Sending) -> None:
        self.active.discard(sending)
        sending.fail(Overloaded(f"All {self.limits.connections} connections to {self.name} are busy; raise its max_connections"))

    def again(self, sending: _Sending) -> None:
        """Send once more: its connection had died before it was used. Bounded: a fresh connection is never retried."""
        if sending.sink is not None:
            self._dispatch(sending)

    async def _connect(self, sending: _Sending) -> None:
        self._connecting += 1
        try:
            _, conn = await self._loop.create_connection(
                lambda: _Connection(self),
                self._host,
                self._port,
                ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )
        except (OSError, ssl.CertificateError) as error:
            self.active.discard(sending)
            sending.fail(Unreachable(f"{self.name} cannot be reached at {self._host}:{self._port}: {error.strerror or error}"))
            return
        finally:
            self._connecting -= 1
            sending.task = None
        self._all.add(conn)
        if sending.sink is None or self._closed:  # the caller has left meanwhile; somebody else may want it
            self.release(conn)
            return
        sending.deadline = self.now() + self.limits.first_byte
        conn.write(sending)

    # connections

    def release(self, conn: _Connection) -> None:
        """A connection is free: hand it to who has waited longest, or keep it."""
        while self._waiting:
            sending = self._waiting.popleft()
            if sending.sink is not None:
                sending.deadline = self.now() + self.limits.first_byte
                conn.write(sending)
                return
        if self._closed:
            conn.transport.close()
            return
        conn.since = self.now()
        conn.transport.resume_reading() if not conn.transport.is_reading() else None
        self._idle.append(conn)

    def forget(self, conn: _Connection) -> None:
        self._all.discard(conn)
        if conn in self._idle:
            self._idle.remove(conn)
        self._replace()

    def _replace(self) -> None:
        """A place became free: who waits for one may connect."""
        while self._waiting and len(self._all) + self._connecting < self.limits.connections:
            sending = self._waiting.popleft()
            if sending.sink is not None:
                sending.task = self._loop.create_task(self._connect(sending))
                return

    def drop(self, sending: _Sending) -> None:
        """The caller no longer wants it: break off at once."""
        self.active.discard(sending)
        conn, sending.conn = sending.conn, None
        if conn is not None and conn.sending is sending:
            conn.sending = None
            self.forget(conn)
            conn.transport.abort()
        elif sending.task is not None:
            sending.task.cancel()
        elif sending in self._waiting:
            self._waiting.remove(sending)

    # time

    def _sweep(self) -> None:
        self._timer = None
        now = self.now()
        for sending in [s for s in self.active if s.deadline < now and not s.paused]:
            sink, error = sending.sink, self._late(sending)
            sending.cancel()
            if sink is not None:
                sink.failed(error)
        while self._idle and self._idle[0].since + self.limits.keep < now:
            conn = self._idle.pop(0)
            self._all.discard(conn)
            conn.transport.close()
        if (self.active or self._idle) and not self._closed:
            self._timer = self._loop.call_later(SWEEP, self._sweep)

    def _late(self, sending: _Sending) -> FreeholdError:
        if sending.conn is None:
            return TimedOut(f"No connection to {self.name} within {self.limits.connect:g} s")
        if not sending.started:
            return TimedOut(f"{self.name} did not begin to answer within {self.limits.first_byte:g} s")
        return TimedOut(f"{self.name} sent nothing for {self.limits.idle:g} s in the middle of its answer")

    async def close(self) -> None:
        """Close idle connections; those in use close when their answer ends."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        idle, self._idle = self._idle, []
        for conn in idle:
            self._all.discard(conn)
            conn.transport.close()
        await asyncio.sleep(0)
