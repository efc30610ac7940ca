"""Record: the stage that sees everything an inference says and writes what happened, however it ends.

The end of an answer leaves for the caller only when the record is in the ledger.
"""

from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct, field

from freehold.core.errors import FreeholdError
from freehold.core.events import Event, Finish, Outcome, Reasoning, Refusal, Stage, Text, ToolCall, Used
from freehold.core.inference import Inference
from freehold.core.ports import Clock
from freehold.core.seal import Seal
from freehold.core.usage import Usage
from freehold.gateway.exchange import Exchange
from freehold.gateway.issuers import Issuers
from freehold.gateway.keep import Keep, Kept
from freehold.gateway.manners import manners
from freehold.gateway.metrics import Metrics
from freehold.gateway.turn import Turn
from freehold.governance.budget import Budgets
from freehold.governance.limits import Limits

if TYPE_CHECKING:
    from _hashlib import HASH

BYTES_PER_TOKEN = 4
"""For an estimate, where the provider did not count: a cut or cancelled stream, or a server that never counts."""


UNKNOWN = Outcome("unknown")

TOGETHER = 32
"""Events that are hashed at once: beginning costs more than their bytes."""


class Desk(Struct, frozen=True, kw_only=True):
    """What every recorder writes into."""

    turn: Turn
    limits: Limits
    budgets: Budgets
    metrics: Metrics
    clock: Clock
    issuers: Issuers


class Recorder(Struct, eq=False):
    """The first stage of every chain. `said` counts characters; `heard` is what is still to be hashed."""

    _exchange: Exchange
    _next: Stage
    _desk: Desk
    _digest: "HASH" = field(default_factory=sha256)
    _finish: str | None = None
    _said: int = 0
    _request: str = ""
    _heard: list[bytes] = []
    _outcome: Outcome = UNKNOWN

    def keep(self, kept: Kept) -> None:
        """Let `kept` have the whole answer too."""
        self._next = Keep(self._exchange, self._next, kept)

    def event(self, event: Event) -> None:
        heard = self._heard
        heard.append(event.raw)
        if len(heard) >= TOGETHER:
            self._hash()
        for delta in event.deltas:
            kind = type(delta)
            if kind is Text or kind is Reasoning:
                self._said += len(delta.text)  # type: ignore[union-attr]
                if delta.seal is not None:  # type: ignore[union-attr]
                    self._sealed(delta.seal)  # type: ignore[union-attr]
            elif kind is Used:
                self._exchange.usage = delta.usage  # type: ignore[union-attr]
            elif kind is Finish:
                self._finish = delta.reason  # type: ignore[union-attr]
            elif kind is ToolCall:
                self._said += len(delta.arguments)  # type: ignore[union-attr]
                if delta.seal is not None:  # type: ignore[union-attr]
                    self._sealed(delta.seal)  # type: ignore[union-attr]
            elif kind is Refusal:
                self._said += len(delta.text)  # type: ignore[union-attr]
        self._next.event(event)

    def _sealed(self, seal: Seal) -> None:
        """Remember who issued it."""
        exchange = self._exchange
        if exchange.answered_by is not None and exchange.first is None:
            self._desk.issuers.note(seal, exchange.answered_by.provider)

    def _hash(self) -> None:
        self._digest.update(b"".join(self._heard))
        self._heard.clear()

    def end(self, outcome: Outcome) -> None:
        exchange = self._exchange
        if not self._request:
            self.prepare()
        self._count(exchange, outcome)
        inference = exchange.inference = self._inference(exchange, outcome)
        self._outcome = outcome
        self._desk.turn.close(inference, self._written)

    def _written(self, error: FreeholdError | None) -> None:
        """The end may leave now. An answer without its record does not count as given."""
        try:
            self._next.end(self._outcome if error is None else Outcome("failed", error))
        finally:
            self._settle(self._exchange)

    def prepare(self) -> None:
        """Work out what the record and the answer's head will need; best while the provider works."""
        exchange = self._exchange
        self._request = sha256(exchange.ask.body).hexdigest()
        if exchange.key is not None:
            exchange.limits = self._desk.limits.head(
                exchange.key, exchange.at, manners(exchange.ask.dialect.name).words
            )

    def _count(self, exchange: Exchange, outcome: Outcome) -> None:
        """Usage and cost."""
        if exchange.first is not None:  # said once more: nothing was used
            exchange.usage, exchange.cost = None, 0
            return
        deployment = exchange.answered_by
        if exchange.usage is None and deployment is not None and exchange.request is not None:
            exchange.usage = Usage(
                input_tokens=exchange.request.prompt_tokens,
                output_tokens=-(-self._said // BYTES_PER_TOKEN),
                estimated=True,
            )
        usage = exchange.usage
        if usage is not None:
            if usage.stated_cost is not None:
                exchange.cost = usage.stated_cost
            elif deployment is not None and deployment.tariff is not None:
                bill = deployment.tariff.bill(usage, exchange.at, exchange.service)
                if bill is not None:
                    exchange.cost, exchange.price = bill.amount, bill.row

    def _settle(self, exchange: Exchange) -> None:
        """Count what was used in place of what was reserved."""
        inference, key, usage = exchange.inference, exchange.key, exchange.usage
        if inference is not None:
            self._desk.metrics.ended(inference)
        if exchange.reservation is not None:
            unknown = exchange.cost is None and exchange.answered_by is not None  # such as a search that has no price
            spent = exchange.reservation.amount if unknown else exchange.cost or 0
            self._desk.budgets.settle(exchange.reservation, spent)
            exchange.reservation = None
        if key is not None and exchange.reserved_tokens:
            used = 0 if usage is None else usage.input_tokens + usage.output_tokens
            self._desk.limits.correct(key, exchange.reserved_tokens, used, self._desk.clock())

    def _inference(self, exchange: Exchange, outcome: Outcome) -> Inference:
        error, request, key, answered = outcome.error, exchange.request, exchange.key, exchange.answered_by
        first = exchange.first_content
        self._hash()
        return Inference(
            id=exchange.id,
            at=exchange.at,
            outcome=outcome.kind,
            route=exchange.route,
            dialect=exchange.ask.dialect.name,
            key=None if key is None else key.id,
            team=None if key is None else key.team,
            subject=None if request is None else request.subject,
            episode=exchange.episode,
            purpose=exchange.ask.purpose,
            of=exchange.ask.of,
            cache=None if exchange.first is None else "idempotent",
            settings=exchange.world.settings,
            stream=request is not None and request.stream,
            decision=exchange.decision_json,
            calls=tuple(exchange.calls),
            deployment=None if answered is None else answered.id,
            status=200 if error is None else error.status,
            error=None if error is None else error.code,
            message=None if error is None else error.message,
            usage=exchange.usage,
            cost=exchange.cost,
            price=exchange.price,
            ttft=None if first is None else first - exchange.at,
            duration=self._desk.clock() - exchange.at,
            finish=self._finish,
            warnings=exchange.warnings,
            request=self._request,
            response=self._digest.hexdigest() if answered is not None else None,
        )
