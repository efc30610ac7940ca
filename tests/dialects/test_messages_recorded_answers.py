"""Answers of Messages that providers really gave: read at any split of the bytes, and written again as they came."""

import json
from typing import Any

import pytest
from messages_world import (
    ALL,
    ERRORS,
    SPLICED,
    STREAMS,
    WHOLE,
    events_told,
    every,
    folded,
    read,
    request,
    stream_of,
    told,
    valid_events,
    valid_message,
    whole,
    write,
)
from recorded import Row, compact, name, needs_recordings

from freehold.core.errors import Rejected
from freehold.core.events import Begun, Event, Finish, Used, collect
from freehold.core.usage import Usage
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.dialect import Source
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

pytestmark = needs_recordings
each_stream = pytest.mark.parametrize("row", STREAMS, ids=name)
each_whole = pytest.mark.parametrize("row", WHOLE, ids=name)
REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def test_there_are_a_hundred_recorded_answers() -> None:
    assert len(STREAMS) + len(WHOLE) >= 115
    assert len(ALL) == len(STREAMS) + len(WHOLE) + len(ERRORS) + len(SPLICED)


@pytest.mark.parametrize("row", SPLICED, ids=name)
def test_a_stream_that_begins_anew_passes_to_its_end_and_no_further(row: Row) -> None:
    body = stream_of(row)
    events, error = read([body])
    assert error is None
    end = body.index(b"event: message_stop")
    assert write(events, streamed=True) == body[: body.index(b"\n\n", end) + 2]


def whole_of(row: Row) -> list[dict[str, Any]]:
    """The blocks of an answer, whichever way it came, by an oracle of the test's own."""
    if "body" in row["response"]:
        return row["response"]["body"]["content"]
    events = events_told(row)
    return events[0]["content"] if whole(events[0]) else folded(events)["content"]


@each_stream
def test_a_recorded_stream_passes_byte_for_byte_whatever_the_split(row: Row) -> None:
    body = stream_of(row)
    if whole(events_told(row)[0]):
        pytest.skip("this source kept the message that its stream came to")
    for size in (1, 7, 4096, len(body)):
        events, error = read(every(body, size))
        assert error is None
        assert write(events, streamed=True) == body


@each_stream
def test_the_split_of_a_recorded_stream_makes_no_difference_to_what_is_said(row: Row) -> None:
    body = stream_of(row)
    at_once, _ = read([body])
    bit_by_bit, _ = read(every(body, 1))
    assert at_once == bit_by_bit


@each_whole
def test_a_recorded_message_is_written_as_it_came(row: Row) -> None:
    body = compact(row["response"]["body"])
    event = ANTHROPIC_MESSAGES.decode_answer(body, Quirks())
    assert write([event], streamed=False) == body


def events_of(row: Row) -> list[Event]:
    if "body" in row["response"]:
        return [ANTHROPIC_MESSAGES.decode_answer(compact(row["response"]["body"]), Quirks())]
    events, error = read([stream_of(row)])
    assert error is None
    return events


