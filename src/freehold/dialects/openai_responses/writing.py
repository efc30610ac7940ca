"""Answers of Responses, written for a caller.

What came in this dialect and was not touched passes as it is. What a stage touched is patched, and with it whatever
repeats it later in the stream. What came in another dialect is written from what it says.
"""

from typing import Any

import msgspec
from msgspec import Raw

from freehold.core.errors import FreeholdError
from freehold.core.events import Begun, Event, Finish, Text, Used
from freehold.core.money import NANO
from freehold.core.request import Request
from freehold.core.usage import Usage
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.openai_responses.errors import error_event, told
from freehold.dialects.openai_responses.output import Output
from freehold.dialects.openai_responses.patching import Patches
from freehold.dialects.openai_responses.request import CONTINUED
from freehold.dialects.openai_responses.unfolding import unfolded
from freehold.dialects.openai_responses.usage import usage_json
from freehold.dialects.sse import payload

_Members = dict[str, Any]
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
JSON, EVENTS = b"application/json", b"text/event-stream; charset=utf-8"
_NULL = b"null"


class Own:
    """Writes one answer that comes in this dialect."""

    __slots__ = ("_first", "_last", "_patches", "_stream")

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream
        self._first = b""
        self._last = b""
        self._patches = Patches()

    def encode(self, event: Event) -> bytes:
        """The bytes for one event: a frame where the request streams, else the whole body."""
        raw = event.raw
        if raw[:1] == b"{":  # a whole response, asked for or not
            whole = self._patches.whole(raw, event.deltas) if event.touched else raw
            return unfolded(_decode(whole)) if self._stream else whole
        raw = self._patches.event(event)
        if not self._first and b"response" in raw:
            self._first = raw
        self._last = raw or self._last
        return raw

    @property
    def media_type(self) -> bytes:
        return EVENTS if self._stream else JSON

    def end(self) -> bytes:
        return b""

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut: the error, and its response as one that failed."""
        first, last = (_object(raw) for raw in (self._first, self._last))
        number = last.get("sequence_number")
        number = number + 1 if isinstance(number, int) else 0
        out = error_event(error, number)
        response = members(first.get("response"))
        if not response:
            return out
        response |= {"status": "failed", "error": told(error)}
        body = {"type": "response.failed", "sequence_number": number + 1, "response": response}
        return out + b"event: response.failed\ndata: %b\n\n" % _encode(body)


def _object(raw: bytes) -> _Members:
    data = payload(raw)
    return members(_decode(data)) if data[:1] == b"{" else {}


class Foreign:
    """Writes one answer that comes in another dialect. Its id is ours; `at`: UTC nanoseconds."""

    __slots__ = ("_at", "_finish", "_model", "_output", "_own", "_request", "_started", "_stream", "_usage")

    def __init__(self, request: Request, *, id: str, at: int, account: str) -> None:
        self._request = request
        self._stream = request.stream
        self._own = own(id)
        self._at = at // NANO
        self._model = request.model
        self._started = False
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._output = Output(self._own, account, _custom(request), summary=_summary(request))

    def encode(self, event: Event) -> bytes:
        """The bytes for one event of a stream; b"" where the answer is whole, which `end` writes."""
        out: list[bytes] = []
        for delta in event.deltas:
            kind = type(delta)
            if kind is Text and self._started:
                out.append(self._output.write(delta))
            elif isinstance(delta, Begun):
                self._model = delta.model or self._model
            elif isinstance(delta, Used):
                self._usage = delta.usage
            elif isinstance(delta, Finish):
                if delta.choice == 0:
                    self._finish = delta
            else:
                out += [self._start(), self._output.write(delta)]
        if not self._stream:
            return b""
        return out[0] if len(out) == 1 else b"".join(out)

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        if not self._stream:
            return b""
        response = self._response("in_progress")
        created = self._output.event("response.created", {"response": response})
        return created + self._output.event("response.in_progress", {"response": response})

    @property
    def media_type(self) -> bytes:
        return EVENTS if self._stream else JSON

    def end(self) -> bytes:
        """What closes the answer, or the whole of it."""
        start, status = self._start(), _status(self._finish)
        closed = self._output.close("completed" if status == "completed" else "incomplete")
        response = self._response(status)
        if not self._stream:
            return _encode(response)
        return start + closed + self._output.event(f"response.{status}", {"response": response})

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut: the error, and the response as far as it came."""
        start = self._start()
        closed = self._output.close("incomplete")
        output = self._output
        said = error_event(error, output.sequence)
        output.sequence += 1
        response = self._response("failed") | {"error": told(error)}
        return start + closed + said + output.event("response.failed", {"response": response})

    def _response(self, status: str) -> _Members:
        """The response as it is now: what was asked, and what has been said."""
        over = status != "in_progress"
        response: _Members = {
            "id": f"resp_{self._own}",
            "object": "response",
            "created_at": self._at,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self._model,
            "output": self._output.items if over else [],
            "usage": usage_json(self._usage) if over and self._usage is not None else None,
        }
        if status == "incomplete":
            filtered = self._finish is not None and self._finish.reason == "content_filter"
            response["incomplete_details"] = {"reason": "content_filter" if filtered else "max_output_tokens"}
        elif status == "failed" and self._finish is not None:
            response["error"] = {"code": "server_error", "message": f"The model stopped: {self._finish.said}"}
        return response | echo(self._request)


def own(id: str) -> str:
    """What the ids of an answer of ours have in common; `id` is that of its inference."""
    return f"fh{id.replace('-', '')}"


_STATUSES = {"length": "incomplete", "content_filter": "incomplete", "error": "failed"}


def _status(finish: Finish | None) -> str:
    return "completed" if finish is None else _STATUSES.get(finish.reason, "completed")


_ASKED: tuple[tuple[str, bytes], ...] = (
    ("background", b"false"),
    ("instructions", _NULL),
    ("max_output_tokens", _NULL),
    ("max_tool_calls", _NULL),
    ("metadata", b"{}"),
    ("parallel_tool_calls", b"true"),
    ("prompt_cache_key", _NULL),
    ("reasoning", b'{"effort":null,"summary":null}'),
    ("safety_identifier", _NULL),
    ("service_tier", _NULL),
    ("store", b"true"),
    ("temperature", _NULL),
    ("text", b'{"format":{"type":"text"}}'),
    ("tool_choice", b'"auto"'),
    ("tools", b"[]"),
    ("top_logprobs", _NULL),
    ("top_p", _NULL),
    ("truncation", b'"disabled"'),
    ("user", _NULL),
)
"""What a response repeats of its request, and as what where it was not said."""


def echo(request: Request) -> dict[str, Raw]:
    """What a response repeats of its request."""
    fields = request.fields
    said = {name: _raw(fields.get(name), default) for name, default in _ASKED}
    said["previous_response_id"] = _raw(fields.get(CONTINUED), _NULL)
    return said


def _raw(value: Raw | None, default: bytes) -> Raw:
    return Raw(default) if value is None or bytes(value) == _NULL else value


def _custom(request: Request) -> frozenset[str]:
    """The caller's tools that take plain text."""
    raw = request.fields.get("tools")
    if raw is None or b'"custom"' not in memoryview(raw).tobytes():
        return frozenset()
    tools = map(members, items(_decode(raw)))
    return frozenset(word(tool.get("name")) for tool in tools if tool.get("type") == "custom")


def _summary(request: Request) -> bool:
    """Whether the caller wants to hear summaries of what was thought."""
    raw = request.fields.get("reasoning")
    asked = {} if raw is None else members(_decode(raw))
    return bool(asked.get("summary") or asked.get("generate_summary"))
