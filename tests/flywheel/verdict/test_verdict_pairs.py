"""Verdicts on pairs whose scores are the truth: exact properties."""

import math
import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verdict_world import sequences

from freehold.flywheel.verdict.betting import Outcomes, bets, log_e
from freehold.flywheel.verdict.pairs import Pairs, Stratum, drawn, outcomes
from freehold.flywheel.verdict.verdict import Approve, Design, NotEnough, Reject, Verdict, slices, verdict

scores = st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.7, 1.0])
answered = st.lists(st.tuples(scores, scores), max_size=120)
margins = st.sampled_from([0.0, 0.01, 0.05, 0.2])
DESIGN = Design(margin=0.05)
some = settings(deadline=None, max_examples=40)


def counted(answers: list[tuple[float, float]]) -> Pairs:
    pairs = Pairs()
    for a, b in answers:
        pairs.add(a, b)
    return pairs


def binary(*, better: int, same: int, worse: int) -> Pairs:
    return Pairs(counts={"": {1.0: better, 0.0: same, -1.0: worse}})


@some
@given(answers=answered, seed=st.integers(0, 100))
def test_the_order_of_pairs_does_not_matter(answers: list[tuple[float, float]], seed: int) -> None:
    shuffled = list(answers)
    random.Random(seed).shuffle(shuffled)

    assert verdict(DESIGN, counted(shuffled)) == verdict(DESIGN, counted(answers))


@some
@given(answers=answered, cut=st.integers(0, 120))
def test_pairs_saved_and_continued_give_the_verdict_of_pairs_never_saved(
    answers: list[tuple[float, float]], cut: int
) -> None:
    saved = msgspec.json.encode(counted(answers[:cut]))
    restored = msgspec.json.decode(saved, type=Pairs)
    for a, b in answers[cut:]:
        restored.add(a, b)

    assert verdict(DESIGN, restored) == verdict(DESIGN, counted(answers))


@some
@given(answers=answered, cut=st.integers(0, 120))
def test_what_two_workers_counted_adds_up(answers: list[tuple[float, float]], cut: int) -> None:
    one, other = counted(answers[:cut]), counted(answers[cut:])
    one.merge(other)

    assert verdict(DESIGN, one) == verdict(DESIGN, counted(answers))
    assert one.total() == len(answers)


@some
@given(answers=answered, margin=margins)
def test_the_verdict_agrees_with_its_interval(answers: list[tuple[float, float]], margin: float) -> None:
    found = verdict(Design(margin=margin), counted(answers))
    seen = found.evidence

    assert -1 <= seen.low <= seen.difference <= seen.high <= 1
    assert isinstance(found, Approve) == (seen.low >= -margin - 1e-9)
    assert isinstance(found, Reject) == (seen.high <= -margin + 1e-9)


@some
@given(answers=answered)
def test_exchanging_the_two_deployments_turns_the_interval_around(answers: list[tuple[float, float]]) -> None:
    there = verdict(DESIGN, counted(answers)).evidence
    back = verdict(DESIGN, counted([(b, a) for a, b in answers])).evidence

    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))


@some
@given(
    margin=st.sampled_from([0.01, 0.05, 0.2]),
    discordance=st.floats(0.2, 1),
    below=st.sampled_from([0.0, 0.03, 0.3]),
)
def test_on_the_margin_the_wealth_neither_grows_nor_shrinks_on_average_and_below_it_shrinks(
    margin: float, discordance: float, below: float
) -> None:
    mean = max(-margin - below, -discordance)
    up, down = (discordance + mean) / 2, (discordance - mean) / 2
    length = 15
    expected = 0.0
    for wins in range(length + 1):
        for losses in range(length + 1 - wins):
            ties = length - wins - losses
            ways = math.comb(length, wins) * math.comb(length - wins, losses)
            chance = ways * up**wins * down**losses * (1 - discordance) ** ties
            seen = outcomes(binary(better=wins, same=ties, worse=losses), {})
            expected += chance * math.exp(log_e(seen, -margin, bets(margin)))

    if mean == -margin:
        assert expected == pytest.approx(1)
    else:
        assert expected < 1


