"""Requests of Gemini, read into no dialect: everything beside the conversation."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import InvalidRequest
from freehold.core.prompt import Format, Prompt, Tool, ToolChoice
from freehold.core.request import Request
from freehold.dialects.gemini_generate import thinking
from freehold.dialects.gemini_generate.messages import messages
from freehold.dialects.gemini_generate.openapi import json_schema
from freehold.dialects.gemini_generate.request import JSON_TYPE
from freehold.dialects.gemini_generate.spelling import camel, spelt
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.strict_json import wrong

Lose = Callable[[str], None]
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_NOTHING: tuple[Any, ...] = (None, False, "", [], {})


class _Config(Struct, rename="camel"):
    """The members of `generationConfig` that have a meaning everywhere."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_schema: Any = None
    response_json_schema: Any = None
    response_modalities: list[Any] | None = None
    thinking_config: Any = None
    media_resolution: Any = None


_CONFIGURED = frozenset(_Config.__struct_encode_fields__)
_KNOWN = frozenset({
    "model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "labels", "serviceTier",
})  # fmt: skip
"""What has a place in a prompt."""
_MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto"}
_TEXT = (["TEXT"], ["text"], [1])
"""Modalities that everybody answers in."""
_TIERS = {"standard": "default"}


def read(request: Request) -> Prompt:
    """The request in no dialect; InvalidRequest names the member that is wrong."""
    losses: dict[str, None] = {}

    def lose(what: str) -> None:
        losses[what] = None

    said = {camel(name): _decode(raw) for name, raw in request.fields.items() if camel(name) != "contents"}
    given = spelt(said.get("generationConfig"))
    config = _config(given)
    _unsaid(said, given, config, lose)
    tools = tuple(_tools(said.get("tools"), lose))
    tier = word(said.get("serviceTier")).lower()
    return Prompt(
        messages=messages(request, lose),
        stream=request.stream,
        wants_usage=True,
        tools=tools,
        tool_choice=_choice(spelt(said.get("toolConfig")), lose),
        format=_format(config, lose),
        max_output_tokens=request.max_output_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=None if config.top_k is None else int(config.top_k),
        stop=tuple(config.stop_sequences or ()),
        seed=config.seed,
        presence_penalty=config.presence_penalty,
        frequency_penalty=config.frequency_penalty,
        choices=request.choices,
        logprobs=config.response_logprobs is True,
        top_logprobs=config.logprobs,
        thinking=thinking.read(spelt(config.thinking_config)),
        service_tier=_TIERS.get(tier, tier),
        metadata={name: word(value) for name, value in members(said.get("labels")).items()},
        losses=tuple(losses),
    )


def _config(given: dict[str, Any]) -> _Config:
    try:
        return msgspec.convert(given, _Config, strict=False)
    except msgspec.ValidationError as error:
        raise wrong(error, "generationConfig") from None


def _unsaid(said: dict[str, Any], given: dict[str, Any], config: _Config, lose: Lose) -> None:
    """What has no place in a prompt."""
    for name, value in said.items():
        if name not in _KNOWN and value not in _NOTHING:
            lose(name)
    for name, value in given.items():
        if name not in _CONFIGURED and value not in _NOTHING:
            lose(f"generationConfig.{name}")
    if config.response_modalities and config.response_modalities not in _TEXT:
        lose("generationConfig.responseModalities")
    for name, value in spelt(said.get("toolConfig")).items():
        if name != "functionCallingConfig" and value not in _NOTHING:
            lose(f"toolConfig.{name}")


def _tools(said: object, lose: Lose) -> Iterator[Tool]:
    """Functions, and tools that run at Google, each under its name."""
    for tool in map(spelt, items(said)):
        for name, value in tool.items():
            if name == "functionDeclarations":
                for declared in items(value):
                    yield _function(spelt(declared), lose)
            elif value is not None:
                yield Tool(kind="builtin", name=name, original=Raw(_encode({name: value})))


def _function(said: dict[str, Any], lose: Lose) -> Tool:
    name = word(said.get("name"))
    if not name:
        raise InvalidRequest("tools: a function has no name", param="tools")
    for member in ("response", "responseJsonSchema", "behavior"):
        if said.get(member):
            lose(f"tools[{name}].{member}")
    schema: Any = said.get("parametersJsonSchema")
    if schema is None and (parameters := said.get("parameters")) is not None:
        schema = json_schema(parameters)
    return Tool(
        name=name,
        description=word(said.get("description")),
        schema=None if schema is None else Raw(_encode(schema)),
    )


def _choice(config: dict[str, Any], lose: Lose) -> ToolChoice | None:
    calling = spelt(config.get("functionCallingConfig"))
    said = word(calling.get("mode")).upper()
    mode: Any = _MODES.get(said)
    allowed = items(calling.get("allowedFunctionNames"))
    if said == "VALIDATED":
        lose("toolConfig.functionCallingConfig.mode (VALIDATED)")
    if mode == "required" and len(allowed) == 1:
        return ToolChoice("named", word(allowed[0]))
    if allowed:
        lose("toolConfig.functionCallingConfig.allowedFunctionNames")
    return None if mode is None else ToolChoice(mode)


def _format(config: _Config, lose: Lose) -> Format | None:
    kind = config.response_mime_type
    schema = config.response_json_schema
    if schema is None and config.response_schema is not None:
        schema = json_schema(config.response_schema)
    if kind not in (None, "", "text/plain", JSON_TYPE):
        lose("generationConfig.responseMimeType")
        return None
    if schema is not None:
        return Format(kind="json_schema", schema=Raw(_encode(schema)))
    return Format(kind="json_object") if kind == JSON_TYPE else None
