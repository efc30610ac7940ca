"""Cohere's v2 chat: requests written for it, answers written in it, streams that are odd."""

from typing import Any

import pytest
from cohere_world import HELLO, read, request, sse, told, write, wrote
from recorded import compact

from freehold.core.errors import Broken
from freehold.core.events import Event, Finish, Reasoning, Text, ToolCall, collect
from freehold.core.prompt import Format, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, ReasoningPart, ResultPart, TextPart
from freehold.dialects.cohere_chat.dialect import COHERE_CHAT
from freehold.dialects.quirks import Quirks

# what is written


def test_a_turn_with_calls_has_its_thoughts_as_plan_and_results_stand_alone() -> None:
    body, lost = wrote(
        Message("system", (TextPart("be brief"),)),
        HELLO,
        Message("assistant", (ReasoningPart("I look"), CallPart("c1", "f", '{"a":1}'))),
        Message("tool", (ResultPart("c1", "2"),)),
    )
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "Hello"},
        {
            "role": "assistant",
            "tool_plan": "I look",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ]
    assert lost == ()


@pytest.mark.parametrize(
    ("choice", "said", "names"),
    [
        (None, None, ["f", "g"]),
        (ToolChoice("auto"), None, ["f", "g"]),
        (ToolChoice("none"), "NONE", ["f", "g"]),
        (ToolChoice("required"), "REQUIRED", ["f", "g"]),
        (ToolChoice("named", "g"), "REQUIRED", ["g"]),
    ],
)
def test_a_tool_that_is_named_is_offered_alone(choice: ToolChoice | None, said: str | None, names: list[str]) -> None:
    body, _ = wrote(tools=(Tool(name="f"), Tool(name="g")), tool_choice=choice)
    assert body.get("tool_choice") == said
    assert [tool["function"]["name"] for tool in body["tools"]] == names


def test_options_have_coheres_names_and_stay_in_its_bounds() -> None:
    body, lost = wrote(
        max_output_tokens=9, temperature=0.5, top_p=1.0, top_k=4, seed=1, stop=("x",), presence_penalty=-1.0,
        frequency_penalty=0.5, logprobs=True, thinking=Thinking(budget=100), format=Format(kind="json_object"),
    )  # fmt: skip
    assert {n: v for n, v in body.items() if n not in {"model", "messages"}} == {
        "max_tokens": 9, "temperature": 0.5, "p": 0.99, "k": 4, "seed": 1, "stop_sequences": ["x"],
        "presence_penalty": 0.0, "frequency_penalty": 0.5, "logprobs": True,
        "thinking": {"type": "enabled", "token_budget": 100}, "response_format": {"type": "json_object"},
    }  # fmt: skip
    assert lost == ("presence_penalty outside 0 to 1",)


def test_what_cohere_has_no_words_for_is_named() -> None:
    picture = MediaPart("image", url="https://x/y.png")
    _, lost = wrote(
        Message("user", (TextPart("a"), picture, MediaPart("audio", url="data:audio/wav;base64,aGk="))),
        Message("assistant", (CallPart("c", "f", "{}"),)),
        Message("tool", (ResultPart("c", "", (picture,), error=True),)),
        choices=2,
        subject="ann",
        parallel_tools=False,
        tools=(Tool(name="search", kind="builtin"),),
    )
    assert set(lost) == {
        "audio", "image in a tool result", "error of a tool result", "choices", "subject", "parallel_tools",
        "tools[search] (builtin)",
    }  # fmt: skip


def test_documents_and_citations_of_a_caller_are_named_as_lost() -> None:
    prompt = COHERE_CHAT.read(request(documents=["a"], safety_mode="STRICT", citation_options={"mode": "FAST"}))
    assert prompt.losses == ("documents", "safety_mode", "citation_options")


# streams that are odd


START = {"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant"}}}
END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}


def call(index: int, *pieces: str) -> list[dict[str, Any]]:
    begun = {"id": f"c{index}", "type": "function", "function": {"name": "f", "arguments": ""}}
    out: list[dict[str, Any]] = [
        {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": begun}}}
    ]
    for piece in pieces:
        function = {"function": {"arguments": piece}}
        out.append({"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": function}}})
    return [*out, {"type": "tool-call-end", "index": index}]


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [((), "{}"), (("null",), "{}"), (("nu", "ll"), "{}"), (('{"a"', ":1}"), '{"a":1}'), (("{", "}"), "{}")],
)
def test_a_call_without_arguments_has_an_empty_object(pieces: tuple[str, ...], arguments: str) -> None:
    events, error = read([sse(START, *call(0, *pieces), END)])
    assert error is None
    assert collect(events).choices[0].tool_calls[0].arguments == arguments


def test_a_stream_that_ends_without_its_last_event_is_broken() -> None:
    events, error = read([sse(START, {"type": "content-delta", "delta": {"message": {"content": {"text": "a"}}}})])
    assert isinstance(error, Broken)
    assert collect(events).text == "a"


def test_an_error_at_the_end_of_a_stream_is_one() -> None:
    end = {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "out of memory"}}
    _, error = read([sse(START, end)])
    assert isinstance(error, Broken)
    assert "out of memory" in error.message


def test_a_touched_event_keeps_every_other_value() -> None:
    said_ = {"type": "content-delta", "index": 3, "x": 1, "delta": {"message": {"content": {"text": "a"}}}}
    event = read([sse(START, said_, END)])[0][1]
    touched = Event((Text("b"),), event.raw, True, touched=True)
    assert told(write([touched], streamed=True)) == [{**said_, "delta": {"message": {"content": {"text": "b"}}}}]


def test_a_whole_answer_where_a_stream_was_asked_for_becomes_one() -> None:
    body = {
        "id": "a",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "tool_plan": "p", "content": [{"type": "text", "text": "t"}]},
    }
    events, error = read([write([COHERE_CHAT.decode_answer(compact(body), Quirks())], streamed=True)])
    assert error is None
    assert (collect(events).text, collect(events).choices[0].reasoning) == ("t", "p")


def test_two_calls_and_a_thought_are_written_as_blocks_in_their_order() -> None:
    events = [
        Event((Reasoning("hm"),), content=True),
        Event((Text("so"),), content=True),
        Event((ToolCall(0, "a", "f", "{}"),), content=True),
        Event((ToolCall(1, "b", "g", '{"x":'), ToolCall(1, arguments="1}")), content=True),
        Event((Finish("stop"),), content=True),
    ]
    written = told(write(events, streamed=True, foreign=True))
    assert [(e["type"], e.get("index")) for e in written] == [
        ("message-start", None),
        ("content-start", 0), ("content-delta", 0), ("content-end", 0),
        ("content-start", 1), ("content-delta", 1), ("content-end", 1),
        ("tool-call-start", 0), ("tool-call-delta", 0), ("tool-call-end", 0),
        ("tool-call-start", 1), ("tool-call-delta", 1), ("tool-call-delta", 1), ("tool-call-end", 1),
        ("message-end", None),
    ]  # fmt: skip
    assert written[-1]["delta"]["finish_reason"] == "TOOL_CALL"
