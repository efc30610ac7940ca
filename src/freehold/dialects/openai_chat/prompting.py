"""Requests of OpenAI chat completions, written from a prompt (platform.openai.com/docs/api-reference/chat/create)."""

from typing import Any

import msgspec
from msgspec import Raw

from freehold.core.prompt import Format, Prompt, Thinking, Tool, ToolChoice
from freehold.core.request import CallPart, MediaPart, Message, Part, ReasoningPart, ResultPart, TextPart
from freehold.dialects.dialect import Written
from freehold.dialects.forms import TEXT_ARGUMENT, as_function
from freehold.dialects.hints import CACHE, SUMMARY, marked
from freehold.dialects.links import is_link
from freehold.dialects.openai_chat.details import detail_of, signed
from freehold.dialects.quirks import Quirks
from freehold.dialects.subjects import OPENAI, bounded, reference

_encode = msgspec.json.Encoder().encode
_Members = dict[str, Any]

_NO_ARGUMENTS = Raw(b'{"type":"object","properties":{}}')


def write(prompt: Prompt, *, model: str, quirks: Quirks) -> Written:
    """A request for a provider that speaks chat completions, and what it could not say."""
    writer = _Writer(quirks)
    body: _Members = {"model": model, "messages": writer.messages(prompt)}
    if prompt.stream:
        body["stream"] = True
        if quirks.stream_usage:
            body["stream_options"] = {"include_usage": True}
    if prompt.max_output_tokens is not None:
        body[quirks.max_tokens or "max_completion_tokens"] = prompt.max_output_tokens
    writer.tools(prompt, body)
    body |= {name: value for name in _SAMPLING if (value := getattr(prompt, name)) is not None}
    body |= {name: value for name in _WORDS if (value := getattr(prompt, name))}
    if prompt.stop:
        body["stop"] = list(prompt.stop)
    if prompt.choices > 1:
        body["n"] = prompt.choices
    if prompt.subject:
        body["user"] = bounded(prompt.subject, OPENAI, writer.lose)
    if prompt.thinking is not None:
        writer.thinking(prompt.thinking, body)
    if prompt.format is not None:
        body["response_format"] = _format(prompt.format)
    unsaid = {
        "top_k": prompt.top_k is not None,
        "metadata": bool(prompt.metadata),  # only with `store`
        SUMMARY: prompt.thinking is not None and bool(prompt.thinking.summary),
        CACHE: not quirks.cache_control and marked(prompt),
    }
    return Written(_encode(body), (*writer.losses, *(name for name, said in unsaid.items() if said)), writer.links)


_SAMPLING = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "top_logprobs")
_WORDS = ("logprobs", "verbosity", "service_tier")


