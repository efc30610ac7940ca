"""Answers of other dialects, written in Messages: valid blocks, one after the other, however they were said."""

import json
from typing import Any

import pytest
from messages_world import HI, folded, request, told, valid_events, valid_message, write

from freehold.core.errors import (
    BudgetExceeded,
    FreeholdError,
    Internal,
    InvalidRequest,
    NoneHealthy,
    Overloaded,
    RateLimited,
    Rejected,
    TimedOut,
    TooLarge,
    Unauthenticated,
    UnknownModel,
)
from freehold.core.events import Begun, Event, Finish, Reasoning, Refusal, Text, ToolCall, Used, collect
from freehold.core.seal import Seal
from freehold.core.usage import Usage
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.dialect import Source
from freehold.dialects.quirks import Quirks
from freehold.dialects.seals import unwrap


def both(*deltas: Any) -> dict[str, Any]:
    """The message that these things said come to: written whole, and as a stream folded; the two are equal."""
    events = [Event((delta,), content=True) for delta in deltas]
    streamed = told(write(events, streamed=True, foreign="acme"))
    valid_events(streamed)
    message = folded(streamed)
    whole = json.loads(write([Event(deltas, content=True)], streamed=False, foreign="acme"))
    valid_message(whole)
    assert message == whole
    return whole


def test_a_plain_answer() -> None:
    usage = Usage(input_tokens=100, output_tokens=7, cache_read_tokens=60, cache_write_tokens=30, reasoning_tokens=2)
    message = both(Begun("chatcmpl-1", "gpt"), Text("He"), Text(""), Text("llo"), Finish("stop", "stop"), Used(usage))
    assert message == {
        "id": "msg_i1",
        "type": "message",
        "role": "assistant",
        "model": "gpt",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 60,
            "output_tokens": 7,
            "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 0},
            "output_tokens_details": {"thinking_tokens": 2},
        },
    }


def test_an_answer_that_says_nothing_is_an_empty_message() -> None:
    message = both(Begun("msg_9", "m"), Finish("length"))
    assert (message["id"], message["content"], message["stop_reason"]) == ("msg_9", [], "max_tokens")


def test_thoughts_texts_and_calls_are_blocks_in_the_order_in_which_they_were_said() -> None:
    message = both(
        Reasoning("h"),
        Reasoning("m"),
        Text("so"),
        Reasoning("wait", block=1),
        ToolCall(0, "c1", "f"),
        ToolCall(0, arguments='{"a":'),
        ToolCall(0, arguments="1}"),
        ToolCall(1, "c2", "g", "{}"),
        Finish("tool_calls"),
    )
    assert message["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "so"},
        {"type": "thinking", "thinking": "wait", "signature": ""},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
    ]
    assert message["stop_reason"] == "tool_use"


def test_calls_whose_pieces_are_mixed_become_blocks_that_are_not() -> None:
    message = both(
        ToolCall(0, "c1", "f"),
        ToolCall(1, "c2", "g"),
        ToolCall(1, arguments='{"b":'),
        ToolCall(0, arguments='{"a":1}'),
        ToolCall(1, arguments="2}"),
        ToolCall(2, "c3", "h", ""),
        Finish("stop"),
    )
    assert [(b["id"], b["input"]) for b in message["content"]] == [("c1", {"a": 1}), ("c2", {"b": 2}), ("c3", {})]
    assert message["stop_reason"] == "tool_use"


def test_a_call_whose_arguments_never_became_whole_does_not_keep_the_next_from_the_caller() -> None:
    events = [Event((d,), content=True) for d in (ToolCall(0, "c1", "f", '{"a'), ToolCall(1, "c2", "g", '{"b":1}'))]
    stream = told(write(events, streamed=True, foreign="acme"))
    begun = [e["content_block"]["id"] for e in stream if e["type"] == "content_block_start"]
    assert begun == ["c1", "c2"]
    whole = json.loads(write(events, streamed=False, foreign="acme"))
    assert [b["input"] for b in whole["content"]] == [{"input": '{"a'}, {"b": 1}]


def test_what_comes_for_a_call_that_is_over_opens_it_no_second_time() -> None:
    deltas = (
        ToolCall(0, "c1", "f", '{"a":1}'),
        ToolCall(1, "c2", "g", "{"),
        ToolCall(0, arguments=" "),
        ToolCall(1, arguments="}"),
    )
    assert [(b["id"], b["input"]) for b in both(*deltas)["content"]] == [("c1", {"a": 1}), ("c2", {})]


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    message = both(ToolCall(0, "", "f", "{}"), ToolCall(1, "", "g", "{}"), Finish("tool_calls"))
    assert [b["id"] for b in message["content"]] == ["toolu_i1_0", "toolu_i1_1"]


