"""Requests written in Messages from what was asked in another dialect: valid by the SDK's types, losses named."""

import json
from typing import Any

import pytest
from messages_world import ASK, OBJECT, OLD, F, wrote
from msgspec import Raw
from recorded import compact

from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, ReasoningPart, ResultPart, TextPart
from freehold.core.seal import Seal
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.quirks import Quirks


def turns(*said: Message, **more: Any) -> Any:
    return wrote(*said, **more)[0]["messages"]


def block(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def test_a_plain_question_is_written_with_the_limit_that_the_dialect_wants() -> None:
    assert wrote() == (
        {"model": OLD, "max_tokens": 16_384, "messages": [{"role": "user", "content": [block("hi")]}]},
        (),
    )
    assert wrote(max_output_tokens=5)[0]["max_tokens"] == 5


def test_turns_of_one_role_that_follow_each_other_become_one() -> None:
    said = turns(ASK, ASK, Message("assistant", (TextPart("a"),)), Message("assistant", (TextPart("b"),)), ASK)
    assert [(t["role"], [b["text"] for b in t["content"]]) for t in said] == [
        ("user", ["hi", "hi"]),
        ("assistant", ["a", "b"]),
        ("user", ["hi"]),
    ]


def test_system_messages_go_to_the_top_wherever_they_stood() -> None:
    body, _ = wrote(
        Message("system", (TextPart("a", "1h"),)), ASK, Message("system", (TextPart("b"),)), Message("user", ())
    )
    assert body["system"] == [block("a", cache_control={"type": "ephemeral", "ttl": "1h"}), block("b")]
    assert body["messages"] == [{"role": "user", "content": [block("hi")]}]


def test_instructions_alone_are_what_is_asked() -> None:
    body, _ = wrote(Message("system", (TextPart("say hi"),)))
    assert "system" not in body
    assert body["messages"] == [{"role": "user", "content": [block("say hi")]}]


def test_empty_texts_are_left_out_and_a_beginning_ends_without_white_space() -> None:
    said = turns(
        Message("user", (TextPart(""), TextPart("q"), TextPart("  "))), Message("assistant", (TextPart("{ \n"),))
    )
    assert said == [
        {"role": "user", "content": [block("q")]},
        {"role": "assistant", "content": [block("{")]},
    ]


def test_results_of_parallel_calls_are_grouped_in_the_order_of_the_calls_before_other_words() -> None:
    said = turns(
        ASK,
        Message("assistant", (TextPart("ok"), CallPart("c.1", "f", '{"x":1}'), CallPart("c2", "f", ""))),
        Message("tool", (ResultPart("c2", "two"),)),
        Message("user", (TextPart("and?"),)),
        Message("tool", (ResultPart("c.1", "one", error=True),)),
    )
    assert said[1]["content"][1:] == [
        {"type": "tool_use", "id": "c_1", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "c2", "name": "f", "input": {}},
    ]
    assert said[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c_1", "content": "one", "is_error": True},
            {"type": "tool_result", "tool_use_id": "c2", "content": "two"},
            block("and?"),
        ],
    }


def test_calls_without_ids_get_some_that_their_results_share() -> None:
    said = turns(
        ASK,
        Message("assistant", (CallPart("", "f", "{}"), CallPart("", "g", "{}"))),
        Message("tool", (ResultPart("", "one"),)),
        Message("tool", (ResultPart("", "two"),)),
    )
    ids = [b["id"] for b in said[1]["content"]]
    assert len(set(ids)) == 2
    assert [(b["tool_use_id"], b["content"]) for b in said[2]["content"]] == list(zip(ids, ("one", "two"), strict=True))


@pytest.mark.parametrize(
    ("arguments", "custom", "wanted"),
    [
        ('{"a":[1]}', False, {"a": [1]}),
        ("", False, {}),
        ("[1]", False, {"input": [1]}),
        ("not json", False, {"input": "not json"}),
        ("plain", True, {"input": "plain"}),
    ],
)
def test_arguments_are_an_object_whatever_they_were(arguments: str, custom: bool, wanted: Any) -> None:
    said = turns(ASK, Message("assistant", (CallPart("c", "f", arguments, custom=custom),)), ASK)
    assert said[1]["content"][0]["input"] == wanted


