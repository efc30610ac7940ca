"""The vote of the texts learnt from, by nearness: kernel ridge regression, one against the rest, solved exactly.

Holding rows back needs no second solution. With the held rows last, the lower corner of the Cholesky factor is that of
the inverse's block of held rows. What the others say of a round's held rows is their target less their votes solved by
their part of that block (Rasmussen and Williams 2006, 5.4.2).
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.flywheel.tuning.student.libraries import BLOCK, below, factored, solve_factored
from freehold.flywheel.tuning.student.net import Labels
from freehold.flywheel.tuning.student.rounds import Round
from freehold.runtime.encoder.port import Matrix
from freehold.runtime.student.heads import nearness

RIDGE = np.float32(0.02)
"""Against a nearness of 1 to oneself: how far a text's vote may be from its own label."""

HEAVIEST = np.float32(4)
"""A text's weight above this changes nothing: single precision would no longer do."""

MOST = 10_240
"""Texts that vote; of more, as many are drawn. Their nearness takes 4 bytes a pair, and time by the cube."""


class Votes(Struct, frozen=True):
    """`rows`: the texts that vote. For each enum, `votes` [rows, classes], and for each round `held`: what the rows
    outside it say of those that it holds [held rows, classes]."""

    rows: NDArray[np.int64]
    votes: list[Matrix]
    held: list[list[Matrix]]


def vote(
    vectors: Matrix,
    labels: Sequence[Labels],
    classes: Sequence[int],
    plan: Sequence[Round],
    *,
    weights: Matrix,
    random: np.random.Generator,
) -> Votes:
    """Learn the votes of unit vectors [texts, size]. No row is held in two rounds."""
    held = np.concatenate([np.empty(0, np.int64), *(r.hold for r in plan)])
    others = reduce(np.intersect1d, (r.learn for r in plan), np.arange(len(vectors)))
    if len(others) + len(held) > MOST:
        others = np.sort(random.choice(others, max(MOST - len(held), 0), replace=False))
    rows = np.concatenate([others, held])
    targets = [np.full((len(rows), count), -1, np.float32) for count in classes]
    for target, label in zip(targets, labels, strict=True):
        target[np.arange(len(rows)), label[rows]] = 1
    aim = np.concatenate(targets, axis=1)
    near = _lower(vectors[rows])
    near[np.diag_indices(len(rows))] += RIDGE / np.minimum(weights[rows], HEAVIEST)
    factor = factored(near)
    votes = solve_factored(factor, aim)
    ends = np.cumsum(classes)[:-1]
    said = _held(factor[len(others) :, len(others) :], votes[len(others) :], aim[len(others) :], plan)
    by_enum = [np.split(block, ends, axis=1) for block in said]
    return Votes(
        rows,
        np.split(votes, ends, axis=1),
        [[blocks[i] for blocks in by_enum] for i in range(len(classes))],
    )


def _lower(vectors: Matrix) -> Matrix:
    """How near they are to each other, below the diagonal; what is above is not asked for and costs no memory."""
    near = np.empty((len(vectors), len(vectors)), np.float32)
    for first in range(0, len(vectors), BLOCK):
        last = first + BLOCK
        near[first:last, :last] = nearness(vectors[first:last], vectors[:last])
    return near


def _held(corner: Matrix, votes: Matrix, aim: Matrix, plan: Sequence[Round]) -> list[Matrix]:
    """What is said of each round's held rows without them, from the corner of the factor that belongs to them all."""
    found: list[Matrix] = []
    first = 0
    for round_ in plan:
        count = len(round_.hold)
        block, end = slice(first, first + count), np.eye(len(corner) - first, count, dtype=np.float32)
        half = below(corner[first:, first:], end)
        found.append(aim[block] - solve_factored(factored(half.T @ half), votes[block]))
        first += count
    return found
