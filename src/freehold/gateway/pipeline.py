"""The pipeline: one request, from bytes to a record. This list is the only place that spells it out.

    who asks -> what is asked -> may it happen -> where should it go -> what may it cost -> promise a record -> call

Everything here is synchronous: a request leaves this function without a task or a wait, and is called for when the turn
of the event loop ends (see `turn`). Only a budget whose lease is used up waits for the store.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import NamedTuple, Protocol

import msgspec

from freehold.core.decision import Decision, Inputs
from freehold.core.deployment import Deployment
from freehold.core.errors import (
    BudgetExceeded,
    ContextExceeded,
    Draining,
    Forbidden,
    FreeholdError,
    Internal,
    InvalidRequest,
    NoneHealthy,
    UnknownModel,
)
from freehold.core.events import Answer, Outcome, Stage
from freehold.core.ids import Ids
from freehold.core.inference import Accepted
from freehold.core.ports import Clock, Ledger
from freehold.core.principal import Key
from freehold.core.request import Request
from freehold.core.tariff import FOREVER
from freehold.gateway.call import Relay, RetryBudget, Switchboard
from freehold.gateway.episode import HEADER, episode
from freehold.gateway.exchange import Ask, Exchange
from freehold.gateway.issuers import Issuers
from freehold.gateway.keep import Kept
from freehold.gateway.metrics import Metrics
from freehold.gateway.received import foreign_page
from freehold.gateway.record import Desk, Recorder
from freehold.gateway.service import service
from freehold.gateway.turn import Turn
from freehold.gateway.world import Resolved, World
from freehold.governance.admit import Asked, admit, expected, rates, scopes
from freehold.governance.budget import Budgets
from freehold.governance.keys import Keyring
from freehold.governance.limits import Limits
from freehold.routing.cohort import cohort
from freehold.routing.health import HealthBoard
from freehold.routing.plan import plan

UNBOUNDED_OUTPUT = 16_384
"""Tokens for which money is reserved where neither the caller nor the deployment sets a maximum."""

KINDS = {"audio": ("input_audio", "output_audio"), "image": ("input_image", "output_image")}
"""Rates that may apply to what needs them."""

REMEMBERED = 4096

ROUNDED = 64
"""Bytes up to which a prompt is rounded up where an upper bound is wanted, so that few bounds have to be computed."""


class Planned(NamedTuple):
    """A decision, as the record holds it, its deployments, the money to reserve by what it depends on, and the instants
    from which until which the prices that it was made from hold."""

    decision: Decision
    encoded: msgspec.Raw
    deployments: tuple[Deployment, ...]
    bounds: dict[tuple[int, int, bool], int]
    since: int = 0
    until: int = FOREVER


class End(Stage, Protocol):
    """The end of the chain: hands events to a caller. `begin` comes once, before anything else."""

    def begin(self, exchange: Exchange) -> None: ...


def _forget(exchange: Exchange, answer: Answer) -> None:
    """Nobody learns from it."""


class Pipeline:
    """Serves requests. `world` and `keyring` are replaced whole when settings or keys change."""

    def __init__(
        self,
        *,
        world: World,
        keyring: Keyring,
        ledger: Ledger,
        limits: Limits,
        budgets: Budgets,
        health: HealthBoard,
        metrics: Metrics,
        clock: Clock,
        ids: Ids,
        random: Callable[[], float],
        kept: Kept = _forget,
    ) -> None:
        self.world = world
        self.health = health
        self.turn = Turn(ledger)
        self._issuers = issuers = Issuers()
        self._desk = Desk(turn=self.turn, limits=limits, budgets=budgets, metrics=metrics, clock=clock, issuers=issuers)
        self._switchboard = Switchboard(
            health=health, budget=RetryBudget(world.retry.ratio), clock=clock, random=random
        )
        self.metrics = metrics
        self.limits = limits
        self.draining = False
        self._budgets = budgets
        self.clock = clock
        self._ids = ids
        self._random = random
        self.kept = kept
        self._plans: dict[object, Planned] = {}
        self._plans_of: object = None
        self._encoder = msgspec.json.Encoder()
        self._waiting: set[asyncio.Task[None]] = set()
        self.guard(keyring)

    def infer(self, ask: Ask, end: End) -> Relay | None:
        """Serve one request into `end`. Gives the flow control of the running call, or None when it is over."""
        exchange, recorder = self.open(ask, end)
        try:
            if ask.purpose == "caller":
                exchange.key = self.authenticate(ask.credential, ask.headers)
            else:
                exchange.key = ask.key
        except FreeholdError as error:  # nobody we know asked: counted, not recorded
            self.metrics.unauthenticated += 1
            end.end(Outcome("refused", error))
            return None
        self.turn.enter()
        try:
            if self.draining:
                raise Draining("This server is shutting down; send the request to another or try again", retry_after=1)
            if ask.refusal is not None:
                raise ask.refusal
            request = exchange.request = ask.dialect.decode_request(ask.body, ask.target)
            resolved = self._resolve(exchange, request)
            if resolved.tracked:
                self._track(exchange, request, recorder)
            self._admit(exchange, request)
            request = exchange.request
            planned = self._plan(exchange, request, resolved)
            reserved = self._reserve(exchange, request, planned)
        except FreeholdError as error:
            recorder.end(Outcome("refused", error))
            return None
        except Exception as error:  # the request edge: whatever a caller sends must end in an answer and a record
            recorder.end(Outcome("refused", Internal(f"The request could not be handled: {error!r}")))
            return None
        relay = Relay(exchange, request, planned.deployments, recorder, self._switchboard)
        if reserved:
            self._promise(exchange, relay)
            if not relay.ended:
                recorder.prepare()
        else:
            self._later(self._refill(exchange, request, planned, relay))
        return relay

    def open(self, ask: Ask, end: End) -> tuple[Exchange, Recorder]:
        """Begin an inference, and what records it."""
        exchange = Exchange(ask.id or self._ids(), self.clock(), ask, self.world)
        end.begin(exchange)
        return exchange, Recorder(exchange, end, self._desk)

    def place(self, ask: Ask, key: Key | None) -> tuple[Exchange, tuple[Deployment, ...]]:
        """Where a request may go, without sending it there: as in `infer`, but nothing is reserved or recorded. The
        prompt counts for the key's limits as one that is sent."""
        exchange = Exchange(self._ids(), self.clock(), ask, self.world, key=key)
        request = exchange.request = ask.dialect.decode_request(ask.body, ask.target)
        resolved = self._resolve(exchange, request)
        self._admit(exchange, msgspec.structs.replace(request, max_output_tokens=None))
        return exchange, self._plan(exchange, request, resolved).deployments

    # who asks

    def guard(self, keyring: Keyring) -> None:
        """Use these keys from now on."""
        self.keyring = keyring
        self._steps = (scopes(keyring), rates(self.limits))

    def authenticate(self, credential: bytes | None, headers: Mapping[bytes, bytes]) -> Key | None:
        """The key of a credential; None where the door is open. Unauthenticated says what to do.

        An open door is for programs on this machine: a web page that reaches it through somebody's browser (another
        origin, or a foreign name that resolves to loopback) is Forbidden.
        """
        if self.keyring.open:
            foreign = foreign_page(headers)
            if foreign:
                raise Forbidden(f"Without keys only programs on this machine are served, and this came from {foreign}")
        return self.keyring.authenticate(credential, self.clock())

    # what is asked, and may it happen

    def _resolve(self, exchange: Exchange, request: Request) -> Resolved:
        resolved = exchange.world.resolve(request.model)
        if resolved is None:
            near = exchange.world.nearest(request.model)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise UnknownModel(
                f"No route, model or deployment is called {request.model[:200]!r}.{hint} GET /v1/models lists them.",
                param="model",
            )
        exchange.route = resolved.route
        exchange.strict = resolved.strict or exchange.ask.headers.get(b"x-freehold-strict", b"").lower() == b"true"
        return resolved

    def _track(self, exchange: Exchange, request: Request, recorder: Recorder) -> None:
        """Tell conversations apart and keep what is answered."""
        ask = exchange.ask
        exchange.episode = episode(ask.headers, exchange.key, ask.dialect.messages(request))
        recorder.keep(self.kept)

    def _draw(self, exchange: Exchange, request: Request) -> float:
        """In [0, 1); the same for all turns of a conversation, since who answered before has its prompt cached. What is
        no part of one, such as a text to be embedded, is spread evenly."""
        ask = exchange.ask
        messages = ask.dialect.messages(request)
        if not messages and HEADER not in ask.headers:
            return self._random()
        if exchange.episode is None:
            exchange.episode = episode(ask.headers, exchange.key, messages)
        return cohort(exchange.route, exchange.episode)

    def _admit(self, exchange: Exchange, request: Request) -> None:
        key = exchange.key
        asked = admit(self._steps, Asked(request=request, key=key, at=exchange.at, label=exchange.label))
        exchange.request, exchange.label = asked.request, asked.label
        if key is not None:
            exchange.reserved_tokens = expected(request)

    # where should it go

    def _plan(self, exchange: Exchange, request: Request, resolved: Resolved) -> Planned:
        """The deployments to try, in order; the decision is kept for the record. Same inputs are computed once."""
        now = exchange.at
        health = self.health.view(now)
        key = exchange.key
        tokens = request.prompt_tokens
        if tokens <= 4096:
            tokens = -(-tokens // 256) * 256  # few distinct inputs, so that plans are found again
        allowed = None if key is None else key.models
        budgeted = key is not None and key.budget is not None
        asked = exchange.service = service(request)
        sealed = exchange.sealed = self._issuers.sealed(request)
        issuer = tuple(sealed.values())[-1] if sealed else None  # of the newest
        memo = (
            request.model,
            asked,
            request.needs,
            tokens,
            request.max_output_tokens,
            allowed,
            budgeted,
            exchange.label,
            issuer,
        )
        if self._plans_of != (exchange.world.settings, self.health.version):
            self._plans.clear()
            self._plans_of = (exchange.world.settings, self.health.version)
        rule = resolved.rule
        drawn = bool(rule.weights) or rule.rollout is not None  # each request has inputs of its own
        known = None if drawn else self._plans.get(memo)
        if known is None or not known.since <= now < known.until:
            ids = {d.id: d for d in resolved.candidates}
            spans = [d.tariff.span(now) for d in resolved.candidates if d.tariff is not None]
            since = max((start for start, _ in spans), default=0)
            inputs = Inputs(
                settings=exchange.world.settings,
                asked=request.model,
                candidates=tuple(ids),
                needs=tuple(sorted(request.needs)),
                prompt_tokens=tokens,
                output_tokens=request.max_output_tokens or 0,
                allowed=allowed,
                label=exchange.label,
                budgeted=budgeted,
                health={i: h for i, h in health.items() if i in ids},
                draw=self._draw(exchange, request) if rule.weights else 0.0,
                cohort=None if rule.rollout is None else cohort(rule.rollout.salt, exchange.episode or ""),
                service=asked,
                at=since,
                issuer=issuer,
            )
            decision = plan(inputs, rule, resolved.candidates)
            encoded, deployments = self._encoder.encode(decision), tuple(ids[i] for i in decision.order)
            until = min((end for _, end in spans), default=FOREVER)
            known = Planned(decision, msgspec.Raw(encoded), deployments, {}, since, until)
            if not drawn:
                if len(self._plans) >= REMEMBERED:
                    self._plans.clear()
                self._plans[memo] = known
        exchange.decision, exchange.decision_json = known.decision, known.encoded
        if not known.deployments:
            raise no_deployment(known.decision, max((d.context_window or 0 for d in resolved.candidates), default=0))
        return known

    # what may it cost

    def _reserve(self, exchange: Exchange, request: Request, planned: Planned) -> bool:
        """Reserve the dearest candidate's price. False: the lease must be refilled first."""
        key = exchange.key
        if key is None or key.budget is None:
            return True
        exchange.reservation = self._budgets.reserve(key, dearest(exchange, request, planned), exchange.at)
        return exchange.reservation is not None

    async def _refill(self, exchange: Exchange, request: Request, planned: Planned, relay: Relay) -> None:
        """Draw a lease from the store without holding up anybody else, then begin."""
        key = exchange.key
        assert key is not None
        amount = dearest(exchange, request, planned)
        try:
            while exchange.reservation is None:
                await asyncio.to_thread(self._budgets.refill, key, amount, exchange.at)
                if relay.ended:
                    return
                exchange.reservation = self._budgets.reserve(key, amount, exchange.at)
        except Exception as error:  # the request edge; the caller may have left meanwhile
            known = error if isinstance(error, FreeholdError) else Internal(f"No budget could be had: {error!r}")
            relay.refuse(known)
            return
        self._promise(exchange, relay)

    # promise a record

    def _promise(self, exchange: Exchange, relay: Relay) -> None:
        """The call begins when the promise is written."""
        key = exchange.key
        self.turn.accept(
            Accepted(
                id=exchange.id,
                at=exchange.at,
                route=exchange.route,
                key=None if key is None else key.id,
                team=None if key is None else key.team,
                purpose=exchange.ask.purpose,
            ),
            relay.start,
        )

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)


