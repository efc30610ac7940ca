"""Requests of Responses, written from a prompt (platform.openai.com/docs/api-reference/responses/create).

What is translated is not kept by the provider (`store` is false): who asked in another dialect holds the conversation,
or we do. Reasoning then comes sealed, so that it can be sent back.
"""

import re
from typing import Any

import msgspec
from msgspec import Raw

from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, Part, ReasoningPart, ResultPart, TextPart
from freehold.dialects.dialect import Written
from freehold.dialects.forms import grammar
from freehold.dialects.hints import CACHE
from freehold.dialects.links import is_link
from freehold.dialects.openai_chat.prompting import effort_of
from freehold.dialects.quirks import Quirks
from freehold.dialects.subjects import OPENAI, bounded, reference

_Members = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
SEALED = "reasoning.encrypted_content"
LEAST = 16
"""Tokens of output: OpenAI takes no smaller limit."""
_REASONS = re.compile(r"(?:^|[/.])(?:o[1-9]\b|gpt-(?:[5-9]|\d\d)(?!\S*chat)|codex|computer-use)")
"""OpenAI's models that reason; others refuse to be asked for sealed reasoning."""
_NO_ARGUMENTS = Raw(b'{"type":"object","properties":{}}')


def write(prompt: Prompt, *, model: str, quirks: Quirks) -> Written:
    """A request for a provider that speaks Responses, and what it could not say."""
    writer = _Writer(quirks)
    instructions, given = writer.conversation(prompt)
    body: _Members = {"model": model}
    if instructions:
        body["instructions"] = instructions
    body["input"] = given
    writer.tools(prompt, body)
    if prompt.stream:
        body["stream"] = True
    body["store"] = False
    thinking = _thinking(prompt.thinking)
    if thinking:
        body["reasoning"] = thinking
    if (thinking and thinking.get("effort") != "none") or (prompt.thinking is None and _REASONS.search(model.lower())):
        body["include"] = [SEALED]
    if text := _text(prompt):
        body["text"] = text
    _rest(prompt, body, writer)
    return Written(_encode(body), tuple(writer.losses), writer.links)


def _rest(prompt: Prompt, body: _Members, writer: "_Writer") -> None:
    most = prompt.max_output_tokens
    if most is not None:
        body["max_output_tokens"] = max(most, LEAST)
        if most < LEAST:
            writer.lose(f"max_output_tokens below {LEAST}")
    body |= {name: value for name in _SAMPLING if (value := getattr(prompt, name)) is not None}
    if prompt.service_tier:
        body["service_tier"] = prompt.service_tier
    if prompt.subject:
        body["safety_identifier"] = bounded(prompt.subject, OPENAI, writer.lose)
    if prompt.metadata:
        body["metadata"] = prompt.metadata
    unsaid = {
        "top_k": prompt.top_k is not None,
        "stop": bool(prompt.stop),
        "seed": prompt.seed is not None,
        "presence_penalty": bool(prompt.presence_penalty),
        "frequency_penalty": bool(prompt.frequency_penalty),
        "choices": prompt.choices > 1,
        "logprobs": prompt.logprobs or prompt.top_logprobs is not None,
    }
    for name, said in unsaid.items():
        if said:
            writer.lose(name)


_SAMPLING = ("temperature", "top_p")


