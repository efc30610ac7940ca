"""Requests that other projects really sent: read, told apart, and sent on with nothing lost."""

import json

import pytest
from recorded import REQUESTS, Row, asked, compact, name, needs_recordings, quirks

from freehold.core.request import MediaPart, ResultPart, TextPart
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

pytestmark = needs_recordings
each = pytest.mark.parametrize("row", REQUESTS, ids=name)
PLAIN = Quirks(stream_usage=False)


def test_there_are_hundreds_of_recorded_requests() -> None:
    assert len(REQUESTS) > 500


@each
def test_a_recorded_request_is_read_for_what_it_asks(row: Row) -> None:
    body = asked(row)
    assert body is not None
    request = OPENAI_CHAT.decode_request(compact(body))

    assert request.model == body["model"]
    assert request.stream == bool(body.get("stream"))
    assert request.wants_usage == bool((body.get("stream_options") or {}).get("include_usage"))
    assert request.choices == (body.get("n") or 1)
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    assert request.max_output_tokens == (None if most in {0, -1} else most)
    assert ("tools" in request.needs) == bool(body.get("tools") or body.get("functions"))
    assert ("stream" in request.needs) == bool(body.get("stream"))
    kinds = {p.get("type") for m in body["messages"] if isinstance(m.get("content"), list) for p in m["content"]}
    assert ("image" in request.needs) == ("image_url" in kinds)
    assert ("audio" in request.needs) == ("input_audio" in kinds)
    assert request.prompt_tokens > 0


@each
def test_a_recorded_request_is_sent_on_with_equal_values_whatever_its_spelling(row: Row) -> None:
    body = asked(row)
    assert body is not None
    wanted = dict(body)
    if quirks(row).max_tokens and "max_completion_tokens" in wanted:
        wanted["max_tokens"] = wanted.pop("max_completion_tokens")
    if not quirks(row).stream_usage:
        wanted.pop("stream_options", None)
    elif body.get("stream"):
        wanted["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    for text in (compact(body), json.dumps(body).encode(), json.dumps(body, indent=2).encode()):
        request = OPENAI_CHAT.decode_request(text)
        sent = json.loads(OPENAI_CHAT.encode_request(request, model=body["model"], quirks=quirks(row)))

        assert sent == wanted
        moved = {"stream_options", "max_tokens", "max_completion_tokens"}
        assert [n for n in sent if n not in moved] == [n for n in body if n not in moved]


@each
def test_a_recorded_request_that_needs_no_change_is_sent_as_it_was_written(row: Row) -> None:
    body = asked(row)
    assert body is not None
    body = {k: v for k, v in body.items() if k != "stream_options"}
    text = compact(body)

    sent = OPENAI_CHAT.encode_request(OPENAI_CHAT.decode_request(text), model=body["model"], quirks=PLAIN)
    assert sent == text


@each
def test_another_model_changes_the_model_alone(row: Row) -> None:
    body = asked(row)
    assert body is not None
    request = OPENAI_CHAT.decode_request(compact(body))

    sent = json.loads(OPENAI_CHAT.encode_request(request, model='other/"model"', quirks=PLAIN))
    assert sent == {**{k: v for k, v in body.items() if k != "stream_options"}, "model": 'other/"model"'}


@each
def test_the_conversation_of_a_recorded_request_is_read_whole(row: Row) -> None:
    body = asked(row)
    assert body is not None
    messages = OPENAI_CHAT.messages(OPENAI_CHAT.decode_request(compact(body)))

    roles = {"developer": "system", "function": "tool"}
    assert [m.role for m in messages] == [roles.get(m["role"], m["role"]) for m in body["messages"]]
    for said, message in zip(body["messages"], messages, strict=True):
        content = said.get("content")
        if isinstance(content, str):
            assert message.text == content
        elif content:
            texts = [p["text"] for p in content if p.get("type") == "text"]
            assert "\n".join(texts) == message.text
            within = [m for p in message.parts if isinstance(p, ResultPart) for m in p.media]
            media = [p for p in message.parts if isinstance(p, MediaPart)] + within
            assert len(media) == sum(p["type"] not in {"text", "thinking"} for p in content)
            assert all(m.url or m.file_id for m in media)
        calls = [p for p in message.parts if type(p).__name__ == "CallPart"]
        assert [(c.id, c.name, c.arguments) for c in calls] == [
            (c.get("id", ""), c["function"]["name"], c["function"].get("arguments", ""))
            for c in said.get("tool_calls") or ()
        ]
        thoughts = [p.text for p in message.parts if type(p).__name__ == "ReasoningPart"]
        told = said.get("reasoning_content") or said.get("reasoning")
        if told:
            assert thoughts == [told]
        assert all(p.text is not None for p in message.parts if isinstance(p, TextPart))
