"""What another dialect's answer says, as content blocks: one after the other, none mixed with another.

A seal that signs a call or a text has no place in a block of that kind. It is written as a redacted thought of its own,
before its call or after its text, and read back from there (see `messages`).
"""

from typing import Any

import msgspec

from freehold.core.events import Delta, Reasoning, Refusal, Text, ToolCall
from freehold.core.seal import Seal
from freehold.dialects.anthropic_messages.blocks import whole
from freehold.dialects.anthropic_messages.frames import block_delta, block_start, block_stop, encode, text_delta
from freehold.dialects.forms import TEXT_ARGUMENT
from freehold.dialects.seals import wrap

_decode = msgspec.json.Decoder().decode


class _Call:
    """A call while it grows. `waiting`: what has come while another call was open."""

    __slots__ = ("arguments", "custom", "id", "name", "over", "seal", "waiting")

    def __init__(self, id: str) -> None:
        self.id = id
        self.name = ""
        self.arguments: list[str] = []
        self.waiting: list[str] = []
        self.custom = False
        self.over = False
        self.seal: Seal | None = None

    def whole(self) -> bool:
        """Whether its arguments can be all."""
        try:
            _decode("".join(self.arguments))
        except (msgspec.DecodeError, RecursionError):
            return False
        return True


class Blocks:
    """Writes the blocks of one streamed answer. `called`: it has called a tool; `refused`: it has refused."""

    __slots__ = ("_account", "_calls", "_index", "_open", "_own", "called", "refused")

    def __init__(self, account: str, own: str) -> None:
        self._account = account
        self._own = own
        self._index = -1
        self._open: str | int | tuple[str, int] = ""  # "text", a thought ("thinking", n), a call's index, or nothing
        self._calls: dict[int, _Call] = {}
        self.called = self.refused = False

    def write(self, delta: Delta) -> bytes:
        """The bytes for one thing said; b"" for what is no content, or of another choice than the first."""
        match delta:
            case Text(text, 0, seal):
                return self._text(text) + (b"" if seal is None else self._redacted(seal))
            case Refusal(text, 0):
                self.refused = True
                return self._text(text)
            case Reasoning(choice=0):
                return self._thought(delta)
            case ToolCall(choice=0):
                return self._piece(delta)
            case _:
                return b""

    def close(self) -> bytes:
        """What closes the answer's blocks, with those of calls that had to wait."""
        out = [self._shut()]
        for index, call in self._calls.items():
            if not call.over:
                out += [self._begin(index, call), self._shut()]
        return b"".join(out)

    def _text(self, text: str) -> bytes:
        if self._open == "text":
            return text_delta(self._index, text)
        if not text:
            return b""
        begun = self._new("text", {"type": "text", "text": ""})
        return begun + text_delta(self._index, text)

    def _thought(self, delta: Reasoning) -> bytes:
        place = ("thinking", delta.block)
        seal = delta.seal
        if seal is not None and not delta.text and self._open != place and seal.redacted:
            return self._redacted(seal)
        out = b""
        if self._open != place:
            if not delta.text and seal is None:
                return b""
            out = self._new(place, {"type": "thinking", "thinking": "", "signature": ""})
        if delta.text:
            out += block_delta(self._index, b"thinking_delta", b"thinking", delta.text)
        if seal is not None:
            out += block_delta(self._index, b"signature_delta", b"signature", wrap(seal, seal.account or self._account))
            out += self._shut()
        return out

    def _redacted(self, seal: Seal) -> bytes:
        data = wrap(seal, seal.account or self._account)
        return self._new("redacted", {"type": "redacted_thinking", "data": data}) + self._shut()

    def _piece(self, delta: ToolCall) -> bytes:
        """A piece of a call. While one is open whose arguments are not whole, another waits."""
        self.called = True
        index = delta.index
        call = self._calls.get(index)
        if call is None:
            call = self._calls[index] = _Call(f"toolu_{self._own}_{index}")
        call.id, call.name = delta.id or call.id, delta.name or call.name
        call.custom = call.custom or delta.custom
        call.seal = call.seal or delta.seal
        if self._open == index:
            return self._grow(call, delta.arguments)
        if call.over:
            return b""  # it was whole, and cannot be opened again
        call.waiting.append(delta.arguments)
        current = self._calls.get(self._open) if isinstance(self._open, int) else None
        if current is not None and not current.whole():
            return b""
        return self._begin(index, call)

    def _grow(self, call: _Call, piece: str) -> bytes:
        if not piece:
            return b""
        call.arguments.append(piece)
        if call.custom:  # plain text has to become an object: written when it is all there
            return b""
        return block_delta(self._index, b"input_json_delta", b"partial_json", piece)

    def _begin(self, index: int, call: _Call) -> bytes:
        sealed = b"" if call.seal is None else self._redacted(call.seal)
        begun = self._new(index, {"type": "tool_use", "id": call.id, "name": call.name, "input": {}})
        waiting, call.waiting = "".join(call.waiting), []
        return sealed + begun + self._grow(call, waiting)

    def _new(self, place: Any, block: dict[str, Any]) -> bytes:
        shut = self._shut()
        self._open = place
        self._index += 1
        return shut + block_start(self._index, block)

    def _shut(self) -> bytes:
        place, self._open = self._open, ""
        if place == "":
            return b""
        rest = b""
        if isinstance(place, int):
            call = self._calls[place]
            call.over = True
            if call.custom:
                given = encode({TEXT_ARGUMENT: "".join(call.arguments)}).decode()
                rest = block_delta(self._index, b"input_json_delta", b"partial_json", given)
        return rest + block_stop(self._index)


