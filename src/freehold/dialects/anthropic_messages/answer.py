"""Answers of Messages: what a message, or one event of a stream, says.

A block that has no counterpart elsewhere (what a tool of the provider's own did) says nothing in our words; its bytes
pass to callers of this dialect.
"""

from typing import Any

import msgspec
from msgspec import Struct

from freehold.core.errors import Broken, ProviderError
from freehold.core.events import Begun, Delta, Event, Finish, Reasoning, Text, ToolCall, Used
from freehold.core.seal import Seal
from freehold.dialects.anthropic_messages.errors import error_in_answer
from freehold.dialects.anthropic_messages.stops import reason
from freehold.dialects.anthropic_messages.usage import normal
from freehold.dialects.openai_chat.loose import items, members, number, word
from freehold.dialects.strict_json import sample

_encode = msgspec.json.Encoder().encode


class _Delta(Struct, gc=False):
    type: Any = None
    text: Any = None
    partial_json: Any = None
    thinking: Any = None
    signature: Any = None
    stop_reason: Any = None


class _Said(Struct, gc=False):
    """An event of a stream; or a message, which is whole."""

    type: Any = None
    index: Any = None
    delta: _Delta | None = None
    content_block: Any = None
    message: Any = None
    usage: Any = None
    error: Any = None


_said = msgspec.json.Decoder(_Said).decode
_value = msgspec.json.Decoder().decode
_UNSPOKEN = frozenset({"text", "thinking"})
"""Blocks that say nothing by beginning."""


class _Block:
    """An open block of a stream. `at` counts its thought or call; `said`: its call has arguments."""

    __slots__ = ("at", "kind", "said")

    def __init__(self, kind: str, at: int) -> None:
        self.kind = kind
        self.at = at
        self.said = False