def dearest(exchange: Exchange, request: Request, planned: Planned) -> int:
    """Nano-dollars that this request can cost at most, at the dearest of its deployments.

    An upper bound, not an estimate: a byte of the body is at most one token of the prompt, and each token is taken at
    the dearest rate that can apply. Searches that a provider makes are not in it.
    """
    body = exchange.ask.body
    prompt = -(-len(body) // ROUNDED) * ROUNDED
    kept_long = b'"1h"' in body  # a mark to cache for an hour, which is dearer
    most = planned.bounds.get((prompt, request.choices, kept_long))
    if most is None:
        most = 0
        kinds = {kind for need in request.needs for kind in KINDS.get(need, ())}
        if kept_long:
            kinds.add("cache_write_1h")
        for d in planned.deployments:
            if d.tariff is not None:
                output = (request.max_output_tokens or d.max_output_tokens or UNBOUNDED_OUTPUT) * request.choices
                most = max(most, d.tariff.most(prompt, output, asked=planned.decision.inputs.service, kinds=kinds))
        planned.bounds[prompt, request.choices, kept_long] = most
    return most


def no_deployment(decision: Decision, most: int) -> FreeholdError:
    """Why nothing may serve the request, as the error that tells the caller what to do about it. `most`: the largest
    context that is known of a candidate."""
    reasons = "; ".join(f"{e.deployment}: {e.reason}" for e in decision.excluded[:8])
    grounds = {e.ground for e in decision.excluded}
    asked = decision.inputs.asked
    if "health" in grounds:
        return NoneHealthy(f"No deployment for {asked!r} is well ({reasons}). Try again shortly.", retry_after=1)
    if "price" in grounds:
        return BudgetExceeded(f"No deployment for {asked!r} has a known price, which a budget needs ({reasons}).")
    if grounds & {"key", "label"}:
        return Forbidden(f"Nothing that serves {asked!r} is allowed for this request ({reasons}).")
    if "context" in grounds:
        told = f"No deployment for {asked!r} has room for this request ({reasons}). Send less, or ask for less."
        tokens = decision.inputs.prompt_tokens + decision.inputs.output_tokens
        return ContextExceeded(told, param="messages", tokens=tokens, most=most)
    return InvalidRequest(f"No deployment for {asked!r} can serve this request ({reasons}).", param="model")
