"""What leaves for a caller: untouched bytes as they are, of touched ones only that changed, our words as OpenAI's."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

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
from freehold.core.usage import Usage
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

ASKED: dict[str, Any] = {"model": "route", "messages": [{"role": "user", "content": "x"}]}


def encoder(*, stream: bool = True, wants: bool = False) -> Any:
    more = {"stream": stream, **({"stream_options": {"include_usage": True}} if wants else {})}
    request = OPENAI_CHAT.decode_request(json.dumps({**ASKED, **more}).encode())
    return OPENAI_CHAT.encoder(request, id="7", at=5_000_000_000)


def write(events: Sequence[Event], *, stream: bool = True, wants: bool = False) -> bytes:
    writer = encoder(stream=stream, wants=wants)
    return b"".join([writer.encode(event) for event in events]) + writer.end()


def chunk(choice: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"id": "c", "model": "m", "choices": [{"index": 0, **choice}], **more}).encode()


def touch(data: bytes, deltas: Sequence[Delta]) -> dict[str, Any]:
    """A chunk's first choice after a stage made of it what is in `deltas`."""
    written = write([Event(tuple(deltas), b"data: " + data + b"\n\n", True, touched=True)])
    first, done = written.split(b"\n\n")[:2]
    assert done == b"data: [DONE]"
    value = json.loads(first.removeprefix(b"data: "))
    assert {k: v for k, v in value.items() if k != "choices"} == {"id": "c", "model": "m"}
    return value["choices"][0]


@pytest.mark.parametrize(
    ("said", "deltas", "left"),
    [
        ({"content": "secret"}, [Text("[x]")], {"content": "[x]"}),
        ({"content": "secret", "role": "assistant", "more": 1}, [Text("[x]")],
         {"content": "[x]", "role": "assistant", "more": 1}),
        ({"content": "secret"}, [], {"content": ""}),
        ({"content": "secret"}, [Text("a"), Text("b")], {"content": "ab"}),
        ({}, [Text("kept back")], {"content": "kept back"}),
        ({"content": None}, [Text("kept back")], {"content": "kept back"}),
        ({"content": ""}, [Text("kept back")], {"content": "kept back"}),
        ({"reasoning": "secret"}, [Reasoning("[x]")], {"reasoning": "[x]"}),
        ({"reasoning": "secret", "reasoning_content": "secret"}, [Reasoning("[x]")],
         {"reasoning": "[x]", "reasoning_content": "[x]"}),
        ({"reasoning": "secret", "reasoning_details": [{"type": "reasoning.text", "text": "secret", "index": 0}]},
         [Reasoning("[x]")],
         {"reasoning": "[x]", "reasoning_details": [{"type": "reasoning.text", "text": "[x]", "index": 0}]}),
        ({"reasoning_content": "secret"}, [], {"reasoning_content": ""}),
        ({"reasoning": "thought", "content": "secret"}, [Reasoning("thought"), Text("[x]")],
         {"reasoning": "thought", "content": "[x]"}),
        ({"refusal": "secret"}, [Refusal("[x]")], {"refusal": "[x]"}),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "secret"}]},
                      {"type": "text", "text": "secret"}]},
         [Reasoning("[y]"), Text("[x]")],
         {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "[y]"}]},
                      {"type": "text", "text": "[x]"}]}),
        ({"content": [{"type": "text", "text": "sec"}, {"type": "text", "text": "ret"}]}, [Text("[x]")],
         {"content": [{"type": "text", "text": "[x]"}, {"type": "text", "text": ""}]}),
        ({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "secret"}}]},
         [ToolCall(0, "a", "f", "[x]")],
         {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "[x]"}}]}),
        ({"tool_calls": [{"index": 0, "function": {"arguments": {"a": "secret"}}}]}, [ToolCall(0, "", "", '{"a":"x"}')],
         {"tool_calls": [{"index": 0, "function": {"arguments": {"a": "x"}}}]}),
        ({"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "secret"}}]},
         [ToolCall(0, "a", "f", "[x]")],
         {"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "[x]"}}]}),
        ({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "secret"}},
                         {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]},
         [ToolCall(1, "b", "g", "{}")],
         {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]}),
        ({"function_call": {"name": "f", "arguments": "secret"}}, [ToolCall(0, "", "f", "[x]")],
         {"function_call": {"name": "f", "arguments": "[x]"}}),
    ],
    ids=range(20),
)  # fmt: skip
def test_a_touched_chunk_says_what_the_stage_says_and_keeps_the_rest(
    said: dict[str, Any], deltas: list[Delta], left: dict[str, Any]
) -> None:
    for place in ("delta", "message"):
        data = chunk({place: said, "finish_reason": None, "x": [1]})
        assert touch(data, deltas) == {"index": 0, place: left, "finish_reason": None, "x": [1]}
        assert b"secret" not in json.dumps(touch(data, deltas)).encode()


