"""Requests of Cohere's v2 chat, read: the conversation, and all of it into no dialect."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, Part, ReasoningPart, Request, ResultPart, TextPart
from freehold.dialects.openai_chat.loose import items, members, number, word
from freehold.dialects.seals import unwrap
from freehold.dialects.strict_json import EMPTY, wrong

Lose = Callable[[str], None]
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_ROLES: dict[str, Any] = {"system": "system", "developer": "system", "assistant": "assistant", "tool": "tool"}
_CHOICES: dict[str, Any] = {"REQUIRED": "required", "NONE": "none"}


class _Options(Struct):
    """The members that have a meaning everywhere."""

    tools: list[dict[str, Any]] | None = None
    tool_choice: str | None = None
    strict_tools: bool | None = None
    response_format: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    p: float | None = None
    k: int | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None


_options = msgspec.json.Decoder(_Options).decode
_KNOWN = frozenset(_Options.__struct_fields__) | {"model", "messages", "stream"}


def _unheard(_: str) -> None:
    """Nobody asks what is lost: what they look at is text."""


def messages(request: Request, lose: Lose = _unheard) -> tuple[Message, ...]:
    """The conversation. `lose` hears of each block, by its name, that has no place in a part."""
    said: list[Message] = []
    for turn in map(members, _decode(request.fields["messages"])):
        role = _ROLES.get(word(turn.get("role")), "user")
        if role == "tool":
            said.append(Message("tool", (_result(turn, lose),)))
            continue
        parts: list[Part] = []
        if plan := word(turn.get("tool_plan")):
            parts.append(ReasoningPart(plan))
        parts += _parts(turn.get("content"), lose)
        for call in map(members, items(turn.get("tool_calls"))):
            function = members(call.get("function"))
            arguments = word(function.get("arguments")) or "{}"
            parts.append(CallPart(word(call.get("id")), word(function.get("name")), arguments))
        if turn.get("citations"):
            lose("citations")
        said.append(Message(role, tuple(parts)))
    return tuple(said)


def _parts(content: Any, lose: Lose) -> list[Part]:
    parts: list[Part] = []
    for block in [content] if isinstance(content, str) else items(content):
        if isinstance(block, str):
            parts.append(TextPart(block))
            continue
        one = members(block)
        match one.get("type"):
            case "text":
                parts.append(TextPart(word(one.get("text"))))
            case "thinking":
                text = word(one.get("thinking"))
                parts.append(ReasoningPart("" if (seal := unwrap(text)) else text, seal))
            case "image_url":
                image = members(one.get("image_url"))
                parts.append(MediaPart("image", url=word(image.get("url")), detail=word(image.get("detail"))))
            case kind:
                lose(word(kind) or "a block without a type")
    return parts


def _result(turn: dict[str, Any], lose: Lose) -> ResultPart:
    """What a tool said; documents in it are told as the JSON that they are."""
    texts: list[str] = []
    content = turn.get("content")
    for block in [content] if isinstance(content, str) else items(content):
        one = members(block)
        if isinstance(block, str):
            texts.append(block)
        elif one.get("type") == "document":
            document = members(one.get("document"))
            if document.get("id"):
                lose("document.id")
            data = document.get("data")
            texts.append(data if isinstance(data, str) else _encode(data).decode())
        else:
            texts += [part.text for part in _parts([block], lose) if isinstance(part, TextPart)]
    return ResultPart(word(turn.get("tool_call_id")), "\n".join(texts))


def read(request: Request) -> Prompt:
    """The request in no dialect; InvalidRequest names the member that is wrong."""
    losses: dict[str, None] = {}

    def lose(what: str) -> None:
        losses[what] = None

    fields = request.fields
    try:
        options = _options(_encode({n: raw for n, raw in fields.items() if n in _Options.__struct_fields__}))
    except msgspec.ValidationError as error:
        raise wrong(error) from None
    for name, raw in fields.items():
        if name not in _KNOWN and bytes(raw) not in EMPTY:
            lose(name)
    mode = _CHOICES.get(options.tool_choice or "")
    thinking = options.thinking
    return Prompt(
        messages=messages(request, lose),
        stream=request.stream,
        wants_usage=True,
        tools=tuple(_tool(tool, options.strict_tools) for tool in options.tools or ()),
        tool_choice=None if mode is None else ToolChoice(mode),
        format=_format(options.response_format or {}),
        max_output_tokens=options.max_tokens or None,
        temperature=options.temperature,
        top_p=options.p,
        top_k=options.k or None,
        stop=tuple(options.stop_sequences or ()),
        seed=options.seed,
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
        logprobs=options.logprobs is True,
        thinking=None if thinking is None else _thinking(thinking),
        losses=tuple(losses),
    )


def _tool(tool: dict[str, Any], strict: bool | None) -> Tool:
    function = members(tool.get("function"))
    schema: Any = function.get("parameters")
    return Tool(
        name=word(function.get("name")),
        description=word(function.get("description")),
        schema=None if schema is None else Raw(_encode(schema)),
        strict=strict,
    )


def _thinking(said: dict[str, Any]) -> Thinking:
    return Thinking(enabled=said.get("type") != "disabled", budget=number(said.get("token_budget")), summary="auto")


def _format(said: dict[str, Any]) -> Format | None:
    if said.get("type") != "json_object":
        return None
    schema = said.get("json_schema")
    if not schema:
        return Format(kind="json_object")
    return Format(kind="json_schema", name="answer", schema=Raw(_encode(schema)), strict=True)
