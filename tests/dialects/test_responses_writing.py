"""Answers of Responses, written: what a stage touched everywhere that it is repeated, what comes from another dialect
by every rule of the stream, and seals that find their way back."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from responses_world import Folded, every, read, request, sse, told, valid, write

from freehold.core.errors import BudgetExceeded, ProviderError, Rejected, Throttled
from freehold.core.events import (
    Begun,
    Delta,
    Event,
    Finish,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Used,
    collect,
)
from freehold.core.request import CallPart, ReasoningPart, TextPart
from freehold.core.seal import Seal
from freehold.core.usage import Usage
from freehold.dialects.dialect import Source
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.dialects.quirks import Quirks

SUMMARY = {"reasoning": {"effort": "low", "summary": "auto"}}
TOOLS: list[Any] = [
    {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False},
    {"type": "custom", "name": "patch", "format": {"type": "text"}},
]


def foreign(*deltas: Delta, **members: Any) -> tuple[dict[str, Any], list[Any]]:
    """The response that these words of another dialect become, the same whole and streamed; and its events."""
    events = [Event((d,), b"foreign", content=True) for d in deltas]
    streamed = told(write(events, streamed=True, foreign="acme", **members))
    response = json.loads(write(events, streamed=False, foreign="acme", **members))
    assert valid(Folded(streamed).response) == valid(response)
    return response, streamed


def kinds(response: dict[str, Any]) -> list[str]:
    return [item["type"] for item in response["output"]]


# from another dialect


def test_every_sort_of_word_becomes_an_item_of_its_own() -> None:
    usage = Usage(input_tokens=9, output_tokens=5, cache_read_tokens=4, cache_write_tokens=2, reasoning_tokens=1)
    response, events = foreign(
        Begun("c1", "model-1"),
        Reasoning("h"),
        Reasoning("m"),
        Text("he"),
        Text("llo"),
        ToolCall(0, "a", "f", '{"x":'),
        ToolCall(0, "", "", "1}"),
        Used(usage),
        Finish("tool_calls", "tool_use"),
        **SUMMARY,
    )

    assert kinds(response) == ["reasoning", "message", "function_call"]
    assert response["output"][0]["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert response["output"][1]["content"][0]["text"] == "hello"
    assert (response["output"][2]["call_id"], response["output"][2]["arguments"]) == ("a", '{"x":1}')
    assert (response["id"], response["model"], response["created_at"]) == ("resp_fh0192ab", "model-1", 7)
    assert response["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 14,
    }
    assert len({item["id"] for item in response["output"]}) == 3
    assert [e["type"] for e in events].count("response.reasoning_summary_text.delta") == 2


def test_thoughts_are_told_as_they_are_where_no_summary_was_asked_for() -> None:
    response, events = foreign(Reasoning("hm", block=0), Reasoning("ah", block=1), Text("x"))

    assert [i.get("content") for i in response["output"][:2]] == [
        [{"type": "reasoning_text", "text": "hm"}],
        [{"type": "reasoning_text", "text": "ah"}],
    ]
    assert "response.reasoning_text.done" in {e["type"] for e in events}


@pytest.mark.parametrize(
    ("finish", "status", "details"),
    [
        (Finish("stop"), "completed", None),
        (Finish("length", "max_tokens"), "incomplete", {"reason": "max_output_tokens"}),
        (Finish("content_filter"), "incomplete", {"reason": "content_filter"}),
        (Finish("error", "boom"), "failed", None),
        (Finish("other"), "completed", None),
    ],
)
def test_the_end_of_an_answer_is_its_status(finish: Finish, status: str, details: Any) -> None:
    response, events = foreign(Text("so"), finish)

    assert (response["status"], response["incomplete_details"]) == (status, details)
    assert events[-1]["type"] == f"response.{status}"
    assert (response["error"] is not None) == (status == "failed")
    assert response["output"][0]["status"] == ("completed" if status == "completed" else "incomplete")


def test_a_refusal_is_a_part_of_the_message() -> None:
    response, _ = foreign(Text("Hm. "), Refusal("I "), Refusal("won't"), Finish("stop"))

    assert [p["type"] for p in response["output"][0]["content"]] == ["output_text", "refusal"]
    assert response["output"][0]["content"][1]["refusal"] == "I won't"


def test_an_answer_without_words_is_a_response_without_items() -> None:
    response, events = foreign(Begun("c", "m"), Finish("stop"))

    assert response["output"] == []
    assert [e["type"] for e in events] == ["response.created", "response.in_progress", "response.completed"]


def test_calls_that_are_told_in_turns_keep_their_arguments_apart() -> None:
    response, _ = foreign(
        ToolCall(0, "a", "f", '{"x"'),
        ToolCall(1, "b", "f", '{"y"'),
        ToolCall(0, arguments=":1}"),
        ToolCall(1, arguments=":2}"),
        Finish("tool_calls"),
    )

    assert [(i["call_id"], i["arguments"]) for i in response["output"]] == [("a", '{"x":1}'), ("b", '{"y":2}')]


def test_a_call_is_over_when_the_next_one_begins() -> None:
    _, events = foreign(ToolCall(0, "a", "f", "{}"), ToolCall(1, "b", "f", "{}"), Finish("tool_calls"))
    order = [(e["type"].rpartition(".")[2], e["output_index"]) for e in events if "output_item" in e["type"]]

    assert order == [("added", 0), ("done", 0), ("added", 1), ("done", 1)]


@pytest.mark.parametrize(
    ("pieces", "told_as"),
    [(("",), "{}"), (("{}",), "{}"), (("", '{"a"', ":1}"), '{"a":1}'), (("not json",), "not json")],
)
def test_arguments_of_a_function_are_told_as_they_come_and_none_are_an_empty_object(
    pieces: tuple[str, ...], told_as: str
) -> None:
    first, *rest = pieces
    response, _ = foreign(ToolCall(0, "a", "f", first), *(ToolCall(0, arguments=p) for p in rest))

    assert response["output"][0]["arguments"] == told_as


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ('{"input": "*** \\u00e9\\n"}', "*** é\n"),
        ('{"input": {"a": 1}}', '{"input": {"a": 1}}'),
        ('"text alone"', "text alone"),
        ("*** raw", "*** raw"),
        ('{"other": 1}', '{"other": 1}'),
        ("", ""),
    ],
)
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_a_tool_of_plain_text_gets_the_text_that_a_model_gave_it_as_a_function(
    said: str, plain: str, size: int
) -> None:
    pieces = [said[i : i + size] for i in range(0, len(said), size)] or [""]
    calls = [ToolCall(0, "a", "patch", pieces[0]), *(ToolCall(0, arguments=p) for p in pieces[1:])]
    response, _ = foreign(*calls, tools=TOOLS)

    item = response["output"][0]
    assert (item["type"], item["input"]) == ("custom_tool_call", plain)
    assert item["id"].startswith("ctc_")


def test_a_call_of_plain_text_is_streamed_as_it_comes() -> None:
    response, events = foreign(
        ToolCall(0, "a", "patch", "*** ", custom=True), ToolCall(0, arguments="Begin"), tools=TOOLS
    )

    assert response["output"][0]["input"] == "*** Begin"
    assert [e["delta"] for e in events if e["type"].endswith("input.delta")] == ["*** ", "Begin"]


def test_calls_without_a_name_or_an_id_are_told_all_the_same() -> None:
    response, _ = foreign(ToolCall(0, "", "f", "{}"), ToolCall(1, "", "f", "{}"), ToolCall(2, "x", "", "{}"))

    ids = [item["call_id"] for item in response["output"]]
    assert len(set(ids)) == 3
    assert ids[2] == "x"


def test_what_was_asked_is_repeated_in_the_response() -> None:
    asked = {
        "instructions": "Be short.",
        "tools": TOOLS,
        "tool_choice": {"type": "function", "name": "f"},
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "store": False,
        "max_output_tokens": 99,
        "parallel_tool_calls": False,
        "truncation": "auto",
        **SUMMARY,
    }
    response, events = foreign(Text("x"), **asked)

    assert {name: response[name] for name in asked} == asked
    assert {name: events[0]["response"][name] for name in asked} == asked


def test_what_was_not_asked_is_repeated_as_its_default() -> None:
    response, _ = foreign(Text("x"), temperature=None, tools=None)

    assert (response["tool_choice"], response["tools"], response["store"]) == ("auto", [], True)
    assert response["temperature"] is None


# seals


def sealed() -> list[Delta]:
    return [
        Reasoning("because", block=0),
        Reasoning("", seal=Seal("anthropic", "SIG==", id="x.y"), block=0),
        Reasoning("", seal=Seal("anthropic", "DARK", redacted=True), block=1),
        Text("he"),
        Text("", seal=Seal("gemini", "TEXT-SIG")),
        ToolCall(0, "a", "f", "{}", seal=Seal("gemini", "CALL-SIG")),
        Finish("tool_calls"),
    ]


@pytest.mark.parametrize("members", [{}, SUMMARY])
def test_seals_of_other_dialects_come_back_where_they_were(members: dict[str, Any]) -> None:
    response, _ = foreign(*sealed(), **members)
    back = request(input=[*response["output"], {"type": "function_call_output", "call_id": "a", "output": "ok"}])
    parts = OPENAI_RESPONSES.read(back).messages[0].parts

    thought, dark, text, call = parts
    assert thought == ReasoningPart("because", Seal("anthropic", "SIG==", "acme", "x.y"))
    assert dark == ReasoningPart("", Seal("anthropic", "DARK", "acme", redacted=True))
    assert text == TextPart("he", seal=Seal("gemini", "TEXT-SIG", "acme"))
    assert call == CallPart("a", "f", "{}", seal=Seal("gemini", "CALL-SIG", "acme"))


def test_what_is_sealed_for_another_dialect_is_not_sent_to_a_provider_of_this_one() -> None:
    response, _ = foreign(*sealed())
    body = json.loads(OPENAI_RESPONSES.encode_request(request(input=response["output"]), model="m", quirks=Quirks()))

    assert [item["type"] for item in body["input"]] == ["message", "function_call"]
    assert b"fh1." not in json.dumps(body).encode()


def test_a_seal_of_this_dialect_is_read_and_written_as_it_was() -> None:
    item = {"type": "reasoning", "id": "rs_9", "summary": [{"type": "summary_text", "text": "s"}]}
    item["encrypted_content"] = "gAAAA"
    prompt = OPENAI_RESPONSES.read(request(input=[item, {"role": "user", "content": "x"}]))
    body = json.loads(OPENAI_RESPONSES.write(prompt, model="m", quirks=Quirks()).body)

    assert prompt.messages[0].parts == (ReasoningPart("s", Seal("openai", "gAAAA", id="rs_9")),)
    assert body["input"][0] == item


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

    assert kinds(left) == ["reasoning", "message"]


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
