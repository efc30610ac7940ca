"""Soft words: a bag of words in which words of like meaning are nearly the same word.

Each word piece of the table that comes along is lifted to random cosines (Rahimi and Recht 2007), so that the dot
product of two pieces is near 1 where they mean much the same and near 0 elsewhere. A text is the weighted sum of its
pieces, less what all texts share, in the directions in which the texts learnt from differ the most.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freehold.runtime.encoder.port import Matrix
from freehold.runtime.encoder.static import Static


class SoftWords:
    """Encodes by soft words. Tensors: `turn` [table, cosines] and `phase` [cosines] of the lift, `axes` [cosines, size]
    the directions kept, `centre` [size] what all texts share."""

    def __init__(self, table: Static, tensors: Mapping[str, NDArray[Any]]) -> None:
        self._table = table
        self._turn, self._phase, self._axes, self._centre = (
            tensors[name].astype(np.float32) for name in ("turn", "phase", "axes", "centre")
        )
        self._pieces = np.zeros((table.pieces, self.size), np.float32)
        self._known = np.zeros(table.pieces, np.bool_)

    @property
    def size(self) -> int:
        return self._axes.shape[1]

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors, one row for each text: float32 [texts, size]."""
        out = np.empty((len(texts), self.size), np.float32)
        for i, text in enumerate(texts):
            ids = self._table.ids(text)
            if not self._known[ids].all():
                self._learn(ids)
            out[i] = self._pieces[ids].sum(0) - self._centre
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), np.float32(1e-12))

    def _learn(self, ids: list[int]) -> None:
        """A piece is lifted when it is first met, since most of the table never is; and alone, so that its last bits
        do not depend on its company."""
        for i in set(ids):
            if not self._known[i]:
                self._pieces[i] = lifted(self._table, [i], self._turn, self._phase)[0] @ self._axes
                self._known[i] = True


def lifted(table: Static, ids: Sequence[int], turn: Matrix, phase: Matrix) -> Matrix:
    """Weighted cosines of pieces: float32 [pieces, cosines]."""
    rows = table.rows(ids)
    length = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
    return np.cos(rows / length @ turn + phase) * np.sqrt(2 * table.weights(ids)[:, None] * length / turn.shape[1])
