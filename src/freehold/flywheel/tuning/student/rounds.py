"""Rounds: some rows are learnt, the others measured. Rows of one episode, or with one text, stay together."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.core.dataset import Example

FOLDS = 5
ENOUGH = 5000
"""Measured rows after which no further round is run."""


class Round(Struct, frozen=True):
    """Row numbers: those to learn from and those held back."""

    learn: NDArray[np.int64]
    hold: NDArray[np.int64]


def rounds(examples: Sequence[Example], *, seed: int, enough: int = ENOUGH, folds: int = FOLDS) -> list[Round]:
    """`folds` parts in which each target is spread evenly; as many rounds as give `enough` held rows, and no more
    than that many in one."""
    groups: dict[str, list[int]] = {}
    for i, example in enumerate(examples):
        groups.setdefault(example.episode or " ".join(example.text.lower().split()), []).append(i)
    by_target: dict[str, list[list[int]]] = {}
    for rows in groups.values():
        by_target.setdefault(examples[rows[0]].target, []).append(rows)
    random = np.random.default_rng(seed)
    fold = np.zeros(len(examples), np.int64)
    turn = 0
    for target in sorted(by_target):
        found = by_target[target]
        for i in random.permutation(len(found)):
            fold[found[i]] = turn % folds
            turn += 1
    out: list[Round] = []
    for k in range(folds):
        hold = np.flatnonzero(fold == k)
        if len(hold) and len(hold) < len(examples):
            few = np.sort(random.permutation(hold)[:enough])
            out.append(Round(np.flatnonzero(fold != k), few))
        if sum(len(r.hold) for r in out) >= enough:
            break
    return out