@pytest.mark.parametrize("row", [*WHOLE, *STREAMS], ids=name)
def test_a_recorded_answer_says_what_its_blocks_say(row: Row) -> None:
    events = events_of(row)
    choice = collect(events).choices[0]
    blocks = whole_of(row)

    assert choice.text == "".join(b["text"] for b in blocks if b["type"] == "text")
    assert choice.reasoning == "".join(b["thinking"] for b in blocks if b["type"] == "thinking")
    assert [(c.id, c.name, json.loads(c.arguments)) for c in choice.tool_calls] == [
        (b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"
    ]
    seals = [t.seal for t in choice.thoughts if t.seal is not None]
    assert [(s.form, s.data, s.redacted) for s in seals] == [
        ("anthropic", b.get("signature") or b.get("data"), b["type"] == "redacted_thinking")
        for b in blocks
        if b["type"] == "redacted_thinking" or (b["type"] == "thinking" and b.get("signature"))
    ]
    finish = [d for e in events for d in e.deltas if isinstance(d, Finish)]
    assert [f.reason for f in finish] == [REASONS[f.said] for f in finish]
    assert sum(isinstance(d, Begun) for e in events for d in e.deltas) == 1
    assert any(event.content for event in events)


def usage_told(row: Row) -> dict[str, Any]:
    """The counts of an answer, the last of each."""
    if "body" in row["response"]:
        return row["response"]["body"]["usage"]
    usage: dict[str, Any] = {}
    for event in events_told(row):
        said = event.get("usage") or (event.get("message") or {}).get("usage") or {}
        usage |= {k: v for k, v in said.items() if v is not None}
    return usage


@pytest.mark.parametrize("row", [*WHOLE, *STREAMS], ids=name)
def test_the_usage_of_a_recorded_answer_includes_what_was_cached(row: Row) -> None:
    u = usage_told(row)
    usage = collect(events_of(row)).usage
    if not u:
        assert usage is None
        return
    each = [u, *(i for i in u.get("iterations") or () if i["type"] == "compaction")]
    read_, write_ = (
        sum(one.get(n) or 0 for one in each) for n in ("cache_read_input_tokens", "cache_creation_input_tokens")
    )
    searches = (u.get("server_tool_use") or {}).get("web_search_requests") or 0
    geo = u.get("inference_geo")
    assert usage == Usage(
        input_tokens=sum(one["input_tokens"] for one in each) + read_ + write_,
        output_tokens=sum(one["output_tokens"] for one in each),
        cache_read_tokens=read_,
        cache_write_tokens=write_,
        cache_write_1h_tokens=(u.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or 0,
        reasoning_tokens=(u.get("output_tokens_details") or {}).get("thinking_tokens") or 0,
        searches=searches,
        service=u.get("service_tier") or "",
        region="" if geo in (None, "not_available") else geo,
    )


@each_whole
def test_a_recorded_message_becomes_a_valid_stream_for_a_caller_that_wants_one(row: Row) -> None:
    body = row["response"]["body"]
    event = ANTHROPIC_MESSAGES.decode_answer(compact(body), Quirks())
    events = told(write([event], streamed=True))

    again = folded(events)
    unsigned = {"thinking": {"signature": ""}}  # what servers leave out that do not sign
    content = [unsigned.get(block["type"], {}) | block for block in body["content"]]
    wanted = {**body, "stop_sequence": body.get("stop_sequence"), "content": content}
    assert {n: again[n] for n in wanted} == wanted | {"usage": again["usage"]}
    assert {n: again["usage"][n] for n in body["usage"]} == body["usage"]


@pytest.mark.parametrize("row", [*WHOLE, *STREAMS], ids=name)
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_what_a_recorded_answer_says_is_written_anew_and_valid(row: Row, streamed: bool) -> None:
    """As for a caller of this dialect whose answer came in another: only what was said is there to write from."""
    events = events_of(row)
    said = [Event(e.deltas, content=e.content) for e in events]
    body = write(said, streamed=streamed, foreign="other")

    if streamed:
        valid_events(told(body))
        message = folded(told(body))
    else:
        message = json.loads(body)
    valid_message(message)
    blocks = whole_of(row)
    text = "".join(b["text"] for b in message["content"] if b["type"] == "text")
    assert text == "".join(b["text"] for b in blocks if b["type"] == "text")
    calls = [(b["id"], b["name"], b["input"]) for b in message["content"] if b["type"] == "tool_use"]
    assert calls == [(b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"]
    before, after = collect(events), collect([ANTHROPIC_MESSAGES.decode_answer(compact(message), Quirks())])
    assert after.choices[0].finish == before.choices[0].finish
    assert after.choices[0].reasoning == before.choices[0].reasoning
    if before.usage is not None:
        assert after.usage is not None
        for count in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"):
            assert getattr(after.usage, count) == getattr(before.usage, count)


@pytest.mark.parametrize("row", [*WHOLE, *STREAMS], ids=name)
def test_a_seal_that_went_through_a_foreign_caller_comes_back_to_its_issuer(row: Row) -> None:
    events = [Event(e.deltas) for e in events_of(row)]
    message = json.loads(write(events, streamed=False, foreign="acme"))
    back = request(messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": message["content"]}])
    parts = [p for m in ANTHROPIC_MESSAGES.read(back).messages for p in m.parts]
    seals = [p.seal for p in parts if getattr(p, "seal", None) is not None]
    issued = [t.seal for t in collect(events).choices[0].thoughts if t.seal is not None]
    assert [(s.data, s.redacted, s.account) for s in seals] == [(s.data, s.redacted, "acme") for s in issued]


@pytest.mark.parametrize("row", ERRORS, ids=name)
def test_a_recorded_error_is_told_apart_and_passes_as_it_was_said(row: Row) -> None:
    response = row["response"]
    body = compact(response["body"])
    error = ANTHROPIC_MESSAGES.decode_error(response["status"], response["headers"] or {}, body, provider="p")

    assert (type(error), error.retryable, error.status) == (Rejected, False, response["status"])
    if response["body"].get("type") == "error":
        assert ANTHROPIC_MESSAGES.encode_error(error) == body
    else:  # told by an SDK: another shape, which callers of this dialect get in theirs
        assert json.loads(ANTHROPIC_MESSAGES.encode_error(error))["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("row", [*WHOLE, *STREAMS], ids=name)
def test_a_recorded_answer_is_given_to_callers_of_chat_completions(row: Row) -> None:
    events = events_of(row)
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    body["stream_options"] = {"include_usage": True}
    chat = OPENAI_CHAT.decode_request(compact(body))
    encoder = OPENAI_CHAT.encoder(chat, id="1", at=0, source=Source("anthropic-messages", "anthropic"))
    stream = b"".join(encoder.encode(e) for e in events) + encoder.end()
    decoder = OPENAI_CHAT.stream_decoder(Quirks())
    after = collect([*decoder.feed(stream), *decoder.finish()])
    before = collect(events)

    assert after.choices[0].text == before.choices[0].text
    assert after.choices[0].reasoning == before.choices[0].reasoning
    assert [(c.id, c.name, c.arguments) for c in after.choices[0].tool_calls] == [
        (c.id, c.name, c.arguments) for c in before.choices[0].tool_calls
    ]
    if before.usage is not None and after.usage is not None:
        assert after.usage.input_tokens == before.usage.input_tokens
        assert after.usage.output_tokens == before.usage.output_tokens
    if any(isinstance(d, Used) for e in events for d in e.deltas):
        assert after.usage is not None
