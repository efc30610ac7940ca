"""Answers that providers really gave: read at any split of the bytes, and written again with equal values."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from recorded import (
    ERRORS,
    STREAMS,
    WHOLE,
    Row,
    chunks,
    comments,
    compact,
    data_lines,
    name,
    needs_recordings,
    quirks,
    stream,
)

from freehold.core.errors import ContextRejected, CredentialRefused, ProviderError, Rejected, Throttled
from freehold.core.events import Begun, Event, Finish, ToolCall, Used, collect
from freehold.core.request import Request
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

pytestmark = needs_recordings
each_stream = pytest.mark.parametrize("row", STREAMS, ids=name)
each_whole = pytest.mark.parametrize("row", WHOLE, ids=name)

Split = Callable[[bytes], Iterator[bytes]]


def request(*, streamed: bool = True, wants: bool = True) -> Request:
    options = {"stream_options": {"include_usage": True}} if wants else {}
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": streamed, **options}
    return OPENAI_CHAT.decode_request(compact(body))


def read(body: bytes, pieces: Iterator[bytes], quirks: Quirks) -> tuple[list[Event], ProviderError | None]:
    """The events of a stream, and the error that ended it."""
    decoder, events = OPENAI_CHAT.stream_decoder(quirks), list[Event]()
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.finish()
    except ProviderError as error:
        return events, error
    return events, None


def write(events: list[Event], error: ProviderError | None = None, *, wants: bool = True) -> bytes:
    encoder = OPENAI_CHAT.encoder(request(wants=wants), id="1", at=0)
    said = b"".join([encoder.encode(event) for event in events])
    return said + (encoder.end() if error is None else OPENAI_CHAT.encode_stream_error(error))


def every(size: int) -> Split:
    return lambda body: (body[i : i + size] for i in range(0, len(body), size))


def drawn(seed: int) -> Split:
    def pieces(body: bytes) -> Iterator[bytes]:
        dice, at = random.Random(seed), 0
        while at < len(body):
            step = dice.choice((1, 2, 3, 5, 17, 90, 400, 3000))
            yield body[at : at + step]
            at += step

    return pieces


def failing(row: Row) -> bool:
    return any(isinstance(chunk.get("error"), dict) for chunk in chunks(row))


def test_there_are_hundreds_of_recorded_answers() -> None:
    assert len(STREAMS) > 150
    assert len(WHOLE) > 350
    assert len(ERRORS) > 15


@each_stream
def test_a_recorded_stream_is_written_as_it_came(row: Row) -> None:
    body = stream(row)
    events, error = read(body, every(len(body))(body), quirks(row))
    written = write(events, error)

    said = [data for data in data_lines(body) if data != b"[DONE]"]
    assert data_lines(written) == said + ([b"[DONE]"] if error is None else [])
    assert comments(written) == comments(body)
    assert (error is not None) == failing(row)


@each_stream
def test_a_recorded_stream_is_read_the_same_at_any_split(row: Row) -> None:
    body = stream(row)
    whole, error = read(body, every(len(body))(body), quirks(row))

    splits = [every(size) for size in ((1, 7, 64, 1000) if len(body) < 40_000 else (997, 4096))]
    for split in [*splits, *(drawn(seed) for seed in range(4))]:
        events, failed = read(body, split(body), quirks(row))
        assert events == whole
        assert (type(failed), str(failed)) == (type(error), str(error))


@each_stream
def test_a_recorded_stream_means_the_same_with_other_line_ends(row: Row) -> None:
    body = stream(row)
    whole, _ = read(body, every(len(body))(body), quirks(row))

    for end in (b"\r\n", b"\r"):
        other = b"\xef\xbb\xbf" + body.replace(b"\n", end)
        for split in (every(len(other)), drawn(3)):
            events, _ = read(other, split(other), quirks(row))
            assert [e.deltas for e in events] == [e.deltas for e in whole]


def only_usage(chunk: dict[str, Any]) -> bool:
    """Oracle: OpenAI's usage chunk, with what llama.cpp, Cerebras and others name themselves by."""
    more = chunk.keys() - {"id", "object", "created", "model", "choices", "usage"}
    more -= {"system_fingerprint", "service_tier", "obfuscation", "timings", "provider"}
    return not chunk.get("choices") and bool(chunk.get("usage")) and all(chunk[n] is None for n in more)


