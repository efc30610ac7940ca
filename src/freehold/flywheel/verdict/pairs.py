"""Pairs: how often each difference between two deployments' scores on the same request was seen."""

import math

import numpy as np
from msgspec import Struct, field

from freehold.flywheel.verdict.betting import Outcomes

DECIMALS = 9
"""Scores count to so many decimals: differences that differ by float noise alone are one difference."""


class Stratum(Struct, frozen=True):
    """A slice of a route: `weight` is its part of the traffic that the claim is about, `share` of the pairs drawn.

    Relative numbers; both above 0. Rare slices may be drawn more often than they occur.
    """

    weight: float
    share: float


Strata = dict[str, Stratum]


class Pairs(Struct):
    """Differences score_B - score_A, in [-1, 1], counted by stratum ('' without strata).

    Counts are all there is: the order of the pairs does not matter, and what several workers counted may be merged.
    A pair is one conversation: of several requests in one, their mean, since they are not independent.
    """

    counts: dict[str, dict[float, int]] = field(default_factory=dict[str, dict[float, int]])

    def add(self, a: float, b: float, stratum: str = "") -> None:
        """Count one request that A, the incumbent, and B, the candidate, answered; scores in [0, 1], 1 the best."""
        difference = score(b, "of B") - score(a, "of A")
        seen = self.counts.setdefault(stratum, {})
        key = round(difference, DECIMALS) + 0.0  # -0.0 and 0.0 are one key
        seen[key] = seen.get(key, 0) + 1

    def merge(self, other: "Pairs") -> None:
        """Count what somebody else counted."""
        for stratum, counts in other.counts.items():
            seen = self.counts.setdefault(stratum, {})
            for difference, count in counts.items():
                seen[difference] = seen.get(difference, 0) + count

    def total(self) -> int:
        return sum(sum(counts.values()) for counts in self.counts.values())

    def stratum(self, name: str) -> "Pairs":
        """What was seen in one stratum, as pairs without strata."""
        return Pairs(counts={"": dict(self.counts.get(name, {}))})


def score(value: float, whose: str) -> float:
    """The score, if it is one."""
    if not 0 <= value <= 1:  # also refuses NaN
        raise ValueError(f"The score {whose} is {value}: a score lies between 0 (worst) and 1 (best)")
    return value


def outcomes(pairs: Pairs, strata: Strata) -> Outcomes:
    """The differences, weighted so that their mean is the mean over the traffic and not over the pairs drawn.

    A pair drawn from a stratum with probability `share` counts `weight / share` times (Horvitz and Thompson 1952);
    the stratum of the next pair must be drawn at random by these shares, for then each weighted difference has the
    traffic's mean given the past. ValueError names a stratum that is not in the design.
    """
    scale = scales(strata) if strata else {"": 1.0}
    if unknown := sorted(set(pairs.counts) - set(scale)):
        raise ValueError(f"Stratum '{unknown[0]}' is not one of the design: {sorted(scale)}")
    rows = [(scale[s] * d, count) for s in sorted(pairs.counts) for d, count in sorted(pairs.counts[s].items())]
    value = np.array([v for v, _ in rows], dtype=np.float64)
    count = np.array([c for _, c in rows], dtype=np.float64)
    return Outcomes(value, np.full(len(rows), reach(strata)), count)


def drawn(strata: Strata, draw: float) -> str:
    """The stratum of the next pair, from a random `draw` in [0, 1), evenly spread."""
    shares = sum(one.share for one in strata.values())
    below = 0.0
    for name, one in strata.items():
        below += one.share / shares
        if draw < below:
            return name
    return list(strata)[-1]  # the shares summed to a hair less than 1


def reach(strata: Strata) -> float:
    """How far from 0 a weighted difference may lie."""
    return max(scales(strata).values()) if strata else 1.0


def scales(strata: Strata) -> dict[str, float]:
    """How many pairs of the traffic one drawn pair stands for, by stratum."""
    for name, one in strata.items():
        if not (one.weight > 0 and one.share > 0 and math.isfinite(one.weight + one.share)):
            raise ValueError(f"Stratum '{name}' needs a weight and a share above 0")
    weights = sum(one.weight for one in strata.values())
    shares = sum(one.share for one in strata.values())
    return {name: (one.weight / weights) / (one.share / shares) for name, one in strata.items()}
