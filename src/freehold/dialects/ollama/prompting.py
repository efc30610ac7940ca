"""Requests of Ollama's own chat, written from a prompt (docs.ollama.com/api/chat)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from freehold.core.prompt import Prompt, Tool
from freehold.core.request import CallPart, MediaPart, Message, ReasoningPart, ResultPart, TextPart
from freehold.dialects.dialect import Written
from freehold.dialects.forms import TEXT_ARGUMENT, as_function, described
from freehold.dialects.hints import CACHE, marked
from freehold.dialects.links import is_link, media
from freehold.dialects.ollama.request import EFFORTS, OPTIONS

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_Members = dict[str, Any]


def write(prompt: Prompt, *, model: str, chat: bool) -> Written:
    """A request for an Ollama server, as a chat or as one prompt, and what it could not say."""
    lost: dict[str, None] = {}
    names = {part.id: part.name for m in prompt.messages for part in m.parts if isinstance(part, CallPart)}
    lost |= dict.fromkeys("messages.name" for message in prompt.messages if message.name)
    turns = [turn for message in prompt.messages for turn in _turns(message, names, lost)]
    body: _Members = {"model": model, **({"messages": turns} if chat else _alone(turns, lost)), "stream": prompt.stream}
    body["truncate"] = False  # a server that would cut the prompt to its context refuses it instead
    options = {o: value for o, member in OPTIONS.items() if (value := getattr(prompt, member)) is not None}
    if prompt.stop:
        options["stop"] = list(prompt.stop)
    if options:
        body["options"] = options
    able = [tool for tool in prompt.tools if chat and tool.kind != "builtin"]
    if able:
        body["tools"] = [_tool(tool, lost) for tool in able]
    lost |= dict.fromkeys(f"tools[{tool.name}]" for tool in prompt.tools if tool not in able)
    if prompt.format is not None:
        body["format"] = described(prompt.format) or "json"
    if prompt.thinking is not None:
        effort = prompt.thinking.effort
        body["think"] = effort if effort in EFFORTS else prompt.thinking.enabled and effort != "none"
    choice = prompt.tool_choice
    unsaid = {
        "tool_choice": choice is not None and choice.mode != "auto",
        "parallel_tools": prompt.parallel_tools is False,
        "choices": prompt.choices > 1,
        "logprobs": prompt.logprobs or prompt.top_logprobs is not None,
        "thinking.budget": prompt.thinking is not None and prompt.thinking.budget is not None,
        "verbosity": prompt.verbosity,
        "service_tier": prompt.service_tier,
        "metadata": prompt.metadata,
        "subject": prompt.subject,
        CACHE: marked(prompt),
    }
    links = tuple(part for part in media(prompt) if part.kind == "image" and is_link(part))
    return Written(_encode(body), (*lost, *(name for name, said in unsaid.items() if said)), links)


def _alone(turns: list[_Members], lost: dict[str, None]) -> _Members:
    """A conversation as one prompt: what the user says alone is the prompt itself."""
    system = [turn["content"] for turn in turns if turn["role"] == "system"]
    others = [turn for turn in turns if turn["role"] != "system"]
    if len(others) == 1 and others[0]["role"] == "user":
        said: _Members = {"prompt": others[0]["content"]}
    else:
        lost["turns of a conversation"] = None
        said = {"prompt": "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in others)}
    if any("tool_calls" in turn for turn in turns):
        lost["calls of tools"] = None
    if any(turn["role"] == "tool" for turn in turns):
        lost["results of tools"] = None
    if any("thinking" in turn for turn in turns):
        lost["reasoning of earlier turns"] = None
    if images := [image for turn in turns for image in turn.get("images", ())]:
        said["images"] = images
    return said | ({"system": "\n\n".join(system)} if system else {})


def _tool(tool: Tool, lost: dict[str, None]) -> _Members:
    if tool.strict:
        lost[f"tools[{tool.name}].strict"] = None
    if tool.kind == "custom":
        tool, loss = as_function(tool)
        lost |= dict.fromkeys([loss] if loss else [])
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
                call = {"name": part.name, "arguments": _arguments(part)}
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
        if part.name:
            lost["file name"] = None
        if part.detail not in ("", "auto"):
            lost["image detail"] = None
        head, comma, data = part.url.partition(",")
        if part.kind == "image" and comma and head.startswith("data:"):
            said.setdefault("images", []).append(data)
        elif part.kind == "image" and is_link(part):
            lost["image by URL"] = None
        else:
            lost[part.kind if comma else f"{part.kind} by {'file id' if part.file_id else 'URL'}"] = None


def _arguments(call: CallPart) -> Any:
    if call.custom:
        return {TEXT_ARGUMENT: call.arguments}
    try:
        value: Any = _decode(call.arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {TEXT_ARGUMENT: call.arguments}
    return value if isinstance(value, dict) else {TEXT_ARGUMENT: value}  # type: ignore[reportUnknownVariableType]