@each_stream
def test_a_caller_that_did_not_ask_for_usage_sees_no_chunk_of_usage_alone(row: Row) -> None:
    body = stream(row)
    events, error = read(body, every(len(body))(body), quirks(row))

    written = [json.loads(d) for d in data_lines(write(events, error, wants=False)) if d != b"[DONE]"]
    assert written == [chunk for chunk in chunks(row) if not only_usage(chunk)]


@each_stream
def test_the_fold_of_a_recorded_stream_is_what_its_chunks_say(row: Row) -> None:
    body = stream(row)
    events, _ = read(body, every(len(body))(body), quirks(row))
    answer = collect(events)
    choices = [c for chunk in chunks(row) for c in chunk.get("choices") or () if not chunk.get("error")]
    said = [c.get("delta") or c.get("message") or {} for c in choices]

    assert answer.text == "".join(text_of(d.get("content")) for d in said)
    assert answer.choices[0].reasoning == "".join(thought_of(d) for d in said)
    assert answer.choices[0].refusal == "".join(d.get("refusal") or "" for d in said)
    pieces = [t for d in said for t in d.get("tool_calls") or ()]
    calls = answer.choices[0].tool_calls
    assert "".join(c.arguments for c in calls) == "".join(t["function"].get("arguments") or "" for t in pieces)
    assert {c.id for c in calls} == {t["id"] for t in pieces if t.get("id")}
    assert {c.name for c in calls} == {t["function"]["name"] for t in pieces if t["function"].get("name")}
    assert (answer.id, answer.model) == next(
        ((c["id"], c["model"]) for c in chunks(row) if c.get("id") or c.get("model")), ("", "")
    )
    assert_finishes([c.get("finish_reason") for c in choices], [d for e in events for d in e.deltas])


FINISHES = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


def assert_finishes(said: list[str | None], deltas: list[object]) -> None:
    assert [(d.reason, d.said) for d in deltas if isinstance(d, Finish)] == [(FINISHES[s], s) for s in said if s]


def text_of(content: object) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") != "thinking")
    return content if isinstance(content, str) else ""


def thought_of(said: dict[str, Any]) -> str:
    told = said.get("reasoning_content") or said.get("reasoning")
    content = said.get("content")
    if not told and said.get("reasoning_details"):
        told = "".join(d.get("text") or d.get("summary") or "" for d in said["reasoning_details"])
    if not told and isinstance(content, list):
        told = "".join(p["text"] for part in content if part.get("type") == "thinking" for p in part["thinking"])
    return told or ""


@each_whole
def test_a_recorded_completion_is_written_as_it_came(row: Row) -> None:
    body = compact(row["response"]["body"])
    event = OPENAI_CHAT.decode_answer(body, quirks(row))
    encoder = OPENAI_CHAT.encoder(request(streamed=False), id="1", at=0)

    assert encoder.encode(event) + encoder.end() == body


@each_whole
def test_a_recorded_completion_says_what_its_choices_say(row: Row) -> None:
    body = row["response"]["body"]
    event = OPENAI_CHAT.decode_answer(compact(body), quirks(row))
    answer = collect([event])

    for choice, told in zip(answer.choices, body["choices"], strict=True):
        said = told.get("message") or {}
        assert choice.text == text_of(said.get("content"))
        assert choice.reasoning == thought_of(said)
        assert choice.refusal == (said.get("refusal") or "")
        wanted = [(t["id"], t["function"]["name"], t["function"].get("arguments", "")) for t in calls_of(said)]
        assert [(c.id, c.name, c.arguments) for c in choice.tool_calls] == wanted
        word = told.get("finish_reason") or ("tool_calls" if wanted else "stop")
        assert choice.finish == FINISHES[word]
    assert [(d.id, d.model) for d in event.deltas if isinstance(d, Begun)] == [
        (body.get("id") or "", body.get("model") or "")
    ]
    assert event.content


