"""Requests of OpenAI chat completions, read into no dialect: everything beside the conversation."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import InvalidRequest
from freehold.core.prompt import Effort, Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import Request
from freehold.dialects.openai_chat.loose import cache_of, members
from freehold.dialects.openai_chat.messages import messages
from freehold.dialects.openai_chat.request import UNLIMITED
from freehold.dialects.strict_json import EMPTY, wrong

EFFORTS: dict[str, Effort] = {
    "none": "none",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}


class _Named(Struct):
    name: str = ""
    description: str | None = None
    parameters: Raw = Raw()
    strict: bool | None = None


class _Tool(Struct):
    type: str = "function"
    function: _Named | None = None
    custom: _Named | None = None
    cache_control: Any = None


class _Schema(Struct):
    name: str = ""
    description: str | None = None
    schema: Raw = Raw()
    strict: bool | None = None


class _Format(Struct):
    type: str = "text"
    json_schema: _Schema | None = None


class _Options(Struct):
    """The members that have a meaning everywhere."""

    tools: list[Raw] | None = None
    functions: list[_Named] | None = None
    tool_choice: Any = None
    function_call: Any = None
    parallel_tool_calls: bool | None = None
    response_format: _Format | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning_effort: str | None = None
    reasoning: Any = None
    thinking: Any = None
    verbosity: str | None = None
    service_tier: str | None = None
    metadata: dict[str, Any] | None = None


_options = msgspec.json.Decoder(_Options, strict=False).decode
_tool = msgspec.json.Decoder(_Tool).decode

_encode = msgspec.json.Encoder().encode
_KNOWN = frozenset(_Options.__struct_fields__) | {
    "model", "messages", "stream", "stream_options", "n", "user", "safety_identifier",
    "prompt_cache_key", "prompt_cache_retention",
}  # fmt: skip
"""What has a place in a prompt, or says nothing about the answer."""


def read(request: Request) -> Prompt:
    """The request in no dialect; InvalidRequest names the member that is wrong."""
    fields = request.fields
    try:
        options = _options(_encode({name: raw for name, raw in fields.items() if name in _Options.__struct_fields__}))
        tools = tuple(_read_tool(raw) for raw in options.tools or ()) or _functions(options.functions)
    except msgspec.ValidationError as error:
        raise wrong(error) from None
    losses = [name for name, raw in fields.items() if name not in _KNOWN and bytes(raw) not in EMPTY]
    most = options.max_tokens if options.max_completion_tokens is None else options.max_completion_tokens
    return Prompt(
        messages=messages(request),
        stream=request.stream,
        wants_usage=request.wants_usage,
        tools=tools,
        tool_choice=_choice(options.function_call if options.tool_choice is None else options.tool_choice),
        parallel_tools=options.parallel_tool_calls,
        format=_format(options.response_format),
        max_output_tokens=None if most == UNLIMITED else most,
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=options.top_k,
        stop=(options.stop,) if isinstance(options.stop, str) else tuple(options.stop or ()),
        seed=options.seed,
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
        choices=request.choices,
        logprobs=options.logprobs is True,
        top_logprobs=options.top_logprobs,
        thinking=_thinking(options),
        verbosity=options.verbosity or "",
        service_tier=options.service_tier or "",
        subject=request.subject,
        metadata={k: v if isinstance(v, str) else _encode(v).decode() for k, v in (options.metadata or {}).items()},
        losses=tuple(losses),
    )


def _read_tool(raw: Raw) -> Tool:
    tool = _tool(raw)
    cache = cache_of(tool.cache_control)
    if tool.type == "function" and tool.function is not None:
        return _function(tool.function, cache)
    if tool.type == "custom" and tool.custom is not None:
        return Tool(kind="custom", name=tool.custom.name, description=tool.custom.description or "", original=raw)
    return Tool(kind="builtin", name=tool.type, original=raw)


def _function(function: _Named, cache: str = "") -> Tool:
    if not function.name:
        raise InvalidRequest("tools: a function has no name", param="tools")
    return Tool(
        name=function.name,
        description=function.description or "",
        schema=_given(function.parameters),
        strict=function.strict,
        cache=cache,
    )


def _given(raw: Raw) -> Raw | None:
    return None if bytes(raw) in (b"", b"null") else raw


def _functions(functions: list[_Named] | None) -> tuple[Tool, ...]:
    """What tools were called before there were tools."""
    return tuple(_function(f) for f in functions or ())


def _choice(said: object) -> ToolChoice | None:
    if isinstance(said, str):
        return {"auto": ToolChoice("auto"), "none": ToolChoice("none"), "required": ToolChoice("required")}.get(said)
    choice = members(said)
    name = members(choice.get("function")).get("name") or members(choice.get("custom")).get("name")
    name = name or choice.get("name")
    return ToolChoice("named", name) if isinstance(name, str) and name else None


def _format(said: _Format | None) -> Format | None:
    if said is None or said.type not in ("json_object", "json_schema"):
        return None
    schema = said.json_schema
    if said.type == "json_object" or schema is None:
        return Format(kind="json_object")
    return Format(
        kind="json_schema",
        name=schema.name,
        description=schema.description or "",
        schema=_given(schema.schema),
        strict=schema.strict,
    )


def _thinking(options: _Options) -> Thinking | None:
    """The three ways to ask for reasoning: OpenAI's word, OpenRouter's object, Anthropic's budget."""
    asked, thinking = members(options.reasoning), members(options.thinking)
    word = asked.get("effort") or options.reasoning_effort
    effort = EFFORTS.get(word) if isinstance(word, str) else None
    budget: Any = asked.get("max_tokens") or thinking.get("budget_tokens")
    if effort is None and not asked and not thinking:
        return None
    off = effort == "none" or asked.get("enabled") is False or thinking.get("type") == "disabled"
    return Thinking(enabled=not off, effort=effort, budget=budget if type(budget) is int else None)
