"""What the texts of a lesson mean: the axes of their soft words, and their vectors joined with the encoder's."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from freehold.flywheel.tuning.student.libraries import csr_matrix
from freehold.runtime.encoder.port import Matrix
from freehold.runtime.encoder.soft import lifted
from freehold.runtime.encoder.static import Static, static64
from freehold.runtime.student.artifact import Tensor
from freehold.runtime.student.sense import joined, unit

COSINES = 1024
AXES = 128
ALIKE = 2.0
"""Standard deviation of the lift's angles: pieces count as one word up to a distance of about one half."""


class Sense(Struct, frozen=True):
    """`vectors`: unit vectors [texts, size]; `tensors`: those of `SoftWords`; `centre`: see `joined`."""

    vectors: Matrix
    tensors: dict[str, Tensor]
    centre: Matrix


def sensed(texts: Sequence[str], encoded: Matrix, *, share: float, seed: int) -> Sense:
    """Labels play no part in it."""
    table, random = static64(), np.random.default_rng([seed, 2_000_000])
    turn = (random.normal(size=(table.size, COSINES)) * ALIKE).astype(np.float16).astype(np.float32)
    phase = (random.random(COSINES) * 2 * np.pi).astype(np.float32)
    sums = _sums(table, texts, turn, phase)
    centre: Matrix = sums.mean(0)
    sums -= centre
    even = unit(sums)
    axes: Matrix = np.linalg.eigh(even.T @ even)[1][:, -AXES:].astype(np.float16).astype(np.float32)
    soft = sums @ axes
    tensors = {
        "turn": turn.astype(np.float16),
        "phase": phase,
        "axes": axes.astype(np.float16),
        "centre": centre @ axes,
    }
    middle: Matrix = encoded.mean(0)
    return Sense(joined(encoded, unit(soft), centre=middle, share=share), tensors, middle)


def _sums(table: Static, texts: Sequence[str], turn: Matrix, phase: Matrix) -> Matrix:
    """The sum over each text's pieces: [texts, cosines]."""
    found = [table.ids(text) for text in texts]
    pieces = sorted({i for ids in found for i in ids})
    place = {piece: at for at, piece in enumerate(pieces)}
    columns = np.array([place[i] for ids in found for i in ids], np.int32)
    ends = np.cumsum([0, *map(len, found)])
    counts = csr_matrix((np.ones(len(columns), np.float32), columns, ends), shape=(len(texts), len(pieces)))
    return counts @ lifted(table, pieces, turn, phase)
