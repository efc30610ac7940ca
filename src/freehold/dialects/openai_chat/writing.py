"""Answers of OpenAI chat completions, written for a caller.

What came in this dialect and was not touched passes as it is. What a stage touched is patched: only what it changed
is replaced. What has no bytes of its own (another dialect, our own words) is written from what it says.
"""

from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from freehold.core.errors import FreeholdError
from freehold.core.events import (
    Begun,
    Choice,
    Collect,
    Delta,
    Event,
    Finish,
    FinishReason,
    Reasoning,
    Refusal,
    Text,
    Thought,
    ToolCall,
    Used,
    WholeCall,
)
from freehold.core.money import NANO
from freehold.core.request import Request
from freehold.core.seal import Seal
from freehold.core.usage import Usage
from freehold.dialects.dialect import Source
from freehold.dialects.openai_chat.details import detail_of, foreign_detail, signed
from freehold.dialects.openai_chat.errors import encode_stream_error
from freehold.dialects.openai_chat.patching import patched
from freehold.dialects.sse import payload, replaced

DONE = b"data: [DONE]\n\n"
FINISHES = {"error": "stop", "other": "stop"}
ENVELOPE = frozenset({
    "id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "provider",
    "obfuscation", "timings",
})  # fmt: skip
"""What a chunk may hold that says nothing but usage. llama.cpp sends its timings there when asked for usage."""


