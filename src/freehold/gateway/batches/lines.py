"""The lines of a batch's input: one request each, checked as a whole before any is sent
(platform.openai.com/docs/guides/batch)."""

import os
from array import array
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from freehold.core.batch import LineError

MOST_LINES = 50_000
MOST_ERRORS = 100
"""Wrong lines that are told; one who has more has one fault many times."""
LONGEST_ID = 512


class Line(Struct):
    """One request. `body` is what would be sent to `url`."""

    custom_id: str
    method: str
    url: str
    body: Raw


class _Said(Struct):
    """What matters of a body here."""

    stream: object = None
    background: object = None


_line = msgspec.json.Decoder(Line).decode
_said = msgspec.json.Decoder(_Said).decode


class Lines:
    """An input that was checked. Reads its lines from the disk, by number from 0."""

    def __init__(self, path: Path, places: "array[int]") -> None:
        self._path = path
        self._places = places  # where each begins, and how long it is
        self._file = os.open(path, os.O_RDONLY)

    def __len__(self) -> int:
        return len(self._places) // 2

    def line(self, number: int) -> Line:
        at, length = self._places[2 * number], self._places[2 * number + 1]
        return _line(os.pread(self._file, length, at))

    def close(self) -> None:
        os.close(self._file)


def check(path: Path, endpoint: str) -> tuple[Lines | None, tuple[LineError, ...]]:
    """The lines of a file, or what is wrong with them."""
    places = array("Q")
    errors: list[LineError] = []
    seen: dict[str, int] = {}
    for number, at, raw in _raw_lines(path):
        if len(errors) >= MOST_ERRORS:
            break
        if len(places) >= 2 * MOST_LINES:
            errors.append(LineError(code="too_many_lines", message=f"There are more than {MOST_LINES} requests"))
            break
        line = _read(raw)
        wrong = line if isinstance(line, LineError) else _wrong(line, endpoint, seen)
        if wrong is not None:
            errors.append(msgspec.structs.replace(wrong, line=number))
        elif isinstance(line, Line):
            seen[line.custom_id] = number
            places.extend((at, len(raw)))
    if not places and not errors:
        errors.append(LineError(code="empty_file", message="The file has no requests: write one JSON object a line"))
    return (None, tuple(errors)) if errors else (Lines(path, places), ())


def _raw_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """The lines that are not blank: number from 1, where it begins, bytes."""
    at = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if raw.strip():
                yield number, at, raw
            at += len(raw)


def _read(raw: bytes) -> Line | LineError:
    try:
        return _line(raw)
    except msgspec.ValidationError as error:
        return LineError(code="invalid_request", message=f"This line is no request: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return LineError(code="invalid_json_line", message=f"This line is not JSON: {error}")


def _wrong(line: Line, endpoint: str, seen: dict[str, int]) -> LineError | None:
    """What a line that is JSON says wrongly."""
    name = line.custom_id
    if not name or len(name) > LONGEST_ID:
        why = f"custom_id: expected 1 to {LONGEST_ID} characters"
        return LineError(code="invalid_custom_id", message=why, param="custom_id")
    if name in seen:
        why = f"custom_id: {name[:100]!r} is that of line {seen[name]} too; give each its own"
        return LineError(code="duplicate_custom_id", message=why, param="custom_id")
    if line.method != "POST":
        return LineError(code="invalid_method", message=f"method: {line.method[:20]!r} must be 'POST'", param="method")
    if line.url != endpoint:
        why = f"url: {line.url[:100]!r} is not the endpoint of the batch, {endpoint!r}"
        return LineError(code="mismatched_endpoint", message=why, param="url")
    try:
        said = _said(line.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return LineError(code="invalid_body", message=f"body: expected an object: {error}", param="body")
    for member, value in (("stream", said.stream), ("background", said.background)):
        if value:
            why = f"body.{member}: not possible in a batch; leave it out"
            return LineError(code="invalid_body", message=why, param=f"body.{member}")
    return None
