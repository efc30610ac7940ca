"""Which deployments may serve a request, and in which order they are tried. Pure: same inputs, same decision.

Eligible: can do it (capabilities, context), may do it (the key's models, clearance, a known price under a budget) and
is well (its breaker is closed). Ranked by the route's objective:

    cheapest   price of this request at this instant, then quality
    fastest    expected seconds to the last token, then price
    best       quality, then price
    balanced   quality minus what a tenfold price and a tenfold time cost (BALANCE), then price

Reasoning that is sealed in the conversation can be read by the account that issued it only: its deployments come first.
While a candidate rolls out on the route it comes first for the conversations that are to see it, and not at all for
the others.

What is unknown takes the stated prior: quality 0.5, 800 ms to the first token, 50 tokens a second; an unknown price
ranks behind every known one. A recent error rate lowers quality and lengthens time in proportion.
"""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from math import inf, log10

from msgspec import Struct

from freehold.core.decision import WELL, Decision, Exclusion, Ground, Health, Inputs
from freehold.core.deployment import Deployment, Objective, Rollout
from freehold.core.label import may_flow
from freehold.core.usage import Usage

PRIOR_QUALITY = 0.5
PRIOR_TTFT_MS = 800.0
PRIOR_TOKENS_PER_SECOND = 50.0
USUAL_OUTPUT = 256
"""Tokens of an answer where the caller sets no maximum."""
BALANCE = 0.1
"""Quality that balances a tenfold price, or a tenfold time."""


class Rule(Struct, frozen=True, kw_only=True):
    """How a name ranks its candidates: a route's settings, or the default for a bare model name."""

    objective: Objective
    ordered: bool = False
    weights: Mapping[str, float] = {}
    rollout: Rollout | None = None


class _Ranked(Struct, frozen=True):
    deployment: Deployment
    quality: float
    seconds: float
    cost: float  # nano-dollars; infinite where the price is unknown


def plan(inputs: Inputs, rule: Rule, candidates: Sequence[Deployment]) -> Decision:
    """Order `candidates` for a request. An empty order means that none is eligible; `excluded` says why."""
    able: list[_Ranked] = []
    excluded: list[Exclusion] = []
    rollout = rule.rollout
    for deployment in candidates:
        health = inputs.health.get(deployment.id, WELL)
        unfit = _held_back(deployment, rollout, inputs.cohort) or _unfit(deployment, health, inputs)
        if unfit is None:
            able.append(_measure(deployment, health, inputs))
        else:
            excluded.append(Exclusion(deployment.id, *unfit))
    order, why = _order(able, rule, inputs.draw)
    if inputs.issuer is not None:
        order, why = _stayed(order, why, inputs.issuer)
    if rollout is not None:
        order, why = _rolled_out(order, why, rollout)
    return Decision(inputs=inputs, order=tuple(r.deployment.id for r in order), why=why, excluded=tuple(excluded))


def _stayed(order: list[_Ranked], why: str, issuer: str) -> tuple[list[_Ranked], str]:
    """The deployments of the account first that alone can read what is sealed in the conversation."""
    ahead = [r for r in order if r.deployment.provider == issuer]
    if not ahead or order[0] is ahead[0]:
        return order, why
    return [*ahead, *(r for r in order if r not in ahead)], f"{issuer} sealed the reasoning in this conversation"


def _rolled_out(order: list[_Ranked], why: str, rollout: Rollout) -> tuple[list[_Ranked], str]:
    """The candidate first, if it is to serve; then who came by an earlier rollout; then the others."""
    by_id = {r.deployment.id: r for r in order}
    first, then = by_id.get(rollout.candidate), by_id.get(rollout.incumbent or "")
    ahead = [r for r in (first, then) if r is not None]
    if first is not None:
        why = "full rollout" if rollout.step == "full" else f"canary of {rollout.share:.0%}: this conversation is in it"
    elif then is not None:
        why = "came by an earlier rollout"
    return [*ahead, *(r for r in order if r not in ahead)], why


def _held_back(d: Deployment, rollout: Rollout | None, cohort: float | None) -> tuple[Ground, str] | None:
    """Why a candidate does not serve this conversation yet."""
    if rollout is None or d.id != rollout.candidate or rollout.step == "full":
        return None
    if rollout.step == "shadow":
        return "rollout", "is in shadow: it gets copies only"
    if cohort is None or cohort >= rollout.share:
        return "rollout", f"canary of {rollout.share:.0%}: this conversation is not in it"
    return None