class _Writer:
    """Writes the parts of one request; `losses` in the order in which they were met."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self.losses: dict[str, None] = {}
        self.links: tuple[MediaPart, ...] = ()

    def lose(self, what: str) -> None:
        self.losses[what] = None

    def messages(self, prompt: Prompt) -> list[_Members]:
        written: list[_Members] = []
        for message in prompt.messages:
            match message.role:
                case "assistant":
                    written.append(self._assistant(message))
                case "system":
                    written.append(self._said("system", message))
                case _:
                    written += self._user(message)
        return written

    def _said(self, role: str, message: Message) -> _Members:
        parts = [part for p in message.parts if (part := self._part(p)) is not None]
        return {"role": role, "content": _content(parts)} | ({"name": message.name} if message.name else {})

    def _user(self, message: Message) -> list[_Members]:
        """A turn of the user, with what tools said before everything else: each result is a message of its own, and
        media in it follow as the user's, since a tool's message holds text only."""
        results: list[_Members] = []
        parts: list[_Members] = []
        for part in message.parts:
            if isinstance(part, ResultPart):
                if part.error:
                    self.lose("tool_result.is_error")
                text = [self._said_by_tool(part)]
                results.append({"role": "tool", "tool_call_id": reference(part.id), "content": _content(text)})
                parts += [m for medium in part.media if (m := self._part(medium)) is not None]
            elif (written := self._part(part)) is not None:
                parts.append(written)
        if parts or not results:
            name = {"name": message.name} if message.name else {}
            results.append({"role": "user", "content": _content(parts), **name})
        return results

    def _assistant(self, message: Message) -> _Members:
        said: list[_Members] = []
        calls: list[_Members] = []
        thoughts: list[ReasoningPart] = []
        for part in message.parts:
            match part:
                case CallPart():
                    if part.cache and self._quirks.cache_control:
                        self.lose(CACHE)
                    calls.append(_call(part))
                case ReasoningPart():
                    thoughts.append(part)
                case ResultPart():
                    self.lose("tool_result of an assistant")
                case _:
                    if (one := self._part(part)) is not None:
                        said.append(one)
        written: _Members = {"role": "assistant", "content": _content(said) if said else None}
        if message.name:
            written["name"] = message.name
        if calls:
            written["tool_calls"] = calls
        self._thoughts(thoughts, written)
        return written

    def _said_by_tool(self, part: ResultPart) -> _Members:
        return {"type": "text", "text": part.text} | self._cache(part.cache)

    def _thoughts(self, thoughts: list[ReasoningPart], written: _Members) -> None:
        """Reasoning goes back where the provider takes it; what it sealed goes back as it was."""
        sealed = [(t.text, t.seal) for t in thoughts if t.seal is not None and t.seal.form == "openrouter"]
        details = [detail_of(text, seal) for text, seal in sealed]
        if len(sealed) < sum(t.seal is not None for t in thoughts):
            self.lose("reasoning signature of another dialect")
        if details:
            written["reasoning_details"] = details
        text = "".join(thought.text for thought in thoughts)
        if text and self._quirks.reasoning_back:
            written[self._quirks.reasoning_back] = text
        elif text and not details:
            self.lose("reasoning of earlier turns")

    def _part(self, part: Part) -> _Members | None:
        match part:
            case TextPart():
                if part.seal is not None:
                    self.lose("signature of a text")
                written: _Members = {"type": "text", "text": part.text}
                return written | self._cache(part.cache)
            case MediaPart():
                medium = self._medium(part)
                return None if medium is None else medium | self._cache(part.cache)
            case _:
                self.lose(f"{type(part).__name__.removesuffix('Part').lower()} in this place")
                return None

    def _cache(self, cache: str) -> _Members:
        if not cache or not self._quirks.cache_control:
            return {}
        return {"cache_control": {"type": "ephemeral"} | ({"ttl": cache} if cache != "5m" else {})}

    def _medium(self, part: MediaPart) -> _Members | None:
        if part.name and (part.kind != "file" or part.file_id):
            self.lose("file name")
        if part.kind == "image" and part.url and (self._quirks.links or not is_link(part)):
            return {
                "type": "image_url",
                "image_url": {"url": part.url} | ({"detail": part.detail} if part.detail else {}),
            }
        head, _, data = ("", "", "") if is_link(part) else part.url.partition(",")
        if part.kind == "audio" and data:
            kind = (part.media_type or head).partition("/")[2].partition(";")[0]
            return {"type": "input_audio", "input_audio": {"data": data, "format": _SOUNDS.get(kind, kind)}}
        if part.kind == "file" and (part.file_id or data):
            named: _Members = {"file_id": part.file_id} if part.file_id else {"file_data": part.url}
            return {"type": "file", "file": named if part.file_id else {"filename": part.name or "file", **named}}
        self.lose(f"{part.kind} by {'file id' if part.file_id else 'URL'}")
        self.links += (part,) if is_link(part) else ()
        return None

    def tools(self, prompt: Prompt, body: _Members) -> None:
        tools = [written for tool in prompt.tools if (written := self._tool(tool)) is not None]
        if not tools:
            return
        body["tools"] = tools
        if prompt.tool_choice is not None:
            body["tool_choice"] = _choice(prompt.tool_choice)
        if prompt.parallel_tools is not None:
            body["parallel_tool_calls"] = prompt.parallel_tools

    def _tool(self, tool: Tool) -> _Members | None:
        if tool.kind == "builtin":
            self.lose(f"tools[{tool.name}]")
            return None
        if tool.kind == "custom":
            tool, lost = as_function(tool)
            if lost:
                self.lose(lost)
        function: _Members = {"name": tool.name, "parameters": tool.schema or _NO_ARGUMENTS}
        if tool.description:
            function["description"] = tool.description
        if tool.strict is not None:
            function["strict"] = tool.strict
        return {"type": "function", "function": function} | self._cache(tool.cache)

    def thinking(self, thinking: Thinking, body: _Members) -> None:
        """OpenAI knows words only: a budget in tokens becomes the word that is nearest."""
        effort = "none" if not thinking.enabled else thinking.effort or effort_of(thinking.budget)
        if effort is not None:
            body["reasoning_effort"] = {"max": "xhigh"}.get(effort, effort)


_SOUNDS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}


def effort_of(budget: int | None) -> str | None:
    """The word for a budget of reasoning in tokens, as OpenRouter maps them."""
    if budget is None:
        return None
    if budget <= 0:
        return "none"
    return "low" if budget <= 4096 else "medium" if budget <= 16_384 else "high"


def _content(parts: list[_Members]) -> str | list[_Members]:
    """Text alone is a string, which every server takes."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts


def _call(part: CallPart) -> _Members:
    arguments = _encode({TEXT_ARGUMENT: part.arguments}).decode() if part.custom else part.arguments or "{}"
    id_ = reference(part.id)
    call: _Members = {"id": id_, "type": "function", "function": {"name": part.name, "arguments": arguments}}
    if part.seal is not None:
        call["extra_content"] = signed(part.seal)
    return call


def _choice(choice: ToolChoice) -> str | _Members:
    return {"type": "function", "function": {"name": choice.name}} if choice.mode == "named" else choice.mode


def _format(form: Format) -> _Members:
    if form.kind == "json_object" or form.schema is None:
        return {"type": "json_object"}
    schema: _Members = {"name": form.name or "answer", "schema": form.schema}
    if form.description:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    return {"type": "json_schema", "json_schema": schema}
