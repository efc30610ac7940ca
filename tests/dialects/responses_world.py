"""What the tests of Responses share: recorded exchanges, streams read and written, and the SDK as judge."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import TypeAdapter
from recorded import Row, compact, rows

from freehold.core.errors import ProviderError
from freehold.core.events import Event
from freehold.core.request import Request
from freehold.dialects.dialect import Source
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.dialects.quirks import Quirks
from freehold.providers.known import KNOWN

PARTS = ("/compact", "/input_tokens")
"""Endings of other paths that were recorded with this wire."""
ALL: list[Row] = [
    row for row in rows("openai-responses") if not str((row["request"] or {}).get("url", "")).endswith(PARTS)
]
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
WHOLE_ASKED: TypeAdapter[Any] = TypeAdapter(ResponseCreateParamsNonStreaming)
STREAM_ASKED: TypeAdapter[Any] = TypeAdapter(ResponseCreateParamsStreaming)


def asked(row: Row) -> dict[str, Any] | None:
    return (row["request"] or {}).get("body")


def quirks(row: Row) -> Quirks:
    known = KNOWN.get(row["provider"])
    tongues = () if known is None else known.tongues
    return next((t.quirks for t in tongues if t.dialect == "openai-responses"), Quirks())


def events_told(row: Row) -> list[Any]:
    """What a streamed answer said, decoded."""
    response = row["response"]
    if "events" in response:
        return response["events"]
    if "events_jsonl" in response:
        return [json.loads(line) for line in response["events_jsonl"].splitlines() if line.strip()]
    return data_of(response["text"].encode())


def data_of(body: bytes) -> list[Any]:
    """The data of each event, by lines alone."""
    lines = [line[5:].strip() for line in body.replace(b"\r\n", b"\n").split(b"\n") if line.startswith(b"data:")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def stream_of(row: Row) -> bytes:
    """A streamed answer as bytes."""
    text = row["response"].get("text")
    return text.encode() if text is not None else sse(*events_told(row))


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), compact(e)) for e in events)


def one(row: Row) -> bool:
    """Whether it is the stream of one response: some sources kept two, or none of this dialect."""
    return [event.get("type") for event in events_told(row)].count("response.created") == 1


def failed(row: Row) -> bool:
    response = row["response"]
    return response["status"] not in {200, None} or not isinstance(response["body"].get("output"), list)


REQUESTS = [row for row in ALL if asked(row) is not None]
STREAMS = [row for row in ALL if "body" not in row["response"] and one(row)]
WHOLE = [row for row in ALL if "body" in row["response"] and not failed(row)]
ERRORS = [row for row in ALL if "body" in row["response"] and failed(row)]


def request(**members: Any) -> Request:
    return OPENAI_RESPONSES.decode_request(compact({"model": "m", "input": "hi", **members}))


def sent(asked: Request, *, model: str = "m", quirks: Quirks = Quirks()) -> Any:  # noqa: B008  it is immutable
    return json.loads(OPENAI_RESPONSES.encode_request(asked, model=model, quirks=quirks))


def read(pieces: Iterable[bytes], quirks: Quirks = Quirks()) -> tuple[list[Event], ProviderError | None]:  # noqa: B008
    """The events of a stream, and the error that ended it."""
    decoder, events = OPENAI_RESPONSES.stream_decoder(quirks), list[Event]()
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.finish()
    except ProviderError as error:
        return events, error
    return events, None


def every(body: bytes, size: int) -> Iterator[bytes]:
    return (body[i : i + size] for i in range(0, len(body), size))


def write(events: Iterable[Event], *, streamed: bool, foreign: str = "", **members: Any) -> bytes:
    """An answer as its caller gets it; `foreign`: the account at which another dialect was spoken."""
    source = Source("openai-chat", foreign) if foreign else None
    encoder = OPENAI_RESPONSES.encoder(
        request(stream=streamed, **members), id="0192-ab", at=7_000_000_000, source=source
    )
    return b"".join([encoder.encode(event) for event in events]) + encoder.end()


def told(body: bytes) -> list[Any]:
    """The events of a stream, each named as its data says, valid by the SDK, and numbered from 0 without a gap."""
    found: list[Any] = []
    for frame in body.split(b"\n\n")[:-1]:
        fields = dict(line.split(b": ", 1) for line in frame.split(b"\n"))
        found.append(json.loads(fields[b"data"]))
        assert fields[b"event"].decode() == found[-1]["type"]
        EVENT.validate_python(found[-1])
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def valid(response: Any) -> Any:
    Response.model_validate(response)
    return response


class Folded:
    """A stream folded into its items by the rules of the dialect: each is checked. `response` is the last snapshot."""

    def __init__(self, events: list[Any]) -> None:
        self.items: list[dict[str, Any]] = []
        self._open: dict[int, dict[str, Any]] = {}
        assert [e["type"] for e in events[:2]] == ["response.created", "response.in_progress"]
        assert events[0]["response"]["output"] == []
        for event in events[2:-1]:
            self._event(event)
        assert not self._open, "every item that began has ended"
        self.response = events[-1]["response"]
        assert events[-1]["type"] == f"response.{self.response['status']}"
        assert self.response["output"] == self.items, "the last snapshot is what the deltas said"

    def _event(self, event: dict[str, Any]) -> None:
        match event["type"].removeprefix("response."):
            case "output_item.added":
                assert event["output_index"] == len(self.items), "items are numbered without a gap"
                item = json.loads(json.dumps(event["item"]))
                self.items.append(item)
                self._open[event["output_index"]] = item
            case "output_item.done":
                item = self._open.pop(event["output_index"])
                for name in ("arguments", "input", "content", "summary", "id", "call_id", "name", "type"):
                    assert item.get(name) == event["item"].get(name)
                item.update(event["item"])
            case "error":
                pass
            case kind:
                item = self._open[event["output_index"]]
                assert event["item_id"] == item["id"]
                self._inner(kind, event, item)

    def _inner(self, kind: str, event: dict[str, Any], item: dict[str, Any]) -> None:
        place = "summary" if "summary" in kind else "content"
        number = event.get("summary_index", event.get("content_index"))
        match kind.split("."):
            case ["content_part" | "reasoning_summary_part", "added"]:
                assert number == len(item.setdefault(place, [])), "parts are numbered without a gap"
                item[place].append(dict(event["part"]))
            case ["content_part" | "reasoning_summary_part", "done"]:
                assert item[place][number] == event["part"]
            case ["function_call_arguments", what]:
                self._text(item, "arguments", what, event)
            case ["custom_tool_call_input", what]:
                self._text(item, "input", what, event)
            case ["refusal", what]:
                self._text(item[place][number], "refusal", what, event)
            case [_, what]:
                self._text(item[place][number], "text", what, event)
            case _:
                raise AssertionError(kind)

    def _text(self, where: dict[str, Any], name: str, what: str, event: dict[str, Any]) -> None:
        if what == "delta":
            where[name] += event["delta"]
        else:
            assert event[name] == where[name]
