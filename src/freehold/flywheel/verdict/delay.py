"""How soon a guard finds a worse candidate: rollouts of the planned kind are played, and the guard watches each."""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.flywheel.verdict.betting import BETS, Floats
from freehold.flywheel.verdict.guard import Guard, blocks_a_request, step

ROLLOUTS = 200
PATIENCE = 20_000
"""Blocks after which a rollout counts as not found."""

SEED = 19540
"""Fixed, so that the same plan gives the same answer."""


class Delay(Struct, frozen=True, kw_only=True):
    """Requests of both arms together from the change to the alarm, in half of all rollouts and in 9 of 10.

    None: not within 20,000 blocks.
    """

    half: int | None
    most: int | None


def delay(guard: Guard, *, control: float, candidate: float, share: float, at_start: bool) -> Delay:
    """How soon a guard of kind harm alarms once a share of `candidate` requests goes wrong beside `control`.

    `at_start`: the candidate is bad from its first request, else it turns bad late, when the guard has nothing left of
    its head start. `share` of the requests goes to the candidate.
    """
    rng = np.random.default_rng(SEED)
    wealth = np.tile(guard.start() if at_start else np.zeros(BETS), (ROLLOUTS, 1))
    found = np.full(ROLLOUTS, math.inf)
    for block in range(1, PATIENCE + 1):
        wealth = step(wealth, blocks(rng, ROLLOUTS, control=control, candidate=candidate, share=share), guard.allowed)
        alarm = wealth.mean(axis=-1) >= guard.limit
        found[alarm & ~np.isfinite(found)] = block
        if alarm.any():
            wealth[alarm] = 0.0
            if np.isfinite(found).all():
                break
    half, most = (float(q) for q in np.quantile(found, [0.5, 0.9], method="higher"))
    requests = 1 / blocks_a_request(share)
    return Delay(half=_requests(half, requests), most=_requests(most, requests))


def blocks(rng: np.random.Generator, size: int, *, control: float, candidate: float, share: float) -> Floats:
    """Differences of `size` blocks of requests that go wrong at these rates: one request of the arm that came last."""
    first_is_candidate = rng.random(size) < share
    before: NDArray[np.int64] = rng.geometric(np.where(first_is_candidate, 1 - share, share))
    candidates = np.where(first_is_candidate, before, 1)
    controls = np.where(first_is_candidate, 1, before)
    return rng.binomial(candidates, candidate) / candidates - rng.binomial(controls, control) / controls


def _requests(found: float, each: float) -> int | None:
    return math.ceil(found * each) if math.isfinite(found) else None
