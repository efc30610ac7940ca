"""Guards: a candidate that gets worse than the incumbent beside it raises an alarm; nothing else does, or rarely.

Requests of both arms are compared with those around them, never with a figure of yesterday: what the time of day does
to traffic, it does to both. The arms' requests fall into blocks that end as soon as both arms are in them, and each
block gives one difference in [-1, 1], the mean over the candidate's less the mean over the control's.

Detector: Shiryaev and Roberts' sum with bets in place of likelihood ratios, one for each fraction of a grid, averaged;
an e-detector (Shin, Ramdas and Rinaldo 2024, "E-detectors", New England Journal of Statistics in Data Science 2). After
each block somebody new begins to bet with a wealth of 1. While the candidate is no worse than tolerated no wealth grows
on average, so the sum grows by at most one a block: the mean number of blocks until a false alarm is at least
`run_length`, and a false alarm within t blocks has a chance of at most t / run_length + `early`, whatever the
distributions. Nobody begins after a block that says nothing, so two arms without a single error never alarm.
"""

import math
from typing import Literal

import numpy as np
from msgspec import Struct, field

from freehold.flywheel.verdict.betting import BETS, BOLDEST, Floats

TIMID = 0.04
"""The smallest fraction: about twice the smallest effect, in points, that is found fast."""

LONGEST = 256
"""Requests of one arm that a block holds, the newest: old ones tell of another hour."""

Kind = Literal["harm", "ratio"]


class Guard(Struct, frozen=True, kw_only=True):
    """What is watched, and how often it may be wrong. Blocks: see above.

    `kind` harm: each request did some harm in [0, 1], such as an error, a refusal, 1 - score, or an answer later than
    promised; `tolerated` points more than the control's are no alarm, in [0, 1). `kind` ratio: each has an amount of
    at least 0, such as latency or cost; `tolerated` times the control's, at least 1, is no alarm in a typical request.
    `run_length`: blocks between false alarms, at least, on average. `early`: the chance, on top, that it calls a sound
    candidate bad at once; it pays for finding one that is bad from the start a third sooner.
    """

    kind: Kind
    tolerated: float
    run_length: int
    early: float = 0.01

    def __post_init__(self) -> None:
        low, high = (0.0, 1.0) if self.kind == "harm" else (1.0, math.inf)
        if not low <= self.tolerated < high:
            raise ValueError(f"A guard of kind {self.kind} tolerates {self.tolerated}: from {low:g} to below {high:g}")
        if self.run_length < 1 or not 0 <= self.early < 1:
            raise ValueError("A guard needs a run length of at least 1 and `early` in [0, 1)")

    @property
    def limit(self) -> float:
        """The alarm is raised at this sum of wealth, on average over the fractions."""
        return self.run_length / (1 - self.early)

    def start(self) -> Floats:
        """The sums at the start of a rollout, one for each fraction, (BETS,)."""
        return np.full(BETS, self.limit * self.early)

    @property
    def allowed(self) -> float:
        """The mean difference of blocks that is no alarm."""
        return self.tolerated if self.kind == "harm" else 0.0


FRACTIONS: Floats = np.geomspace(TIMID, BOLDEST, BETS)


def step(wealth: Floats, difference: Floats, allowed: float) -> Floats:
    """The sums (..., BETS) after one more block with this difference (...)."""
    ratio = (difference + 1) / (allowed + 1)
    return wealth * (1 + FRACTIONS * (ratio[..., None] - 1)) + (difference != allowed)[..., None]


class Watch(Struct, kw_only=True):
    """A guard at work. Feed it requests of both arms as they end, one for each conversation; it may be saved between.

    `alarm`: the block that raised the alarm, from 1; None: all is well.
    """

    guard: Guard
    wealth: list[float] = field(default_factory=list[float])
    control: list[float] = field(default_factory=list[float])
    candidate: list[float] = field(default_factory=list[float])
    blocks: int = 0
    alarm: int | None = None

    def see_control(self, amount: float) -> bool:
        """A request that the incumbent answered. True: alarm."""
        self.control = [*self.control[1 - LONGEST :], _amount(self.guard, amount)]
        return self._close()

    def see_candidate(self, amount: float) -> bool:
        """A request that the candidate answered. True: alarm."""
        self.candidate = [*self.candidate[1 - LONGEST :], _amount(self.guard, amount)]
        return self._close()

    def see_both(self, control: float, candidate: float) -> bool:
        """A request that both answered, as in shadow: a block of its own. True: alarm."""
        return self._block([_amount(self.guard, control)], [_amount(self.guard, candidate)])

    def _close(self) -> bool:
        if not (self.control and self.candidate):
            return self.alarm is not None
        control, candidate = self.control, self.candidate
        self.control, self.candidate = [], []
        return self._block(control, candidate)

    def _block(self, control: list[float], candidate: list[float]) -> bool:
        if self.alarm is not None:
            return True
        wealth = np.array(self.wealth) if self.wealth else self.guard.start()
        difference = np.float64(difference_of(self.guard, np.array(control), np.array(candidate)))
        wealth = step(wealth, np.asarray(difference), self.guard.allowed)
        self.wealth = wealth.tolist()
        self.blocks += 1
        if wealth.mean() >= self.guard.limit:
            self.alarm = self.blocks
        return self.alarm is not None


def difference_of(guard: Guard, control: Floats, candidate: Floats) -> float:
    """How much worse the candidate did in one block, in [-1, 1].

    For ratios: how much more often than not its amount is above `tolerated` times the control's. An amount has no
    bound, but which of two is larger has, and 0 on average where the typical ratio is the tolerated one.
    """
    if guard.kind == "harm":
        return float(candidate.mean() - control.mean())
    return float(np.sign(candidate[:, None] - guard.tolerated * control[None, :]).mean())


def blocks_a_request(share: float) -> float:
    """Blocks that end with each request, on average, where `share` of the requests goes to the candidate.

    A block lasts until both arms were seen. At a share of 0 or 1 there is nothing to compare with: ValueError.
    """
    if not 0 < share < 1:
        raise ValueError(f"The candidate's share is {share}: between 0 and 1, or there is nothing to compare with")
    return 1 / (1 / share + 1 / (1 - share) - 1)


def run_length(*, requests_a_day: float, share: float, days: float = 30.0, guards: int = 1) -> int:
    """The run length with which `guards` guards together raise at most one false alarm in so many days, on average."""
    return max(math.ceil(days * requests_a_day * blocks_a_request(share) * guards), 1)


def _amount(guard: Guard, amount: float) -> float:
    if guard.kind == "harm" and not 0 <= amount <= 1:
        raise ValueError(f"The harm is {amount}: it lies between 0 (none) and 1")
    if guard.kind == "ratio" and not 0 <= amount < math.inf:
        raise ValueError(f"The amount is {amount}: it must be finite and not negative")
    return amount