@pytest.mark.parametrize(
    ("part", "source", "kind"),
    [
        (MediaPart("image", url="https://x/y.png"), {"type": "url", "url": "https://x/y.png"}, "image"),
        (
            MediaPart("image", url="data:image/png;base64,aGk="),
            {"type": "base64", "media_type": "image/png", "data": "aGk="},
            "image",
        ),
        (
            MediaPart("file", url="data:application/pdf;base64,JVBE"),
            {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
            "document",
        ),
        (MediaPart("file", url="https://x/y.pdf"), {"type": "url", "url": "https://x/y.pdf"}, "document"),
        (
            MediaPart("file", url="data:text/csv;base64,YSxi"),
            {"type": "text", "media_type": "text/plain", "data": "a,b"},
            "document",
        ),
    ],
)
def test_media_go_where_the_dialect_has_them(part: MediaPart, source: Any, kind: str) -> None:
    body, lost = wrote(Message("user", (part,)))
    assert (body["messages"][0]["content"], lost) == ([{"type": kind, "source": source}], ())


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        (MediaPart("audio", url="data:audio/wav;base64,aGk="), "audio"),
        (MediaPart("image", file_id="file-1"), "image by file id"),
        (MediaPart("image", url="data:image/tiff;base64,aGk="), "image of the type image/tiff"),
        (MediaPart("file", url="data:text/plain;base64,/////w=="), "file that is no UTF-8 text"),
        (MediaPart("file", url="data:application/zip;base64,aGk="), "file of the type application/zip"),
    ],
)
def test_media_that_it_has_no_place_for_are_named(part: MediaPart, lost: str) -> None:
    body, losses = wrote(Message("user", (TextPart("see"), part)))
    assert (body["messages"][0]["content"], losses) == ([block("see")], (lost,))


def test_a_result_with_a_picture_keeps_it() -> None:
    picture = MediaPart("image", url="https://x/y.png")
    said = turns(
        ASK, Message("assistant", (CallPart("c", "f", "{}"),)), Message("tool", (ResultPart("c", "see", (picture,)),))
    )
    assert said[2]["content"][0]["content"] == [
        block("see"),
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
    ]


def test_only_what_anthropic_signed_goes_back_as_thought() -> None:
    body, lost = wrote(
        ASK,
        Message(
            "assistant",
            (
                ReasoningPart("hm", Seal("anthropic", "sig")),
                ReasoningPart("", Seal("anthropic", "xyz", redacted=True)),
                ReasoningPart("unsigned"),
                TextPart("so"),
            ),
        ),
        ASK,
    )
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        block("so"),
    ]
    assert lost == ("reasoning without a signature",)


def test_tools_and_their_choice_are_written() -> None:
    bare = Tool(name="g", schema=Raw(b'{"properties":{}}'), strict=True, cache="5m")
    body, lost = wrote(tools=(F, bare, Tool(name="h")), tool_choice=ToolChoice("named", "g"), parallel_tools=False)
    assert body["tools"] == [
        {"name": "f", "description": "d", "input_schema": json.loads(bytes(OBJECT))},
        {
            "name": "g",
            "input_schema": {"type": "object", "properties": {}},
            "strict": True,
            "cache_control": {"type": "ephemeral"},
        },
        {"name": "h", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert body["tool_choice"] == {"type": "tool", "name": "g", "disable_parallel_tool_use": True}
    assert lost == ()


@pytest.mark.parametrize(
    ("choice", "parallel", "wanted"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("required"), None, {"type": "any"}),
        (ToolChoice("auto"), True, {"type": "auto"}),
        (ToolChoice("none"), False, {"type": "none"}),
    ],
)
def test_every_choice_has_its_word(choice: ToolChoice | None, parallel: bool | None, wanted: Any) -> None:
    body, _ = wrote(tools=(F,), tool_choice=choice, parallel_tools=parallel)
    assert body.get("tool_choice") == wanted
    assert "tool_choice" not in wrote(tool_choice=choice, parallel_tools=parallel)[0]


def test_tools_without_a_counterpart_are_named() -> None:
    body, lost = wrote(tools=(Tool(name="web", kind="builtin"),))
    assert "tools" not in body
    assert lost == ("tools[web] (builtin)",)


def test_a_schema_for_the_answer_is_closed_and_loses_the_bounds_that_are_not_known() -> None:
    schema = {
        "type": "object",
        "properties": {
            "minimum": {"type": "integer", "minimum": 1},
            "list": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"$ref": "#/$defs/one"}},
            "either": {"anyOf": [{"type": "object", "properties": {}}, {"type": "null"}]},
            "fixed": {"enum": [{"maximum": 1}]},
        },
        "$defs": {"one": {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}}},
    }
    body, lost = wrote(format=Format(kind="json_schema", name="x", schema=Raw(compact(schema)), strict=True))
    assert body["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {
                "minimum": {"type": "integer"},
                "list": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/one"}},
                "either": {
                    "anyOf": [{"type": "object", "properties": {}, "additionalProperties": False}, {"type": "null"}]
                },
                "fixed": {"enum": [{"maximum": 1}]},
            },
            "$defs": {
                "one": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
            },
            "additionalProperties": False,
        },
    }
    assert lost == ("format.schema.minimum", "format.schema.maxItems", "format.schema.maxLength")
    assert wrote(format=Format(kind="json_object"))[1] == ("format (json_object)",)


