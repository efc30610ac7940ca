"""Answers of Gemini that Google really gave: read at any split of the bytes, and written again as they came."""

import json
from base64 import b64encode
from typing import Any

import pytest
from gemini_world import (
    ALL,
    ERRORS,
    HI,
    STREAMS,
    WHOLE,
    chunks_of,
    every,
    parts_of,
    read,
    request,
    responses,
    sse,
    stream_of,
    valid_response,
    write,
)
from recorded import Row, compact, name, needs_recordings

from freehold.core.errors import CredentialRefused, Rejected
from freehold.core.events import Begun, Event, Finish, collect
from freehold.core.usage import Usage
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.dialect import Source
from freehold.dialects.gemini_generate.dialect import GEMINI_GENERATE
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

pytestmark = needs_recordings
each_stream = pytest.mark.parametrize("row", STREAMS, ids=name)
each_whole = pytest.mark.parametrize("row", WHOLE, ids=name)
each_answer = pytest.mark.parametrize("row", [*WHOLE, *STREAMS], ids=name)
NUMBERS = {1: "STOP", 2: "MAX_TOKENS"}


def test_there_are_over_a_hundred_and_fifty_recorded_answers() -> None:
    assert len(STREAMS) + len(WHOLE) >= 165
    assert len(ALL) == len(STREAMS) + len(WHOLE) + len(ERRORS)


@each_stream
def test_a_recorded_stream_passes_byte_for_byte_whatever_the_split(row: Row) -> None:
    body = stream_of(row)
    for size in (1, 7, 4096, len(body)):
        events, error = read(every(body, size))
        assert error is None
        assert write(events) == body


@each_stream
def test_the_split_of_a_recorded_stream_makes_no_difference_to_what_is_said(row: Row) -> None:
    body = stream_of(row)
    assert read([body])[0] == read(every(body, 1))[0]


@each_stream
def test_a_recorded_stream_becomes_one_array_for_a_caller_that_asks_for_no_events(row: Row) -> None:
    events, error = read([stream_of(row)])
    assert error is None
    assert json.loads(write(events, how="array")) == chunks_of(row)


@each_whole
def test_a_recorded_response_is_written_as_it_came(row: Row) -> None:
    body = compact(row["response"]["body"])
    event = GEMINI_GENERATE.decode_answer(body, Quirks())
    assert write([event], how="whole") == body
    assert write([event]) == sse(row["response"]["body"])
    assert json.loads(write([event], how="array")) == [row["response"]["body"]]


@each_stream
def test_an_array_that_came_at_once_says_the_same_as_the_stream(row: Row) -> None:
    """Servers answer so where they do not stream."""
    array = GEMINI_GENERATE.decode_answer(compact(chunks_of(row)), Quirks())
    events, _ = read([stream_of(row)])
    assert array.deltas == tuple(d for e in events for d in e.deltas)
    assert responses(write([array])) == chunks_of(row)


def events_of(row: Row) -> list[Event]:
    if chunks_of(row) is None:
        return [GEMINI_GENERATE.decode_answer(compact(row["response"]["body"]), Quirks())]
    events, error = read([stream_of(row)])
    assert error is None
    return events


def told(row: Row) -> list[dict[str, Any]]:
    return chunks_of(row) or [row["response"]["body"]]


