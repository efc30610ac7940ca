"""Answers of OpenAI chat completions: what a completion or one chunk of it says.

Only structure is typed (choices, deltas, tool calls). Scalars are taken as they come, because providers differ in them
(null, numbers in strings, objects) and an answer that was paid for must not fail over one.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from freehold.core.errors import Broken, ProviderError
from freehold.core.events import Begun, Delta, Event, Finish, Reasoning, Refusal, Text, ToolCall, Used
from freehold.dialects.openai_chat.calls import Calls
from freehold.dialects.openai_chat.details import seal_of, signature_of
from freehold.dialects.openai_chat.errors import complaint, error_in_answer
from freehold.dialects.openai_chat.finishes import finish_reason
from freehold.dialects.openai_chat.loose import items, members, number, word
from freehold.dialects.openai_chat.usage import normal
from freehold.dialects.quirks import Quirks
from freehold.dialects.strict_json import sample

MOST_CHOICES = 1024


class _Function(Struct, gc=False):
    """`input` is what the arguments of a custom tool are called."""

    name: Any = None
    arguments: Any = None
    input: Any = None


class _Call(Struct, gc=False):
    index: Any = None
    id: Any = None
    function: _Function | None = None
    custom: _Function | None = None
    extra_content: Any = None


class _Said(Struct, gc=False):
    """A message or a delta. Content is text, or parts (Mistral); reasoning has several spellings."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    thinking: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: list[_Call | None] | None = None
    function_call: _Function | None = None


class _Choice(Struct, gc=False):
    """`text` is said by servers of completions in place of a delta."""

    index: Any = None
    delta: _Said | None = None
    message: _Said | None = None
    text: Any = None
    finish_reason: Any = None
    usage: Any = None


class _Chunk(Struct, gc=False):
    id: Any = None
    model: Any = None
    choices: list[_Choice | None] | None = None
    usage: Any = None
    x_groq: Any = None
    error: Any = None
    service_tier: Any = None


_chunk = msgspec.json.Decoder(_Chunk).decode


