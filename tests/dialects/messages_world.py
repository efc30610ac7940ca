"""What the tests of Messages share: recorded exchanges, streams read and written, and the SDK as judge."""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from msgspec import Raw
from recorded import Row, compact, rows

from freehold.core.errors import ProviderError
from freehold.core.events import Event
from freehold.core.prompt import Prompt, Tool
from freehold.core.request import Message, Request, TextPart
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.dialect import Source
from freehold.dialects.quirks import Quirks

ALL: list[Row] = list(rows("anthropic-messages", "vertex-anthropic"))
HI = [{"role": "user", "content": "hi"}]
NATIVE = Quirks(claude_code=True)
"""As Anthropic itself is called."""


def asked(row: Row) -> dict[str, Any] | None:
    """The request's body, whole: the model stands in the path where it is sent to a cloud."""
    body = (row["request"] or {}).get("body")
    return body if not isinstance(body, dict) or "model" in body else {"model": row["model"] or "m", **body}


def failed(row: Row) -> bool:
    response = row["response"]
    body = response.get("body")
    return response["status"] not in {200, None} or (isinstance(body, dict) and "error" in body)


def events_told(row: Row) -> list[Any]:
    """What a streamed answer said, decoded."""
    response = row["response"]
    if "events" in response:
        return response["events"]
    if "events_jsonl" in response:
        return [json.loads(line) for line in response["events_jsonl"].splitlines() if line.strip()]
    lines = response["text"].replace("\r\n", "\n").split("\n")
    return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


def stream_of(row: Row) -> bytes:
    """A streamed answer as bytes."""
    text = row["response"].get("text")
    return text.encode() if text is not None else sse(*events_told(row))


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), compact(e)) for e in events)


def whole(message: dict[str, Any]) -> bool:
    return isinstance(message, dict) and "content" in message


def begun(row: Row) -> int:
    """How many messages a stream begins: a few sources kept two in one, or one that its provider began anew."""
    return sum(event["type"] == "message_start" for event in events_told(row))


REQUESTS = [row for row in ALL if asked(row) is not None]
STREAMS = [row for row in ALL if "body" not in row["response"] and begun(row) <= 1]
SPLICED = [row for row in ALL if "body" not in row["response"] and begun(row) > 1]
WHOLE = [row for row in ALL if "body" in row["response"] and not failed(row)]
ERRORS = [row for row in ALL if "body" in row["response"] and failed(row)]


def request(**members: Any) -> Request:
    body = {"model": "m", "max_tokens": 100, "messages": HI, **members}
    return ANTHROPIC_MESSAGES.decode_request(compact(body))


def sent(asked: Request, *, model: str = "m", quirks: Quirks = NATIVE) -> Any:
    return json.loads(ANTHROPIC_MESSAGES.encode_request(asked, model=model, quirks=quirks))


def read(pieces: Iterable[bytes]) -> tuple[list[Event], ProviderError | None]:
    """The events of a stream, and the error that ended it."""
    decoder, events = ANTHROPIC_MESSAGES.stream_decoder(Quirks()), list[Event]()
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.finish()
    except ProviderError as error:
        return events, error
    return events, None


def every(body: bytes, size: int) -> Iterator[bytes]:
    return (body[i : i + size] for i in range(0, len(body), size))


def write(events: Iterable[Event], *, streamed: bool, foreign: str = "") -> bytes:
    """An answer as its caller gets it; `foreign`: the account at which another dialect was spoken."""
    source = Source("openai-chat", foreign) if foreign else None
    encoder = ANTHROPIC_MESSAGES.encoder(request(stream=streamed), id="i-1", at=0, source=source)
    return b"".join([encoder.encode(event) for event in events]) + encoder.end()


def told(body: bytes) -> list[Any]:
    """The events of a stream, each named as its data says."""
    found: list[Any] = []
    for frame in body.split(b"\n\n")[:-1]:
        lines = frame.split(b"\n")
        fields = dict(line.split(b": ", 1) for line in lines)
        found.append(json.loads(fields[b"data"]))
        assert fields[b"event"].decode() == found[-1]["type"]
    return found


def folded(events: list[Any]) -> dict[str, Any]:
    """A stream folded into the message that it is, by the rules of the dialect: each is checked."""
    types = [e["type"] for e in events if e["type"] != "ping"]
    assert types[0] == "message_start"
    assert types[-2:] == ["message_delta", "message_stop"]
    message: dict[str, Any] = {**events[0]["message"], "content": []}
    assert (events[0]["message"]["content"], events[0]["message"]["stop_reason"]) == ([], None)
    blocks: list[dict[str, Any]] = message["content"]
    opened: int | None = None
    pieces: list[str] = []
    for event in events:
        match event["type"]:
            case "content_block_start":
                assert opened is None, "blocks do not overlap"
                opened = event["index"]
                assert opened == len(blocks), "blocks are numbered without a gap"
                blocks.append(dict(event["content_block"]))
                pieces = []
            case "content_block_delta":
                assert event["index"] == opened
                grow(blocks[-1], event["delta"], pieces)
            case "content_block_stop":
                assert event["index"] == opened
                opened = None
                if "".join(pieces):
                    blocks[-1]["input"] = json.loads("".join(pieces))
            case "message_delta":
                assert opened is None
                message |= event["delta"]
                message["usage"] = {**message["usage"], **event["usage"]}
            case kind:
                assert kind in {"message_start", "message_stop", "ping"}
    return message


def grow(block: dict[str, Any], delta: dict[str, Any], pieces: list[str]) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]
        case _:
            pieces.append(delta["partial_json"])


def judged(value: Any) -> Any:
    """A value that the SDK's types have checked, to its last part: what they check lazily is walked through."""
    if isinstance(value, dict):
        return {name: judged(one) for name, one in value.items()}
    if isinstance(value, str | bytes | int | float | bool) or value is None or hasattr(value, "model_fields_set"):
        return value
    return [judged(one) for one in value]


@cache
def adapter(type_: Any) -> Any:
    """Its lazy checks need it for as long as they are walked through."""
    return pytest.importorskip("pydantic").TypeAdapter(type_)


def valid_request(body: Any) -> None:
    """Valid by the SDK's own types."""
    types = pytest.importorskip("anthropic.types.message_create_params")
    judged(adapter(types.MessageCreateParams).validate_python(body))


def valid_message(body: Any) -> None:
    types = pytest.importorskip("anthropic.types")
    types.Message.model_validate(body)


def valid_events(events: list[Any]) -> None:
    types = pytest.importorskip("anthropic.types")
    for event in events:
        if event["type"] != "ping":
            adapter(types.RawMessageStreamEvent).validate_python(event)


OLD, NEW = "claude-sonnet-4-5-20250929", "claude-opus-4-6"
ASK = Message("user", (TextPart("hi"),))
OBJECT = Raw(b'{"type":"object","properties":{"x":{"type":"integer"}}}')
F = Tool(name="f", description="d", schema=OBJECT)


def wrote(*said: Message, model: str = OLD, quirks: Quirks | None = None, **more: Any) -> tuple[Any, tuple[str, ...]]:
    """The body and what was lost; the body is valid."""
    written = ANTHROPIC_MESSAGES.write(Prompt(messages=said or (ASK,), **more), model=model, quirks=quirks or Quirks())
    body = json.loads(written.body)
    if "model" in body:
        valid_request(body)
    return body, written.losses