class _Writer:
    """Writes the items of one request; `losses` in the order in which they were met."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._calls: dict[str, bool] = {}  # by id, whether it is one of a custom tool
        self.losses: dict[str, None] = {}
        self.links: tuple[MediaPart, ...] = ()

    def lose(self, what: str) -> None:
        self.losses[what] = None

    def conversation(self, prompt: Prompt) -> tuple[str, list[_Members]]:
        """The instructions (what the system says first, where that is text), and the items."""
        first, *rest = prompt.messages
        if first.role == "system" and all(isinstance(p, TextPart) for p in first.parts):
            items = [item for message in rest for item in self._items(message)]
            if items:  # instructions alone are something to answer
                if first.name:
                    self.lose("messages.name")
                if any(isinstance(part, TextPart) and part.cache for part in first.parts):
                    self.lose(CACHE)
                return first.text, items
        return "", [item for message in prompt.messages for item in self._items(message)]

    def _items(self, message: Message) -> list[_Members]:
        if message.name:
            self.lose("messages.name")
        role = "user" if message.role == "tool" else message.role
        found: list[_Members] = []
        said: list[_Members] = []

        def close() -> None:
            if said:
                found.append(_message(role, said))
                said.clear()

        for part in message.parts:
            if isinstance(part, TextPart | MediaPart):
                if (written := self._part(part, role)) is not None:
                    said.append(written)
                if role == "assistant":
                    close()
            elif (item := self._item(part)) is not None:
                close()
                found.append(item)
        close()
        return found

    def _part(self, part: TextPart | MediaPart, role: str) -> _Members | None:
        if isinstance(part, TextPart):
            if part.seal is not None:
                self.lose("signature of a text")
            return {"type": "input_text", "text": part.text} | self._cache(part.cache, role)
        if role == "assistant":
            self.lose(f"{part.kind} of an assistant")
            return None
        medium = self._medium(part)
        return None if medium is None else medium | self._cache(part.cache, role)

    def _cache(self, cache: str, role: str) -> _Members:
        if not cache:
            return {}
        if role == "assistant" or not self._quirks.cache_control:
            self.lose(CACHE)
            return {}
        return {"prompt_cache_breakpoint": {"mode": "explicit"} | ({"ttl": "12h"} if cache == "1h" else {})}

    def _medium(self, part: MediaPart) -> _Members | None:
        if part.kind == "audio":
            self.lose("audio")
            return None
        if not (part.url or part.file_id):
            self.lose(f"{part.kind} without content")
            return None
        inline = part.url.startswith("data:") and not part.file_id
        if part.name and (part.kind == "image" or not inline):
            self.lose("file name")
        if is_link(part) and not self._quirks.links:
            self.lose(f"{part.kind} by URL")
            self.links += (part,)
            return None
        if part.kind == "image":
            where = {"file_id": part.file_id} if part.file_id else {"image_url": part.url}
            return {"type": "input_image", "detail": part.detail or "auto", **where}
        if part.file_id:
            return {"type": "input_file", "file_id": part.file_id}
        if not inline:
            return {"type": "input_file", "file_url": part.url}
        return {"type": "input_file", "filename": part.name or "file", "file_data": part.url}

    def _item(self, part: Part) -> _Members | None:
        match part:
            case CallPart():
                return self._call(part)
            case ResultPart():
                return self._result(part)
            case ReasoningPart():
                return self._reasoning(part)
            case _:
                return None

    def _call(self, part: CallPart) -> _Members:
        if part.seal is not None:
            self.lose("signature of a tool call")
        if part.cache:
            self.lose(CACHE)
        self._calls[part.id] = part.custom
        id_ = reference(part.id)
        if part.custom:
            return {"type": "custom_tool_call", "call_id": id_, "name": part.name, "input": part.arguments}
        arguments = part.arguments or "{}"
        return {"type": "function_call", "call_id": id_, "name": part.name, "arguments": arguments}

    def _result(self, part: ResultPart) -> _Members:
        if part.error:
            self.lose("tool_result.is_error")
        kind = "custom_tool_call_output" if self._calls.get(part.id) else "function_call_output"
        if part.cache or any(medium.cache for medium in part.media):
            self.lose(CACHE)
        output: str | list[_Members] = part.text
        media = [one for medium in part.media if (one := self._medium(medium)) is not None]
        if media:
            output = [*([{"type": "input_text", "text": part.text}] if part.text else []), *media]
        return {"type": kind, "call_id": reference(part.id), "output": output}

    def _reasoning(self, part: ReasoningPart) -> _Members | None:
        """What its own provider sealed; without a seal only where the provider wants its reasoning again."""
        seal = part.seal
        if seal is not None and seal.form == "openai":
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            named = {"id": seal.id} if seal.id else {}
            return {"type": "reasoning", **named, "summary": summary, "encrypted_content": seal.data}
        if part.text and self._quirks.reasoning_back:
            return {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": part.text}]}
        self.lose("reasoning of earlier turns")
        return None

    def tools(self, prompt: Prompt, body: _Members) -> None:
        tools = [written for tool in prompt.tools if (written := self._tool(tool)) is not None]
        if not tools:
            return
        body["tools"] = tools
        if prompt.tool_choice is not None:
            body["tool_choice"] = _choice(prompt.tool_choice, prompt.tools)
        if prompt.parallel_tools is not None:
            body["parallel_tool_calls"] = prompt.parallel_tools

    def _tool(self, tool: Tool) -> _Members | None:
        if tool.kind == "builtin":
            self.lose(f"tools[{tool.name}] (builtin)")
            return None
        if tool.cache:
            self.lose(CACHE)
        described = {"description": tool.description} if tool.description else {}
        if tool.kind == "custom":
            return {"type": "custom", "name": tool.name, **described, **_grammar(tool.original)}
        # strict unless it is said not to be: elsewhere a schema is not
        schema = tool.schema or _NO_ARGUMENTS
        strict = tool.strict is True
        return {"type": "function", "name": tool.name, **described, "parameters": schema, "strict": strict}


def _message(role: str, parts: list[_Members]) -> _Members:
    """Text alone is a string, which every server takes; what an assistant says is nothing else."""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return {"role": role, "content": parts[0]["text"]}
    return {"role": role, "content": list(parts)}


def _grammar(original: Raw | None) -> _Members:
    """The form of the text that a custom tool takes."""
    rules = grammar(original)
    if not rules:
        return {}
    return {"format": {"type": "grammar", "syntax": rules.get("syntax"), "definition": rules.get("definition")}}


def _choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> str | _Members:
    if choice.mode != "named":
        return choice.mode
    custom = any(tool.kind == "custom" and tool.name == choice.name for tool in tools)
    return {"type": "custom" if custom else "function", "name": choice.name}


def _thinking(asked: Thinking | None) -> _Members:
    """Words only: a budget in tokens becomes the word that is nearest."""
    if asked is None:
        return {}
    effort = "none" if not asked.enabled else asked.effort or effort_of(asked.budget)
    said: _Members = {} if effort is None else {"effort": {"max": "xhigh"}.get(effort, effort)}
    return said | ({"summary": asked.summary} if asked.summary else {})


def _text(prompt: Prompt) -> _Members:
    said: _Members = {} if prompt.format is None else {"format": _format(prompt.format)}
    return said | ({"verbosity": prompt.verbosity} if prompt.verbosity else {})


def _format(form: Format) -> _Members:
    if form.kind == "json_object" or form.schema is None:
        return {"type": "json_object"}
    said: _Members = {"type": "json_schema", "name": form.name or "answer", "schema": form.schema}
    if form.description:
        said["description"] = form.description
    if form.strict is not None:
        said["strict"] = form.strict
    return said