def test_nothing_of_what_was_said_is_left_in_another_place() -> None:
    data = chunk({
        "delta": {"content": "secret"},
        "message": {"role": "assistant", "content": "all the secret"},
        "logprobs": {"content": [{"token": "secret", "logprob": -1}]},
    })  # fmt: skip

    left = touch(data, [Text("[x]")])
    assert left == {
        "index": 0,
        "delta": {"content": "[x]"},
        "message": {"role": "assistant", "content": ""},
        "logprobs": None,
    }


def test_what_a_stage_leaves_as_it_was_keeps_its_log_probabilities() -> None:
    data = chunk({"delta": {"content": "open"}, "logprobs": {"content": [{"token": "open"}]}})

    assert touch(data, [Text("open")])["logprobs"] == {"content": [{"token": "open"}]}


def test_each_choice_takes_what_is_said_for_it() -> None:
    choices = [{"index": i, "delta": {"content": "secret"}} for i in (1, 0)]
    data = json.dumps({"choices": choices}).encode()
    written = write([Event((Text("a", 0), Text("b", 1)), b"data: " + data + b"\n\n", True, touched=True)])

    value = json.loads(written.split(b"\n\n")[0].removeprefix(b"data: "))
    assert [(c["index"], c["delta"]["content"]) for c in value["choices"]] == [(1, "b"), (0, "a")]


def test_a_touched_frame_keeps_its_comment_and_event() -> None:
    raw = b": note\nevent: message\ndata: " + chunk({"delta": {"content": "secret"}}) + b"\n\n"
    written = write([Event((Text("[x]"),), raw, True, touched=True)])

    assert written.startswith(b": note\nevent: message\ndata: {")
    assert b"secret" not in written


def test_a_touched_completion_is_patched_whole() -> None:
    body = chunk({"message": {"role": "assistant", "content": "secret"}, "finish_reason": "stop"}, usage={"x": 1})
    event = OPENAI_CHAT.decode_answer(body, Quirks())
    touched = Event((Begun("c", "m"), Text("[x]"), Finish("stop", "stop")), event.raw, True, touched=True)

    left = json.loads(write([touched], stream=False))
    assert left["choices"][0]["message"] == {"role": "assistant", "content": "[x]"}
    assert left["usage"] == {"x": 1}


# our own words

OWN: list[Delta] = [
    Begun("r1", "model-1"),
    Reasoning("hm"),
    Text("he"),
    Text("llo"),
    Text("two", 1),
    ToolCall(0, "a", "f", '{"x":'),
    ToolCall(0, "", "", "1}"),
    Refusal("no", 1),
    Finish("tool_calls", "tool_use"),
    Finish("error", "boom", 1),
    Used(Usage(input_tokens=9, output_tokens=5, cache_read_tokens=4, cache_write_tokens=2, reasoning_tokens=1)),
]


def own(deltas: Sequence[Delta] = OWN) -> list[Event]:
    return [Event((delta,), b"", True) for delta in deltas]


