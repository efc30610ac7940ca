"""What another dialect's answer says, as parts of a candidate's content.

A call is one part with all its arguments, so it is written when its choice is over. What was sealed elsewhere stands as
the signature of its part.
"""

from typing import Any, cast

import msgspec

from freehold.core.events import Delta, Finish, Reasoning, Refusal, Text, ToolCall
from freehold.core.seal import Seal
from freehold.dialects.forms import TEXT_ARGUMENT
from freehold.dialects.gemini_generate.finishes import said
from freehold.dialects.gemini_generate.foreign import signature_of
from freehold.dialects.openai_chat.loose import members

Part = dict[str, Any]


class _Call:
    __slots__ = ("arguments", "custom", "id", "name", "seal")

    def __init__(self) -> None:
        self.id = self.name = ""
        self.arguments: list[str] = []
        self.custom = False
        self.seal: Seal | None = None


class Speaking:
    """One choice of an answer, while it is said."""

    __slots__ = ("_account", "_calls", "_finish", "_refused")

    def __init__(self, account: str) -> None:
        self._account = account
        self._calls: dict[int, _Call] = {}
        self._finish: Finish | None = None
        self._refused = False

    def add(self, delta: Delta) -> Part | None:
        """The part for one thing said; None where nothing is to be written yet."""
        match delta:
            case Text():
                return self._signed({"text": delta.text}, delta.seal) if delta.text or delta.seal else None
            case Reasoning():
                if not delta.text and delta.seal is None:
                    return None
                return self._signed({"text": delta.text, "thought": True}, delta.seal)
            case Refusal():
                self._refused = True
                return {"text": delta.text} if delta.text else None
            case ToolCall():
                self._piece(delta)
            case Finish():
                self._finish = delta
            case _:
                pass
        return None

    def _piece(self, piece: ToolCall) -> None:
        call = self._calls.get(piece.index)
        if call is None:
            call = self._calls[piece.index] = _Call()
        call.id, call.name = call.id or piece.id, call.name or piece.name
        call.arguments.append(piece.arguments)
        call.custom = call.custom or piece.custom
        call.seal = piece.seal or call.seal

    def _signed(self, part: Part, seal: Seal | None) -> Part:
        if seal is not None:
            part["thoughtSignature"] = signature_of(seal, self._account)
        return part

    def calls(self) -> list[Part]:
        """The calls of the choice, which is over."""
        return [self._call(call) for _, call in sorted(self._calls.items())]

    def _call(self, call: _Call) -> Part:
        text = "".join(call.arguments)
        function: Part = {"id": call.id} if call.id else {}
        function |= {"name": call.name, "args": {TEXT_ARGUMENT: text} if call.custom else object_of(text)}
        return self._signed({"functionCall": function}, call.seal)

    @property
    def reason(self) -> str:
        """Why it ended, in Gemini's words."""
        return said(self._finish, refused=self._refused)


def joined(parts: list[Part], part: Part) -> None:
    """Add a part to those of a whole answer: text that goes on is one part, which a signature closes."""
    last = parts[-1] if parts else {}
    if (
        "text" in part
        and "text" in last
        and "thoughtSignature" not in last
        and last.get("thought") == part.get("thought")
    ):
        parts[-1] = {**last, **part, "text": last["text"] + part["text"]}
    else:
        parts.append(part)


def object_of(text: str) -> Part:
    """An object of JSON text; text that is none, whole, as the one argument of a call."""
    if not text.strip():
        return {}
    try:
        value: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {TEXT_ARGUMENT: text}
    return members(cast("object", value)) if isinstance(value, dict) else {TEXT_ARGUMENT: value}
