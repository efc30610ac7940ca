"""Answers of Cohere's v2 chat, written for a caller.

What came in this dialect and was not touched passes as it is. What a stage touched is patched: only what it changed is
replaced. What came in another dialect is written from what it says.
"""

from typing import Any

import msgspec

from freehold.core.errors import FreeholdError, Rejected
from freehold.core.events import Begun, Collect, Delta, Event, Finish, FinishReason, Reasoning, Refusal, Text, ToolCall
from freehold.core.events import Used as UsedDelta
from freehold.core.request import Request
from freehold.core.usage import Usage
from freehold.dialects.cohere_chat.patching import patched
from freehold.dialects.openai_chat.loose import members
from freehold.dialects.sse import payload, replaced

_encode = msgspec.json.Encoder().encode
_TEXT = (
    b'event: content-delta\ndata: {"type":"content-delta","index":%d,"delta":{"message":{"content":{"text":%b}}}}\n\n'
)
_DONE = b"data: [DONE]\n\n"
WORDS: dict[FinishReason, str] = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "ERROR_TOXIC",
    "error": "ERROR",
    "other": "COMPLETE",
}


def frame(kind: str, **rest: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind, **rest}))


def usage_json(usage: Usage | None) -> dict[str, Any]:
    """Usage in Cohere's form."""
    if usage is None:
        usage = Usage()
    counts = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    paid = {
        "input_tokens": usage.input_tokens - usage.free_input_tokens,
        "output_tokens": usage.output_tokens - usage.free_output_tokens,
    }
    return {"billed_units": paid, "tokens": counts, "cached_tokens": usage.cache_read_tokens}


class Own:
    """Writes one answer that comes in this dialect."""

    def __init__(self, request: Request, *, id: str) -> None:
        self._stream = request.stream
        self._whole = Foreign(request, id=id)  # for a whole answer where a stream was asked for
        self._unfolded = False
        self._index = 0
        self.media_type = self._whole.media_type

    def encode(self, event: Event) -> bytes:
        raw = event.raw
        if not self._stream:
            return patched(raw, event.deltas) if event.touched and raw else raw
        if raw[:1] == b"{":
            self._unfolded = True
            return self._whole.encode(event)
        if not raw:  # what a stage says of its own: part of the text that it last touched
            texts = [d.text for d in event.deltas if isinstance(d, Text) and d.text]
            return b"".join([_TEXT % (self._index, _encode(text)) for text in texts])
        if event.touched:
            data = payload(raw)
            self._index = members(_decoded(data)).get("index") or 0
            return replaced(raw, patched(data, event.deltas))
        return raw

    def end(self) -> bytes:
        return self._whole.end() if self._unfolded else b""

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut."""
        return encode_stream_error(error)


class Foreign:
    """Writes one answer that comes in another dialect. A stream's blocks are numbered by kind."""

    def __init__(self, request: Request, *, id: str) -> None:
        self._stream = request.stream
        self._id = id
        self._fold = Collect()
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._started = False
        self._content = -1
        self._open = ""  # the kind of block that is open: "text", "thinking", "call"
        self._call = -1
        self.media_type = b"text/event-stream; charset=utf-8" if self._stream else b"application/json"

    def encode(self, event: Event) -> bytes:
        self._fold.event(event)
        written = b"".join([self._delta(delta) for delta in event.deltas])
        if self._stream and written and not self._started:
            self._started = True
            empty: dict[str, Any] = {
                "role": "assistant",
                "content": [],
                "tool_plan": "",
                "tool_calls": [],
                "citations": [],
            }
            return frame("message-start", id=self._id, delta={"message": empty}) + written
        return written if self._stream else b""

    def end(self) -> bytes:
        whole = self._fold.answer
        choice = whole.choices[0]
        reason = "TOOL_CALL" if choice.tool_calls and self._reason in ("COMPLETE", "TOOL_CALL") else self._reason
        if self._stream:
            last = frame("message-end", delta={"finish_reason": reason, "usage": usage_json(self._usage)})
            return self._shut() + last + _DONE
        content = [{"type": "thinking", "thinking": choice.reasoning}] if choice.reasoning else []
        if text := choice.text or choice.refusal:
            content.append({"type": "text", "text": text})
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if choice.tool_calls:
            message["tool_calls"] = [
                {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments or "{}"}}
                for c in choice.tool_calls
            ]
        answer = {"id": self._id, "finish_reason": reason, "message": message}
        return _encode({**answer, "usage": usage_json(self._usage)})

    @property
    def _reason(self) -> str:
        finish = self._finish
        if finish is None:
            return "COMPLETE"
        return finish.said if finish.said in ("STOP_SEQUENCE", "TIMEOUT") else WORDS[finish.reason]

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut."""
        return encode_stream_error(error)

    def _delta(self, delta: Delta) -> bytes:
        match delta:
            case Text(text, 0) | Refusal(text, 0) if text:
                return self._block("text") + _TEXT % (self._content, _encode(text))
            case Reasoning(text, 0) if text:
                said = {"message": {"content": {"thinking": text}}}
                return self._block("thinking") + frame("content-delta", index=self._content, delta=said)
            case ToolCall(choice=0):
                return self._piece(delta)
            case Begun(id_):
                self._id = id_ if id_ and not self._started else self._id
            case UsedDelta(usage):
                self._usage = usage
            case Finish(choice=0):
                self._finish = delta
            case _:
                pass
        return b""

    def _block(self, kind: str) -> bytes:
        if self._open == kind:
            return b""
        shut = self._shut()
        self._open = kind
        self._content += 1
        content = {"type": kind, kind: ""}
        return shut + frame("content-start", index=self._content, delta={"message": {"content": content}})

    def _piece(self, delta: ToolCall) -> bytes:
        """A piece of a call; each is told apart by its index."""
        begun = b""
        if delta.index > self._call:
            begun = self._shut()
            self._open, self._call = "call", delta.index
            function = {"name": delta.name, "arguments": ""}
            call = {"id": delta.id or f"call_{self._id}_{delta.index}", "type": "function", "function": function}
            begun += frame("tool-call-start", index=delta.index, delta={"message": {"tool_calls": call}})
        if not delta.arguments:
            return begun
        said = {"message": {"tool_calls": {"function": {"arguments": delta.arguments}}}}
        return begun + frame("tool-call-delta", index=delta.index, delta=said)

    def _shut(self) -> bytes:
        kind, self._open = self._open, ""
        if not kind:
            return b""
        if kind == "call":
            return frame("tool-call-end", index=self._call)
        return frame("content-end", index=self._content)


def encode_error(error: FreeholdError) -> bytes:
    """{"message", "id"}. What a provider that speaks this dialect rejected passes as it was said."""
    if isinstance(error, Rejected) and isinstance(members(_decoded(error.body)).get("message"), str):
        return error.body
    return _encode({"message": error.message} | ({"id": error.request_id} if error.request_id else {}))


def encode_stream_error(error: FreeholdError) -> bytes:
    """The end of a stream that has begun, with the error."""
    return frame("message-end", delta={"finish_reason": "ERROR", "error": error.message}) + _DONE


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