class Encoder(Struct, eq=False):
    """Writes one answer. `at`: UTC nanoseconds; `own` names the answer where the provider gave none, else it is `id`;
    `thoughts` is the number of the last one.

    With a `source` the bytes of events are in another dialect, and only what they say is written.
    """

    prefix: ClassVar = "chatcmpl"
    whole: ClassVar = "chat.completion"
    chunk: ClassVar = "chat.completion.chunk"
    """What ids begin with, and what answers and chunks are called."""

    _request: Request
    _own: str
    _at: int
    _source: Source | None = None
    _id: str = ""
    _model: str = ""
    _roles: set[int] = set()
    _thoughts: int = -1
    _finishes: dict[int, FinishReason] = {}
    _called: set[int] = set()
    _usage: Usage | None = None
    _fold: Collect | None = None

    def encode(self, event: Event) -> bytes:
        """The bytes for one event: SSE where the request streams, else a part of the whole body."""
        if self._source is not None:
            event = Event(event.deltas, content=event.content)
        if self._request.stream:
            if event.content and not event.touched and event.raw[:5] == b"data:" and type(event.deltas[0]) is not Begun:
                return event.raw
            return self._chunk(event)
        if event.raw and not event.touched:
            return event.raw
        if event.raw:
            return patched(event.raw, event.deltas)
        fold = self._fold = self._fold or Collect()
        fold.event(event)
        return b""

    @property
    def media_type(self) -> bytes:
        return b"text/event-stream; charset=utf-8" if self._request.stream else b"application/json"

    @property
    def _account(self) -> str:
        """Whose seals these are."""
        return "" if self._source is None else self._source.account

    def fail(self, error: FreeholdError) -> bytes:
        """What closes a stream that was cut."""
        return encode_stream_error(error)

    def end(self) -> bytes:
        """What closes the answer."""
        if self._request.stream:
            return self._ends() + self._usage_chunk() + DONE
        return b"" if self._fold is None else self._completion(self._fold)

    def _ends(self) -> bytes:
        """The reason of each choice to stop, where the answer comes in another dialect."""
        if self._source is None:
            return b""
        out: list[bytes] = []
        for choice in sorted(self._roles | self._finishes.keys()) or [0]:
            reason = self._finishes.get(choice, "stop")
            if reason in ("stop", "other") and choice in self._called:
                reason = "tool_calls"
            out.append(self._data(choice, {}, FINISHES.get(reason, reason)))
        return b"".join(out)

    def _chunk(self, event: Event) -> bytes:
        raw, deltas = event.raw, event.deltas
        if not raw or raw[:1] == b"{":  # our own words, or a whole completion where a stream was asked for
            return b"".join([self._written(delta) for delta in deltas])
        if deltas:
            first = deltas[0]
            if type(first) is Begun:
                self._named(first)
            if not event.content and not self._request.wants_usage and _only_usage(raw, deltas):
                return b""
        return replaced(raw, patched(payload(raw), deltas)) if event.touched else raw

    def _named(self, begun: Begun) -> None:
        """What we say ourselves goes under the provider's name."""
        self._id, self._model = begun.id or self._id, begun.model or self._model

    def _written(self, delta: Delta) -> bytes:
        """One chunk for one delta."""
        match delta:
            case Begun():
                self._named(delta)
                return b""
            case Used(usage):
                self._usage = usage
                return b""
            case Finish(reason, _, choice):
                if self._source is not None:  # it comes last, and once: some repeat it, some say more after it
                    self._finishes.setdefault(choice, reason)
                    return b""
                return self._data(choice, {}, FINISHES.get(reason, reason))
            case Text(text, choice, seal):
                said = {"content": text}
                return self._data(choice, said if seal is None else said | self._signature(seal))
            case Reasoning():
                return self._data(delta.choice, self._thought(delta))
            case Refusal(text, choice):
                return self._data(choice, {"refusal": text})
            case ToolCall():
                self._called.add(delta.choice)
                return self._data(delta.choice, {"tool_calls": [self._piece(delta)]})

    def _piece(self, piece: ToolCall) -> dict[str, Any]:
        """A piece of a call; only the first one for an index says what it is."""
        kind, text = ("custom", "input") if piece.custom else ("function", "arguments")
        said: dict[str, Any] = {text: piece.arguments}
        if not (piece.id or piece.name):
            return {"index": piece.index, kind: said}
        call: dict[str, Any] = {"index": piece.index, "id": piece.id, "type": kind, kind: {"name": piece.name, **said}}
        if piece.seal is not None:
            call["extra_content"] = signed(piece.seal, self._account)
        return call

    def _thought(self, delta: Reasoning) -> dict[str, Any]:
        """Reasoning, with the details by which a caller can send it back where it comes from another dialect."""
        said: dict[str, Any] = {"reasoning_content": delta.text} if delta.text else {}
        self._thoughts = max(self._thoughts, delta.block)
        if self._source is not None:
            detail = foreign_detail(delta.text, delta.seal, account=self._account, index=delta.block)
            said["reasoning_details"] = [detail]
        elif delta.seal is not None:
            said["reasoning_details"] = [detail_of("", delta.seal)]
        return said

    def _signature(self, seal: Seal) -> dict[str, Any]:
        """The seal of a text, which has no place of its own: an entry after those of the thoughts."""
        if self._source is None:
            return {}
        self._thoughts += 1
        return {"reasoning_details": [foreign_detail("", seal, account=self._account, index=self._thoughts)]}

    def _data(self, choice: int, said: dict[str, Any], finish: str | None = None) -> bytes:
        if choice not in self._roles:
            self._roles.add(choice)
            said = {"role": "assistant", **said}
        return self._frame([{"index": choice, "delta": said, "finish_reason": finish}])

    def _frame(self, choices: list[dict[str, Any]], **more: object) -> bytes:
        chunk = {
            "id": self._id or f"{self.prefix}-{self._own}",
            "object": self.chunk,
            "created": self._at // NANO,
            "model": self._model or self._request.model,
            "choices": choices,
        }
        return b"data: %b\n\n" % msgspec.json.encode(chunk | more)

    def _usage_chunk(self) -> bytes:
        if self._usage is None or not self._request.wants_usage:
            return b""
        return self._frame([], usage=usage_json(self._usage))

    def _completion(self, fold: Collect) -> bytes:
        answer = fold.answer
        completion: dict[str, Any] = {
            "id": answer.id or f"{self.prefix}-{self._own}",
            "object": self.whole,
            "created": self._at // NANO,
            "model": answer.model or self._model or self._request.model,
            "choices": [self._choice(index, choice) for index, choice in enumerate(answer.choices)],
        }
        if answer.usage is not None:
            completion["usage"] = usage_json(answer.usage)
        return msgspec.json.encode(completion)

    def _choice(self, index: int, choice: Choice) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": choice.text or None}
        if choice.reasoning:
            message["reasoning_content"] = choice.reasoning
        if details := self._details(choice):
            message["reasoning_details"] = details
        message["refusal"] = choice.refusal or None
        if choice.tool_calls:
            message["tool_calls"] = [self._call(call) for call in choice.tool_calls]
        finish = choice.finish or "stop"
        if self._source is not None and choice.tool_calls and finish in ("stop", "other"):
            finish = "tool_calls"
        return {"index": index, "message": message, "finish_reason": FINISHES.get(finish, finish)}

    def _call(self, call: WholeCall) -> dict[str, Any]:
        kind, text = ("custom", "input") if call.custom else ("function", "arguments")
        more = {} if call.seal is None else {"extra_content": signed(call.seal, self._account)}
        return {"id": call.id, "type": kind, kind: {"name": call.name, text: call.arguments}, **more}

    def _details(self, choice: Choice) -> list[dict[str, Any]]:
        if self._source is None:
            return [detail_of("", thought.seal) for thought in choice.thoughts if thought.seal is not None]
        sealed = list(choice.thoughts)
        if choice.seal is not None:  # that of the text, see `_signature`
            sealed.append(Thought(text="", seal=choice.seal))
        return [
            foreign_detail(thought.text, thought.seal, account=self._account, index=index)
            for index, thought in enumerate(sealed)
        ]


def usage_json(usage: Usage) -> dict[str, Any]:
    """Usage in OpenAI's form."""
    prompt = {"cached_tokens": usage.cache_read_tokens}
    if usage.cache_write_tokens:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _only_usage(raw: bytes, deltas: tuple[Delta, ...]) -> bool:
    """Whether a chunk brings nothing but the usage that we asked for and the caller did not."""
    if not any(type(d) is Used for d in deltas):
        return False
    chunk: dict[str, Any] = msgspec.json.decode(payload(raw))
    return not chunk.get("choices") and all(name in ENVELOPE or value is None for name, value in chunk.items())
