"""How many more pairs a test needs: futures are played from what was seen, and the test is applied to each."""

import math

import numpy as np
from msgspec import Struct

from freehold.flywheel.verdict.betting import Floats, Outcomes, bets, log_factors, log_wealth

FUTURES = 200
HORIZON = 1_000_000
"""Pairs after which a future counts as undecided."""

PACE = 1.15
"""Looks at a future lie so far apart, as a factor: the resolution of the forecast."""

GROUPS = 64
"""Different differences that a future tells apart; more are joined with their neighbours."""

PRIOR = (4.0, 32.0, 4.0)
"""Pairs believed before the first is seen: worse, equal, better. So two in three candidates are within 7 points."""

SEED = 20220
"""Fixed, so that the same pairs give the same forecast."""


class Forecast(Struct, frozen=True, kw_only=True):
    """Pairs still needed for a decision: half of the futures need at most `likely`, 8 of 10 from `low` to `high`.

    None: more than a million. `approval`: the part of the futures that end in an approval.
    """

    likely: int | None
    low: int | None
    high: int | None
    approval: float


def forecast(seen: Outcomes, margin: float, alpha: float, fractions: Floats) -> Forecast:
    """Futures of a test in progress.

    What the traffic is like is drawn from a Bayesian bootstrap (Rubin 1981) of the outcomes seen and of `PRIOR`, so
    that a young test does not take its few pairs for the truth.
    """
    rng = np.random.default_rng(SEED)
    reach = float(seen.reach.max()) if seen.reach.size else 1.0
    value = np.concatenate([seen.value, [-1.0, 0.0, 1.0]])
    bound = np.concatenate([seen.reach, [reach] * 3])
    better, worse, pseudo = _grouped(value, bound, np.concatenate([seen.times, PRIOR]), margin, fractions)
    chances = rng.dirichlet(pseudo, size=FUTURES)
    start = (
        _each(seen, log_factors(seen.value, seen.reach, -margin, fractions)),
        _each(seen.mirrored(), log_factors(-seen.value, seen.reach, margin, fractions)),
    )
    return _played(rng, chances, better, worse, start=start, alpha=alpha)


def plan(*, margin: float, discordance: float, difference: float = 0.0, alpha: float = 0.05) -> Forecast:
    """Pairs that a test of binary scores will need, before the first.

    `discordance`: how often exactly one of the two is right, above 0; `difference`: mean score of B minus that of A,
    at most as large.
    """
    if not (0 < discordance <= 1 and abs(difference) <= discordance):
        raise ValueError(f"A difference of {difference} needs a discordance from {abs(difference)} to 1, above 0")
    fractions = bets(margin)
    value = np.array([-1.0, 0.0, 1.0])
    chance = np.array([(discordance - difference) / 2, 1 - discordance, (discordance + difference) / 2])
    better = log_factors(value, np.ones(3), -margin, fractions)
    worse = log_factors(-value, np.ones(3), margin, fractions)
    nothing = np.zeros(len(fractions))
    rng = np.random.default_rng(SEED)
    return _played(rng, np.tile(chance, (FUTURES, 1)), better, worse, start=(nothing, nothing), alpha=alpha)


def _played(
    rng: np.random.Generator,
    chances: Floats,
    better: Floats,
    worse: Floats,
    *,
    start: tuple[Floats, Floats],
    alpha: float,
) -> Forecast:
    """Each future, row of `chances` (FUTURES, J), until one of the two wealths reaches 1 / alpha."""
    threshold = -math.log(alpha)
    needed = np.full(len(chances), math.inf)
    approved = 0
    undecided = np.arange(len(chances))
    count = np.zeros_like(chances)
    pairs = 0
    while pairs < HORIZON and undecided.size:
        more = max(math.ceil(pairs * (PACE - 1)), 4)
        pairs += more
        count += rng.multinomial(more, chances[undecided])
        up = _ahead(count, better, start[0]) >= threshold
        decided = up | (_ahead(count, worse, start[1]) >= threshold)
        needed[undecided[decided]] = pairs - more // 2  # somewhere since the last look
        approved += int(up.sum())
        undecided, count = undecided[~decided], count[~decided]
    low, likely, high = (float(q) for q in np.quantile(needed, [0.1, 0.5, 0.9], method="higher"))
    return Forecast(likely=_pairs(likely), low=_pairs(low), high=_pairs(high), approval=approved / len(chances))


def _ahead(count: Floats, factors: Floats, start: Floats) -> Floats:
    """Log wealth of each future; `start` is the log wealth of each fraction now, shape (BETS,)."""
    return log_wealth(np.column_stack([count, np.ones(len(count))]), np.column_stack([factors, start]))


def _each(seen: Outcomes, factors: Floats) -> Floats:
    return factors @ seen.times


def _pairs(needed: float) -> int | None:
    return int(needed) if math.isfinite(needed) else None


def _grouped(
    value: Floats, reach: Floats, count: Floats, margin: float, fractions: Floats
) -> tuple[Floats, Floats, Floats]:
    """Log factors of both tests and counts, neighbouring outcomes joined where there are too many."""
    order = np.argsort(value, kind="stable")
    value, reach, count = value[order], reach[order], count[order]
    better = log_factors(value, reach, -margin, fractions)
    worse = log_factors(-value, reach, margin, fractions)
    if len(value) <= GROUPS:
        return better, worse, count
    group = np.linspace(0, GROUPS, len(value), endpoint=False).astype(np.int64)
    sums = np.zeros((len(value), GROUPS))
    sums[np.arange(len(value)), group] = count
    total = sums.sum(axis=0)
    return (better @ sums) / total, (worse @ sums) / total, total
