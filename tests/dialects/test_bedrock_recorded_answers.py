"""Answers of Converse that models really gave: read at any split of the bytes, written again as they came, and written
for callers of other dialects."""

import json
from typing import Any

import pytest
from bedrock_world import (
    ALL,
    ERRORS,
    STREAMS,
    WHOLE,
    every,
    read,
    stream_of,
    streamed,
    told,
    unframed,
    valid_answer,
    valid_stream,
    write,
)
from messages_world import folded, valid_events, valid_message
from messages_world import told as messages_told
from messages_world import write as write_message
from recorded import STREAMS as CHAT_STREAMS
from recorded import WHOLE as CHAT_WHOLE
from recorded import Row, compact, name, needs_recordings
from test_messages_cross import chat_events

from freehold.core.errors import Rejected
from freehold.core.events import Event, Finish, collect
from freehold.dialects.bedrock_converse.dialect import BEDROCK_CONVERSE
from freehold.dialects.dialect import Source
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

pytestmark = needs_recordings
each_answer = pytest.mark.parametrize("row", [*WHOLE, *STREAMS], ids=name)
REASONS = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "stop_sequence": "stop",
}


def test_there_are_fifty_recorded_answers() -> None:
    assert len(STREAMS) + len(WHOLE) >= 50
    assert len(ALL) == len(STREAMS) + len(WHOLE) + len(ERRORS)


@pytest.mark.parametrize("row", STREAMS, ids=name)
def test_a_recorded_stream_passes_byte_for_byte_whatever_the_split(row: Row) -> None:
    body = stream_of(row)
    at_once, _ = read([body])
    for size in (1, 7, 4096, len(body)):
        events, error = read(every(body, size))
        assert error is None
        assert write(events, streamed=True) == body
        assert events == at_once


@pytest.mark.parametrize("row", WHOLE, ids=name)
def test_a_recorded_answer_is_written_as_it_came(row: Row) -> None:
    body = compact(row["response"]["body"])
    assert write([BEDROCK_CONVERSE.decode_answer(body, Quirks())], streamed=False) == body


def events_of(row: Row) -> list[Event]:
    if not streamed(row):
        return [BEDROCK_CONVERSE.decode_answer(compact(row["response"]["body"]), Quirks())]
    events, error = read([stream_of(row)])
    assert error is None
    return events


def content(row: Row) -> list[dict[str, Any]]:
    """The blocks of an answer, whichever way it came, by an oracle of the test's own."""
    if not streamed(row):
        return row["response"]["body"]["output"]["message"]["content"]
    blocks: dict[int, dict[str, Any]] = {}
    for kind, value in told(row):
        block = blocks.setdefault(value.get("contentBlockIndex", -1), {})
        if kind == "contentBlockStart":
            block |= {k: {**v, "input": ""} for k, v in value["start"].items()}
        elif kind == "contentBlockDelta":
            grow(block, value["delta"])
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return [blocks[at] for at in sorted(blocks) if at >= 0]


def grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    for member, piece in delta.items():
        if member == "text":
            block["text"] = block.get("text", "") + piece
        elif member == "toolUse":
            block["toolUse"]["input"] += piece["input"]
        elif member == "reasoningContent":
            text = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
            text |= {n: text.get(n, "") + p for n, p in piece.items()}


def calls(blocks: list[dict[str, Any]]) -> list[Any]:
    every_call = [b["toolUse"] for b in blocks if "toolUse" in b]
    return [(c["toolUseId"], c["name"], c["input"]) for c in every_call if c.get("type") != "server_tool_use"]


