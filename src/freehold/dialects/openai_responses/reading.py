"""Requests of Responses, read into no dialect."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import InvalidRequest, NotCarried
from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import Request
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.openai_chat.reading import EFFORTS
from freehold.dialects.openai_responses.messages import Lose, messages
from freehold.dialects.openai_responses.request import CONTINUED, LOGPROBS
from freehold.dialects.strict_json import EMPTY, wrong


class _Tool(Struct):
    """Flat; or with a `function` in it, as chat completions have it."""

    type: str = "function"
    name: str = ""
    description: str | None = None
    parameters: Raw = Raw()
    strict: bool | None = None
    function: Raw = Raw()
    format: Any = None
    defer_loading: Any = None
    allowed_callers: Any = None
    output_schema: Any = None


class _Format(Struct):
    type: str = "text"
    name: str = ""
    description: str | None = None
    schema: Raw = Raw()
    strict: bool | None = None


class _Text(Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Options(Struct):
    """The members that have a meaning everywhere."""

    tools: list[Raw] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: Any = None
    include: list[Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: int | None = None
    service_tier: str | None = None
    metadata: dict[str, Any] | None = None
    truncation: str | None = None


_options = msgspec.json.Decoder(_Options).decode
_tool = msgspec.json.Decoder(_Tool).decode
_input = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
KNOWN = frozenset(_Options.__struct_fields__) | {
    "model", "input", "instructions", "stream", "stream_options", "store", "background", "max_output_tokens", "user",
    "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", CONTINUED,
}  # fmt: skip
"""What has a place in a prompt, or says nothing about the answer."""
_HELD = {
    "previous_response_id": "an earlier response",
    "conversation": "a conversation",
    "prompt": "a prompt template",
}
"""What only the provider that keeps it can look up."""
_ESSENTIAL = frozenset({"input[item_reference]", "input[compaction]"})
_GIVEN = frozenset({"reasoning.encrypted_content", LOGPROBS})
_NOT_SAID = ("defer_loading", "allowed_callers", "output_schema")
_SUMMARIES = frozenset({"auto", "concise", "detailed"})


def read(request: Request) -> Prompt:
    """The request in no dialect; InvalidRequest names the member that is wrong, NotCarried what its provider keeps."""
    fields = request.fields
    losses: dict[str, None] = {}

    def lose(what: str) -> None:
        losses[what] = None

    for name, what in _HELD.items():
        if bytes(fields.get(name, b"null")) not in EMPTY:
            raise NotCarried(f"{name}: {what} kept by a provider means nothing to another", param=name)
    try:
        options = _options(_encode({name: raw for name, raw in fields.items() if name in _Options.__struct_fields__}))
        tools = [_read_tool(raw, lose) for raw in (*(options.tools or ()), *_additional(fields))]
    except msgspec.ValidationError as error:
        raise wrong(error) from None
    said = messages(request, lose)
    if missing := sorted(_ESSENTIAL & losses.keys()):
        raise NotCarried(f"{missing[0]}: the provider that keeps it alone knows what it says", param="input")
    for name, raw in fields.items():
        if name not in KNOWN and name not in _HELD and bytes(raw) not in EMPTY:
            lose(name)
    _unsaid(options, lose)
    choice, tools = _choice(options.tool_choice, tools, lose)
    text = options.text or _Text()
    return Prompt(
        messages=said,
        stream=request.stream,
        wants_usage=True,
        tools=tuple(tools),
        tool_choice=choice,
        parallel_tools=options.parallel_tool_calls,
        format=_format(text.format),
        max_output_tokens=request.max_output_tokens,
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=options.top_k,
        seed=options.seed,
        stop=(options.stop,) if isinstance(options.stop, str) else tuple(options.stop or ()),
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
        thinking=_thinking(options.reasoning, lose),
        verbosity=text.verbosity or "",
        service_tier=options.service_tier or "",
        subject=request.subject,
        metadata={k: v if isinstance(v, str) else _encode(v).decode() for k, v in (options.metadata or {}).items()},
        losses=tuple(losses),
    )


def _unsaid(options: _Options, lose: Lose) -> None:
    """What is asked of the answer and cannot come back in another dialect."""
    for asked in options.include or ():
        if asked not in _GIVEN:
            lose(f"include[{asked}]")
    if options.top_logprobs or LOGPROBS in (options.include or ()):
        lose("top_logprobs" if options.top_logprobs else f"include[{LOGPROBS}]")
    if options.truncation == "auto":
        lose("truncation")


def _additional(fields: dict[str, Raw]) -> list[Raw]:
    """Tools that are offered in the middle of a conversation."""
    raw = fields.get("input")
    if raw is None or b'"additional_tools"' not in memoryview(raw).tobytes():
        return []
    given = [members(item) for item in items(_input(raw))]
    return [Raw(_encode(t)) for item in given if item.get("type") == "additional_tools" for t in items(item["tools"])]


def _read_tool(raw: Raw, lose: Lose) -> Tool:
    tool = _tool(raw)
    if bytes(tool.function) not in (b"", b"null"):
        tool = _tool(tool.function)
    if tool.type == "custom":
        if members(tool.format).get("type") == "grammar":
            lose(f"tools[{tool.name}].format")
        return Tool(kind="custom", name=tool.name, description=tool.description or "", original=raw)
    if tool.type != "function":
        return Tool(kind="builtin", name=tool.type, original=raw)
    if not tool.name:
        raise InvalidRequest("tools: a function has no name", param="tools")
    for member in _NOT_SAID:
        if getattr(tool, member) not in (None, False, ["direct"]):
            lose(f"tools[{tool.name}].{member}")
    schema = None if bytes(tool.parameters) in (b"", b"null") else tool.parameters
    return Tool(name=tool.name, description=tool.description or "", schema=schema, strict=tool.strict)


def _choice(said: object, tools: list[Tool], lose: Lose) -> tuple[ToolChoice | None, list[Tool]]:
    """The choice, and the tools among which it is: others than the allowed ones are not offered at all."""
    if isinstance(said, str):
        words: dict[str, ToolChoice] = {name: ToolChoice(name) for name in ("auto", "none", "required")}
        return words.get(said), tools
    choice = members(said)
    match choice.get("type"):
        case "function" | "custom":
            name = word(choice.get("name")) or word(members(choice.get("function")).get("name"))
            return ToolChoice("named", name), tools
        case "allowed_tools":
            allowed = {(t.get("name") or t.get("type")) for t in map(members, items(choice.get("tools")))}
            kept = [tool for tool in tools if tool.name in allowed]
            return ToolChoice("required" if choice.get("mode") == "required" else "auto"), kept
        case None:
            return None, tools
        case _:
            lose("tool_choice")
            return None, tools


def _format(said: _Format | None) -> Format | None:
    if said is None or said.type not in ("json_object", "json_schema"):
        return None
    if said.type == "json_object":
        return Format(kind="json_object")
    return Format(
        kind="json_schema",
        name=said.name,
        description=said.description or "",
        schema=None if bytes(said.schema) in (b"", b"null") else said.schema,
        strict=said.strict,
    )


def _thinking(said: object, lose: Lose) -> Thinking | None:
    asked = members(said)
    given = asked.get("effort")
    effort = EFFORTS.get(given) if isinstance(given, str) else None
    summary = asked.get("summary") or asked.get("generate_summary")
    for name, value in asked.items():
        if name not in ("effort", "summary", "generate_summary") and value is not None:
            lose(f"reasoning.{name}")
    if effort is None and not summary:
        return None
    return Thinking(enabled=effort != "none", effort=effort, summary=summary if summary in _SUMMARIES else "")
