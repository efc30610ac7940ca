"""Explain: a recorded decision, and the same decision computed again from what the record names."""

import msgspec
from msgspec import Raw, Struct

from freehold.app.home import Home
from freehold.core.decision import Decision
from freehold.core.deployment import Route
from freehold.core.errors import FreeholdError, UnknownModel
from freehold.core.inference import Accepted, Inference
from freehold.routing.plan import Rule, plan
from freehold.settings.book import Book


class Explanation(Struct, frozen=True, kw_only=True):
    """`same`: the recomputed decision equals the recorded one; None where it could not be computed: see `missing`."""

    inference: Inference
    decision: Decision | None
    recomputed: Decision | None = None
    same: bool | None = None
    missing: str | None = None


def explain(home: Home, id_: str) -> Explanation:
    """UnknownModel where no inference has this id."""
    found = home.find(id_)
    if found is None or isinstance(found, Accepted):
        state = "is still running" if found is not None else "is in neither the tables nor the ledger"
        raise UnknownModel(f"Inference {id_} {state}; `freehold inferences list` shows the newest")
    decision = decision_of(found)
    if decision is None:
        missing = (
            "it was refused before a decision was needed" if found.outcome == "refused" else "no decision is recorded"
        )
        return Explanation(inference=found, decision=None, missing=missing)
    try:
        book = Book(home.recall(decision.inputs.settings))
    except FreeholdError as error:
        return Explanation(inference=found, decision=decision, missing=error.message)
    target = book.target(decision.inputs.asked)
    if target is None:
        missing = f"the settings {decision.inputs.settings[:12]} do not know {decision.inputs.asked!r}"
        return Explanation(inference=found, decision=decision, missing=missing)
    again = plan(decision.inputs, rule_of(target.route), target.deployments)
    return Explanation(inference=found, decision=decision, recomputed=again, same=again == decision)


def decision_of(inference: Inference) -> Decision | None:
    """The decision of a record, whatever form it was read in."""
    match inference.decision:
        case Decision() as decision:
            return decision
        case Raw() as raw:
            return msgspec.json.decode(raw, type=Decision)
        case None:
            return None


def rule_of(route: Route) -> Rule:
    """How a route ranks."""
    return Rule(objective=route.objective, ordered=route.ordered, weights=route.weights, rollout=route.rollout)
