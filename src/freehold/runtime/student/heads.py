"""Heads: what turns a text's features into a field of the answer. Pure numpy, so that answering needs no more."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.runtime.encoder.port import Matrix
from freehold.runtime.student.contract import ABSENT, Enum, Span
from freehold.runtime.student.features import Indices, Weights
from freehold.runtime.student.tokens import Token, sights, tokens

Tensors = Mapping[str, NDArray[Any]]


WIDTH = np.float32(2.0)
"""How fast nearness falls with distance: exp(WIDTH * (cosine - 1))."""


def nearness(a: Matrix, b: Matrix) -> Matrix:
    """How near unit vectors are to each other, from 0 to 1 (a Gaussian kernel): [rows of a, rows of b]."""
    near = a @ b.T
    near -= 1
    near *= WIDTH
    return np.exp(near, out=near)


class Classifier:
    """Chances of the values of one `Enum`: a vote of the texts learnt from, by their nearness, plus a deep part with a
    hidden layer.

    Tensors: `deep` [columns, hidden], `deep_b`, `out` [hidden, classes], `out_b`, and where the student has a sense of
    meaning `vote` [texts, classes]; the logits of both are added. The last `dense` rows of `deep` are the meaning's.
    """

    def __init__(self, field: Enum, tensors: Tensors, dense: int) -> None:
        self.field = field
        small = ("deep_b", "out", "out_b")
        self._deep_b, self._out, self._out_b = (tensors[n].astype(np.float32) for n in small)
        self._deep = np.asarray(tensors["deep"])
        self._dense = self._deep[len(self._deep) - dense :].astype(np.float32)
        self._vote = tensors["vote"].astype(np.float32) if "vote" in tensors else None

    def logits(self, columns: Indices, values: Weights, vector: Matrix | None, near: Matrix | None) -> Matrix:
        """One text's logits [classes]. `vector`: its meaning, weighted; `near`: nearness to the texts learnt from."""
        deep = values @ self._deep[columns].astype(np.float32) + self._deep_b
        if vector is not None:
            deep += vector @ self._dense
        out = np.maximum(deep, 0) @ self._out + self._out_b
        return out if near is None or self._vote is None else out + near @ self._vote


def softmax(logits: Matrix) -> Matrix:
    """Chances over the last axis."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


class Found(Struct, frozen=True):
    """What a tagger found: pieces of the text by field number, and the natural logarithm of its chance."""

    pieces: dict[int, list[str]]
    log_chance: float


class Tagger:
    """Finds the spans of a text: chances of each token's tag by a hidden layer, then the best path that is allowed.

    Tensors: `deep` [features, hidden], `deep_b`, `out` [hidden, tags], `out_b`, `step` [tags, tags] (log weight of tag
    j after tag i) and `start` [tags].
    """

    def __init__(self, fields: Sequence[Span], index: dict[str, int], tensors: Tensors) -> None:
        self.fields = tuple(fields)
        self._index = index
        self._deep = np.asarray(tensors["deep"])
        small = ("deep_b", "out", "out_b", "step", "start")
        self._deep_b, self._out, self._out_b, self._step, self._start = (tensors[n].astype(np.float32) for n in small)

    def find(self, text: str, context: list[str]) -> Found:
        row = tokens(text)
        if not row:
            return Found({}, 0.0)
        hidden = np.empty((len(row), len(self._deep_b)), np.float32)
        get = self._index.get
        for i, features in enumerate(sights(row, context)):
            columns = [c for f in features if (c := get(f)) is not None]
            hidden[i] = self._deep[columns].sum(0, dtype=np.float32)
        logits = np.maximum(hidden + self._deep_b, 0) @ self._out + self._out_b
        path, log_chance = best_path(logits, self._step, self._start)
        return Found(pieces(text, row, path), log_chance)


def best_path(logits: Matrix, step: Matrix, start: Matrix) -> tuple[list[int], float]:
    """The likeliest allowed sequence of tags (Viterbi), and the log chance of its tags given each token alone.

    `logits` [tokens, tags]; `step` [tags, tags] and `start` [tags] are added, minus infinity forbids.
    """
    top = logits.max(1, keepdims=True)
    logs = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))
    score = logs[0] + start
    back = np.empty(logs.shape, np.int64)
    for i in range(1, len(logs)):
        reached = score[:, None] + step
        back[i] = reached.argmax(0)
        score = reached[back[i], np.arange(len(score))] + logs[i]
    path = [int(score.argmax())]
    for i in range(len(logs) - 1, 0, -1):
        path.append(int(back[i, path[-1]]))
    path.reverse()
    return path, float(logs[np.arange(len(logs)), path].sum())


def pieces(text: str, row: Sequence[Token], path: Sequence[int]) -> dict[int, list[str]]:
    """The spans that tags mark, by field number, in the order of the text."""
    found: dict[int, list[str]] = {}
    at = 0
    while at < len(row):
        tag = path[at]
        if tag == 0:
            at += 1
            continue
        field = (tag - 1) // 2
        stop = at + 1
        while stop < len(row) and path[stop] == 2 * field + 2:
            stop += 1
        found.setdefault(field, []).append(text[row[at].start : row[stop - 1].end])
        at = stop
    return found


def value(field: Enum, index: int) -> object:
    """The value of a class."""
    return field.values[index] if index < len(field.values) else ABSENT
