"""Costs of a month: money is conserved, and nothing gets cheaper by asking for more."""

import pytest
from breakeven_world import costs, h100, taking, traffic
from hypothesis import given
from hypothesis import strategies as st

from freehold.catalog.breakeven.assumptions import KNOWN, assumptions
from freehold.catalog.breakeven.costs import HOURS, average
from freehold.catalog.breakeven.pricing import listed, recorded
from freehold.catalog.breakeven.traffic import Asked, observed
from freehold.core.money import MILLION, NANO, Price
from freehold.core.tariff import flat

TIMES = st.floats(1e-3, 1e3)
COUNTS = st.integers(1, 20)


@given(times=TIMES, more=st.floats(1, 10), count=COUNTS)
def test_with_given_replicas_more_traffic_never_makes_owned_hardware_dearer_a_token(
    times: float, more: float, count: int
) -> None:
    one, other = costs().owned(times, count), costs().owned(times * more, count)

    assert one is not None
    assert other is not None
    assert other.total / (times * more) <= one.total / times * (1 + 1e-9)
    assert other.total >= one.total - 2


@given(times=TIMES, more=st.floats(1, 10))
def test_more_traffic_never_costs_less_in_all(times: float, more: float) -> None:
    book = costs()
    for option in (book.api, book.rented, book.owned):
        one, other = option(times), option(times * more)
        assert one is not None
        assert other is not None
        assert other.total >= one.total - 2


@given(times=TIMES, dollars=st.floats(1, 1e6))
def test_own_hardware_with_an_api_for_the_rest_is_never_dearer_than_either(times: float, dollars: float) -> None:
    book = costs(dollars)
    burst, owned = book.burst(times), book.owned(times)

    assert burst is not None
    assert owned is not None
    assert burst.total <= min(book.api(times).total, owned.total)


@given(times=TIMES, count=COUNTS)
def test_a_mix_pays_its_hardware_and_exactly_the_part_of_the_api_that_goes_elsewhere(times: float, count: int) -> None:
    book = costs()
    mixed, api, own = book.mixed(times, count), book.api(times), book.owned(times, count)
    _, input_, output = book.capacity.elsewhere(times, count)

    assert own is not None
    assert mixed.total == sum(mixed.parts.values())
    assert mixed.parts["input"] == pytest.approx(api.parts["input"] * input_, abs=2)
    assert mixed.parts["output"] == pytest.approx(api.parts["output"] * output, abs=2)
    assert mixed.kwh <= own.kwh


def test_an_owned_month_by_hand() -> None:
    """Two replicas of one card and a spare one: 3 x 34,000 USD over four years, a tenth of it left."""
    given = {"buy": 29_000, "server": 5_000, "years": 4, "residual": 0.1, "capital": 0.08, "maintenance": 0.05}
    rest = {"watts": 700, "server_power": 0.5, "space": 100, "pue": 1.5, "idle": 0.2, "power_price": 0.1}
    people = {"staff_owned": 20, "staff_replica": 1, "wage": 100, "spare": 1, "power_rise": 0, "carbon": 400}
    found = costs(capacity=taking(alone=1.0), **given, **rest, **people).owned(2.5)

    assert found is not None
    dollars = {part: amount / NANO for part, amount in found.parts.items()}
    assert (found.replicas, found.spare) == (2, 1)
    assert dollars["hardware"] == pytest.approx(3 * 34_000 * 0.9 / 48)
    assert dollars["capital"] == pytest.approx(3 * 34_000 * 1.1 / 2 * 0.08 / 12)
    assert dollars["maintenance"] == pytest.approx(3 * 34_000 * 0.05 / 12)
    assert dollars["space"] == pytest.approx(3 * 1.05 * 100)
    assert dollars["staff"] == pytest.approx((20 + 3) * 100)
    kwh = 1.05 * 1.5 * HOURS * (2 * 1.0 + 0.2)
    assert found.kwh == pytest.approx(kwh)
    assert dollars["power"] == pytest.approx(kwh * 0.1)
    assert found.carbon == pytest.approx(kwh * 400)


def test_a_rented_month_by_hand() -> None:
    found = costs(rent=3, rent_fall=0, staff_rented=10, staff_replica=1, wage=100, devices=4).rented(1)

    assert found is not None
    assert {part: amount / NANO for part, amount in found.parts.items()} == {
        "rent": pytest.approx(4 * HOURS * 3),
        "staff": pytest.approx(1100),
    }


def test_prices_that_fall_count_with_their_mean_over_the_years() -> None:
    steps = 100_000
    by_hand = sum(0.8 ** (4 * (n + 0.5) / steps) for n in range(steps)) / steps

    assert average(-0.2, 4) == pytest.approx(by_hand)
    assert average(0, 4) == 1


@given(times=st.floats(1e-3, 100), more=st.floats(1, 10))
def test_replicas_needed_are_enough_and_not_one_too_many(times: float, more: float) -> None:
    known = taking()
    count = known.needed(times)

    assert count is not None
    assert known.takes(count) >= times
    assert count == 1 or known.takes(count - 1) < times
    assert (known.needed(times * more) or 0) >= count


@given(times=TIMES, more=st.floats(1, 10), count=COUNTS)
def test_more_traffic_never_sends_a_smaller_part_elsewhere(times: float, more: float, count: int) -> None:
    known = taking()
    for one, other in zip(known.elsewhere(times, count), known.elsewhere(times * more, count), strict=True):
        assert 0 <= one <= other + 1e-12
        assert other <= 1


def test_where_no_replicas_reach_the_level_only_the_api_is_left() -> None:
    book = costs(capacity=taking((0.0, 0.0, 0.0, 0.0)))

    assert (book.owned(1), book.rented(1), book.burst(1)) == (None, None, None)
    assert book.api(1).total > 0


def test_an_api_is_billed_request_by_request_with_its_cached_tokens() -> None:
    seen = observed("x", [Asked(0.0, 1000, 10, cached=400), Asked(1.0, 2000, 20)])
    found = listed(seen, flat(Price(input=2 * NANO, output=8 * NANO, cache_read=NANO)), 0)

    prompts = (600 * 2 + 400 * 1 + 2000 * 2) * NANO // MILLION
    assert found.input == round(prompts * seen.times)
    assert found.output == round(30 * 8 * NANO // MILLION * seen.times)


def test_what_was_recorded_is_kept_whole_and_unpriced_requests_cost_as_the_others() -> None:
    seen = observed("x", [Asked(0.0, 100, 100, cost=500), Asked(1.0, 100, 100), Asked(2.0, 100, 100, cost=700)])
    found = recorded(seen)

    assert found is not None
    assert found.total == pytest.approx(1800 * seen.times, abs=2)
    assert recorded(traffic(10)) is None


def test_every_assumption_has_a_source_and_lies_within_its_span() -> None:
    for one in assumptions(h100(), {}):
        assert one.source, one.name
        assert one.low <= one.value <= one.high, one.name
        assert one.unit, one.name
    assert len({one.name for one in KNOWN}) == len(KNOWN)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"powr_price": 1.0}, "there is no assumption powr_price"),
        ({"pue": 0.9}, "pue = 0.9 cannot be"),
        ({"wage": -1.0}, "wage = -1 cannot be"),
        ({"years": 0.0}, "years = 0 cannot be"),
        ({"residual": 1.0}, "residual = 1 cannot be"),
        ({"wage": float("nan")}, "cannot be"),
    ],
)
def test_an_assumption_that_cannot_be_is_refused(given: dict[str, float], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        assumptions(h100(), given)
