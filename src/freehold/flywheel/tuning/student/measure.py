"""What held rows show: the scale of each head, the calibration, the thresholds, and how good the answers are."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from freehold.flywheel.tuning.student.calibrate import Bools, Floats, kept, line, log_loss, threshold
from freehold.flywheel.tuning.student.learn import Heads, Learnt
from freehold.flywheel.tuning.student.lesson import Lesson, context
from freehold.flywheel.tuning.student.libraries import beta
from freehold.flywheel.tuning.student.rounds import Round
from freehold.runtime.encoder.port import Matrix
from freehold.runtime.student.artifact import Rules
from freehold.runtime.student.contract import Enum, written
from freehold.runtime.student.contract import Path as FieldPath
from freehold.runtime.student.heads import Found, Tagger, softmax, value
from freehold.runtime.student.student import calibrated, outside, scope_score

NEAR_SCALES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
TEMPERATURES = tuple(1.25**k for k in range(-6, 7))


class Aims(Struct, frozen=True, kw_only=True):
    """See `tuner.Recipe`."""

    accuracy: float
    out_of_scope: tuple[str, ...] = ()
    keep: float = 0.95


class Result(Struct, frozen=True):
    """`scales`: for each enum what to multiply its votes and its deep part with."""

    scales: list[tuple[float, float]]
    rules: Rules
    metrics: dict[str, float]


def measured(lesson: Lesson, plan: Sequence[Round], learnt: Learnt, aims: Aims) -> Result:
    """From what each round's heads say of the rows that they have not seen."""
    trial, hold = learnt.heads[1:], np.concatenate([r.hold for r in plan])
    logits: list[Matrix] = []
    scales: list[tuple[float, float]] = []
    for number, labels in enumerate(lesson.labels):
        scale, joined = _joined(lesson, plan, learnt, number, labels[hold])
        scales.append(scale)
        logits.append(joined)
    classes = [z.argmax(1) for z in logits]
    log_chance = np.zeros(len(hold))
    for z in logits:
        log_chance += np.log(np.maximum(softmax(z).max(1), 1e-12))
    found = _found(lesson, plan, trial, hold, classes)
    log_chance += np.array([f.log_chance for f in found])
    numbers: list[int] = hold.tolist()
    right = np.array([_right(lesson, i, at, classes, found[at]) for at, i in enumerate(numbers)])
    slope, offset = line(log_chance, right)
    chances = np.array([calibrated(float(x), slope, offset) for x in log_chance])
    passed, scope, metrics = _scope(lesson, hold, logits, aims)
    least = threshold(np.where(passed, chances, 0.0), right & passed, aims.accuracy)
    rules = Rules(threshold=least, slope=slope, offset=offset, out_of_scope=aims.out_of_scope, scope=scope)
    return Result(scales, rules, metrics | _figures(right, passed & (chances >= least), chances))


def _joined(
    lesson: Lesson, plan: Sequence[Round], learnt: Learnt, number: int, labels: NDArray[np.int64]
) -> tuple[tuple[float, float], Matrix]:
    """The scale in which votes and deep part say the most together, and the logits of the held rows in it."""
    parts: list[Matrix] = []
    for round_, heads in zip(plan, learnt.heads[1:], strict=True):
        t, width = heads.enums[number], lesson.rows.shape[1]
        seen = lesson.rows[round_.hold] @ t["deep"][:width] + lesson.meaning[round_.hold] @ t["deep"][width:]
        parts.append(np.maximum(seen + t["deep_b"], 0) @ t["out"] + t["out_b"])
    deep = np.concatenate(parts)
    near = np.zeros_like(deep) if learnt.votes is None else np.concatenate(learnt.votes.held[number])
    scales = NEAR_SCALES if learnt.votes is not None else (0.0,)
    best = min(
        ((s / t, 1 / t) for s in scales for t in TEMPERATURES),
        key=lambda x: log_loss(np.float32(x[0]) * near + np.float32(x[1]) * deep, labels),
    )
    return best, np.float32(best[0]) * near + np.float32(best[1]) * deep


def _found(
    lesson: Lesson,
    plan: Sequence[Round],
    trial: Sequence[Heads],
    hold: NDArray[np.int64],
    classes: Sequence[NDArray[np.int64]],
) -> list[Found]:
    """What each round's tagger finds in its held rows."""
    if not lesson.tagged:
        return [Found({}, 0.0)] * len(hold)
    out: list[Found] = []
    for round_, heads in zip(plan, trial, strict=True):
        tagger = Tagger(lesson.contract.spans, {w: i for i, w in enumerate(heads.words)}, heads.spans)
        numbers: list[int] = round_.hold.tolist()
        for i in numbers:
            at = len(out)
            out.append(tagger.find(lesson.texts[i], context(lesson, [int(c[at]) for c in classes])))
    return out


def _right(lesson: Lesson, row: int, at: int, classes: Sequence[NDArray[np.int64]], spans: Found) -> bool:
    """Whether the whole answer is the target."""
    contract = lesson.contract
    found: dict[FieldPath, object] = {
        f.path: value(f, int(c[at])) for f, c in zip(contract.enums, classes, strict=True)
    }
    found |= {contract.spans[i].path: pieces for i, pieces in spans.pieces.items()}
    try:
        return same(written(contract, found), lesson.targets[row], bare=contract.bare)
    except ValueError:
        return False


def same(answer: str, target: str, *, bare: bool) -> bool:
    """Whether two answers say the same: labels letter by letter, JSON value by value."""
    if bare:
        return answer == target.strip()
    return msgspec.json.decode(answer) == msgspec.json.decode(target)


def _scope(
    lesson: Lesson, hold: NDArray[np.int64], logits: Sequence[Matrix], aims: Aims
) -> tuple[Bools, float | None, dict[str, float]]:
    """Which held rows are let through, the least score, and what that does."""
    if not aims.out_of_scope:
        return np.ones(len(hold), np.bool_), None, {}
    enum: Enum = lesson.contract.enums[0]
    out = outside(enum.values, aims.out_of_scope)
    scores: Floats = np.array([scope_score(z, out) for z in logits[0]])
    scores[out[logits[0].argmax(1)]] = -math.inf
    strange = out[lesson.labels[0][hold]]
    least = kept(scores[~strange], aims.keep)
    passed = scores >= least
    metrics = {
        "in_scope_kept": float(passed[~strange].mean()),
        "out_of_scope_found": float((~passed[strange]).mean()) if strange.any() else math.nan,
    }
    return passed, least, metrics


def _figures(right: Bools, answered: Bools, chances: Floats) -> dict[str, float]:
    count, good = int(answered.sum()), int((right & answered).sum())
    lower = float(beta.ppf(0.05, good, count - good + 1)) if good else 0.0
    return {
        "held_rows": float(len(right)),
        "accuracy": float(right.mean()),
        "answered": float(answered.mean()),
        "answered_accuracy": good / count if count else 0.0,
        "answered_accuracy_at_least": lower,
        "calibration_error": calibration_error(chances, right),
    }


def calibration_error(chances: Floats, right: Bools, bins: int = 15) -> float:
    """Expected calibration error over bins with equally many rows (Nixon et al. 2019)."""
    order = np.argsort(chances)
    parts = [p for p in np.array_split(order, bins) if len(p)]
    return float(sum(len(p) * abs(chances[p].mean() - right[p].mean()) for p in parts) / len(order))
