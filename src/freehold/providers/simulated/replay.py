"""Replay: recorded exchanges answer again, with their status, headers and bytes.

A recording is a JSONL file; each row has `request.body` (the JSON that was sent) and `response` with `status`,
`headers` and one of `body` (JSON), `text` (as it came), `events` (a list) or `events_jsonl` (one event JSON a line).
"""

from typing import Any, cast

import msgspec
from msgspec import Raw, Struct

from freehold.providers.simulated.rows import rows
from freehold.providers.simulated.script import Script
from freehold.providers.simulated.wire import DONE, EVENTS, JSON

FRAMING = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})
"""Headers about how the recorded bytes travelled; how they travel now is another matter."""


class _Request(Struct, frozen=True):
    body: Any = None


class _Response(Struct, frozen=True):
    status: int | None = None
    headers: dict[str, str] | None = None
    body: Raw | None = None
    text: str | None = None
    events: list[Raw] | None = None
    events_jsonl: str | None = None


class _Row(Struct, frozen=True):
    response: _Response
    request: _Request | None = None
    model: str = ""
    wire: str = "openai-chat"


class Replay:
    """The recorded answers of one file. Rows of other dialects than `openai-chat` are left out."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._by_body: dict[bytes, list[Script]] = {}
        self._by_model: dict[str, list[Script]] = {}
        self._turns: dict[str, int] = {}
        for row in rows(path, _Row):
            self._add(row)

    def _add(self, row: _Row) -> None:
        script = _script(row.response)
        if row.wire != "openai-chat" or script is None:
            return
        body = None if row.request is None else row.request.body
        names = {row.model}
        if body is not None:
            self._by_body.setdefault(_normal(body), []).append(script)
            names.add(_model(body))
        for name in names - {""}:
            self._by_model.setdefault(name, []).append(script)

    def answer(self, body: bytes, *, seen: int) -> Script | None:
        """What was answered to this body; else to the next request for its model; None where neither was recorded.

        `seen` counts earlier requests with the same bytes: where one was recorded several times, each has its turn.
        """
        try:
            asked = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if same := self._by_body.get(_normal(asked)):
            return same[seen % len(same)]
        model = _model(asked)
        scripts = self._by_model.get(model)
        if not scripts:
            return None
        turn = self._turns.get(model, 0)
        self._turns[model] = turn + 1
        return scripts[turn % len(scripts)]


def _normal(body: object) -> bytes:
    """JSON in one form: equal values, equal bytes."""
    return msgspec.json.encode(body, order="sorted")


def _model(body: object) -> str:
    return str(cast(dict[str, object], body).get("model", "")) if isinstance(body, dict) else ""


def _script(response: _Response) -> Script | None:
    if response.body is not None:
        kind, pieces = JSON, (bytes(response.body),)
    elif response.text is not None:
        kind, pieces = (EVENTS if response.text.startswith(("data:", "event:", ":")) else JSON), _events(response.text)
    elif response.events is not None:
        kind, pieces = EVENTS, (*(b"data: %b\n\n" % bytes(event) for event in response.events), DONE)
    elif response.events_jsonl is not None:
        lines = response.events_jsonl.encode().splitlines()
        kind, pieces = EVENTS, (*(b"data: %b\n\n" % line for line in lines if line), DONE)
    else:
        return None
    headers = {n.lower(): v for n, v in (response.headers or {}).items() if n.lower() not in FRAMING}
    if "/" not in headers.get("content-type", ""):
        headers["content-type"] = kind
    return Script(
        status=response.status or 200,
        headers=(*headers.items(), ("x-simulated", "replay")),
        pieces=tuple(piece for piece in pieces if piece),
    )


def _events(text: str) -> tuple[bytes, ...]:
    """A stream as it came, one piece for each event."""
    pieces = text.encode().split(b"\n\n")
    return (*(piece + b"\n\n" for piece in pieces[:-1]), pieces[-1])
