"""Recorded exchanges of Cohere's v2 chat, and short ways to read and write it."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from recorded import Row, compact, name, rows

from freehold.core.errors import ProviderError
from freehold.core.events import Event
from freehold.core.prompt import Prompt
from freehold.core.request import Message, Request, TextPart
from freehold.dialects.cohere_chat.dialect import COHERE_CHAT
from freehold.dialects.dialect import Source
from freehold.dialects.quirks import Quirks

ALL: list[Row] = list(rows("cohere-v2"))
HI = [{"role": "user", "content": "hi"}]
HELLO = Message("user", (TextPart("Hello"),))


def asked(row: Row) -> dict[str, Any] | None:
    return (row["request"] or {}).get("body")


def failed(row: Row) -> bool:
    return (row["response"]["status"] or 200) != 200


REQUESTS = [row for row in ALL if asked(row) is not None]
STREAMS = [row for row in ALL if "body" not in row["response"]]
WHOLE = [row for row in ALL if "body" in row["response"] and not failed(row)]
ERRORS = [row for row in ALL if "body" in row["response"] and failed(row)]
each_request = pytest.mark.parametrize("row", REQUESTS, ids=name)
each_answer = pytest.mark.parametrize("row", [*WHOLE, *STREAMS], ids=name)


def stream_of(row: Row) -> bytes:
    text = row["response"].get("text")
    if text is not None:
        return text.encode()
    lines = row["response"]["events_jsonl"].splitlines()
    return sse(*(json.loads(line) for line in lines if line.strip()))


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), compact(e)) for e in events)


def told(body: bytes) -> list[dict[str, Any]]:
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]


def read(pieces: Iterable[bytes]) -> tuple[list[Event], ProviderError | None]:
    decoder, events = COHERE_CHAT.stream_decoder(Quirks()), list[Event]()
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.finish()
    except ProviderError as error:
        return events, error
    return events, None


def request(**members: Any) -> Request:
    return COHERE_CHAT.decode_request(compact({"model": "m", "messages": HI, **members}))


def write(events: Iterable[Event], *, streamed: bool, foreign: bool = False) -> bytes:
    source = Source("openai-chat", "acme") if foreign else None
    encoder = COHERE_CHAT.encoder(request(stream=streamed), id="i-1", at=0, source=source)
    return b"".join([encoder.encode(event) for event in events]) + encoder.end()


def wrote(*messages: Message, **more: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    written = COHERE_CHAT.write(Prompt(messages=messages or (HELLO,), **more), model="command-a", quirks=Quirks())
    return json.loads(written.body), written.losses
