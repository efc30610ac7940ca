"""Answers of Gemini, written for a caller.

What came in this dialect and was not touched passes as it is. What a stage touched is patched: only what it changed is
replaced. What came in another dialect is written from what it says; the last response says why each candidate ended,
and what was used.
"""

from typing import Any

import msgspec
from msgspec import Raw

from freehold.core.errors import FreeholdError
from freehold.core.events import Begun, Event, Text, Used
from freehold.core.request import Request
from freehold.core.usage import Usage
from freehold.dialects.gemini_generate.errors import one_line
from freehold.dialects.gemini_generate.framing import JSON, Frame
from freehold.dialects.gemini_generate.parts import Part, Speaking, joined
from freehold.dialects.gemini_generate.patching import patched
from freehold.dialects.gemini_generate.usage import usage_json
from freehold.dialects.sse import payload

_encode = msgspec.json.Encoder().encode
_pieces = msgspec.json.Decoder(list[Raw]).decode


class Own:
    """Writes one answer that comes in this dialect."""

    __slots__ = ("_frame",)

    def __init__(self, request: Request) -> None:
        self._frame = Frame(request.framing) if request.stream else None

    @property
    def media_type(self) -> bytes:
        return JSON if self._frame is None else self._frame.media_type

    def encode(self, event: Event) -> bytes:
        """The bytes for one event: a framed response where the request streams, else the whole body."""
        raw, frame = event.raw, self._frame
        if frame is None:
            return patched(raw, event.deltas) if event.touched and raw[:1] == b"{" else raw
        if raw[:5] == b"data:" and frame.sse and not event.touched:
            return raw
        if not raw:
            return self._more(event, frame)
        if raw[:1] == b"[":  # an array of responses, sent at once
            return b"".join([frame.put(bytes(piece)) for piece in _pieces(raw)])
        data = raw if raw[:1] == b"{" else payload(raw)
        if data[:1] != b"{":
            return b""  # a comment, for which neither framing has a place that clients read over
        return frame.put(patched(data, event.deltas) if event.touched else data)

    def _more(self, event: Event, frame: Frame) -> bytes:
        """What a stage says of its own."""
        said = [(d.choice, d.text) for d in event.deltas if isinstance(d, Text) and d.text]
        return b"".join([frame.put(_encode({"candidates": [_candidate(c, [{"text": t}])]})) for c, t in said])

    def end(self) -> bytes:
        return b"" if self._frame is None else self._frame.end()

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut."""
        return _failed(self._frame, error)


class Foreign:
    """Writes one answer that comes in another dialect. `id` names it, unless its provider does."""

    __slots__ = ("_account", "_choices", "_frame", "_id", "_model", "_named", "_parts", "_usage")

    def __init__(self, request: Request, *, id: str, account: str) -> None:
        self._frame = Frame(request.framing) if request.stream else None
        self._account = account
        self._id = id
        self._model = request.model
        self._named = b""
        self._usage: Usage | None = None
        self._choices: dict[int, Speaking] = {}
        self._parts: dict[int, list[Part]] = {}

    @property
    def media_type(self) -> bytes:
        return JSON if self._frame is None else self._frame.media_type

    def encode(self, event: Event) -> bytes:
        """The bytes for one event of a stream; b"" where the answer is whole, which `end` writes."""
        out: list[bytes] = []
        frame = self._frame
        for delta in event.deltas:
            if isinstance(delta, Begun):
                self._id, self._model = delta.id or self._id, delta.model or self._model
                self._named = b""
                continue
            if isinstance(delta, Used):
                self._usage = delta.usage
                continue
            speaking = self._choices.get(delta.choice)
            if speaking is None:
                speaking = self._choices[delta.choice] = Speaking(self._account)
            part = speaking.add(delta)
            if part is None:
                continue
            if frame is None:
                joined(self._parts.setdefault(delta.choice, []), part)
            else:
                out.append(frame.put(self._response(delta.choice, part)))
        return out[0] if len(out) == 1 else b"".join(out)

    def _response(self, choice: int, part: Part) -> bytes:
        """One part of one candidate as a response."""
        named = self._named
        if not named:
            named = self._named = b'],"modelVersion":%b,"responseId":%b}' % (_encode(self._model), _encode(self._id))
        return b'{"candidates":[{"content":{"parts":[%b],"role":"model"},"index":%d}%b' % (
            _encode(part),
            choice,
            named,
        )

    def end(self) -> bytes:
        """What closes the answer, or the whole of it."""
        choices = self._choices or {0: Speaking(self._account)}
        candidates: list[dict[str, Any]] = []
        for index, speaking in sorted(choices.items()):
            parts = [*self._parts.get(index, []), *speaking.calls()]
            if not parts and self._frame is not None:
                parts = [{"text": ""}]  # as Gemini ends a stream
            candidates.append(_candidate(index, parts, speaking.reason))
        response: dict[str, Any] = {"candidates": candidates}
        if self._usage is not None:
            response["usageMetadata"] = usage_json(self._usage)
        response |= {"modelVersion": self._model, "responseId": self._id}
        data = _encode(response)
        return data if self._frame is None else self._frame.put(data) + self._frame.end()

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut."""
        return _failed(self._frame, error)


def _candidate(index: int, parts: list[Part], reason: str = "") -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"} if parts else {"role": "model"}}
    if reason:
        candidate["finishReason"] = reason
    return candidate | {"index": index}


def _failed(frame: Frame | None, error: FreeholdError) -> bytes:
    """An error in place of the next response."""
    data = one_line(error)
    return data if frame is None else frame.put(data) + frame.end()
