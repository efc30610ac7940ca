"""The little worlds of the verdict's tests: traffic of a known difference, and a test that looks after every pair."""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from freehold.flywheel.verdict.betting import Floats, bets, log_factors, log_wealth

VALUES = np.array([-1.0, 0.0, 1.0])
NEVER = 10**9


def differences(rng: np.random.Generator, runs: int, pairs: int, *, discordance: float, mean: float) -> Floats:
    """Paired differences of two binary scores that disagree on `discordance` of the requests, (runs, pairs)."""
    u = rng.random((runs, pairs))
    return np.where(u < (discordance + mean) / 2, 1.0, np.where(u < discordance, -1.0, 0.0))


def looks(d: Floats, *, margin: float, mirrored: bool = False, at: float | None = None) -> Floats:
    """Log e-values against 'the mean is at most -margin' (or `at`) after each pair, (runs, pairs)."""
    seen = -d if mirrored else d
    counts = np.stack([(seen == value).cumsum(axis=1) for value in VALUES], axis=-1).astype(np.float64)
    mean = at if at is not None else (margin if mirrored else -margin)
    return log_wealth(counts, log_factors(VALUES, np.ones(3), mean, bets(margin)))


def first(hit: np.ndarray) -> np.ndarray:
    """The pair, from 1, after which it first is so; NEVER."""
    return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, NEVER)


def at_most(rate: float, runs: int) -> float:
    """What a share of `runs` exceeds in 1 of 1,000 simulations at most, where its chance is at most `rate`."""
    return rate + 3.1 * math.sqrt(rate * (1 - rate) / runs)


def sequences(atoms: Sequence[tuple[object, float]], length: int) -> Iterator[tuple[tuple[object, ...], float]]:
    """Every sequence of atoms with its probability: expectations over them are exact."""
    for chosen in itertools.product(atoms, repeat=length):
        yield tuple(value for value, _ in chosen), math.prod(chance for _, chance in chosen)
