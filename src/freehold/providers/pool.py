"""Connections to one provider, made for relaying: HTTP/1.1 kept alive, pushed into a sink, nothing awaited.

An idle connection is taken and written to; what comes back goes to the sink from `data_received`. A task exists only
while a new connection is being made.
"""

import asyncio
import ssl
from collections import deque
from urllib.parse import urlsplit

from freehold.core.errors import FreeholdError, Overloaded, TimedOut, Unreachable
from freehold.core.ports import SendHeaders, Sink
from freehold.providers.connection import Connection, PoolLimits, Sending

SWEEP = 0.2
"""Seconds between looks at the deadlines: one timer for a pool instead of one for a request."""


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
        self.active: set[Sending] = set()
        self._idle: list[Connection] = []  # newest last, so that the oldest may expire
        self._all: set[Connection] = set()
        self._connecting = 0
        self._waiting: deque[Sending] = deque()
        self._heads: dict[tuple[str, SendHeaders], bytes] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    # sending

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> Sending:
        """POST `body`. The answer goes to `sink`; failures are Unreachable, TimedOut, Overloaded or Broken."""
        data = b"%b%d\r\n\r\n%b" % (self._head(path, headers), len(body), body)
        sending = Sending(self, data, sink, self.now() + self.limits.first_byte)
        self.active.add(sending)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP, self._sweep)
        while self._idle:
            conn = self._idle.pop()
            if not conn.transport.is_closing():
                conn.write(sending)
                return sending
        self._open(sending)
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

    def _open(self, sending: Sending) -> None:
        """Send on a new connection, or on the next one that is free."""
        if len(self._all) + self._connecting < self.limits.connections:
            sending.deadline = self.now() + self.limits.connect
            self._start(sending)
        elif len(self._waiting) < self.limits.waiting:
            sending.deadline = self.now() + self.limits.connect
            self._waiting.append(sending)
        else:
            self._loop.call_soon(self._refuse, sending)

    def _refuse(self, sending: Sending) -> None:
        busy = f"All {self.limits.connections} connections to {self.name} are busy"
        sending.fail(Overloaded(f"{busy}; raise its max_connections"))

    def again(self, sending: Sending) -> None:
        """Send once more: its connection had died while it lay idle."""
        sending.resent = True
        if sending.sink is not None:
            self._open(sending)

    def _start(self, sending: Sending) -> None:
        self._connecting += 1  # before the task runs, so that sends of the same moment count each other
        sending.task = self._loop.create_task(self._connect(sending))
        sending.task.add_done_callback(self._started)

    def _started(self, task: asyncio.Task[None]) -> None:
        self._connecting -= 1
        self._replace()

    async def _connect(self, sending: Sending) -> None:
        try:
            _, conn = await self._loop.create_connection(
                lambda: Connection(self),
                self._host,
                self._port,
                ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )
        except (OSError, UnicodeError) as error:  # UnicodeError: no such name can exist (IDNA)
            reason = getattr(error, "strerror", None) or error
            sending.fail(Unreachable(f"{self.name} cannot be reached at {self._host}:{self._port}: {reason}"))
            return
        finally:
            sending.task = None
        self._all.add(conn)
        if sending.sink is None:  # the caller has left meanwhile; somebody else may want it
            self.release(conn)
            return
        sending.deadline = self.now() + self.limits.first_byte
        conn.write(sending)

    # connections

    def release(self, conn: Connection) -> None:
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
        self._idle.append(conn)

    def forget(self, conn: Connection) -> None:
        self._all.discard(conn)
        if conn in self._idle:
            self._idle.remove(conn)
        self._replace()

    def _replace(self) -> None:
        """A place became free: who waits for one may connect."""
        while self._waiting and len(self._all) + self._connecting < self.limits.connections:
            sending = self._waiting.popleft()
            if sending.sink is not None:
                self._start(sending)

    def drop(self, sending: Sending) -> None:
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
        for sending in [s for s in self.active if s.deadline < now and (s.conn is None or not s.paused)]:
            sink, error = sending.sink, self._late(sending)
            sending.cancel()
            if sink is not None:
                sink.failed(error)
        while self._idle and self._idle[0].since + self.limits.keep < now:
            conn = self._idle.pop(0)
            self._all.discard(conn)
            conn.transport.close()
        if self.active or self._idle:
            self._timer = self._loop.call_later(SWEEP, self._sweep)

    def _late(self, sending: Sending) -> FreeholdError:
        if sending.conn is None:
            return TimedOut(f"No connection to {self.name} within {self.limits.connect:g} s")
        if not sending.started:
            return TimedOut(f"{self.name} did not begin to answer within {self.limits.first_byte:g} s")
        return TimedOut(f"{self.name} sent nothing for {self.limits.idle:g} s in the middle of its answer")

    async def close(self) -> None:
        """Close idle connections; those in use close when their answer ends. What is still sent later goes out, on a
        connection of its own."""
        self._closed = True
        idle, self._idle = self._idle, []
        for conn in idle:
            self._all.discard(conn)
            conn.transport.close()
        if self._timer is not None and not self.active:
            self._timer.cancel()
            self._timer = None
        await asyncio.sleep(0)
