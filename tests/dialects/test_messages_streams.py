"""Streams of Messages as servers write them that are not quite Anthropic, and those that break."""

import json
from typing import Any

import pytest
from messages_world import read, request, sse, told, write
from recorded import compact

from freehold.core.errors import Broken, CredentialRefused, Overloaded, ProviderError, Rejected, Throttled, TimedOut
from freehold.core.events import Answer, Finish, Used, collect
from freehold.core.usage import Usage
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.quirks import Quirks

START: dict[str, Any] = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 5, "output_tokens": 1}},
}
TEXT: dict[str, Any] = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
CLOSE: dict[str, Any] = {"type": "content_block_stop", "index": 0}
END: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
STOP: dict[str, Any] = {"type": "message_stop"}


def say(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def said(body: bytes) -> Answer:
    events, error = read([body])
    assert error is None
    return collect(events)


def test_an_answer_is_whole_when_its_reason_has_come_even_if_its_last_event_has_not() -> None:
    body = sse(START, TEXT, say("a"), CLOSE, END)
    events, error = read([body])
    assert error is None
    assert collect(events).text == "a"
    assert write(events, streamed=True) == body + sse(STOP)


@pytest.mark.parametrize("upto", [1, 2, 3, 4])
def test_an_answer_that_breaks_off_is_broken(upto: int) -> None:
    events, error = read([sse(*(START, TEXT, say("a"), CLOSE)[:upto])])
    assert isinstance(error, Broken)
    assert len(events) == upto


def test_nothing_at_all_is_broken() -> None:
    assert isinstance(read([])[1], Broken)


def test_events_without_their_names_get_them() -> None:
    """The SDKs tell events apart by the name alone."""
    every = (START, TEXT, say("a"), CLOSE, END, STOP)
    bare = b"".join(b"data: %b\n\n" % compact(e) for e in every)
    events, error = read([bare + b"data: [DONE]\n\n"])
    assert error is None
    assert told(write(events, streamed=True)) == list(every)


def test_a_sign_of_openai_at_the_end_is_passed_over() -> None:
    body = sse(START, TEXT, say("a"), CLOSE, END)
    events, error = read([body + b"data: [DONE]\n\n"])
    assert error is None
    assert write(events, streamed=True).count(b"DONE") == 0


def test_comments_and_unknown_events_pass_as_they_are() -> None:
    body = b": hello\n\n" + sse(START, {"type": "never_heard_of", "x": 1}, TEXT, say("a"), CLOSE, END, STOP)
    events, error = read([body])
    assert error is None
    assert write(events, streamed=True) == body


def test_carriage_returns_and_bytes_of_one_letter_make_no_difference() -> None:
    body = sse(START, TEXT, say("naïve 🙂"), CLOSE, END, STOP)
    windows = body.replace(b"\n", b"\r\n")
    for pieces in ([body], [windows], [windows[i : i + 1] for i in range(len(windows))]):
        events, error = read(pieces)
        assert error is None
        assert collect(events).text == "naïve 🙂"
        assert write(events, streamed=True) == b"".join(pieces)


def test_counts_are_cumulative_and_those_not_repeated_still_hold() -> None:
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 90}}}
    half = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 3}}
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": None, "output_tokens": 9},
    }
    events, _ = read([sse(start, half, end, STOP)])
    assert [d.usage for e in events for d in e.deltas if isinstance(d, Used)] == [
        Usage(input_tokens=95, cache_read_tokens=90),
        Usage(input_tokens=95, cache_read_tokens=90, output_tokens=3),
        Usage(input_tokens=95, cache_read_tokens=90, output_tokens=9),
    ]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "other"),
        ("never_heard_of", "other"),
    ],
)
def test_every_reason_to_stop_is_one_of_ours_and_keeps_its_own_word(said: str, reason: str) -> None:
    end = {"type": "message_delta", "delta": {"stop_reason": said}, "usage": {"output_tokens": 1}}
    events, _ = read([sse(START, end, STOP)])
    whole = ANTHROPIC_MESSAGES.decode_answer(compact({"content": [], "stop_reason": said}), Quirks())
    for found in (events, [whole]):
        finishes = [d for e in found for d in e.deltas if isinstance(d, Finish)]
        assert [(f.reason, f.said) for f in finishes] == [(reason, said)]


def test_what_is_cached_for_an_hour_is_told_apart() -> None:
    creation = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 30}
    for total in ({"cache_creation_input_tokens": 40}, {}):
        usage = {"input_tokens": 5, "output_tokens": 1, "cache_creation": creation, **total}
        event = ANTHROPIC_MESSAGES.decode_answer(compact({"content": [], "usage": usage}), Quirks())
        assert collect([event]).usage == Usage(
            input_tokens=45, output_tokens=1, cache_write_tokens=40, cache_write_1h_tokens=30
        )


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        ([], "{}"),
        ([""], "{}"),
        (["{}"], "{}"),
        (['{"a"', ":1}"], '{"a":1}'),
    ],
)
def test_a_call_has_an_object_of_arguments_even_without_any(pieces: list[str], wanted: str) -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
        for piece in pieces
    ]
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    answer = said(sse(START, start, *deltas, CLOSE, END, STOP))
    assert [(c.id, c.name, c.arguments) for c in answer.choices[0].tool_calls] == [("t", "f", wanted)]


