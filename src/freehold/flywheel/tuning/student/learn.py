"""Learning the heads of several rounds at once, on a few threads: NumPy, SciPy and LIBLINEAR let each other run."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.flywheel.tuning.student.lesson import TOKEN_VALUE, Lesson, token_rows
from freehold.flywheel.tuning.student.net import Deep, Plan, Sparse, wide
from freehold.flywheel.tuning.student.rounds import Round
from freehold.runtime.encoder.port import Matrix
from freehold.runtime.student.artifact import Tensor, packed

Progress = Callable[[float, str], None]
"""Hears the share of the work that is done and what is being done; may raise to stop it."""

STEPS = 20_000
"""Rows that a deep head sees at least, so that few examples are seen more often."""

TOKENS = 300_000
"""The same for a tagger."""

WIDE_WORK, DEEP_WORK, TAG_WORK = 1.0, 1.0, 12.0
"""How long each takes, about, in units of the first."""


class Heads(Struct, frozen=True):
    """What one round learnt: for each enum its tensors (see `Classifier`), with the wide and the deep part in scales of
    their own; the tagger's tensors and words."""

    enums: list[dict[str, Matrix]]
    spans: dict[str, Tensor]
    words: list[str]


class Work:
    """Counts what is done over all threads. `parts`: how much work there is."""

    def __init__(self, parts: float, hear: Progress) -> None:
        self._parts, self._hear = parts, hear
        self._done = 0.0
        self._lock = Lock()
        self._stopped = False

    def part(self, size: float, what: str) -> Callable[[float], None]:
        """A progress for one part: hears a share from 0 to 1."""
        last = 0.0

        def progress(share: float) -> None:
            nonlocal last
            with self._lock:
                if self._stopped:
                    raise InterruptedError("another part was stopped")
                self._done += (share - last) * size
                last = share
                try:
                    self._hear(min(0.1 + 0.9 * self._done / self._parts, 1.0), what)
                except BaseException:
                    self._stopped = True
                    raise

        return progress


def learn(lesson: Lesson, plan: Sequence[Round], *, seed: int, threads: int, hear: Progress) -> list[Heads]:
    """The heads of each round."""
    size = WIDE_WORK + DEEP_WORK
    work = Work(len(plan) * (size * len(lesson.labels) + (TAG_WORK if lesson.tagged else 0)), hear)
    narrow = lesson.deep_rows()
    with ThreadPoolExecutor(threads) as pool:
        enums = [
            [
                (
                    pool.submit(_wide, lesson, number, round_, work),
                    pool.submit(_deep, lesson, number, round_, work, rows=narrow, seed=seed),
                )
                for number in range(len(lesson.labels))
            ]
            for round_ in plan
        ]
        spans = [pool.submit(_spans, lesson, round_, seed, work) if lesson.tagged else None for round_ in plan]
        return [
            Heads([{**w.result(), **d.result()} for w, d in row], *(tagger.result() if tagger else ({}, [])))
            for row, tagger in zip(enums, spans, strict=True)
        ]


def _wide(lesson: Lesson, number: int, round_: Round, work: Work) -> dict[str, Matrix]:
    learn_, progress = round_.learn, work.part(WIDE_WORK, "wide heads")
    progress(0.0)
    classes = lesson.contract.enums[number].classes
    weights, bias = wide(lesson.rows[learn_], lesson.labels[number][learn_], classes, weights=lesson.weights[learn_])
    progress(1.0)
    return {"wide": weights, "wide_b": bias}


def _deep(lesson: Lesson, number: int, round_: Round, work: Work, *, rows: Sparse, seed: int) -> dict[str, Matrix]:
    learn_ = round_.learn
    epochs = int(np.clip(STEPS / len(learn_), 4, 30))
    plan = Plan(epochs=epochs, batch=128 if len(learn_) > 4000 else 64)
    model = Deep(rows.shape[1], lesson.contract.enums[number].classes, plan, np.random.default_rng([seed, number]))
    model.train(
        rows[learn_],
        lesson.labels[number][learn_],
        weights=lesson.weights[learn_],
        progress=work.part(DEEP_WORK, "deep heads"),
    )
    return {"deep": model.deep, **model.small}


def _spans(lesson: Lesson, round_: Round, seed: int, work: Work) -> tuple[dict[str, Tensor], list[str]]:
    progress = work.part(TAG_WORK, "the tagger")
    progress(0.0)
    tokens = token_rows(lesson, round_.learn)
    fields = len(lesson.contract.spans)
    count = len(tokens.labels)
    epochs = int(np.clip(TOKENS / max(count, 1), 3, 30))
    plan = Plan(epochs=epochs, batch=256 if count > 50_000 else 64, rate=0.005, smooth=0.0)
    model = Deep(len(tokens.index), 2 * fields + 1, plan, np.random.default_rng([seed, 1_000_000]))
    model.train(tokens.rows, tokens.labels, weights=tokens.weights, progress=progress)
    step, start = allowed(fields)
    found = {"deep": model.deep * TOKEN_VALUE, **model.small, "step": step, "start": start}
    return found, list(tokens.index)


def allowed(fields: int) -> tuple[Matrix, Matrix]:
    """Log weights of steps [tags, tags] and of starts: a span goes on only where it has begun."""
    tags = 2 * fields + 1
    step, start = np.zeros((tags, tags), np.float32), np.zeros(tags, np.float32)
    for field in range(fields):
        begins, goes_on = 2 * field + 1, 2 * field + 2
        step[:, goes_on] = -np.inf
        step[begins, goes_on] = step[goes_on, goes_on] = 0
        start[goes_on] = -np.inf
    return step, start


def scaled(heads: dict[str, Matrix], scale: tuple[float, float]) -> dict[str, Matrix]:
    """The tensors of a classifier with the wide and the deep part in one scale."""
    wide_, deep = np.float32(scale[0]), np.float32(scale[1])
    factor = {"wide": wide_, "wide_b": wide_, "out": deep, "out_b": deep}
    return {name: t * factor.get(name, np.float32(1)) for name, t in heads.items()}


def tensors(lesson: Lesson, heads: Heads, scales: Sequence[tuple[float, float]]) -> Mapping[str, Tensor]:
    """Everything that the artifact holds. The large tables are kept in half precision."""
    found: dict[str, NDArray[Any]] = {}
    for grams in lesson.kinds:
        found[f"{grams.kind}.words"] = packed(list(grams.index))
        found[f"{grams.kind}.idf"] = np.array(grams.idf, np.float32)
    for number, (enum, scale) in enumerate(zip(heads.enums, scales, strict=True)):
        found |= {f"enum{number}.{n}": _small(n, t) for n, t in scaled(enum, scale).items()}
    if heads.spans:
        found |= {f"spans.{n}": _small(n, t) for n, t in heads.spans.items()}
        found["spans.words"] = packed(heads.words)
    return found


def _small(name: str, tensor: Tensor) -> Tensor:
    return tensor.astype(np.float16 if name in {"wide", "deep"} else np.float32)
