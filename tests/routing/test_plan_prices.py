"""What a plan makes of prices that depend on the hour, the length of the prompt and the service."""

from datetime import UTC, datetime

from freehold.core.decision import Decision, Inputs
from freehold.core.deployment import Deployment
from freehold.core.money import Price
from freehold.core.tariff import Hours, Row, Tariff, flat
from freehold.routing.plan import Rule, plan


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


NIGHT = Hours(spans=((0, 360),))
STEADY = Deployment(id="steady", provider="a", model="m", tariff=flat(Price(input=2_000_000, output=2_000_000)))
NIGHTLY = Deployment(
    id="nightly",
    provider="b",
    model="m",
    tariff=Tariff(
        rows=(
            Row(rates=Price(input=3_000_000, output=3_000_000)),
            Row(rates=Price(input=1_000_000, output=1_000_000), hours=(NIGHT,)),
            Row(rates=Price(input=9_000_000, output=9_000_000), above=100_000),
            Row(rates=Price(input=8_000_000, output=8_000_000), service="priority"),
        )
    ),
)


def planned(when: int = 0, **inputs: object) -> Decision:
    asked = Inputs(settings="s", asked="r", candidates=("steady", "nightly"), at=when, **inputs)  # type: ignore[arg-type]
    return plan(asked, Rule(objective="cheapest"), (STEADY, NIGHTLY))


def test_the_cheapest_is_that_of_the_instant() -> None:
    assert planned(at("2026-11-24T05:59:59")).order == ("nightly", "steady")
    assert planned(at("2026-11-24T06:00:00")).order == ("steady", "nightly")


def test_a_long_prompt_is_ranked_by_what_a_long_prompt_costs() -> None:
    night = at("2026-11-24T03:00:00")

    assert planned(night, prompt_tokens=100_000).order == ("nightly", "steady")
    assert planned(night, prompt_tokens=100_001).order == ("steady", "nightly")


def test_a_service_without_a_price_ranks_last_and_is_left_out_under_a_budget() -> None:
    assert planned(service="priority").order == ("nightly", "steady")
    decision = planned(service="priority", budgeted=True)

    assert decision.order == ("nightly",)
    (left,) = decision.excluded
    assert (left.deployment, left.ground) == ("steady", "price")
    assert "'priority'" in left.reason


def test_a_plan_holds_as_long_as_the_prices_that_it_was_made_from() -> None:
    assert NIGHTLY.tariff is not None
    assert STEADY.tariff is not None
    since, until = NIGHTLY.tariff.span(at("2026-11-24T03:00:00"))

    assert (since, until) == (at("2026-11-24T00:00:00"), at("2026-11-24T06:00:00"))
    assert planned(since).order == planned(until - 1).order != planned(until).order
    assert STEADY.tariff.span(at("2026-11-24T03:00:00"))[0] == 0
