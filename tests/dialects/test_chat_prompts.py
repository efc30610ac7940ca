"""Requests of chat completions read into no dialect, and written from it again: what has a place there comes back."""

import json
from typing import Any

import pytest
from recorded import REQUESTS, Row, asked, compact, name, needs_recordings

from freehold.core.errors import InvalidRequest
from freehold.core.events import Begun, Event, Finish, Reasoning, Text, ToolCall, Used
from freehold.core.prompt import Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, ReasoningPart, ResultPart, TextPart
from freehold.core.seal import Seal
from freehold.core.usage import Usage
from freehold.dialects.dialect import Source
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.seals import unwrap, wrap
from freehold.dialects.translate import translate

PLAIN = Quirks()
SAID: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def prompt(**more: Any) -> Prompt:
    return OPENAI_CHAT.read(OPENAI_CHAT.decode_request(json.dumps({**SAID, **more}).encode()))


def written(one: Prompt, quirks: Quirks = PLAIN) -> tuple[dict[str, Any], tuple[str, ...]]:
    result = OPENAI_CHAT.write(one, model="m", quirks=quirks)
    return json.loads(result.body), result.losses


def asked_with(*messages: Message, **more: Any) -> Prompt:
    return Prompt(messages=messages, **more)


FUNCTION: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}
SAME: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "seed": 7,
    "presence_penalty": 0.1,
    "frequency_penalty": -0.2,
    "stop": ["a", "b"],
    "n": 3,
    "logprobs": True,
    "top_logprobs": 2,
    "verbosity": "low",
    "service_tier": "flex",
    "user": "u",
    "reasoning_effort": "high",
    "max_completion_tokens": 5,
    "tools": [FUNCTION],
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
    },
}


@pytest.mark.parametrize("member", SAME)
def test_a_member_that_has_a_place_comes_back_as_it_was(member: str) -> None:
    body, losses = written(prompt(**{member: SAME[member]}))
    assert body == {**SAID, member: SAME[member]}
    assert losses == ()


def test_a_choice_of_tools_comes_back_with_them() -> None:
    for choice in ("none", "auto", "required", {"type": "function", "function": {"name": "f"}}):
        body, _ = written(prompt(tools=[FUNCTION], tool_choice=choice, parallel_tool_calls=False))
        assert (body["tool_choice"], body["parallel_tool_calls"]) == (choice, False)
    assert prompt(
        tools=[FUNCTION], tool_choice={"type": "function", "function": {"name": "f"}}
    ).tool_choice == ToolChoice("named", "f")


def test_members_without_a_place_are_named_as_the_caller_calls_them() -> None:
    one = prompt(logit_bias={"1": 2}, modalities=["text", "audio"], store=False, prediction=None, unknown={"a": 1})
    assert one.losses == ("logit_bias", "modalities", "unknown")


def test_what_chat_completions_cannot_say_is_named_and_nothing_else_is_lost() -> None:
    one = asked_with(
        Message("user", (MediaPart("file", url="https://example.org/a.pdf"), TextPart("read it"))),
        top_k=5,
        metadata={"a": "b"},
        tools=(Tool(kind="builtin", name="web_search"), Tool(name="f")),
    )
    body, losses = written(one)
    assert losses == ("file by URL", "tools[web_search]", "top_k", "metadata")
    assert body["messages"] == [{"role": "user", "content": "read it"}]
    assert [t["function"]["name"] for t in body["tools"]] == ["f"]


def test_the_three_ways_to_ask_for_reasoning_mean_the_same() -> None:
    assert prompt(reasoning_effort="low").thinking == Thinking(effort="low")
    assert prompt(reasoning={"effort": "low"}).thinking == Thinking(effort="low")
    assert prompt(reasoning={"max_tokens": 2000}).thinking == Thinking(budget=2000)
    assert prompt(thinking={"type": "enabled", "budget_tokens": 9}).thinking == Thinking(budget=9)
    assert prompt(thinking={"type": "disabled"}).thinking == Thinking(enabled=False)
    assert written(asked_with(thinking=Thinking(budget=30_000)))[0]["reasoning_effort"] == "high"
    assert written(asked_with(thinking=Thinking(enabled=False)))[0]["reasoning_effort"] == "none"


def test_results_of_parallel_tools_are_messages_of_their_own_before_what_the_user_says() -> None:
    picture = MediaPart("image", url="data:image/png;base64,AA==")
    one = asked_with(
        Message("assistant", (TextPart("wait"), CallPart("1", "f", '{"a":1}'), CallPart("2", "g", ""))),
        Message("user", (ResultPart("2", "two", (picture,)), ResultPart("1", "one"), TextPart("so?"))),
    )
    body, losses = written(one)
    assistant, second, first, user = body["messages"]
    assert [c["function"]["arguments"] for c in assistant["tool_calls"]] == ['{"a":1}', "{}"]
    assert (second, first) == (
        {"role": "tool", "tool_call_id": "2", "content": "two"},
        {"role": "tool", "tool_call_id": "1", "content": "one"},
    )
    assert user["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "text", "text": "so?"},
    ]
    assert losses == ()


