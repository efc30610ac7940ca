"""Labelling: which interactions to show to people, so that their answers teach most; as a table, there and back.

Without scores the sample is diverse: each pick is the one that is least like all picked before (greedy k-centre on
MinHash signatures, Gonzalez 1985, within twice the optimal radius). With scores, such as a model's uncertainty, each
pick has the greatest score times distance: uncertain, and unlike what will be labelled anyway.
"""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest, StoreFailed
from freehold.core.ports import FeedbackStore
from freehold.flywheel.curation.alike import prompt
from freehold.flywheel.curation.minhash import signatures, template
from freehold.flywheel.feedback.importing import Report, import_csv

Scores = Callable[[Sequence[Example]], Sequence[float]]
"""For each example how much its label would teach, from 0 up."""

SHOWN = ("text", "answer")
"""Columns for the eyes of those who label; they are not read back."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Pick(Struct, frozen=True, kw_only=True):
    """One row to label: `score` is what it was picked for, distance or score times distance."""

    example: Example
    score: float


def sample(pool: Sequence[Example], budget: int, scores: Scores | None = None) -> list[Pick]:
    """The `budget` examples that teach most, the best first. What people have already said something about is no longer
    in question, nor is what came from a file."""
    open_ = sorted((e for e in pool if e.source == "answer" and e.inference is not None), key=lambda e: e.id)
    if not open_ or budget <= 0:
        return []
    texts = [prompt(e) for e in open_]
    found = signatures(texts, ignore=template(texts))
    worth = np.ones(len(open_)) if scores is None else np.asarray(scores(open_), dtype=np.float64)
    if worth.shape != (len(open_),) or not np.isfinite(worth).all() or (worth < 0).any():
        raise InvalidRequest(f"scores: expected {len(open_)} numbers from 0 up, one for each example")
    distance = np.ones(len(open_))
    picks: list[Pick] = []
    left = np.ones(len(open_), dtype=bool)
    for _ in range(min(budget, len(open_))):
        gain = np.where(left, worth * distance, -1.0)
        best = int(gain.argmax())
        picks.append(Pick(example=open_[best], score=round(float(gain[best]), 6)))
        left[best] = False
        distance = np.minimum(distance, 1.0 - (found == found[best]).mean(axis=1))
    return picks


def export(picks: Sequence[Pick], path: Path) -> int:
    """Write picks to be labelled, as CSV or (named *.jsonl) JSON lines; how many. The column `correction` is to be
    filled with the right answer, or `good` with yes where the answer is right."""
    columns: list[str] = ["inference", *SHOWN, "good", "correction", "author"]
    rows = [{"inference": p.example.inference, "text": prompt(p.example), "answer": p.example.target} for p in picks]
    try:
        if path.suffix.casefold() in {".jsonl", ".ndjson"}:
            path.write_bytes(b"".join(msgspec.json.encode(row | _EMPTY) + b"\n" for row in rows))
        else:
            with path.open("w", encoding="utf-8-sig", newline="") as file:
                writer = csv.DictWriter(file, columns, restval="")
                writer.writeheader()
                writer.writerows({k: _tame(v) for k, v in row.items()} for row in rows)
    except OSError as error:
        raise StoreFailed(f"{path} cannot be written: {error.strerror}") from error
    return len(rows)


_EMPTY = {"good": None, "correction": None, "author": None}


def import_labels(path: Path, store: FeedbackStore, *, now: int, by: str | None = None) -> Report:
    """Read a labelled table back, as feedback: corrections and thumbs. Rows that nobody filled in are counted
    as such, and may be filled in later."""
    return import_csv(path, store, now=now, by=by, ignored=SHOWN)


def _tame(value: str | None) -> str | None:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + value if value is not None and value.startswith(_FORMULA) else value
