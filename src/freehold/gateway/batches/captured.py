"""Captured: the end of a chain that keeps an answer, as its caller would have got it over HTTP, for a file."""

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct

from freehold.core.batch import LineClaim
from freehold.core.errors import Broken, FreeholdError
from freehold.core.events import Event, Outcome
from freehold.dialects.dialect import Encoder
from freehold.gateway.exchange import Exchange, upstream_id
from freehold.gateway.manners import manners


class Said(Struct, frozen=True, kw_only=True):
    """What came of a line. `error` where it is no answer; `gone`: nobody will say anything, the process ends."""

    claim: LineClaim
    status: int
    request_id: str
    body: Raw
    error: FreeholdError | None = None
    gone: bool = False


class Captured:
    """Gives `then` what was said, once."""

    def __init__(self, claim: LineClaim, then: Callable[[Said], None]) -> None:
        self._claim = claim
        self._then = then
        self._body: list[bytes] = []
        self._encoder: Encoder | None = None
        self._exchange: Exchange | None = None

    def begin(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def event(self, event: Event) -> None:
        exchange = self._exchange
        assert exchange is not None
        if self._encoder is None:
            assert exchange.request is not None
            self._encoder = exchange.ask.dialect.encoder(
                exchange.request, id=exchange.id, at=exchange.at, source=exchange.source
            )
        self._body.append(self._encoder.encode(event))

    def end(self, outcome: Outcome) -> None:
        exchange = self._exchange
        assert exchange is not None
        error = outcome.error
        if error is None and outcome.kind == "answered" and self._encoder is not None:
            body = _on_one_line(b"".join((*self._body, self._encoder.end())))
            if body is not None:
                return self._tell(exchange, 200, body, None)
        if error is None:
            error = Broken("The answer was not whole")
        error.request_id = upstream_id(exchange.head) or exchange.id
        dialect = exchange.ask.dialect
        body = _on_one_line(dialect.encode_error(error)) or dialect.encode_error(Broken(error.message))
        return self._tell(exchange, manners(dialect.name).status(error), body, error, gone=outcome.kind == "cancelled")

    def _tell(
        self, exchange: Exchange, status: int, body: bytes, error: FreeholdError | None, *, gone: bool = False
    ) -> None:
        shown = upstream_id(exchange.head) or exchange.id
        self._then(Said(claim=self._claim, status=status, request_id=shown, body=Raw(body), error=error, gone=gone))


def _on_one_line(body: bytes) -> bytes | None:
    """A body without line breaks; None where it is no JSON."""
    try:
        return msgspec.json.format(body, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
