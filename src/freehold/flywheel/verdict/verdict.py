"""The verdict: may a candidate B take over from an incumbent A? Approve, reject, or not enough data.

B is not inferior where its mean score is above A's less a margin that the owner set. Two tests by betting run on the
paired differences: one against 'B is worse by the margin or more', one against 'B is worse by no more than the margin'.
Each errs with probability at most alpha over the whole life of the test, so one may look after every pair and stop at
will; what was seen keeps its worth when more comes.
"""

import math

from msgspec import Struct

from freehold.flywheel.verdict.betting import Floats, Outcomes, bets, interval, log_e
from freehold.flywheel.verdict.forecast import Forecast, forecast
from freehold.flywheel.verdict.pairs import Pairs, Strata, outcomes, reach


class Design(Struct, frozen=True, kw_only=True):
    """What the test is to show. Set it before the first pair.

    `margin`: how much worse B's mean score may be, in [0, 1); 0 asks whether B is better. `alpha`: how often a wrong
    approval is accepted, and a wrong rejection. `strata`: the slices that pairs are drawn from, if they are.
    """

    margin: float
    alpha: float = 0.05
    strata: Strata = {}

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise ValueError(f"The margin is {self.margin}: it must lie in [0, 1)")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha is {self.alpha}: it must lie between 0 and 0.5")


class Evidence(Struct, frozen=True, kw_only=True):
    """What the pairs say.

    `difference`: mean score of B minus that of A; it is above `low` with confidence 1 - alpha, and below `high` too,
    whenever one looks. `log_e_sound`, `log_e_worse`: natural logs of the e-values for 'not inferior' and 'inferior'.
    """

    pairs: int
    difference: float
    low: float
    high: float
    log_e_sound: float
    log_e_worse: float


class Approve(Struct, frozen=True, kw_only=True, tag="approve"):
    """B is not worse than A by the margin."""

    evidence: Evidence


class Reject(Struct, frozen=True, kw_only=True, tag="reject"):
    """B is worse than A by more than the margin."""

    evidence: Evidence


class NotEnough(Struct, frozen=True, kw_only=True, tag="not_enough_data"):
    """Neither is shown. `why` says what is missing, `more` how many more pairs of that kind are needed."""

    evidence: Evidence
    why: str
    more: Forecast


Verdict = Approve | Reject | NotEnough


def verdict(design: Design, pairs: Pairs) -> Verdict:
    """The verdict on pairs whose scores are the truth: labels, checks, people. For a judge's scores see `judge`."""
    fractions = bets(design.margin, reach(design.strata))
    return decide(design, outcomes(pairs, design.strata), fractions, f"{pairs.total()} pairs")


def slices(design: Design, pairs: Pairs) -> dict[str, Evidence]:
    """What each stratum says alone. Each bound holds with confidence 1 - alpha for itself, not all of them at once."""
    alone = {name: outcomes(pairs.stratum(name), {}) for name in sorted(pairs.counts)}
    return {name: evidence(design, seen, bets(design.margin)) for name, seen in alone.items()}


def evidence(design: Design, seen: Outcomes, fractions: Floats) -> Evidence:
    low, high = interval(seen, design.alpha, fractions)
    return Evidence(
        pairs=int(seen.times.sum()),
        difference=seen.mean(),
        low=low,
        high=high,
        log_e_sound=log_e(seen, -design.margin, fractions),
        log_e_worse=log_e(seen.mirrored(), design.margin, fractions),
    )


def decide(design: Design, seen: Outcomes, fractions: Floats, what: str) -> Verdict:
    """The verdict on outcomes whose mean, given the past, is the difference. `what` was seen, in words."""
    found = evidence(design, seen, fractions)
    threshold = -math.log(design.alpha)
    if found.log_e_sound >= threshold:
        return Approve(evidence=found)
    if found.log_e_worse >= threshold:
        return Reject(evidence=found)
    why = f"{what}: the difference may be {found.low:+.3f} to {found.high:+.3f}; the margin is {-design.margin:+.3f}"
    return NotEnough(evidence=found, why=why, more=forecast(seen, design.margin, design.alpha, fractions))
