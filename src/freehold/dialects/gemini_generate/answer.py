"""Answers of Gemini: what a response, or one chunk of a stream, says. A chunk is a response of its own.

Only structure is typed; scalars are taken as they come. What has no counterpart elsewhere (code that the provider ran,
what its own tools found, media that the model made) says nothing in our words; its bytes pass to callers of this
dialect.
"""

from typing import Any

import msgspec
from msgspec import Struct

from freehold.core.errors import Broken, ProviderError
from freehold.core.events import Begun, Delta, Event, Finish, Reasoning, Refusal, Text, ToolCall, Used
from freehold.dialects.gemini_generate.errors import error_in_answer
from freehold.dialects.gemini_generate.finishes import reason, word_of
from freehold.dialects.gemini_generate.foreign import seal_of
from freehold.dialects.gemini_generate.partials import Partial
from freehold.dialects.gemini_generate.usage import Counts, normal
from freehold.dialects.openai_chat.loose import items, members, number, word

MOST_CHOICES = 1024
MADE = "call_fh"
"""How the id of a call begins that its provider gave none."""
_LONGEST_ID = 24  # of a response in the id of a call: some take 40 characters in all

_encode = msgspec.json.Encoder().encode


class _Call(Struct, rename="camel", gc=False):
    id: Any = None
    name: Any = None
    args: Any = None
    partial_args: Any = None
    will_continue: Any = None


class _Part(Struct, rename="camel", gc=False):
    text: Any = None
    thought: Any = None
    thought_signature: Any = None
    function_call: _Call | None = None
    tool_call: Any = None
    tool_response: Any = None
    executable_code: Any = None
    code_execution_result: Any = None
    inline_data: Any = None
    file_data: Any = None

    @property
    def carried(self) -> bool:
        """Whether it is of a kind that has a place in our words."""
        others = (self.tool_call, self.tool_response, self.executable_code, self.code_execution_result)
        return all(one is None for one in (*others, self.inline_data, self.file_data))


class _Content(Struct, gc=False):
    parts: list[_Part | None] | None = None


class _Candidate(Struct, rename="camel", gc=False):
    content: _Content | None = None
    finish_reason: Any = None
    index: Any = None
    grounding_metadata: Any = None


class _Chunk(Struct, rename="camel", gc=False):
    candidates: list[_Candidate | None] | None = None
    prompt_feedback: Any = None
    usage_metadata: Counts | None = None
    model_version: Any = None
    response_id: Any = None
    error: Any = None


_chunk = msgspec.json.Decoder(_Chunk).decode
_chunks = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Said:
    """What a candidate has said so far. `block` counts its thoughts, `calls` its calls; `open` is one that goes on."""

    __slots__ = ("block", "calls", "open", "thinking")

    def __init__(self) -> None:
        self.block = self.calls = 0
        self.thinking = False
        self.open: Partial | None = None

    def spoke(self) -> None:
        """A thought is over when something else is said."""
        if self.thinking:
            self.thinking = False
            self.block += 1