def test_sampling_is_what_the_model_takes() -> None:
    body, lost = wrote(temperature=1.5, top_p=0.9, top_k=3)
    assert {n: body.get(n) for n in ("temperature", "top_p", "top_k")} == {"temperature": 1, "top_p": None, "top_k": 3}
    assert lost == ("temperature above 1", "top_p (beside temperature)")
    body, lost = wrote(temperature=0.2, top_p=0.5, top_k=3, thinking=Thinking(budget=2000))
    assert body.keys().isdisjoint({"temperature", "top_p", "top_k"})
    assert lost == ("temperature (while thinking)", "top_k (while thinking)", "top_p (while thinking)")
    assert wrote(top_p=0.5) == (wrote()[0] | {"top_p": 0.5}, ())
    assert wrote(temperature=1, thinking=Thinking(budget=2000))[1] == ()


def test_what_the_dialect_cannot_say_is_named() -> None:
    body, lost = wrote(
        stop=("a", "\n"),
        seed=1,
        presence_penalty=0.5,
        frequency_penalty=0,
        choices=2,
        logprobs=True,
        verbosity="low",
        metadata={"a": "b"},
        service_tier="flex",
        subject="u",
        stream=True,
    )
    assert body["stop_sequences"] == ["a"]
    assert (body["metadata"], body["stream"]) == ({"user_id": "u"}, True)
    assert lost == (
        "stop (white space)",
        "service_tier",
        "seed",
        "presence_penalty",
        "choices",
        "logprobs",
        "verbosity",
        "metadata",
    )
    assert wrote(service_tier="default")[0]["service_tier"] == "standard_only"


def test_marks_for_caching_keep_their_order_and_time_and_are_at_most_four() -> None:
    system = tuple(TextPart(t, "1h") for t in "ab")
    user = tuple(TextPart(t, "5m") for t in "cdef")
    body, lost = wrote(Message("system", system), Message("user", user), tools=(Tool(name="f", cache="1h"),))
    marks = [
        (b.get("text") or b["name"], b["cache_control"].get("ttl", "5m"))
        for b in (*body["tools"], *body["system"], *body["messages"][0]["content"])
        if "cache_control" in b
    ]
    assert marks == [("f", "1h"), ("d", "5m"), ("e", "5m"), ("f", "5m")]
    assert lost == ("cache marks beyond four",)


def test_a_mark_for_an_hour_after_one_for_five_minutes_is_shortened_which_is_valid_there() -> None:
    body, lost = wrote(Message("user", (TextPart("a", "5m"), TextPart("b", "1h"))))
    assert [b["cache_control"] for b in body["messages"][0]["content"]] == [{"type": "ephemeral"}] * 2
    assert lost == ("cache mark for an hour after one for five minutes",)


def test_a_cloud_gets_the_version_in_place_of_the_model_and_its_path_names_both() -> None:
    cloud = Quirks(anthropic_version="vertex-2023-10-16")
    body, _ = wrote(stream=True, quirks=cloud)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body
    base = "/models/{model}:{call}"
    assert ANTHROPIC_MESSAGES.path(base, model="claude-x@1", stream=True) == "/models/claude-x@1:streamRawPredict"
    assert ANTHROPIC_MESSAGES.path(base, model="claude-x@1", stream=False) == "/models/claude-x@1:rawPredict"
    assert ANTHROPIC_MESSAGES.path("", model="x", stream=True) == "/messages"


def test_the_same_beginning_of_a_conversation_is_written_byte_for_byte() -> None:
    """A prompt cache compares bytes."""
    begun = (Message("system", (TextPart("s"),)), ASK, Message("assistant", (CallPart("c", "f", '{"b":1,"a":2}'),)))
    more = (*begun, Message("tool", (ResultPart("c", "r"),)), Message("assistant", (TextPart("x"),)), ASK)
    short, long = (
        ANTHROPIC_MESSAGES.write(Prompt(messages=said, tools=(F,)), model=OLD, quirks=Quirks()).body
        for said in (begun, more)
    )
    shared = short.index(b'{"b":1,"a":2}') + len(b'{"b":1,"a":2}}')
    assert short[:shared] == long[:shared]
