"""The output of a response, grown from what is said in another dialect: its items, and the events that tell of them.

A thought, a message and each call is an item of its own; its events name it by id and by its place in the output. An
item is told as done when the next one begins, but a call only when its arguments can be all. What is told in the end
is what the deltas said.

The seal of a call or of a text has no place in this dialect: it is told as a thought of its own, before the call or
after the text.
"""

from typing import Any

import msgspec
from msgspec import Struct

from freehold.core.events import Delta, Reasoning, Refusal, Text, ToolCall
from freehold.core.seal import Seal
from freehold.dialects.forms import TEXT_ARGUMENT
from freehold.dialects.openai_chat.loose import members
from freehold.dialects.seals import wrap

_Members = dict[str, Any]
encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Kind(Struct, frozen=True):
    """A kind of part: in which member of an item it lies, how its text is called, and how its events are."""

    type: str
    place: str
    text: str
    event: str
    part: str
    index: str
    more: tuple[str, ...] = ()

    def empty(self) -> _Members:
        return {"type": self.type, self.text: "", **{name: list[Any]() for name in self.more}}


_PART, _SUMMARY = "response.content_part", "response.reasoning_summary_part"
TEXT = Kind(
    "output_text", "content", "text", "response.output_text", _PART, "content_index", ("annotations", "logprobs")
)
REFUSAL = Kind("refusal", "content", "refusal", "response.refusal", _PART, "content_index")
THOUGHT = Kind("reasoning_text", "content", "text", "response.reasoning_text", _PART, "content_index")
SUMMARY = Kind("summary_text", "summary", "text", "response.reasoning_summary_text", _SUMMARY, "summary_index")
_LOGPROBS: _Members = {"logprobs": list[Any]()}


class _Item:
    """A message or a thought that is open, and its part that is."""

    __slots__ = ("block", "body", "index", "kind", "part", "pieces", "tail")

    def __init__(self, body: _Members, index: int, block: int) -> None:
        self.body = body
        self.index = index
        self.block = block  # of a thought, its number; -1 for a message
        self.kind: Kind | None = None
        self.part: _Members = {}
        self.pieces: list[str] = []
        self.tail = b""


class _Call:
    """A call; `body` once it has begun. `buffered`: what comes is JSON, what is told the text in it."""

    __slots__ = ("body", "buffered", "id", "index", "name", "over", "pieces", "seal", "tail")

    def __init__(self, id: str) -> None:
        self.id = id
        self.name = ""
        self.pieces: list[str] = []
        self.body: _Members | None = None
        self.index = 0
        self.buffered = False
        self.over = False
        self.seal: Seal | None = None
        self.tail = b""

    def whole(self) -> bool:
        """Whether its arguments can be all."""
        try:
            _decode("".join(self.pieces))
        except (msgspec.DecodeError, RecursionError):
            return self.body is not None and "input" in self.body and not self.buffered
        return True


