"""One connection to a provider, and the answer that is being read from it.

Framing is llhttp's (RFC 9112), by httptools. An answer is over only when what was read together with it has been looked
at: a connection that says more than it was asked is never used again.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, cast

import httptools
from msgspec import Struct

from freehold.core.errors import Broken, FreeholdError, Internal, Unreachable
from freehold.core.ports import Sink

QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Only Linux has it."""


class PoolLimits(Struct, frozen=True, kw_only=True):
    """Seconds, connections and bytes. `idle`: between two pieces of an answer; `keep`: an unused connection."""

    connect: float = 5.0
    first_byte: float = 300.0
    idle: float = 120.0
    keep: float = 30.0
    connections: int = 1_000
    waiting: int = 10_000
    max_head: int = 64 * 1024


class Owner(Protocol):
    """The pool, as its connections see it."""

    name: str
    limits: PoolLimits
    now: Callable[[], float]
    active: "set[Sending]"

    def release(self, conn: "Connection") -> None: ...

    def forget(self, conn: "Connection") -> None: ...

    def again(self, sending: "Sending") -> None: ...

    def drop(self, sending: "Sending") -> None: ...


class Sending(Struct, eq=False):
    """One request on its way; implements `core.ports.Sending`.

    `started`: a byte of the answer has come; `fresh`: sent on a connection that was not used before.
    """

    owner: Owner
    content: bytes
    sink: Sink | None
    deadline: float
    conn: "Connection | None" = None
    task: asyncio.Task[None] | None = None
    started: bool = False
    fresh: bool = False
    resent: bool = False
    paused: bool = False

    def cancel(self) -> None:
        if self.sink is not None:
            self.sink = None
            self.owner.drop(self)

    def pause(self) -> None:
        self.paused = True
        if self.conn is not None:
            self.conn.transport.pause_reading()

    def resume(self) -> None:
        self.paused = False
        if self.conn is not None:
            limits = self.owner.limits
            self.deadline = self.owner.now() + (limits.idle if self.started else limits.first_byte)
            self.conn.transport.resume_reading()

    def fail(self, error: FreeholdError) -> None:
        self.owner.active.discard(self)
        sink, self.sink = self.sink, None
        if sink is not None:
            sink.failed(error)


