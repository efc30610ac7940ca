"""Requests of Converse that other projects really sent: read, sent on with nothing lost, translated, written again."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from bedrock_world import REQUESTS, asked, target, valid_request
from messages_world import valid_request as valid_messages_request
from recorded import REQUESTS as CHAT_REQUESTS
from recorded import ROWS as CHAT
from recorded import Row, compact, name, needs_recordings
from recorded import asked as chat_asked

from freehold.core.prompt import Prompt
from freehold.core.request import CallPart, MediaPart, Request, ResultPart
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.bedrock_converse.dialect import BEDROCK_CONVERSE
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import translate

pytestmark = needs_recordings
each = pytest.mark.parametrize("row", REQUESTS, ids=name)


def body_of(row: Row) -> dict[str, Any]:
    body = asked(row)
    assert body is not None
    return body


def decoded(row: Row) -> Request:
    return BEDROCK_CONVERSE.decode_request(compact(body_of(row)), target(row))


def blocks(body: dict[str, Any], kind: str) -> list[Any]:
    return [block[kind] for turn in body["messages"] for block in turn["content"] if kind in block]


def own_calls(body: dict[str, Any]) -> list[Any]:
    return [call for call in blocks(body, "toolUse") if call.get("type") != "server_tool_use"]


def test_there_are_fifty_recorded_requests() -> None:
    assert len(REQUESTS) >= 50


@each
def test_a_recorded_request_is_sent_on_as_it_was_written_to_the_same_path(row: Row) -> None:
    request = decoded(row)
    assert BEDROCK_CONVERSE.encode_request(request, model="x", quirks=Quirks()) == compact(body_of(row))
    assert BEDROCK_CONVERSE.path("", model=request.model, stream=request.stream) == target(row)


@each
def test_a_recorded_request_is_sent_on_with_equal_values_whatever_its_spelling(row: Row) -> None:
    body = body_of(row)
    for text in (json.dumps(body).encode(), json.dumps({"modelId": "m", **body}, indent=2).encode()):
        request = BEDROCK_CONVERSE.decode_request(text, target(row))
        assert json.loads(BEDROCK_CONVERSE.encode_request(request, model="x", quirks=Quirks())) == body


@each
def test_a_recorded_request_is_read_for_what_it_asks(row: Row) -> None:
    body, request = body_of(row), decoded(row)
    assert request.stream == ("stream" in row["features"])
    assert request.max_output_tokens == body.get("inferenceConfig", {}).get("maxTokens")
    assert ("tools" in request.needs) == bool(body.get("toolConfig"))
    assert ("json_schema" in request.needs) == ("outputConfig" in body)
    shown = blocks(body, "image") + [c for r in blocks(body, "toolResult") for c in r["content"] if "image" in c]
    assert ("image" in request.needs) == bool(shown)
    assert 0 < request.prompt_tokens < 10_000


@each
def test_the_conversation_of_a_recorded_request_is_read_whole(row: Row) -> None:
    body = body_of(row)
    said = BEDROCK_CONVERSE.messages(decoded(row))
    parts = [part for message in said for part in message.parts]
    everything = "\n".join(message.text for message in said)

    for one in (*blocks(body, "text"), *(b["text"] for b in body.get("system", ()) if "text" in b)):
        assert one in everything
    assert [(p.id, p.name, json.loads(p.arguments)) for p in parts if isinstance(p, CallPart)] == [
        (c["toolUseId"], c["name"], c["input"]) for c in own_calls(body)
    ]
    assert [(p.id, p.error) for p in parts if isinstance(p, ResultPart)] == [
        (r["toolUseId"], r.get("status") == "error") for r in blocks(body, "toolResult") if "type" not in r
    ]
    media = [p for p in parts if isinstance(p, MediaPart)]
    assert len(media) == len(blocks(body, "image")) + len(blocks(body, "document"))


def whole(row: Row) -> bool:
    """Not cut by the source, which shortened long base64."""
    return "elided" not in json.dumps(body_of(row))


@pytest.mark.parametrize("row", [row for row in REQUESTS if whole(row)], ids=name)
def test_a_recorded_request_read_and_written_again_is_valid_and_asks_the_same(row: Row) -> None:
    body, request = body_of(row), decoded(row)
    prompt = BEDROCK_CONVERSE.read(request)
    written = BEDROCK_CONVERSE.write(prompt, model=request.model, quirks=Quirks())
    again = json.loads(written.body)
    valid_request(again)

    assert again.get("inferenceConfig", {}) == body.get("inferenceConfig", {})
    assert [(c["toolUseId"], c["name"], c["input"]) for c in blocks(again, "toolUse")] == [
        (c["toolUseId"], c["name"], c["input"]) for c in own_calls(body)
    ]
    assert listed(again) == listed(body)
    more = again.get("additionalModelRequestFields", {})
    more.get("thinking", {}).pop("display", None)  # what is shown where nobody says
    assert more == body.get("additionalModelRequestFields", {})
    assert form(again) == form(body)
    if not prompt.losses:
        assert again["messages"] == plain(body["messages"])
        assert again.get("system", []) == body.get("system", [])


def listed(body: dict[str, Any]) -> list[Any]:
    return [tool for tool in body.get("toolConfig", {}).get("tools", ()) if "cachePoint" not in tool]


def form(body: dict[str, Any]) -> Any:
    said = body.get("outputConfig")
    return said and json.loads(said["textFormat"]["structure"]["jsonSchema"]["schema"])


def plain(messages: list[Any]) -> list[Any]:
    """Without what says nothing more: that a result is a success, that a call is one; and its text as one."""
    out: list[Any] = []
    for turn in messages:
        content = [dict(block) for block in turn["content"]]
        for block in content:
            if "toolResult" in block:
                result = {n: v for n, v in block["toolResult"].items() if (n, v) != ("status", "success")}
                texts = [one["text"] if "text" in one else compact(one["json"]).decode() for one in result["content"]
                         if "text" in one or "json" in one]  # fmt: skip
                rest = [one for one in result["content"] if "text" not in one and "json" not in one]
                result["content"] = [*([{"text": "\n".join(texts)}] if texts else []), *rest]
                block["toolResult"] = result
            if "toolUse" in block:
                block["toolUse"] = {n: v for n, v in block["toolUse"].items() if n != "type"}
        out.append({"role": turn["role"], "content": content})
    return out


@each
def test_a_recorded_request_is_translated_to_chat_completions_and_names_what_is_lost(row: Row) -> None:
    body = body_of(row)
    written = translate(decoded(row), BEDROCK_CONVERSE, OPENAI_CHAT, model="gpt", quirks=Quirks(), account="openai")
    chat = json.loads(written.body)
    OPENAI_CHAT.decode_request(written.body)

    calls = [c["id"] for m in chat["messages"] for c in m.get("tool_calls") or ()]
    assert calls == [c["toolUseId"] for c in own_calls(body)]
    answers = [m["tool_call_id"] for m in chat["messages"] if m["role"] == "tool"]
    assert answers == [r["toolUseId"] for r in blocks(body, "toolResult") if "type" not in r]
    assert ("guardrailConfig" in written.losses) == ("guardrailConfig" in body)
    assert ("guardContent" in written.losses) == bool(blocks(body, "guardContent"))
    for tool in body.get("toolConfig", {}).get("tools", ()):
        if "systemTool" in tool:
            assert any(tool["systemTool"]["name"] in loss for loss in written.losses)


@each
def test_a_recorded_request_is_translated_to_a_valid_message_request(row: Row) -> None:
    written = translate(
        decoded(row), BEDROCK_CONVERSE, ANTHROPIC_MESSAGES, model="claude-sonnet-4-5", quirks=Quirks(), account="a"
    )
    valid_messages_request(json.loads(written.body))


def meaning(prompt: Prompt) -> list[tuple[Any, ...]]:
    """What is said, by whom, without the ids that each recording has of its own."""
    found: list[tuple[Any, ...]] = []
    for message in prompt.messages:
        for part in message.parts:
            if isinstance(part, CallPart):
                found.append(("call", part.name, json.loads(part.arguments)))
            elif isinstance(part, ResultPart):
                found.append(("result", part.text))
            elif not isinstance(part, MediaPart):
                found.append((message.role, part.text))
    return found + [("offers", t.name, json.loads(bytes(t.schema or b"{}"))) for t in prompt.tools]


PAIRS = [
    (mine, chat)
    for mine in REQUESTS
    for chat in CHAT
    if mine.get("case") and mine.get("case") == chat.get("case") and chat["request"]
    if len(chat["request"]["body"]["messages"]) == len(body_of(mine)["messages"])
]


def test_a_case_was_recorded_over_both_wires() -> None:
    assert PAIRS


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]['id']}-{pair[1]['id']}")
def test_a_prompt_translated_means_what_was_recorded_over_the_other_wire(pair: tuple[Row, Row]) -> None:
    mine, chat = pair
    request = OPENAI_CHAT.decode_request(compact(chat["request"]["body"]))
    written = translate(request, OPENAI_CHAT, BEDROCK_CONVERSE, model=mine["model"], quirks=Quirks(), account="a")
    valid_request(json.loads(written.body))
    ours = BEDROCK_CONVERSE.read(BEDROCK_CONVERSE.decode_request(written.body, target(mine)))
    assert meaning(ours) == meaning(BEDROCK_CONVERSE.read(decoded(mine)))


@pytest.mark.parametrize("row", [row for row in CHAT_REQUESTS if "elided" not in json.dumps(row["request"])], ids=name)
@pytest.mark.parametrize("model", ["us.anthropic.claude-opus-4-8", "us.amazon.nova-2-lite-v1:0"])
def test_a_recorded_chat_request_becomes_a_valid_request_of_converse(row: Row, model: str) -> None:
    body = chat_asked(row)
    assert body is not None
    request = OPENAI_CHAT.decode_request(compact(body))
    written = translate(request, OPENAI_CHAT, BEDROCK_CONVERSE, model=model, quirks=Quirks(), account="a")
    sent = json.loads(written.body)
    names = {tool["toolSpec"]["name"] for tool in listed(sent)}
    if not all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", one) for one in names):
        pytest.skip("a tool has a name that Bedrock does not take, and says so")
    valid_request(sent)

    roles = [turn["role"] for turn in sent["messages"]]
    assert all(a != b for a, b in pairwise(roles))
    everything = "\n".join((*blocks(sent, "text"), *(b["text"] for b in sent.get("system", ()) if "text" in b)))
    for said in body["messages"]:
        text = said.get("content")
        if isinstance(text, str) and said["role"] not in {"tool", "function"} and text.strip():
            assert text.rstrip() in everything
    calls = [c["function"]["name"] for m in body["messages"] for c in m.get("tool_calls") or ()]
    assert [c["name"] for c in blocks(sent, "toolUse")][: len(calls)] == calls
    for turn, after in zip(sent["messages"], [*sent["messages"][1:], {"content": []}], strict=True):
        ids = [b["toolUse"]["toolUseId"] for b in turn["content"] if "toolUse" in b]
        answered = [b["toolResult"]["toolUseId"] for b in after["content"] if "toolResult" in b]
        assert answered == [id_ for id_ in ids if id_ in answered]
