"""The learner behind a student's deep parts: one hidden layer, on sparse rows."""

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
    """How the deep learner is trained: Adam (Kingma and Ba 2015), its rate falling to a tenth."""

    hidden: int = 128
    epochs: int = 4
    batch: int = 128
    rate: float = 0.01
    dropout: float = 0.3
    smooth: float = 0.05


class Deep:
    """One hidden layer of rectified units on sparse rows. Only the columns of a batch are touched in its step."""

    def __init__(self, columns: int, classes: int, plan: Plan, random: np.random.Generator) -> None:
        self.plan = plan
        hidden = plan.hidden
        self._random = random
        self.deep = _uniform(random, columns, hidden)
        self.small = {
            "deep_b": np.zeros(hidden, np.float32),
            "out": _uniform(random, hidden, classes),
            "out_b": np.zeros(classes, np.float32),
        }
        self._seen, self._place = np.zeros(columns, np.bool_), np.empty(columns, np.int32)
        self._moments = (np.zeros_like(self.deep), np.zeros_like(self.deep))
        self._small_moments = {n: (np.zeros_like(p), np.zeros_like(p)) for n, p in self.small.items()}

    def train(self, rows: Sparse, labels: Labels, *, weights: Matrix, progress: Stopped) -> None:
        """Minimise the weighted cross-entropy."""
        plan, count = self.plan, rows.shape[0]
        batches = -(-count // plan.batch)
        step, steps = 0, plan.epochs * batches
        for _ in range(plan.epochs):
            order = self._random.permutation(count)
            for at in range(0, count, plan.batch):
                step += 1
                chosen = order[at : at + plan.batch]
                rate = plan.rate * (1 - 0.9 * step / steps)
                self._step(rows[chosen], labels[chosen], weights[chosen], rate, step)
                progress(step / steps)

    def _step(self, rows: Sparse, labels: Labels, weights: Matrix, rate: float, step: int) -> None:
        plan, p = self.plan, self.small
        seen = self._seen
        seen[rows.indices] = True
        used = np.flatnonzero(seen)
        seen[used] = False
        self._place[used] = np.arange(len(used), dtype=np.int32)
        local = csr_matrix((rows.data, self._place[rows.indices], rows.indptr), shape=(len(labels), len(used)))
        before: Matrix = local @ self.deep[used] + p["deep_b"]
        mask = (self._random.random(before.shape, dtype=np.float32) >= plan.dropout) / np.float32(1 - plan.dropout)
        hidden = np.maximum(before, 0) * mask
        error = _softmax(hidden @ p["out"] + p["out_b"])
        classes = error.shape[1]
        error -= np.float32(plan.smooth / classes)
        error[np.arange(len(labels)), labels] -= np.float32(1 - plan.smooth)
        error *= (weights / len(labels))[:, None]
        back: Matrix = (error @ p["out"].T) * mask * (before > 0)
        slopes = {"out": hidden.T @ error, "out_b": error.sum(0), "deep_b": back.sum(0)}
        scale = _Scale(rate, step)
        for name, slope in slopes.items():
            scale.step(p[name], slope, *self._small_moments[name])
        first, second = self._moments
        touched = (self.deep[used], first[used], second[used])
        scale.step(touched[0], local.T @ back, *touched[1:])
        self.deep[used], first[used], second[used] = touched

    def logits(self, rows: Sparse) -> Matrix:
        p = self.small
        return np.maximum(rows @ self.deep + p["deep_b"], 0) @ p["out"] + p["out_b"]


class _Scale:
    """One step of Adam with its corrections for a cold start."""

    def __init__(self, rate: float, step: int) -> None:
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


def _uniform(random: np.random.Generator, rows: int, columns: int) -> Matrix:
    """Glorot and Bengio 2010."""
    bound = np.float32(np.sqrt(6 / (rows + columns)))
    return (random.random((rows, columns), dtype=np.float32) * 2 - 1) * bound


def _softmax(logits: Matrix) -> Matrix:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)