def calls_of(said: dict[str, Any]) -> list[dict[str, Any]]:
    old = said.get("function_call")
    return (said.get("tool_calls") or []) + ([{"id": "", "function": old}] if old and old["name"] else [])


@each_whole
def test_a_recorded_completion_can_be_given_to_a_caller_that_streams(row: Row) -> None:
    event = OPENAI_CHAT.decode_answer(compact(row["response"]["body"]), quirks(row))
    body = write([event])
    events, error = read(body, every(len(body))(body), Quirks())

    assert error is None
    before, after = collect([event]), collect(events)
    assert after.choices == before.choices
    if before.usage is not None and after.usage is not None:
        assert (after.usage.input_tokens, after.usage.output_tokens) == (
            before.usage.input_tokens,
            before.usage.output_tokens,
        )
    assert (after.usage is None) == (before.usage is None)


@pytest.mark.parametrize("row", ERRORS, ids=name)
def test_a_recorded_error_is_told_apart(row: Row) -> None:
    response = row["response"]
    body = compact(response["body"])
    error: ProviderError
    if response["status"] in {200, None}:
        with pytest.raises(ProviderError) as raised:
            OPENAI_CHAT.decode_answer(body, quirks(row))
        error = raised.value
    else:
        error = OPENAI_CHAT.decode_error(response["status"], response["headers"] or {}, body, provider="p")

    told = response["body"]["error"]
    assert (told if isinstance(told, str) else told["message"]) in error.message
    assert error.body == body
    if response["status"] == 429:
        wait = (response["headers"] or {}).get("retry-after")
        assert (type(error), error.retryable) == (Throttled, True)
        assert error.retry_after == (None if wait is None else float(wait))
    elif isinstance(told, dict) or response["status"] == 400:
        assert isinstance(error, Rejected)
        assert not error.retryable
        assert error.status == (400 if response["status"] in {200, None} else response["status"])
        assert error.param == (told.get("param") if isinstance(told, dict) else None)
        if isinstance(error, ContextRejected) and isinstance(told, dict):
            body = compact(response["body"] | {"error": told | {"code": "context_length_exceeded"}})
        assert OPENAI_CHAT.encode_error(error) == body
    assert not isinstance(error, CredentialRefused)


def test_an_error_in_a_recorded_stream_comes_after_what_was_said_before_it() -> None:
    found = {row["id"]: read(stream(row), every(10**9)(stream(row)), quirks(row)) for row in STREAMS if failing(row)}

    assert len(found) >= 2
    for events, error in found.values():
        assert isinstance(error, Rejected)
        assert any(event.content for event in events)
        assert json.loads(OPENAI_CHAT.encode_stream_error(error).removeprefix(b"data: "))["error"]
    assert any(isinstance(d, Used) for events, _ in found.values() for e in events for d in e.deltas)


def test_the_calls_of_a_recorded_stream_never_share_an_index() -> None:
    parallel = 0
    for row in STREAMS:
        body = stream(row)
        events, _ = read(body, every(len(body))(body), quirks(row))
        calls = [d for e in events for d in e.deltas if isinstance(d, ToolCall)]
        named: dict[int, set[str]] = {}
        for call in calls:
            if call.id:
                named.setdefault(call.index, set()).add(call.id)
        assert all(len(ids) == 1 for ids in named.values()), name(row)
        parallel += len(named) > 1
    assert parallel > 5
