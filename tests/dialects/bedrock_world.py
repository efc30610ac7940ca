"""What the tests of Converse share: recorded exchanges, streams framed and read, and the SDK's model as judge."""

import json
import re
import struct
from base64 import b64decode
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from recorded import Row, compact, rows

from freehold.core.errors import ProviderError
from freehold.core.events import Event
from freehold.core.prompt import Prompt
from freehold.core.request import Message, Request, TextPart
from freehold.dialects.bedrock_converse.dialect import BEDROCK_CONVERSE
from freehold.dialects.bedrock_converse.eventstream import event, exception
from freehold.dialects.dialect import Source
from freehold.dialects.quirks import Quirks

ALL: list[Row] = list(rows("bedrock-converse"))
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = Message("user", (TextPart("Hello"),))


def asked(row: Row) -> dict[str, Any] | None:
    """The request's body as it is on the wire: SDKs keep the model in it, and bytes as lists of numbers."""
    body = (row["request"] or {}).get("body")
    if not isinstance(body, dict) or re.search(r'"type": "Buffer"', json.dumps(body)):
        return None
    return {name: value for name, value in body.items() if name != "modelId"}


def target(row: Row) -> str:
    """The path that it was sent to."""
    url = row["request"].get("url")
    if url:
        return "/" + url.split("/", 3)[3]
    call = "converse-stream" if "stream" in row["features"] else "converse"
    return f"/model/{row['model'].replace(':', '%3A')}/{call}"


def failed(row: Row) -> bool:
    return (row["response"]["status"] or 200) != 200


def streamed(row: Row) -> bool:
    return "body" not in row["response"]


def told(row: Row) -> list[tuple[str, dict[str, Any]]]:
    """What a streamed answer said, by an oracle that knows only where the lengths stand."""
    response = row["response"]
    if "body_base64" in response:
        return unframed(b64decode(response["body_base64"]))
    events = response.get("events")
    if events is None:
        events = [json.loads(line) for line in response["events_jsonl"].splitlines() if line.strip()]
    return [next(iter(one.items())) for one in events]


def unframed(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    while body:
        size, head = struct.unpack(">II", body[:8])
        kind = re.search(rb":(?:event|exception)-type\x07..(\w+)", body[12 : 12 + head], re.S)
        assert kind is not None
        found.append((kind[1].decode(), json.loads(body[12 + head : size - 4])))
        body = body[size:]
    return found


def stream_of(row: Row) -> bytes:
    """A streamed answer as bytes: as it came, or framed from the events that the source kept."""
    if "body_base64" in row["response"]:
        return b64decode(row["response"]["body_base64"])
    return framed(*told(row))


def framed(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(event(kind, compact(value)) for kind, value in events)


def text(said: str, index: int = 0) -> tuple[str, dict[str, Any]]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": said}}


def stop(why: str = "end_turn") -> tuple[str, dict[str, Any]]:
    return "messageStop", {"stopReason": why}


START = ("messageStart", {"role": "assistant"})
METADATA = (
    "metadata",
    {"usage": {"inputTokens": 4, "outputTokens": 2, "totalTokens": 6}, "metrics": {"latencyMs": 5}},
)
THROTTLED = exception("throttlingException", b'{"message":"Too many tokens"}')

REQUESTS = [row for row in ALL if asked(row) is not None]
STREAMS = [row for row in ALL if streamed(row)]
WHOLE = [row for row in ALL if not streamed(row) and not failed(row)]
ERRORS = [row for row in ALL if not streamed(row) and failed(row)]


def request(*, stream: bool = False, model: str = "m", **members: Any) -> Request:
    body = {"messages": [{"role": "user", "content": [{"text": "hi"}]}], **members}
    return BEDROCK_CONVERSE.decode_request(compact(body), f"/model/{model}/converse{'-stream' if stream else ''}")


def wrote(*messages: Message, model: str = CLAUDE, **more: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A prompt written, judged, and what it lost."""
    written = BEDROCK_CONVERSE.write(Prompt(messages=messages or (HELLO,), **more), model=model, quirks=Quirks())
    body = json.loads(written.body)
    valid_request(body)
    return body, written.losses


def read(pieces: Iterable[bytes]) -> tuple[list[Event], ProviderError | None]:
    """The events of a stream, and the error that ended it."""
    decoder, events = BEDROCK_CONVERSE.stream_decoder(Quirks()), list[Event]()
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
    encoder = BEDROCK_CONVERSE.encoder(request(stream=streamed), id="i-1", at=0, source=source)
    return b"".join([encoder.encode(event) for event in events]) + encoder.end()


@cache
def model() -> Any:
    """The SDK's own model of the service."""
    pytest.importorskip("botocore")
    from botocore.session import Session  # noqa: PLC0415  it need not be here

    return Session().get_service_model("bedrock-runtime")


def valid_request(body: dict[str, Any]) -> None:
    judge(model().shape_for("ConverseRequest"), {"modelId": "m", **body}, "request")


def valid_answer(body: dict[str, Any]) -> None:
    judge(model().shape_for("ConverseResponse"), body, "answer")


def valid_stream(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream: cut by the SDK, which checks the sums, each judged."""
    buffer = pytest.importorskip("botocore.eventstream").EventStreamBuffer()
    buffer.add_data(body)
    shape = model().shape_for("ConverseStreamOutput")
    found: list[tuple[str, dict[str, Any]]] = []
    for message in buffer:
        kind, value = message.headers[":event-type"], json.loads(message.payload)
        assert message.headers[":message-type"] == "event"
        judge(shape.members[kind], value, kind)
        found.append((kind, value))
    assert not buffer._data, "a message is not whole"
    return found


def judge(shape: Any, value: Any, at: str) -> None:
    """Whether a value is one of a shape of the SDK's model; what it leaves to the service is checked too."""
    if getattr(shape, "is_document_type", False):
        return
    match shape.type_name:
        case "structure":
            judge_structure(shape, value, at)
        case "list":
            assert isinstance(value, list), at
            for number, one in enumerate(value):
                judge(shape.member, one, f"{at}[{number}]")
        case "map":
            for name, one in value.items():
                judge(shape.key, name, f"{at}.{name}")
                judge(shape.value, one, f"{at}.{name}")
        case "blob":
            b64decode(value, validate=True)
        case "string":
            judge_text(shape, value, at)
        case "boolean":
            assert isinstance(value, bool), at
        case _:
            assert type(value) in {int, float}, at
            assert shape.metadata.get("min", value) <= value <= shape.metadata.get("max", value), f"{at}: {value}"


def judge_structure(shape: Any, value: Any, at: str) -> None:
    assert isinstance(value, dict), at
    assert value.keys() <= shape.members.keys(), f"{at}: {value.keys() - shape.members.keys()}"
    assert set(shape.required_members) <= value.keys(), f"{at}: {set(shape.required_members) - value.keys()}"
    assert not shape.is_tagged_union or len(value) == 1, f"{at}: {list(value)}"
    for name, one in value.items():
        judge(shape.members[name], one, f"{at}.{name}")


def judge_text(shape: Any, value: Any, at: str) -> None:
    assert isinstance(value, str), at
    assert not shape.enum or value in shape.enum, f"{at}: {value}"
    pattern = shape.metadata.get("pattern")
    assert pattern is None or re.fullmatch(pattern, value), f"{at}: {value}"
    assert shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", len(value)), at
