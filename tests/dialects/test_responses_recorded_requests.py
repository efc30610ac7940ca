"""Requests of Responses that other projects really sent: read, told apart, sent on with nothing lost, translated."""

import json
from collections import defaultdict
from typing import Any

import pytest
from recorded import Row, compact, name, needs_recordings, rows
from responses_world import REQUESTS, STREAM_ASKED, WHOLE_ASKED, asked, sent

from freehold.core.errors import NotCarried
from freehold.core.prompt import Prompt
from freehold.core.request import CallPart, MediaPart, ReasoningPart, ResultPart, TextPart
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.dialects.quirks import Quirks

pytestmark = needs_recordings
each = pytest.mark.parametrize("row", REQUESTS, ids=name)


def body_of(row: Row) -> dict[str, Any]:
    body = asked(row)
    assert body is not None
    return body


def items_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    given = body["input"]
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def kinds_of(body: dict[str, Any]) -> list[str]:
    return [item.get("type", "message") for item in items_of(body)]


def test_there_are_over_a_hundred_recorded_requests() -> None:
    assert len(REQUESTS) > 110


@each
def test_a_recorded_request_is_read_for_what_it_asks(row: Row) -> None:
    body = body_of(row)
    request = OPENAI_RESPONSES.decode_request(compact(body))

    assert (request.model, request.stream) == (body["model"], bool(body.get("stream")))
    assert request.max_output_tokens == body.get("max_output_tokens")
    assert ("tools" in request.needs) == bool(body.get("tools"))
    parts = [p for item in items_of(body) for n in ("content", "output") for p in lists(item.get(n))]
    kinds = {p.get("type") for p in parts}
    assert ("image" in request.needs) == ("input_image" in kinds)
    assert ("file" in request.needs) == ("input_file" in kinds)
    form = ((body.get("text") or {}).get("format") or {}).get("type")
    assert ("json_schema" in request.needs, "json_object" in request.needs) == (
        form == "json_schema",
        form == "json_object",
    )
    assert request.prompt_tokens > 0