def calls_told(parts: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """The calls in parts, by an oracle of the test's own."""
    calls: list[tuple[str, Any]] = []
    for part in parts:
        call = part.get("functionCall")
        if call is None:
            continue
        if call.get("name"):
            calls.append((call["name"], dict(call.get("args") or {})))
        for piece in call.get("partialArgs") or ():
            name = piece["jsonPath"].removeprefix("$.")
            args = calls[-1][1]
            args[name] = args.get(name, "") + piece["stringValue"]
    return calls


@each_answer
def test_a_recorded_answer_says_what_its_parts_say(row: Row) -> None:
    events = events_of(row)
    choice = collect(events).choices[0]
    parts = [part for chunk in told(row) for part in parts_of(chunk)]

    assert choice.text == "".join(p.get("text") or "" for p in parts if not p.get("thought"))
    assert choice.reasoning == "".join(p.get("text") or "" for p in parts if p.get("thought"))
    calls = calls_told(parts)
    assert [(c.name, json.loads(c.arguments)) for c in choice.tool_calls] == calls
    assert all(c.id for c in choice.tool_calls)
    assert len({c.id for c in choice.tool_calls}) == len(calls)
    given = [p["functionCall"]["id"] for p in parts if (p.get("functionCall") or {}).get("id")]
    assert [c.id for c in choice.tool_calls if c.id in given] == given
    signed = [c.seal.data for c in choice.tool_calls if c.seal is not None]
    assert signed == [p["thoughtSignature"] for p in parts if p.get("functionCall") and p.get("thoughtSignature")]
    texts = [p["thoughtSignature"] for p in parts if "text" in p and not p.get("thought") and p.get("thoughtSignature")]
    assert (choice.seal.data if choice.seal else None) == (texts[-1] if texts else None)
    assert sum(isinstance(d, Begun) for e in events for d in e.deltas) <= 1
    assert any(event.content for event in events)


@each_answer
def test_a_recorded_answer_ends_for_the_reason_that_it_gives(row: Row) -> None:
    choice = collect(events_of(row)).choices[0]
    reasons = [c.get("finishReason") for chunk in told(row) for c in chunk.get("candidates") or ()]
    last = next((NUMBERS.get(r, r) for r in reversed(reasons) if r), None)
    if last is None:
        assert choice.finish == "content_filter", "only a prompt that was blocked has no candidate"
        return
    wanted = {"STOP": "tool_calls" if choice.tool_calls else "stop", "MAX_TOKENS": "length"}
    assert choice.finish == wanted.get(last, "content_filter" if last in {"SAFETY", "MODEL_ARMOR"} else "error")


@each_answer
def test_the_usage_of_a_recorded_answer_includes_its_thoughts_and_adds_up_to_the_total(row: Row) -> None:
    usages = [chunk.get("usageMetadata") or {} for chunk in told(row)]
    u = next((u for u in reversed(usages) if u.get("totalTokenCount")), None)
    usage = collect(events_of(row)).usage
    if u is None:
        assert usage is None
        return
    assert usage is not None
    thoughts, tools = u.get("thoughtsTokenCount") or 0, u.get("toolUsePromptTokenCount") or 0
    assert (usage.input_tokens, usage.output_tokens) == (
        u.get("promptTokenCount", 0) + tools,
        (u.get("candidatesTokenCount") or 0) + thoughts,
    )
    assert usage.reasoning_tokens == thoughts
    assert usage.cache_read_tokens == (u.get("cachedContentTokenCount") or 0) <= usage.input_tokens
    assert usage.input_tokens + usage.output_tokens == u["totalTokenCount"]
    drawn = [d["tokenCount"] for d in u.get("candidatesTokensDetails") or () if d["modality"] == "IMAGE"]
    assert usage.output_image_tokens == sum(drawn)


@each_answer
@pytest.mark.parametrize("how", ["sse", "array", "whole"])
def test_what_a_recorded_answer_says_is_written_anew_and_valid(row: Row, how: str) -> None:
    """As for a caller of this dialect whose answer came in another: only what was said is there to write from."""
    events = events_of(row)
    body = write([Event(e.deltas, content=e.content) for e in events], how=how, foreign="other")

    written = responses(body)
    for response in written:
        valid_response(response)
    assert all("finishReason" not in c for r in written[:-1] for c in r["candidates"])
    after, before = (
        collect([GEMINI_GENERATE.decode_answer(compact(written), Quirks())]),
        collect(events),
    )
    one, other = after.choices[0], before.choices[0]
    assert (one.text, one.reasoning, one.finish) == (other.text + other.refusal, other.reasoning, other.finish)
    assert [(c.id, c.name, json.loads(c.arguments)) for c in one.tool_calls] == [
        (c.id, c.name, json.loads(c.arguments)) for c in other.tool_calls
    ]
    if before.usage is not None:
        assert after.usage is not None
        for count in ("input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens"):
            assert getattr(after.usage, count) == getattr(before.usage, count)


@each_answer
def test_a_signature_that_went_through_a_foreign_caller_comes_back_to_its_issuer_exactly(row: Row) -> None:
    """Answers of Gemini given to a caller of Messages, who sends them back."""
    events = [Event(e.deltas) for e in events_of(row)]
    hello = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    asking = ANTHROPIC_MESSAGES.decode_request(compact(hello))
    encoder = ANTHROPIC_MESSAGES.encoder(asking, id="i", at=0, source=Source("gemini-generate", "acme"))
    message = json.loads(b"".join([encoder.encode(e) for e in events]) + encoder.end())
    if not message["content"]:
        pytest.skip("it says nothing that Messages can hold")
    hello["messages"].append({"role": "assistant", "content": message["content"]})
    prompt = ANTHROPIC_MESSAGES.read(ANTHROPIC_MESSAGES.decode_request(compact(hello)))
    seals = [p.seal for m in prompt.messages for p in m.parts if getattr(p, "seal", None) is not None]
    choice = collect(events).choices[0]
    issued = [c.seal.data for c in choice.tool_calls if c.seal]
    assert {s.account for s in seals} <= {"acme"}
    assert set(issued) <= {s.data for s in seals}

    if issued:
        written = json.loads(GEMINI_GENERATE.write(prompt, model="gemini-3-flash", quirks=Quirks()).body)
        parts = [p for c in written["contents"] for p in c["parts"] if "functionCall" in p]
        assert [p["thoughtSignature"] for p in parts if "thoughtSignature" in p] == issued


@each_answer
def test_a_recorded_answer_is_given_to_callers_of_chat_completions(row: Row) -> None:
    events = events_of(row)
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    body["stream_options"] = {"include_usage": True}
    encoder = OPENAI_CHAT.encoder(
        OPENAI_CHAT.decode_request(compact(body)), id="1", at=0, source=Source("gemini-generate", "gemini")
    )
    stream = b"".join(encoder.encode(e) for e in events) + encoder.end()
    decoder = OPENAI_CHAT.stream_decoder(Quirks())
    after, before = collect([*decoder.feed(stream), *decoder.finish()]), collect(events)

    one, other = after.choices[0], before.choices[0]
    assert (one.text, one.reasoning) == (other.text, other.reasoning)
    assert [(c.id, c.name, c.arguments) for c in one.tool_calls] == [
        (c.id, c.name, c.arguments) for c in other.tool_calls
    ]
    if other.finish in {"stop", "length", "tool_calls", "content_filter"}:
        assert one.finish == other.finish
    if before.usage is not None and after.usage is not None:
        assert (after.usage.input_tokens, after.usage.output_tokens) == (
            before.usage.input_tokens,
            before.usage.output_tokens,
        )


@pytest.mark.parametrize("row", ERRORS, ids=name)
def test_a_recorded_error_is_told_apart_and_passes_as_it_was_said(row: Row) -> None:
    response = row["response"]
    body = compact(response["body"])
    error = GEMINI_GENERATE.decode_error(response["status"], response["headers"] or {}, body, provider="gemini")

    kind = CredentialRefused if response["status"] == 403 else Rejected
    assert (type(error), error.retryable) == (kind, False)
    if kind is Rejected and isinstance(response["body"]["error"], dict):
        assert GEMINI_GENERATE.encode_error(error) == body


def test_a_cumulative_usage_is_the_last_one() -> None:
    def chunk(text: str, **more: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0} | more]}

    counted = {"promptTokenCount": 10, "totalTokenCount": 13, "candidatesTokenCount": 3}
    first = chunk("a") | {"usageMetadata": {**counted, "totalTokenCount": 11, "candidatesTokenCount": 1}}
    last = chunk("b", finishReason="STOP") | {"usageMetadata": counted}
    events, error = read([sse(first, last)])
    assert error is None
    assert collect(events).usage == Usage(input_tokens=10, output_tokens=3)
    assert [d.said for e in events for d in e.deltas if isinstance(d, Finish)] == ["STOP"]


def test_a_seal_of_another_provider_is_base64_that_an_sdk_can_decode_in_either_alphabet() -> None:
    written = b64encode(b"fh1.acc.anthropic...SIG+/?>").decode()
    for text in (written, written.replace("+", "-").replace("/", "_")):
        said = [{"role": "model", "parts": [{"text": "hm", "thought": True, "thoughtSignature": text}]}]
        (_, message) = GEMINI_GENERATE.read(request(contents=[*HI, *said])).messages
        (part,) = message.parts
        assert (part.text, part.seal.account, part.seal.data) == ("hm", "acc", "SIG+/?>")  # type: ignore[union-attr]
