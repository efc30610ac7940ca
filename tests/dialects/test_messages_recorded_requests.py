"""Requests of Messages that other projects really sent: read, told apart, and sent on with nothing lost."""

import json
from typing import Any

import pytest
from messages_world import NATIVE, REQUESTS, asked, valid_request
from recorded import Row, compact, name, needs_recordings

from freehold.core.request import CallPart, MediaPart, ReasoningPart, ResultPart
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import translate

pytestmark = needs_recordings
each = pytest.mark.parametrize("row", REQUESTS, ids=name)


def body_of(row: Row) -> dict[str, Any]:
    body = asked(row)
    assert body is not None
    return body


def blocks(content: object) -> list[dict[str, Any]]:
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def test_there_are_a_hundred_recorded_requests() -> None:
    assert len(REQUESTS) >= 100


@each
def test_a_recorded_request_is_sent_on_as_it_was_written(row: Row) -> None:
    body = body_of(row)
    text = compact(body)
    sent = ANTHROPIC_MESSAGES.encode_request(
        ANTHROPIC_MESSAGES.decode_request(text), model=body["model"], quirks=NATIVE
    )
    assert sent == text


@each
def test_a_recorded_request_is_sent_on_with_equal_values_whatever_its_spelling(row: Row) -> None:
    body = body_of(row)
    for text in (json.dumps(body).encode(), json.dumps(body, indent=2).encode()):
        request = ANTHROPIC_MESSAGES.decode_request(text)
        assert json.loads(ANTHROPIC_MESSAGES.encode_request(request, model="x", quirks=Quirks())) == body | {
            "model": "x"
        }


@each
def test_a_recorded_request_goes_to_a_cloud_without_model_and_with_the_version(row: Row) -> None:
    body = body_of(row)
    cloud = Quirks(anthropic_version="vertex-2023-10-16")
    request = ANTHROPIC_MESSAGES.decode_request(compact(body))
    sent = json.loads(ANTHROPIC_MESSAGES.encode_request(request, model="m", quirks=cloud))
    wanted = {"anthropic_version": "vertex-2023-10-16", **body}
    del wanted["model"]
    assert sent == wanted


@each
def test_a_recorded_request_is_read_for_what_it_asks(row: Row) -> None:
    body = body_of(row)
    request = ANTHROPIC_MESSAGES.decode_request(compact(body))

    assert (request.model, request.stream) == (body["model"], body.get("stream") is True)
    assert request.max_output_tokens == (body.get("max_tokens") or None)
    assert ("tools" in request.needs) == bool(body.get("tools"))
    every = [b for m in body["messages"] for b in blocks(m["content"])]
    every += [inner for b in every for inner in blocks(b.get("content"))]
    assert ("image" in request.needs) == any(b.get("type") == "image" for b in every)
    assert ("json_schema" in request.needs) == bool((body.get("output_config") or {}).get("format"))
    assert request.prompt_tokens > 0


@each
def test_the_conversation_of_a_recorded_request_is_read_whole(row: Row) -> None:
    body = body_of(row)
    said = ANTHROPIC_MESSAGES.messages(ANTHROPIC_MESSAGES.decode_request(compact(body)))
    every = [b for m in body["messages"] for b in blocks(m["content"])]
    parts = [part for message in said for part in message.parts]

    texts = [b["text"] for b in every if b["type"] == "text"]
    texts += [m["content"] for m in body["messages"] if isinstance(m["content"], str)]
    system = body.get("system") or []
    texts += [system] if isinstance(system, str) else [b["text"] for b in system]
    everything = "\n".join(message.text for message in said)
    assert all(text in everything for text in texts)
    assert [(p.id, p.name, json.loads(p.arguments)) for p in parts if isinstance(p, CallPart)] == [
        (b["id"], b["name"], b["input"]) for b in every if b["type"] == "tool_use"
    ]
    assert [(p.id, p.error) for p in parts if isinstance(p, ResultPart)] == [
        (b["tool_use_id"], b.get("is_error") is True) for b in every if b["type"] == "tool_result"
    ]
    assert [p.text for p in parts if isinstance(p, ReasoningPart)] == [
        b.get("thinking", "") for b in every if b["type"] in {"thinking", "redacted_thinking"}
    ]
    assert sum(isinstance(p, MediaPart) for p in parts) == sum(b["type"] in {"image"} for b in every)


@each
def test_a_recorded_request_read_and_written_again_is_valid_and_asks_the_same(row: Row) -> None:
    body = body_of(row)
    prompt = ANTHROPIC_MESSAGES.read(ANTHROPIC_MESSAGES.decode_request(compact(body)))
    written = ANTHROPIC_MESSAGES.write(prompt, model=body["model"], quirks=Quirks())
    again = json.loads(written.body)

    valid_request(again)
    assert again.get("stream") == body.get("stream") or not body.get("stream")
    assert again["max_tokens"] >= (body.get("max_tokens") or 0)
    assert [t["name"] for t in again.get("tools", ())] == [
        t["name"] for t in body.get("tools", ()) if t.get("type") in (None, "custom")
    ]
    calls = [
        (b["id"], b["name"], b["input"]) for m in again["messages"] for b in m["content"] if b["type"] == "tool_use"
    ]
    every = [b for m in body["messages"] for b in blocks(m["content"])]
    assert calls == [(b["id"], b["name"], b["input"]) for b in every if b["type"] == "tool_use"]
    signatures = [b["signature"] for m in again["messages"] for b in m["content"] if b["type"] == "thinking"]
    assert signatures == [b["signature"] for b in every if b["type"] == "thinking"]


@each
def test_a_recorded_request_is_translated_to_chat_completions_and_names_what_is_lost(row: Row) -> None:
    body = body_of(row)
    request = ANTHROPIC_MESSAGES.decode_request(compact(body))
    written = translate(request, ANTHROPIC_MESSAGES, OPENAI_CHAT, model="gpt", quirks=Quirks(), account="openai")
    chat = json.loads(written.body)

    OPENAI_CHAT.decode_request(written.body)
    assert chat["model"] == "gpt"
    every = [b for m in body["messages"] for b in blocks(m["content"])]
    calls = [c["id"] for m in chat["messages"] for c in m.get("tool_calls") or ()]
    assert calls == [b["id"] for b in every if b["type"] == "tool_use"]
    answers = [m["tool_call_id"] for m in chat["messages"] if m["role"] == "tool"]
    assert answers == [b["tool_use_id"] for b in every if b["type"] == "tool_result"]
    for block in every:
        if block["type"].startswith("server_tool") or block["type"] == "container_upload":
            assert block["type"] in written.losses
    for tool in body.get("tools") or ():
        if tool.get("type") not in (None, "custom"):
            assert any(tool["name"] in loss for loss in written.losses), written.losses
    for member in ("container", "mcp_servers"):
        assert (member in written.losses) == (member in body)
