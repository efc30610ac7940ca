"""What the tests of Gemini share: recorded exchanges, streams read and written, and the SDK as judge."""

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from recorded import Row, compact, rows

from freehold.core.errors import ProviderError
from freehold.core.events import Event
from freehold.core.request import Request
from freehold.dialects.dialect import Source
from freehold.dialects.gemini_generate.dialect import GEMINI_GENERATE
from freehold.dialects.quirks import Quirks

ALL: list[Row] = list(rows("gemini-generate"))
WHOLE_PATH = "/v1beta/models/{}:generateContent"
STREAM_PATH = "/v1beta/models/{}:streamGenerateContent?alt=sse"
HI = [{"role": "user", "parts": [{"text": "hi"}]}]


def asked(row: Row) -> dict[str, Any] | None:
    body = (row["request"] or {}).get("body")
    return body if isinstance(body, dict) and "contents" in body else None


def target(row: Row) -> str:
    """Where a recorded request was sent; some sources kept no address."""
    url = urlsplit((row["request"] or {}).get("url") or "")
    if ":" not in url.path:
        return WHOLE_PATH.format(row["model"] or "m")
    return f"{url.path}?{url.query}" if url.query else url.path


def chunks_of(row: Row) -> list[Any] | None:
    """What a streamed answer said, decoded; None where it came whole."""
    response = row["response"]
    if isinstance(response.get("body"), list):
        return response["body"]
    if "events" in response:
        return response["events"]
    if "events_jsonl" in response:
        return [json.loads(line) for line in response["events_jsonl"].splitlines() if line.strip()]
    if "text" in response:
        lines = response["text"].replace("\r\n", "\n").split("\n")
        return [json.loads(line[5:]) for line in lines if line.startswith("data:")]
    return None


def stream_of(row: Row) -> bytes:
    """A streamed answer as events, as it came or as it would have."""
    text = row["response"].get("text")
    return text.encode() if text is not None else sse(*(chunks_of(row) or ()))


def sse(*chunks: Any) -> bytes:
    return b"".join(b"data: %b\r\n\r\n" % compact(chunk) for chunk in chunks)


def failed(row: Row) -> bool:
    body = row["response"].get("body")
    return isinstance(body, dict) and "error" in body


REQUESTS = [row for row in ALL if asked(row) is not None]
STREAMS = [row for row in ALL if chunks_of(row) is not None]
WHOLE = [row for row in ALL if chunks_of(row) is None and not failed(row)]
ERRORS = [row for row in ALL if chunks_of(row) is None and failed(row)]


def request(path: str = WHOLE_PATH, **members: Any) -> Request:
    body = {"contents": HI, **members}
    return GEMINI_GENERATE.decode_request(compact(body), path.format("gemini-2.5-flash"))


def sent(request: Request, *, model: str = "gemini-2.5-flash") -> Any:
    return json.loads(GEMINI_GENERATE.encode_request(request, model=model, quirks=Quirks()))


def read(pieces: Iterable[bytes]) -> tuple[list[Event], ProviderError | None]:
    """The events of a stream, and the error that ended it."""
    decoder, events = GEMINI_GENERATE.stream_decoder(Quirks()), list[Event]()
    try:
        for piece in pieces:
            events += decoder.feed(piece)
            if decoder.error is not None:
                return events, decoder.error
        events += decoder.finish()
    except ProviderError as error:
        return events, error
    return events, None


def every(body: bytes, size: int) -> Iterator[bytes]:
    return (body[i : i + size] for i in range(0, len(body), size))


def write(events: Iterable[Event], *, how: str = "sse", foreign: str = "") -> bytes:
    """An answer as its caller gets it: 'sse', 'array' or 'whole'; `foreign`: the account at which another dialect was
    spoken."""
    path = {"sse": STREAM_PATH, "array": STREAM_PATH.partition("?")[0], "whole": WHOLE_PATH}[how]
    source = Source("openai-chat", foreign) if foreign else None
    encoder = GEMINI_GENERATE.encoder(request(path), id="i-1", at=0, source=source)
    return b"".join([encoder.encode(event) for event in events]) + encoder.end()


def responses(body: bytes) -> list[Any]:
    """The responses in what a caller got, whichever way."""
    if body.startswith(b"data:"):
        return [json.loads(frame.removeprefix(b"data: ")) for frame in body.split(b"\r\n\r\n")[:-1]]
    value = json.loads(body)
    return value if isinstance(value, list) else [value]


def parts_of(response: dict[str, Any], index: int = 0) -> list[dict[str, Any]]:
    """The parts of a candidate, in the names that Google documents."""
    found = [c for c in response.get("candidates") or () if (c.get("index") or 0) == index]
    return [part for c in found for part in ((c.get("content") or {}).get("parts") or ())]


def valid_response(body: Any) -> None:
    """Valid by the SDK's own types, which know every member and forbid others."""
    types = pytest.importorskip("google.genai.types")
    types.GenerateContentResponse.model_validate(unelided(body))


def unelided(value: Any) -> Any:
    """The same with base64 where the recordings left the rest of it out."""
    if isinstance(value, dict):
        return {name: unelided(one) for name, one in value.items()}
    if isinstance(value, list):
        return [unelided(one) for one in value]
    return "AAAA" if isinstance(value, str) and value.endswith(" chars elided]") else value


def valid_request(asked: dict[str, Any]) -> None:
    body = unelided(asked)
    types = pytest.importorskip("google.genai.types")
    known: dict[str, Any] = {
        "systemInstruction": types.Content,
        "toolConfig": types.ToolConfig,
        "generationConfig": types.GenerationConfig,
    }
    assert body.keys() <= known.keys() | {"contents", "tools", "serviceTier"}
    for content in body["contents"]:
        types.Content.model_validate(content)
    for tool in body.get("tools", ()):
        types.Tool.model_validate(tool)
    for name, type_ in known.items():
        if name in body:
            type_.model_validate(body[name])
    if "serviceTier" in body:
        types.ServiceTier(body["serviceTier"])
