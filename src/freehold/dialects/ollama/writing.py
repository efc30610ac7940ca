"""Answers of Ollama's own API, written for a caller: what came in it passes, the rest is written from what it says."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from freehold.core.errors import FreeholdError
from freehold.core.events import Begun, Collect, Delta, Event, Finish, Reasoning, Refusal, Text, Used
from freehold.core.money import NANO
from freehold.core.request import Request
from freehold.core.usage import Usage

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_Members = dict[str, Any]


class Encoder:
    """Writes one answer. `chat`: with messages; else with bare responses. A call of a tool is said when it is whole."""

    def __init__(self, request: Request, *, chat: bool, at: int, foreign: bool) -> None:
        self._stream = request.stream
        self._chat = chat
        self._foreign = foreign
        self._model = request.model
        self._at = datetime.fromtimestamp(at / NANO, UTC).isoformat().replace("+00:00", "Z")
        self._fold = Collect()
        self._calls = 0
        self._finish = "stop"
        self._usage: Usage | None = None
        self._passed = False
        self.media_type = b"application/x-ndjson" if self._stream else b"application/json"

    def encode(self, event: Event) -> bytes:
        if event.raw and not event.touched and not self._foreign:
            self._passed = True
            return event.raw
        self._fold.event(event)
        written = b"".join([self._delta(delta) for delta in event.deltas])
        return written if self._stream else b""

    def end(self) -> bytes:
        """What closes the answer."""
        if self._passed:
            return b""
        whole = self._fold.answer
        choice = whole.choices[0]
        calls = [_call(c.id, c.name, c.arguments) for c in choice.tool_calls]
        if self._stream:
            said = self._line("", calls=calls) if calls else b""
            return said + self._last("")
        return self._last(choice.text or choice.refusal, thinking=choice.reasoning, calls=calls, close=b"")

    def fail(self, error: FreeholdError) -> bytes:
        return _encode({"error": error.message}) + b"\n"

    def _delta(self, delta: Delta) -> bytes:
        match delta:
            case Begun():
                self._model = delta.model or self._model
            case Text(text, 0) | Refusal(text, 0):
                return self._line(text)
            case Reasoning(text, 0):
                return self._line("", thinking=text) if text else b""
            case Finish(reason, _, 0):
                self._finish = "length" if reason == "length" else "stop"
            case Used(usage):
                self._usage = usage
            case _:  # a call is told whole; other choices have no place
                pass
        return b""

    def _said(self, text: str, thinking: str, calls: list[_Members] | None) -> _Members:
        if not self._chat:
            return {"response": text} | ({"thinking": thinking} if thinking else {})
        message: _Members = {"role": "assistant", "content": text}
        if thinking:
            message["thinking"] = thinking
        if calls:
            message["tool_calls"] = calls
        return {"message": message}

    def _line(self, text: str, *, thinking: str = "", calls: list[_Members] | None = None) -> bytes:
        head = {"model": self._model, "created_at": self._at}
        return _encode({**head, **self._said(text, thinking, calls), "done": False}) + b"\n"

    def _last(
        self, text: str, *, thinking: str = "", calls: list[_Members] | None = None, close: bytes = b"\n"
    ) -> bytes:
        head = {"model": self._model, "created_at": self._at}
        counts = {} if self._usage is None else {
            "prompt_eval_count": self._usage.input_tokens, "eval_count": self._usage.output_tokens,
        }  # fmt: skip
        end = {"done": True, "done_reason": self._finish, **counts}
        return _encode({**head, **self._said(text, thinking, calls), **end}) + close


def _call(id_: str, name: str, arguments: str) -> _Members:
    try:
        value: Any = _decode(arguments or "{}")
    except msgspec.DecodeError:
        value = arguments
    if not isinstance(value, dict):
        value = {"input": value}
    return {"id": id_, "function": {"name": name, "arguments": value}}
