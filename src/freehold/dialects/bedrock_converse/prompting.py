"""Requests of Converse, written from a prompt (docs.aws.amazon.com, API_runtime_Converse)."""

import re
from typing import Any, cast

import msgspec

from freehold.core.prompt import Format, Prompt, Tool, ToolChoice
from freehold.core.request import CallPart
from freehold.dialects.anthropic_messages.schemas import closed
from freehold.dialects.bedrock_converse.blocks import Writer
from freehold.dialects.bedrock_converse.makers import Extra, Maker, extra, maker
from freehold.dialects.dialect import Written
from freehold.dialects.forms import as_function
from freehold.dialects.hints import CACHE, HOUR, MANY
from freehold.dialects.openai_chat.loose import members

_Members = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_NO_ARGUMENTS: _Members = {"type": "object", "properties": {}}
_TIERS = {"default": "default", "standard": "default", "flex": "flex", "priority": "priority", "reserved": "reserved"}
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}")
MOST_METADATA = 16
MOST_POINTS = 4
"""Points for caching in one request."""


def write(prompt: Prompt, *, model: str) -> Written:
    """A request for Bedrock, and what it could not say. Model and stream stand in the path."""
    who = maker(model)
    writer = Writer(who)
    system, messages = writer.conversation(prompt)
    body: _Members = {"messages": messages}
    if system:
        body["system"] = system
    tools = _tool_config(prompt, who, writer)
    if tools:
        body["toolConfig"] = tools
    forced = bool({"any", "tool"} & members(tools.get("toolChoice")).keys())
    more = extra(prompt, model, who, forced=forced)
    for loss in more.losses:
        writer.lose(loss)
    if inference := _inference(prompt, more, who, writer):
        body["inferenceConfig"] = inference
    if more.fields:
        body["additionalModelRequestFields"] = more.fields
    if prompt.format is not None and (form := _format(prompt.format, writer)) is not None:
        body["outputConfig"] = {"textFormat": form}
    _rest(prompt, body, writer)
    _bounded(body, writer)
    return Written(_encode(body), tuple(writer.losses), writer.links)


def _tool_config(prompt: Prompt, who: Maker, writer: Writer) -> _Members:
    """Tools and the choice among them. They have to be there where the conversation holds calls; and where they are,
    nobody can say that none may be called."""
    calls = [p for message in prompt.messages for p in message.parts if isinstance(p, CallPart)]
    choice = prompt.tool_choice
    listed = [block for tool in prompt.tools for block in _tool(tool, who, writer)]
    if choice is not None and choice.mode == "none" and listed:
        if not calls:
            writer.lose("tools (none may be called)")
            return {}
        writer.lose("tool_choice (none)")
    if not listed:
        names = dict.fromkeys(call.name for call in calls)
        listed = [{"toolSpec": {"name": name, "inputSchema": {"json": _NO_ARGUMENTS}}} for name in names]
        return {"tools": listed} if listed else {}
    if prompt.parallel_tools is False:
        writer.lose("parallel_tools")
    said = _choice(choice)
    return {"tools": listed} | ({"toolChoice": said} if said else {})


def _tool(tool: Tool, who: Maker, writer: Writer) -> list[_Members]:
    """A function, which stands for a tool of plain text too. Of one that another provider runs there is none."""
    if tool.kind == "builtin":
        original: Any = None if tool.original is None else _decode(tool.original)
        if "systemTool" in members(original):
            return [members(original)]
        writer.lose(f"tools[{tool.name}] (builtin)")
        return []
    if tool.kind == "custom":
        tool, lost = as_function(tool)
        if lost:
            writer.lose(lost)
    spec: _Members = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    schema: Any = _NO_ARGUMENTS if tool.schema is None else _decode(tool.schema)
    if isinstance(schema, dict) and "type" not in schema:
        schema = {"type": "object"} | members(cast("object", schema))
    spec["inputSchema"] = {"json": schema}
    if tool.strict:
        spec["strict"] = True
    if tool.cache and not who.claude:
        writer.lose(CACHE)
    return writer.marked({"toolSpec": spec}, tool.cache if who.claude else "")


