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


class Classifier:
    """Chances of the values of one `Enum`: a wide linear layer plus a deep one with a hidden layer.

    Tensors: `wide` [columns, classes], `wide_b`, `deep` [narrow, hidden], `deep_b`, `out` [hidden, classes], `out_b`;
    the logits of both are added. The last `dense` rows of `wide` and `deep` are the sentence encoder's; `deep` sees
    only the first columns, not the word pairs, which are many.
    """

    def __init__(self, field: Enum, tensors: Tensors, dense: int) -> None:
        self.field = field
        small = ("wide_b", "deep_b", "out", "out_b")
        self._wide_b, self._deep_b, self._out, self._out_b = (tensors[n].astype(np.float32) for n in small)
        self._wide, self._deep = np.asarray(tensors["wide"]), np.asarray(tensors["deep"])
        self._narrow = len(self._deep) - dense
        self._wide_dense = self._wide[len(self._wide) - dense :].astype(np.float32)
        self._deep_dense = self._deep[self._narrow :].astype(np.float32)

    def logits(self, columns: Indices, values: Weights, vector: Matrix | None) -> Matrix:
        """One text's logits [classes]."""
        narrow = columns < self._narrow
        wide = values @ self._wide[columns].astype(np.float32) + self._wide_b
        deep = values[narrow] @ self._deep[columns[narrow]].astype(np.float32) + self._deep_b
        if vector is not None:
            wide += vector @ self._wide_dense
            deep += vector @ self._deep_dense
        return wide + np.maximum(deep, 0) @ self._out + self._out_b


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