class Reader(Struct, eq=False):
    """Reads one answer, whole or chunk by chunk. `error` is the one that a chunk was in place of an answer."""

    _quirks: Quirks
    _whole: bool = False
    _begun: bool = False
    _calls: Calls | None = None
    _spoken: set[int] = set()
    _ended: set[int] = set()
    error: ProviderError | None = None

    @property
    def ended(self) -> bool:
        """Whether every choice that has spoken has given its reason to stop."""
        return bool(self._ended) and len(self._ended) == len(self._spoken)

    def read(self, data: bytes, raw: bytes) -> Event:
        """What one chunk (or whole completion) says; `raw` are the bytes to pass on. Broken where it is not one."""
        try:
            chunk = _chunk(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Broken(f"The provider sent something that is no chat completion: {error} ({sample(data)})") from None
        if chunk.error or chunk.choices is None:
            self.error = error_in_answer(data) if chunk.error else complaint(data, whole=self._whole)
            if self.error is not None:
                used = normal(chunk.usage, self._quirks, chunk.service_tier)
                return Event(() if used is None else (Used(used),))
        deltas: list[Delta] = []
        if not self._begun and (chunk.id or chunk.model):
            self._begun = True
            deltas.append(Begun(word(chunk.id), word(chunk.model)))
        content = False
        usage: Any = chunk.usage
        for choice in chunk.choices or ():
            if choice is not None:
                content = self._choice(choice, deltas) or content
                usage = usage or choice.usage
        if usage is None and chunk.x_groq is not None:  # Groq repeats the usage of a stream in a place of its own
            usage = members(chunk.x_groq).get("usage")
        if usage and (used := normal(usage, self._quirks, chunk.service_tier)) is not None:
            deltas.append(Used(used))
        return Event(tuple(deltas), raw, content)

    def _choice(self, choice: _Choice, deltas: list[Delta]) -> bool:
        """Add what a choice says; whether that is content."""
        index: int = choice.index if type(choice.index) is int else number(choice.index) or 0
        if not 0 <= index < MOST_CHOICES:
            raise Broken(f"The provider sent a choice with the index {index}")
        self._spoken.add(index)
        before = len(deltas)
        said = choice.delta if choice.delta is not None else choice.message
        if said is not None:
            self._said(said, index, deltas)
        elif choice.text and type(choice.text) is str:
            deltas.append(Text(choice.text, index))
        reason = choice.finish_reason
        if (reason is not None or self._whole) and (finish := finish_reason(reason)) is not None:
            self._ended.add(index)
            deltas.append(Finish(finish, word(reason), index))
        elif self._whole and (said is not None or choice.text is not None):  # some leave it out of whole answers
            self._ended.add(index)
            called = said is not None and said.tool_calls
            deltas.append(Finish("tool_calls" if called else "stop", "", index))
        return len(deltas) > before

    def _said(self, said: _Said, index: int, deltas: list[Delta]) -> None:
        reasoning = said.reasoning_content or said.reasoning or said.thinking or said.reasoning_details
        if reasoning and (thought := _thought(reasoning)):
            deltas.append(Reasoning(thought, index))
        if said.reasoning_details:
            deltas += _sealed(said.reasoning_details, index)
        content = said.content
        if type(content) is str:
            if content:
                deltas.append(Text(content, index))
        elif content is not None:
            _parts(content, index, deltas)
        if said.refusal and type(said.refusal) is str:
            deltas.append(Refusal(said.refusal, index))
        if said.tool_calls:
            self._tool_calls(said.tool_calls, index, deltas)
        old = said.function_call
        if old is not None and (old.name or old.arguments):
            self._tool_calls([_Call(function=old, index=0)], index, deltas)

    def _tool_calls(self, calls: Sequence[_Call | None], choice: int, deltas: list[Delta]) -> None:
        known = self._calls = self._calls or Calls()
        before: set[tuple[int | None, str]] = set()
        for call in calls:
            if call is None:
                continue
            function = call.function or call.custom or _Function()
            if function is call.function and not function.name and call.custom is not None and call.custom.name:
                function = call.custom
            arguments = function.arguments if function.arguments is not None else function.input
            if type(arguments) is not str:
                arguments = "" if arguments is None else msgspec.json.encode(arguments).decode()
            said, id_, name = number(call.index), word(call.id), word(function.name)
            index = known.index(choice, said, id_, name, again=(said, id_) in before)
            before.add((said, id_))
            custom = call.custom is not None and function is call.custom
            seal = None if call.extra_content is None else signature_of(call.extra_content)
            deltas.append(ToolCall(index, id_, name, arguments, choice, custom, seal))


def decode_answer(body: bytes, quirks: Quirks) -> Event:
    """A whole completion as one event."""
    reader = Reader(quirks, True)
    event = reader.read(body, body)
    if reader.error is not None:
        raise reader.error
    return event


def _parts(content: object, choice: int, deltas: list[Delta]) -> None:
    """Content that is not one string: parts, or a single one of them."""
    for value in items(content):
        part = {"text": value} if isinstance(value, str) else members(value)
        text, refusal = part.get("text"), part.get("refusal")
        if part.get("type") in ("thinking", "reasoning"):
            if thought := _thought(part):
                deltas.append(Reasoning(thought, choice))
        elif text and isinstance(text, str):
            deltas.append(Text(text, choice))
        elif refusal and isinstance(refusal, str):
            deltas.append(Refusal(refusal, choice))


def _sealed(details: object, choice: int) -> Iterator[Reasoning]:
    """What of reasoning details only the provider can read."""
    for value in items(details):
        entry = members(value)
        if (seal := seal_of(entry)) is not None:
            yield Reasoning("", choice, seal, number(entry.get("index")) or 0)


def _thought(value: object) -> str:
    """The text of reasoning, which is text or parts of text."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_thought(part) for part in items(cast("object", value)))
    part = members(value)
    return _thought(part.get("text") or part.get("thinking") or part.get("summary") or part.get("content") or "")