class Content:
    """The blocks of one whole answer, in the order in which they were said."""

    def __init__(self, account: str, own: str) -> None:
        self._account = account
        self._own = own
        self.blocks: list[dict[str, Any]] = []
        self._calls: dict[int, tuple[dict[str, Any], list[str], list[bool]]] = {}
        self._thoughts: dict[int, dict[str, Any]] = {}
        self.refused = False

    @property
    def called(self) -> bool:
        return bool(self._calls)

    def add(self, delta: Delta) -> None:
        match delta:
            case Text(text, 0, seal):
                self._text(text)
                if seal is not None:
                    self._redacted(seal)
            case Refusal(text, 0):
                self.refused = True
                self._text(text)
            case Reasoning(choice=0):
                self._thought(delta)
            case ToolCall(choice=0):
                self._call(delta)
            case _:
                pass

    def whole(self) -> list[dict[str, Any]]:
        for block, pieces, custom in self._calls.values():
            text = "".join(pieces)
            block["input"] = {TEXT_ARGUMENT: text} if any(custom) else whole(text)
        return self.blocks

    def _text(self, text: str) -> None:
        if not text:
            return
        if self.blocks and self.blocks[-1]["type"] == "text":
            self.blocks[-1]["text"] += text
        else:
            self.blocks.append({"type": "text", "text": text})

    def _thought(self, delta: Reasoning) -> None:
        seal = delta.seal
        block = self._thoughts.get(delta.block)
        if block is None:
            if seal is not None and seal.redacted and not delta.text:
                self._redacted(seal)
                return
            if not delta.text and seal is None:
                return
            block = self._thoughts[delta.block] = {"type": "thinking", "thinking": "", "signature": ""}
            self.blocks.append(block)
        block["thinking"] += delta.text
        if seal is not None:
            block["signature"] = wrap(seal, seal.account or self._account)

    def _redacted(self, seal: Seal) -> None:
        self.blocks.append({"type": "redacted_thinking", "data": wrap(seal, seal.account or self._account)})

    def _call(self, delta: ToolCall) -> None:
        known = self._calls.get(delta.index)
        if known is None:
            if delta.seal is not None:
                self._redacted(delta.seal)
            block: dict[str, Any] = {
                "type": "tool_use",
                "id": f"toolu_{self._own}_{delta.index}",
                "name": "",
                "input": {},
            }
            known = self._calls[delta.index] = (block, [], [])
            self.blocks.append(block)
        block, pieces, custom = known
        block["id"], block["name"] = delta.id or block["id"], delta.name or block["name"]
        pieces.append(delta.arguments)
        custom.append(delta.custom)
