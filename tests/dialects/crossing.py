"""Recorded answers of every dialect that providers speak, written for callers of every other dialect and read again."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import bedrock_world
import gemini_world
import messages_world
import msgspec
import pytest
import recorded
import responses_world
from msgspec import Struct
from recorded import Row, compact
from translation import HI, asked, written

from freehold.core.errors import ProviderError
from freehold.core.events import Answer, Choice, Event, collect
from freehold.core.seal import Seal
from freehold.core.usage import Usage
from freehold.dialects.dialect import Dialect, Source
from freehold.dialects.quirks import Quirks
from freehold.dialects.registry import DIALECTS
from freehold.dialects.seals import unwrap
from freehold.dialects.translate import FORMS

ACCOUNT = "acme"
_BOTOCORE = find_spec("botocore") is not None
OVER_HTTP = ("http", "http-parsed")


class Recorded(Struct, frozen=True):
    """An answer as bytes, and whether they are a stream."""

    name: str
    body: bytes
    streamed: bool
    quirks: Quirks


def _plain_stream(row: Row) -> bytes:
    return row["response"]["text"].encode()


def _plain(*wires: str, whole: Callable[[Row], bool]) -> tuple[list[Row], list[Row]]:
    found = [row for row in recorded.rows(*wires) if row["response"]["status"] in (200, None)]
    return [r for r in found if "text" in r["response"]], [
        r for r in found if isinstance(r["response"].get("body"), dict) and whole(r)
    ]


_OLLAMA = _plain("ollama-chat", whole=lambda row: "message" in row["response"]["body"])
_GENERATE = _plain("ollama-generate", whole=lambda row: "response" in row["response"]["body"])
_COHERE = _plain("cohere-v2", whole=lambda row: isinstance(row["response"]["body"].get("message"), dict))
_COMPLETIONS = _plain("openai-completions", whole=lambda row: "choices" in row["response"]["body"])
_ROWS: Mapping[str, tuple[list[Row], list[Row], Callable[[Row], bytes], Callable[[Row], Quirks]]] = {
    "openai-chat": (recorded.STREAMS, recorded.WHOLE, recorded.stream, recorded.quirks),
    "anthropic-messages": (
        messages_world.STREAMS, messages_world.WHOLE, messages_world.stream_of, lambda _: Quirks(),
    ),
    "openai-responses": (
        responses_world.STREAMS, responses_world.WHOLE, responses_world.stream_of, responses_world.quirks,
    ),
    "gemini-generate": (gemini_world.STREAMS, gemini_world.WHOLE, gemini_world.stream_of, lambda _: Quirks()),
    "bedrock-converse": (bedrock_world.STREAMS, bedrock_world.WHOLE, bedrock_world.stream_of, lambda _: Quirks()),
    "ollama-chat": (*_OLLAMA, _plain_stream, lambda _: Quirks()),
    "ollama-generate": (*_GENERATE, _plain_stream, lambda _: Quirks()),
    "cohere-v2": (*_COHERE, _plain_stream, lambda _: Quirks()),
    "openai-completions": (*_COMPLETIONS, _plain_stream, recorded.quirks),
}  # fmt: skip


def answers(provider: str) -> list[Recorded]:
    """Every answer that was recorded as it came over HTTP."""
    streams, wholes, stream_of, quirks = _ROWS[provider]
    return [
        *(Recorded(recorded.name(r), stream_of(r), True, quirks(r)) for r in streams if r["fidelity"] in OVER_HTTP),
        *(
            Recorded(recorded.name(r), compact(r["response"]["body"]), False, quirks(r))
            for r in wholes
            if r["fidelity"] in OVER_HTTP
        ),
    ]


def events_of(dialect: Dialect, answer: Recorded) -> list[Event] | None:
    """What a recorded answer says; None where it is an error, or was cut."""
    try:
        return read(dialect, answer.body, streamed=answer.streamed, quirks=answer.quirks)
    except ProviderError:
        return None


def read(dialect: Dialect, body: bytes, *, streamed: bool, quirks: Quirks = Quirks()) -> list[Event]:  # noqa: B008
    if not streamed:
        return [dialect.decode_answer(body, quirks)]
    decoder = dialect.stream_decoder(quirks)
    events = decoder.feed(body)
    if decoder.error is not None:
        raise decoder.error
    return events + decoder.finish()


def crossed(events: list[Event], provider: Dialect, caller: Dialect, *, streamed: bool) -> bytes:
    """An answer as a caller of another dialect gets it."""
    request = written(caller, asked(HI, stream=streamed, wants_usage=True))
    source = Source(provider.name, ACCOUNT)
    encoder = caller.encoder(request, id="0192-ab", at=7_000_000_000, source=source)
    return b"".join([encoder.encode(event) for event in events]) + encoder.end()


# what is said


TEXT_ONLY = ("openai-completions", "ollama-generate")
COUNTS: Mapping[str, tuple[str, ...]] = {
    "openai-chat": ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"),
    "anthropic-messages": (
        "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens",
        "reasoning_tokens", "searches",
    ),
    "openai-responses": (
        "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
    ),
    "gemini-generate": ("input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens"),
    "bedrock-converse": (
        "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens",
    ),
    "cohere-v2": ("input_tokens", "output_tokens"),
    "ollama-chat": ("input_tokens", "output_tokens"),
    "ollama-generate": ("input_tokens", "output_tokens"),
    "openai-completions": (
        "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
    ),
}  # fmt: skip
"""What a dialect counts; the rest of a usage is known to our records alone."""
COUNTED = ("anthropic-messages", "bedrock-converse", "cohere-v2")
"""Answers of these always count: nothing, where the provider did not."""
ENDS: Mapping[str, Mapping[str, str]] = {
    "openai-chat": {"error": "stop", "other": "stop"},
    "openai-completions": {"error": "stop", "other": "stop"},
    "anthropic-messages": {"error": "stop", "other": "stop"},
    "openai-responses": {"other": "stop"},
    "gemini-generate": {"error": "other"},
    "bedrock-converse": {"other": "stop"},
    "cohere-v2": {"other": "stop"},
    "ollama-chat": {"error": "stop", "other": "stop", "content_filter": "stop"},
    "ollama-generate": {"error": "stop", "other": "stop", "content_filter": "stop"},
}
"""Ends that a dialect has no word for, and what it says in their place."""


class Said(Struct, frozen=True):
    """What a choice says, as far as a caller's dialect has words for it."""

    text: str
    reasoning: str
    calls: list[tuple[str, Any]]
    finish: str
    usage: dict[str, int] | None
    seals: list[tuple[str, str]]


