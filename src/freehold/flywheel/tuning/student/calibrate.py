"""From scores on rows that a model has not seen to chances that hold, and to the threshold from which it answers."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freehold.flywheel.tuning.student.libraries import binom

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

NEVER = 2.0
"""A threshold that no chance reaches."""

FIRST, STEP = 0.1, 0.005
"""Shares answered at which the accuracy is tested: from the first on, in steps."""

RISK = 0.1
"""The chance that a threshold promises too much."""


def line(log_chance: Floats, right: Bools) -> tuple[float, float]:
    """Slope and offset of log odds that make chances of being right calibrated (Platt 1999, with his targets), by
    Newton's method. A normal prior around slope 1 and offset 0 keeps them finite where nothing was wrong."""
    chance = np.clip(np.exp(log_chance), 1e-6, 1 - 1e-6)
    x = np.stack([np.log(chance / (1 - chance)), np.ones(len(chance))], 1)
    good, bad = int(right.sum()), int((~right).sum())
    aim = np.where(right, (good + 1) / (good + 2), 1 / (bad + 2))
    prior = np.array([1.0, 0.0])

    def loss(w: Floats) -> float:
        z = x @ w
        return float(np.sum(np.logaddexp(0, z) - aim * z) + 0.5 * np.sum((w - prior) ** 2))

    w: Floats = prior
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        slope = x.T @ (p - aim) + (w - prior)
        move = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + np.eye(2), slope)
        size = 1.0
        while loss(w - size * move) > loss(w) and size > 1e-6:
            size /= 2
        w = w - size * move
        if float(np.abs(move).max()) < 1e-8:
            break
    return max(float(w[0]), 0.01), float(w[1])


def threshold(chances: Floats, right: Bools, target: float, *, risk: float = RISK) -> float:
    """The lowest chance from which answers are right at least `target` of the time, with a confidence of 1 - `risk`.

    Learn then test (Angelopoulos et al. 2021) by fixed sequence: thresholds are walked from the strict end, and each is
    tested against the hypothesis that its answers are right less often, by the binomial tail of the wrong ones (the
    bound of Clopper and Pearson 1934). The walk ends before the first that fails; so all are tested at `risk` and yet
    the chance of any false promise is at most that. It begins where answers without a fault could pass.
    """
    order = np.argsort(-chances, kind="stable")
    ranked, wrong = chances[order], np.cumsum(~right[order])
    count, best = len(ranked), NEVER
    first = max(math.ceil(math.log(risk) / math.log(target)) if 0 < target < 1 else 1, round(FIRST * count))
    step = max(round(STEP * count), 1)
    for answered in range(first, count + step, step):
        last = min(answered, count) - 1
        while last + 1 < count and ranked[last + 1] == ranked[last]:
            last += 1
        if binom.cdf(wrong[last], last + 1, 1 - target) > risk:
            break
        best = float(ranked[last])
    return best


def kept(scores: Floats, share: float) -> float:
    """The score that a new row like these reaches with a chance of at least `share` (split conformal: the rank is
    that of n + 1 rows)."""
    rank = math.floor((1 - share) * (len(scores) + 1))
    return float(np.sort(scores)[rank - 1]) if rank >= 1 else -math.inf


def log_loss(logits: Floats, labels: NDArray[np.int64]) -> float:
    """Mean of the negative log chance of the right class."""
    top: Floats = logits.max(1)
    total: Floats = np.log(np.exp(logits - top[:, None]).sum(1)) + top
    chosen: Floats = logits[np.arange(len(labels)), labels]
    return float((total - chosen).mean())
