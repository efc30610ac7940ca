"""Tables that people bring: CSV (comma, semicolon or tab) and JSON lines, read row by row, nothing lost on the way."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct

from freehold.core.errors import InvalidRequest

LARGEST_CELL = 16 << 20


class Row(Struct, frozen=True):
    """One row: the line of the file it begins on (from 1), and its cells by column; empty cells are left out."""

    line: int
    cells: dict[str, Any]


class Refused(Struct, frozen=True):
    """One row that was not taken: its line, why, and what stood there."""

    line: int
    reason: str
    text: str


def rows(path: Path, columns: Sequence[str]) -> Iterator[Row | Refused]:
    """Every row of a file, in order. InvalidRequest where the file cannot be read or has a column not in `columns`.

    Files named *.jsonl, *.ndjson or *.json are JSON lines; all others are CSV with a header.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from error
    if path.suffix.casefold() in {".jsonl", ".ndjson", ".json"}:
        return _json_rows(data, columns)
    return _csv_rows(path, data, columns)


def _json_rows(data: bytes, columns: Sequence[str]) -> Iterator[Row | Refused]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if not line.strip():
            continue
        text = line.decode("utf-8", "replace")
        try:
            value: Any = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield Refused(number, f"is not JSON: {error}", text)
            continue
        if not isinstance(value, dict):
            yield Refused(number, "is not a JSON object", text)
            continue
        cells = {k: v for k, v in cast("dict[str, Any]", value).items() if v is not None}
        unknown = [name for name in cells if name not in columns]
        if unknown:
            yield Refused(number, f"{unknown[0]}: is not one of {', '.join(columns)}", text)
        else:
            yield Row(number, cells)


def _csv_rows(path: Path, data: bytes, columns: Sequence[str]) -> Iterator[Row | Refused]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidRequest(f"{path}, line {line}: is not UTF-8. Save the table as UTF-8") from None
    csv.field_size_limit(LARGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    header = [name.strip().casefold() for name in next(reader, list[str]())]
    unknown = [name for name in header if name not in columns]
    if not header or unknown or len(set(header)) < len(header):
        wrong = f"has a column {unknown[0]!r}" if unknown else "has no header, or one column twice"
        raise InvalidRequest(f"{path} {wrong}. Its columns may be: {', '.join(columns)}")
    lines = text.split("\n")
    end = reader.line_num
    while True:
        start = end + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            end = max(reader.line_num, start)
            yield Refused(start, f"is no row of CSV: {error}", "\n".join(lines[start - 1 : end]))
            continue
        end = reader.line_num
        if len(cells) > len(header):
            reason = f"has {len(cells)} cells, the header has {len(header)}"
            yield Refused(start, reason, "\n".join(lines[start - 1 : end]))
        elif any(cell.strip() for cell in cells):
            yield Row(start, _cells(header, cells))


def _cells(header: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    pairs = zip_longest(header, cells, fillvalue="")
    return {name: cell for name, cell in pairs if cell.strip()}


def _delimiter(text: str) -> str:
    head = text.split("\n", 1)[0]
    return max(",;\t", key=head.count)


def shown(cells: Mapping[str, Any]) -> str:
    """The cells of a row as one line, to show what was refused."""
    return msgspec.json.encode(cells).decode()
