"""Answers of OpenAI chat completions: what a completion or one chunk of it says."""

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import Broken
from freehold.core.events import Begun, Delta, Event, Finish, FinishReason, Reasoning, Refusal, Text, ToolCall, Used
from freehold.dialects.openai_chat.errors import error_in_answer
from freehold.dialects.openai_chat.usage import GroqUsage, RawUsage, normal
from freehold.dialects.quirks import Quirks


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, object] | None = None


class _Call(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Thinking(Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: list["_Thinking"] | str | None = None


class _Said(Struct, gc=False):
    """A message or a delta. Reasoning has three spellings; content is text, or parts (Mistral)."""

    content: str | list[_Thinking] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Choice(Struct, gc=False):
    index: int | None = None
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None
    usage: RawUsage | None = None


class _Chunk(Struct, gc=False):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: RawUsage | None = None
    x_groq: GroqUsage | None = None
    error: Raw | None = None


_chunk = msgspec.json.Decoder(_Chunk, strict=False).decode

FINISHES: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "error": "error",
}


def decode(data: bytes, raw: bytes, quirks: Quirks, *, begin: bool) -> Event:
    """What one chunk (or whole completion) says. `raw`: the bytes to pass on. Broken where it is not one."""
    try:
        chunk = _chunk(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Broken(f"The provider sent something that is no chat completion: {error} ({_sample(data)})") from None
    if chunk.error is not None and bytes(chunk.error) != b"null":
        raise error_in_answer(bytes(chunk.error))
    deltas: list[Delta] = []
    if begin and (chunk.id or chunk.model):
        deltas.append(Begun(chunk.id or "", chunk.model or ""))
    content = False
    usage = chunk.usage
    for choice in chunk.choices or ():
        content = _choice(choice, deltas) or content
        usage = usage or choice.usage
    if usage is None and chunk.x_groq is not None:
        usage = chunk.x_groq.usage
    if usage is not None:
        deltas.append(Used(normal(usage, quirks)))
    return Event(tuple(deltas), raw, content)


def decode_answer(body: bytes, quirks: Quirks) -> Event:
    """A whole completion as one event."""
    return decode(body, body, quirks, begin=True)


def _choice(choice: _Choice, deltas: list[Delta]) -> bool:
    """Add what a choice says; whether that is content."""
    index = choice.index or 0
    before = len(deltas)
    said = choice.delta if choice.delta is not None else choice.message
    if said is not None:
        text = said.content
        reasoning = said.reasoning_content or said.reasoning
        if reasoning:
            deltas.append(Reasoning(reasoning, index))
        if type(text) is str:
            if text:
                deltas.append(Text(text, index))
        elif text is not None:
            _parts(text, index, deltas)
        if said.refusal:
            deltas.append(Refusal(said.refusal, index))
        for position, call in enumerate(said.tool_calls or ()):
            deltas.append(_call(call, position, index))
        if said.function_call is not None:
            deltas.append(_call(_Call(function=said.function_call), 0, index))
    if choice.finish_reason is not None:
        deltas.append(Finish(FINISHES.get(choice.finish_reason.lower(), "other"), choice.finish_reason, index))
    return len(deltas) > before


def _parts(parts: list[_Thinking], index: int, deltas: list[Delta]) -> None:
    for part in parts:
        if part.type == "thinking":
            inner = part.thinking
            text = inner if isinstance(inner, str) else "".join(p.text or "" for p in inner or ())
            if text:
                deltas.append(Reasoning(text, index))
        elif part.text:
            deltas.append(Text(part.text, index))


def _call(call: _Call, position: int, choice: int) -> ToolCall:
    function = call.function or _Function()
    arguments = function.arguments
    if isinstance(arguments, dict):
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCall(
        index=position if call.index is None else call.index,
        id=call.id or "",
        name=function.name or "",
        arguments=arguments or "",
        choice=choice,
    )


def _sample(data: bytes) -> str:
    """The beginning of what came, for a message."""
    return repr(data[:80].decode("utf-8", "replace"))
