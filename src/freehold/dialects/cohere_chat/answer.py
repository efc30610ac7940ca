"""Answers of Cohere's v2 chat: what a whole answer, or one event of a stream, says (docs.cohere.com/v2/docs/streaming).

What is planned before tools are called is reasoning. Citations have no counterpart elsewhere: their bytes pass to
callers of this dialect.
"""

from typing import Any

import msgspec
from msgspec import Struct

from freehold.core.errors import Broken, ProviderError
from freehold.core.events import Begun, Delta, Event, Finish, FinishReason, Reasoning, Text, ToolCall, Used
from freehold.core.usage import Usage
from freehold.dialects.openai_chat.errors import error_in_answer
from freehold.dialects.openai_chat.loose import items, members, number, word
from freehold.dialects.sse import Frames

REASONS: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "length",
    "TIMEOUT": "error",
}
MOST = 2**53
"""A larger count is no measurement."""
_NULL = "null"
"""What some models write for no arguments."""


class _Said(Struct, gc=False):
    """An event of a stream."""

    type: Any = None
    id: Any = None
    index: Any = None
    delta: Any = None


_said = msgspec.json.Decoder(_Said).decode
_value = msgspec.json.Decoder().decode


class Reader:
    """Reads one answer, whole or event by event."""

    __slots__ = ("_held", "_spoken", "error", "finished")

    def __init__(self) -> None:
        self._held: dict[int, str] = {}  # arguments that may yet be none, by call
        self._spoken: set[int] = set()  # calls that have arguments
        self.finished = False
        self.error: ProviderError | None = None

    def read(self, data: bytes, raw: bytes) -> Event:
        """What one event says; `raw` are the bytes to pass on. Broken where it is not one."""
        try:
            said = _said(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Broken(f"The provider sent something that is no event of an answer: {error}") from None
        kind = said.type
        delta = members(said.delta)
        if kind == "message-end":
            return self._end(delta, raw)
        if kind is None:
            self.error = error_in_answer(data)
            return Event(())
        if kind == "message-start":
            return Event((Begun(word(said.id)),), raw)
        message = members(delta.get("message"))
        index = number(said.index) or 0
        if kind in ("content-delta", "content-start"):
            deltas = _content(members(message.get("content")), index)
            return Event(deltas, raw, bool(deltas))
        if kind == "tool-plan-delta":
            plan = word(message.get("tool_plan"))
            return Event((Reasoning(plan),) if plan else (), raw, bool(plan))
        if kind in ("tool-call-start", "tool-call-delta"):
            return self._call(members(message.get("tool_calls")), index, raw, start=kind == "tool-call-start")
        if kind == "tool-call-end":
            self._held.pop(index, None)
            deltas = () if index in self._spoken else (ToolCall(index, arguments="{}"),)
            return Event(deltas, raw, True)
        return Event((), raw, kind == "citation-start")

    def _call(self, call: dict[str, Any], index: int, raw: bytes, *, start: bool) -> Event:
        function = members(call.get("function"))
        piece = word(function.get("arguments"))
        if index not in self._spoken:
            piece = self._held.pop(index, "") + piece
            if _NULL.startswith(piece):
                self._held[index], piece = piece, ""
        if piece:
            self._spoken.add(index)
        if start:
            return Event((ToolCall(index, word(call.get("id")), word(function.get("name")), piece),), raw, True)
        return Event((ToolCall(index, arguments=piece),) if piece else (), raw, True)

    def _end(self, delta: dict[str, Any], raw: bytes) -> Event:
        self.finished = True
        said = word(delta.get("finish_reason"))
        if told := word(delta.get("error")):
            self.error = Broken(f"The provider failed in the middle of its answer: {told[:500]}")
            return Event(())
        deltas: list[Delta] = [Finish(REASONS.get(said, "other"), said)]
        if (usage := normal(delta.get("usage"))) is not None:
            deltas.append(Used(usage))
        return Event(tuple(deltas), raw, True)


def _content(block: dict[str, Any], index: int) -> tuple[Delta, ...]:
    """What a piece of a block says."""
    if text := word(block.get("text")):
        return (Text(text),)
    if thought := word(block.get("thinking")):
        return (Reasoning(thought, block=index),)
    return ()


def normal(raw: object) -> Usage | None:
    """The normal form of a usage object; None where it is none. Cohere charges for less than it counts: what it puts
    around a prompt is free."""
    usage = members(raw)
    tokens, billed = members(usage.get("tokens")), members(usage.get("billed_units"))
    if not tokens and not billed:
        return None
    images = _count(tokens.get("image_tokens"))
    paid, paid_output = _count(billed.get("input_tokens")), _count(billed.get("output_tokens"))
    whole = (_count(tokens.get("input_tokens")) + images) if tokens else paid
    output = _count(tokens.get("output_tokens")) if tokens else paid_output
    return Usage(
        input_tokens=whole,
        output_tokens=output,
        cache_read_tokens=min(_count(usage.get("cached_tokens")), whole),
        input_image_tokens=images,
        reasoning_tokens=min(_count(tokens.get("reasoning_tokens")), output),
        free_input_tokens=max(whole - paid, 0) if "input_tokens" in billed else 0,
        free_output_tokens=max(output - paid_output, 0) if "output_tokens" in billed else 0,
    )


def _count(value: object) -> int:
    """A count; they are written as numbers of any kind."""
    if isinstance(value, float) and 0 < value < MOST:
        return int(value)
    count = number(value) or 0
    return count if 0 < count < MOST else 0


def decode_answer(body: bytes) -> Event:
    """A whole answer as one event."""
    try:
        value: Any = _value(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Broken(f"The provider sent something that is no answer: {error} ({body[:80]!r})") from None
    answer = members(value)
    if not isinstance(answer.get("message"), dict):
        if answer.get("message"):
            raise error_in_answer(body)
        raise Broken("The provider sent an answer without a message", body=body)
    message = members(answer["message"])
    deltas: list[Delta] = [Begun(word(answer.get("id")))]
    if plan := word(message.get("tool_plan")):
        deltas.append(Reasoning(plan))
    for index, block in enumerate(map(members, items(message.get("content")))):
        deltas += _content(block, index)
    for index, call in enumerate(map(members, items(message.get("tool_calls")))):
        function = members(call.get("function"))
        arguments = word(function.get("arguments"))
        arguments = "{}" if arguments.strip() in ("", _NULL) else arguments
        deltas.append(ToolCall(index, word(call.get("id")), word(function.get("name")), arguments))
    said = word(answer.get("finish_reason"))
    deltas.append(Finish(REASONS.get(said, "other"), said))
    if (usage := normal(answer.get("usage"))) is not None:
        deltas.append(Used(usage))
    return Event(tuple(deltas), body, True)


class StreamDecoder:
    """Reads one stream. It is whole when `message-end` has come.

    What a piece says before it breaks is given out; the error follows with the next piece or the end. It stands in
    `error` at once.
    """

    __slots__ = ("_frames", "_reader", "error")

    def __init__(self) -> None:
        self._frames = Frames()
        self._reader = Reader()
        self.error: ProviderError | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """What has become whole; a ProviderError where it is broken or an error."""
        if self.error is not None:
            raise self.error
        events: list[Event] = []
        reader = self._reader
        try:
            for raw, data in self._frames.feed(piece):
                if data[:1] != b"{":
                    if data.strip() not in (b"", b"[DONE]"):
                        raise Broken(f"The provider sent something that is no event of an answer: {data[:80]!r}")
                    events.append(Event((), raw))
                    continue
                event = reader.read(data, raw)
                if reader.error is not None:
                    raise reader.error
                events.append(event)
        except ProviderError as error:
            self.error = error
            if not events:
                raise
        return events

    def finish(self) -> list[Event]:
        """The connection has nothing more; Broken where the answer is cut."""
        events: list[Event] = []
        if self.error is None and not self._reader.finished and self._frames.rest().strip():
            events = self.feed(b"\n\n")  # a last frame without its blank line
        if self.error is not None:
            raise self.error
        if not self._reader.finished:
            raise Broken("The provider broke off in the middle of its answer")
        return events
