"""What a candidate costs and how long it takes, as a multiple of the incumbent's."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdict_world import at_most

from freehold.flywheel.verdict.ratio import FEWEST, Interval, Ratio

amounts = st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=FEWEST, max_size=FEWEST + 20)


def of(pairs: list[tuple[float, float]]) -> Ratio:
    ratio = Ratio()
    for a, b in pairs:
        ratio.add(a, b)
    return ratio


def whole(found: Interval | None) -> Interval:
    assert found is not None
    return found


def skewed(seed: int, runs: int, pairs: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Amounts as requests have them, a few of them large, of which B needs 0.2 times as much in all."""
    rng = np.random.default_rng(seed)
    a = np.exp(rng.standard_normal((runs, pairs)))
    noise = 0.4
    return (
        a,
        0.2 * a * np.exp(noise * rng.standard_normal((runs, pairs)) - noise**2 / 2),
        0.2 * math.exp(-(noise**2) / 2),
    )


def test_the_true_ratio_is_inside_the_interval_at_every_look_in_19_of_20_replays() -> None:
    runs = 200
    a, b, typical = skewed(41, runs, 1000)
    missed_total = missed_typical = 0
    for row in range(runs):
        ratio = Ratio()
        total_ok = typical_ok = True
        for x, y in zip(a[row].tolist(), b[row].tolist(), strict=True):
            ratio.add(x, y)
            if ratio.pairs >= FEWEST:
                t, g = whole(ratio.totals()), whole(ratio.typical())
                total_ok &= t.low <= 0.2 <= t.high
                typical_ok &= g.low <= typical <= g.high
        missed_total += not total_ok
        missed_typical += not typical_ok

    assert missed_total / runs <= at_most(0.06, runs)
    assert missed_typical / runs <= at_most(0.05, runs)


def test_the_interval_closes_in_on_the_ratio() -> None:
    a, b, typical = skewed(42, 1, 5000)
    found = of(list(zip(a[0].tolist(), b[0].tolist(), strict=True)))

    for interval, truth in ((whole(found.totals()), 0.2), (whole(found.typical()), typical)):
        assert interval.low < truth < interval.high
        assert interval.high - interval.low < 0.15 * truth


@given(pairs=amounts)
def test_the_ratio_lies_in_its_interval_and_does_not_depend_on_the_order(pairs: list[tuple[float, float]]) -> None:
    found, turned = of(pairs), of(pairs[::-1])
    for interval, other in ((found.totals(), turned.totals()), (found.typical(), turned.typical())):
        here = whole(interval)
        assert 0 <= here.low <= here.ratio * (1 + 1e-9)
        assert here.ratio <= here.high * (1 + 1e-9)
        assert whole(other).ratio == pytest.approx(here.ratio)
    assert whole(found.totals()).ratio == pytest.approx(sum(b for _, b in pairs) / sum(a for a, _ in pairs))


@given(pairs=amounts, cut=st.integers(0, FEWEST))
def test_what_two_workers_summed_adds_up_and_can_be_saved(pairs: list[tuple[float, float]], cut: int) -> None:
    one, other = of(pairs[:cut]), of(pairs[cut:])
    one = msgspec.json.decode(msgspec.json.encode(one), type=Ratio)
    one.merge(other)

    assert one.pairs == len(pairs)
    assert whole(one.typical()).high == pytest.approx(whole(of(pairs).typical()).high)


def test_a_candidate_that_costs_the_same_multiple_each_time_is_known_exactly() -> None:
    found = of([(float(n), n / 4) for n in range(1, 400)])

    assert whole(found.totals()) == Interval(
        ratio=0.25, low=pytest.approx(0.25, abs=1e-6), high=pytest.approx(0.25, abs=1e-6)
    )


def test_a_free_candidate_costs_nothing_and_has_no_typical_ratio() -> None:
    found = of([(1.0 + n % 3, 0.0) for n in range(200)])

    assert whole(found.totals()) == Interval(ratio=0.0, low=0.0, high=0.0)
    assert found.typical() is None


def test_too_few_pairs_or_a_free_incumbent_have_no_interval() -> None:
    assert of([(1.0, 1.0)] * (FEWEST - 1)).totals() is None
    assert of([(1.0, 1.0)] * (FEWEST - 1)).typical() is None
    assert of([(0.0, 1.0)] * FEWEST).totals() is None


def test_an_incumbent_too_uncertain_to_divide_by_leaves_the_ratio_open() -> None:
    found = of([(0.0, 1.0)] * (FEWEST - 1) + [(1000.0, 1.0)])

    assert whole(found.totals()).high == math.inf


@pytest.mark.parametrize("amount", [-1.0, math.nan, math.inf])
def test_what_is_no_amount_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        Ratio().add(1.0, amount)
