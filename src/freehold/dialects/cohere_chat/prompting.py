"""Requests of Cohere's v2 chat, written from a prompt (docs.cohere.com/reference/chat)."""

from typing import Any

import msgspec

from freehold.core.prompt import Effort, Prompt, Tool
from freehold.core.request import CallPart, MediaPart, Message, Part, ReasoningPart, ResultPart, TextPart
from freehold.dialects.dialect import Written
from freehold.dialects.forms import TEXT_ARGUMENT, as_function, described
from freehold.dialects.hints import CACHE, marked

_Members = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_NO_ARGUMENTS: _Members = {"type": "object", "properties": {}}
BUDGETS: dict[Effort, int] = {"minimal": 512, "low": 2048, "medium": 8192, "high": 16_384, "max": 31_000}
_PENALTIES = ("presence_penalty", "frequency_penalty")


class _Writer:
    """Writes the conversation of one request; `losses` in the order in which they were met."""

    def __init__(self) -> None:
        self.losses: dict[str, None] = {}

    def lose(self, what: str) -> None:
        self.losses[what] = None

    def turns(self, message: Message) -> list[_Members]:
        if message.name:
            self.lose("messages.name")
        results = [self._result(part) for part in message.parts if isinstance(part, ResultPart)]
        rest: list[Part] = [part for part in message.parts if not isinstance(part, ResultPart)]
        if not rest:
            return results
        if message.role == "assistant" or any(isinstance(part, CallPart) for part in rest):
            return [*results, *self._assistant(rest)]
        role = "system" if message.role == "system" else "user"
        blocks = [block for part in rest if (block := self._block(part, role)) is not None]
        return [*results, *([{"role": role, "content": _plain(blocks)}] if blocks else [])]

    def _assistant(self, parts: list[Part]) -> list[_Members]:
        """A turn with calls has a plan in place of what was thought and said before them."""
        calls = [self._call(part) for part in parts if isinstance(part, CallPart)]
        blocks = [block for part in parts if (block := self._block(part, "assistant")) is not None]
        turn: _Members = {"role": "assistant"}
        if calls:
            plan: list[str] = [block.get("thinking") or block.get("text") or "" for block in blocks]
            if plan:
                turn["tool_plan"] = "\n".join(plan)
            turn["tool_calls"] = calls
        elif blocks:
            turn["content"] = _plain(blocks)
        return [turn] if len(turn) > 1 else []

    def _block(self, part: Part, role: str) -> _Members | None:
        match part:
            case TextPart(text):
                return {"type": "text", "text": text} if text else None
            case ReasoningPart(text, seal):
                if seal is not None:
                    self.lose("reasoning signature")
                return {"type": "thinking", "thinking": text} if text else None
            case MediaPart():
                return self._image(part, role)
            case _:
                return None

    def _image(self, part: MediaPart, role: str) -> _Members | None:
        if part.kind != "image" or not part.url or role != "user":
            how = " of a system message" if role == "system" else " of an assistant" if role == "assistant" else ""
            self.lose(f"{part.kind}{how or (' by file id' if part.file_id else '')}")
            return None
        if part.name:
            self.lose("file name")
        return {"type": "image_url", "image_url": {"url": part.url} | ({"detail": part.detail} if part.detail else {})}

    def _call(self, part: CallPart) -> _Members:
        if part.seal is not None:
            self.lose("signature of a tool call")
        arguments = _encode({TEXT_ARGUMENT: part.arguments}).decode() if part.custom else part.arguments or "{}"
        return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": arguments}}

    def _result(self, part: ResultPart) -> _Members:
        for medium in part.media:
            self.lose(f"{medium.kind} in a tool result")
        if part.error:
            self.lose("error of a tool result")
        return {"role": "tool", "tool_call_id": part.id, "content": part.text}


def _plain(blocks: list[_Members]) -> Any:
    """One text stands alone."""
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0]["type"] == "text" else blocks


def write(prompt: Prompt, *, model: str) -> Written:
    """A request for Cohere, and what it could not say."""
    writer = _Writer()
    body: _Members = {"model": model}
    body["messages"] = [turn for message in prompt.messages for turn in writer.turns(message)]
    _tools(prompt, body, writer)
    if prompt.stream:
        body["stream"] = True
    _sampling(prompt, body, writer)
    _thinking(prompt, body)
    if prompt.format is not None:
        form: _Members = {"type": "json_object"}
        if prompt.format.schema is not None:
            form["json_schema"] = described(prompt.format)
        body["response_format"] = form
    unsaid = {
        "parallel_tools": prompt.parallel_tools is False,
        "choices": prompt.choices > 1,
        "top_logprobs": prompt.top_logprobs is not None,
        "verbosity": bool(prompt.verbosity),
        "service_tier": prompt.service_tier not in ("", "auto", "default", "standard"),
        "subject": prompt.subject is not None,
        "metadata": bool(prompt.metadata),
        CACHE: marked(prompt),
    }
    for name, said in unsaid.items():
        if said:
            writer.lose(name)
    return Written(_encode(body), tuple(writer.losses))


def _tools(prompt: Prompt, body: _Members, writer: _Writer) -> None:
    """Tools, and what may be done with them. One that is named is offered alone, and has to be called."""
    choice = prompt.tool_choice
    listed = [one for tool in prompt.tools if (one := _tool(tool, writer)) is not None]
    if not listed:
        return
    if choice is not None and choice.mode == "named":
        listed = [one for one in listed if one["function"]["name"] == choice.name] or listed
    body["tools"] = listed
    if choice is not None and choice.mode != "auto":
        body["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"
    strict = [tool.strict for tool in prompt.tools if tool.kind == "function"]
    if strict and all(strict):
        body["strict_tools"] = True
    elif any(strict):
        writer.lose("tools.strict")


def _tool(tool: Tool, writer: _Writer) -> _Members | None:
    if tool.kind == "builtin":
        writer.lose(f"tools[{tool.name}] (builtin)")
        return None
    if tool.kind == "custom":
        tool, lost = as_function(tool)
        if lost:
            writer.lose(lost)
    function: _Members = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = _NO_ARGUMENTS if tool.schema is None else tool.schema
    return {"type": "function", "function": function}


def _sampling(prompt: Prompt, body: _Members, writer: _Writer) -> None:
    said: _Members = {
        "max_tokens": prompt.max_output_tokens,
        "temperature": prompt.temperature,
        "k": prompt.top_k,
        "seed": prompt.seed,
        "stop_sequences": list(prompt.stop) or None,
        "logprobs": prompt.logprobs or None,
    }
    if prompt.top_p is not None:
        said["p"] = min(max(prompt.top_p, 0.01), 0.99)  # its bounds
        if prompt.top_p not in (said["p"], 1):
            writer.lose("top_p outside 0.01 to 0.99")
    for name in _PENALTIES:
        value: float | None = getattr(prompt, name)
        if value is not None and not 0 <= value <= 1:
            writer.lose(f"{name} outside 0 to 1")
            value = min(max(value, 0.0), 1.0)
        said[name] = value
    body.update({name: value for name, value in said.items() if value is not None})


def _thinking(prompt: Prompt, body: _Members) -> None:
    asked = prompt.thinking
    if asked is None:
        return
    if not asked.enabled or asked.effort == "none":
        body["thinking"] = {"type": "disabled"}
        return
    budget = asked.budget or (BUDGETS[asked.effort] if asked.effort is not None else None)
    body["thinking"] = {"type": "enabled"} | ({} if budget is None else {"token_budget": budget})