@pytest.mark.parametrize("wants", [True, False])
def test_words_without_bytes_are_written_as_a_stream_that_reads_the_same(wants: bool) -> None:
    body = write(own(), wants=wants)
    decoder = OPENAI_CHAT.stream_decoder(Quirks())
    answer, before = collect(decoder.feed(body) + decoder.finish()), collect(own())

    chunks = [json.loads(line[6:]) for line in body.split(b"\n\n") if line.startswith(b"data: {")]
    for value in chunks:
        ChatCompletionChunk.model_validate(value, strict=True)
        assert (value["id"], value["model"], value["created"]) == ("r1", "model-1", 5)
    assert [c["delta"].get("role") for v in chunks for c in v["choices"]].count("assistant") == 2
    assert body.endswith(b"data: [DONE]\n\n")
    assert [(c.text, c.reasoning, c.refusal, c.tool_calls) for c in answer.choices] == [
        (c.text, c.reasoning, c.refusal, c.tool_calls) for c in before.choices
    ]
    assert [c.finish for c in answer.choices] == ["tool_calls", "stop"]
    assert answer.usage == (before.usage if wants else None)


def test_words_without_bytes_are_written_as_one_completion_that_reads_the_same() -> None:
    body = write(own(), stream=False)
    answer, before = collect([OPENAI_CHAT.decode_answer(body, Quirks())]), collect(own())

    ChatCompletion.model_validate_json(body)
    assert (answer.id, answer.model, answer.usage) == ("r1", "model-1", before.usage)
    assert answer.choices[0] == before.choices[0]
    assert (answer.choices[1].text, answer.choices[1].refusal) == ("two", "no")


def test_our_own_words_inside_a_providers_stream_go_under_its_name() -> None:
    raw = b"data: " + chunk({"delta": {"content": "hi"}}) + b"\n\n"
    decoder = OPENAI_CHAT.stream_decoder(Quirks())
    body = write([*decoder.feed(raw), Event((Text(" there"),), b"", True)])

    ours = json.loads(body.split(b"\n\n")[1].removeprefix(b"data: "))
    assert (ours["id"], ours["model"], ours["choices"][0]["delta"]["content"]) == ("c", "m", " there")


def test_an_answer_without_a_name_gets_one() -> None:
    value = json.loads(write(own([Text("hi"), Finish("stop")]), stream=False))

    assert (value["id"], value["model"], value["object"]) == ("chatcmpl-7", "route", "chat.completion")
    assert value["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "hi", "refusal": None}, "finish_reason": "stop"}
    ]


# requests


@pytest.mark.parametrize(
    ("limits", "sent"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 5, "max_tokens": 9}, {"max_tokens": 5}),
        ({"max_tokens": 9, "max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 9, "max_completion_tokens": None}, {"max_tokens": 9}),
        ({"max_completion_tokens": None}, {"max_tokens": None}),
        ({}, {}),
    ],
)
def test_a_provider_that_knows_one_name_of_the_limit_gets_that_one_once(
    limits: dict[str, Any], sent: dict[str, Any]
) -> None:
    request = OPENAI_CHAT.decode_request(json.dumps({**ASKED, **limits}).encode())
    body = OPENAI_CHAT.encode_request(request, model="m", quirks=Quirks(max_tokens="max_tokens"))

    assert json.loads(body) == {**ASKED, "model": "m", **sent}
    assert body.count(b"tokens") == len(sent)
    plain = OPENAI_CHAT.encode_request(request, model="m", quirks=Quirks())
    assert json.loads(plain) == {**ASKED, "model": "m", **limits}


@pytest.mark.parametrize(
    ("options", "known", "sent"),
    [
        (None, True, {"include_usage": True}),
        ({}, True, {"include_usage": True}),
        ({"include_usage": False, "x": 1}, True, {"include_usage": True, "x": 1}),
        ({"include_usage": True, "x": 1}, True, {"include_usage": True, "x": 1}),
        ({"include_usage": True}, False, None),
        (None, False, None),
    ],
)
def test_a_stream_is_asked_for_usage_where_the_provider_understands_that(
    options: dict[str, Any] | None, known: bool, sent: dict[str, Any] | None
) -> None:
    given = {} if options is None else {"stream_options": options}
    request = OPENAI_CHAT.decode_request(json.dumps({**ASKED, "stream": True, **given}).encode())
    body = json.loads(OPENAI_CHAT.encode_request(request, model="m", quirks=Quirks(stream_usage=known)))

    assert body.get("stream_options") == sent
    assert request.wants_usage == bool((options or {}).get("include_usage"))
