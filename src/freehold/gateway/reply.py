"""Reply: the end of the chain that writes to a caller's HTTP connection, in the caller's dialect."""

import asyncio
from collections.abc import Callable
from urllib.parse import quote

from msgspec import Struct

from freehold.core.errors import FreeholdError
from freehold.core.events import Event, Outcome
from freehold.dialects.dialect import Encoder
from freehold.gateway.exchange import Exchange, upstream_id
from freehold.gateway.manners import manners
from freehold.gateway.turn import Turn

REASONS = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    402: b"Payment Required",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    409: b"Conflict",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    422: b"Unprocessable Content",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    529: b"Overloaded",
}
_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, reason) for status, reason in REASONS.items()}
ENOUGH = 32 * 1024
"""Bytes of a stream that do not wait for the end of the turn."""

EVENTS = b"text/event-stream; charset=utf-8"
LAST_CHUNK = b"0\r\n\r\n"
_safe: dict[str, bytes] = {}


def status_line(status: int) -> bytes:
    return _LINES.get(status) or b"HTTP/1.1 %d Status\r\n" % status


def safe(value: str) -> bytes:
    """A header value: anything that is not visible ASCII is percent-encoded, so that no name can break the head."""
    known = _safe.get(value)
    if known is None:
        if len(_safe) >= 4096:
            _safe.clear()
        known = _safe[value] = quote(value, safe="!#$&'()*+,/:;=?@[]~ ^|").encode("ascii")
    return known


