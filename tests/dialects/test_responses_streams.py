"""Streams of Responses: errors in them, what a stage touched wherever it is repeated, and servers that say less."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from responses_world import Folded, every, read, request, sse, told, write

from freehold.core.errors import BudgetExceeded, ProviderError, Rejected, Throttled
from freehold.core.events import Delta, Event, Reasoning, Text, ToolCall, collect
from freehold.dialects.dialect import Source
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.dialects.quirks import Quirks

THOUGHT = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "secret thought"}]}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "a secret here", "annotations": [], "logprobs": [{"token": "secret"}]}],
}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":"secret"}'}
WHOLE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [THOUGHT, MESSAGE, CALL],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": None,
    "x": [1],
}


def unfolded() -> list[Any]:
    """The response as a stream, as a provider writes one."""
    event = OPENAI_RESPONSES.decode_answer(json.dumps(WHOLE).encode(), Quirks())
    return [json.loads(f.split(b"data: ")[1]) for f in write([event], streamed=True).split(b"\n\n")[:-1]]


STREAM = unfolded()


# errors


@pytest.mark.parametrize(
    ("error", "code", "own"),
    [
        (Throttled("slow"), "rate_limit_exceeded", "provider_rate_limited"),
        (BudgetExceeded("none left"), "invalid_prompt", "insufficient_quota"),
        (ProviderError("odd"), "server_error", "error"),
        (
            Rejected("no", body=b'{"error":{"message":"no","code":"context_length_exceeded"}}'),
            "context_length_exceeded",
            "context_length_exceeded",
        ),
    ],
)
def test_a_stream_that_is_cut_tells_the_error_and_its_response_as_failed(
    error: ProviderError, code: str, own: str
) -> None:
    encoder = OPENAI_RESPONSES.encoder(request(stream=True), id="1", at=0, source=Source("openai-chat", "acme"))
    body = b"".join([encoder.encode(Event((Text(t),), content=True)) for t in ("so ", "far")]) + encoder.fail(error)
    events = [json.loads(f.split(b"data: ")[1]) for f in body.split(b"\n\n")[:-1]]

    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    assert [e["type"] for e in events[-2:]] == ["error", "response.failed"]
    assert (events[-2]["code"], events[-2]["message"]) == (own, error.message)
    assert (events[-1]["response"]["status"], events[-1]["response"]["error"]["code"]) == ("failed", code)
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "so far"


def test_a_stream_of_this_dialect_that_is_cut_is_closed_in_its_own_numbers() -> None:
    started = STREAM[:5]
    events, error = read([sse(*started)])
    assert error is not None
    encoder = OPENAI_RESPONSES.encoder(request(stream=True), id="1", at=0)
    body = b"".join([encoder.encode(e) for e in events]) + encoder.fail(error)

    said = told(body)
    assert [e["type"] for e in said[-2:]] == ["error", "response.failed"]
    assert said[-1]["response"]["id"] == "resp_1"


@pytest.mark.parametrize(
    ("said", "kind", "status"),
    [
        ({"code": "rate_limit_exceeded", "message": "m"}, Throttled, 429),
        ({"code": "context_length_exceeded", "message": "m"}, Rejected, 400),
        ({"code": "image_too_large", "message": "m"}, Rejected, 400),
        ({"code": "server_error", "message": "m"}, ProviderError, 502),
        ({}, ProviderError, 502),
    ],
)
def test_a_response_that_failed_is_the_error_that_it_names(said: Any, kind: type[ProviderError], status: int) -> None:
    failed = {"id": "r", "object": "response", "status": "failed", "error": said, "output": []}
    _, error = read([sse({"type": "response.failed", "sequence_number": 0, "response": failed})])
    with pytest.raises(kind) as raised:
        OPENAI_RESPONSES.decode_answer(json.dumps(failed).encode(), Quirks())

    assert isinstance(error, kind)
    assert error.status == raised.value.status == status


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": None, "sequence_number": 3},
        {"type": "error", "error": {"type": "rate_limit_error", "code": None, "message": "slow"}},
    ],
)
def test_an_error_event_comes_after_what_was_said_before_it(event: dict[str, Any]) -> None:
    events, error = read([sse(*STREAM[:6], event)])

    assert isinstance(error, Throttled)
    assert "slow" in error.message
    assert collect(events).choices[0].reasoning == "secret thought"


# what a stage touched


def masked(event: Event) -> Event:
    """The event as a stage leaves it that hides a word."""
    hidden: list[Delta] = []
    for delta in event.deltas:
        match delta:
            case Text(text):
                hidden.append(Text(text.replace("secret", "[x]")))
            case Reasoning():
                hidden.append(Reasoning(delta.text.replace("secret", "[x]"), seal=delta.seal, block=delta.block))
            case ToolCall():
                arguments = delta.arguments.replace("secret", "[x]")
                hidden.append(ToolCall(delta.index, delta.id, delta.name, arguments))
            case _:
                hidden.append(delta)
    return event if tuple(hidden) == event.deltas else Event(tuple(hidden), event.raw, event.content, touched=True)


def stages(events: Iterable[Event], act: Callable[[Event], Event]) -> list[Event]:
    return [act(event) for event in events]


def hidden(value: Any) -> Any:
    text = json.dumps(value).replace('"logprobs": [{"token": "secret"}]', '"logprobs": []')
    return json.loads(text.replace("secret", "[x]"))


@pytest.mark.parametrize("size", [40, 100_000])
def test_a_touched_stream_says_what_the_stage_says_wherever_it_is_repeated(size: int) -> None:
    events, error = read(every(sse(*STREAM), size))
    assert error is None
    body = write(stages(events, masked), streamed=True)

    assert told(body) == hidden(STREAM)
    assert b"secret" not in body
    assert Folded(told(body)).response["x"] == [1]


def test_a_touched_response_says_what_the_stage_says_and_keeps_the_rest() -> None:
    event = OPENAI_RESPONSES.decode_answer(json.dumps(WHOLE).encode(), Quirks())

    assert json.loads(write([masked(event)], streamed=False)) == hidden(WHOLE)
    assert told(write([masked(event)], streamed=True))[-1]["response"] == hidden(WHOLE)


def test_a_call_that_a_stage_takes_away_is_gone() -> None:
    event = OPENAI_RESPONSES.decode_answer(json.dumps(WHOLE).encode(), Quirks())
    without = tuple(d for d in event.deltas if not isinstance(d, ToolCall))
    left = json.loads(write([Event(without, event.raw, True, touched=True)], streamed=False))

    assert [item["type"] for item in left["output"]] == ["reasoning", "message"]


# reading


def test_a_server_that_sends_the_whole_at_the_end_alone_is_understood() -> None:
    ends = [STREAM[0], STREAM[-1]]
    events, error = read([sse(*ends)])

    assert error is None
    answer = collect(events)
    assert (answer.text, answer.choices[0].reasoning) == ("a secret here", "secret thought")
    assert answer.choices[0].tool_calls[0].arguments == '{"a":"secret"}'


def test_arguments_that_come_only_when_they_are_all_there_are_heard_once() -> None:
    without = [e for e in STREAM if e["type"] != "response.function_call_arguments.delta"]
    for left in (without, [e for e in without if e["type"] != "response.function_call_arguments.done"]):
        events, _ = read([sse(*left)])
        assert collect(events).choices[0].tool_calls[0].arguments == '{"a":"secret"}'


def test_done_is_no_part_of_this_dialect() -> None:
    events, error = read([b": hi\n\n", sse(*STREAM[:-1]), b"data: [DONE]\n\n", sse(STREAM[-1]), b"data: [DONE]\n\n"])

    assert error is None
    written = write(events, streamed=True)
    assert b"[DONE]" not in written
    assert written.startswith(b": hi\n\n")


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b'{"choices":[]}', b"{" * 5000, b'{"output":null}', b"\xff"])
def test_what_is_no_response_is_broken(body: bytes) -> None:
    with pytest.raises(ProviderError):
        OPENAI_RESPONSES.decode_answer(body, Quirks())


@pytest.mark.parametrize("piece", [b"<html>", b"data: nonsense\n\n", b'{"error":{"message":"no"}}\n\n', b""])
def test_a_stream_that_is_none_is_an_error(piece: bytes) -> None:
    _, error = read([piece])

    assert error is not None
