"""Cohere's v2 chat: recorded exchanges read, sent on and translated."""

import json
from typing import Any

import pytest
from cohere_world import (
    ALL,
    ERRORS,
    HI,
    REQUESTS,
    STREAMS,
    WHOLE,
    asked,
    each_answer,
    each_request,
    read,
    stream_of,
    told,
    write,
)
from messages_world import folded, valid_message
from messages_world import told as messages_told
from messages_world import write as write_message
from recorded import REQUESTS as CHAT_REQUESTS
from recorded import STREAMS as CHAT_STREAMS
from recorded import WHOLE as CHAT_WHOLE
from recorded import Row, compact, name, needs_recordings
from recorded import asked as chat_asked
from test_messages_cross import chat_events

from freehold.core.errors import Rejected
from freehold.core.events import Event, Finish, collect
from freehold.core.money import Price
from freehold.core.tariff import flat
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.cohere_chat.dialect import COHERE_CHAT
from freehold.dialects.dialect import Source
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.translate import translate

# recorded requests


@needs_recordings
def test_there_are_thirty_recorded_exchanges() -> None:
    assert len(REQUESTS) >= 20
    assert len(STREAMS) + len(WHOLE) + len(ERRORS) == len(ALL) >= 30


@each_request
def test_a_recorded_request_is_sent_on_as_it_was_written(row: Row) -> None:
    body = asked(row)
    assert body is not None
    text = compact(body)
    assert COHERE_CHAT.encode_request(COHERE_CHAT.decode_request(text), model=body["model"], quirks=Quirks()) == text
    spaced = COHERE_CHAT.decode_request(json.dumps(body, indent=1).encode())
    assert json.loads(COHERE_CHAT.encode_request(spaced, model="x", quirks=Quirks())) == {**body, "model": "x"}


@each_request
def test_a_recorded_request_read_and_written_again_asks_the_same(row: Row) -> None:
    body = asked(row)
    assert body is not None
    prompt = COHERE_CHAT.read(COHERE_CHAT.decode_request(compact(body)))
    again = json.loads(COHERE_CHAT.write(prompt, model=body["model"], quirks=Quirks()).body)
    assert prompt.losses == ()
    assert again.get("tools") == body.get("tools")
    for member in ("temperature", "tool_choice", "response_format"):
        assert again.get(member) == body.get(member)
    assert [plain(turn) for turn in again["messages"]] == [plain(turn) for turn in body["messages"]]


