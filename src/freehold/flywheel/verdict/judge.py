"""Judged pairs: many scores of a judge that may be biased, made honest by a few pairs that people scored as well.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, Science 382; tuned as in PPI++,
Angelopoulos, Duchi and Zrnic 2023), as a sequence of bets (Csillag, Struchiner and Goedert 2025, "Prediction-powered
e-values"): each gold pair yields

    x = d - weight * (f - g)

with `d` the true difference, `f` what the judge said of this pair, and `g` the mean of what it said of the next few
pairs that nobody but the judge scored. f and g have the same mean, so x has the mean of d whatever the judge's bias;
where the judge is good x varies less than d, so fewer gold pairs are needed. `weight` is learned from earlier gold
pairs only. A bet needs a gold pair: without gold nothing can be decided, however many pairs the judge scores.
"""

import numpy as np
from msgspec import Struct, field

from freehold.flywheel.verdict.betting import Floats, Outcomes, bets
from freehold.flywheel.verdict.verdict import Design, Verdict, decide

REACH = 2.0
"""How far from 0 a rectified difference usually may lie: between 1 (a useless judge) and 3 (a perfect one)."""

DOUBT = 1.0
"""Added to the judge's sum of squares: the weight starts at 0 and is learned as gold comes."""


class Gold(Struct, frozen=True, array_like=True):
    """A pair that people scored: the true difference, the judge's, the mean of `judged` more of the judge's."""

    truth: float
    judge: float
    mean: float
    judged: int


class Judged(Struct, kw_only=True):
    """Judged pairs and gold pairs, in the order in which they came. Differences are B's less A's, in [-1, 1].

    Which pairs people score must not depend on what is in them: choose each with the same probability, for instance
    by `routing.cohort` of the pair's id. `each`: how many judged pairs one gold pair is compared with, at most; set it
    before the first to what the traffic gives, 10 where one pair in 11 is gold.
    """

    each: int = 10
    waiting: list[float] = field(default_factory=list[float])
    gold: list[Gold] = field(default_factory=list[Gold])

    def add_judged(self, judge: float) -> None:
        """Only the judge scored this pair."""
        self.waiting.append(_difference(judge))

    def add_gold(self, truth: float, judge: float) -> None:
        """People scored this pair, and the judge too."""
        gold = (_difference(truth), _difference(judge))
        taken, self.waiting = self.waiting[: self.each], self.waiting[self.each :]
        mean = sum(taken) / len(taken) if taken else 0.0
        self.gold.append(Gold(*gold, mean, len(taken)))


def verdict_of_judged(design: Design, judged: Judged) -> Verdict:
    """The verdict on judged pairs; it counts gold pairs. Strata are not taken here: draw pairs as the traffic comes."""
    if design.strata:
        raise ValueError(
            "Judged pairs are not stratified: draw them as the traffic comes, with no strata in the design"
        )
    seen = rectified_outcomes(judged)
    gold = len(judged.gold)
    said = len(judged.waiting) + sum(g.judged for g in judged.gold)
    what = f"{gold} gold pairs beside {said} that only a judge scored" + (
        "" if gold else ", and a judge decides nothing"
    )
    return decide(design, seen, bets(design.margin, REACH), what)


def rectified_outcomes(judged: Judged) -> Outcomes:
    """What each gold pair says once the judge's scores have sharpened it."""
    gold = judged.gold
    columns = [[g.truth for g in gold], [g.judge for g in gold], [g.mean for g in gold], [g.judged for g in gold]]
    truth, judge, mean, count = (np.array(column, dtype=np.float64) for column in columns)
    value, reach = rectified(truth, judge, mean, count)
    return Outcomes(value, reach, np.ones(len(gold)))


def rectified(truth: Floats, judge: Floats, mean: Floats, judged: Floats) -> tuple[Floats, Floats]:
    """Rectified differences and how far from 0 each may lie, both (..., T), from gold pairs in order.

    The weight at t is the regression of truth on the judge over pairs before t, damped for the noise of the `judged`
    scores in `mean`; in [0, 1].
    """
    before = np.arange(truth.shape[-1], dtype=np.float64)
    n = np.maximum(before, 1)
    d, f = _sums_before(truth), _sums_before(judge)
    cov = _sums_before(truth * judge) - d * f / n
    var = _sums_before(judge * judge) - f * f / n
    weight = np.clip(cov / (var + DOUBT), 0, 1) * (judged / (judged + 1))
    return truth - weight * (judge - mean), 1 + 2 * weight


def _sums_before(x: Floats) -> Floats:
    """Sums of all that came before each, along the last axis. Not `cumsum - x`: its rounding would depend on x."""
    return np.concatenate([np.zeros_like(x[..., :1]), np.cumsum(x[..., :-1], axis=-1)], axis=-1)


def folded(b_wins_second: float, b_wins_first: float) -> float:
    """One difference from a pairwise judge asked twice, so that liking a position cancels out.

    The two are how strongly it prefers B, 0 to 1 with 0.5 a tie, when B's answer is shown second, and when first.
    A judge that always picks the first one answers 0 and 1: no difference.
    """
    for said in (b_wins_second, b_wins_first):
        if not 0 <= said <= 1:
            raise ValueError(f"The judge's preference is {said}: it lies between 0 (A) and 1 (B)")
    return b_wins_second + b_wins_first - 1


def _difference(value: float) -> float:
    if not -1 <= value <= 1:
        raise ValueError(f"The difference is {value}: it lies between -1 (A is right, B is not) and 1")
    return value