def test_a_tool_of_plain_text_is_called_with_an_object() -> None:
    message = both(ToolCall(0, "c", "f", "say ", custom=True), ToolCall(0, arguments='"hi"', custom=True))
    assert message["content"][0]["input"] == {"input": 'say "hi"'}


def test_a_refusal_is_a_text_and_a_reason() -> None:
    message = both(Refusal("I can"), Refusal("not"), Finish("stop"))
    assert (message["content"], message["stop_reason"]) == ([{"type": "text", "text": "I cannot"}], "refusal")


@pytest.mark.parametrize(
    ("finish", "word"),
    [
        (Finish("stop"), "end_turn"),
        (Finish("length", "length"), "max_tokens"),
        (Finish("length", "model_context_window_exceeded"), "model_context_window_exceeded"),
        (Finish("content_filter", "SAFETY"), "refusal"),
        (Finish("stop", "stop_sequence"), "stop_sequence"),
        (Finish("other", "pause_turn"), "pause_turn"),
        (Finish("other", "weird"), "end_turn"),
        (Finish("error"), "end_turn"),
        (Finish("tool_calls"), "end_turn"),
    ],
)
def test_every_reason_to_stop_has_its_word(finish: Finish, word: str) -> None:
    assert both(Text("a"), finish)["stop_reason"] == word


def test_other_choices_than_the_first_have_no_place() -> None:
    message = both(Text("a"), Text("b", 1), ToolCall(0, "c", "f", "{}", 1), Finish("length", "", 1), Finish("stop"))
    assert (message["content"], message["stop_reason"]) == ([{"type": "text", "text": "a"}], "end_turn")


def test_seals_travel_with_the_caller_and_come_back_whole() -> None:
    deltas = [
        Reasoning("hm", seal=Seal("openai", "e.n.c", id="rs_1")),
        Reasoning("", seal=Seal("openai", "enc2", id="rs_2", redacted=True), block=1),
        Text("a"),
        Text("", seal=Seal("gemini", "text-sig")),
        ToolCall(0, "c", "f", "{}", seal=Seal("gemini", "call-sig")),
    ]
    message = both(*deltas, Finish("tool_calls"))
    assert [b["type"] for b in message["content"]] == [
        "thinking",
        "redacted_thinking",
        "text",
        "redacted_thinking",
        "redacted_thinking",
        "tool_use",
    ]
    assert unwrap(message["content"][0]["signature"]) == Seal("openai", "e.n.c", account="acme", id="rs_1")

    back = request(messages=[*HI, {"role": "assistant", "content": message["content"]}])
    parts = ANTHROPIC_MESSAGES.read(back).messages[1].parts
    assert [part.seal for part in parts] == [  # type: ignore[union-attr]
        Seal("openai", "e.n.c", account="acme", id="rs_1"),
        Seal("openai", "enc2", account="acme", id="rs_2", redacted=True),
        Seal("gemini", "text-sig", account="acme"),
        Seal("gemini", "call-sig", account="acme"),
    ]


def test_a_stream_that_was_cut_ends_in_an_error_event() -> None:
    encoder = ANTHROPIC_MESSAGES.encoder(request(stream=True), id="i", at=0, source=Source("openai-chat", "a"))
    body = encoder.encode(Event((Text("a"),), content=True)) + encoder.fail(Overloaded("too much"))
    assert [e["type"] for e in told(body)] == ["message_start", "content_block_start", "content_block_delta", "error"]
    assert told(body)[-1] == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "too much"},
        "request_id": None,
    }


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("x"), "invalid_request_error"),
        (Unauthenticated("x"), "authentication_error"),
        (UnknownModel("x"), "not_found_error"),
        (TooLarge("x"), "request_too_large"),
        (RateLimited("x"), "rate_limit_error"),
        (BudgetExceeded("x"), "rate_limit_error"),
        (Overloaded("x"), "overloaded_error"),
        (NoneHealthy("x"), "overloaded_error"),
        (TimedOut("x"), "timeout_error"),
        (Internal("x"), "api_error"),
        (Rejected("x", upstream_status=402), "billing_error"),
        (Rejected("x", upstream_status=422, body=b'{"error":{"message":"theirs"}}'), "invalid_request_error"),
        (Rejected("x", body=b"\xff["), "invalid_request_error"),
    ],
)
def test_every_error_has_its_type(error: FreeholdError, kind: str) -> None:
    error.request_id = "r1"
    assert json.loads(ANTHROPIC_MESSAGES.encode_error(error)) == {
        "type": "error",
        "error": {"type": kind, "message": "x"},
        "request_id": "r1",
    }


