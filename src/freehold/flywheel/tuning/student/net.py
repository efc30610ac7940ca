"""The learner behind a student's deep parts: one hidden layer, on sparse rows and what each text means."""

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.flywheel.tuning.student.libraries import csr_matrix
from freehold.runtime.encoder.port import Matrix

Labels = NDArray[np.int64]
Sparse = Any
"""scipy.sparse.csr_matrix of float32 [rows, columns]; scipy is not typed."""

Stopped = Callable[[float], None]
"""Hears the share of the work that is done; may raise to stop it."""


def sparse(rows: list[tuple[NDArray[Any], NDArray[Any]]], width: int) -> Sparse:
    """A matrix from its rows' columns and values."""
    ends = np.cumsum([0, *(len(columns) for columns, _ in rows)])
    columns = np.concatenate([c for c, _ in rows]) if rows else np.empty(0, np.int32)
    values = np.concatenate([v for _, v in rows]) if rows else np.empty(0, np.float32)
    return csr_matrix((values.astype(np.float32), columns.astype(np.int32), ends), shape=(len(rows), width))


class Plan(Struct, frozen=True, kw_only=True):
    """How the deep learner is trained. `dropout` forgets hidden units, `forget` what the sparse rows hold."""

    hidden: int = 64
    epochs: int = 4
    batch: int = 128
    rate: float = 0.01
    dropout: float = 0.3
    forget: float = 0.3
    smooth: float = 0.05


class Deep:
    """One hidden layer of rectified units, over sparse columns and `dense` more numbers.

    Adam (Kingma and Ba 2015), its rate falling to a tenth. A sparse column has one rate for all its weights and no
    momentum, and only the columns of a batch are touched in its step: that is where nearly all the time goes.
    """

    def __init__(self, columns: int, dense: int, classes: int, plan: Plan, random: np.random.Generator) -> None:
        self.plan = plan
        hidden = plan.hidden
        self._random = random
        deep = _uniform(random, columns + dense, hidden)
        self._sparse = deep[:columns]
        self._small = {
            "dense": deep[columns:],
            "deep_b": np.zeros(hidden, np.float32),
            "out": _uniform(random, hidden, classes),
            "out_b": np.zeros(classes, np.float32),
        }
        self._squares = np.zeros(columns, np.float32)
        self._moments = {n: (np.zeros_like(p), np.zeros_like(p)) for n, p in self._small.items()}
        self._seen, self._place = np.zeros(columns, np.bool_), np.empty(columns, np.int32)

    @property
    def tensors(self) -> dict[str, Matrix]:
        """`deep` [columns + dense, hidden], `deep_b`, `out` [hidden, classes], `out_b`."""
        small = self._small
        return {
            "deep": np.concatenate([self._sparse, small["dense"]]),
            **{n: small[n] for n in ("deep_b", "out", "out_b")},
        }

    def train(self, rows: Sparse, dense: Matrix, labels: Labels, *, weights: Matrix, progress: Stopped) -> None:
        """Minimise the weighted cross-entropy. `rows` [texts, columns] and `dense` [texts, dense] go together."""
        plan, count = self.plan, rows.shape[0]
        step, steps = 0, plan.epochs * -(-count // plan.batch)
        aims = np.full((count, self._small["out_b"].size), plan.smooth / self._small["out_b"].size, np.float32)
        aims[np.arange(count), labels] += np.float32(1 - plan.smooth)
        for _ in range(plan.epochs):
            order = self._random.permutation(count)
            mixed = rows[order]
            kept = self._random.random(len(mixed.data), dtype=np.float32) >= plan.forget
            mixed.data *= kept / np.float32(1 - plan.forget)
            for at in range(0, count, plan.batch):
                step += 1
                chosen = order[at : at + plan.batch]
                rate = plan.rate * (1 - 0.9 * step / steps)
                scale = (weights[chosen] / np.float32(len(chosen)))[:, None]
                self._step(mixed[at : at + plan.batch], dense[chosen], aims[chosen], scale, _Scale(rate, step))
                progress(step / steps)

    def _step(self, rows: Sparse, dense: Matrix, aims: Matrix, weights: Matrix, scale: "_Scale") -> None:
        plan, p, seen = self.plan, self._small, self._seen
        seen[rows.indices] = True
        used = np.flatnonzero(seen)
        seen[used] = False
        self._place[used] = np.arange(len(used), dtype=np.int32)
        local = csr_matrix((rows.data, self._place[rows.indices], rows.indptr), shape=(len(aims), len(used)))
        touched = self._sparse[used]
        before: Matrix = local @ touched + dense @ p["dense"] + p["deep_b"]
        mask = (self._random.random(before.shape, dtype=np.float32) >= plan.dropout) / np.float32(1 - plan.dropout)
        mask *= before > 0
        hidden = before * mask
        error = _softmax(hidden @ p["out"] + p["out_b"]) - aims
        error *= weights
        back: Matrix = (error @ p["out"].T) * mask
        slopes = {"out": hidden.T @ error, "out_b": error.sum(0), "deep_b": back.sum(0), "dense": dense.T @ back}
        for name, slope in slopes.items():
            scale.step(p[name], slope, *self._moments[name])
        squares = self._squares[used]
        scale.step_rows(touched, local.T @ back, squares)
        self._sparse[used], self._squares[used] = touched, squares


class _Scale:
    """One step of Adam with its corrections for a cold start."""

    def __init__(self, rate: float, step: int) -> None:
        self._plain = np.float32(rate)
        self._rate = np.float32(rate / (1 - 0.9**step))
        self._correct = np.float32(1 / (1 - 0.999**step))

    def step(self, value: Matrix, slope: Matrix, first: Matrix, second: Matrix) -> None:
        """Moves `value` and its moments in place and uses `slope` up: new memory for each part would take longer."""
        part = slope - first
        part *= np.float32(0.1)
        first += part
        slope *= slope
        slope -= second
        slope *= np.float32(0.001)
        second += slope
        np.multiply(second, self._correct, out=part)
        np.sqrt(part, out=part)
        part += np.float32(1e-8)
        np.divide(first, part, out=part)
        part *= self._rate
        value -= part

    def step_rows(self, value: Matrix, slope: Matrix, second: Matrix) -> None:
        """The same without the first moment, and with one second moment a row: the mean of its squares."""
        second += np.float32(0.001) * (np.einsum("ij,ij->i", slope, slope) / np.float32(slope.shape[1]) - second)
        slope *= (self._plain / (np.sqrt(second * self._correct) + np.float32(1e-8)))[:, None]
        value -= slope


def _uniform(random: np.random.Generator, rows: int, columns: int) -> Matrix:
    """Glorot and Bengio 2010."""
    bound = np.float32(np.sqrt(6 / (rows + columns)))
    return (random.random((rows, columns), dtype=np.float32) * 2 - 1) * bound


def _softmax(logits: Matrix) -> Matrix:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)
