"""Import: feedback from a table, such as an export of a help desk or of an annotation tool."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from freehold.core.errors import InvalidRequest
from freehold.core.feedback import Feedback
from freehold.core.ports import FeedbackStore
from freehold.flywheel.feedback.given import JUDGING, Given, check, feedback
from freehold.flywheel.feedback.table import Refused, Row, rows, shown

COLUMNS = (
    "inference",
    "episode",
    "good",
    "score",
    "category",
    "comment",
    "correction",
    "preferred_over",
    "author",
    "at",
)
BATCH = 1_000
_YES = frozenset({"true", "yes", "y", "1", "good", "up", "👍"})
_NO = frozenset({"false", "no", "n", "0", "bad", "down", "👎"})


class Report(Struct, frozen=True, kw_only=True):
    """What became of a table: `rows` = `accepted` + `unfilled` + the `refused`. `judgements`: how many were added or
    already there; one row may hold several. `unfilled`: rows that name an inference or episode and do not judge it."""

    rows: int
    accepted: int
    unfilled: int
    judgements: int
    refused: tuple[Refused, ...]


def import_csv(
    path: Path, store: FeedbackStore, *, now: int, by: str | None = None, ignored: Sequence[str] = ()
) -> Report:
    """Add the feedback of a table (`COLUMNS`, with a header) and say what was refused, and why.

    `now`: UTC nanoseconds, for rows that do not say when. `at` is ISO 8601 (UTC where it names no zone) or UTC
    nanoseconds. The same file again adds nothing. `ignored`: further columns that the table may have. InvalidRequest:
    not a row was taken.
    """
    accepted, judgements, unfilled = 0, 0, 0
    refused: list[Refused] = []
    batch: list[Feedback] = []
    seen: Counter[str] = Counter()
    for row in rows(path, (*COLUMNS, *ignored)):
        if isinstance(row, Refused):
            refused.append(row)
            continue
        if row.cells.keys() & {"inference", "episode"} and not row.cells.keys() & set(JUDGING):
            unfilled += 1
            continue
        try:
            known = Row(row.line, {k: v for k, v in row.cells.items() if k not in ignored})
            found = _feedback(known, seen, now=now, by=by)
        except InvalidRequest as error:
            refused.append(Refused(row.line, error.message, shown(row.cells)))
            continue
        accepted, judgements = accepted + 1, judgements + len(found)
        batch += found
        if len(batch) >= BATCH:
            store.put(batch)
            batch = []
    store.put(batch)
    return Report(
        rows=accepted + unfilled + len(refused),
        accepted=accepted,
        unfilled=unfilled,
        judgements=judgements,
        refused=tuple(refused),
    )


def _feedback(row: Row, seen: Counter[str], *, now: int, by: str | None) -> list[Feedback]:
    cells: dict[str, Any] = dict(row.cells)
    at = _time(cells.pop("at", None), now)
    if isinstance(cells.get("good"), str):
        cells["good"] = _thumb(cells["good"])
    if isinstance(cells.get("correction"), str):
        cells["correction"] = cells["correction"].strip()
    try:
        if isinstance(cells.get("score"), str):
            cells["score"] = float(cells["score"].replace(",", "."))
        given = msgspec.json.decode(msgspec.json.encode(cells), type=Given)
    except ValueError as error:  # msgspec's errors are ValueErrors
        text, _, at_ = str(error).partition(" - at `$")
        name = at_.rstrip("`").lstrip(".") or "score"
        raise InvalidRequest(f"{name}: {text}") from None
    check(given)
    told = shown(row.cells)
    seen[told] += 1
    digest = sha256(f"{seen[told]} {told}".encode()).hexdigest()[:28]
    number = iter(range(100))
    return feedback(given, at=at, ids=lambda: f"import-{digest}-{next(number)}", by=by, origin="import")


def _thumb(text: str) -> bool:
    word = text.strip().casefold()
    if word not in _YES | _NO:
        raise InvalidRequest(
            f"good: {text[:40]!r} is neither yes nor no (true, yes, 1, good, up; false, no, 0, bad, down)"
        )
    return word in _YES


def _time(value: Any, now: int) -> int:
    if value is None:
        return now
    text = str(value).strip()
    if text.isascii() and text.isdigit() and len(text) < 20:
        return int(text)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"at: {text[:40]!r} is no time such as 2026-03-01T12:00:00Z") from None
    zoned = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
    return int(zoned.timestamp() * 1_000_000) * 1_000
