"""The request shapes of agents in editors, through a running gateway to a provider of chat completions: Codex, which
speaks Responses alone, and Cursor, which sends them to the path of chat completions."""

import json
from pathlib import Path
from typing import Any

import pytest
from gateway_world import house, post
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter
from scripted_upstream import DONE, END, KEEP, STREAM, Upstream, chunked, delta, providers, turns

PATCH = '*** Begin Patch\n*** Update File: a.py\n@@\n-x = 1\n+x = "2"\n*** End Patch'
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
SHELL = {
    "type": "function",
    "name": "shell",
    "description": "Runs a shell command.",
    "strict": False,
    "parameters": {
        "type": "object",
        "properties": {"command": {"type": "array", "items": {"type": "string"}}, "workdir": {"type": "string"}},
        "required": ["command"],
        "additionalProperties": False,
    },
}
APPLY: dict[str, Any] = {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": GRAMMAR}
FIRST: list[dict[str, Any]] = [
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions>"}]},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment_context>"}]},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Fix a.py"}]},
]


def codex(*items: dict[str, Any]) -> dict[str, Any]:
    """A request as Codex writes it."""
    return {
        "model": "r",
        "instructions": "You are Codex, based on GPT-5.",
        "input": [*FIRST, *items],
        "tools": [SHELL, APPLY, {"type": "web_search", "external_web_access": False}],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0199-conversation",
        "text": {"verbosity": "low"},
    }


def call(index: int, id_: str, name: str, *pieces: str) -> list[bytes]:
    begun = {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
    more = [{"index": index, "function": {"arguments": piece}} for piece in pieces]
    return [delta(tool_calls=[piece]) for piece in (begun, *more)]


def said(*frames: bytes, finish: str) -> list[Any]:
    return [STREAM + chunked(delta(role="assistant"), *frames, delta(finish=finish), DONE) + END, KEEP]


def events_of(body: bytes) -> list[Any]:
    found = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]
    for event in found:
        TypeAdapter(ResponseStreamEvent).validate_python(event)
    return found


def test_codex_patches_files_over_a_provider_of_chat_completions(tmp_path: Path) -> None:
    given = json.dumps({"input": PATCH})
    first = said(
        delta(reasoning_content="Look "),
        delta(reasoning_content="first."),
        *call(0, "c1", "shell", '{"command":["cat",', '"a.py"]}'),
        *call(1, "c2", "apply_patch", given[:20], given[20:]),
        finish="tool_calls",
    )
    with Upstream(turns(first, said(delta(content="Done."), finish="stop"))) as up:
        with house(tmp_path, providers(up.port)) as home:
            events = events_of(home.ask(post(codex(), path="/v1/responses")).body)
            response = events[-1]["response"]
            outputs = [
                {"type": "function_call_output", "call_id": "c1", "output": "x = 1"},
                {"type": "custom_tool_call_output", "call_id": "c2", "output": "Success"},
            ]
            again = home.ask(post(codex(*response["output"], *outputs), path="/v1/responses"))

        assert [e["sequence_number"] for e in events] == list(range(len(events)))
        thought, shell, patch = response["output"]
        assert thought["summary"] == [{"type": "summary_text", "text": "Look first."}]
        assert (shell["type"], shell["arguments"]) == ("function_call", '{"command":["cat","a.py"]}')
        assert (patch["type"], patch["name"], patch["input"]) == ("custom_tool_call", "apply_patch", PATCH)
        deltas = [e["delta"] for e in events if e["type"] == "response.custom_tool_call_input.delta"]
        assert "".join(deltas) == PATCH
        assert [e["item"] for e in events if e["type"] == "response.output_item.done"] == response["output"]
        assert events_of(again.body)[-1]["response"]["output"][0]["content"][0]["text"] == "Done."
        lost = ("tools[apply_patch].format", "reasoning of earlier turns", "tools[web_search]", "thinking.summary")
        assert again.headers["x-freehold-warnings"] == ", ".join(f"lost: {what}" for what in lost)

        chat = [json.loads(body) for body in up.asked]
        assert [(m["role"], m["content"]) for m in chat[0]["messages"]] == [
            ("system", "You are Codex, based on GPT-5."),
            ("system", "<permissions>"),
            ("user", "<environment_context>"),
            ("user", "Fix a.py"),
        ]
        assert [t["function"]["name"] for t in chat[0]["tools"]] == ["shell", "apply_patch"]
        assert (chat[0]["reasoning_effort"], chat[0]["parallel_tool_calls"]) == ("medium", False)
        turn, *results = chat[1]["messages"][4:]
        assert [c["function"]["name"] for c in turn["tool_calls"]] == ["shell", "apply_patch"]
        assert json.loads(turn["tool_calls"][1]["function"]["arguments"]) == {"input": PATCH}
        assert [(m["tool_call_id"], m["content"]) for m in results] == [("c1", "x = 1"), ("c2", "Success")]
        assert chat[0]["messages"] == chat[1]["messages"][:4], "the prefix is the same: prompt caches hit"


CURSOR: dict[str, Any] = {
    "model": "r",
    "user": "someone",
    "stream": True,
    "stream_options": {"include_usage": True},
    "input": [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": [{"type": "input_text", "text": "Fix a.py"}]},
        {"type": "function_call", "call_id": "c0", "name": "shell", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c0", "output": "ok"},
    ],
    "tools": [SHELL],
    "tool_choice": "auto",
    "reasoning": {"effort": "high", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "store": False,
    "max_output_tokens": 500,
    "seed": 7,
    "metadata": {},
}


def test_cursor_is_answered_in_chat_form_at_the_path_of_chat_completions(tmp_path: Path) -> None:
    answer = said(*call(0, "c1", "shell", '{"command":["ls"]}'), finish="tool_calls")
    with Upstream(turns(answer)) as up, house(tmp_path, providers(up.port)) as home:
        got = home.ask(post(CURSOR))
        sent = json.loads(up.asked[0])

        pieces = [
            c["choices"][0]["delta"].get("tool_calls") for c in got.events if isinstance(c, dict) and c["choices"]
        ]
        assert next(p[0]["function"].get("name") for p in pieces if p) == "shell"
        assert got.events[-1] == "[DONE]"
        assert [m["role"] for m in sent["messages"]] == ["system", "user", "assistant", "tool"]
        assert sent["tools"][0]["function"]["name"] == "shell"
        assert (sent["reasoning_effort"], sent["max_completion_tokens"], sent["seed"]) == ("high", 500, 7)
        assert (sent["user"], sent["stream_options"]) == ("someone", {"include_usage": True})
        assert "input" not in sent


@pytest.mark.parametrize("body", [{"model": "r", "input": None}, {"model": "r"}, {"model": "r", "input": {"a": 1}}])
def test_what_is_neither_shape_is_refused_as_chat_completions_are(tmp_path: Path, body: dict[str, Any]) -> None:
    with house(tmp_path) as home:
        got = home.ask(post(body))

    assert got.status == 400
    assert "messages" in got.error["message"]
