"""What happened, read from the ledger while the gateway writes it, and joined with what was right."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import quantiles

from msgspec import Struct, field
from msgspec.structs import replace

from demo.asking import Answer
from demo.gateway import environment
from freehold.app.explain import decision_of
from freehold.core.decision import Decision
from freehold.core.inference import Inference
from freehold.core.money import Price
from freehold.core.tariff import flat
from freehold.ledger import reader
from freehold.ledger.segment import START
from freehold.settings.load import load
from freehold.settings.resolve import resolve

REAL = "real"
"""The route of a real model."""


class Row(Struct, kw_only=True):
    """What one deployment did. `took_over`: answers to what another had failed at; `ms`: how long each answer took."""

    answers: int = 0
    right: int = 0
    fields: int = 0
    fields_right: int = 0
    failed: int = 0
    took_over: int = 0
    cost: int = 0
    ms: list[float] = field(default_factory=list[float])
    out: bool = False

    def percentile(self, hundredths: int) -> float | None:
        """Milliseconds within which this share of its answers was complete."""
        return quantiles(self.ms, n=100, method="inclusive")[hundredths - 1] if len(self.ms) > 1 else None


def total(rows: Iterable[Row]) -> Row:
    """All rows together."""
    whole = Row()
    for row in rows:
        for name in ("answers", "right", "fields", "fields_right", "failed", "took_over", "cost"):
            setattr(whole, name, getattr(whole, name) + getattr(row, name))
        whole.ms += row.ms
    return whole


class Tally:
    """Follows a ledger. `prices`: what each deployment charges; `real`: the answers of a real model."""

    def __init__(self, settings: Path) -> None:
        self._home = settings.parent / "data" / "ledger" / "main"
        self._at = START
        self.inferences: dict[str, Inference] = {}
        self.answers: list[Answer] = []
        self.real: list[Answer] = []
        whole = resolve(load(settings, environment()))
        self.prices: dict[str, Price | None] = {
            name: None if d.asks is None else d.asks.price(time.time_ns()) for name, d in whole.deployments.items()
        }
        self._simulated = [name for name, d in whole.deployments.items() if d.provider in whole.simulated]

    def follow(self) -> None:
        """Read what was written since the last time."""
        for position, entry in reader.read(self._home, self._at):
            self._at = position
            if isinstance(entry, Inference):
                self.inferences[entry.id] = replace(entry, decision=decision_of(entry))

    def rows(self) -> dict[str, Row]:
        """What each deployment did; `out`: by the newest plan it was left alone."""
        rows = {name: Row() for name in sorted(self.prices, key=self._dear)}
        for inference in self.inferences.values():
            for call in inference.calls:
                rows[call.deployment].failed += call.error is not None
            if inference.deployment is not None:
                row, last = rows[inference.deployment], inference.calls[-1]
                row.cost += inference.cost or 0
                if inference.outcome == "answered":
                    row.answers += 1
                    row.took_over += len(inference.calls) > 1
                    row.ms.append((last.end - last.start) / 1e6)
            if isinstance(inference.decision, Decision):
                for name in inference.decision.inputs.candidates:
                    rows[name].out = name in left_alone(inference)
        for answer in (*self.answers, *self.real):
            if (inference := self.inferences.get(answer.inference)) and inference.deployment:
                row = rows[inference.deployment]
                row.right += answer.right
                if inference.route == "letters":
                    row.fields += len(answer.message.fields)
                    row.fields_right += answer.fields_right
        return rows

    def reasons(self) -> Mapping[tuple[str, str, str], int]:
        """How many answers went where, and why: by route, deployment and reason, the most frequent of a route first."""
        usual = self.usual()
        counts = Counter((i.route, i.deployment, why(i, usual[i.route])) for i in self.answered() if i.deployment)
        return dict(sorted(counts.items(), key=lambda item: (item[0][0], -item[1])))

    def usual(self) -> Mapping[str, str]:
        """What each route plans first while all are well."""
        plans = [(i.route, planned(i).order[0]) for i in self.answered() if not left_alone(i)]
        return {route: first for (route, first), _ in reversed(Counter(plans).most_common())}

    def routed_around(self) -> Sequence[Inference]:
        """What went elsewhere at once, because the breaker of the route's usual deployment was open."""
        usual = self.usual()
        return [i for i in self.answered() if usual[i.route] in avoided(i)]

    def answered(self) -> Sequence[Inference]:
        return [i for i in self.inferences.values() if i.outcome == "answered"]

    def fallbacks(self) -> Sequence[Inference]:
        """What one deployment failed at and another answered."""
        return [i for i in self.answered() if len({call.deployment for call in i.calls}) > 1]

    def spent(self) -> int:
        """Nano-dollars, all together."""
        return sum(i.cost or 0 for i in self.inferences.values())

    def compared(self) -> tuple[str, int, int]:
        """The dearest deployment, what the simulated routes cost, and what they would have cost there: nano-dollars."""
        dearest = max(self._simulated, key=self._dear)
        price, used = self.prices[dearest], [i for i in self.inferences.values() if i.route != REAL]
        bill = None if price is None else flat(price).bill
        bills = [bill(i.usage, i.at) for i in used if i.usage is not None] if bill is not None else []
        there = sum(b.amount for b in bills if b is not None)
        return dearest, sum(i.cost or 0 for i in used), there

    def _dear(self, name: str) -> int:
        price = self.prices[name]
        return 0 if price is None else price.input + price.output


def planned(inference: Inference) -> Decision:
    """The decision of an inference that was answered."""
    assert isinstance(inference.decision, Decision)
    return inference.decision


def left_alone(inference: Inference) -> Iterable[str]:
    """The deployments whose breaker was open when this was planned."""
    return [excluded.deployment for excluded in planned(inference).excluded if excluded.ground == "health"]


def avoided(inference: Inference) -> Iterable[str]:
    """The same, and what was passed over because its breaker opened between the plan and the call."""
    order = planned(inference).order
    first = order.index(inference.calls[0].deployment) if inference.calls else 0
    return [*left_alone(inference), *order[:first]]


def why(inference: Inference, usual: str) -> str:
    """Why it went to the deployment that answered, in a few words; `usual` is where its route goes else."""
    decision, objective = planned(inference), planned(inference).why.partition(":")[0]
    failed = [call for call in inference.calls if call.error is not None]
    if failed:
        return f"fallback: {failed[0].deployment} failed ({failed[0].error})"
    if usual in avoided(inference):
        return f"the breaker of {usual} was open"
    if unable := [e for e in decision.excluded if e.ground == "ability"]:
        return f"{objective}; {', '.join(f'{e.deployment} {e.reason}' for e in unable)}"
    return objective