def said(answer: Answer, caller: Dialect, choice: Choice) -> Said:
    bare = caller.name in TEXT_ONLY
    calls = [] if bare else [(call.name, _arguments(call.arguments, call.custom)) for call in choice.tool_calls]
    finish = choice.finish or "stop"
    if choice.refusal and caller.name not in (
        "openai-chat",
        "openai-responses",
        *TEXT_ONLY,
        "ollama-chat",
        "cohere-v2",
    ):
        finish = "content_filter"
    finish = ENDS[caller.name].get(finish, finish)
    if calls and finish == "stop":
        finish = "tool_calls"
    elif finish == "tool_calls" and not calls and caller.name != "openai-chat":
        finish = "stop"
    counts = COUNTS[caller.name]
    usage = answer.usage
    if usage is None and caller.name in COUNTED:
        usage = Usage()
    return Said(
        text=choice.text + choice.refusal,
        reasoning="" if caller.name == "openai-completions" else choice.reasoning,
        calls=calls,
        finish=finish,
        usage={name: getattr(usage, name) for name in counts} if usage is not None else None,
        seals=seals(choice) if caller.name in FORMS else [],
    )


def _arguments(text: str, custom: bool) -> Any:
    if custom:
        return {"input": text}
    try:
        value: Any = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return {"input": text}
    return value if isinstance(value, dict) else {"input": value}  # type: ignore[reportUnknownVariableType]


def seals(choice: Choice) -> list[tuple[str, str]]:
    """Whose seals an answer holds and what they are, unwrapped, in no order: dialects have several places for them."""
    every: list[Seal | None] = [choice.seal, *(t.seal for t in choice.thoughts), *(c.seal for c in choice.tool_calls)]
    return sorted((one.form, one.data) for seal in every if seal is not None and (one := _unwrapped(seal)) is not None)


def _unwrapped(seal: Seal) -> Seal | None:
    text = seal.data
    if seal.form == "gemini" and text.startswith("ZmgxL"):
        text = b64decode(text + "=" * (-len(text) % 4)).decode()
    return unwrap(text) or seal


# whether it is valid


