"""Requests of Responses, read into no dialect and written from it: each option, and what has no counterpart."""

import json
from typing import Any

import pytest
from msgspec import Raw
from responses_world import request, sent

from freehold.core.errors import InvalidRequest, NotCarried
from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, ReasoningPart, ResultPart, TextPart
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.dialects.quirks import Quirks

F = {"type": "function", "name": "f", "parameters": {"type": "object"}}
G = {"type": "function", "name": "g", "description": "d", "strict": True}
SEARCH = {"type": "web_search"}
USER = Message("user", (TextPart("hi"),))


def prompt(**members: Any) -> Prompt:
    return OPENAI_RESPONSES.read(request(**members))


def written(asked: Prompt, *, model: str = "gpt-4o", quirks: Quirks | None = None) -> tuple[Any, tuple[str, ...]]:
    found = OPENAI_RESPONSES.write(asked, model=model, quirks=quirks or Quirks())
    return json.loads(found.body), found.losses


# read


@pytest.mark.parametrize(
    ("said", "choice", "tools", "losses"),
    [
        ("auto", ToolChoice("auto"), ["f", "g"], ()),
        ("required", ToolChoice("required"), ["f", "g"], ()),
        ("none", ToolChoice("none"), ["f", "g"], ()),
        ({"type": "function", "name": "g"}, ToolChoice("named", "g"), ["f", "g"], ()),
        ({"type": "custom", "name": "g"}, ToolChoice("named", "g"), ["f", "g"], ()),
        ({"type": "web_search"}, None, ["f", "g"], ("tool_choice",)),
        ({"type": "mcp", "server_label": "x"}, None, ["f", "g"], ("tool_choice",)),
        ({"type": "allowed_tools", "mode": "auto", "tools": [G]}, ToolChoice("auto"), ["g"], ()),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"name": "f"}]}, ToolChoice("required"), ["f"], ()),
    ],
)  # fmt: skip
def test_a_tool_choice_is_read_and_others_than_the_allowed_tools_are_not_offered(
    said: Any, choice: ToolChoice | None, tools: list[str], losses: tuple[str, ...]
) -> None:
    found = prompt(tools=[F, G], tool_choice=said)

    assert (found.tool_choice, [t.name for t in found.tools], found.losses) == (choice, tools, losses)


def test_tools_of_each_sort_are_read_flat_or_as_chat_completions_have_them() -> None:
    custom = {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}
    found = prompt(tools=[F, {"type": "function", "function": {**G, "type": "function"}}, custom, SEARCH])

    assert [(t.name, t.kind, t.description, t.strict) for t in found.tools] == [
        ("f", "function", "", None),
        ("g", "function", "d", True),
        ("c", "custom", "", None),
        ("web_search", "builtin", "", None),
    ]
    assert found.losses == ("tools[c].format",)


def test_tools_that_are_offered_in_the_conversation_are_tools() -> None:
    found = prompt(
        input=[{"type": "additional_tools", "role": "developer", "tools": [G]}, {"role": "user", "content": "x"}],
        tools=[F],
    )

    assert [t.name for t in found.tools] == ["f", "g"]
    assert len(found.messages) == 1


@pytest.mark.parametrize(
    ("members", "losses"),
    [
        ({"include": ["reasoning.encrypted_content"]}, ()),
        ({"include": ["file_search_call.results"]}, ("include[file_search_call.results]",)),
        ({"include": ["message.output_text.logprobs"]}, ("include[message.output_text.logprobs]",)),
        ({"top_logprobs": 3}, ("top_logprobs",)),
        ({"truncation": "auto"}, ("truncation",)),
        ({"truncation": "disabled"}, ()),
        ({"max_tool_calls": 3}, ("max_tool_calls",)),
        ({"reasoning": {"effort": "low", "context": "all_turns"}}, ("reasoning.context",)),
        ({"x_unknown": 1, "x_null": None}, ("x_unknown",)),
        ({"store": True, "background": False, "prompt_cache_key": "k", "stream_options": {}}, ()),
        ({"tools": [{**F, "defer_loading": True, "allowed_callers": ["direct"]}]}, ("tools[f].defer_loading",)),
        ({"input": [{"type": "web_search_call"}, {"role": "user", "content": "x"}]}, ("input[web_search_call]",)),
        ({"input": [{"role": "user", "content": [{"type": "odd"}]}]}, ("input[odd]",)),
    ],
)  # fmt: skip
def test_what_has_no_place_in_a_prompt_is_named(members: dict[str, Any], losses: tuple[str, ...]) -> None:
    assert prompt(**members).losses == losses