def test_reasoning_goes_back_where_the_provider_wants_it_and_is_named_where_it_does_not() -> None:
    one = asked_with(Message("assistant", (ReasoningPart("hm"), TextPart("so"))))
    body, losses = written(one)
    assert (body["messages"][0], losses) == ({"role": "assistant", "content": "so"}, ("reasoning of earlier turns",))
    body, losses = written(one, Quirks(reasoning_back="reasoning_content"))
    assert (body["messages"][0]["reasoning_content"], losses) == ("hm", ())


DETAILS = [
    {"type": "reasoning.text", "text": "hm", "signature": "s1", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "e2", "id": "r", "index": 1},
]


def test_sealed_reasoning_of_an_aggregator_comes_back_exactly() -> None:
    one = prompt(messages=[{"role": "assistant", "content": "so", "reasoning_details": DETAILS}])
    body, losses = written(one)
    assert body["messages"][0]["reasoning_details"] == DETAILS
    assert losses == ()


def test_a_seal_goes_back_to_the_account_that_issued_it_and_to_no_other() -> None:
    seal = Seal(form="anthropic", data="sig.with.dots", id="x", redacted=True)
    sent = wrap(seal, "acc.1")
    said = {"role": "assistant", "content": "so", "reasoning_details": [{"type": "reasoning.encrypted", "data": sent}]}
    request = OPENAI_CHAT.decode_request(json.dumps({**SAID, "messages": [said]}).encode())

    class Other:
        name = "anthropic-messages"
        prompts: list[Prompt] = []

        def write(self, prompt: Prompt, *, model: str, quirks: Quirks) -> Any:
            self.prompts.append(prompt)
            return OPENAI_CHAT.write(prompt, model=model, quirks=quirks)

    other: Any = Other()
    lost = [
        translate(request, OPENAI_CHAT, other, model="m", quirks=PLAIN, account=account).losses
        for account in ("acc.1", "acc.2")
    ]
    mine, foreign = (one.messages[0].parts for one in Other.prompts)
    assert unwrap(sent) == Seal(form="anthropic", data="sig.with.dots", account="acc.1", id="x", redacted=True)
    assert mine[0] == ReasoningPart("", unwrap(sent))
    assert foreign == (TextPart("so"),)
    assert "reasoning signature of another provider" in lost[1]
    assert "reasoning signature of another provider" not in lost[0]


def test_a_text_that_is_no_wrapped_seal_is_left_alone() -> None:
    for text in ("", "fh1", "fh1.", "fh1.a.b.c", "fh1.a.nobody.i..data", "EqQBCkYIBR"):
        assert unwrap(text) is None


def test_an_answer_in_another_dialect_is_written_from_what_it_says_alone() -> None:

    request = OPENAI_CHAT.decode_request(
        json.dumps({**SAID, "stream": True, "stream_options": {"include_usage": True}}).encode()
    )
    encoder = OPENAI_CHAT.encoder(request, id="7", at=0, source=Source("anthropic-messages", "acc"))
    deltas = (
        Begun("msg_1", "claude"),
        Reasoning("hm"),
        Reasoning("", seal=Seal(form="anthropic", data="sig")),
        Text("so"),
        ToolCall(0, "c1", "f", "{}"),
        Finish("tool_calls", "tool_use"),
        Used(Usage(input_tokens=3, output_tokens=4)),
    )
    body = (
        b"".join(encoder.encode(Event((d,), b"event: x\ndata: {}\n\n", content=True)) for d in deltas) + encoder.end()
    )
    chunks = [json.loads(line[6:]) for line in body.decode().split("\n\n") if line and line != "data: [DONE]"]
    said = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert said[0]["role"] == "assistant"
    assert [d["reasoning_content"] for d in said if "reasoning_content" in d] == ["hm"]
    sealed = [d["reasoning_details"][0] for d in said if "data" in (d.get("reasoning_details") or [{}])[0]]
    assert unwrap(sealed[0]["data"]) == Seal(form="anthropic", data="sig", account="acc")
    assert [d["content"] for d in said if "content" in d] == ["so"]
    assert chunks[-1]["usage"]["total_tokens"] == 7
    assert b"event: x" not in body


@needs_recordings
@pytest.mark.parametrize("row", REQUESTS, ids=name)
def test_a_recorded_conversation_survives_being_read_and_written(row: Row) -> None:
    body = asked(row)
    assert body is not None
    before = OPENAI_CHAT.read(OPENAI_CHAT.decode_request(compact(body)))
    sent = OPENAI_CHAT.write(before, model="m", quirks=Quirks(reasoning_back="reasoning_content", cache_control=True))
    after = OPENAI_CHAT.read(OPENAI_CHAT.decode_request(sent.body))

    def said(one: Prompt) -> list[tuple[str, str]]:
        return [(m.role, m.text) for m in one.messages if m.parts]

    def calls(one: Prompt) -> list[tuple[str, str]]:
        return [(p.id, p.name) for m in one.messages for p in m.parts if isinstance(p, CallPart)]

    assert [text for _, text in said(after) if text] == [text for _, text in said(before) if text]
    assert calls(after) == calls(before)
    assert [t.name for t in after.tools] == [t.name for t in before.tools if t.kind != "builtin"]
    assert after.format == before.format
    assert (after.temperature, after.max_output_tokens, after.stop) == (
        before.temperature, before.max_output_tokens, before.stop,
    )  # fmt: skip


def test_a_tool_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="tools"):
        prompt(tools=[{"type": "function", "function": {"parameters": {}}}])
