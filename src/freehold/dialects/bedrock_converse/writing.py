"""Answers of Converse, written for a caller.

What came in this dialect and was not touched passes as it is. What a stage touched is patched: only what it changed is
replaced. What came in another dialect is written from what it says.
"""

import msgspec

from freehold.core.errors import FreeholdError
from freehold.core.events import Event, Finish, Text, Used
from freehold.core.request import Request
from freehold.core.usage import Usage
from freehold.dialects.bedrock_converse.errors import encode_stream_error
from freehold.dialects.bedrock_converse.eventstream import Message, Messages, event
from freehold.dialects.bedrock_converse.patching import patched, patched_event
from freehold.dialects.bedrock_converse.stops import stop_reason
from freehold.dialects.bedrock_converse.unfolding import Blocks, Told, folded, unfolded
from freehold.dialects.bedrock_converse.usage import usage_json
from freehold.dialects.openai_chat.loose import members

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
STREAM = b"application/vnd.amazon.eventstream"
_TEXT = b'{"contentBlockIndex":%d,"delta":{"text":%b}}'


class Own:
    """Writes one answer that comes in this dialect."""

    __slots__ = ("_index", "_stream", "media_type")

    def __init__(self, request: Request) -> None:
        self._stream = request.stream
        self._index = 0
        self.media_type = STREAM if request.stream else b"application/json"

    def encode(self, event: Event) -> bytes:
        """The bytes for one event: a message of the stream where the request streams, else the whole body."""
        raw = event.raw
        if not self._stream:
            return patched(raw, event.deltas) if event.touched and raw else raw
        if raw[:1] == b"{":  # a whole answer where a stream was asked for
            return _framed(unfolded(_decode(patched(raw, event.deltas) if event.touched else raw)))
        if not raw:
            return self._more(event)
        if event.touched:
            raw = patched_event(raw, event.deltas)
            self._index = _index(raw)
        return raw

    def _more(self, said: Event) -> bytes:
        """What a stage says of its own: part of the text that it last touched."""
        texts = [d.text for d in said.deltas if isinstance(d, Text) and d.text]
        return b"".join([event("contentBlockDelta", _TEXT % (self._index, _encode(text))) for text in texts])

    def end(self) -> bytes:
        return b""

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut."""
        return encode_stream_error(error)


def _index(raw: bytes) -> int:
    found: list[Message] = []
    Messages().feed(raw, found)
    return members(_decode(found[0].payload)).get("contentBlockIndex") or 0


def _framed(told: list[Told]) -> bytes:
    return b"".join([event(kind, _encode(value)) for kind, value in told])


class Foreign:
    """Writes one answer that comes in another dialect, by the events that a stream of it would have: a whole answer is
    those folded."""

    __slots__ = ("_blocks", "_finish", "_started", "_stream", "_told", "_usage", "media_type")

    def __init__(self, request: Request, *, id: str, account: str) -> None:
        self._stream = request.stream
        self._blocks = Blocks(account, id.replace("-", ""))
        self._told: list[Told] = []
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._started = False
        self.media_type = STREAM if request.stream else b"application/json"

    def encode(self, event: Event) -> bytes:
        """The bytes for one event of a stream; b"" where the answer is whole, which `end` writes."""
        told: list[Told] = []
        for delta in event.deltas:
            if isinstance(delta, Used):
                self._usage = delta.usage
            elif isinstance(delta, Finish):
                if delta.choice == 0:
                    self._finish = delta
            else:
                self._blocks.add(delta, told)
        return self._say(told)

    def _say(self, told: list[Told]) -> bytes:
        if not told:
            return b""
        if not self._started:
            self._started = True
            told.insert(0, ("messageStart", {"role": "assistant"}))
        if self._stream:
            return _framed(told)
        self._told += told
        return b""

    def end(self) -> bytes:
        told: list[Told] = []
        self._blocks.end(told)
        stop = stop_reason(self._finish, called=self._blocks.called, refused=self._blocks.refused)
        told.append(("messageStop", {"stopReason": stop}))
        told.append(("metadata", {"usage": usage_json(self._usage), "metrics": {"latencyMs": 0}}))
        written = self._say(told)
        return written if self._stream else _encode(folded(self._told))

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut."""
        return encode_stream_error(error)
