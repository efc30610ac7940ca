"""Ratios: what B costs, or how long it takes, as a multiple of A's, with an interval that holds at every look.

Costs and latencies have no bound to bet against, so these are asymptotic confidence sequences (Waudby-Smith, Arbour,
Sinha, Kennedy and Ramdas 2024, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of
Statistics 52): they stand to the central limit theorem as the usual interval does, and hold for all sizes from some
size on. From `FEWEST` pairs on, that is; unlike the verdict they are an approximation.
"""

import math

from msgspec import Struct

FEWEST = 100
"""Pairs below which there is no interval."""


class Interval(Struct, frozen=True, kw_only=True):
    """A ratio B / A and the bounds that hold together with confidence 1 - alpha. `high` is infinite where A's are
    too uncertain to divide by."""

    ratio: float
    low: float
    high: float


class Ratio(Struct, kw_only=True):
    """Sums over pairs (a, b) of two positive amounts for the same request: nano-dollars, seconds. Order is irrelevant.

    `a` to `ab`: sums of a, b, a², b², ab; `log` and `log2`: sums of ln(b / a) and its square.
    """

    pairs: int = 0
    a: float = 0.0
    b: float = 0.0
    aa: float = 0.0
    bb: float = 0.0
    ab: float = 0.0
    logs: int = 0
    log: float = 0.0
    log2: float = 0.0

    def add(self, a: float, b: float) -> None:
        """Count a request that cost, or took, `a` with A and `b` with B. Zero is allowed and has no logarithm."""
        if not (0 <= a < math.inf and 0 <= b < math.inf):
            raise ValueError(f"Amounts {a} and {b}: both must be finite and not negative")
        self.pairs += 1
        self.a += a
        self.b += b
        self.aa += a * a
        self.bb += b * b
        self.ab += a * b
        if a > 0 and b > 0:
            factor = math.log(b / a)
            self.logs += 1
            self.log += factor
            self.log2 += factor * factor

    def merge(self, other: "Ratio") -> None:
        """Count what somebody else counted."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def totals(self, alpha: float = 0.05) -> Interval | None:
        """What all of B's sum to, as a multiple of A's: for money. None: too few pairs, or A's are all zero.

        The ratios r for which the mean of b - r a cannot be told from zero (Fieller 1954).
        """
        n = self.pairs
        if n < FEWEST or self.a <= 0:
            return None
        a, b = self.a / n, self.b / n
        reach = width(n, alpha) ** 2
        x = a * a - reach * (self.aa / n - a * a)
        y = a * b - reach * (self.ab / n - a * b)
        z = b * b - reach * (self.bb / n - b * b)
        if x <= 0:
            return Interval(ratio=b / a, low=0.0, high=math.inf)
        root = math.sqrt(max(y * y - x * z, 0.0))
        return Interval(ratio=b / a, low=max((y - root) / x, 0.0), high=(y + root) / x)

    def typical(self, alpha: float = 0.05) -> Interval | None:
        """The geometric mean of b / a, which a few very slow answers do not move: for latency. None: too few pairs."""
        n = self.logs
        if n < FEWEST:
            return None
        mean = self.log / n
        reach = width(n, alpha) * math.sqrt(max(self.log2 / n - mean * mean, 0.0))
        return Interval(ratio=math.exp(mean), low=math.exp(mean - reach), high=math.exp(mean + reach))


def width(n: int, alpha: float) -> float:
    """Half the width of the sequence at `n` pairs, in standard deviations; tightest at `TIGHTEST` pairs."""
    rho = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / TIGHTEST
    return math.sqrt(2 * (n * rho + 1) / (n * n * rho) * math.log(math.sqrt(n * rho + 1) / alpha))


TIGHTEST = 500
"""Pairs at which the interval is tightest for its size; it is little wider for ten times more or fewer."""
