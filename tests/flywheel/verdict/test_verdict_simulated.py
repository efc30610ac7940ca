"""Verdicts over many simulated replays, looked at after every pair: how often wrong, how soon right."""

import math

import numpy as np
import pytest
from verdict_world import NEVER, at_most, differences, first, looks

from freehold.flywheel.verdict.forecast import plan
from freehold.flywheel.verdict.pairs import Pairs
from freehold.flywheel.verdict.verdict import Approve, Design, verdict

RUNS = 2000
THRESHOLD = math.log(20)


@pytest.mark.parametrize("below", [0.0, 0.01])
@pytest.mark.parametrize(("margin", "discordance"), [(0.02, 0.05), (0.05, 0.2), (0.05, 0.06)])
def test_a_worse_candidate_is_approved_in_at_most_one_of_twenty_replays_though_one_looks_after_every_pair(
    margin: float, discordance: float, below: float
) -> None:
    rng = np.random.default_rng(11)
    d = differences(rng, RUNS, 2000, discordance=discordance, mean=-margin - below)

    approved = (looks(d, margin=margin) >= THRESHOLD).any(axis=1).mean()

    assert approved <= at_most(0.05, RUNS)


@pytest.mark.parametrize(("margin", "discordance"), [(0.02, 0.05), (0.05, 0.2)])
def test_a_sound_candidate_is_rejected_in_at_most_one_of_twenty_replays(margin: float, discordance: float) -> None:
    rng = np.random.default_rng(12)
    d = differences(rng, RUNS, 2000, discordance=discordance, mean=-margin)

    rejected = (looks(d, margin=margin, mirrored=True) >= THRESHOLD).any(axis=1).mean()

    assert rejected <= at_most(0.05, RUNS)


def test_a_usual_test_looked_at_after_every_pair_is_wrong_far_more_often() -> None:
    """The world is hard: it is the betting that keeps the promise, not the traffic."""
    rng = np.random.default_rng(11)
    d = differences(rng, RUNS, 2000, discordance=0.2, mean=-0.05)
    n = np.arange(1, 2001)
    mean = d.cumsum(axis=1) / n
    deviation = np.sqrt(np.maximum((d * d).cumsum(axis=1) / n - mean**2, 1e-12))

    approved = ((mean + 0.05) / (deviation / np.sqrt(n)) > 1.645)[:, 20:].any(axis=1).mean()

    assert approved > 0.25


@pytest.mark.parametrize(
    ("margin", "discordance", "pairs"), [(0.05, 0.05, 350), (0.05, 0.1, 560), (0.05, 0.2, 1100), (0.02, 0.05, 1900)]
)
def test_an_equal_candidate_is_approved_in_four_of_five_replays_within_the_stated_pairs(
    margin: float, discordance: float, pairs: int
) -> None:
    rng = np.random.default_rng(13)
    d = differences(rng, 1000, pairs, discordance=discordance, mean=0.0)

    approved = (looks(d, margin=margin) >= THRESHOLD).any(axis=1).mean()

    assert approved >= 0.8


def test_a_candidate_twice_the_margin_above_the_line_needs_a_fraction_of_the_pairs() -> None:
    rng = np.random.default_rng(14)
    d = differences(rng, 1000, 300, discordance=0.2, mean=0.05)

    assert (looks(d, margin=0.05) >= THRESHOLD).any(axis=1).mean() >= 0.8


def test_a_candidate_two_margins_worse_is_rejected_in_four_of_five_replays() -> None:
    rng = np.random.default_rng(15)
    d = differences(rng, 1000, 1100, discordance=0.2, mean=-0.1)

    assert (looks(d, margin=0.05, mirrored=True) >= THRESHOLD).any(axis=1).mean() >= 0.8


@pytest.mark.parametrize("mean", [-0.04, 0.0, 0.1])
def test_the_bounds_hold_at_every_look_at_once(mean: float) -> None:
    """A bound is wrong at some look exactly when the wealth against the truth ever reaches 1 / alpha."""
    rng = np.random.default_rng(16)
    d = differences(rng, RUNS, 800, discordance=0.15, mean=mean)

    missed_below = (looks(d, margin=0.05, at=mean) >= THRESHOLD).any(axis=1).mean()
    missed_above = (looks(-d, margin=0.05, at=-mean) >= THRESHOLD).any(axis=1).mean()

    assert missed_below <= at_most(0.05, RUNS)
    assert missed_above <= at_most(0.05, RUNS)


def test_a_replay_step_by_step_stops_where_the_simulation_says() -> None:
    """The vectorised simulations above and the verdict that a user gets are one and the same test."""
    d = differences(np.random.default_rng(17), 1, 2000, discordance=0.1, mean=0.0)
    stop = int(first(looks(d, margin=0.05) >= THRESHOLD)[0])
    pairs = Pairs()
    for step, difference in enumerate(d[0][:stop], start=1):
        pairs.add(max(-difference, 0.0), max(difference, 0.0))
        if step < stop - 1:
            continue
        assert isinstance(verdict(Design(margin=0.05), pairs), Approve) == (step == stop)

    assert stop != NEVER


def test_a_plan_names_the_pairs_that_replays_then_need() -> None:
    planned = plan(margin=0.05, discordance=0.1)
    d = differences(np.random.default_rng(18), 500, 2000, discordance=0.1, mean=0.0)
    needed = first(looks(d, margin=0.05) >= THRESHOLD)

    assert planned.likely is not None
    assert planned.high is not None
    assert planned.approval > 0.95
    assert 0.75 < planned.likely / np.median(needed) < 1.3
    assert 0.83 < (needed <= planned.high).mean() < 0.97
