"""Responses and events of their streams patched: what is said replaced by what a stage made of it, every other value
equal.

A stream says everything several times: in deltas, when a part is over, when its item is, and in the response at its
end. So what the deltas said is kept, and once a stage has touched one, everything that repeats it is patched too.
"""

from typing import Any

import msgspec

from freehold.core.events import Delta, Event, Reasoning, Refusal, Text, ToolCall
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.sse import payload, replaced

_Members = dict[str, Any]
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_TEXTS = ("output_text", "refusal")
_THOUGHTS = ("summary_text", "reasoning_text")
_WORDS = {"refusal": "refusal"}
"""Where the text of a part is, if not in `text`."""


class _Said:
    """What was said in parts of one sort: the pieces of the open one, the texts of those that are over, and how many
    of these were when the last item ended."""

    __slots__ = ("before", "done", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.done: list[str] = []
        self.before = 0

    def close(self) -> None:
        self.done.append("".join(self.pieces))
        self.pieces.clear()

    def of_item(self) -> list[str]:
        """The texts of the item that ends."""
        if self.pieces:
            self.close()
        texts, self.before = self.done[self.before :], len(self.done)
        return texts


class Patches:
    """Patches the answer of one request."""

    __slots__ = ("_calls", "_ids", "_texts", "_thoughts", "_touched")

    def __init__(self) -> None:
        self._texts = _Said()
        self._thoughts = _Said()
        self._calls: dict[int, list[str]] = {}
        self._ids: dict[str, int] = {}
        self._touched = False

    def event(self, event: Event) -> bytes:
        """The bytes for one event."""
        raw, deltas = event.raw, event.deltas
        for delta in deltas:
            self._hear(delta, raw)
        self._touched = self._touched or event.touched
        if self._touched and raw:
            return self._patched(raw, deltas)
        if not deltas and b"_text.done" in raw:
            (self._thoughts if b"reasoning" in raw[:60] or b".reasoning_" in raw else self._texts).close()
        elif not deltas and b"refusal.done" in raw:
            self._texts.close()
        return raw

    def _hear(self, delta: Delta, raw: bytes) -> None:
        if isinstance(delta, Text | Refusal):
            self._texts.pieces.append(delta.text)
        elif isinstance(delta, Reasoning):
            if delta.text and b"part.added" not in raw:
                self._thoughts.pieces.append(delta.text)
        elif isinstance(delta, ToolCall):
            self._calls.setdefault(delta.index, []).append(delta.arguments)
            if delta.id:
                self._ids[delta.id] = delta.index

    def _patched(self, raw: bytes, deltas: tuple[Delta, ...]) -> bytes:
        data = payload(raw)
        if data[:1] != b"{":
            return raw
        value: _Members = _decode(data)
        kind = word(value.get("type"))
        if kind.endswith(".delta") and isinstance(value.get("delta"), str):
            value["delta"] = "".join(_words(delta) for delta in deltas)
            _blank(value)
        elif kind.endswith(".done"):
            self._over(kind, value)
        elif "response" in value:
            self._response(members(value["response"]))
        return replaced(raw, _encode(value))

    def _over(self, kind: str, value: _Members) -> None:
        """An event that repeats what a part or an item said."""
        said = self._thoughts if "reasoning" in kind else self._texts
        if (
            kind in ("response.output_text.done", "response.refusal.done")
            or kind.endswith("reasoning_text.done")
            or (kind == "response.reasoning_summary_text.done")
        ):
            said.close()
            name = "refusal" if "refusal" in value else "text"
            value[name] = said.done[-1]
            _blank(value)
        elif kind in ("response.content_part.done", "response.reasoning_summary_part.done"):
            part = members(value.get("part"))
            if part.get("type") in _THOUGHTS:
                said = self._thoughts
            _fill([part], said.done[-1:])
        elif kind == "response.output_item.done":
            self._item(members(value.get("item")), self._texts.of_item(), self._thoughts.of_item())
        else:
            call = next((name for name in _CALLS.values() if name in value), None)
            if call is not None and self._calls:
                value[call] = self._last_call()

    def _last_call(self) -> str:
        return "".join(self._calls[max(self._calls)])

    def _response(self, response: _Members) -> None:
        """The response at the end of a stream: all that was said, in its order."""
        every = [members(item) for item in items(response.get("output"))]
        _fill([part for item in every for part in _parts(item, _TEXTS)], self._texts.done)
        _fill([part for item in every for part in _parts(item, _THOUGHTS)], self._thoughts.done)
        for item in every:
            self._call(item)

    def _item(self, item: _Members, texts: list[str], thoughts: list[str]) -> None:
        _fill(_parts(item, _TEXTS), texts)
        _fill(_parts(item, _THOUGHTS), thoughts)
        self._call(item)

    def _call(self, item: _Members) -> None:
        name = _CALLS.get(word(item.get("type")))
        index = self._ids.get(word(item.get("call_id")) or word(item.get("id")))
        if name is not None and index is not None:
            item[name] = "".join(self._calls[index])

    def whole(self, data: bytes, deltas: tuple[Delta, ...]) -> bytes:
        """A whole response that says what is in `deltas`; calls that are no longer said are left out."""
        for delta in deltas:
            self._hear(delta, b"")
        response: _Members = _decode(data)
        every = [members(item) for item in items(response.get("output"))]
        every = [i for i in every if i.get("type") not in _CALLS or word(i.get("call_id") or i.get("id")) in self._ids]
        response["output"] = every
        _fill([part for item in every for part in _parts(item, _TEXTS)], self._texts.pieces)
        _fill([part for item in every for part in _parts(item, _THOUGHTS)], self._thoughts.pieces)
        for item in every:
            self._call(item)
        if "output_text" in response:
            response["output_text"] = "".join(self._texts.pieces)
        return _encode(response)


def _words(delta: Delta) -> str:
    if isinstance(delta, ToolCall):
        return delta.arguments
    return delta.text if isinstance(delta, Text | Refusal | Reasoning) else ""


def _parts(item: _Members, kinds: tuple[str, ...]) -> list[_Members]:
    """The parts of an item that hold text of these kinds."""
    every = [members(part) for name in ("summary", "content") for part in items(item.get(name))]
    return [part for part in every if part.get("type") in kinds and part.get(_name(part))]


def _name(part: _Members) -> str:
    return _WORDS.get(word(part.get("type")), "text")


def _fill(parts: list[_Members], texts: list[str]) -> None:
    """One text for each part where they match, else all in the first."""
    if not parts:
        return
    if len(parts) != len(texts):
        texts = ["".join(texts)] + [""] * (len(parts) - 1)
    for part, text in zip(parts, texts, strict=True):
        part[_name(part)] = text
        _blank(part)


def _blank(value: _Members) -> None:
    """Log probabilities name the tokens that were said."""
    if value.get("logprobs"):
        value["logprobs"] = []
