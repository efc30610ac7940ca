"""Answers of Responses: what a response, or one event of a stream, says.

An item that has no counterpart elsewhere (what a tool of the provider's own did) says nothing in our words; its bytes
pass to callers of this dialect.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import Broken, ProviderError
from freehold.core.events import Begun, Delta, Event, Finish, FinishReason, Reasoning, Refusal, Text, ToolCall, Used
from freehold.core.seal import Seal
from freehold.dialects.openai_chat.loose import items, members, number, word
from freehold.dialects.openai_responses.errors import error_in_answer, failure
from freehold.dialects.openai_responses.usage import normal
from freehold.dialects.quirks import Quirks
from freehold.dialects.strict_json import sample


class _Said(Struct, gc=False):
    """An event of a stream; or a response, which is whole."""

    type: Any = None
    delta: Any = None
    output_index: Any = None
    summary_index: Any = None
    item: Raw = Raw()
    response: Raw = Raw()
    object: Any = None
    error: Any = None
    arguments: Any = None
    input: Any = None


_said = msgspec.json.Decoder(_Said).decode
_value = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_QUIET = frozenset({"message", "reasoning"})
"""Items that say nothing by beginning."""
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_REASONS: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_BETWEEN = "\n\n"
"""What stands between the parts of a summary."""


class _Item:
    """An item that has begun. `at` counts its thought or call; `said`: its words have come."""

    __slots__ = ("at", "kind", "parts", "said")

    def __init__(self, kind: str, at: int) -> None:
        self.kind = kind
        self.at = at
        self.said = False
        self.parts = 0


class Reader:
    """Reads one answer, whole or event by event. `error` is the one that an event was."""

    __slots__ = ("_begun", "_calls", "_items", "_quirks", "_thoughts", "ended", "error")

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._items: dict[int, _Item] = {}
        self._begun = False
        self._calls = 0
        self._thoughts = 0
        self.ended = False  # the last event has come
        self.error: ProviderError | None = None

    def read(self, data: bytes, raw: bytes) -> Event:
        """What one event says; `raw` are the bytes to pass on. Broken where it is not one."""
        try:
            said = _said(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Broken(
                f"The provider sent something that is no event of a response: {error} ({sample(data)})"
            ) from None
        kind = said.type
        if kind == "response.output_text.delta":
            text = said.delta
            item = self._at(said)
            if item is not None:
                item.said = True
            return Event((Text(text),), raw, True) if text and type(text) is str else Event((), raw, True)
        read = self._read.get(kind)
        if read is not None:
            return read(self, said, raw)
        if kind in _ENDS:
            return self._end(said, raw)
        if kind == "error" or (said.error and kind is None):
            self.error = failure(said.error) if members(said.error) else failure(_value(data))
            return Event(())
        if said.object == "response":
            return self.whole(members(_value(data)), raw)
        return Event((), raw)

    def _created(self, said: _Said, raw: bytes) -> Event:
        if self._begun:
            return Event((), raw)
        self._begun = True
        response = members(_value(said.response)) if bytes(said.response) else {}
        return Event((Begun(word(response.get("id")), word(response.get("model"))),), raw)

    def _added(self, said: _Said, raw: bytes) -> Event:
        item = members(_value(said.item)) if bytes(said.item) else {}
        opened = self._open(said.output_index, word(item.get("type")))
        if opened.kind not in _CALLS:
            return Event((), raw, opened.kind not in _QUIET)
        arguments = word(item.get(_CALLS[opened.kind]))
        opened.said = bool(arguments)
        return Event((_call(item, opened, arguments),), raw, True)

    def _at(self, said: _Said) -> _Item | None:
        """The item that an event belongs to; the last one where it does not say."""
        if said.output_index is None and self._items:
            return self._items[max(self._items)]
        index: Any = said.output_index
        return self._items.get(index)

    def _open(self, index: Any, kind: str) -> _Item:
        place = number(index)
        opened = _Item(kind, self._calls if kind in _CALLS else self._thoughts)
        if kind in _CALLS:
            self._calls += 1
        elif kind == "reasoning":
            self._thoughts += 1
        self._items[len(self._items) if place is None else place] = opened
        return opened

    def _thought(self, said: _Said, raw: bytes) -> Event:
        item = self._at(said)
        if item is not None:
            item.said = True
        text = said.delta
        if not text or type(text) is not str:
            return Event((), raw, True)
        return Event((Reasoning(text, block=0 if item is None else item.at),), raw, True)

    def _part(self, said: _Said, raw: bytes) -> Event:
        """Another part of a summary begins."""
        item = self._at(said)
        if item is None:
            return Event((), raw)
        item.parts += 1
        return Event((Reasoning(_BETWEEN, block=item.at),), raw, True) if item.parts > 1 else Event((), raw)

    def _refusal(self, said: _Said, raw: bytes) -> Event:
        item = self._at(said)
        if item is not None:
            item.said = True
        return (
            Event((Refusal(said.delta),), raw, True) if type(said.delta) is str and said.delta else Event((), raw, True)
        )

    def _arguments(self, said: _Said, raw: bytes) -> Event:
        item = self._at(said)
        piece = said.delta
        if item is None or item.kind not in _CALLS or not piece or type(piece) is not str:
            return Event((), raw, True)
        item.said = True
        return Event((ToolCall(item.at, arguments=piece),), raw, True)

    def _given(self, said: _Said, raw: bytes) -> Event:
        """The arguments are all there; some say them here alone."""
        item = self._at(said)
        whole = said.arguments if said.input is None else said.input
        if item is None or item.kind not in _CALLS or item.said or not whole or type(whole) is not str:
            return Event((), raw)
        item.said = True
        return Event((ToolCall(item.at, arguments=whole),), raw, True)

    def _done(self, said: _Said, raw: bytes) -> Event:
        """An item is over: what it says that has not come yet, and its seal."""
        item = members(_value(said.item)) if bytes(said.item) else {}
        opened = self._items.get(said.output_index)
        if opened is None:
            return Event(tuple(self._item(item, self._open(said.output_index, word(item.get("type"))))), raw, True)
        if not opened.said:
            opened.said = True
            named = opened.kind in _CALLS  # the call itself is known
            deltas = self._item(item, opened)
            if named:
                deltas = [
                    ToolCall(d.index, arguments=d.arguments) for d in deltas if type(d) is ToolCall and d.arguments
                ]
            return Event(tuple(deltas), raw, bool(deltas))
        seal = _seal(item) if opened.kind == "reasoning" else None
        return Event((), raw) if seal is None else Event((Reasoning("", seal=seal, block=opened.at),), raw, True)

    def _item(self, item: dict[str, Any], opened: _Item) -> list[Delta]:
        """What an item says, whole."""
        if opened.kind in _CALLS:
            return [_call(item, opened, word(item.get(_CALLS[opened.kind])))]
        if opened.kind == "reasoning":
            told = [text for name in ("content", "summary") if (text := _text(item.get(name)))]
            seal = _seal(item, redacted=not told)
            return [Reasoning(told[0] if told else "", seal=seal, block=opened.at)] if told or seal else []
        if opened.kind != "message":
            return []
        found: list[Delta] = []
        for part in map(members, items(item.get("content"))):
            if text := word(part.get("text")):
                found.append(Text(text))
            elif refusal := word(part.get("refusal")):
                found.append(Refusal(refusal))
        return found

    def _end(self, said: _Said, raw: bytes) -> Event:
        self.ended = True
        response = members(_value(said.response)) if bytes(said.response) else {}
        deltas: list[Delta] = []
        if not self._begun and (response.get("id") or response.get("model")):
            deltas.append(Begun(word(response.get("id")), word(response.get("model"))))
        for index, item in enumerate(map(members, items(response.get("output")))):
            if index not in self._items:  # a server that sends no more than the beginning and the end
                deltas += self._item(item, self._open(index, word(item.get("type"))))
        return self._ended(response, deltas, raw, failed=said.type == "response.failed")

    def _ended(self, response: dict[str, Any], deltas: list[Delta], raw: bytes, *, failed: bool) -> Event:
        """The end of an answer: usage, and why it ended."""
        used = normal(response, self._quirks)
        if failed or response.get("status") == "failed":
            self.error = failure(response.get("error") or {})
            return Event(() if used is None else (Used(used),))
        reason, word_ = self._reason(response)
        deltas.append(Finish(reason, word_))
        if used is not None:
            deltas.append(Used(used))
        return Event(tuple(deltas), raw, True)

    def _reason(self, response: dict[str, Any]) -> tuple[FinishReason, str]:
        status = word(response.get("status")) or "completed"
        if status == "completed":
            return ("tool_calls" if self._calls else "stop"), status
        why = word(members(response.get("incomplete_details")).get("reason"))
        return _REASONS.get(why, "other"), why or status

    def whole(self, response: dict[str, Any], raw: bytes) -> Event:
        """What a whole response says."""
        self.ended = True
        deltas: list[Delta] = [Begun(word(response.get("id")), word(response.get("model")))]
        for index, item in enumerate(map(members, items(response.get("output")))):
            deltas += self._item(item, self._open(index, word(item.get("type"))))
        return self._ended(response, deltas, raw, failed=False)

    _read = {
        "response.created": _created,
        "response.in_progress": _created,
        "response.queued": _created,
        "response.output_item.added": _added,
        "response.output_item.done": _done,
        "response.reasoning_summary_part.added": _part,
        "response.reasoning_summary_text.delta": _thought,
        "response.reasoning_text.delta": _thought,
        "response.refusal.delta": _refusal,
        "response.function_call_arguments.delta": _arguments,
        "response.custom_tool_call_input.delta": _arguments,
        "response.function_call_arguments.done": _given,
        "response.custom_tool_call_input.done": _given,
    }


def decode_answer(body: bytes, quirks: Quirks) -> Event:
    """A whole response as one event."""
    try:
        value: Any = _value(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Broken(f"The provider sent something that is no response: {error} ({sample(body)})") from None
    response = members(value)
    if not isinstance(response.get("output"), list):
        if response.get("error"):
            raise error_in_answer(body)
        raise Broken("The provider sent an answer without output", body=body)
    reader = Reader(quirks)
    event = reader.whole(response, body)
    if reader.error is not None:
        raise reader.error
    return event


def _call(item: dict[str, Any], opened: _Item, arguments: str) -> ToolCall:
    id_ = word(item.get("call_id")) or word(item.get("id"))
    return ToolCall(opened.at, id_, word(item.get("name")), arguments, custom=opened.kind == "custom_tool_call")


def _seal(item: dict[str, Any], *, redacted: bool = False) -> Seal | None:
    data = item.get("encrypted_content")
    return Seal("openai", data, id=word(item.get("id")), redacted=redacted) if data and isinstance(data, str) else None


def _text(parts: object) -> str:
    return _BETWEEN.join(text for part in items(parts) if (text := word(members(part).get("text"))))