def judge(caller: str, body: bytes, *, streamed: bool) -> None:
    """Valid by the types of the dialect's own SDK and by the rules of its streams."""
    if streamed:
        _STREAM[caller](body)
    else:
        _WHOLE[caller](json.loads(body))


def _chunks(body: bytes, type_: str, module: str) -> None:
    model = getattr(pytest.importorskip(module), type_)
    lines = body.split(b"\n\n")
    assert lines[-2:] == [b"data: [DONE]", b""]
    chunks = [json.loads(line.removeprefix(b"data: ")) for line in lines[:-2]]
    for chunk in chunks:
        # the service says null until the end, which the SDK's type of completions leaves out
        ended = [{**c, "finish_reason": c["finish_reason"] or "stop"} for c in chunk["choices"]]
        model.model_validate({**chunk, "choices": ended} if type_ == "Completion" else chunk)
    finishes = [c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"]]
    choices = {c["index"] for chunk in chunks for c in chunk["choices"]}
    assert not choices or len(finishes) == len(choices), "each choice ends once"
    if type_ == "ChatCompletionChunk":
        begun: set[int] = set()
        named: set[tuple[int, int]] = set()
        for choice in (c for chunk in chunks for c in chunk["choices"]):
            assert ("role" in choice["delta"]) == (choice["index"] not in begun), "the role comes first, and once"
            begun.add(choice["index"])
            for call in choice["delta"].get("tool_calls", ()):
                place = (choice["index"], call["index"])
                assert ("id" in call) == (place not in named), "a call is named once, by its first piece"
                assert call.get("id", "-"), "a call has an id"
                named.add(place)


def _messages(body: bytes) -> None:
    told = messages_world.told(body)
    messages_world.valid_events(told)
    messages_world.valid_message(messages_world.folded(told))


def _gemini(body: bytes) -> None:
    for response in gemini_world.responses(body):
        gemini_world.valid_response(response)


def _responses(body: bytes) -> None:
    responses_world.Folded(responses_world.told(body))


def _converse(body: bytes) -> None:
    if _BOTOCORE:
        bedrock_world.valid_stream(body)


def _lines(body: bytes) -> None:
    lines = [json.loads(line) for line in body.splitlines()]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]


def _completion(type_: str, module: str) -> Callable[[Any], None]:
    return lambda body: getattr(pytest.importorskip(module), type_).model_validate(body)


_STREAM: Mapping[str, Callable[[bytes], None]] = {
    "openai-chat": lambda body: _chunks(body, "ChatCompletionChunk", "openai.types.chat"),
    "openai-completions": lambda body: _chunks(body, "Completion", "openai.types"),
    "anthropic-messages": _messages,
    "openai-responses": _responses,
    "gemini-generate": _gemini,
    "bedrock-converse": _converse,
    "cohere-v2": lambda body: None,
    "ollama-chat": _lines,
    "ollama-generate": _lines,
}
_WHOLE: Mapping[str, Callable[[Any], None]] = {
    "openai-chat": _completion("ChatCompletion", "openai.types.chat"),
    "openai-completions": _completion("Completion", "openai.types"),
    "anthropic-messages": messages_world.valid_message,
    "openai-responses": lambda body: responses_world.valid(body) and None,
    "gemini-generate": gemini_world.valid_response,
    "bedrock-converse": bedrock_world.valid_answer if _BOTOCORE else lambda body: None,
    "cohere-v2": lambda body: None,
    "ollama-chat": lambda body: None,
    "ollama-generate": lambda body: None,
}


def faults(provider: Dialect, caller: Dialect, answer: Recorded, *, streamed: bool) -> Iterator[str]:
    """What is not the same after it was written for a caller and read again."""
    events = events_of(provider, answer)
    if events is None:
        return
    before = collect(events)
    body = crossed(events, provider, caller, streamed=streamed)
    judge(caller.name, body, streamed=streamed)
    first = before.choices[0]
    try:
        after = collect(read(caller, body, streamed=streamed))
    except ProviderError as error:
        if first.finish != "error":
            yield f"{answer.name}: not read again: {error!r}"
        return
    wanted, got = said(before, caller, first), said(after, caller, after.choices[0])
    for field in Said.__struct_fields__:
        if getattr(wanted, field) != getattr(got, field):
            yield f"{answer.name} {field}: {getattr(wanted, field)!r:.300} became {getattr(got, field)!r:.300}"


def chats() -> list[Dialect]:
    return [DIALECTS[name] for name in _ROWS]