@pytest.mark.parametrize(
    "members",
    [
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"prompt": {"id": "pmpt_1"}},
        {"previous_response_id": "resp_1"},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"id": "msg_1"}]},
        {"input": [{"type": "compaction", "encrypted_content": "x"}]},
    ],
)
def test_what_only_its_provider_can_look_up_is_not_carried_to_another(members: dict[str, Any]) -> None:
    asked = request(**members)
    with pytest.raises(NotCarried):
        OPENAI_RESPONSES.read(asked)
    assert sent(asked) == {"model": "m", "input": "hi", **members}


@pytest.mark.parametrize(
    ("said", "thinking"),
    [
        ({"effort": "low"}, Thinking(effort="low")),
        ({"effort": "xhigh", "summary": "detailed"}, Thinking(effort="max", summary="detailed")),
        ({"effort": "none"}, Thinking(enabled=False, effort="none")),
        ({"effort": None, "generate_summary": "concise"}, Thinking(summary="concise")),
        ({"effort": None}, None),
        (None, None),
    ],
)
def test_how_much_to_think_is_read(said: Any, thinking: Thinking | None) -> None:
    assert prompt(reasoning=said).thinking == thinking


def test_the_form_of_the_answer_is_read() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"}
    found = prompt(text={"format": schema, "verbosity": "low"})

    assert found.verbosity == "low"
    assert found.format is not None
    assert (found.format.kind, found.format.name, found.format.strict, found.format.description) == (
        "json_schema",
        "n",
        True,
        "d",
    )
    assert prompt(text={"format": {"type": "json_object"}}).format == Format(kind="json_object")
    assert prompt(text={"format": {"type": "text"}}).format is None


def test_turns_are_told_apart_and_what_one_turn_says_stays_together() -> None:
    found = prompt(
        instructions="Rules",
        input=[
            {"role": "developer", "content": "More rules"},
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "p", "input": "raw"},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "r"}]},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "q"},
            {"type": "local_shell_call", "call_id": "c3", "action": {"type": "exec", "command": ["ls"]}},
            {"type": "local_shell_call_output", "id": "c3", "output": "files"},
        ],
    )

    assert [(m.role, m.parts) for m in found.messages] == [
        ("system", (TextPart("Rules"),)),
        ("system", (TextPart("More rules"),)),
        ("user", (TextPart("a"),)),
        (
            "assistant",
            (
                ReasoningPart("s"),
                TextPart("b"),
                CallPart("c1", "f", "{}"),
                CallPart("c2", "p", "raw", custom=True),
            ),
        ),
        ("tool", (ResultPart("c1", "r"),)),
        ("tool", (ResultPart("c2", "q"),)),
        ("assistant", (CallPart("c3", "local_shell", '{"type":"exec","command":["ls"]}'),)),
        ("tool", (ResultPart("c3", "files"),)),
    ]


def test_media_are_read_however_they_are_given() -> None:
    parts = [
        {"type": "input_image", "image_url": "https://x/a.png", "detail": "low"},
        {"type": "input_image", "image_url": {"url": "data:image/png;base64,AA"}},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "file_url": "https://x/a.pdf"},
        {"type": "input_file", "filename": "a.txt", "file_data": "QQ=="},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
    ]
    asked = request(input=[{"role": "user", "content": parts}])

    assert {"image", "file", "audio"} <= asked.needs
    assert OPENAI_RESPONSES.read(asked).messages[0].parts == (
        MediaPart("image", url="https://x/a.png", detail="low"),
        MediaPart("image", url="data:image/png;base64,AA"),
        MediaPart("image", file_id="file-1"),
        MediaPart("file", url="https://x/a.pdf"),
        MediaPart("file", url="data:text/plain;base64,QQ==", name="a.txt"),
        MediaPart("audio", url="data:audio/mp3;base64,AA", media_type="audio/mp3"),
    )


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        request(**members)
    assert raised.value.param == param


@pytest.mark.parametrize("tools", [[{"type": "function"}], [{"type": "function", "name": 5}], ["f"]])
def test_a_tool_that_is_none_is_refused_before_it_is_translated(tools: Any) -> None:
    with pytest.raises(InvalidRequest) as raised:
        prompt(tools=tools)
    assert (raised.value.param or "tools").startswith("tools") or raised.value.param == "name"


# written


