"""The blocks of an answer as the events of a stream of Converse, and a whole answer from and to them.

One block is open at a time: a call that begins while the arguments of another are not whole waits for them.
"""

from typing import Any

import msgspec

from freehold.core.events import Delta, Reasoning, Refusal, Text, ToolCall
from freehold.core.seal import Seal
from freehold.dialects.anthropic_messages.blocks import whole
from freehold.dialects.bedrock_converse.answer import content_of
from freehold.dialects.forms import TEXT_ARGUMENT
from freehold.dialects.openai_chat.loose import items, members
from freehold.dialects.seals import wrap

Told = tuple[str, dict[str, Any]]
"""An event: what kind it is, and its payload."""
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Call:
    """A call while it grows. `waiting` are pieces that have not been written."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.name = ""
        self.custom = False
        self.begun = False
        self.over = False
        self.seal: Seal | None = None
        self.pieces: list[str] = []
        self.waiting: list[str] = []

    @property
    def whole(self) -> bool:
        """Whether its arguments are all there, as far as one can see."""
        try:
            _decode("".join(self.pieces))
        except msgspec.DecodeError:
            return False
        return True


class Blocks:
    """The events of one answer. What opens a block closes the one before."""

    def __init__(self, account: str, own: str) -> None:
        self._account = account
        self._own = own
        self._index = -1
        self._open: str | int | tuple[str, int] = ""  # "text", a call by its index, a thought by its block
        self._calls: dict[int, _Call] = {}
        self.refused = False

    @property
    def called(self) -> bool:
        return bool(self._calls)

    def add(self, delta: Delta, told: list[Told]) -> None:
        match delta:
            case Text(text, 0, seal):
                self._text(text, told)
                if seal is not None:
                    self._redacted(seal, told)
            case Refusal(text, 0):
                self.refused = True
                self._text(text, told)
            case Reasoning(choice=0):
                self._thought(delta, told)
            case ToolCall(choice=0):
                self._piece(delta, told)
            case _:
                pass

    def end(self, told: list[Told]) -> None:
        self._shut(told)
        for index, call in self._calls.items():
            if not call.begun:
                self._begin(index, call, told)
        self._shut(told)

    def _say(self, delta: dict[str, Any], told: list[Told]) -> None:
        told.append(("contentBlockDelta", {"contentBlockIndex": self._index, "delta": delta}))

    def _text(self, text: str, told: list[Told]) -> None:
        if text:
            if self._open != "text":
                self._new("text", told)
            self._say({"text": text}, told)

    def _thought(self, delta: Reasoning, told: list[Told]) -> None:
        seal = delta.seal
        place = ("thought", delta.block)
        if self._open != place:
            if seal is not None and seal.redacted and not delta.text:
                self._redacted(seal, told)
                return
            if not delta.text and seal is None:
                return
            self._new(place, told)
        if delta.text:
            self._say({"reasoningContent": {"text": delta.text}}, told)
        if seal is not None:
            self._say({"reasoningContent": {"signature": wrap(seal, seal.account or self._account)}}, told)
            self._shut(told)

    def _redacted(self, seal: Seal, told: list[Told]) -> None:
        wrapped = Seal("anthropic", wrap(seal, seal.account or self._account))
        self._new("redacted", told)
        self._say({"reasoningContent": {"redactedContent": content_of(wrapped)}}, told)
        self._shut(told)

    def _piece(self, delta: ToolCall, told: list[Told]) -> None:
        call = self._calls.get(delta.index)
        if call is None:
            call = self._calls[delta.index] = _Call(f"tooluse_{self._own}_{delta.index}")
        call.id, call.name = delta.id or call.id, delta.name or call.name
        call.custom = call.custom or delta.custom
        call.seal = call.seal or delta.seal
        if self._open == delta.index:
            self._grow(call, delta.arguments, told)
            return
        if call.over:
            return  # it was whole, and cannot be opened again
        call.waiting.append(delta.arguments)
        current = self._calls.get(self._open) if isinstance(self._open, int) else None
        if current is None or current.whole:
            self._begin(delta.index, call, told)

    def _begin(self, index: int, call: _Call, told: list[Told]) -> None:
        if call.seal is not None:
            self._redacted(call.seal, told)
        self._new(index, told)
        call.begun = True
        start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
        told.append(("contentBlockStart", {"contentBlockIndex": self._index, "start": start}))
        waiting, call.waiting = "".join(call.waiting), []
        self._grow(call, waiting, told)

    def _grow(self, call: _Call, piece: str, told: list[Told]) -> None:
        if piece:
            call.pieces.append(piece)
            if not call.custom:  # plain text has to become an object: written when it is all there
                self._say({"toolUse": {"input": piece}}, told)

    def _new(self, place: str | int | tuple[str, int], told: list[Told]) -> None:
        self._shut(told)
        self._open = place
        self._index += 1

    def _shut(self, told: list[Told]) -> None:
        place, self._open = self._open, ""
        if place == "":
            return
        if isinstance(place, int):
            call = self._calls[place]
            call.over = True
            if call.custom:
                given = _encode({TEXT_ARGUMENT: "".join(call.pieces)}).decode()
                self._say({"toolUse": {"input": given}}, told)
        told.append(("contentBlockStop", {"contentBlockIndex": self._index}))


def folded(told: list[Told]) -> dict[str, Any]:
    """A whole answer from the events of its stream."""
    content: list[dict[str, Any]] = []
    pieces: list[str] = []
    answer: dict[str, Any] = {"output": {"message": {"role": "assistant", "content": content}}}
    open_ = -1
    for kind, value in told:
        index: int = value.get("contentBlockIndex", open_)
        if index != open_:
            content.append({})
            pieces, open_ = [], index
        match kind:
            case "contentBlockStart":
                content[-1] = {"toolUse": {**value["start"]["toolUse"], "input": {}}}
            case "contentBlockDelta":
                _grow(content[-1], value["delta"], pieces)
            case "contentBlockStop" if "toolUse" in content[-1]:
                content[-1]["toolUse"]["input"] = whole("".join(pieces))
            case "messageStop" | "metadata":
                answer |= value
            case _:
                pass
    return answer


def _grow(block: dict[str, Any], delta: dict[str, Any], pieces: list[str]) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        pieces.append(delta["toolUse"]["input"])
    elif "redactedContent" in delta["reasoningContent"]:
        block["reasoningContent"] = delta["reasoningContent"]
    else:
        told = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        for name, value in delta["reasoningContent"].items():
            told[name] = told.get(name, "") + value


def unfolded(answer: dict[str, Any]) -> list[Told]:
    """A whole answer as the stream that it would have been: no block of any kind is lost."""
    message = members(members(answer.get("output")).get("message"))
    told: list[Told] = [("messageStart", {"role": message.get("role") or "assistant"})]
    for index, block in enumerate(map(members, items(message.get("content")))):
        at = {"contentBlockIndex": index}
        start, deltas = _unfolded(block)
        if start:
            told.append(("contentBlockStart", {**at, "start": start}))
        told += [("contentBlockDelta", {**at, "delta": delta}) for delta in deltas]
        told.append(("contentBlockStop", at))
    stop = {name: answer[name] for name in ("stopReason", "additionalModelResponseFields") if name in answer}
    rest = {name: value for name, value in answer.items() if name not in (*stop, "output")}
    return [*told, ("messageStop", stop), ("metadata", rest)]


def _unfolded(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if "toolUse" in block:
        call = dict(block["toolUse"])
        given = _encode(call.pop("input", {})).decode()
        return {"toolUse": call}, [{"toolUse": {"input": given}}]
    if "toolResult" in block:
        result = dict(block["toolResult"])
        content = result.pop("content", [])
        return {"toolResult": result}, [{"toolResult": content}]
    if "reasoningContent" in block:
        thought = members(block["reasoningContent"])
        if "reasoningText" not in thought:
            return {}, [{"reasoningContent": thought}]
        return {}, [{"reasoningContent": {name: value}} for name, value in thought["reasoningText"].items()]
    if "citationsContent" in block:
        cited = members(block["citationsContent"])
        texts = [{"text": one["text"]} for one in items(cited.get("content")) if "text" in one]
        return {}, [*texts, *({"citation": one} for one in items(cited.get("citations")))]
    return {}, [block]
