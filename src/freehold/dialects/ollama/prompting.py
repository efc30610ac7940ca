"""Requests of Ollama's own chat, written from a prompt (docs.ollama.com/api/chat)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from freehold.core.prompt import Prompt, Tool
from freehold.core.request import CallPart, MediaPart, Message, ReasoningPart, ResultPart, TextPart
from freehold.dialects.dialect import Written
from freehold.dialects.ollama.request import EFFORTS, OPTIONS

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_Members = dict[str, Any]


def write(prompt: Prompt, *, model: str, chat: bool) -> Written:
    """A request for an Ollama server, as a chat or as one prompt, and what it could not say."""
    lost: dict[str, None] = {}
    names = {part.id: part.name for m in prompt.messages for part in m.parts if isinstance(part, CallPart)}
    turns = [turn for message in prompt.messages for turn in _turns(message, names, lost)]
    body: _Members = {"model": model, **({"messages": turns} if chat else _alone(turns, lost)), "stream": prompt.stream}
    body["truncate"] = False  # a server that would cut the prompt to its context refuses it instead
    options = {o: value for o, member in OPTIONS.items() if (value := getattr(prompt, member)) is not None}
    if prompt.stop:
        options["stop"] = list(prompt.stop)
    if options:
        body["options"] = options
    able = [tool for tool in prompt.tools if chat and tool.kind == "function"]
    if able:
        body["tools"] = [_tool(tool) for tool in able]
    lost |= dict.fromkeys(f"tools[{tool.name}]" for tool in prompt.tools if tool not in able)
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
        "subject": prompt.subject,
    }
    return Written(_encode(body), (*lost, *(name for name, said in unsaid.items() if said)))


def _alone(turns: list[_Members], lost: dict[str, None]) -> _Members:
    """A conversation as one prompt: what the user says alone is the prompt itself."""
    system = [turn["content"] for turn in turns if turn["role"] == "system"]
    others = [turn for turn in turns if turn["role"] != "system"]
    if len(others) == 1 and others[0]["role"] == "user":
        said: _Members = {"prompt": others[0]["content"]}
    else:
        lost["turns of a conversation"] = None
        said = {"prompt": "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in others)}
    if images := [image for turn in others for image in turn.get("images", ())]:
        said["images"] = images
    return said | ({"system": "\n\n".join(system)} if system else {})


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
                _add_images(said, (part,), lost)
            case CallPart():
                call = {"name": part.name, "arguments": _object(part.arguments)}
                said.setdefault("tool_calls", []).append({"id": part.id, "function": call})
            case ResultPart():
                if part.error:
                    lost["tool_result.is_error"] = None
                turns.append(_result(part, names))
                _add_images(said, part.media, lost)
    said["content"] = "\n".join(texts)
    if any(thoughts):
        said["thinking"] = "".join(thoughts)
    if said.keys() != {"role", "content"} or texts or not turns:
        turns.append(said)
    return turns


def _result(part: ResultPart, names: dict[str, str]) -> _Members:
    name = part.name or names.get(part.id, "")
    return {"role": "tool", "content": part.text, "tool_name": name, "tool_call_id": part.id}


def _add_images(said: _Members, media: Sequence[MediaPart], lost: dict[str, None]) -> None:
    for part in media:
        head, comma, data = part.url.partition(",")
        if part.kind == "image" and comma and head.startswith("data:"):
            said.setdefault("images", []).append(data)
        else:
            lost[part.kind if comma else f"{part.kind} by {'file id' if part.file_id else 'URL'}"] = None


def _object(arguments: str) -> Any:
    try:
        value: Any = _decode(arguments or "{}")
    except msgspec.DecodeError:
        return {"input": arguments}
    return value if isinstance(value, dict) else {"input": value}  # type: ignore[reportUnknownVariableType]
