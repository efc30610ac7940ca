"""Small streamed answers, and what is read in them."""

import json
from typing import Any

import pytest

from freehold.core.errors import ProviderError
from freehold.core.events import Answer, Event, collect
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

DONE = b"data: [DONE]\n\n"


def frame(**members: Any) -> bytes:
    return b"data: " + json.dumps({"id": "c1", "model": "m", **members}).encode() + b"\n\n"


def delta(finish: Any = None, **said: Any) -> bytes:
    return frame(choices=[{"index": 0, "delta": said, "finish_reason": finish}])


def events_of(body: bytes, quirks: Quirks | None = None) -> list[Event]:
    decoder = OPENAI_CHAT.stream_decoder(quirks or Quirks())
    return decoder.feed(body) + decoder.finish()


def said(body: bytes, quirks: Quirks | None = None) -> Answer:
    return collect(events_of(body, quirks))


def error_of(body: bytes) -> tuple[list[Event], ProviderError]:
    decoder, events = OPENAI_CHAT.stream_decoder(Quirks()), list[Event]()
    try:
        events += decoder.feed(body)
        events += decoder.finish()
    except ProviderError as error:
        return events, error
    pytest.fail("the stream was read as whole")


def written(body: bytes, *, wants: bool) -> bytes:
    options = b',"stream_options":{"include_usage":true}' if wants else b""
    asked = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true%b}' % options
    encoder = OPENAI_CHAT.encoder(OPENAI_CHAT.decode_request(asked), id="1", at=0)
    return b"".join(encoder.encode(event) for event in events_of(body)) + encoder.end()


HELLO = delta(content="hel") + delta(content="lo") + delta("stop")
