"""Answers of Ollama's own API: one JSON object, or one for each line of a stream, the last of which says `done`."""

from typing import Any

import msgspec
from msgspec import Struct

from freehold.core.errors import Broken, ProviderError
from freehold.core.events import Begun, Delta, Event, Finish, FinishReason, Reasoning, Text, ToolCall, Used
from freehold.core.usage import Usage
from freehold.dialects.openai_chat.errors import error_in_answer
from freehold.dialects.openai_chat.loose import members, number, word

MOST_LINE = 8 * 1024 * 1024
_FINISHES: dict[str, FinishReason] = {"stop": "stop", "length": "length", "": "stop"}


class _Call(Struct, gc=False):
    id: Any = None
    function: Any = None


class _Said(Struct, gc=False):
    content: Any = None
    thinking: Any = None
    tool_calls: list[_Call] | None = None


class _Chunk(Struct, gc=False):
    model: Any = None
    message: _Said | None = None
    response: Any = None
    thinking: Any = None
    done: Any = None
    done_reason: Any = None
    prompt_eval_count: Any = None
    eval_count: Any = None
    error: Any = None


_chunk = msgspec.json.Decoder(_Chunk).decode
_encode = msgspec.json.Encoder().encode


class Reader:
    """Reads one answer, whole or line by line."""

    __slots__ = ("_begun", "_calls", "done")

    def __init__(self) -> None:
        self._begun = False
        self._calls = 0
        self.done = False

    def read(self, data: bytes, raw: bytes) -> Event:
        """What one object says; `raw` are the bytes to pass on. A ProviderError where it is an error or no answer."""
        try:
            chunk = _chunk(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Broken(f"The provider sent something that is no answer of Ollama: {error}") from None
        if chunk.error is not None or (chunk.message is None and chunk.response is None and chunk.done is None):
            raise error_in_answer(data)
        deltas: list[Delta] = []
        if not self._begun:
            self._begun = True
            deltas.append(Begun("", word(chunk.model)))
        before = len(deltas)
        self._said(chunk, deltas)
        if chunk.done is True:
            self.done = True
            reason = "tool_calls" if self._calls else _FINISHES.get(word(chunk.done_reason), "other")
            deltas.append(Finish(reason, word(chunk.done_reason)))
            given, made = number(chunk.prompt_eval_count), number(chunk.eval_count)
            if given is not None or made is not None:
                deltas.append(Used(Usage(input_tokens=given or 0, output_tokens=made or 0)))
        return Event(tuple(deltas), raw, len(deltas) > before)

    def _said(self, chunk: _Chunk, deltas: list[Delta]) -> None:
        said = chunk.message or _Said(chunk.response, chunk.thinking)
        if said.thinking and isinstance(said.thinking, str):
            deltas.append(Reasoning(said.thinking))
        if said.content and isinstance(said.content, str):
            deltas.append(Text(said.content))
        for call in said.tool_calls or ():
            function = members(call.function)
            arguments: Any = function.get("arguments")
            text = arguments if isinstance(arguments, str) else _encode(arguments or {}).decode()
            id_ = word(call.id) or f"call_{self._calls}"
            deltas.append(ToolCall(self._calls, id_, word(function.get("name")), text))
            self._calls += 1


def decode_answer(body: bytes) -> Event:
    """A whole answer as one event."""
    return Reader().read(body, body)


class StreamDecoder:
    """Reads one stream: an object a line. It is whole when one of them said `done`."""

    __slots__ = ("_reader", "_rest", "error")

    def __init__(self) -> None:
        self._reader = Reader()
        self._rest = b""
        self.error: ProviderError | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """What has become whole; a ProviderError where it is broken or an error."""
        if self.error is not None:
            raise self.error
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > MOST_LINE:
            raise Broken(f"The provider sent a line larger than {MOST_LINE} bytes")
        events: list[Event] = []
        try:
            for line in lines:
                if line.strip() and not self._reader.done:
                    events.append(self._reader.read(line, line + b"\n"))
        except ProviderError as error:
            self.error = error
            if not events:
                raise
        return events

    def finish(self) -> list[Event]:
        """The connection has nothing more; Broken where the answer is cut."""
        events = self.feed(b"\n") if self.error is None and self._rest.strip() else []
        if self.error is not None:
            raise self.error
        if not self._reader.done:
            raise Broken("The provider broke off in the middle of its answer")
        return events
