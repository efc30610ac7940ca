"""Testing a bounded mean by betting: wealth that cannot grow while the hypothesis holds.

Somebody bets, before each outcome, a fraction of their wealth that outcomes are higher than a hypothesis says. While
the hypothesis holds the wealth is a nonnegative supermartingale that starts at 1, so it ever reaches 1/alpha with
probability at most alpha, however often one looks and whenever one stops (Ville 1939; Waudby-Smith and Ramdas 2023,
"Estimating means of bounded random variables by betting", JRSS-B 86). Nothing is assumed but the bound and that the
mean, given the past, obeys the hypothesis: no normality, no identical distributions.

The fraction is not chosen: wealth is split evenly over a grid of fractions (Cover's universal portfolio), each left to
run. So it depends on how often each outcome came, never on the order, and nothing has to be tuned.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BETS = 8
"""Fractions in the grid. More cost a little (the split) and gain nothing."""

BOLDEST = 0.9
STEPS = 50
"""Halvings of an interval that starts 2 wide: more than doubles can tell apart near the ends."""


class Outcomes(NamedTuple):
    """What was seen: `value[j]`, which can lie in [-reach[j], reach[j]], came `times[j]` times. Each of shape (J,)."""

    value: Floats
    reach: Floats
    times: Floats

    def mirrored(self) -> "Outcomes":
        """The same seen from the other side: what was better is worse."""
        return Outcomes(-self.value, self.reach, self.times)

    def mean(self) -> float:
        total = float(self.times.sum())
        return float(self.times @ self.value) / total if total else 0.0


def bets(margin: float, reach: float = 1.0) -> Floats:
    """The grid of fractions for means `margin` apart of outcomes in [-reach, reach], from timid to bold; (BETS,).

    The best fraction is about reach * effect / variance, so for effects from `margin` up and a variance of at most one
    half it lies between twice reach * margin and one.
    """
    return np.geomspace(min(max(2 * reach * margin, 0.01), 0.5), BOLDEST, BETS)


def log_factors(value: Floats, reach: Floats, mean: float, fractions: Floats) -> Floats:
    """By how much each fraction multiplies its wealth at each outcome, if the hypothesis is a mean of at most `mean`.

    Logarithms, of shape (BETS, J). `mean` must lie above every -reach.
    """
    ratio = (value + reach) / (mean + reach)  # at least 0, and 1 on average where the mean is `mean`
    return np.log1p(fractions[:, None] * (ratio - 1)[None, :])


def log_wealth(count: Floats, factors: Floats) -> Floats:
    """Log of the wealth after `count` (..., J) of each outcome: the e-value against the hypothesis; shape (...)."""
    each = count @ factors.T
    top = each.max(axis=-1)
    return top + np.log(np.exp(each - top[..., None]).mean(axis=-1))


def log_e(seen: Outcomes, mean: float, fractions: Floats) -> float:
    """Log e-value against 'the mean is at most `mean`'."""
    return float(log_wealth(seen.times, log_factors(seen.value, seen.reach, mean, fractions)))


def lower_bound(seen: Outcomes, alpha: float, fractions: Floats) -> float:
    """The mean is above this, in [-1, 1], at every look at once, with confidence 1 - alpha.

    Wealth falls as the hypothesised mean rises, so the means that are refuted are those below one point.
    """
    threshold = -math.log(alpha)
    low, high = -1.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if log_e(seen, middle, fractions) >= threshold:
            low = middle
        else:
            high = middle
    return low


def interval(seen: Outcomes, alpha: float, fractions: Floats) -> tuple[float, float]:
    """Lower and upper bound of the mean; each holds with confidence 1 - alpha, at every look at once."""
    return lower_bound(seen, alpha, fractions), -lower_bound(seen.mirrored(), alpha, fractions)