class Reader:
    """Reads one answer, whole or event by event. `error` is the one that an event was."""

    __slots__ = ("_blocks", "_calls", "_thoughts", "_usage", "ended", "error", "finished")

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._thoughts = 0
        self._usage: dict[str, Any] = {}
        self.ended = False  # the last event has come
        self.finished = False  # the reason why it ended has come
        self.error: ProviderError | None = None

    def read(self, data: bytes, raw: bytes) -> Event:
        """What one event says; `raw` are the bytes to pass on. Broken where it is not one."""
        try:
            said = _said(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Broken(
                f"The provider sent something that is no event of a message: {error} ({sample(data)})"
            ) from None
        kind = said.type
        if kind == "content_block_delta":
            return self._delta(said, raw)
        if kind == "content_block_start":
            return self._start(said, raw)
        if kind == "content_block_stop":
            return self._stop(said, raw)
        if kind == "message_delta":
            return self._end(said, raw)
        if kind == "message_start":
            message = members(said.message)
            deltas: list[Delta] = [Begun(word(message.get("id")), word(message.get("model")))]
            self._used(message.get("usage"), deltas)
            return Event(tuple(deltas), raw)
        if kind == "message_stop":
            self.ended = True
            return Event((), raw)
        if kind == "message":
            return self.whole(_value(data), raw)
        if kind == "error" or said.error:
            self.error = error_in_answer(data)
            return Event(())
        return Event((), raw)

    def _delta(self, said: _Said, raw: bytes) -> Event:
        delta = said.delta
        if delta is None:
            return Event((), raw)
        kind = delta.type
        if kind == "text_delta":
            text = delta.text
            return Event((Text(text),), raw, True) if text and type(text) is str else Event((), raw, True)
        block = self._blocks.get(number(said.index) or 0)
        deltas: tuple[Delta, ...] = ()
        if kind == "input_json_delta":
            piece = delta.partial_json
            if block is not None and block.kind == "tool_use" and piece and type(piece) is str:
                block.said = True
                deltas = (ToolCall(block.at, arguments=piece),)
        elif kind == "thinking_delta" and delta.thinking:
            deltas = (Reasoning(word(delta.thinking), block=0 if block is None else block.at),)
        elif kind == "signature_delta" and delta.signature:
            seal = Seal("anthropic", word(delta.signature))
            deltas = (Reasoning("", seal=seal, block=0 if block is None else block.at),)
        return Event(deltas, raw, True)

    def _start(self, said: _Said, raw: bytes) -> Event:
        block = members(said.content_block)
        kind = word(block.get("type"))
        at = self._calls if kind == "tool_use" else self._thoughts
        opened = self._blocks[number(said.index) or 0] = _Block(kind, at)
        deltas = self._block(block, opened, whole=False)
        return Event(tuple(deltas), raw, bool(deltas) or kind not in _UNSPOKEN)

    def _stop(self, said: _Said, raw: bytes) -> Event:
        """A call that was given no arguments has an empty object of them."""
        block = self._blocks.pop(number(said.index) or 0, None)
        if block is None or block.kind != "tool_use" or block.said:
            return Event((), raw)
        return Event((ToolCall(block.at, arguments="{}"),), raw, True)

    def _end(self, said: _Said, raw: bytes) -> Event:
        deltas: list[Delta] = []
        stop = None if said.delta is None else said.delta.stop_reason
        if stop is not None:
            self.finished = True
            deltas.append(Finish(reason(stop), word(stop)))
        self._used(said.usage, deltas)
        return Event(tuple(deltas), raw, stop is not None)

    def _used(self, usage: Any, deltas: list[Delta]) -> None:
        """Counts so far: each event repeats some of them, and those that it leaves out still hold."""
        self._usage |= {name: value for name, value in members(usage).items() if value is not None}
        if self._usage and (used := normal(self._usage)) is not None:
            deltas.append(Used(used))

    def _block(self, block: dict[str, Any], opened: _Block, *, whole: bool) -> list[Delta]:
        """What a block says by itself."""
        match opened.kind:
            case "text" if text := word(block.get("text")):
                return [Text(text)]
            case "thinking":
                self._thoughts += 1
                signature, text = word(block.get("signature")), word(block.get("thinking"))
                seal = Seal("anthropic", signature) if signature else None
                return [Reasoning(text, seal=seal, block=opened.at)] if text or seal else []
            case "redacted_thinking":
                self._thoughts += 1
                seal = Seal("anthropic", word(block.get("data")), redacted=True)
                return [Reasoning("", seal=seal, block=opened.at)]
            case "tool_use":
                self._calls += 1
                given: Any = block.get("input")
                opened.said = bool(given)
                arguments = _encode(given).decode() if given else "{}" if whole else ""
                return [ToolCall(opened.at, word(block.get("id")), word(block.get("name")), arguments)]
            case _:
                return []

    def whole(self, value: Any, raw: bytes) -> Event:
        """What a whole message says."""
        message = members(value)
        deltas: list[Delta] = [Begun(word(message.get("id")), word(message.get("model")))]
        for block in map(members, items(message.get("content"))):
            kind = word(block.get("type"))
            at = self._calls if kind == "tool_use" else self._thoughts
            deltas += self._block(block, _Block(kind, at), whole=True)
        stop = message.get("stop_reason")
        if stop is not None:
            deltas.append(Finish(reason(stop), word(stop)))
        elif any(type(delta) is ToolCall for delta in deltas):
            deltas.append(Finish("tool_calls"))
        else:
            deltas.append(Finish("stop"))
        self._used(message.get("usage"), deltas)
        self.ended = self.finished = True
        return Event(tuple(deltas), raw, True)


def decode_answer(body: bytes) -> Event:
    """A whole message as one event."""
    try:
        value: Any = _value(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Broken(f"The provider sent something that is no message: {error} ({sample(body)})") from None
    message = members(value)
    if message.get("type") == "error" or message.get("error"):
        raise error_in_answer(body)
    if not isinstance(message.get("content"), list):
        raise Broken("The provider sent an answer without content", body=body)
    return Reader().whole(message, body)