def test_strata_drawn_by_their_shares_speak_for_the_traffic() -> None:
    """Exact: every sequence of four draws, stratum and difference, from traffic that lies on the margin."""
    strata = {"common": Stratum(weight=9, share=1), "rare": Stratum(weight=1, share=1)}
    margin = 0.1  # 0.9 * 0 + 0.1 * -1: common requests are answered as well as before, rare ones all go wrong
    atoms = [(("common", 1.0), 0.1), (("common", 0.0), 0.3), (("common", -1.0), 0.1), (("rare", -1.0), 0.5)]
    expected = 0.0
    for chosen, chance in sequences(atoms, 4):
        pairs = Pairs()
        for stratum, difference in chosen:  # type: ignore[misc]
            pairs.add(max(-difference, 0.0), max(difference, 0.0), stratum)
        expected += chance * math.exp(log_e(outcomes(pairs, strata), -margin, bets(margin)))

    assert expected == pytest.approx(1)


def test_strata_are_drawn_by_their_shares() -> None:
    strata = {name: Stratum(weight=1, share=share) for name, share in (("a", 1), ("b", 2), ("c", 7))}
    draws = [drawn(strata, (n + 0.5) / 1000) for n in range(1000)]

    assert [draws.count(name) for name in strata] == [100, 200, 700]


def test_a_slice_that_got_worse_shows_though_the_route_is_approved() -> None:
    strata = {"common": Stratum(weight=98, share=1), "rare": Stratum(weight=2, share=1)}
    pairs = Pairs(counts={"common": {0.0: 2900, 1.0: 100}, "rare": {0.0: 2600, -1.0: 400}})
    design = Design(margin=0.05, strata=strata)

    assert isinstance(verdict(design, pairs), Approve)
    assert not isinstance(verdict(DESIGN, Pairs(counts={"": {0.0: 5300, 1.0: 100, -1.0: 400}})), Approve)
    assert slices(design, pairs)["common"].low > 0
    assert slices(design, pairs)["rare"].high < -DESIGN.margin


def test_graded_scores_of_lower_variance_decide_sooner_than_binary_ones() -> None:
    graded = Pairs(counts={"": {0.1: 60, -0.1: 60}})
    coarse = Pairs(counts={"": {1.0: 60, -1.0: 60}})

    assert isinstance(verdict(DESIGN, graded), Approve)
    assert isinstance(verdict(DESIGN, coarse), NotEnough)


@pytest.mark.parametrize(
    ("pairs", "kind"),
    [
        (Pairs(), NotEnough),
        (binary(better=1, same=8, worse=1), NotEnough),
        (binary(better=30, same=540, worse=30), Approve),
        (binary(better=10, same=500, worse=90), Reject),
    ],
)
def test_a_verdict_is_one_of_three_and_can_be_kept(pairs: Pairs, kind: type) -> None:
    found = verdict(DESIGN, pairs)

    assert isinstance(found, kind)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Verdict) == found


def test_float_noise_does_not_make_another_difference() -> None:
    pairs = counted([(0.7, 0.8), (0.8, 0.9), (0.1, 0.2), (0.5, 0.5), (0.3, 0.3)])

    assert pairs.counts == {"": {0.1: 3, 0.0: 2}}


def test_many_different_scores_are_a_verdict_too() -> None:
    rng = np.random.default_rng(5)
    pairs = counted([(float(a), float(b)) for a, b in rng.random((600, 2))])

    found = verdict(Design(margin=0.02), pairs)

    assert isinstance(found, NotEnough)
    assert found.more.likely is not None


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_what_is_no_score_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="a score lies between 0"):
        Pairs().add(0.5, value)


def test_a_design_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="margin is 1"):
        Design(margin=1)
    with pytest.raises(ValueError, match="alpha is 0"):
        Design(margin=0.1, alpha=0)
    with pytest.raises(ValueError, match="Stratum 'rare' is not one of the design"):
        outcomes(Pairs(counts={"rare": {0.0: 1}}), {"common": Stratum(weight=1, share=1)})
    with pytest.raises(ValueError, match="Stratum 'common' needs a weight"):
        outcomes(Pairs(), {"common": Stratum(weight=1, share=0)})


def test_an_impossible_loss_leaves_wealth_but_little() -> None:
    seen = Outcomes(np.array([-1.0]), np.array([1.0]), np.array([1000.0]))

    assert math.isfinite(log_e(seen, -0.05, bets(0.05)))
    assert log_e(seen, -0.05, bets(0.05)) < -50