class Output:
    """Writes the items of one answer. `own` names them; `custom` are the caller's tools that take plain text;
    `summary`: thoughts are told as summaries, which the caller asked for. `items` are those told so far."""

    __slots__ = ("_account", "_calls", "_custom", "_item", "_own", "_thought", "items", "sequence")

    def __init__(self, own: str, account: str, custom: frozenset[str], *, summary: bool) -> None:
        self._own = own
        self._account = account
        self._custom = custom
        self._thought = SUMMARY if summary else THOUGHT
        self._item: _Item | None = None
        self._calls: dict[int, _Call] = {}
        self.items: list[_Members] = []
        self.sequence = 0

    def event(self, kind: str, more: _Members) -> bytes:
        body = {"type": kind, "sequence_number": self.sequence, **more}
        self.sequence += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode(body))

    def write(self, delta: Delta) -> bytes:
        """The bytes for one thing said; b"" for what is no content, or of another choice than the first."""
        match delta:
            case Text(text, 0, seal):
                said = self._grow(TEXT, text, -1) if text else b""
                return said if seal is None else said + self._sealed(seal)
            case Refusal(text, 0):
                return self._grow(REFUSAL, text, -1) if text else b""
            case Reasoning(choice=0):
                return self._reason(delta)
            case ToolCall(choice=0):
                return self._piece(delta)
            case _:
                return b""

    def close(self, status: str) -> bytes:
        """What ends the items that are open, with the status of the last of them; calls that had to wait begin."""
        out = [self._shut(status)]
        for call in self._calls.values():
            if call.body is None:
                out.append(self._begin(call))
            if not call.over:
                out.append(self._end(call, status))
        return b"".join(out)

    # messages and thoughts

    def _grow(self, kind: Kind, text: str, block: int) -> bytes:
        item = self._item
        if item is not None and item.kind is kind and item.block == block:
            item.pieces.append(text)
            self.sequence += 1
            return b"%b%d%b%b}\n\n" % (_HEADS[kind.type], self.sequence - 1, item.tail, encode(text))
        out = b""
        if item is None or item.block != block:
            item, out = self._new("reasoning" if block >= 0 else "message", block)
        else:
            out = self._part_done(item)
        return out + self._part(item, kind) + self._grow(kind, text, block)

    def _new(self, type_: str, block: int = -1) -> tuple[_Item, bytes]:
        out = self._leave()
        index = len(self.items)
        if type_ == "reasoning":
            body: _Members = {"id": f"rs_{self._own}_{index}", "type": type_, "summary": list[Any]()}
        else:
            body = {"id": f"msg_{self._own}_{index}", "type": type_, "status": "in_progress", "role": "assistant"}
            body["content"] = list[Any]()
        item = self._item = _Item(body, index, block)
        self.items.append(body)
        return item, out + self._added(index, body)

    def _added(self, index: int, body: _Members) -> bytes:
        return self.event("response.output_item.added", {"output_index": index, "item": body})

    def _done(self, index: int, body: _Members) -> bytes:
        return self.event("response.output_item.done", {"output_index": index, "item": body})

    def _at(self, item: _Item, kind: Kind) -> _Members:
        """Where the open part of an item is."""
        place = len(item.body[kind.place]) - 1
        return {"item_id": item.body["id"], "output_index": item.index, kind.index: place}

    def _part(self, item: _Item, kind: Kind) -> bytes:
        """Begin a part."""
        item.kind, item.part, item.pieces = kind, kind.empty(), []
        item.body.setdefault(kind.place, []).append(item.part)
        at = self._at(item, kind)
        tail = encode(at | _LOGPROBS if kind is TEXT else at)[1:-1]
        item.tail = b',%b,"delta":' % tail
        return self.event(f"{kind.part}.added", {**at, "part": item.part})

    def _part_done(self, item: _Item) -> bytes:
        kind = item.kind
        if kind is None:
            return b""
        text = item.part[kind.text] = "".join(item.pieces)
        at = self._at(item, kind)
        item.kind = None
        done = {**at, kind.text: text} | (_LOGPROBS if kind is TEXT else {})
        return self.event(f"{kind.event}.done", done) + self.event(f"{kind.part}.done", {**at, "part": item.part})

    def _shut(self, status: str = "completed") -> bytes:
        """The end of the message or thought that is open."""
        item, self._item = self._item, None
        if item is None:
            return b""
        out = self._part_done(item)
        if item.block < 0:
            item.body["status"] = status
        return out + self._done(item.index, item.body)

    def _leave(self) -> bytes:
        """End what is open and can be over, since something else begins."""
        out = [self._shut()]
        out += [self._end(c) for c in self._calls.values() if c.body is not None and not c.over and c.whole()]
        return b"".join(out)

    def _reason(self, delta: Reasoning) -> bytes:
        out = self._grow(self._thought, delta.text, delta.block) if delta.text else b""
        seal = delta.seal
        if seal is None:
            return out
        item = self._item
        if item is None or item.block != delta.block:
            item, begun = self._new("reasoning", delta.block)
            out += begun
        item.body["encrypted_content"] = wrap(seal, seal.account or self._account)
        return out + self._shut()

    def _sealed(self, seal: Seal) -> bytes:
        item, out = self._new("reasoning", 0)
        item.body["encrypted_content"] = wrap(seal, seal.account or self._account)
        return out + self._shut()

    # calls

    def _piece(self, delta: ToolCall) -> bytes:
        call = self._calls.get(delta.index)
        if call is None:
            call = self._calls[delta.index] = _Call(f"call_{self._own}_{delta.index}")
        if call.body is not None:
            return b"" if call.over else self._more(call, delta.arguments)
        call.id, call.name = delta.id or call.id, delta.name or call.name
        call.seal = delta.seal or call.seal
        call.pieces.append(delta.arguments)
        return self._begin(call, custom=delta.custom) if call.name else b""

    def _begin(self, call: _Call, *, custom: bool = False) -> bytes:
        out = self._leave() if call.seal is None else self._sealed(call.seal)
        index = call.index = len(self.items)
        plain = custom or call.name in self._custom
        call.buffered = plain and not custom
        prefix, kind, text = _CALLS[plain]
        id_ = f"{prefix}_{self._own}_{index}"
        body: _Members = {"id": id_, "type": kind, "status": "in_progress", "call_id": call.id, "name": call.name}
        body[text] = ""
        call.body = body
        call.tail = b',"item_id":"%b","output_index":%d,"delta":' % (id_.encode(), index)
        self.items.append(body)
        out += self._added(index, body)
        said, call.pieces = "".join(call.pieces), []
        return out + self._more(call, said)

    def _more(self, call: _Call, piece: str) -> bytes:
        if not piece:
            return b""
        call.pieces.append(piece)
        return b"" if call.buffered else self._told(call, piece)

    def _told(self, call: _Call, piece: str) -> bytes:
        assert call.body is not None
        self.sequence += 1
        return b"%b%d%b%b}\n\n" % (_HEADS[call.body["type"]], self.sequence - 1, call.tail, encode(piece))

    def _end(self, call: _Call, status: str = "completed") -> bytes:
        assert call.body is not None
        call.over = True
        said, out = "".join(call.pieces), b""
        plain = "input" in call.body
        if call.buffered:
            said = plain_text(said)
            out = self._told(call, said) if said else b""
        elif not said and not plain:
            said = "{}"  # a call without arguments has an empty object of them
            out = self._told(call, said)
        text = "input" if plain else "arguments"
        call.body[text] = said
        call.body["status"] = status
        done = {"item_id": call.body["id"], "output_index": call.index, text: said}
        event = "response.custom_tool_call_input.done" if plain else "response.function_call_arguments.done"
        return out + self.event(event, done) + self._done(call.index, call.body)


_CALLS = {False: ("fc", "function_call", "arguments"), True: ("ctc", "custom_tool_call", "input")}


def _head(event: str) -> bytes:
    return b'event: %b\ndata: {"type":"%b","sequence_number":' % (event.encode(), event.encode())


_HEADS = {kind.type: _head(f"{kind.event}.delta") for kind in (TEXT, REFUSAL, THOUGHT, SUMMARY)} | {
    "function_call": _head("response.function_call_arguments.delta"),
    "custom_tool_call": _head("response.custom_tool_call_input.delta"),
}


def plain_text(arguments: str) -> str:
    """The text that a model gave to a tool of plain text, which it knows as a function of one argument."""
    try:
        value: Any = _decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return arguments
    given: Any = members(value).get(TEXT_ARGUMENT, value)
    return given if isinstance(given, str) else arguments
