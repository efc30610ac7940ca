"""Answers of Converse: what a whole answer, or one event of a stream, says
(docs.aws.amazon.com, API_runtime_Converse and API_runtime_ConverseStream).

A block that has no counterpart elsewhere (what a tool of the provider's own did) says nothing in our words; its bytes
pass to callers of this dialect.
"""

from base64 import b64decode, b64encode
from typing import Any

import msgspec
from msgspec import Struct

from freehold.core.errors import Broken
from freehold.core.events import Begun, Delta, Event, Finish, Reasoning, Text, ToolCall, Used
from freehold.core.seal import Seal
from freehold.dialects.bedrock_converse.stops import reason
from freehold.dialects.bedrock_converse.usage import normal
from freehold.dialects.openai_chat.errors import error_in_answer
from freehold.dialects.openai_chat.loose import items, members, number, word

_encode = msgspec.json.Encoder().encode
_value = msgspec.json.Decoder().decode
BLOB = "blob"
"""The id of a seal whose data is not text: it stays in base64."""
SERVER = "server_tool_use"


class _Delta(Struct, gc=False):
    text: Any = None
    toolUse: Any = None
    reasoningContent: Any = None


class _Piece(Struct, gc=False):
    """A `contentBlockDelta`."""

    contentBlockIndex: Any = None
    delta: _Delta | None = None


_piece = msgspec.json.Decoder(_Piece).decode


class _Block:
    """An open block of a stream. `at` counts its call or thought, None until it is one; `said`: its call has
    arguments."""

    __slots__ = ("at", "call", "redacted", "said")

    def __init__(self) -> None:
        self.at: int | None = None
        self.call = False
        self.said = False
        self.redacted = ""