class HttpReply(Struct, eq=False):
    """Writes one answer. `finished(keep)` is called once, when the last byte was handed to the transport.

    `started`: the head of a stream has left; `body`: of a stream, what leaves with this turn of the loop; `still`: how
    often nothing had been written when the door looked.
    """

    _transport: asyncio.WriteTransport
    _turn: Turn
    _http10: bool
    _keep: bool
    _finished: Callable[[bool], None]
    _exchange: Exchange | None = None
    _encoder: Encoder | None = None
    _body: list[bytes] = []
    _size: int = 0
    _still: int = 0
    _started: bool = False
    _stream: bool = False
    _over: bool = False

    def begin(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def event(self, event: Event) -> None:
        encoder = self._encoder
        if encoder is None:
            encoder = self._begin()
        data = encoder.encode(event)
        if data:
            body = self._body
            body.append(data)
            if self._stream:
                self._size += len(data)
                if self._size > ENOUGH:
                    self._flush()
                elif len(body) == 1:
                    self._turn.write(self._flush)

    def _begin(self) -> Encoder:
        """The encoder, at the first event."""
        exchange = self._exchange
        assert exchange is not None
        assert exchange.request is not None
        self._stream = exchange.request.stream
        first = exchange.first or exchange
        self._encoder = exchange.ask.dialect.encoder(exchange.request, id=first.id, at=first.at, source=exchange.source)
        return self._encoder

    def _flush(self) -> None:
        """Write what of a stream came in this turn, as one chunk (RFC 9112 7.1)."""
        body = self._body
        if not body or self._over:
            return
        data = body[0] if len(body) == 1 else b"".join(body)
        body.clear()
        self._size = self._still = 0
        if not self._started:
            self._start_stream((self._encoder or self._begin()).media_type)
        self._transport.write(data if self._http10 else b"%x\r\n%b\r\n" % (len(data), data))

    def end(self, outcome: Outcome) -> None:
        exchange, error = self._exchange, outcome.error
        assert exchange is not None
        if (outcome.kind == "cancelled" and error is None) or self._transport.is_closing():
            self._over = True
            self._finished(False)
            return
        if self._stream:
            self._flush()
        self._over = True
        if self._started:
            self._end_stream(exchange, error)
        elif error is not None:
            self._error(exchange, error)
        elif exchange.request is not None and exchange.request.stream:
            self._start_stream((self._encoder or self._begin()).media_type)
            self._end_stream(exchange, None)
        else:
            self._whole(exchange)

    def _whole(self, exchange: Exchange) -> None:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        if self._encoder is not None:
            body += self._encoder.end()
        kind = b"application/json" if self._encoder is None else self._encoder.media_type
        head = self._head(exchange, 200, kind, self._keep)
        self._leave(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))

    def _leave(self, last: bytes) -> None:
        """Write the last bytes with what else leaves now."""
        self._body = [last]
        self._turn.write(self._last)

    def _last(self) -> None:
        self._transport.write(self._body[0])
        self._finished(self._keep)

    def look(self, patience: int) -> None:
        """The door looks, twice a second: a stream that was still for `patience` looks says that it is alive, so that
        nobody in between gives it up. It begins with that where its model thinks before the first word."""
        self._still += 1
        exchange = self._exchange
        if self._still < patience or self._over or exchange is None or exchange.request is None:
            return
        ping = manners(exchange.ask.dialect.name).ping
        if (
            not (ping and exchange.request.stream)
            or self._transport.is_closing()
            or self._transport.get_write_buffer_size()
        ):
            return
        self._still = 0
        self._stream = True
        if not self._started:
            self._start_stream(EVENTS)
        self._transport.write(ping if self._http10 else b"%x\r\n%b\r\n" % (len(ping), ping))

    def _start_stream(self, kind: bytes) -> None:
        exchange = self._exchange
        assert exchange is not None
        self._started = True
        self._keep = self._keep and not self._http10
        head = self._head(exchange, 200, kind, self._keep)
        length = b"" if self._http10 else b"transfer-encoding: chunked\r\n"
        self._transport.write(head + length + b"cache-control: no-cache\r\nx-accel-buffering: no\r\n\r\n")

    def _end_stream(self, exchange: Exchange, error: FreeholdError | None) -> None:
        encoder = self._encoder or self._begin()
        if error is not None:
            error.request_id = upstream_id(exchange.head) or exchange.id
        data = encoder.end() if error is None else encoder.fail(error)
        if self._http10:
            self._leave(data)
        else:
            chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            self._leave(chunk + LAST_CHUNK)

    def _error(self, exchange: Exchange, error: FreeholdError) -> None:
        error.request_id = upstream_id(exchange.head) or exchange.id
        body = exchange.ask.dialect.encode_error(error)
        status = manners(exchange.ask.dialect.name).status(error)
        head = self._head(exchange, status, b"application/json", self._keep)
        head += error_headers(error, exhausted=bool(exchange.calls))
        self._leave(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))

    def _head(self, exchange: Exchange, status: int, kind: bytes, keep: bool) -> bytes:
        """The head without length and blank line."""
        id_ = exchange.id.encode()
        upstream = upstream_id(exchange.head)
        shown = id_ if upstream is None else safe(upstream)
        head = b"%bcontent-type: %b\r\nx-request-id: %b\r\nx-freehold-inference: %b\r\nx-freehold-cache: %b\r\n" % (
            status_line(status),
            kind,
            shown,
            id_,
            b"none" if exchange.first is None else b"idempotent",
        )
        if also := manners(exchange.ask.dialect.name).id_header:
            head += b"%b: %b\r\n" % (also, shown)
        if exchange.route:
            head += b"x-freehold-route: %b\r\n" % safe(exchange.route)
        if exchange.answered_by is not None:
            head += b"x-freehold-deployment: %b\r\n" % safe(exchange.answered_by.id)
        if exchange.cost is not None:
            head += b"x-freehold-cost: %d\r\n" % exchange.cost
        if exchange.warnings:
            head += b"x-freehold-warnings: %b\r\n" % safe(", ".join(exchange.warnings))
        if exchange.limits:
            head += exchange.limits.encode()
        return head if keep else head + b"connection: close\r\n"


def error_headers(error: FreeholdError, *, exhausted: bool) -> bytes:
    """`x-should-retry: false` where trying again cannot help or we have tried already; `retry-after` where known."""
    retry = error.retryable and not exhausted
    lines = b"x-should-retry: true\r\n" if retry else b"x-should-retry: false\r\n"
    if error.retry_after is not None:
        seconds = max(error.retry_after, 0)
        lines += b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (-(-seconds // 1), seconds * 1000)
    return lines
