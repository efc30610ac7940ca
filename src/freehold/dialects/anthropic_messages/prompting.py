"""Requests of Messages, written from a prompt (docs.claude.com/en/api/messages)."""

from typing import Any, cast

import msgspec
from msgspec import Raw

from freehold.core.prompt import Format, Prompt, Tool, ToolChoice
from freehold.dialects.anthropic_messages.blocks import Writer
from freehold.dialects.anthropic_messages.marks import bounded
from freehold.dialects.anthropic_messages.request import DEFAULT_TOKENS
from freehold.dialects.anthropic_messages.schemas import closed
from freehold.dialects.anthropic_messages.thinking import Thought, thought
from freehold.dialects.dialect import Written
from freehold.dialects.forms import as_function, described
from freehold.dialects.openai_chat.loose import members
from freehold.dialects.quirks import Quirks
from freehold.dialects.subjects import ANTHROPIC
from freehold.dialects.subjects import bounded as bounded_name

_Members = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_NO_ARGUMENTS: _Members = {"type": "object", "properties": {}}
_CHOICES = {"auto": "auto", "required": "any", "none": "none", "named": "tool"}
_TIERS = {"auto": "auto", "default": "standard_only", "standard": "standard_only", "standard_only": "standard_only"}


def write(prompt: Prompt, *, model: str, quirks: Quirks) -> Written:
    """A request for a provider that speaks Messages, and what it could not say."""
    writer = Writer(quirks)
    system, messages = writer.conversation(prompt)
    tools = [one for tool in prompt.tools if (one := _tool(tool, writer)) is not None]
    forced = bool(tools) and prompt.tool_choice is not None and prompt.tool_choice.mode in ("required", "named")
    thinking = thought(prompt, model, forced=forced)
    if thinking.lost:
        writer.lose(thinking.lost)
    body: _Members = {"anthropic_version": quirks.anthropic_version} if quirks.anthropic_version else {"model": model}
    body["max_tokens"] = thinking.max_tokens or DEFAULT_TOKENS
    if system:
        body["system"] = system
    body["messages"] = messages
    if tools:
        body["tools"] = tools
        if (choice := _choice(prompt.tool_choice, prompt.parallel_tools)) is not None:
            body["tool_choice"] = choice
    if prompt.stream:
        body["stream"] = True
    if thinking.body is not None:
        body["thinking"] = thinking.body
    if output := _output(thinking, prompt.format, writer):
        body["output_config"] = output
    _sampling(prompt, thinking, body, writer)
    if prompt.subject:
        body["metadata"] = {"user_id": bounded_name(prompt.subject, ANTHROPIC, writer.lose)}
    _rest(prompt, body, writer)
    bounded(body, writer.lose)
    return Written(_encode(body), tuple(writer.losses), writer.links)


def _tool(tool: Tool, writer: Writer) -> _Members | None:
    """A function, which stands for a tool of plain text too. Of one that a provider runs there is no counterpart."""
    if tool.kind == "builtin":
        writer.lose(f"tools[{tool.name}] (builtin)")
        return None
    if tool.kind == "custom":
        tool, lost = as_function(tool)
        if lost:
            writer.lose(lost)
    written: _Members = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    written["input_schema"] = _NO_ARGUMENTS if tool.schema is None else _arguments(tool.schema)
    if tool.strict:
        written["strict"] = True
    return writer.marked(written, tool.cache)


def _arguments(schema: Raw) -> Any:
    """The schema of arguments as it was written; only that it is an object's has to be said here."""
    value: Any = _decode(schema)
    if isinstance(value, dict) and "type" not in value:
        return {"type": "object"} | members(cast("object", value))
    return schema


def _choice(choice: ToolChoice | None, parallel: bool | None) -> _Members | None:
    if choice is None and parallel is not False:
        return None
    said: _Members = {"type": "auto" if choice is None else _CHOICES[choice.mode]}
    if choice is not None and choice.mode == "named":
        said["name"] = choice.name
    if parallel is False and said["type"] != "none":
        said["disable_parallel_tool_use"] = True
    return said


def _output(thinking: Thought, form: Format | None, writer: Writer) -> _Members:
    output: _Members = {} if thinking.effort is None else {"effort": thinking.effort}
    if form is None:
        return output
    if form.kind != "json_schema" or form.schema is None:
        writer.lose("format (json_object)")
        return output
    schema, dropped = closed(described(form))
    for word in dropped:
        writer.lose(f"format.schema.{word}")
    output["format"] = {"type": "json_schema", "schema": schema}
    return output


def _sampling(prompt: Prompt, thinking: Thought, body: _Members, writer: Writer) -> None:
    """A model that thinks takes no temperature and no top_k; others take temperature or top_p, not both."""
    temperature, top_p = prompt.temperature, prompt.top_p
    if thinking.thinks:
        if temperature not in (None, 1):
            writer.lose("temperature (while thinking)")
        if prompt.top_k is not None:
            writer.lose("top_k (while thinking)")
        if top_p is not None and not 0.95 <= top_p <= 1:
            writer.lose("top_p (while thinking)")
            top_p = None
        temperature = None
    elif prompt.top_k is not None:
        body["top_k"] = prompt.top_k
    if temperature is not None:
        if temperature > 1:
            writer.lose("temperature above 1")
        body["temperature"] = min(temperature, 1)
        if top_p is not None and top_p != 1:
            writer.lose("top_p (beside temperature)")
    elif top_p is not None:
        body["top_p"] = top_p


def _rest(prompt: Prompt, body: _Members, writer: Writer) -> None:
    stops = [stop for stop in prompt.stop if stop.strip()]
    if stops:
        body["stop_sequences"] = stops
    if len(stops) < len(prompt.stop):
        writer.lose("stop (white space)")
    if prompt.service_tier:
        tier = _TIERS.get(prompt.service_tier)
        if tier is None:
            writer.lose("service_tier")
        else:
            body["service_tier"] = tier
    unsaid = {
        "seed": prompt.seed is not None,
        "presence_penalty": bool(prompt.presence_penalty),
        "frequency_penalty": bool(prompt.frequency_penalty),
        "choices": prompt.choices > 1,
        "logprobs": prompt.logprobs or prompt.top_logprobs is not None,
        "verbosity": bool(prompt.verbosity),
        "metadata": bool(prompt.metadata),
    }
    for name, said in unsaid.items():
        if said:
            writer.lose(name)
