"""Answers of Messages, written for a caller.

What came in this dialect and was not touched passes as it is. What a stage touched is patched: only what it changed is
replaced. What came in another dialect is written from what it says.
"""

from typing import Any

import msgspec

from freehold.core.errors import FreeholdError
from freehold.core.events import Begun, Event, Finish, Text, Used
from freehold.core.request import Request
from freehold.core.usage import Usage
from freehold.dialects.anthropic_messages.errors import encode_stream_error
from freehold.dialects.anthropic_messages.frames import (
    MESSAGE_STOP,
    message_delta,
    message_start,
    text_delta,
    unfolded,
)
from freehold.dialects.anthropic_messages.patching import patched
from freehold.dialects.anthropic_messages.stops import stop_reason
from freehold.dialects.anthropic_messages.unfolding import Blocks, Content
from freehold.dialects.anthropic_messages.usage import usage_json
from freehold.dialects.openai_chat.loose import members, word
from freehold.dialects.sse import named, payload, replaced

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_LAST = b"event: message_stop"


class Own:
    """Writes one answer that comes in this dialect."""

    __slots__ = ("_last", "_over", "_stream")

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream
        self._over = False
        self._last = b""

    def encode(self, event: Event) -> bytes:
        """The bytes for one event: a frame where the request streams, else the whole body."""
        raw = event.raw
        if not self._stream:
            return patched(raw, event.deltas) if event.touched and raw else raw
        if raw[:1] == b"{":  # a whole message where a stream was asked for
            self._over = True
            return unfolded(_decode(patched(raw, event.deltas) if event.touched else raw))
        if not raw:
            return self._more(event)
        self._last = raw
        if event.touched:
            raw = replaced(raw, patched(payload(raw), event.deltas))
        if raw.startswith(_LAST):
            self._over = True
        elif raw[:5] == b"data:":
            return self._named(raw)
        return raw

    def _named(self, raw: bytes) -> bytes:
        """A frame under the name that SDKs tell events apart by, which some servers leave out."""
        if named(raw):
            return raw
        data = payload(raw)
        kind = word(members(_decode(data)).get("type")) if data[:1] == b"{" else ""
        if not kind:
            return b""  # '[DONE]', which is no part of this dialect
        self._over = self._over or kind == "message_stop"
        return b"event: %b\n%b" % (kind.encode(), raw)

    def _more(self, event: Event) -> bytes:
        """What a stage says of its own: part of the text that is open."""
        last = members(_decode(payload(self._last))) if payload(self._last)[:1] == b"{" else {}
        if last.get("type") not in ("content_block_delta", "content_block_start"):
            return b""
        return b"".join([text_delta(last["index"], d.text) for d in event.deltas if isinstance(d, Text) and d.text])

    @property
    def media_type(self) -> bytes:
        return b"text/event-stream; charset=utf-8" if self._stream else b"application/json"

    def end(self) -> bytes:
        return MESSAGE_STOP if self._stream and not self._over else b""

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut."""
        return encode_stream_error(error)


class Foreign:
    """Writes one answer that comes in another dialect. `id` names it, unless its provider's name will do."""

    __slots__ = ("_account", "_blocks", "_content", "_finish", "_id", "_model", "_own", "_started", "_stream", "_usage")

    def __init__(self, request: Request, *, id: str, account: str) -> None:
        self._stream = request.stream
        self._account = account
        self._own = id.replace("-", "")
        self._id = f"msg_{self._own}"
        self._model = request.model
        self._started = False
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._blocks = Blocks(account, self._own)
        self._content = Content(account, self._own)

    def encode(self, event: Event) -> bytes:
        """The bytes for one event of a stream; b"" where the answer is whole, which `end` writes."""
        out: list[bytes] = []
        for delta in event.deltas:
            kind = type(delta)
            if kind is Text and self._started:
                out.append(self._blocks.write(delta))
            elif isinstance(delta, Begun):
                self._begun(delta)
            elif isinstance(delta, Used):
                self._usage = delta.usage
            elif isinstance(delta, Finish):
                if delta.choice == 0:
                    self._finish = delta
            elif self._stream:
                out += [self._start(), self._blocks.write(delta)]
            else:
                self._content.add(delta)
        return out[0] if len(out) == 1 else b"".join(out)

    def _begun(self, begun: Begun) -> None:
        if begun.id.startswith("msg_"):
            self._id = begun.id
        self._model = begun.model or self._model

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        return message_start(self._message([], None))

    def _message(self, content: list[dict[str, Any]], stop: str | None) -> dict[str, Any]:
        usage = usage_json(self._usage)
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": usage | {"output_tokens": 0} if self._stream else usage,
        }

    @property
    def media_type(self) -> bytes:
        return b"text/event-stream; charset=utf-8" if self._stream else b"application/json"

    def end(self) -> bytes:
        """What closes the answer, or the whole of it."""
        if not self._stream:
            content = self._content
            blocks = content.whole()
            stop = stop_reason(self._finish, called=content.called, refused=content.refused)
            return _encode(self._message(blocks, stop))
        blocks = self._blocks
        start, closed = self._start(), blocks.close()
        stop = stop_reason(self._finish, called=blocks.called, refused=blocks.refused)
        ended = message_delta({"stop_reason": stop, "stop_sequence": None}, usage_json(self._usage))
        return b"".join([start, closed, ended, MESSAGE_STOP])

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut."""
        return encode_stream_error(error)