class Connection(asyncio.Protocol):
    """Sends one request after the other and pushes each answer into its sink."""

    __slots__ = (
        "_complete",
        "_head_size",
        "_headers",
        "_idle",
        "_in_body",
        "_max_head",
        "_owner",
        "_parser",
        "_reusable",
        "_sized",
        "_socket",
        "_unread",
        "_used",
        "sending",
        "since",
        "transport",
    )
    transport: asyncio.Transport

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._parser = httptools.HttpResponseParser(self)
        self.sending: Sending | None = None
        self.since = 0.0  # unused since
        self._idle, self._max_head = owner.limits.idle, owner.limits.max_head
        self._used = False
        self._reusable = True
        self._in_body = False
        self._complete = False
        self._headers: dict[str, str] = {}
        self._head_size = 0
        self._sized = False  # the answer says how long it is
        self._unread = 0  # bytes since the last that were body: of a head, a trailer, or the frame of a chunk

    def write(self, sending: Sending) -> None:
        self.sending = sending
        sending.conn = self
        sending.fresh = not self._used
        self._used = True
        self._unread = 0
        self.transport.write(sending.content)
        if sending.paused:
            self.transport.pause_reading()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._socket = cast("socket.socket | None", transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        sending, owner = self.sending, self._owner
        if sending is None:  # nothing was asked: the connection is out of step
            self.transport.abort()
            return
        sending.started = True
        sending.deadline = owner.now() + self._idle
        self._unread += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._reusable = False
            if not self._complete:
                self._lost(_cause(error, owner.name))
                return
        if self._complete:
            self._finish()
        elif self._unread > self._max_head:
            self._lost(_oversized(owner))

    def connection_lost(self, exc: Exception | None) -> None:
        sending, name = self.sending, self._owner.name
        if sending is None:
            self._owner.forget(self)
        elif self._in_body and not self._sized and exc is None:  # the end of the connection is the end of the body
            self._reusable = False
            self._finish()
        elif sending.started:
            self._lost(Broken(f"{name} closed the connection in the middle of its answer"))
        elif sending.fresh or sending.resent:
            self._lost(Unreachable(f"{name} closed the connection before it answered"))
        else:  # it died while it lay idle: not a failure of this request
            self.sending = sending.conn = None
            self._owner.forget(self)
            self._owner.again(sending)

    def _lost(self, error: FreeholdError) -> None:
        sending, self.sending = self.sending, None
        self._owner.forget(self)
        self.transport.abort()
        if sending is not None:
            sending.conn = None
            sending.fail(error)

    def _finish(self) -> None:
        """The answer is whole: give the connection back, then say so."""
        self._complete = self._in_body = self._sized = False
        sending, self.sending = self.sending, None
        if sending is None:  # cancelled meanwhile
            return
        sink, sending.sink, sending.conn = sending.sink, None, None
        self._owner.active.discard(sending)
        if self._reusable and not self.transport.get_write_buffer_size():
            if sending.paused:
                self.transport.resume_reading()
            self._owner.release(self)
        else:  # also where the answer came before the whole request was taken: nobody reads the rest
            self._owner.forget(self)
            self.transport.abort()
        if sink is not None:
            sink.done()

    # what httptools calls

    def on_message_begin(self) -> None:
        if self._complete:
            raise Broken(f"{self._owner.name} sent more than one answer")
        self._headers = {}
        self._head_size = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value)
        self._headers[_NAMES.get(name) or _named(name)] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._head_size > self._max_head:
            raise _oversized(self._owner)
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer; the real one follows
            return
        self._in_body = self._sized = True
        self._unread = 0
        headers = self._headers
        if "content-length" not in headers:
            self._sized = headers.get("transfer-encoding", "").lower().endswith("chunked") or status in {204, 304}
            self._acknowledge_later()
        sending = self.sending
        if sending is not None and sending.sink is not None:
            sending.sink.head(status, headers)

    def _acknowledge_later(self) -> None:
        """The kernel would answer each chunk of a stream with an acknowledgement of its own (tcp(7), TCP_QUICKACK)."""
        if QUICKACK is not None and self._socket is not None:
            with suppress(OSError):  # the connection is gone already
                self._socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, 0)

    def on_body(self, piece: bytes) -> None:
        self._unread = 0
        sending = self.sending
        if sending is not None and sending.sink is not None:
            sending.sink.data(piece)

    def on_message_complete(self) -> None:
        if self._in_body:
            self._complete = True
            self._reusable = self._reusable and self._parser.should_keep_alive()


_NAMES: dict[bytes, str] = {}
"""Header names as they came -> as we hand them on; a provider always sends the same few."""


def _named(name: bytes) -> str:
    if len(_NAMES) >= 1024:
        _NAMES.clear()
    _NAMES[name] = text = name.decode("latin-1").lower()
    return text


def _oversized(owner: Owner) -> Broken:
    return Broken(f"The headers of {owner.name} exceed {owner.limits.max_head} bytes")


def _cause(error: Exception, name: str) -> FreeholdError:
    """Why reading stopped: our own error from a callback, a mistake in the sink, or bytes that are not HTTP."""
    cause = error.__context__
    if isinstance(cause, FreeholdError):
        return cause
    if cause is not None:
        return Internal(f"Reading the answer of {name} failed: {cause!r}")
    if isinstance(error, httptools.HttpParserUpgrade):
        return Broken(f"{name} switched to another protocol")
    return Broken(f"The answer of {name} is not HTTP: {error}")