class Reader:
    """Reads one answer, whole or event by event."""

    __slots__ = ("_blocks", "_calls", "_thoughts", "finished")

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._thoughts = 0
        self.finished = False  # the reason why it ended has come

    def read(self, kind: str, payload: bytes, raw: bytes) -> Event:
        """What one event says; `raw` are the bytes to pass on. Broken where it is not one."""
        try:
            if kind == "contentBlockDelta":
                return self._delta(_piece(payload), raw)
            value = members(_value(payload))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Broken(f"The provider sent something that is no event of an answer: {error} ({kind})") from None
        match kind:
            case "contentBlockStart":
                return self._start(value, raw)
            case "contentBlockStop":
                return self._stop(value, raw)
            case "messageStart":
                return Event((Begun(),), raw)
            case "messageStop":
                self.finished = True
                stop = value.get("stopReason")
                return Event((Finish(reason(stop), word(stop)),), raw, True)
            case "metadata":
                usage = normal(value.get("usage"), value.get("serviceTier"))
                return Event(() if usage is None else (Used(usage),), raw)
            case _:
                return Event((), raw)

    def _open(self, index: Any) -> _Block:
        at = number(index) or 0
        block = self._blocks.get(at)
        if block is None:
            block = self._blocks[at] = _Block()
        return block

    def _delta(self, piece: _Piece, raw: bytes) -> Event:
        delta = piece.delta
        if delta is None:
            return Event((), raw)
        text = delta.text
        if text is not None:
            return Event((Text(text),), raw, True) if text and type(text) is str else Event((), raw)
        block = self._open(piece.contentBlockIndex)
        if delta.toolUse is not None:
            said = members(delta.toolUse).get("input")
            if not block.call or block.at is None or not said or type(said) is not str:
                return Event((), raw, True)
            block.said = True
            return Event((ToolCall(block.at, arguments=said),), raw, True)
        if delta.reasoningContent is not None:
            return Event(self._thought(members(delta.reasoningContent), block), raw, True)
        return Event((), raw, True)

    def _thought(self, said: dict[str, Any], block: _Block) -> tuple[Delta, ...]:
        """A piece of a thought. What is encrypted is said when all of it has come."""
        if block.at is None:
            block.at = self._thoughts
            self._thoughts += 1
        block.redacted += word(said.get("redactedContent"))
        text, signature = word(said.get("text")), word(said.get("signature"))
        seal = Seal("anthropic", signature) if signature else None
        return (Reasoning(text, seal=seal, block=block.at),) if text or seal else ()

    def _start(self, value: dict[str, Any], raw: bytes) -> Event:
        block = self._open(value.get("contentBlockIndex"))
        call = members(members(value.get("start")).get("toolUse"))
        if not call or call.get("type") == SERVER:
            return Event((), raw, bool(value.get("start")))
        block.call, block.at = True, self._calls
        self._calls += 1
        return Event((ToolCall(block.at, word(call.get("toolUseId")), word(call.get("name"))),), raw, True)

    def _stop(self, value: dict[str, Any], raw: bytes) -> Event:
        """A call that was given no arguments has an empty object of them."""
        block = self._blocks.pop(number(value.get("contentBlockIndex")) or 0, None)
        if block is None or block.at is None:
            return Event((), raw)
        if block.redacted:
            return Event((Reasoning("", seal=redacted(block.redacted), block=block.at),), raw, True)
        if block.call and not block.said:
            return Event((ToolCall(block.at, arguments="{}"),), raw, True)
        return Event((), raw)

    def whole(self, answer: dict[str, Any], raw: bytes) -> Event:
        """What a whole answer says."""
        deltas: list[Delta] = [Begun()]
        for block in map(members, items(members(members(answer.get("output")).get("message")).get("content"))):
            deltas += self._block(block)
        stop = answer.get("stopReason")
        deltas.append(Finish(reason(stop), word(stop)))
        usage = normal(answer.get("usage"), answer.get("serviceTier"))
        if usage is not None:
            deltas.append(Used(usage))
        self.finished = True
        return Event(tuple(deltas), raw, True)

    def _block(self, block: dict[str, Any]) -> list[Delta]:
        if text := word(block.get("text")):
            return [Text(text)]
        if "reasoningContent" in block:
            return self._whole_thought(members(block["reasoningContent"]))
        if "citationsContent" in block:
            said = items(members(block["citationsContent"]).get("content"))
            return [Text(text) for one in said if (text := word(members(one).get("text")))]
        call = members(block.get("toolUse"))
        if not call or call.get("type") == SERVER:
            return []
        self._calls += 1
        given: Any = call.get("input")
        arguments = _encode({} if given is None else given).decode()
        return [ToolCall(self._calls - 1, word(call.get("toolUseId")), word(call.get("name")), arguments)]

    def _whole_thought(self, said: dict[str, Any]) -> list[Delta]:
        at = self._thoughts
        self._thoughts += 1
        if hidden := word(said.get("redactedContent")):
            return [Reasoning("", seal=redacted(hidden), block=at)]
        told = members(said.get("reasoningText"))
        text, signature = word(told.get("text")), word(told.get("signature"))
        seal = Seal("anthropic", signature) if signature else None
        return [Reasoning(text, seal=seal, block=at)] if text or seal else []


def redacted(content: str) -> Seal:
    """The seal of what is encrypted. The wire has bytes, in base64; Claude's are the text that Anthropic's own API
    gives, which is what the seal holds, so that either takes it back."""
    try:
        data = b64decode(content, validate=True)
        text = data.decode("ascii")
    except ValueError:
        return Seal("anthropic", content, id=BLOB, redacted=True)
    if not text or b64encode(data).decode() != content:
        return Seal("anthropic", content, id=BLOB, redacted=True)
    return Seal("anthropic", text, redacted=True)


def content_of(seal: Seal) -> str:
    """What `redacted` was made from."""
    return seal.data if seal.id == BLOB else b64encode(seal.data.encode()).decode()


def decode_answer(body: bytes) -> Event:
    """A whole answer as one event."""
    try:
        value: Any = _value(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Broken(f"The provider sent something that is no answer: {error} ({body[:80]!r})") from None
    answer = members(value)
    message = members(members(answer.get("output")).get("message"))
    if isinstance(message.get("content"), list):
        return Reader().whole(answer, body)
    if answer.get("message") or answer.get("__type"):
        raise error_in_answer(body)
    raise Broken("The provider sent an answer without content", body=body)
