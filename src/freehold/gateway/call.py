"""Call: the first deployment of the plan that answers. Retries, fallback and the mid-stream rule live here.

Until the first content event has left, a failed call may be repeated or move to the next deployment; what came before
content is held back. After that the stream is cut, never silently continued elsewhere.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from freehold.core.deployment import Deployment
from freehold.core.errors import (
    Abstained,
    Broken,
    CallerError,
    ContextRejected,
    CredentialRefused,
    FreeholdError,
    Internal,
    NoneHealthy,
    NotCarried,
    NotFetched,
    ProviderError,
    Rejected,
    Throttled,
)
from freehold.core.events import Event, Outcome, Stage
from freehold.core.inference import Call
from freehold.core.ports import Clock, Headers, Sending
from freehold.core.request import Request
from freehold.dialects.dialect import Source, StreamDecoder
from freehold.gateway.carry import carry, headers
from freehold.gateway.exchange import Exchange, upstream_id
from freehold.gateway.media import Fetching, Wanting
from freehold.gateway.world import Account
from freehold.routing.health import HealthBoard

MAX_ANSWER = 256 * 1024 * 1024
MAX_ERROR = 1024 * 1024
MAX_HELD = 16 * 1024 * 1024
"""Bytes of events without content (comments, roles) before the first content."""

EVENT_SIZE = 128
"""What an event takes beside its bytes, about."""

ELSEWHERE = frozenset({402, 404, 405, 410, 413, 415, 501})
"""Statuses by which a provider says that this model or size is not for it: another deployment may take the request."""


class RetryBudget:
    """Retries in proportion to first calls, over all requests, so that an outage is not multiplied. A token bucket."""

    def __init__(self, ratio: float, floor: float = 10.0) -> None:
        self.ratio = ratio
        self._most = max(floor, 100.0)
        self._tokens = floor

    def first(self) -> None:
        if self._tokens < self._most:
            self._tokens += self.ratio

    def take(self) -> bool:
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Switchboard(Struct, frozen=True, kw_only=True):
    """What every relay calls with. `random` gives [0, 1) for the jitter."""

    health: HealthBoard
    budget: RetryBudget
    clock: Clock
    random: Callable[[], float]


class _Attempt(Struct, eq=False):
    """One call at one deployment: the sink of an upstream. Once it is over it hears nothing more."""

    relay: "Relay"
    deployment: Deployment
    account: Account
    start: int
    first: int | None = None
    status: int = 0
    over: bool = False
    _body: list[bytes] = []
    _size: int = 0
    _decoder: StreamDecoder | None = None

    def head(self, status: int, headers: Headers) -> None:
        self.first = self.relay.board.clock()
        self.status = status
        self.relay.exchange.head = headers
        if self.relay.request.stream and status == 200:
            kind = headers.get("content-type", "")
            if kind.startswith("text/event-stream") or not kind.startswith(("application/json", "text/html")):
                self._decoder = self.account.dialect.stream_decoder(self.account.quirks)

    def data(self, piece: bytes) -> None:
        if self.over:
            return
        decoder = self._decoder
        if decoder is None:
            self._size += len(piece)
            most = MAX_ANSWER if self.status == 200 else MAX_ERROR
            if self._size > most:
                self._body.clear()
                self.relay.stop_sending()
                self._fail(Broken(f"The answer of {self.deployment.id} exceeds {most} bytes"))
            else:
                self._body.append(piece)
            return
        relay = self.relay
        try:
            events = decoder.feed(piece)
            say = relay.chain.event if relay.committed else relay.event
            for event in events:
                say(event)
            if decoder.error is not None:  # it came with what was said before it; the connection may stay open
                raise decoder.error
        except ProviderError as error:
            relay.stop_sending()
            self._fail(error)
        except Exception as error:  # the request edge: whatever a provider sends must end in a record
            relay.stop_sending()
            self._fail(Internal(f"Reading the answer of {self.deployment.id} failed: {error!r}"))

    def done(self) -> None:
        if self.over:
            return
        try:
            if self._decoder is not None:
                for event in self._decoder.finish():
                    self.relay.event(event)
            elif 200 <= self.status < 300:
                event = self.account.dialect.decode_answer(b"".join(self._body), self.account.quirks)
                self.relay.event(event)
            else:
                raise self._error()
        except FreeholdError as error:
            self._fail(error)
            return
        except Exception as error:  # as above
            self._fail(Internal(f"Reading the answer of {self.deployment.id} failed: {error!r}"))
            return
        self.over = True
        self.relay.answered(self)

    def failed(self, error: FreeholdError) -> None:
        if not self.over:
            self._fail(error)

    def _fail(self, error: FreeholdError) -> None:
        self.over = True
        coding = self.relay.exchange.head.get("content-encoding", "identity")
        if self.status and isinstance(error, Broken) and coding != "identity":
            error = Broken(f"{self.deployment.id} answered in {coding}, which was not asked for")
        self.relay.failed(self, error)

    def _error(self) -> ProviderError:
        return self.account.dialect.decode_error(
            self.status, self.relay.exchange.head, b"".join(self._body), provider=self.account.provider
        )


class Relay(Struct, eq=False):
    """Runs the plan of one exchange into a chain of stages. Also the flow control that the end of the chain holds.

    `_plan` is never empty; `_turn` is an index into it.
    """

    exchange: Exchange
    request: Request
    _plan: tuple[Deployment, ...]
    chain: Stage
    board: Switchboard
    ended: bool = False
    _turn: int = 0
    _tries: int = 0
    _attempt: _Attempt | None = None
    _sending: Sending | None = None
    _after: asyncio.TimerHandle | None = None
    _held: list[Event] = []
    _held_size: int = 0
    committed: bool = False
    _paused: bool = False

    # running the plan

    def start(self, error: FreeholdError | None) -> None:
        """The promise is written, or was not: call the first deployment whose breaker lets us, or end."""
        if error is not None:
            self.refuse(error)
            return
        self.board.budget.first()
        if not self.ended and not self._move():
            self._end(
                Outcome(
                    "failed", NoneHealthy("Every deployment of the plan is failing; try again shortly", retry_after=1)
                )
            )

    def refuse(self, error: FreeholdError) -> None:
        """End before anything was called."""
        self._end(Outcome("refused", error))

    def _move(self) -> bool:
        """Call the next deployment of the plan that may be called."""
        while self._turn < len(self._plan):
            deployment = self._plan[self._turn]
            if self.board.health.admit(deployment.id, self.board.clock()):
                self._call(deployment)
                return True
            self._turn += 1
        return False

    def _call(self, deployment: Deployment) -> None:
        exchange = self.exchange
        account = exchange.world.account(deployment.provider, exchange.ask.dialect.name, deployment.model)
        self._tries += 1
        attempt = self._attempt = _Attempt(self, deployment, account, self.board.clock())
        self._send(attempt)

    def _send(self, attempt: _Attempt) -> None:
        exchange, deployment, account = self.exchange, attempt.deployment, attempt.account
        try:
            body = carry(exchange, self.request, deployment, account)
            path = account.dialect.path(account.path, model=deployment.model, stream=self.request.stream)
            self._sending = account.upstream.send(path, headers(exchange, account, path, body), body, attempt)
        except Wanting as wanting:
            self._sending = Fetching(exchange, wanting, partial(self._fetched, attempt), attempt.failed)
            return
        except Exception as error:  # the request edge: what is accepted must end in a record
            if not isinstance(error, FreeholdError):
                error = Internal(f"The request could not be written for {deployment.id}: {error!r}")
            asyncio.get_running_loop().call_soon(attempt.failed, error)
            return
        if self._paused:
            self._sending.pause()

    def _fetched(self, attempt: _Attempt) -> None:
        """The media that it wanted are there: the call begins now."""
        attempt.start = self.board.clock()
        self._send(attempt)

    def failed(self, attempt: _Attempt, error: FreeholdError) -> None:
        """A call ended badly: go on where that is allowed and may help, else end."""
        self._note(attempt, error)
        self._sending = None
        if self.committed:
            self._end(Outcome("cut", error))
        elif not self._go_on(error):
            self._end(Outcome("failed", error))

    def _go_on(self, error: FreeholdError) -> bool:
        elsewhere = (
            error.retryable
            or isinstance(error, CredentialRefused | Abstained | NotCarried | NotFetched | ContextRejected)
            or (isinstance(error, Rejected) and error.status in ELSEWHERE)
        )
        self._held.clear()
        self._held_size = 0
        if isinstance(error, Abstained | NotCarried | NotFetched):
            self._tries -= 1  # nobody failed: that is no failed try
        retry = self.exchange.world.retry
        if not elsewhere or self._tries >= retry.attempts:
            return False
        here = self._turn
        self._turn += 1
        if self._move():
            return True
        if not error.retryable:
            return False
        wait = retry.backoff * 2 ** (self._tries - 1) * (0.5 + self.board.random())
        if error.retry_after is not None:
            wait = max(wait, error.retry_after)
        if wait > retry.max_backoff or not self.board.budget.take():
            return False
        self._turn = here if not isinstance(error, Throttled) else 0
        self._after = asyncio.get_running_loop().call_later(wait, self._again)
        return True

    def _again(self) -> None:
        self._after = None
        if self.ended:
            return
        if not self._move():
            self._end(
                Outcome(
                    "failed", NoneHealthy("Every deployment of the plan is failing; try again shortly", retry_after=1)
                )
            )

    # what an answer says

    def event(self, event: Event) -> None:
        if self.committed:
            self.chain.event(event)
        elif event.content:
            self.committed = True
            attempt = self._attempt
            assert attempt is not None
            exchange = self.exchange
            self._answers(attempt)
            exchange.first_content = self.board.clock()
            held = self._held
            for early in held:
                self.chain.event(early)
            held.clear()
            self.chain.event(event)
        else:
            self._held.append(event)
            self._held_size += len(event.raw) + EVENT_SIZE
            if self._held_size > MAX_HELD:
                raise Broken(f"The provider sent {MAX_HELD} bytes and no content")

    def _answers(self, attempt: _Attempt) -> None:
        """From here on the answer is this deployment's."""
        exchange, account = self.exchange, attempt.account
        exchange.answered_by = attempt.deployment
        if account.dialect is not exchange.ask.dialect:
            exchange.source = Source(account.dialect.name, account.provider)

    def answered(self, attempt: _Attempt) -> None:
        self._sending = None
        if not self.committed:
            if self._held:  # an answer without content is still an answer (no choices, usage only)
                held, self._held = self._held, []
                self.committed = True
                self._answers(attempt)
                for event in held:
                    self.chain.event(event)
            else:
                self.failed(attempt, Broken(f"{attempt.deployment.id} sent an empty answer"))
                return
        self._note(attempt, None)
        self._end(Outcome("answered"))

    # flow control, for the end of the chain

    def cancel(self) -> None:
        """The caller left: break off upstream at once; the record says so."""
        if self.ended:
            return
        if self._after is not None:
            self._after.cancel()
        attempt = self._attempt
        if attempt is not None and not attempt.over:
            attempt.over = True
            self.stop_sending()
            self._note(attempt, None, left=True)
        self._end(Outcome("cancelled"))

    def pause(self) -> None:
        self._paused = True
        if self._sending is not None:
            self._sending.pause()

    def resume(self) -> None:
        self._paused = False
        if self._sending is not None:
            self._sending.resume()

    def stop_sending(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.cancel()

    # notes

    def _note(self, attempt: _Attempt, error: FreeholdError | None, *, left: bool = False) -> None:
        exchange, health, now = self.exchange, self.board.health, self.board.clock()
        exchange.calls.append(
            Call(
                deployment=attempt.deployment.id,
                start=attempt.start - exchange.at,
                first_byte=None if attempt.first is None else attempt.first - exchange.at,
                end=now - exchange.at,
                status=attempt.status,
                error="caller_left" if left else None if error is None else error.code,
                message=None if error is None else error.message,
                upstream_id=upstream_id(exchange.head) if attempt.status else None,
            )
        )
        if left or isinstance(error, CallerError | Rejected | Abstained | NotCarried):
            health.abandon(attempt.deployment.id)
        else:
            began = exchange.first_content
            ttft = None if error is not None or began is None else (began - attempt.start) / 1e6
            health.observe(attempt.deployment.id, ok=error is None, now=now, ttft_ms=ttft)

    def _end(self, outcome: Outcome) -> None:
        if not self.ended:
            self.ended = True
            self._attempt = None  # each knows the other: undone here, so that nothing of it waits for the collector
            self.chain.end(outcome)