def test_a_call_that_comes_whole_with_its_beginning_is_not_called_twice() -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    answer = said(sse(START, {"type": "content_block_start", "index": 0, "content_block": block}, CLOSE, END, STOP))
    assert [c.arguments for c in answer.choices[0].tool_calls] == ['{"a":1}']


def test_what_a_tool_of_the_provider_is_asked_is_no_call_of_the_callers() -> None:
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    piece = {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}}
    assert said(sse(START, start, piece, CLOSE, END, STOP)).choices[0].tool_calls == ()


def test_a_whole_message_in_place_of_a_stream_is_unfolded_for_the_caller() -> None:
    message = {
        **START["message"],
        "type": "message",
        "content": [{"type": "text", "text": "a"}],
        "stop_reason": "end_turn",
    }
    event = ANTHROPIC_MESSAGES.decode_answer(compact(message), Quirks())
    assert [e["type"] for e in told(write([event], streamed=True))] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("overloaded_error", Overloaded, 503),
        ("rate_limit_error", Throttled, 429),
        ("invalid_request_error", Rejected, 400),
        ("authentication_error", CredentialRefused, 502),
        ("timeout_error", TimedOut, 504),
        ("api_error", Broken, 502),
        ("never_heard_of", Broken, 502),
    ],
)
def test_an_error_in_a_stream_is_the_error_that_it_is(kind: str, error: type[ProviderError], status: int) -> None:
    failed = {"type": "error", "error": {"type": kind, "message": "said so"}}
    events, raised = read([sse(START, TEXT, say("a"), failed)])
    assert collect(events).text == "a"
    assert type(raised) is error
    assert raised.status == status
    assert "said so" in raised.message


@pytest.mark.parametrize(
    "body",
    [
        b"event: message_start\ndata: {broken\n\n",
        b"data: 5\n\n",
        b"data: []\n\n",
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":5}\n\n',
        b"<html><body>Bad gateway</body></html>\n\n",
        b'{"type":"error","error":{"type":"api_error","message":"x"}}\n\n',
        b"data: \xff\xfe\n\n",
        b'data: {"type":' + b"[" * 100_000 + b"\n\n",
    ],
)
def test_what_is_no_stream_is_broken(body: bytes) -> None:
    events, error = read([body])
    assert isinstance(error, Broken)
    assert not any(event.content for event in events)


@pytest.mark.parametrize(
    "block",
    [
        None,
        5,
        {},
        {"type": None},
        {"type": "text", "text": 5},
        {"type": "tool_use"},
        {"type": "tool_use", "id": 5, "name": None, "input": "x"},
        {"type": "thinking", "thinking": None},
        {"type": "redacted_thinking"},
    ],
)
def test_odd_scalars_break_no_answer(block: Any) -> None:
    start = {"type": "content_block_start", "index": "0", "content_block": block}
    events, error = read([sse(START, start, CLOSE, END, STOP)])
    assert error is None
    assert ANTHROPIC_MESSAGES.decode_answer(compact({"content": [block], "usage": {"input_tokens": "x"}}), Quirks())
    assert len(events) == 5


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"{}", b"<html>", b'{"content":"x"}', b"\xff", b"[" * 100_000])
def test_what_is_no_message_is_broken(body: bytes) -> None:
    with pytest.raises(Broken):
        ANTHROPIC_MESSAGES.decode_answer(body, Quirks())


def test_an_error_in_place_of_a_message_is_that_error() -> None:
    body = compact({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}})
    with pytest.raises(Throttled, match="slow down"):
        ANTHROPIC_MESSAGES.decode_answer(body, Quirks())


@pytest.mark.parametrize(
    ("status", "headers", "said", "error", "wait"),
    [
        (400, {}, {"type": "invalid_request_error", "message": "no"}, Rejected, None),
        (
            400,
            {},
            {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API"},
            CredentialRefused,
            None,
        ),
        (401, {}, {"type": "authentication_error", "message": "invalid x-api-key"}, CredentialRefused, None),
        (402, {}, {"type": "billing_error", "message": "pay"}, CredentialRefused, None),
        (403, {}, {"type": "permission_error", "message": "no"}, CredentialRefused, None),
        (413, {}, {"type": "request_too_large", "message": "no"}, Rejected, None),
        (429, {"retry-after": "7"}, {"type": "rate_limit_error", "message": "no"}, Throttled, 7.0),
        (500, {}, {"type": "api_error", "message": "no"}, Broken, None),
        (504, {}, {"type": "timeout_error", "message": "no"}, TimedOut, None),
        (529, {"retry-after": "2"}, {"type": "overloaded_error", "message": "no"}, Overloaded, 2.0),
    ],
)
def test_every_status_is_an_error_of_ours(
    status: int, headers: dict[str, str], said: dict[str, str], error: type[ProviderError], wait: float | None
) -> None:
    body = compact({"type": "error", "error": said, "request_id": "r"})
    found = ANTHROPIC_MESSAGES.decode_error(status, headers, body, provider="p")
    assert (type(found), found.retry_after, found.body) == (error, wait, body)
    assert said["message"] in found.message


def test_a_request_that_streams_is_answered_as_a_stream_and_another_as_json() -> None:
    kinds = [ANTHROPIC_MESSAGES.encoder(request(stream=stream), id="i", at=0).media_type for stream in (True, False)]
    assert kinds == [b"text/event-stream; charset=utf-8", b"application/json"]
    assert json.loads(write([], streamed=False, foreign="a"))["content"] == []