def lists(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


@each
def test_a_recorded_request_is_sent_on_with_equal_values_whatever_its_spelling(row: Row) -> None:
    body = body_of(row)
    for text in (compact(body), json.dumps(body).encode(), json.dumps(body, indent=2).encode()):
        request = OPENAI_RESPONSES.decode_request(text)

        assert sent(request, model=body["model"]) == body
        assert sent(request, model='other/"model"') == {**body, "model": 'other/"model"'}
    assert OPENAI_RESPONSES.encode_request(
        OPENAI_RESPONSES.decode_request(compact(body)), model=body["model"], quirks=Quirks()
    ) == compact(body)


@each
def test_the_conversation_of_a_recorded_request_is_read_whole(row: Row) -> None:
    body = body_of(row)
    messages = OPENAI_RESPONSES.messages(OPENAI_RESPONSES.decode_request(compact(body)))
    parts = [part for message in messages for part in message.parts]

    names = {"function_call": "arguments", "custom_tool_call": "input"}
    calls = [(i["call_id"], i["name"], i[names[i["type"]]]) for i in items_of(body) if i.get("type") in names]
    assert [(p.id, p.name, p.arguments) for p in parts if isinstance(p, CallPart)] == calls
    results = [i for i in items_of(body) if i.get("type") in {"function_call_output", "custom_tool_call_output"}]
    assert [p.id for p in parts if isinstance(p, ResultPart)] == [i["call_id"] for i in results]
    media = [p for p in parts if isinstance(p, MediaPart)]
    media += [m for p in parts if isinstance(p, ResultPart) for m in p.media]
    said = [p for i in items_of(body) for n in ("content", "output") for p in lists(i.get(n))]
    assert len(media) == sum(p["type"] in {"input_image", "input_file", "input_audio"} for p in said)
    assert all(m.url or m.file_id for m in media)
    sealed = [i["encrypted_content"] for i in items_of(body) if i.get("encrypted_content") and i["type"] == "reasoning"]
    assert [p.seal.data for p in parts if isinstance(p, ReasoningPart) and p.seal is not None] == sealed
    texts = [p.text for m in messages for p in m.parts if isinstance(p, TextPart)]
    assert [t for t in texts if t] == [t for t in told_of(body) if t]


def told_of(body: dict[str, Any]) -> list[str]:
    """The texts of messages, in their order."""
    found = [body["instructions"]] if body.get("instructions") else []
    for item in items_of(body):
        content = item.get("content") if item.get("type", "message") == "message" else None
        found += [content] if isinstance(content, str) else [p["text"] for p in lists(content) if "text" in p]
    return found


def valid(body: Any) -> None:
    """Valid by the SDK's own types, to the last part: what they check lazily is walked through."""
    named = [{"id": "rs_1", **i} if i.get("type") == "reasoning" else i for i in body["input"]]
    body = {**body, "input": named}  # OpenAI takes sealed reasoning without a name, as others send it
    walked((STREAM_ASKED if body.get("stream") else WHOLE_ASKED).validate_python(body))


def walked(value: Any) -> None:
    if isinstance(value, dict):
        for one in value.values():
            walked(one)
    elif not isinstance(value, str | bytes | int | float | bool) and value is not None:
        for one in value:
            walked(one)


def prompt_of(body: dict[str, Any]) -> Prompt | None:
    try:
        return OPENAI_RESPONSES.read(OPENAI_RESPONSES.decode_request(compact(body)))
    except NotCarried:
        return None


@each
def test_a_recorded_request_is_written_again_with_the_same_meaning(row: Row) -> None:
    prompt = prompt_of(body_of(row))
    if prompt is None:
        assert body_of(row).get("previous_response_id")
        return
    written = OPENAI_RESPONSES.write(prompt, model="m", quirks=Quirks(cache_control=True))
    body = json.loads(written.body)
    again = prompt_of(body)

    valid(body)
    assert again is not None
    assert dataclass(again) == dataclass(prompt)


def dataclass(prompt: Prompt) -> dict[str, Any]:
    """What a prompt means, in plain values; what was named as lost is not there twice."""
    value = json.loads(json.dumps({name: plain(getattr(prompt, name)) for name in prompt.__struct_fields__}))
    value["tools"] = [t for t in value["tools"] if t["kind"] != "builtin"]
    for tool in value["tools"]:
        tool["strict"] = tool["strict"] is True
        tool.pop("original")
        if tool["kind"] == "function":
            tool["schema"] = tool["schema"] or {"type": "object", "properties": {}}
    for message in value["messages"]:
        # without a seal OpenAI takes no reasoning again
        message["parts"] = [p for p in message["parts"] if p.get("type") != "ReasoningPart" or p["seal"]]
        for part in message["parts"]:
            part.pop("error", None)
            if part["type"] == "MediaPart":
                part["detail"] = part["detail"] or "auto"
                part["name"] = part["name"] or "file"
                if part["file_id"]:
                    part["name"] = part["url"] = ""
    value["messages"] = [m for m in value["messages"] if m["parts"]]
    if value["max_output_tokens"] is not None:
        value["max_output_tokens"] = max(value["max_output_tokens"], 16)
    if not value["tools"]:
        value["tool_choice"] = value["parallel_tools"] = None
    for gone in ("losses", "logprobs", "top_logprobs"):
        value.pop(gone)
    return value


def plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if hasattr(value, "__struct_fields__") and type(value).__name__ != "Raw":
        return {"type": type(value).__name__} | {n: plain(getattr(value, n)) for n in value.__struct_fields__}
    if type(value).__name__ == "Raw":
        return json.loads(bytes(value))
    return value


@each
def test_a_recorded_request_is_translated_to_chat_completions(row: Row) -> None:
    prompt = prompt_of(body_of(row))
    if prompt is None:
        return
    written = OPENAI_CHAT.write(prompt, model="m", quirks=Quirks())
    chat = OPENAI_CHAT.decode_request(written.body)
    before = [p for m in prompt.messages for p in m.parts]
    after = [p for m in OPENAI_CHAT.messages(chat) for p in m.parts]

    assert "".join(p.text for p in after if isinstance(p, TextPart)) == "".join(
        p.text for p in before if isinstance(p, TextPart)
    )
    assert [(p.id, p.name) for p in after if isinstance(p, CallPart)] == [
        (p.id, p.name) for p in before if isinstance(p, CallPart)
    ]
    assert [(p.id, p.text) for p in after if isinstance(p, ResultPart)] == [
        (p.id, p.text) for p in before if isinstance(p, ResultPart)
    ]


# the same case over both wires


def turns(body: dict[str, Any]) -> int:
    return sum(item.get("role") == "user" for item in body.get("messages") or items_of(body))


CASES: dict[object, dict[str, Row]] = defaultdict(dict)
for row in rows("openai-chat", "openai-responses"):
    if row.get("case") and asked(row) is not None:
        CASES[row["case"], turns(body_of(row)), body_of(row).get("stream")][row["wire"]] = row
PAIRS = [case for case in CASES.values() if len(case) == 2]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: name(pair["openai-responses"]))
def test_the_same_case_means_the_same_over_both_wires(pair: dict[str, Row]) -> None:
    chat_body, body = body_of(pair["openai-chat"]), body_of(pair["openai-responses"])
    prompt = OPENAI_CHAT.read(OPENAI_CHAT.decode_request(compact(chat_body)))
    written = json.loads(OPENAI_RESPONSES.write(prompt, model=body["model"], quirks=Quirks()).body)
    ours, theirs = prompt_of(written), prompt_of(body)

    valid(written)
    assert ours is not None
    assert theirs is not None
    assert [m.text for m in ours.messages if m.role == "user"] == [m.text for m in theirs.messages if m.role == "user"]
    assert [(t.name, t.kind) for t in ours.tools] == [(t.name, t.kind) for t in theirs.tools if t.kind != "builtin"]
    assert ours.stream == theirs.stream
