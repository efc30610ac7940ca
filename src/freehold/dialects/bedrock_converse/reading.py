"""Requests of Converse, read into no dialect."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.prompt import Effort, Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import Request
from freehold.dialects.bedrock_converse.messages import Lose, cache_point, messages
from freehold.dialects.openai_chat.loose import items, members, number, word
from freehold.dialects.strict_json import wrong


class _Inference(Struct):
    maxTokens: int | None = None
    temperature: float | None = None
    topP: float | None = None
    stopSequences: list[str] | None = None


class _Tools(Struct):
    tools: list[dict[str, Any]] = []
    toolChoice: dict[str, Any] | None = None


class _Options(Struct):
    """The members that have a meaning everywhere."""

    inferenceConfig: _Inference | None = None
    toolConfig: _Tools | None = None
    outputConfig: dict[str, Any] | None = None
    additionalModelRequestFields: dict[str, Any] | None = None
    serviceTier: dict[str, Any] | None = None
    requestMetadata: dict[str, str] | None = None


_options = msgspec.json.Decoder(_Options).decode
_encode = msgspec.json.Encoder().encode
_KNOWN = frozenset(_Options.__struct_fields__) | {"messages", "system", "modelId"}
_EMPTY = frozenset({b"null", b"[]", b"{}", b'""'})
_CHOICES: dict[str, Any] = {"auto": "auto", "any": "required"}
_EFFORTS: dict[str, Effort] = {
    "none": "none", "minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "xhigh": "max",
    "max": "max",
}  # fmt: skip


def read(request: Request) -> Prompt:
    """The request in no dialect; InvalidRequest names the member that is wrong."""
    losses: dict[str, None] = {}

    def lose(what: str) -> None:
        losses[what] = None

    fields = request.fields
    try:
        options = _options(_encode({name: raw for name, raw in fields.items() if name in _Options.__struct_fields__}))
    except msgspec.ValidationError as error:
        raise wrong(error) from None
    said = messages(request, lose)
    for name, raw in fields.items():
        if name not in _KNOWN and bytes(raw) not in _EMPTY:
            lose(name)
    inference = options.inferenceConfig or _Inference()
    tools = options.toolConfig or _Tools()
    output = options.outputConfig or {}
    more = dict(options.additionalModelRequestFields or {})
    thinking, top_k = _thinking(more, output), _top_k(more)
    for name in more:
        lose(f"additionalModelRequestFields.{name}")
    return Prompt(
        messages=said,
        stream=request.stream,
        wants_usage=True,
        tools=tuple(_tools(tools.tools)),
        tool_choice=_choice(tools.toolChoice),
        format=_format(output, lose),
        max_output_tokens=inference.maxTokens,
        temperature=inference.temperature,
        top_p=inference.topP,
        top_k=top_k,
        stop=tuple(inference.stopSequences or ()),
        thinking=thinking,
        service_tier=word((options.serviceTier or {}).get("type")),
        metadata=options.requestMetadata or {},
        losses=tuple(losses),
    )


def _tools(listed: list[dict[str, Any]]) -> list[Tool]:
    found: list[Tool] = []
    for tool in listed:
        if cache := cache_point(tool):
            if found:
                found[-1] = msgspec.structs.replace(found[-1], cache=cache)
            continue
        spec = members(tool.get("toolSpec"))
        if not spec:
            name = word(members(tool.get("systemTool")).get("name")) or next(iter(tool), "")
            found.append(Tool(kind="builtin", name=name, original=Raw(_encode(tool))))
            continue
        schema: Any = members(spec.get("inputSchema")).get("json")
        strict = spec.get("strict")
        found.append(
            Tool(
                name=word(spec.get("name")),
                description=word(spec.get("description")),
                schema=None if schema is None else Raw(_encode(schema)),
                strict=strict if isinstance(strict, bool) else None,
            )
        )
    return found


def _choice(said: dict[str, Any] | None) -> ToolChoice | None:
    for kind, value in (said or {}).items():
        if kind == "tool":
            return ToolChoice("named", word(members(value).get("name")))
        if kind in _CHOICES:
            return ToolChoice(_CHOICES[kind])
    return None


def _format(output: dict[str, Any], lose: Lose) -> Format | None:
    """The schema of the answer, which stands in a string."""
    form = members(output.get("textFormat"))
    if form.get("type") != "json_schema":
        if form:
            lose("outputConfig.textFormat")
        return None
    said = members(members(form.get("structure")).get("jsonSchema"))
    text = word(said.get("schema"))
    try:
        schema = Raw(_encode(msgspec.json.decode(text)))
    except msgspec.DecodeError:
        lose("outputConfig.textFormat.structure.jsonSchema.schema")
        return Format(kind="json_object")
    name, description = word(said.get("name")), word(said.get("description"))
    return Format(kind="json_schema", name=name, description=description, schema=schema, strict=True)


def _thinking(more: dict[str, Any], output: dict[str, Any]) -> Thinking | None:
    """How much to think, as the makers of models say it beside what all have in common; takes out what it reads."""
    claude, words = members(more.pop("thinking", None)), members(more.get("output_config"))
    nova = members(more.pop("reasoningConfig", None))
    said = output.get("effort") or nova.get("maxReasoningEffort") or more.pop("reasoning_effort", None)
    if set(words) == {"effort"}:
        said = words["effort"]
        del more["output_config"]
    effort = _EFFORTS.get(said) if isinstance(said, str) else None
    if claude.get("type") == "disabled" or nova.get("type") == "disabled":
        return Thinking(enabled=False)
    if not claude and not nova and effort is None:
        return None
    return Thinking(
        effort=effort,
        budget=number(claude.get("budget_tokens")),
        summary="auto" if claude.get("display", "summarized") == "summarized" and claude else "",
    )


def _top_k(more: dict[str, Any]) -> int | None:
    """As Claude and others have it, or as Nova has it."""
    if (plain := number(more.get("top_k"))) is not None:
        del more["top_k"]
        return plain
    nova = members(more.get("inferenceConfig"))
    found = number(nova.get("topK"))
    if found is not None and len(items(list(nova))) == 1:
        del more["inferenceConfig"]
    return found