def reasoning(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [b["reasoningContent"] for b in blocks if "reasoningContent" in b]


@each_answer
def test_a_recorded_answer_says_what_its_blocks_say(row: Row) -> None:
    events, blocks = events_of(row), content(row)
    choice = collect(events).choices[0]
    assert choice.text == "".join(b.get("text", "") for b in blocks)
    assert [(c.id, c.name, json.loads(c.arguments)) for c in choice.tool_calls] == calls(blocks)
    assert choice.reasoning == "".join(r.get("reasoningText", {}).get("text", "") for r in reasoning(blocks))
    signed = [r["reasoningText"]["signature"] for r in reasoning(blocks) if "signature" in r.get("reasoningText", {})]
    seals = [t.seal for t in choice.thoughts if t.seal is not None]
    assert [s.data for s in seals if not s.redacted] == signed
    assert sum(s.redacted for s in seals) == sum("redactedContent" in r for r in reasoning(blocks))
    assert {s.form for s in seals} <= {"anthropic"}
    finish = [d for e in events for d in e.deltas if isinstance(d, Finish)]
    assert [f.reason for f in finish] == [REASONS[f.said] for f in finish]
    assert len(finish) == 1


def usage_told(row: Row) -> dict[str, Any]:
    if not streamed(row):
        return row["response"]["body"]["usage"]
    return next((value["usage"] for kind, value in told(row) if kind == "metadata" and "usage" in value), {})


@each_answer
def test_the_usage_of_a_recorded_answer_includes_what_was_cached(row: Row) -> None:
    u, usage = usage_told(row), collect(events_of(row)).usage
    if not u:
        assert usage is None
        return
    assert usage is not None
    read_, write_ = u.get("cacheReadInputTokens", 0), u.get("cacheWriteInputTokens", 0)
    assert (usage.input_tokens, usage.output_tokens) == (u["inputTokens"] + read_ + write_, u["outputTokens"])
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (read_, write_)
    assert usage.input_tokens + usage.output_tokens == u["totalTokens"]


def test_a_service_tier_that_an_answer_states_is_the_one_it_was_served_in() -> None:
    stated = [row for row in WHOLE if "serviceTier" in row["response"]["body"]]
    assert stated
    for row in stated:
        usage = collect(events_of(row)).usage
        assert usage is not None
        assert usage.service == row["response"]["body"]["serviceTier"]["type"]


@pytest.mark.parametrize("row", ERRORS, ids=name)
def test_a_recorded_error_is_the_requests_own_fault(row: Row) -> None:
    response = row["response"]
    error = BEDROCK_CONVERSE.decode_error(
        response["status"], response["headers"], compact(response["body"]), provider="bedrock"
    )
    assert isinstance(error, Rejected)
    assert (error.status, error.retryable) == (400, False)
    assert response["body"]["message"] in error.message
    assert json.loads(BEDROCK_CONVERSE.encode_error(error)) == response["body"]


def said_in_chat(events: list[Event], *, stream: bool) -> bytes:
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": stream}
    request = OPENAI_CHAT.decode_request(
        compact({**asked, "stream_options": {"include_usage": True}} if stream else asked)
    )
    encoder = OPENAI_CHAT.encoder(request, id="i-1", at=0, source=Source("bedrock-converse", "bedrock"))
    return b"".join([encoder.encode(event) for event in events]) + encoder.end()


@each_answer
def test_a_recorded_answer_says_the_same_in_chat_completions(row: Row) -> None:
    events = events_of(row)
    before = collect(events)
    chunks = pytest.importorskip("openai.types.chat").ChatCompletionChunk
    completion = pytest.importorskip("openai.types.chat").ChatCompletion
    stream = said_in_chat(events, stream=True)
    for line in stream.split(b"\n\n"):
        if line.startswith(b"data: {"):
            chunks.model_validate_json(line[6:])
    whole = said_in_chat(events, stream=False)
    completion.model_validate_json(whole)

    decoder = OPENAI_CHAT.stream_decoder(Quirks())
    for after in (
        collect(decoder.feed(stream) + decoder.finish()),
        collect([OPENAI_CHAT.decode_answer(whole, Quirks())]),
    ):
        one, other = after.choices[0], before.choices[0]
        assert (one.text, one.reasoning) == (other.text, other.reasoning)
        assert [(c.id, c.name, c.arguments) for c in one.tool_calls] == [
            (c.id, c.name, c.arguments) for c in other.tool_calls
        ]
        assert one.finish == other.finish
        if before.usage is not None:
            assert after.usage is not None
            assert (after.usage.input_tokens, after.usage.output_tokens, after.usage.cache_read_tokens) == (
                before.usage.input_tokens,
                before.usage.output_tokens,
                before.usage.cache_read_tokens,
            )


@each_answer
def test_a_recorded_answer_says_the_same_as_a_valid_message(row: Row) -> None:
    events = events_of(row)
    before = collect(events).choices[0]
    streamed_ = messages_told(write_message(events, streamed=True, foreign="bedrock"))
    valid_events(streamed_)
    message = json.loads(write_message(events, streamed=False, foreign="bedrock"))
    for one in (folded(streamed_), message):
        valid_message(one)
        assert "".join(b["text"] for b in one["content"] if b["type"] == "text") == before.text
        made = [(b["id"], b["name"], b["input"]) for b in one["content"] if b["type"] == "tool_use"]
        assert made == [(c.id, c.name, json.loads(c.arguments)) for c in before.tool_calls]


@pytest.mark.parametrize("row", [*CHAT_WHOLE, *CHAT_STREAMS], ids=name)
def test_a_recorded_chat_answer_becomes_a_valid_answer_of_converse_that_says_the_same(row: Row) -> None:
    events = chat_events(row)
    before = collect(events)
    stream = write(events, streamed=True, foreign="acme")
    valid_stream(stream)
    whole = write(events, streamed=False, foreign="acme")
    valid_answer(json.loads(whole))

    back, error = read([stream])
    assert error is None
    for after in (collect(back), collect([BEDROCK_CONVERSE.decode_answer(whole, Quirks())])):
        one, other = after.choices[0], before.choices[0]
        assert one.text == other.text + other.refusal
        assert one.reasoning == other.reasoning
        assert [(c.name, json.loads(c.arguments)) for c in one.tool_calls] == [
            (c.name, json.loads(c.arguments or "{}")) for c in other.tool_calls
        ]
        if before.usage is not None:
            assert after.usage is not None
            assert (after.usage.input_tokens, after.usage.output_tokens) == (
                before.usage.input_tokens,
                before.usage.output_tokens,
            )
    kinds = [kind for kind, _ in unframed(stream)]
    assert kinds[0] == "messageStart"
    assert kinds[-2:] == ["messageStop", "metadata"]


@pytest.mark.parametrize("row", WHOLE, ids=name)
def test_a_whole_answer_where_a_stream_was_asked_for_becomes_one_that_says_the_same(row: Row) -> None:
    event = BEDROCK_CONVERSE.decode_answer(compact(row["response"]["body"]), Quirks())
    back, error = read([write([event], streamed=True)])
    assert error is None
    once, again = collect([event]), collect(back)
    assert (again.choices, again.usage) == (once.choices, once.usage)
