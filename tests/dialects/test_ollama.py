"""Ollama's own API: recorded exchanges pass whole; other callers and providers are understood through it."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import WIRE, compact, needs_recordings

from freehold.core.errors import Broken, FreeholdError, InvalidRequest, ProviderError
from freehold.core.events import Begun, Event, Finish, Reasoning, Text, ToolCall, Used, collect
from freehold.core.prompt import Format, Thinking
from freehold.core.request import CallPart, ReasoningPart, ResultPart
from freehold.core.usage import Usage
from freehold.dialects.dialect import Source
from freehold.dialects.ollama.dialect import OLLAMA_CHAT, OLLAMA_GENERATE, Ollama
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import translate

PLAIN = Quirks()


def chat(**more: Any) -> Any:
    return OLLAMA_CHAT.decode_request(compact({"model": "m", "messages": [{"role": "user", "content": "hi"}], **more}))


def test_a_request_streams_unless_it_says_otherwise() -> None:
    assert chat().stream
    assert chat(stream=None).stream
    assert not chat(stream=False).stream


def test_a_chat_is_asked_of_an_openai_provider_with_calls_and_results_put_together() -> None:
    turns: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "look", "images": ["iVBORw0KGgo="]},
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
            {"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g", "arguments": {}}},
        ]},
        {"role": "tool", "tool_name": "g", "content": "two"},
        {"role": "tool", "content": "one"},
    ]  # fmt: skip
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    options = {"temperature": 0, "num_predict": 9, "num_ctx": 4096, "stop": ["x"], "mirostat": 1, "top_k": 3}
    request = chat(messages=turns, tools=[tool], options=options, think="high", format={"type": "object"})
    written = translate(request, OLLAMA_CHAT, OPENAI_CHAT, model="x", quirks=PLAIN, account="a")
    body = json.loads(written.body)

    assert body["messages"][1]["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
    calls = body["messages"][2]["tool_calls"]
    assert [(c["function"]["name"], c["function"]["arguments"]) for c in calls] == [("f", '{"a":1}'), ("g", "{}")]
    assert [(m["tool_call_id"], m["content"]) for m in body["messages"][3:]] == [
        (calls[1]["id"], "two"), (calls[0]["id"], "one"),
    ]  # fmt: skip
    assert (body["temperature"], body["max_completion_tokens"], body["stop"]) == (0, 9, ["x"])
    assert (body["reasoning_effort"], body["response_format"]["json_schema"]["schema"]) == ("high", {"type": "object"})
    assert set(written.losses) == {"options.mirostat", "reasoning of earlier turns", "top_k"}
    assert request.needs == {"stream", "image", "tools", "json_schema"}


def test_an_openai_chat_is_asked_of_an_ollama_server() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    request = OPENAI_CHAT.decode_request(compact({
        "model": "m", "max_tokens": 5, "seed": 7, "n": 2, "tool_choice": "required", "reasoning_effort": "none",
        "response_format": {"type": "json_object"},
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"},
                                         {"type": "image_url", "image_url": {"url": "https://x.org/i.png"}}]},
            {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
        ],
    }))  # fmt: skip
    written = translate(request, OPENAI_CHAT, OLLAMA_CHAT, model="x", quirks=PLAIN, account="a")
    body = json.loads(written.body)

    assert body["messages"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "thinking": "hm",
         "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}]},
        {"role": "tool", "content": "one", "tool_name": "f", "tool_call_id": "c1"},
    ]  # fmt: skip
    assert (body["options"], body["format"], body["think"], body["stream"]) == (
        {"seed": 7, "num_predict": 5}, "json", False, False,
    )  # fmt: skip
    assert written.losses == ("image by URL", "tool_choice", "choices")
    again = OLLAMA_CHAT.read(OLLAMA_CHAT.decode_request(written.body))
    assert [p for m in again.messages for p in m.parts if isinstance(p, CallPart)] == [CallPart("c1", "f", '{"a":1}')]
    assert [p.id for m in again.messages for p in m.parts if isinstance(p, ResultPart)] == ["c1"]
    assert (again.thinking, again.format) == (Thinking(enabled=False), Format(kind="json_object"))


def test_a_prompt_of_its_own_is_a_conversation_of_one_turn() -> None:
    request = OLLAMA_GENERATE.decode_request(compact({"model": "m", "prompt": "hi", "system": "s", "template": "t"}))
    prompt = OLLAMA_GENERATE.read(request)
    assert [(m.role, m.text) for m in prompt.messages] == [("system", "s"), ("user", "hi")]
    assert prompt.losses == ("template",)


DELTAS = (
    Begun("i", "chat"), Reasoning("hm"), Text("so"), Text("!"), ToolCall(0, "c", "f", '{"a"'),
    ToolCall(0, arguments=":1}"), Finish("tool_calls"), Used(Usage(input_tokens=2, output_tokens=3)),
)  # fmt: skip


@pytest.mark.parametrize("dialect", [OLLAMA_CHAT, OLLAMA_GENERATE], ids=lambda d: d.name)
@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_of_another_dialect_is_read_back_as_it_was_said(dialect: Ollama, streamed: bool) -> None:
    request = dialect.decode_request(compact({"model": "m", "messages": [], "prompt": "", "stream": streamed}))
    encoder = dialect.encoder(request, id="1", at=0, source=Source("anthropic-messages", "a"))
    body = b"".join(encoder.encode(Event((d,), b"?", content=True)) for d in DELTAS) + encoder.end()
    decoder = dialect.stream_decoder(PLAIN)
    events = [*decoder.feed(body), *decoder.finish()] if streamed else [dialect.decode_answer(body, PLAIN)]
    choice, usage = collect(events).choices[0], collect(events).usage
    assert encoder.media_type == (b"application/x-ndjson" if streamed else b"application/json")
    assert (choice.text, choice.reasoning, usage) == ("so!", "hm", Usage(input_tokens=2, output_tokens=3))
    if dialect is OLLAMA_CHAT:
        assert [(c.id, c.name, c.arguments) for c in choice.tool_calls] == [("c", "f", '{"a":1}')]
        assert choice.finish == "tool_calls"


LINES = [
    {"model": "m", "message": {"role": "assistant", "content": "é"}, "done": False},
    {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "length"},
]
STREAM = b"".join(compact(line) + b"\n" for line in LINES)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_split_of_a_stream_says_the_same(cuts: list[int]) -> None:
    edges = sorted({0, len(STREAM), *cuts})
    decoder = OLLAMA_CHAT.stream_decoder(PLAIN)
    events = [e for a, b in pairwise(edges) for e in decoder.feed(STREAM[a:b])] + decoder.finish()
    assert b"".join(e.raw for e in events) == STREAM
    assert (collect(events).text, collect(events).choices[0].finish) == ("é", "length")


def test_a_stream_that_is_cut_or_an_error_is_never_whole() -> None:
    decoder = OLLAMA_CHAT.stream_decoder(PLAIN)
    decoder.feed(compact(LINES[0]) + b"\n")
    with pytest.raises(Broken):
        decoder.finish()
    decoder = OLLAMA_CHAT.stream_decoder(PLAIN)
    assert len(decoder.feed(compact(LINES[0]) + b'\n{"error":"out of memory"}\n')) == 1
    assert decoder.error is not None
    with pytest.raises(ProviderError, match="out of memory"):
        decoder.finish()
    for body in (b"", b"[]", b"{}", b"<html>"):
        with pytest.raises(ProviderError):
            OLLAMA_CHAT.decode_answer(body, PLAIN)


def test_errors_are_ollamas() -> None:
    assert json.loads(OLLAMA_CHAT.encode_error(FreeholdError("no"))) == {"error": "no"}
    error = OLLAMA_CHAT.decode_error(404, {}, b'{"error":"model not found"}', provider="p")
    assert "model not found" in error.message


@pytest.mark.parametrize("wrong", [{"model": ""}, {"messages": "x"}, {"stream": "yes"}, {"options": []}, {"tools": {}}])
def test_a_wrong_member_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat(**wrong)
    assert refused.value.param == next(iter(wrong))


def recorded() -> list[dict[str, Any]]:
    lines = (WIRE / "ollama.jsonl").read_text().splitlines() if WIRE.exists() else []
    rows = [json.loads(line) for line in lines]
    return [r for r in rows if r["wire"] in ("ollama-chat", "ollama-generate") and r["request"]]


@needs_recordings
@pytest.mark.parametrize("row", recorded(), ids=lambda r: f"{r['wire']}-{r['id']}")
def test_a_recorded_exchange_passes_whole(row: dict[str, Any]) -> None:
    dialect = OLLAMA_CHAT if row["wire"] == "ollama-chat" else OLLAMA_GENERATE
    body, response = row["request"]["body"], row["response"]
    request = dialect.decode_request(compact(body))
    assert json.loads(dialect.encode_request(request, model=body["model"], quirks=PLAIN)) == body
    encoder = dialect.encoder(request, id="1", at=0)
    if "body" in response:
        event = dialect.decode_answer(compact(response["body"]), PLAIN)
        assert json.loads(encoder.encode(event) + encoder.end()) == response["body"]
        events, last = [event], response["body"]
    else:
        text = response["text"].encode()
        decoder = dialect.stream_decoder(PLAIN)
        events = [*decoder.feed(text), *decoder.finish()]
        assert b"".join(map(encoder.encode, events)) + encoder.end() == text
        last = json.loads(text.splitlines()[-1])
    usage = collect(events).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (last.get("prompt_eval_count", 0), last["eval_count"])
    prompt = dialect.read(request)
    assert prompt.messages[-1].text == (body.get("prompt") or body["messages"][-1]["content"])
    assert not any(isinstance(p, ReasoningPart) for m in prompt.messages for p in m.parts)
