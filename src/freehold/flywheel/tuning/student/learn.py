"""Learning the heads of several rounds at once, on a few threads: NumPy and SciPy let each other run."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.flywheel.tuning.student.lesson import TOKEN_VALUE, Lesson, token_rows
from freehold.flywheel.tuning.student.near import Votes, vote
from freehold.flywheel.tuning.student.net import Deep, Plan
from freehold.flywheel.tuning.student.rounds import Round
from freehold.runtime.encoder.port import Matrix
from freehold.runtime.student.artifact import Tensor, packed

Progress = Callable[[float, str], None]
"""Hears the share of the work that is done and what is being done; may raise to stop it."""

STEPS = 20_000
"""Rows that a deep head sees at least, so that few examples are seen more often; up to 12 times, where they are few."""
LEAST = 16_000
"""The same where they are very few, up to 30 times."""

TOKENS = 300_000
"""The same for a tagger."""

NETS = 4
"""Deep learners of one head that differ by their seeds; their logits are averaged."""

VOTE_WORK, DEEP_WORK, TAG_WORK = 4.0, 1.0, 12.0
"""How long each takes, about, in units of a deep learner's time."""


class Heads(Struct, frozen=True):
    """What one round learnt: the deep part of each enum (see `Classifier`); the tagger's tensors and words."""

    enums: list[dict[str, Matrix]]
    spans: dict[str, Tensor]
    words: list[str]


class Learnt(Struct, frozen=True):
    """The heads of each round, in the order of the rounds; the votes, where there is a sense, with what they say of
    the rows that each round holds."""

    heads: list[Heads]
    votes: Votes | None


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


def learn(lesson: Lesson, plan: Sequence[Round], *, seed: int, threads: int, hear: Progress) -> Learnt:
    """The heads from all rows, then those of each round, and the votes."""
    everything = Round(np.arange(len(lesson.texts)), np.arange(0))
    heads = len(lesson.labels)
    each = NETS * DEEP_WORK * heads + (TAG_WORK if lesson.tagged else 0)
    voting = lesson.sense is not None and heads > 0
    work = Work((len(plan) + 1) * each + (VOTE_WORK if voting else 0), hear)
    with ThreadPoolExecutor(threads) as pool:
        votes = pool.submit(_votes, lesson, plan, seed, work) if voting else None
        enums = [
            [
                [pool.submit(_deep, lesson, number, round_, work, seed=[seed, number, net]) for net in range(NETS)]
                for number in range(heads)
            ]
            for round_ in (everything, *plan)
        ]
        spans = [
            pool.submit(_spans, lesson, round_, seed, work) if lesson.tagged else None for round_ in (everything, *plan)
        ]
        return Learnt(
            [
                Heads(
                    [together([net.result() for net in nets]) for nets in row],
                    *(tagger.result() if tagger else ({}, [])),
                )
                for row, tagger in zip(enums, spans, strict=True)
            ],
            votes.result() if votes is not None else None,
        )


def _votes(lesson: Lesson, plan: Sequence[Round], seed: int, work: Work) -> Votes:
    progress = work.part(VOTE_WORK, "the votes")
    progress(0.0)
    assert lesson.sense is not None
    votes = vote(
        lesson.sense.vectors,
        lesson.labels,
        [enum.classes for enum in lesson.contract.enums],
        plan,
        weights=lesson.weights,
        random=np.random.default_rng([seed, 3_000_000]),
    )
    progress(1.0)
    return votes


def _deep(lesson: Lesson, number: int, round_: Round, work: Work, *, seed: Sequence[int]) -> dict[str, Matrix]:
    learn_ = round_.learn
    most = max(12, min(30, LEAST / len(learn_)))
    epochs = int(np.clip(STEPS / len(learn_), 4, most))
    plan = Plan(epochs=epochs, batch=128 if len(learn_) > 4000 else 64)
    columns, size = lesson.rows.shape[1], lesson.meaning.shape[1]
    model = Deep(columns, size, lesson.contract.enums[number].classes, plan, np.random.default_rng(seed))
    model.train(
        lesson.rows[learn_],
        lesson.meaning[learn_],
        lesson.labels[number][learn_],
        weights=lesson.weights[learn_],
        progress=work.part(DEEP_WORK, "deep heads"),
    )
    return model.tensors


def together(nets: Sequence[dict[str, Matrix]]) -> dict[str, Matrix]:
    """Several deep learners as one, side by side, whose logits are their mean."""
    share = np.float32(1 / len(nets))
    return {
        "deep": np.concatenate([n["deep"] for n in nets], axis=1),
        "deep_b": np.concatenate([n["deep_b"] for n in nets]),
        "out": np.concatenate([n["out"] for n in nets]) * share,
        "out_b": np.sum([n["out_b"] for n in nets], axis=0) * share,
    }


def _spans(lesson: Lesson, round_: Round, seed: int, work: Work) -> tuple[dict[str, Tensor], list[str]]:
    progress = work.part(TAG_WORK, "the tagger")
    progress(0.0)
    tokens = token_rows(lesson, round_.learn)
    fields = len(lesson.contract.spans)
    count = len(tokens.labels)
    epochs = int(np.clip(TOKENS / max(count, 1), 3, 30))
    plan = Plan(epochs=epochs, batch=256 if count > 50_000 else 64, rate=0.005, smooth=0.0, hidden=128, forget=0.0)
    model = Deep(len(tokens.index), 0, 2 * fields + 1, plan, np.random.default_rng([seed, 1_000_000]))
    nothing = np.empty((count, 0), np.float32)
    model.train(tokens.rows, nothing, tokens.labels, weights=tokens.weights, progress=progress)
    step, start = allowed(fields)
    learnt = model.tensors
    found = learnt | {"deep": learnt["deep"] * TOKEN_VALUE, "step": step, "start": start}
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


def tensors(lesson: Lesson, learnt: Learnt, scales: Sequence[tuple[float, float]]) -> Mapping[str, Tensor]:
    """Everything that the artifact holds, votes and deep parts in their scales. The large tables are kept in half
    precision."""
    heads, votes = learnt.heads[0], learnt.votes
    found: dict[str, NDArray[Any]] = {}
    for grams in lesson.kinds:
        found[f"{grams.kind}.words"] = packed(list(grams.index))
        found[f"{grams.kind}.idf"] = np.array(grams.idf, np.float32)
    if lesson.sense is not None:
        found |= {f"soft.{n}": t for n, t in lesson.sense.tensors.items()}
        found["centre"] = lesson.sense.centre
        found["support"] = lesson.sense.vectors[votes.rows if votes else []].astype(np.float16)
    for number, (enum, (near, deep)) in enumerate(zip(heads.enums, scales, strict=True)):
        factor = {"out": np.float32(deep), "out_b": np.float32(deep)}
        found |= {f"enum{number}.{n}": _small(n, t * factor.get(n, np.float32(1))) for n, t in enum.items()}
        if votes is not None:
            found[f"enum{number}.vote"] = votes.votes[number] * np.float32(near)
    if heads.spans:
        found |= {f"spans.{n}": _small(n, t) for n, t in heads.spans.items()}
        found["spans.words"] = packed(heads.words)
    return found


def _small(name: str, tensor: Tensor) -> Tensor:
    return tensor.astype(np.float16 if name == "deep" else np.float32)
