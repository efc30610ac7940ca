"""Routing while a candidate is on its way into a route."""

from hypothesis import given
from hypothesis import strategies as st

from freehold.core.decision import Health, Inputs
from freehold.core.deployment import Deployment, Rollout
from freehold.core.money import Price
from freehold.core.tariff import flat
from freehold.routing.plan import Rule, plan

DEAR = Deployment(id="dear", provider="lab", model="dear", tariff=flat(Price(input=9, output=9)), quality=0.9)
OWN = Deployment(id="own", provider="own", model="own", tariff=flat(Price(input=0, output=0)), quality=0.9)
BOTH = (DEAR, OWN)


def inputs(cohort: float | None, **more: object) -> Inputs:
    return Inputs(settings="", asked="support", candidates=("dear", "own"), cohort=cohort, **more)  # type: ignore[arg-type]


def rule(rollout: Rollout) -> Rule:
    return Rule(objective="cheapest", rollout=rollout)


def test_a_candidate_in_shadow_serves_nobody() -> None:
    decision = plan(inputs(0.0), rule(Rollout(candidate="own", step="shadow")), BOTH)

    assert decision.order == ("dear",)
    assert [(e.deployment, e.ground, e.reason) for e in decision.excluded] == [
        ("own", "rollout", "is in shadow: it gets copies only")
    ]


@given(cohort=st.floats(0, 1, exclude_max=True), share=st.floats(0, 1))
def test_a_canary_serves_just_the_conversations_of_its_share(cohort: float, share: float) -> None:
    decision = plan(inputs(cohort), rule(Rollout(candidate="own", step="canary", share=share)), BOTH)

    if cohort < share:
        assert decision.order == ("own", "dear")
        assert decision.why == f"canary of {share:.0%}: this conversation is in it"
    else:
        assert decision.order == ("dear",)
        assert decision.excluded[0].ground == "rollout"


def test_a_conversation_without_a_place_sees_no_canary() -> None:
    decision = plan(inputs(None), rule(Rollout(candidate="own", step="canary", share=1.0)), BOTH)

    assert decision.order == ("dear",)


def test_a_full_rollout_asks_the_candidate_first_whatever_the_objective() -> None:
    best = Rule(objective="best", rollout=Rollout(candidate="own", step="full"))
    better = Deployment(id="better", provider="lab", model="better", tariff=flat(Price(input=1, output=1)), quality=1.0)

    decision = plan(inputs(None), best, (better, OWN))

    assert decision.order == ("own", "better")
    assert decision.why == "full rollout"


def test_a_candidate_that_is_not_well_is_passed_over() -> None:
    decision = plan(inputs(0.0, health={"own": Health(open=True)}), rule(Rollout(candidate="own", step="full")), BOTH)

    assert decision.order == ("dear",)
    assert decision.excluded[0].ground == "health"


def test_who_came_by_an_earlier_rollout_serves_where_the_candidate_does_not() -> None:
    new = Deployment(id="new", provider="own", model="new", tariff=flat(Price(input=0, output=0)), quality=0.5)
    trial = Rollout(candidate="new", step="canary", share=0.5, incumbent="own")

    inside = plan(inputs(0.4), rule(trial), (DEAR, OWN, new))
    outside = plan(inputs(0.6), rule(trial), (DEAR, OWN, new))

    assert inside.order == ("new", "own", "dear")
    assert outside.order == ("own", "dear")
    assert outside.why == "came by an earlier rollout"
