"""Requests of Messages, read into no dialect."""

from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from freehold.core.prompt import Effort, Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, Request, ResultPart, TextPart
from freehold.dialects.anthropic_messages.billing import HEADER, without_billing
from freehold.dialects.anthropic_messages.messages import messages
from freehold.dialects.hints import SUBJECT
from freehold.dialects.openai_chat.loose import cache_of, members, word
from freehold.dialects.strict_json import EMPTY, wrong
from freehold.dialects.subjects import plain

EFFORTS: dict[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "max", "max": "max"}


class _Tool(Struct):
    type: str | None = None
    name: str = ""
    description: str | None = None
    input_schema: Raw = Raw()
    strict: bool | None = None
    cache_control: Any = None
    defer_loading: Any = None
    input_examples: Any = None
    allowed_callers: Any = None
    eager_input_streaming: Any = None  # how its arguments come: no part of what they are


class _Choice(Struct):
    type: str
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _Schema(Struct):
    type: str = ""
    schema: Raw = Raw()


class _Output(Struct):
    effort: str | None = None
    format: _Schema | None = None


class _Options(Struct):
    """The members that have a meaning everywhere."""

    tools: list[Raw] | None = None
    tool_choice: _Choice | None = None
    thinking: Any = None
    output_config: _Output | None = None
    output_format: _Schema | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    service_tier: str | None = None
    cache_control: Any = None


_options = msgspec.json.Decoder(_Options).decode
_tool = msgspec.json.Decoder(_Tool).decode
_encode = msgspec.json.Encoder().encode
_KNOWN = frozenset(_Options.__struct_fields__) | {
    "model", "messages", "system", "stream", "metadata", "anthropic_version",
}  # fmt: skip
"""What has a place in a prompt, or says nothing about the answer."""
_CUSTOM = (None, "custom")
_NOT_SAID = ("defer_loading", "input_examples", "allowed_callers")
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def read(request: Request) -> Prompt:
    """The request in no dialect; InvalidRequest names the member that is wrong."""
    fields = request.fields
    losses: dict[str, None] = {}

    def lose(what: str) -> None:
        losses[what] = None

    try:
        options = _options(_encode({name: raw for name, raw in fields.items() if name in _Options.__struct_fields__}))
        tools = tuple(_read_tool(raw, lose) for raw in options.tools or ())
    except msgspec.ValidationError as error:
        raise wrong(error) from None
    said = messages(_unbilled(request), lose)
    if cache := cache_of(options.cache_control):
        said = _marked(said, cache)
    for name, raw in fields.items():
        if name not in _KNOWN and bytes(raw) not in EMPTY:
            lose(name)
    subject = None if request.subject is None else plain(request.subject)
    if subject != request.subject:
        lose(SUBJECT)
    choice = options.tool_choice
    output = options.output_config or _Output()
    return Prompt(
        messages=said,
        stream=request.stream,
        wants_usage=True,
        tools=tools,
        tool_choice=_choice(choice),
        parallel_tools=False if choice is not None and choice.disable_parallel_tool_use else None,
        format=_format(output.format or options.output_format),
        max_output_tokens=request.max_output_tokens,
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=options.top_k,
        stop=tuple(options.stop_sequences or ()),
        thinking=_thinking(options.thinking, output.effort, lose),
        service_tier=_TIERS.get(options.service_tier or "", options.service_tier or ""),
        subject=subject,
        losses=tuple(losses),
    )


_TIERS = {"standard_only": "default"}
"""Where there is another word for the same."""


def _unbilled(request: Request) -> Request:
    """The request without Claude Code's billing block, which no other provider reads."""
    system = request.fields.get("system")
    if system is None or HEADER not in bytes(system):
        return request
    kept = without_billing(msgspec.json.decode(system))
    fields = {name: raw for name, raw in request.fields.items() if name != "system"}
    if kept is not None:
        fields["system"] = Raw(_encode(kept))
    return replace(request, fields=fields)


def _read_tool(raw: Raw, lose: Any) -> Tool:
    tool = _tool(raw)
    cache = cache_of(tool.cache_control)
    if tool.type not in _CUSTOM:
        return Tool(kind="builtin", name=tool.name or word(tool.type), original=raw, cache=cache)
    for member in _NOT_SAID:
        if getattr(tool, member):
            lose(f"tools[{tool.name}].{member}")
    schema = None if bytes(tool.input_schema) in (b"", b"null") else tool.input_schema
    return Tool(name=tool.name, description=tool.description or "", schema=schema, strict=tool.strict, cache=cache)


def _choice(said: _Choice | None) -> ToolChoice | None:
    if said is None:
        return None
    if said.type == "tool":
        return ToolChoice("named", said.name)
    mode: Any = _CHOICES.get(said.type)
    return None if mode is None else ToolChoice(mode)


def _format(said: _Schema | None) -> Format | None:
    if said is None or said.type != "json_schema" or not bytes(said.schema):
        return None
    return Format(kind="json_schema", schema=said.schema, strict=True)


def _thinking(said: Any, effort: str | None, lose: Any) -> Thinking | None:
    """Whether and how much to think: a budget, as the model likes, or by word."""
    thinking = members(said)
    word_ = EFFORTS.get(effort or "")
    kind = thinking.get("type")
    if kind == "disabled":
        return Thinking(enabled=False)
    if kind is None and word_ is None:
        return None
    if kind == "between_tools":
        lose("thinking (between tools)")
    budget = thinking.get("budget_tokens")
    return Thinking(
        effort=word_,
        budget=budget if type(budget) is int else None,
        summary="auto" if kind is not None and thinking.get("display") != "omitted" else "",
    )


def _marked(said: tuple[Message, ...], cache: str) -> tuple[Message, ...]:
    """The conversation with its last part marked for caching: what a mark on the whole request means."""
    for at in range(len(said) - 1, -1, -1):
        for place in range(len(said[at].parts) - 1, -1, -1):
            part = said[at].parts[place]
            if isinstance(part, TextPart | MediaPart | CallPart | ResultPart):
                before, after = said[at].parts[:place], said[at].parts[place + 1 :]
                parts = (*before, replace(part, cache=part.cache or cache), *after)
                return (*said[:at], replace(said[at], parts=parts), *said[at + 1 :])
    return said