def plain(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn with its text as blocks, and without what is null."""
    content = turn.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    return {n: v for n, v in {**turn, "content": blocks}.items() if v}


@each_request
def test_a_recorded_request_is_translated_with_all_its_calls_and_results(row: Row) -> None:
    body = asked(row)
    assert body is not None
    request = COHERE_CHAT.decode_request(compact(body))
    calls = [c["id"] for m in body["messages"] for c in m.get("tool_calls") or ()]
    chat = json.loads(translate(request, COHERE_CHAT, OPENAI_CHAT, model="gpt", quirks=Quirks(), account="o").body)
    assert [c["id"] for m in chat["messages"] for c in m.get("tool_calls") or ()] == calls
    assert [m["tool_call_id"] for m in chat["messages"] if m["role"] == "tool"] == calls
    messages = json.loads(
        translate(request, COHERE_CHAT, ANTHROPIC_MESSAGES, model="claude", quirks=Quirks(), account="a").body
    )
    blocks = [b for m in messages["messages"] for b in m["content"]]
    assert [b["id"] for b in blocks if b["type"] == "tool_use"] == calls


@pytest.mark.parametrize("row", CHAT_REQUESTS, ids=name)
def test_a_recorded_chat_request_is_written_for_cohere(row: Row) -> None:
    body = chat_asked(row)
    assert body is not None
    request = OPENAI_CHAT.decode_request(compact(body))
    written = translate(request, OPENAI_CHAT, COHERE_CHAT, model="command-a", quirks=Quirks(), account="c")
    sent = json.loads(written.body)
    COHERE_CHAT.decode_request(written.body)
    sdk = pytest.importorskip("cohere.types")
    for turn in sent["messages"]:
        assert turn["role"] in {"system", "user", "assistant", "tool"}
        assert turn.get("content") or turn.get("tool_calls") or turn["role"] == "tool"
    for tool in sent.get("tools", ()):
        sdk.ToolV2.model_validate(tool)
    calls = [c["function"]["name"] for m in body["messages"] for c in m.get("tool_calls") or ()]
    assert [c["function"]["name"] for m in sent["messages"] for c in m.get("tool_calls") or ()][: len(calls)] == calls


# recorded answers


@pytest.mark.parametrize("row", STREAMS, ids=name)
def test_a_recorded_stream_passes_byte_for_byte_whatever_the_split(row: Row) -> None:
    body = stream_of(row)
    at_once, _ = read([body])
    for size in (1, 7, 4096):
        events, error = read(body[i : i + size] for i in range(0, len(body), size))
        assert error is None
        assert write(events, streamed=True) == body
        assert events == at_once


@pytest.mark.parametrize("row", WHOLE, ids=name)
def test_a_recorded_answer_is_written_as_it_came(row: Row) -> None:
    body = compact(row["response"]["body"])
    assert write([COHERE_CHAT.decode_answer(body, Quirks())], streamed=False) == body


def events_of(row: Row) -> list[Event]:
    if "body" in row["response"]:
        return [COHERE_CHAT.decode_answer(compact(row["response"]["body"]), Quirks())]
    events, error = read([stream_of(row)])
    assert error is None
    return events


def said(row: Row) -> tuple[str, str, list[tuple[str, Any]], str, dict[str, Any]]:
    """Text, thoughts and plan, calls, finish and usage, by an oracle of the test's own."""
    if "body" in row["response"]:
        body = row["response"]["body"]
        message = body["message"]
        blocks = message.get("content") or []
        thought = message.get("tool_plan", "") + "".join(b.get("thinking", "") for b in blocks)
        calls = [(c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls", ())]
        text = "".join(b.get("text", "") for b in blocks)
        return text, thought, loaded(calls), body["finish_reason"], body["usage"]
    text = thought = ""
    made: dict[int, list[str]] = {}
    end: dict[str, Any] = {}
    for event in told(stream_of(row)):
        delta = event.get("delta") or {}
        message = delta.get("message") or {}
        if event["type"].startswith("content"):
            content = message.get("content") or {}
            text, thought = text + content.get("text", ""), thought + content.get("thinking", "")
        thought += message.get("tool_plan", "") if event["type"] == "tool-plan-delta" else ""
        if event["type"] in {"tool-call-start", "tool-call-delta"}:
            function = message["tool_calls"]["function"]
            call = made.setdefault(event["index"], [function.get("name", ""), ""])
            call[1] += function.get("arguments", "")
        end = delta if event["type"] == "message-end" else end
    return text, thought, loaded([(c[0], c[1]) for c in made.values()]), end["finish_reason"], end["usage"]


def loaded(calls: list[tuple[str, str]]) -> list[tuple[str, Any]]:
    return [(called, json.loads(arguments or "null") or {}) for called, arguments in calls]


REASONS = {"COMPLETE": "stop", "TOOL_CALL": "tool_calls", "MAX_TOKENS": "length"}


@each_answer
def test_a_recorded_answer_says_what_it_says_and_what_it_took(row: Row) -> None:
    text, thought, calls, finish, counted = said(row)
    events = events_of(row)
    answer = collect(events)
    choice, usage = answer.choices[0], answer.usage
    assert (choice.text, choice.reasoning) == (text, thought)
    assert [(c.name, json.loads(c.arguments)) for c in choice.tool_calls] == calls
    assert [d.reason for e in events for d in e.deltas if isinstance(d, Finish)] == [REASONS[finish]]
    assert usage is not None
    tokens, billed = counted["tokens"], counted["billed_units"]
    assert usage.input_tokens == tokens["input_tokens"] + tokens.get("image_tokens", 0)
    assert usage.output_tokens == tokens["output_tokens"]
    assert usage.input_tokens - usage.free_input_tokens == billed["input_tokens"]
    assert usage.output_tokens - usage.free_output_tokens == billed["output_tokens"]
    assert usage.cache_read_tokens == counted.get("cached_tokens", 0)


@pytest.mark.parametrize("row", ERRORS, ids=name)
def test_a_recorded_error_is_the_requests_own_fault(row: Row) -> None:
    response = row["response"]
    error = COHERE_CHAT.decode_error(response["status"], {}, compact(response["body"]), provider="cohere")
    assert isinstance(error, Rejected)
    assert response["body"]["message"] in error.message
    assert json.loads(COHERE_CHAT.encode_error(error)) == response["body"]


def in_chat(events: list[Event], *, stream: bool) -> bytes:
    body = {"model": "m", "messages": HI, "stream": stream}
    asked_ = OPENAI_CHAT.decode_request(
        compact({**body, "stream_options": {"include_usage": True}} if stream else body)
    )
    encoder = OPENAI_CHAT.encoder(asked_, id="i-1", at=0, source=Source("cohere-v2", "cohere"))
    return b"".join([encoder.encode(event) for event in events]) + encoder.end()


@each_answer
def test_a_recorded_answer_says_the_same_in_other_dialects(row: Row) -> None:
    events = events_of(row)
    before = collect(events).choices[0]
    decoder = OPENAI_CHAT.stream_decoder(Quirks())
    stream = in_chat(events, stream=True)
    whole = OPENAI_CHAT.decode_answer(in_chat(events, stream=False), Quirks())
    for after in (collect(decoder.feed(stream) + decoder.finish()), collect([whole])):
        one = after.choices[0]
        assert (one.text, one.reasoning, one.finish) == (before.text, before.reasoning, before.finish)
        assert [(c.id, c.arguments) for c in one.tool_calls] == [(c.id, c.arguments) for c in before.tool_calls]
    for message in (
        json.loads(write_message(events, streamed=False, foreign="cohere")),
        folded(messages_told(write_message(events, streamed=True, foreign="cohere"))),
    ):
        valid_message(message)
        assert "".join(b["text"] for b in message["content"] if b["type"] == "text") == before.text


@needs_recordings
@pytest.mark.parametrize("row", [*CHAT_WHOLE, *CHAT_STREAMS], ids=name)
def test_a_recorded_chat_answer_becomes_a_valid_one_of_cohere_that_says_the_same(row: Row) -> None:
    events = chat_events(row)
    before = collect(events).choices[0]
    stream, whole = write(events, streamed=True, foreign=True), write(events, streamed=False, foreign=True)
    back, error = read([stream])
    assert error is None
    for after in (collect(back), collect([COHERE_CHAT.decode_answer(whole, Quirks())])):
        one = after.choices[0]
        assert (one.text, one.reasoning) == (before.text or before.refusal, before.reasoning)
        assert [(c.name, json.loads(c.arguments)) for c in one.tool_calls] == [
            (c.name, json.loads(c.arguments or "{}") or {}) for c in before.tool_calls
        ]
    kinds = [event["type"] for event in told(stream)]
    assert (kinds[0] if kinds[0] != "message-end" else "message-start") == "message-start"
    assert kinds.count("message-end") == 1
    assert kinds.count("content-start") == kinds.count("content-end")
    assert kinds.count("tool-call-start") == kinds.count("tool-call-end")
    sdk = pytest.importorskip("cohere.v2.types.v2chat_response")
    sdk.V2ChatResponse.model_validate_json(whole)


@each_answer
def test_a_recorded_answer_costs_what_cohere_bills(row: Row) -> None:
    billed = said(row)[4]["billed_units"]
    usage = collect(events_of(row)).usage
    assert usage is not None
    bill = flat(Price(input=2_500_000_000, output=10_000_000_000)).bill(usage, 0)
    assert bill is not None
    assert bill.amount == billed["input_tokens"] * 2500 + billed["output_tokens"] * 10_000