def _choice(choice: ToolChoice | None) -> _Members:
    match choice:
        case ToolChoice("auto"):
            return {"auto": {}}
        case ToolChoice("required"):
            return {"any": {}}
        case ToolChoice("named", name):
            return {"tool": {"name": name}}
        case _:
            return {}


def _inference(prompt: Prompt, more: Extra, who: Maker, writer: Writer) -> _Members:
    said: _Members = {}
    if more.most:  # none where it is 0, which says nothing
        said["maxTokens"] = more.most
    temperature, top_p = prompt.temperature, prompt.top_p
    if who.claude:
        temperature, top_p = _claudes(temperature, top_p, more, writer)
    if temperature is not None:
        if temperature > 1:
            writer.lose("temperature above 1")
        said["temperature"] = min(temperature, 1)
    if top_p is not None:
        said["topP"] = top_p
    stops = [stop for stop in prompt.stop if stop.strip() or (stop and not who.claude)]
    if len(stops) < len(prompt.stop):
        writer.lose("stop (white space)")
    if stops:
        said["stopSequences"] = stops
    return said


def _claudes(
    temperature: float | None, top_p: float | None, more: Extra, writer: Writer
) -> tuple[float | None, float | None]:
    """A Claude that thinks takes no temperature; others take temperature or top_p, not both."""
    if more.thinks:
        if temperature not in (None, 1):
            writer.lose("temperature (while thinking)")
        if top_p is not None and not 0.95 <= top_p <= 1:
            writer.lose("top_p (while thinking)")
            top_p = None
        return None, top_p
    if temperature is not None and top_p is not None:
        if top_p != 1:
            writer.lose("top_p (beside temperature)")
        return temperature, None
    return temperature, top_p


def _format(form: Format, writer: Writer) -> _Members | None:
    """The schema of the answer, which stands in a string."""
    if form.kind != "json_schema" or form.schema is None:
        writer.lose("format (json_object)")
        return None
    schema, dropped = closed(_decode(form.schema))
    for word in dropped:
        writer.lose(f"format.schema.{word}")
    said: _Members = {"schema": _encode(schema).decode(), "name": form.name or "answer"}
    if form.description:
        said["description"] = form.description
    return {"type": "json_schema", "structure": {"jsonSchema": said}}


def _rest(prompt: Prompt, body: _Members, writer: Writer) -> None:
    if prompt.service_tier and prompt.service_tier != "auto":
        tier = _TIERS.get(prompt.service_tier)
        if tier is None:
            writer.lose("service_tier")
        else:
            body["serviceTier"] = {"type": tier}
    fit = {n: v for n, v in prompt.metadata.items() if _METADATA.fullmatch(n) and (not v or _METADATA.fullmatch(v))}
    kept = dict(list(fit.items())[:MOST_METADATA])
    if kept:
        body["requestMetadata"] = kept
    unsaid = {
        "seed": prompt.seed is not None,
        "presence_penalty": bool(prompt.presence_penalty),
        "frequency_penalty": bool(prompt.frequency_penalty),
        "choices": prompt.choices > 1,
        "logprobs": prompt.logprobs or prompt.top_logprobs is not None,
        "verbosity": bool(prompt.verbosity),
        "metadata": len(kept) < len(prompt.metadata),
        "subject": prompt.subject is not None,
    }
    for name, said in unsaid.items():
        if said:
            writer.lose(name)


def _bounded(body: _Members, writer: Writer) -> None:
    """Take away the points for caching that are too many, in place: the first stays, for what is shared, and the last
    three; and none is for an hour after one for five minutes."""
    lists: list[list[_Members]] = [members(body.get("toolConfig")).get("tools", []), body.get("system", [])]
    lists += [turn["content"] for turn in body["messages"]]
    points = [block for blocks in lists for block in blocks if "cachePoint" in block]
    if len(points) > MOST_POINTS:
        writer.lose(MANY)
        gone = {id(point) for point in points[1 : 1 - MOST_POINTS]}
        for blocks in lists:
            blocks[:] = [block for block in blocks if id(block) not in gone]
        points = [points[0], *points[1 - MOST_POINTS :]]
    short = False
    for point in points:
        mark = point["cachePoint"]
        if short and mark.pop("ttl", None) is not None:
            writer.lose(HOUR)
        short = short or "ttl" not in mark
