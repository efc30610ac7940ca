"""Requests of Gemini, written from a prompt (ai.google.dev/api/generate-content)."""

from typing import Any, cast

import msgspec

from freehold.core.prompt import Format, Prompt, Tool, ToolChoice
from freehold.dialects.dialect import Written
from freehold.dialects.forms import as_function, described
from freehold.dialects.gemini_generate.contents import Writer
from freehold.dialects.gemini_generate.foreign import version
from freehold.dialects.gemini_generate.request import JSON_TYPE
from freehold.dialects.gemini_generate.schemas import subset, tidied
from freehold.dialects.gemini_generate.thinking import thought
from freehold.dialects.hints import CACHE, marked
from freehold.dialects.openai_chat.loose import members
from freehold.dialects.quirks import Quirks

_Members = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}
_TIERS = {"default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}
MOST_STOPS = 5
MOST_CHOICES = 8
_SAME = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_output_tokens": "maxOutputTokens",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
"""What is said in the same way, by its name there."""


def write(prompt: Prompt, *, model: str, quirks: Quirks) -> Written:
    """A request for a provider that speaks generateContent, and what it could not say."""
    writer = Writer(model)
    system, contents = writer.conversation(prompt)
    json_schemas = version(model) >= (2, 5)
    body: _Members = {}
    if system:
        body["systemInstruction"] = {"parts": system}
    body["contents"] = contents
    declared = [one for tool in prompt.tools if (one := _declared(tool, writer, json_schemas)) is not None]
    if declared:
        body["tools"] = [{"functionDeclarations": declared}]
        if prompt.tool_choice is not None:
            body["toolConfig"] = {"functionCallingConfig": _calling(prompt.tool_choice)}
        if prompt.parallel_tools is False:
            writer.lose("parallel_tools")
    config = _config(prompt, model, writer)
    if prompt.format is not None:
        if declared and prompt.tool_choice != ToolChoice("none") and version(model) < (3, 0):
            writer.lose("format (beside tools)")  # refused by models before Gemini 3
        else:
            config |= _format(prompt.format, writer, json_schemas)
    if config:
        body["generationConfig"] = config
    if prompt.service_tier and prompt.service_tier != "auto":
        if prompt.service_tier in _TIERS:
            body["serviceTier"] = _TIERS[prompt.service_tier]
        else:
            writer.lose("service_tier")
    return Written(_encode(body), tuple(writer.losses), writer.links)


def _declared(tool: Tool, writer: Writer, json_schemas: bool) -> _Members | None:
    if tool.kind == "builtin":
        writer.lose(f"tools[{tool.name}] (builtin)")
        return None
    if tool.kind == "custom":
        tool, lost_form = as_function(tool)
        if lost_form:
            writer.lose(lost_form)
    declared: _Members = {"name": tool.name}
    if tool.description:
        declared["description"] = tool.description
    if tool.strict:
        writer.lose(f"tools[{tool.name}].strict")
    schema: Any = None if tool.schema is None else _decode(tool.schema)
    if not isinstance(schema, dict) or not _says(members(cast("object", schema))):
        return declared  # one without arguments has no schema
    written, lost = _schema(cast("object", schema), json_schemas)
    for word in lost:
        writer.lose(f"tools[{tool.name}].schema.{word}")
    declared["parametersJsonSchema" if json_schemas else "parameters"] = written
    return declared


def _says(schema: _Members) -> bool:
    """Whether a schema of arguments allows for any."""
    return bool(schema.get("properties")) or not schema.keys() <= {
        "type", "properties", "required", "additionalProperties", "$schema", "title", "description",
    } or bool(schema.get("additionalProperties"))  # fmt: skip


def _schema(schema: object, json_schemas: bool) -> tuple[Any, list[str]]:
    return tidied(schema) if json_schemas else subset(schema)


def _calling(choice: ToolChoice) -> _Members:
    calling: _Members = {"mode": _MODES[choice.mode]}
    if choice.mode == "named":
        calling["allowedFunctionNames"] = [choice.name]
    return calling


def _config(prompt: Prompt, model: str, writer: Writer) -> _Members:
    config: _Members = {said: value for name, said in _SAME.items() if (value := getattr(prompt, name)) is not None}
    if prompt.stop:
        config["stopSequences"] = list(prompt.stop[:MOST_STOPS])
        if len(prompt.stop) > MOST_STOPS:
            writer.lose(f"stop (more than {MOST_STOPS})")
    if prompt.choices > 1:
        config["candidateCount"] = min(prompt.choices, MOST_CHOICES)
        if prompt.choices > MOST_CHOICES:
            writer.lose(f"choices (more than {MOST_CHOICES})")
    thinking = thought(prompt.thinking, model)
    if thinking.config is not None:
        config["thinkingConfig"] = thinking.config
    if resolution := writer.resolution:
        config["mediaResolution"] = resolution
    unsaid = {
        thinking.lost: bool(thinking.lost),
        "logprobs": prompt.logprobs or prompt.top_logprobs is not None,  # no answer in another dialect could tell them
        "verbosity": bool(prompt.verbosity),
        "subject": bool(prompt.subject),
        "metadata": bool(prompt.metadata),
        CACHE: marked(prompt),  # it keeps what it finds worth it
    }
    for name, said in unsaid.items():
        if said:
            writer.lose(name)
    return config


def _format(form: Format, writer: Writer, json_schemas: bool) -> _Members:
    if form.kind == "json_object" or form.schema is None:
        return {"responseMimeType": JSON_TYPE}
    written, lost = _schema(described(form), json_schemas)
    for word in lost:
        writer.lose(f"format.schema.{word}")
    return {"responseMimeType": JSON_TYPE, "responseJsonSchema" if json_schemas else "responseSchema": written}