def _unfit(d: Deployment, health: Health, inputs: Inputs) -> tuple[Ground, str] | None:
    """Why a deployment cannot, may not or should not serve this request."""
    tokens, output = inputs.prompt_tokens, inputs.output_tokens
    if missing := [n for n in inputs.needs if n in d.lacks]:
        return "ability", f"cannot do {', '.join(missing)}"
    if d.context_window is not None and tokens + output > d.context_window:
        return "context", f"its context of {d.context_window} tokens is too small for {tokens} + {output}"
    if d.max_output_tokens is not None and output > d.max_output_tokens:
        return "ability", f"gives at most {d.max_output_tokens} tokens, asked for {output}"
    if inputs.allowed is not None and not any(fnmatchcase(n, p) for p in inputs.allowed for n in (d.id, d.model)):
        return "key", "the key does not allow this model"
    if (reason := may_flow(inputs.label, d.clearance)) is not None:
        return "label", reason
    if inputs.budgeted and _cost(d, inputs) == inf:
        return "price", f"its price{_asked(inputs)} is unknown and the key has a budget"
    if health.open:
        return "health", "its circuit breaker is open after recent failures"
    return None


def _measure(d: Deployment, health: Health, inputs: Inputs) -> _Ranked:
    output = inputs.output_tokens or USUAL_OUTPUT
    ttft = health.ttft_ms or d.ttft_ms or PRIOR_TTFT_MS
    speed = health.tokens_per_second or d.tokens_per_second or PRIOR_TOKENS_PER_SECOND
    well = max(1.0 - health.error_rate, 0.01)
    return _Ranked(
        deployment=d,
        quality=(PRIOR_QUALITY if d.quality is None else d.quality) * well,
        seconds=(ttft / 1000 + output / speed) / well,
        cost=_cost(d, inputs),
    )


def _cost(d: Deployment, inputs: Inputs) -> float:
    """What the request is expected to cost at the instant of the inputs; infinite where that is unknown."""
    usage = Usage(input_tokens=inputs.prompt_tokens, output_tokens=inputs.output_tokens or USUAL_OUTPUT)
    bill = None if d.tariff is None else d.tariff.bill(usage, inputs.at, inputs.service)
    return inf if bill is None else bill.amount


def _asked(inputs: Inputs) -> str:
    return f" for the service {inputs.service!r}" if inputs.service else ""


_KEYS: dict[Objective, Callable[[_Ranked], tuple[float, float, str]]] = {
    "cheapest": lambda r: (r.cost, -r.quality, r.deployment.id),
    "fastest": lambda r: (r.seconds, r.cost, r.deployment.id),
    "best": lambda r: (-r.quality, r.cost, r.deployment.id),
    "balanced": lambda r: (-_balance(r), r.cost, r.deployment.id),
}


def _balance(r: _Ranked) -> float:
    price = log10(r.cost + 1) if r.cost < inf else 12.0
    return r.quality - BALANCE * price - BALANCE * log10(r.seconds + 0.01)


def _order(able: list[_Ranked], rule: Rule, draw: float) -> tuple[list[_Ranked], str]:
    if rule.ordered:
        return able, "first of the order that the route gives"
    ranked = sorted(able, key=_KEYS[rule.objective])
    if rule.weights and ranked:
        first = _drawn(ranked, rule.weights, draw)
        if first is not None:
            rest = [r for r in ranked if r is not first]
            return [first, *rest], f"drawn by weight {rule.weights[first.deployment.id]:g}"
    if not ranked:
        return ranked, ""
    return ranked, f"{rule.objective}: {_reason(ranked[0], rule.objective)}"


def _drawn(ranked: list[_Ranked], weights: Mapping[str, float], draw: float) -> _Ranked | None:
    """The deployment on which `draw` falls, among those that are eligible and have a weight."""
    shares = [(r, weights[r.deployment.id]) for r in ranked if weights.get(r.deployment.id, 0) > 0]
    point = draw * sum(w for _, w in shares)
    for ranked_one, weight in shares:
        point -= weight
        if point < 0:
            return ranked_one
    return shares[-1][0] if shares else None


def _reason(first: _Ranked, objective: Objective) -> str:
    price = "price unknown" if first.cost == inf else f"{first.cost:.0f} nano-USD expected"
    match objective:
        case "cheapest":
            return price
        case "fastest":
            return f"{first.seconds:.2g} s expected"
        case "best":
            return f"quality {first.quality:.2f}"
        case "balanced":
            return f"quality {first.quality:.2f}, {price}, {first.seconds:.2g} s expected"
