"""Answers of another dialect, written as Responses by every rule of the stream; and seals that find their way back."""

import json
from typing import Any

import pytest
from responses_world import Folded, request, told, valid, write

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
)
from freehold.core.request import CallPart, ReasoningPart, TextPart
from freehold.core.seal import Seal
from freehold.core.usage import Usage
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
