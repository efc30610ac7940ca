"""The traps of the wires in answers, for every dialect where they apply."""

import json
from typing import Any

import pytest
from chat_streams import delta, events_of, frame
from crossing import ACCOUNT, answers, chats, crossed, read
from recorded import needs_recordings
from translation import HI, asked, written

from freehold.core.errors import Broken, FreeholdError, ProviderError
from freehold.core.events import Answer, Event, Finish, Reasoning, Text, ToolCall, Used, collect
from freehold.core.usage import Usage
from freehold.dialects.dialect import Dialect, Source
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.registry import DIALECTS

EVERY = [pytest.param(dialect, id=dialect.name) for dialect in chats()]
OTHERS = [pytest.param(dialect, id=dialect.name) for dialect in chats() if dialect is not OPENAI_CHAT]
CALLING = [p for p in OTHERS if p.id not in ("openai-completions", "ollama-generate")]
SSE = [p for p in EVERY if p.id not in ("bedrock-converse", "ollama-chat", "ollama-generate")]
GEMINI = DIALECTS["gemini-generate"]
WORDS = "für 10 €: 😀 \u2028 日本"
USED = Usage(input_tokens=7, output_tokens=5)
SAID = [
    Event((Text("für 10"),), content=True),
    Event((Text(" €: 😀 \u2028 日本"),), content=True),
    Event((Finish("stop"), Used(USED)), content=True),
]


def stream(dialect: Dialect, said: list[Event] = SAID) -> bytes:
    """An answer as a provider of a dialect streams it."""
    return crossed(said, OPENAI_CHAT if dialect is not OPENAI_CHAT else GEMINI, dialect, streamed=True)


def in_pieces(dialect: Dialect, body: bytes, size: int) -> tuple[Answer, ProviderError | None]:
    decoder, events = dialect.stream_decoder(Quirks()), list[Event]()
    try:
        for at in range(0, len(body), size):
            events += decoder.feed(body[at : at + size])
        events += decoder.finish()
    except ProviderError as error:
        return collect(events), error
    return collect(events), None


def heard(body: bytes, caller: Dialect) -> Answer:
    """What a caller of another dialect hears of a stream of chat completions."""
    return collect(read(caller, crossed(events_of(body), OPENAI_CHAT, caller, streamed=True), streamed=True))


# streams


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("dialect", EVERY)
def test_a_letter_that_is_split_between_two_pieces_is_whole_again(dialect: Dialect, size: int) -> None:
    answer, error = in_pieces(dialect, stream(dialect), size)

    assert (answer.text, error) == (WORDS, None)


@pytest.mark.parametrize("comment", [b": ping\n\n", b":\n\n", b": a\n: b\n\n"])
@pytest.mark.parametrize("dialect", SSE)
def test_comments_between_events_say_nothing(dialect: Dialect, comment: bytes) -> None:
    end = b"\r\n\r\n" if dialect is GEMINI else b"\n\n"
    body = comment + stream(dialect).replace(end, end + comment)

    assert in_pieces(dialect, body, len(body)) == in_pieces(dialect, stream(dialect), len(body))
    assert in_pieces(dialect, body, 5)[0].text == WORDS


@pytest.mark.parametrize("dialect", SSE)
def test_a_stream_is_whole_with_and_without_done(dialect: Dialect) -> None:
    bare = stream(dialect).replace(b"data: [DONE]\n\n", b"")

    for body in (bare, bare + b"data: [DONE]\n\n"):
        answer, error = in_pieces(dialect, body, len(body))
        assert (answer.text, answer.choices[0].finish, error) == (WORDS, "stop", None)


@pytest.mark.parametrize("dialect", EVERY)
def test_a_stream_that_ends_before_its_reason_is_never_whole(dialect: Dialect) -> None:
    """Whatever says the end is cut off: what was said stands, and the answer is broken."""
    whole = stream(dialect)
    encoder = dialect.encoder(
        written(dialect, asked(HI, stream=True)), id="0192-ab", at=0, source=Source("openai-responses", ACCOUNT)
    )
    begun = b"".join([encoder.encode(event) for event in SAID[:2]])
    assert whole.startswith(begun[:40])
    answer, error = in_pieces(dialect, begun, len(begun))

    assert isinstance(error, Broken)
    assert WORDS.startswith(answer.text)


@pytest.mark.parametrize("dialect", EVERY)
def test_an_error_after_content_comes_after_the_content_in_every_dialect(dialect: Dialect) -> None:
    request = written(dialect, asked(HI, stream=True))
    encoder = dialect.encoder(request, id="0192-ab", at=0, source=Source("openai-responses", ACCOUNT))
    body = b"".join([encoder.encode(event) for event in SAID[:2]]) + encoder.fail(Broken("it broke off"))
    answer, error = in_pieces(dialect, body, len(body))

    assert WORDS.startswith(answer.text)
    assert dialect.name.startswith("gemini") or answer.text == WORDS
    assert isinstance(error, FreeholdError)
    assert answer.choices[0].finish is None


# calls


def call(arguments: str | None, **more: Any) -> dict[str, Any]:
    name = {"name": more.pop("name")} if "name" in more else {}
    return {"type": "function", "function": name | ({} if arguments is None else {"arguments": arguments}), **more}


def two(*pieces: list[dict[str, Any]], finish: str = "tool_calls") -> bytes:
    return b"".join(delta(tool_calls=piece) for piece in pieces) + delta(finish)


