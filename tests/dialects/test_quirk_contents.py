"""Tool calls, reasoning and usage in the shapes that OpenAI-compatible servers give them."""

import json
from typing import Any

import pytest
from chat_streams import DONE, HELLO, delta, frame, said, written
from msgspec.structs import replace

from freehold.core.events import WholeCall, collect
from freehold.core.usage import Usage
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

# tool calls


def call(arguments: Any = "", *, index: Any = None, id: Any = None, name: Any = None) -> dict[str, Any]:
    members = {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
    return {k: v for k, v in members.items() if v is not None}


A, B = WholeCall(id="a", name="f", arguments='{"x":1}'), WholeCall(id="b", name="g", arguments='{"y":2}')
IN_ONE = [call('{"x":1}', id="a", name="f"), call('{"y":2}', id="b", name="g")]


@pytest.mark.parametrize(
    "pieces",
    [
        [[call("", index=0, id="a", name="f")], [call('{"x"', index=0)], [call(":1}", index=0)],
         [call("", index=1, id="b", name="g")], [call('{"y":2}', index=1)]],
        [IN_ONE],
        [[IN_ONE[0]], [IN_ONE[1]]],
        [[call('{"x":1}', index=0, id="a", name="f")], [call('{"y":2}', index=0, id="b", name="g")]],
        [[call('{"x":1}', index=0, id="a", name="f"), call('{"y":2}', index=0, id="b", name="g")]],
        [[call("", id="a", name="f")], [call('{"x":1}')], [call("", id="b", name="g")], [call('{"y":'), call("2}")]],
        [[call('{"x"', id="a", name="f")], [call(":1}", id="a")], [call('{"y":2}', id="b", name="g")]],
        [[call('{"x"', index=0, id="a", name="f")], [call(":1}", index=0, id="a", name="f")],
         [call('{"y":2}', index=1, id="b", name="g")]],
        [[call('{"x"', index=0, id="a", name="f")], [call(":1}", index=0, id="a2", name="")],
         [call('{"y":2}', index=1, id="b", name="g")]],
        [[call("", index=0, id="a", name="f"), call("", index=1, id="b", name="g")],
         [call('{"x":1}', index=0), call('{"y":', index=1)], [call("2}", index=1)]],
        [[call({"x": 1}, index=0, id="a", name="f"), None, call({"y": 2}, index=1, id="b", name="g")]],
        [[call('{"x":1}', index="0", id="a", name="f")], [call('{"y":2}', index="1", id="b", name="g")]],
        [[{"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": '{"x":1}'}}],
         [call('{"y":2}', index=1, id="b", name="g")]],
        [[call(index=0, id="a", name="f")], [call('{"x":1}', index=0, id="", name="")],
         [call('{"y":2}', index=1, id="b", name="g")]],
    ],
    ids=range(14),
)  # fmt: skip
def test_parallel_calls_are_told_apart_however_they_are_counted(pieces: list[list[Any]]) -> None:
    body = b"".join(delta(tool_calls=piece) for piece in pieces) + delta("tool_calls")

    choice = said(body).choices[0]
    assert tuple(replace(call, custom=False) for call in choice.tool_calls) == (A, B)
    assert choice.finish == "tool_calls"


def test_calls_without_ids_are_told_apart_by_their_names() -> None:
    twice = [call('{"x":1}', index=0, name="f"), call('{"x":2}', index=0, name="f")]

    for body in (
        delta("tool_calls", tool_calls=twice),
        delta("tool_calls", tool_calls=[{**c, "index": None} for c in twice]),
    ):
        assert [(c.name, c.arguments) for c in said(body).choices[0].tool_calls] == [("f", '{"x":1}'), ("f", '{"x":2}')]


def test_an_empty_old_function_call_is_no_call() -> None:
    message = {"content": "hi", "function_call": {"name": "", "arguments": ""}, "tool_calls": None, "refusal": ""}
    body = json.dumps({"id": "c1", "choices": [{"message": message, "finish_reason": ""}]}).encode()

    choice = collect([OPENAI_CHAT.decode_answer(body, Quirks())]).choices[0]
    assert (choice.text, choice.tool_calls, choice.finish) == ("hi", (), "stop")


# reasoning


@pytest.mark.parametrize(
    "thought",
    [
        {"reasoning": "hm"},
        {"reasoning_content": "hm"},
        {"thinking": "hm"},
        {"reasoning": "hm", "reasoning_content": "hm"},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning": None, "reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}, {"type": "reasoning.text", "text": "hm"}]},
        {"reasoning": {"content": "hm"}},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        {"content": [{"type": "thinking", "thinking": "hm"}]},
    ],
)
def test_reasoning_is_told_apart_under_every_name(thought: dict[str, Any]) -> None:
    answer = said(delta(**thought) + delta("stop", content="yes"))

    assert (answer.choices[0].reasoning, answer.text) == ("hm", "yes")


