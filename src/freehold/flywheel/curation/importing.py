"""Datasets from files: labelled rows that somebody already has."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct

from freehold.core.dataset import Example, identity
from freehold.core.errors import InvalidRequest
from freehold.core.request import Message, TextPart
from freehold.flywheel.curation.build import Built, Progress, bill_of, curate, keep, silent, warnings
from freehold.flywheel.curation.candidate import Candidate
from freehold.flywheel.curation.dataset import Sign, check_name
from freehold.flywheel.curation.gate import Gate, Passage
from freehold.flywheel.curation.split import EVEN_SHARES, Shares
from freehold.flywheel.feedback.table import Refused, Row, rows, shown

COLUMNS = ("text", "label", "messages", "target", "at", "episode", "subject", "weight")
ROLES = frozenset({"system", "user", "assistant", "tool"})


class Imported(Struct, frozen=True, kw_only=True):
    """A dataset made from a file, and the rows that were no examples."""

    built: Built
    refused: tuple[Refused, ...]


def imported(
    path: Path,
    name: str,
    *,
    folder: Path,
    at: int,
    sign: Sign,
    through: tuple[Gate, ...],
    pseudonym: Callable[[str], str],
    shares: Shares = EVEN_SHARES,
    progress: Progress = silent,
) -> Imported:
    """Make a dataset of a labelled file: columns `text` and `label`, or `messages` and `target`; CSV or JSON lines.

    `messages` is a list of {"role", "content"}, in a CSV as JSON. `through`: gates, as of `gates.imported_gates`;
    `pseudonym`: the keyed digest that stands for a subject.
    InvalidRequest where the file cannot be read, or holds no example.
    """
    check_name(name)
    progress(0.0, f"reading {path.name}")
    found, refused = read(path, pseudonym)
    if not found:
        reason = f": line {refused[0].line} {refused[0].reason}" if refused else ""
        raise InvalidRequest(f"{path} holds no example{reason}. Its columns: text,label or messages,target")
    examples, passages = curate([Candidate(example=e) for e in found], through, shares=shares, progress=progress)
    reading = Passage(
        gate="readable",
        rows_in=len(found) + len(refused),
        rows_out=len(found),
        reasons={"is no example": len(refused)} if refused else {},
    )
    every = (reading, *passages)
    bill = bill_of(name, examples, at=at, rows_in=reading.rows_in, passages=every, warned=warnings(examples))
    source = f"{path.name} sha256:{sha256(path.read_bytes()).hexdigest()}"
    built = keep(folder, examples, msgspec.structs.replace(bill, file=source), sign, passages=every, progress=progress)
    return Imported(built=built, refused=tuple(refused))


def read(path: Path, pseudonym: Callable[[str], str]) -> tuple[list[Example], list[Refused]]:
    """The examples in a labelled file, and what is none, each with its line."""
    found: list[Example] = []
    refused: list[Refused] = []
    for row in rows(path, COLUMNS):
        if isinstance(row, Refused):
            refused.append(row)
            continue
        try:
            found.append(_example(row, pseudonym))
        except InvalidRequest as error:
            refused.append(Refused(row.line, error.message, shown(row.cells)))
    return found, refused


def _example(row: Row, pseudonym: Callable[[str], str]) -> Example:
    cells = row.cells
    target = cells.get("target", cells.get("label"))
    if target is None:
        raise InvalidRequest("label: is missing")
    if not isinstance(target, str):
        target = msgspec.json.encode(target).decode()
    messages = _conversation(cells)
    weight, at = _number(cells, "weight", 1.0), _number(cells, "at", 0.0)
    if not 0 <= weight <= 1:
        raise InvalidRequest(f"weight: {weight} is not between 0 and 1")
    return Example(
        id=identity(messages, target),
        messages=messages,
        target=target,
        source="import",
        at=int(at),
        weight=weight,
        episode=None if "episode" not in cells else str(cells["episode"]),
        subject=None if "subject" not in cells else pseudonym(str(cells["subject"])),
    )


def _conversation(cells: dict[str, Any]) -> tuple[Message, ...]:
    given: Any = cells.get("messages")
    if given is None:
        if not isinstance(cells.get("text"), str):
            raise InvalidRequest("text: is missing" if "text" not in cells else "text: is no text")
        return (Message("user", (TextPart(cells["text"]),)),)
    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except msgspec.DecodeError:
            raise InvalidRequest("messages: is not JSON") from None
    if not isinstance(given, list) or not given:
        raise InvalidRequest("messages: expected a list of messages")
    return tuple(_message(one, n) for n, one in enumerate(cast("list[Any]", given)))


def _message(given: Any, n: int) -> Message:
    turn = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    role, content = turn.get("role"), turn.get("content")
    if role not in ROLES or not isinstance(content, str):
        raise InvalidRequest(f"messages[{n}]: expected a role ({', '.join(sorted(ROLES))}) and a text as content")
    return Message(role, (TextPart(content),))


def _number(cells: dict[str, Any], name: str, default: float) -> float:
    try:
        return float(cells.get(name, default))
    except (TypeError, ValueError):
        raise InvalidRequest(f"{name}: {cells[name]!r} is no number") from None