def test_a_prompt_is_written_with_all_that_it_says() -> None:
    asked = Prompt(
        messages=(Message("system", (TextPart("Rules"),)), USER),
        stream=True,
        tools=(Tool(name="f", schema=Raw(b'{"type":"object"}'), description="d"), Tool(name="p", kind="custom")),
        tool_choice=ToolChoice("named", "p"),
        parallel_tools=False,
        format=Format(kind="json_schema", schema=Raw(b'{"a":1}'), strict=True),
        max_output_tokens=100,
        temperature=0.5,
        thinking=Thinking(effort="max", summary="auto"),
        verbosity="low",
        subject="someone",
        metadata={"a": "b"},
        service_tier="flex",
    )
    body, losses = written(asked)

    assert losses == ()
    assert body == {
        "model": "gpt-4o",
        "instructions": "Rules",
        "input": [{"role": "user", "content": "hi"}],
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False},
            {"type": "custom", "name": "p"},
        ],
        "tool_choice": {"type": "custom", "name": "p"},
        "parallel_tool_calls": False,
        "stream": True,
        "store": False,
        "reasoning": {"effort": "xhigh", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "text": {
            "format": {"type": "json_schema", "name": "answer", "schema": {"a": 1}, "strict": True},
            "verbosity": "low",
        },
        "max_output_tokens": 100,
        "temperature": 0.5,
        "service_tier": "flex",
        "safety_identifier": "someone",
        "metadata": {"a": "b"},
    }


@pytest.mark.parametrize(
    ("model", "thinking", "sealed"),
    [
        ("gpt-5-mini", None, True),
        ("openai/gpt-5.2", None, True),
        ("o4-mini", None, True),
        ("gpt-5-chat-latest", None, False),
        ("gpt-4.1", None, False),
        ("grok-4", None, False),
        ("grok-4", Thinking(effort="low"), True),
        ("gpt-5-mini", Thinking(enabled=False), False),
    ],
)
def test_sealed_reasoning_is_asked_for_where_a_model_reasons(
    model: str, thinking: Thinking | None, sealed: bool
) -> None:
    body, _ = written(Prompt(messages=(USER,), thinking=thinking), model=model)

    assert ("include" in body) == sealed


def test_what_responses_cannot_say_is_named() -> None:
    asked = Prompt(
        messages=(
            Message("user", (MediaPart("audio", url="data:audio/wav;base64,AA"), TextPart("x")), name="ann"),
            Message("assistant", (ReasoningPart("thought"), TextPart("y"))),
        ),
        tools=(Tool(name="web_search", kind="builtin"),),
        stop=("x",),
        seed=1,
        top_k=2,
        choices=2,
        presence_penalty=0.5,
        frequency_penalty=0.5,
        logprobs=True,
        max_output_tokens=5,
    )
    body, losses = written(asked)

    assert set(losses) == {
        "audio",
        "messages.name",
        "reasoning of earlier turns",
        "tools[web_search] (builtin)",
        "stop",
        "seed",
        "top_k",
        "choices",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "max_output_tokens below 16",
    }
    assert body["max_output_tokens"] == 16
    assert "tools" not in body


def test_a_provider_that_wants_its_thoughts_again_gets_them() -> None:
    said = Message("assistant", (ReasoningPart("thought"), CallPart("c", "f", "")))
    body, losses = written(Prompt(messages=(USER, said)), quirks=Quirks(reasoning_back="content"))

    assert losses == ()
    assert body["input"][1:] == [
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "thought"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]


def test_what_tools_said_is_written_beside_its_media() -> None:
    picture = MediaPart("image", url="data:image/png;base64,AA")
    turns = (
        Message("assistant", (CallPart("c1", "f", "{}"), CallPart("c2", "p", "raw", custom=True))),
        Message("tool", (ResultPart("c1", "r", (picture,)), ResultPart("c2", "q", error=True))),
    )
    body, losses = written(Prompt(messages=(USER, *turns)))

    assert losses == ("tool_result.is_error",)
    image = {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA"}
    assert body["input"][3:] == [
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "r"}, image]},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "q"},
    ]


@pytest.mark.parametrize(
    "original",
    [
        {"type": "custom", "name": "p", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {
            "type": "custom",
            "custom": {"name": "p", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}},
        },
    ],
)
def test_the_grammar_of_a_custom_tool_is_written_wherever_it_was_said(original: dict[str, Any]) -> None:
    tool = Tool(name="p", kind="custom", original=Raw(json.dumps(original).encode()))
    body, _ = written(Prompt(messages=(USER,), tools=(tool,)))

    assert body["tools"][0]["format"] == {"type": "grammar", "syntax": "lark", "definition": "x"}