X, Y = '{"x":1}', '{"y":2}'
CALLS = {
    "index missing": two([call(X, id="a", name="f")], [call(Y, id="b", name="g")]),
    "index null": two([call(X, id="a", name="f", index=None)], [call(Y, id="b", name="g", index=None)]),
    "index repeated": two([call(X, id="a", name="f", index=0)], [call(Y, id="b", name="g", index=0)]),
    "id absent": two([call(X, name="f", index=0)], [call(Y, name="g", index=1)]),
    "id empty": two([call(X, id="", name="f", index=0)], [call(Y, id="", name="g", index=1)]),
    "id on every piece": two(
        [call('{"x"', id="a", name="f", index=0)], [call(":1}", id="a", name="f", index=0)],
        [call(Y, id="b", name="g", index=1)],
    ),
    "both in one chunk": two([call(X, id="a", name="f", index=0), call(Y, id="b", name="g", index=1)]),
    "both in one chunk without an index": two([call(X, id="a", name="f"), call(Y, id="b", name="g")]),
    "pieces mixed": two(
        [call('{"x"', id="a", name="f", index=0), call('{"y"', id="b", name="g", index=1)],
        [call(":1}", index=0), call(":2}", index=1)],
    ),
    "finish says stop": two([call(X, id="a", name="f", index=0)], [call(Y, id="b", name="g", index=1)], finish="stop"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("caller", CALLING)
def test_calls_are_told_apart_and_named_for_callers_of_every_dialect(caller: Dialect, kind: str) -> None:
    choice = heard(CALLS[kind], caller).choices[0]

    assert [(c.name, json.loads(c.arguments)) for c in choice.tool_calls] == [("f", {"x": 1}), ("g", {"y": 2})]
    assert choice.finish == "tool_calls"
    ids = [c.id for c in choice.tool_calls]
    assert all(ids)
    assert len(set(ids)) == 2


@pytest.mark.parametrize("arguments", ["", "{}", None])
@pytest.mark.parametrize("caller", CALLING)
def test_a_call_without_arguments_has_an_empty_object_of_them(caller: Dialect, arguments: str | None) -> None:
    choice = heard(two([call(arguments, id="a", name="f", index=0)]), caller).choices[0]

    assert [(c.name, json.loads(c.arguments or "{}")) for c in choice.tool_calls] == [("f", {})]


# usage


COUNTED = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


@pytest.mark.parametrize("caller", OTHERS)
def test_usage_counts_once_wherever_it_stands(caller: Dialect) -> None:
    part = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}
    choice = {"index": 0, "delta": {"content": "hi"}, "finish_reason": None}
    last: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
    bodies = {
        "in every chunk": frame(choices=[choice], usage=part) + frame(choices=[last], usage=COUNTED),
        "with choices": frame(choices=[choice]) + frame(choices=[last], usage=COUNTED),
        "after them": frame(choices=[choice]) + frame(choices=[last]) + frame(choices=[], usage=COUNTED),
        "null until the end": frame(choices=[choice], usage=None) + frame(choices=[last], usage=COUNTED),
    }
    for body in bodies.values():
        usage = heard(body, caller).usage
        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens) == (7, 5)


# reasons to stop


STOPS = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "stop",
    "refusal": "content_filter", "pause_turn": "stop", "model_context_window_exceeded": "length",
}  # fmt: skip
NEVER = ("content_filter", "ollama-chat"), ("content_filter", "ollama-generate")
"""Ollama has no word for what was filtered."""


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("word", STOPS)
@pytest.mark.parametrize("caller", [p for p in EVERY if p.id not in ("anthropic-messages", "bedrock-converse")])
def test_every_reason_of_messages_is_told_in_every_dialect(caller: Dialect, word: str, streamed: bool) -> None:
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": word, "stop_sequence": None,
        "content": [{"type": "text", "text": "so"}], "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip
    provider = DIALECTS["anthropic-messages"]
    said = [provider.decode_answer(json.dumps(message).encode(), Quirks())]
    got = collect(read(caller, crossed(said, provider, caller, streamed=streamed), streamed=streamed)).choices[0].finish

    expected = "stop" if (STOPS[word], caller.name) in NEVER else STOPS[word]
    assert got in (
        {"stop", "tool_calls"} if word == "tool_use" else {"stop", "other"} if word == "pause_turn" else {expected}
    )


@pytest.mark.parametrize("word", ["stop", "length", "content_filter", "tool_calls"])
@pytest.mark.parametrize("caller", OTHERS)
def test_every_reason_of_chat_completions_is_told_in_every_dialect(caller: Dialect, word: str) -> None:
    calls = [call(X, id="a", name="f", index=0)] if word == "tool_calls" else None
    got = heard(delta(content="so", tool_calls=calls) + delta(word), caller).choices[0].finish

    if (word, caller.name) in NEVER or (
        word == "tool_calls" and caller.name in ("openai-completions", "ollama-generate")
    ):
        assert got == "stop"
    else:
        assert got == word


@pytest.mark.parametrize("caller", EVERY)
def test_of_several_choices_a_dialect_with_one_tells_the_first_alone(caller: Dialect) -> None:
    said = [
        Event((Text("a", 0), Text("b", 1), Reasoning("r", 1), ToolCall(0, "c", "f", "{}", 1)), content=True),
        Event((Finish("stop", "", 0), Finish("length", "", 1)), content=True),
    ]
    for streamed in (True, False):
        provider = GEMINI if caller is OPENAI_CHAT else OPENAI_CHAT
        answer = collect(read(caller, crossed(said, provider, caller, streamed=streamed), streamed=streamed))
        assert (answer.choices[0].text, answer.choices[0].finish) == ("a", "stop")
        if len(answer.choices) > 1:
            assert (answer.choices[1].text, answer.choices[1].finish) == ("b", "length")


@needs_recordings
@pytest.mark.parametrize("dialect", EVERY)
def test_streams_were_recorded_in_every_dialect(dialect: Dialect) -> None:
    assert any(answer.streamed for answer in answers(dialect.name))