def test_what_a_provider_of_the_dialect_rejected_passes_on_one_line_in_a_stream() -> None:
    body = b'{\n "type": "error",\n "error": {"type": "invalid_request_error", "message": "no"}\n}'
    error = Rejected("p answered 400: no", body=body)
    assert ANTHROPIC_MESSAGES.encode_error(error) == body
    frame = ANTHROPIC_MESSAGES.encode_stream_error(error)
    assert told(frame) == [json.loads(body)]


WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "secret plan", "signature": "sig"},
        {"type": "text", "text": "secret", "citations": None},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "secret"}},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": "secret"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


def touched(event: Event) -> Event:
    """The event with 'secret' said otherwise, as a stage does that masks it."""
    deltas = []
    for delta in event.deltas:
        if isinstance(delta, Text):
            deltas.append(Text(delta.text.replace("secret", "[x]")))
        elif isinstance(delta, Reasoning):
            deltas.append(Reasoning(delta.text.replace("secret", "[x]"), seal=delta.seal, block=delta.block))
        elif isinstance(delta, ToolCall):
            arguments = delta.arguments.replace("secret", "[x]")
            deltas.append(ToolCall(delta.index, delta.id, delta.name, arguments))
        else:
            deltas.append(delta)
    return Event(tuple(deltas), event.raw, event.content, touched=True)


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_what_a_stage_changed_is_replaced_and_everything_else_stays(streamed: bool) -> None:
    event = ANTHROPIC_MESSAGES.decode_answer(json.dumps(WHOLE).encode(), Quirks())
    body = write([touched(event)], streamed=streamed)
    message = folded(told(body)) if streamed else json.loads(body)
    content: list[dict[str, Any]] = [dict(block) for block in WHOLE["content"]]
    content[0]["thinking"], content[1]["text"], content[3]["input"] = "[x] plan", "[x]", {"a": "[x]"}
    assert message["content"] == content
    assert {n: message[n] for n in WHOLE if n not in {"content", "usage"}} == {
        n: WHOLE[n] for n in WHOLE if n not in {"content", "usage"}
    }


def test_events_of_a_stream_that_a_stage_changed_keep_their_other_members() -> None:
    def frame(delta: dict[str, Any]) -> bytes:
        data = {"type": "content_block_delta", "index": 3, "delta": delta, "more": 1}
        return b"event: content_block_delta\ndata: %b\n\n" % json.dumps(data).encode()

    pieces = [
        ({"type": "text_delta", "text": "secret", "x": 1}, {"type": "text_delta", "text": "[x]", "x": 1}),
        ({"type": "thinking_delta", "thinking": "secret"}, {"type": "thinking_delta", "thinking": "[x]"}),
        ({"type": "signature_delta", "signature": "sig"}, {"type": "signature_delta", "signature": "sig"}),
    ]
    for before, after in pieces:
        decoder = ANTHROPIC_MESSAGES.stream_decoder(Quirks())
        (event,) = decoder.feed(frame(before))
        encoder = ANTHROPIC_MESSAGES.encoder(request(stream=True), id="i", at=0)
        (data,) = told(encoder.encode(touched(event)))
        assert data == {"type": "content_block_delta", "index": 3, "delta": after, "more": 1}


def test_what_a_stage_says_beside_the_stream_goes_into_the_open_text() -> None:
    data = b'{"type":"content_block_start","index":2,"content_block":{"type":"text"}}'
    start = b"event: content_block_start\ndata: %b\n\n" % data
    encoder = ANTHROPIC_MESSAGES.encoder(request(stream=True), id="i", at=0)
    encoder.encode(Event((), start))
    assert told(encoder.encode(Event((Text("late"),), content=True))) == [
        {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "late"}}
    ]


def test_a_message_folded_from_its_events_is_the_message_decoded() -> None:
    event = ANTHROPIC_MESSAGES.decode_answer(json.dumps(WHOLE).encode(), Quirks())
    decoder = ANTHROPIC_MESSAGES.stream_decoder(Quirks())
    events = decoder.feed(write([event], streamed=True)) + decoder.finish()
    assert collect(events) == collect([event])