class Reader:
    """Reads one answer, whole or chunk by chunk. `error` is the one that a chunk was in place of an answer."""

    __slots__ = ("_begun", "_ended", "_id", "_searches", "_spoken", "_whole", "error")

    def __init__(self, *, whole: bool = False) -> None:
        self._whole = whole
        self._begun = False
        self._id = ""
        self._spoken: dict[int, _Said] = {}
        self._ended: set[int] = set()
        self._searches = 0
        self.error: ProviderError | None = None

    @property
    def ended(self) -> bool:
        """Whether every candidate that has spoken has given its reason to stop."""
        return bool(self._ended) and len(self._ended) >= len(self._spoken)

    def read(self, data: bytes, raw: bytes) -> Event:
        """What one chunk (or whole response) says; `raw` are the bytes to pass on. Broken where it is not one."""
        try:
            chunk = _chunk(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _broken(error, data) from None
        if chunk.error:
            self.error = error_in_answer(data)
            used = None if chunk.usage_metadata is None else normal(chunk.usage_metadata)
            return Event(() if used is None else (Used(used),))
        deltas: list[Delta] = []
        if not self._begun and (chunk.response_id or chunk.model_version):
            self._begun = True
            self._id = word(chunk.response_id)
            deltas.append(Begun(self._id, word(chunk.model_version)))
        content = False
        for candidate in chunk.candidates or ():
            if candidate is not None:
                content = self._candidate(candidate, deltas) or content
        if not chunk.candidates and chunk.prompt_feedback:
            content = self._blocked(chunk.prompt_feedback, deltas)
        if chunk.usage_metadata is not None and (used := normal(chunk.usage_metadata, self._searches)) is not None:
            deltas.append(Used(used))
        return Event(tuple(deltas), raw, content)

    def _blocked(self, feedback: object, deltas: list[Delta]) -> bool:
        """A prompt that was not answered at all; whether it was one."""
        told = members(feedback)
        why = word(told.get("blockReason"))
        if not why:
            return False
        self._ended.add(0)
        if message := word(told.get("blockReasonMessage")):
            deltas.append(Refusal(message))
        deltas.append(Finish("content_filter", why))
        return True

    def _candidate(self, candidate: _Candidate, deltas: list[Delta]) -> bool:
        """Add what a candidate says; whether that is content."""
        index: int = candidate.index if type(candidate.index) is int else number(candidate.index) or 0
        if not 0 <= index < MOST_CHOICES:
            raise Broken(f"The provider sent a candidate with the index {index}")
        said = self._spoken.get(index)
        if said is None:
            said = self._spoken[index] = _Said()
        content = False
        if candidate.content is not None and candidate.content.parts:
            for part in candidate.content.parts:
                if part is not None:
                    content = self._part(part, index, said, deltas) or content
        if candidate.grounding_metadata is not None:
            queries = items(members(candidate.grounding_metadata).get("webSearchQueries"))
            self._searches = max(self._searches, len(queries))
        if candidate.finish_reason is None:
            return content
        why = word_of(candidate.finish_reason)
        if why:
            self._close(said, index, deltas)
            self._ended.add(index)
            deltas.append(Finish(reason(why, called=said.calls > 0), why, index))
        return content or bool(why)

    def _part(self, part: _Part, choice: int, said: _Said, deltas: list[Delta]) -> bool:
        seal = None if part.thought_signature is None else seal_of(part.thought_signature)
        if part.function_call is not None:
            said.spoke()
            self._call(part.function_call, choice, said, deltas, seal)
            return True
        text = part.text
        if type(text) is not str:
            said.spoke()
            if seal is not None and part.carried:  # a signature alone
                deltas.append(Text("", choice, seal))
            return True
        if part.thought is True:
            said.thinking = True
            if text or seal is not None:
                deltas.append(Reasoning(text, choice, seal, said.block))
            if seal is not None:
                said.spoke()
            return bool(text) or seal is not None
        if not text and seal is None:
            return False
        said.spoke()
        deltas.append(Text(text, choice, seal))
        return True

    def _call(self, call: _Call, choice: int, said: _Said, deltas: list[Delta], seal: Any) -> None:
        """A call, whole or a piece of one: the first piece has its name, the last does not go on."""
        name = word(call.name)
        if name:
            self._close(said, choice, deltas)
        elif said.open is None:
            return
        goes_on = bool(call.will_continue)
        if not name:
            assert said.open is not None
            said.open.whole(members(call.args))
            said.open.add(call.partial_args)
            if not goes_on:
                self._close(said, choice, deltas)
            return
        index = said.calls
        said.calls += 1
        id_ = word(call.id) or f"{MADE}{self._id[:_LONGEST_ID]}_{choice or ''}{index}"
        if goes_on or call.partial_args:
            said.open = Partial()
            said.open.whole(members(call.args))
            said.open.add(call.partial_args)
            deltas.append(ToolCall(index, id_, name, "", choice, seal=seal))
            if not goes_on:
                self._close(said, choice, deltas)
            return
        arguments = _encode(call.args).decode() if call.args else "{}"
        deltas.append(ToolCall(index, id_, name, arguments, choice, seal=seal))

    def _close(self, said: _Said, choice: int, deltas: list[Delta]) -> None:
        """A call that came in pieces is whole."""
        if said.open is not None:
            arguments = _encode(said.open.arguments).decode()
            said.open = None
            deltas.append(ToolCall(said.calls - 1, arguments=arguments, choice=choice))

    def end(self, deltas: list[Delta]) -> None:
        """What a whole answer leaves unsaid: some give no reason why it ended."""
        for index, said in self._spoken.items():
            if index not in self._ended:
                self._close(said, index, deltas)
                deltas.append(Finish("tool_calls" if said.calls else "stop", "", index))


def decode_answer(body: bytes) -> Event:
    """A whole response as one event; also one that came as an array of chunks, though no stream was asked for."""
    pieces = [body]
    if body.lstrip()[:1] == b"[":
        try:
            pieces = [bytes(piece) for piece in _chunks(body)]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _broken(error, body) from None
    reader = Reader(whole=True)
    deltas: list[Delta] = []
    for piece in pieces:
        deltas += reader.read(piece, b"").deltas
        if reader.error is not None:
            raise reader.error
    if not any(isinstance(delta, Begun | Used | Finish | Text | ToolCall | Reasoning) for delta in deltas):
        raise Broken("The provider sent an answer without candidates", body=body)
    reader.end(deltas)
    return Event(tuple(deltas), body, True)


def _broken(error: Exception, data: bytes) -> Broken:
    """What came that is no answer, with its beginning."""
    sample = repr(data[:80].decode("utf-8", "replace"))
    return Broken(f"The provider sent something that is no response of Gemini: {error} ({sample})")
