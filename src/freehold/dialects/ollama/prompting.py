"""Requests of Ollama's own chat, written from a prompt (docs.ollama.com/api/chat)."""

from typing import Any

import msgspec

from freehold.core.prompt import Prompt, Tool
from freehold.core.request import CallPart, MediaPart, Message, ReasoningPart, ResultPart, TextPart
from freehold.dialects.dialect import Written
from freehold.dialects.ollama.request import EFFORTS, OPTIONS

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_Members = dict[str, Any]


def write(prompt: Prompt, *, model: str) -> Written:
    """A request for an Ollama server, and what it could not say."""
    lost: dict[str, None] = {}
    names = {part.id: part.name for m in prompt.messages for part in m.parts if isinstance(part, CallPart)}
    turns = [turn for message in prompt.messages for turn in _turns(message, names, lost)]
    body: _Members = {"model": model, "messages": turns, "stream": prompt.stream}
    options = {o: value for o, member in OPTIONS.items() if (value := getattr(prompt, member)) is not None}
    if prompt.stop:
        options["stop"] = list(prompt.stop)
    if options:
        body["options"] = options
    if tools := [tool for tool in prompt.tools if tool.kind == "function"]:
        body["tools"] = [_tool(tool) for tool in tools]
    lost |= dict.fromkeys(f"tools[{tool.name}]" for tool in prompt.tools if tool.kind != "function")
    if prompt.format is not None:
        body["format"] = prompt.format.schema or "json"
    if prompt.thinking is not None:
        effort = prompt.thinking.effort
        body["think"] = effort if effort in EFFORTS else prompt.thinking.enabled and effort != "none"
    choice = prompt.tool_choice
    unsaid = {
        "tool_choice": choice is not None and choice.mode != "auto",
        "parallel_tools": prompt.parallel_tools is False,
        "choices": prompt.choices > 1,
        "logprobs": prompt.logprobs,
        "verbosity": prompt.verbosity,
        "service_tier": prompt.service_tier,
        "metadata": prompt.metadata,
    }
    return Written(_encode(body), (*lost, *(name for name, said in unsaid.items() if said)))


def _tool(tool: Tool) -> _Members:
    function: _Members = {"name": tool.name, "description": tool.description, "parameters": tool.schema or {}}
    return {"type": "function", "function": function}


def _turns(message: Message, names: dict[str, str], lost: dict[str, None]) -> list[_Members]:
    """The turns for a message: each result of a tool is one of its own, before what else was said."""
    turns: list[_Members] = []
    said: _Members = {"role": "user" if message.role == "tool" else message.role, "content": ""}
    texts: list[str] = []
    thoughts: list[str] = []
    for part in message.parts:
        match part:
            case TextPart():
                texts.append(part.text)
            case ReasoningPart():
                thoughts.append(part.text)
            case MediaPart():
                _add_image(said, part, lost)
            case CallPart():
                call = {"name": part.name, "arguments": _object(part.arguments)}
                said.setdefault("tool_calls", []).append({"id": part.id, "function": call})
            case ResultPart():
                name = part.name or names.get(part.id, "")
                turns.append({"role": "tool", "content": part.text, "tool_name": name, "tool_call_id": part.id})
                for medium in part.media:
                    _add_image(said, medium, lost)
    said["content"] = "\n".join(texts)
    if any(thoughts):
        said["thinking"] = "".join(thoughts)
    if said.keys() != {"role", "content"} or texts or not turns:
        turns.append(said)
    return turns


def _add_image(said: _Members, part: MediaPart, lost: dict[str, None]) -> None:
    head, comma, data = part.url.partition(",")
    if part.kind == "image" and comma and head.startswith("data:"):
        said.setdefault("images", []).append(data)
    else:
        lost[f"{part.kind} by {'file id' if part.file_id else 'URL'}" if not comma else part.kind] = None


def _object(arguments: str) -> Any:
    try:
        value: Any = _decode(arguments or "{}")
    except msgspec.DecodeError:
        return {"input": arguments}
    return value if isinstance(value, dict) else {"input": value}  # type: ignore[reportUnknownVariableType]
