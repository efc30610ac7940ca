"""The recorded exchanges of the shared data in one dialect, as the bytes that went over the wire."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.dialects.quirks import Quirks
from freehold.providers.known import KNOWN

WIRE = Path(__file__).parents[3] / "shared" / "data" / "wire"
needs_recordings = pytest.mark.skipif(
    not WIRE.exists(), reason="the recorded exchanges of the shared data are not here"
)

Row = dict[str, Any]


def rows(*wires: str) -> Iterator[Row]:
    """Every exchange over one of these wires."""
    for file in sorted(WIRE.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            if row["wire"] in wires:
                yield row


ROWS: list[Row] = list(rows("openai-chat"))


def name(row: Row) -> str:
    return f"{row['provider']}-{row['id']}"


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def quirks(row: Row) -> Quirks:
    known = KNOWN.get(row["provider"])
    return Quirks() if known is None else known.quirks


def asked(row: Row) -> dict[str, Any] | None:
    """The request's body, where the source kept one."""
    return (row["request"] or {}).get("body")


def ok(row: Row) -> bool:
    """Whether it was answered; a few sources kept no status."""
    body = row["response"].get("body")
    return row["response"]["status"] in {200, None} and not (isinstance(body, dict) and "choices" not in body)


def chunks(row: Row) -> list[Any]:
    """What a streamed answer said, decoded."""
    response = row["response"]
    if "events" in response:
        return response["events"]
    if "events_jsonl" in response:
        return [json.loads(line) for line in response["events_jsonl"].splitlines() if line.strip()]
    return [json.loads(data) for data in data_lines(response["text"].encode()) if data != b"[DONE]"]


def stream(row: Row) -> bytes:
    """A streamed answer as bytes. Sources that kept events alone kept those of a whole stream."""
    text = row["response"].get("text")
    if text is not None:
        return text.encode()
    return b"".join(b"data: %b\n\n" % compact(chunk) for chunk in chunks(row)) + b"data: [DONE]\n\n"


def data_lines(body: bytes) -> list[bytes]:
    """The payload of each `data` line: an oracle that knows nothing but lines."""
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    return [line[5:].strip() for line in lines if line.startswith(b"data:")]


def comments(body: bytes) -> list[bytes]:
    return [line.strip() for line in body.split(b"\n") if line.startswith(b":")]


REQUESTS = [row for row in ROWS if asked(row) is not None]
STREAMS = [row for row in ROWS if "body" not in row["response"]]
WHOLE = [row for row in ROWS if "body" in row["response"] and ok(row)]
ERRORS = [row for row in ROWS if "body" in row["response"] and not ok(row)]