def test_reasoning_inside_the_text_stays_text() -> None:
    assert said(delta("stop", content="<think>hm</think>yes")).text == "<think>hm</think>yes"


# usage


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2}, Usage(input_tokens=5, output_tokens=2)),
        ({"prompt_tokens": "5", "completion_tokens": "2"}, Usage(input_tokens=5, output_tokens=2)),
        ({"prompt_tokens": 5.0, "completion_tokens": None}, Usage(input_tokens=5)),
        ({"input_tokens": 5, "output_tokens": 2}, Usage(input_tokens=5, output_tokens=2)),
        ({"prompt_tokens": 5, "cost": "0.0000000015"}, Usage(input_tokens=5, stated_cost=2)),
        ({"prompt_tokens": 5, "cost": {"total_cost": 0.000123456}}, Usage(input_tokens=5, stated_cost=123456)),
        ({"prompt_tokens": 5, "cost_in_usd_ticks": 25}, Usage(input_tokens=5, stated_cost=2)),
        ({"prompt_tokens": 5, "cost_in_usd_ticks": 35}, Usage(input_tokens=5, stated_cost=4)),
        ({"prompt_tokens": 5, "cost": 0}, Usage(input_tokens=5, stated_cost=0)),
        ({"prompt_tokens": 5, "cost": -1}, Usage(input_tokens=5)),
        ({"prompt_tokens": 5, "cost": 1e300}, Usage(input_tokens=5)),
        ({"prompt_tokens": 5, "cost": "much"}, Usage(input_tokens=5)),
        ({"prompt_tokens": 5, "cost": True}, Usage(input_tokens=5)),
        ({"prompt_tokens": -5, "completion_tokens": 10**30}, Usage()),
        ({"prompt_tokens": 5, "prompt_tokens_details": [], "completion_tokens_details": "x"}, Usage(input_tokens=5)),
        ({"prompt_tokens": 5, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 7},
         Usage(input_tokens=27, cache_read_tokens=20, cache_write_tokens=7)),
        ({"prompt_tokens": 30, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 7},
         Usage(input_tokens=30, cache_read_tokens=20, cache_write_tokens=7)),
    ],
)  # fmt: skip
def test_usage_is_counted_from_whatever_is_stated(raw: dict[str, Any], usage: Usage) -> None:
    assert said(HELLO + frame(choices=[], usage=raw)).usage == usage
    assert said(HELLO + frame(choices=[], x_groq={"usage": raw})).usage == usage
    assert said(HELLO + frame(choices=[{"index": 0, "delta": {}, "usage": raw}])).usage == usage


@pytest.mark.parametrize(
    ("quirks", "usage"),
    [
        (Quirks(), Usage(input_tokens=10, output_tokens=8, cache_read_tokens=4, reasoning_tokens=3)),
        (Quirks(cached_outside=True), Usage(input_tokens=14, output_tokens=8, cache_read_tokens=4, reasoning_tokens=3)),
        (
            Quirks(reasoning="outside"),
            Usage(input_tokens=10, output_tokens=11, cache_read_tokens=4, reasoning_tokens=3),
        ),
        (Quirks(reasoning="inside"), Usage(input_tokens=10, output_tokens=8, cache_read_tokens=4, reasoning_tokens=3)),
    ],
)
def test_a_quirk_says_what_the_numbers_cannot_show(quirks: Quirks, usage: Usage) -> None:
    raw = {
        "prompt_tokens": 10,
        "completion_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert said(HELLO + frame(choices=[], usage=raw), quirks).usage == usage


def test_usage_in_every_chunk_counts_once() -> None:
    pieces = [
        frame(choices=[{"index": 0, "delta": {"content": "x"}}], usage={"prompt_tokens": 9, "completion_tokens": i})
        for i in (1, 2)
    ]

    assert said(b"".join(pieces) + delta("stop")).usage == Usage(input_tokens=9, output_tokens=2)


COUNTS = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


@pytest.mark.parametrize(
    ("chunk", "kept"),
    [
        (frame(choices=[], usage=COUNTS), False),
        (frame(usage=COUNTS, system_fingerprint="fp", service_tier=None, obfuscation="abc"), False),
        (frame(choices=[], usage=COUNTS, citations=None), False),
        (frame(choices=[], usage=COUNTS, citations=["https://example.com"]), True),
        (frame(choices=[{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}], usage=COUNTS), True),
        (frame(choices=[{"index": 0, "delta": {"content": "!"}}], usage=COUNTS), True),
        (frame(choices=[], prompt_filter_results=[]), True),
    ],
)
def test_only_a_chunk_that_is_nothing_but_usage_is_kept_from_a_caller_that_asked_for_none(
    chunk: bytes, kept: bool
) -> None:
    body = HELLO + chunk

    assert written(body, wants=True) == body + DONE
    assert written(body, wants=False) == (body if kept else HELLO) + DONE
