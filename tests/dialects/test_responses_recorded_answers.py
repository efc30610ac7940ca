"""Answers of Responses that providers really gave: read at any split of the bytes, and written again as they came."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from recorded import Row, compact, name, needs_recordings
from responses_world import (
    ERRORS,
    STREAMS,
    WHOLE,
    Folded,
    data_of,
    events_told,
    every,
    quirks,
    read,
    stream_of,
    told,
    valid,
    write,
)

from freehold.core.errors import CredentialRefused, ProviderError, Rejected
from freehold.core.events import Answer, Begun, Event, Finish, Used, collect
from freehold.dialects.dialect import Source
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.dialects.quirks import Quirks

pytestmark = needs_recordings
each_stream = pytest.mark.parametrize("row", STREAMS, ids=name)
each_whole = pytest.mark.parametrize("row", WHOLE, ids=name)
FAILED = "response.failed"


def drawn(body: bytes, seed: int) -> Iterator[bytes]:
    dice, at = random.Random(seed), 0
    while at < len(body):
        step = dice.choice((1, 2, 3, 5, 17, 90, 400, 3000))
        yield body[at : at + step]
        at += step


def last(row: Row) -> Any:
    return events_told(row)[-1].get("response")


def items_done(row: Row) -> list[Any]:
    """The items of a stream as they were told one by one: sealed reasoning is sealed anew in the last snapshot."""
    return [e["item"] for e in events_told(row) if e["type"] == "response.output_item.done"]


def trimmed(row: Row) -> bool:
    """Whether the source left out deltas."""
    deltas = [e["delta"] for e in events_told(row) if e["type"] == "response.output_text.delta"]
    return bool(deltas) and "".join(deltas) != text_of(last(row)["output"])


def text_of(output: list[Any]) -> str:
    return "".join(p.get("text", "") for i in output if i["type"] == "message" for p in i["content"])


def thoughts_of(output: list[Any]) -> list[str]:
    found: list[str] = []
    for item in output:
        if item["type"] == "reasoning":
            parts = item.get("content") or item["summary"]
            found.append("\n\n".join(p["text"] for p in parts))
    return found


def calls_of(output: list[Any]) -> list[tuple[str, str, str]]:
    names = {"function_call": "arguments", "custom_tool_call": "input"}
    return [(i["call_id"], i["name"], i[names[i["type"]]]) for i in output if i["type"] in names]


def says(answer: Answer, response: Any) -> None:
    """An answer is what a response says."""
    choice, output = answer.choices[0], response["output"]
    assert choice.text == text_of(output)
    assert choice.reasoning == "".join(thoughts_of(output))
    assert [(c.id, c.name, c.arguments) for c in choice.tool_calls] == calls_of(output)
    assert [c.custom for c in choice.tool_calls] == [
        i["type"] == "custom_tool_call" for i in output if i["type"] in {"function_call", "custom_tool_call"}
    ]
    sealed = [i["encrypted_content"] for i in output if i["type"] == "reasoning" and i.get("encrypted_content")]
    assert [t.seal.data for t in choice.thoughts if t.seal is not None] == sealed
    if response["status"] == "completed":
        assert choice.finish == ("tool_calls" if calls_of(output) else "stop")
    elif response["status"] == "incomplete":
        assert choice.finish == {"max_output_tokens": "length"}[response["incomplete_details"]["reason"]]
    assert (answer.id, answer.model) == (response["id"], response["model"])


def test_there_are_dozens_of_recorded_answers() -> None:
    assert len(STREAMS) > 40
    assert len(WHOLE) > 80
    assert len(ERRORS) > 5


@each_stream
def test_a_recorded_stream_is_written_as_it_came(row: Row) -> None:
    body = stream_of(row)
    events, error = read([body], quirks(row))
    written = write(events, streamed=True) if error is None else b"".join(e.raw for e in events)

    said = data_of(body)
    assert data_of(written) == (said if error is None else said[: len(data_of(written))])
    assert (error is not None) == (said[-1]["type"] == FAILED)
    assert b"[DONE]" not in written


@each_stream
def test_a_recorded_stream_is_read_the_same_at_any_split(row: Row) -> None:
    body = stream_of(row)
    whole, error = read([body], quirks(row))

    splits = [every(body, size) for size in ((1, 7, 64, 1000) if len(body) < 20_000 else (997, 4096))]
    for split in [*splits, *(drawn(body, seed) for seed in range(2))]:
        events, failed = read(split, quirks(row))
        assert events == whole
        assert (type(failed), str(failed)) == (type(error), str(error))


@each_stream
def test_the_fold_of_a_recorded_stream_is_its_last_snapshot(row: Row) -> None:
    events, error = read([stream_of(row)], quirks(row))

    if error is not None:
        assert isinstance(error, CredentialRefused)
    elif not trimmed(row):
        response = last(row)
        says(collect(events), {**response, "output": items_done(row) or response["output"]})


@each_stream
def test_a_recorded_stream_that_is_cut_before_its_end_is_broken(row: Row) -> None:
    body = stream_of(row)
    _, error = read([body[: body.rindex(b"data: ", 0, len(body) - 30) - 60]], quirks(row))

    assert error is not None


@each_whole
def test_a_recorded_response_is_written_as_it_came(row: Row) -> None:
    body = compact(row["response"]["body"])
    if row["response"]["body"].get("status") == "failed":
        pytest.skip("it is an error")
    event = OPENAI_RESPONSES.decode_answer(body, quirks(row))

    assert write([event], streamed=False) == body


@each_whole
def test_a_recorded_response_says_what_its_items_say(row: Row) -> None:
    response = row["response"]["body"]
    event = OPENAI_RESPONSES.decode_answer(compact(response), quirks(row))

    says(collect([event]), response)
    assert [(d.id, d.model) for d in event.deltas if isinstance(d, Begun)] == [(response["id"], response["model"])]
    assert len([d for d in event.deltas if isinstance(d, Finish)]) == 1
    assert event.content


@each_whole
def test_a_recorded_response_can_be_given_to_a_caller_that_streams(row: Row) -> None:
    response = row["response"]["body"]
    event = OPENAI_RESPONSES.decode_answer(compact(response), quirks(row))
    body = write([event], streamed=True)
    events, error = read([body], quirks(row))

    assert error is None
    assert data_of(body)[-1]["response"] == response
    assert collect(events) == collect([event])


@pytest.mark.parametrize("row", [*STREAMS, *WHOLE], ids=name)
def test_usage_is_what_the_provider_counted(row: Row) -> None:
    """Against an oracle that is written the long way from OpenAI's reference and xAI's."""
    if "body" in row["response"]:
        response = row["response"]["body"]
        events = [OPENAI_RESPONSES.decode_answer(compact(response), quirks(row))]
    else:
        response = last(row)
        events, _ = read([stream_of(row)], quirks(row))
    raw = response.get("usage")
    used = [d.usage for e in events for d in e.deltas if isinstance(d, Used)]

    if raw is None:
        assert used == []
        return
    (usage,) = used
    assert usage.input_tokens == raw["input_tokens"]
    assert usage.cache_read_tokens == raw["input_tokens_details"]["cached_tokens"]
    assert usage.cache_write_tokens == raw["input_tokens_details"].get("cache_write_tokens", 0)
    reasoning = raw["output_tokens_details"]["reasoning_tokens"]
    assert usage.reasoning_tokens == reasoning
    assert usage.input_tokens + usage.output_tokens == raw["total_tokens"]
    assert usage.output_tokens >= reasoning
    if "cost" in raw:
        assert usage.stated_cost == round(raw["cost"] * 1e9)
    elif raw.get("cost_in_usd_ticks"):
        assert usage.stated_cost == round(raw["cost_in_usd_ticks"] / 10)


@pytest.mark.parametrize("row", ERRORS, ids=name)
def test_a_recorded_error_is_told_apart(row: Row) -> None:
    response = row["response"]
    body = compact(response["body"])
    if response["status"] in {200, None}:
        with pytest.raises(ProviderError):
            OPENAI_RESPONSES.decode_answer(body, quirks(row))
        return
    error = OPENAI_RESPONSES.decode_error(response["status"], response["headers"] or {}, body, provider="p")
    said = response["body"]["error"]

    assert isinstance(error, Rejected)
    assert (error.status, error.retryable) == (400, False)
    assert (said if isinstance(said, str) else said["message"]) in error.message
    assert error.param == (said.get("param") if isinstance(said, dict) else None)
    assert OPENAI_RESPONSES.encode_error(error) == body


# to callers of another dialect, and back


def as_chat(events: list[Event]) -> list[Event]:
    """The answer as chat completions have it, and as a provider of those would have given it."""
    said = {"messages": [{"role": "user", "content": "x"}], "stream": True, "stream_options": {"include_usage": True}}
    asked = OPENAI_CHAT.decode_request(compact({"model": "m", **said}))
    encoder = OPENAI_CHAT.encoder(asked, id="1", at=0, source=Source("openai-responses", "acme"))
    body = b"".join([encoder.encode(e) for e in events]) + encoder.end()
    decoder = OPENAI_CHAT.stream_decoder(Quirks())
    return decoder.feed(body) + decoder.finish()


@pytest.mark.parametrize("summary", [True, False])
@pytest.mark.parametrize("row", [*STREAMS, *WHOLE], ids=name)
def test_a_recorded_answer_survives_chat_completions_and_comes_back_valid(row: Row, summary: bool) -> None:
    if "body" in row["response"]:
        events = [OPENAI_RESPONSES.decode_answer(compact(row["response"]["body"]), quirks(row))]
    else:
        events, error = read([stream_of(row)], quirks(row))
        if error is not None:
            return
    before = collect(events)
    if before.choices[0].finish == "other":
        return  # it is queued, which nobody else has a word for
    asked = {"reasoning": {"summary": "auto"}} if summary else {}
    chat = as_chat(events)
    body = write(chat, streamed=True, foreign="acme", **asked)
    folded = Folded(told(body))
    whole = write(chat, streamed=False, foreign="acme", **asked)
    again, error = read([body])
    after = collect(again)

    assert error is None
    assert valid(folded.response) == valid(json.loads(whole)), "whole or streamed, it is the same response"
    assert (after.choices[0].text, after.choices[0].finish) == (before.choices[0].text, before.choices[0].finish)
    assert [(c.id, c.name) for c in after.choices[0].tool_calls] == [
        (c.id, c.name) for c in before.choices[0].tool_calls
    ]
    assert [c.arguments for c in after.choices[0].tool_calls] == [
        c.arguments or ("" if c.custom else "{}") for c in before.choices[0].tool_calls
    ]
    assert after.choices[0].reasoning == before.choices[0].reasoning
    if before.usage is not None:
        assert after.usage is not None
        assert (after.usage.input_tokens, after.usage.output_tokens) == (
            before.usage.input_tokens,
            before.usage.output_tokens,
        )
