"""Shapes that OpenAI-compatible servers send beyond OpenAI's own: understood by default, passed on as they are."""

import json
from typing import Any

import pytest

from freehold.core.errors import (
    Broken,
    CredentialRefused,
    Overloaded,
    ProviderError,
    Rejected,
    Throttled,
)
from freehold.core.events import Answer, Event, WholeCall, collect
from freehold.core.usage import Usage
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

DONE = b"data: [DONE]\n\n"


def frame(**members: Any) -> bytes:
    return b"data: " + json.dumps({"id": "c1", "model": "m", **members}).encode() + b"\n\n"


def delta(finish: Any = None, **said: Any) -> bytes:
    return frame(choices=[{"index": 0, "delta": said, "finish_reason": finish}])


def events_of(body: bytes, quirks: Quirks | None = None) -> list[Event]:
    decoder = OPENAI_CHAT.stream_decoder(quirks or Quirks())
    return decoder.feed(body) + decoder.finish()


def said(body: bytes, quirks: Quirks | None = None) -> Answer:
    return collect(events_of(body, quirks))


def error_of(body: bytes) -> tuple[list[Event], ProviderError]:
    decoder, events = OPENAI_CHAT.stream_decoder(Quirks()), list[Event]()
    try:
        events += decoder.feed(body)
        events += decoder.finish()
    except ProviderError as error:
        return events, error
    pytest.fail("the stream was read as whole")


def written(body: bytes, *, wants: bool) -> bytes:
    options = b',"stream_options":{"include_usage":true}' if wants else b""
    asked = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true%b}' % options
    encoder = OPENAI_CHAT.encoder(OPENAI_CHAT.decode_request(asked), id="1", at=0)
    return b"".join(encoder.encode(event) for event in events_of(body)) + encoder.end()


# the stream as such

HELLO = delta(content="hel") + delta(content="lo") + delta("stop")


@pytest.mark.parametrize(
    "body",
    [
        HELLO + DONE,
        HELLO,
        HELLO + DONE + DONE,
        HELLO + DONE + b"data: {broken",
        HELLO + b"data: [DONE]",
        HELLO + b"data:[DONE]\n\n",
        HELLO + b"data: [DONE] \n\n",
        HELLO.rstrip(),
        HELLO.replace(b"data: ", b"data:"),
        HELLO.replace(b"\n", b"\r\n") + DONE,
        HELLO.replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + HELLO,
        b": OPENROUTER PROCESSING\n\n" + HELLO,
        b":\n\n" + HELLO.replace(b"data:", b": ping\nevent: message\nid: 7\nretry: 10\ndata:"),
        HELLO.replace(b'"c1", ', b'"c1",\ndata: '),
        b"\n\n" + HELLO + b"\n\n\n\n" + DONE,
        b"data: \n\n" + HELLO,
        frame(choices=[]) + frame(choices=None) + frame() + b"data: {}\n\n" + HELLO,
        frame(choices=[None]) + HELLO,
        HELLO + b'data: {"cut',
        delta() + frame(choices=[{"delta": None}]) + HELLO,
        HELLO.replace(b'"index": 0, ', b""),
        HELLO.replace(b'"index": 0', b'"index": null'),
        HELLO.replace(b'"index": 0', b'"index": "0"'),
        HELLO.replace(b'"finish_reason": null', b'"finish_reason": ""'),
        HELLO.replace(b'"finish_reason": null', b'"finish_reason": "null"'),
        HELLO.replace(b'"stop"', b'"STOP"'),
        HELLO.replace(b'"stop"', b'"eos"'),
        HELLO.replace(b'"stop"', b'"end_turn"'),
        HELLO.replace(b'"delta"', b'"message"'),
        HELLO.replace(b'"delta": {}', b'"delta": null'),
        HELLO.replace(b'"id": "c1"', b'"id": 7'),
        HELLO.replace(b'"content": "lo"', b'"content": "lo", "role": null, "tool_calls": null, "function_call": null'),
        HELLO.replace(b'"content": "lo"', b'"content": [{"type": "text", "text": "l"}, "o", {"type": "image"}, null]'),
        HELLO.replace(b'"content": "lo"', b'"content": {"type": "text", "text": "lo"}'),
        HELLO.replace(b'{"content": "lo"}', b'null, "text": "lo"'),
        HELLO.replace(b'"model": "m"', b'"model": "m", "usage": null, "error": null, "x_groq": null'),
        HELLO.replace(b'"model": "m"', b'"model": "m", "usage": [], "error": "", "created": "now", "x": 1e999'),
    ],
    ids=range(38),
)  # fmt: skip
def test_an_answer_is_understood_in_whatever_way_it_is_written(body: bytes) -> None:
    answer = said(body)

    assert (answer.text, answer.choices[0].finish, answer.usage) == ("hello", "stop", None)
    assert len(answer.choices) == 1
    assert answer.choices[0].tool_calls == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b": waiting\n\n",
        delta(content="hel"),
        delta(content="hel") + b'data: {"choices":[{"delta":{"content":"l',
        delta(content="hel") + b"data: [DON",
        frame(choices=[{"index": i, "delta": {"content": "x"}, "finish_reason": None} for i in (0, 1)])
        + frame(choices=[{"index": 1, "delta": {}, "finish_reason": "stop"}]),
    ],
    ids=range(7),
)
def test_a_stream_that_ends_before_its_answer_does_is_broken(body: bytes) -> None:
    events, error = error_of(body)

    assert isinstance(error, Broken)
    assert error.retryable
    assert collect(events).text == ("" if b"hel" not in body else "hel") or b'"index": 1' in body


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html>down</html>\n\n",
        b"data: hello\n\n",
        b"data: 1\n\n",
        b"data: null\n\n",
        b'data: [{"choices":[]}]\n\n',
        b'data: {"choices":{}}\n\n',
        b'data: {"choices":[{"delta":"x"}]}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":{}}}]}\n\n',
        b'data: {"choices":[{"index":1000000000,"delta":{"content":"x"}}]}\n\n',
        b'data: {"choices":[{"index":-1,"delta":{"content":"x"}}]}\n\n',
        b"data: " + b"[" * 10_000 + b"\n\n",
        b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n',
    ],
)
def test_what_is_no_chunk_breaks_the_stream_and_what_came_before_is_kept(body: bytes) -> None:
    events, error = error_of(delta(content="hel") + body)

    assert type(error) is Broken
    assert collect(events).text == "hel"
    assert error_of(body)[0] == []


def test_an_event_that_never_ends_is_broken_before_it_fills_the_memory() -> None:
    decoder, piece = OPENAI_CHAT.stream_decoder(Quirks()), b"x" * 65_536
    for _ in range(8_388_608 // len(piece) + 1):
        assert decoder.feed(piece) == []

    with pytest.raises(Broken, match="larger than 8388608 bytes"):
        decoder.feed(piece)


# errors in a stream that began well


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b'data: {"error":{"message":"no","code":400}}\n\n', Rejected, "no"),
        (b'data: {"error":{"message":"no","code":"429"}}\n\n', Throttled, "no"),
        (b'data: {"error":{"message":"no","status_code":503}}\n\n', Overloaded, "no"),
        (b'data: {"error":{"message":"no","type":"overloaded_error"}}\n\n', Overloaded, "no"),
        (b'data: {"error":{"message":"no","type":"rate_limit_error"}}\n\n', Throttled, "no"),
        (b'data: {"error":{"message":"no","type":"insufficient_quota"}}\n\n', CredentialRefused, "no"),
        (b'data: {"error":{"message":"no","code":"content_filter"}}\n\n', Rejected, "no"),
        (b'data: {"error":{"message":"no","type":"invalid_request_error"}}\n\n', Rejected, "no"),
        (b'data: {"error":{"message":"no"}}\n\n', Broken, "no"),
        (b'data: {"error":"no"}\n\n', Broken, "no"),
        (b'data: {"id":"c1","choices":[{"delta":{"content":""}}],"error":{"message":"no","code":400}}\n\n', Rejected,
         "no"),
        (b'event: error\ndata: {"message":"no","type":"overloaded_error"}\n\n', Overloaded, "no"),
        (b"event:error\r\ndata: no\r\n\r\n", Broken, "no"),
        (b'data: {"object":"error","message":"no","code":400}\n\n', Rejected, "no"),
        (b'data: {"type":"error","error":{"type":"overloaded_error","message":"no"}}\n\n', Overloaded, "no"),
        (b'data: {"detail":"no"}\n\n', Broken, "no"),
        (b'data: {"errors":[{"code":"model_not_found","message":"no"}],"status_code":404}\n\n', Rejected, "no"),
        (b'data: {"base_resp":{"status_code":1008,"status_msg":"no"}}\n\n', Broken, "no"),
        (b'{"error":{"message":"no","code":400}}\n\n', Rejected, "no"),
        (b'{"error":{"message":"no","code":400}}', Rejected, "no"),
        (b'{\n  "error": {\n    "message": "no", "code": 400\n  }\n}\n', Rejected, "no"),
    ],
)  # fmt: skip
def test_an_error_inside_a_stream_is_raised_after_what_was_said(
    body: bytes, kind: type[ProviderError], message: str
) -> None:
    events, error = error_of(delta(content="hel") + body)

    assert type(error) is kind
    assert error.message.endswith(message) or f": {message} (" in error.message
    assert collect(events).text == "hel"
    assert error_of(body)[1].message == error.message


def test_an_error_stands_at_once_and_nothing_after_it_is_read() -> None:
    decoder = OPENAI_CHAT.stream_decoder(Quirks())
    events = decoder.feed(delta(content="hel") + b'data: {"error":"no"}\n\n' + delta(content="lo"))

    assert collect(events).text == "hel"
    assert isinstance(decoder.error, Broken)
    for _ in range(2):
        with pytest.raises(Broken):
            decoder.feed(delta(content="lo"))
    with pytest.raises(Broken):
        decoder.finish()


def test_what_an_answer_that_failed_cost_is_counted() -> None:
    events, error = error_of(
        delta(content="hel")
        + frame(error={"message": "no", "code": 502}, choices=[], usage={"prompt_tokens": 3, "completion_tokens": 1})
    )

    assert isinstance(error, Broken)
    assert collect(events).usage == Usage(input_tokens=3, output_tokens=1)


# tool calls


def call(arguments: Any = "", *, index: Any = None, id: Any = None, name: Any = None) -> dict[str, Any]:
    members = {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
    return {k: v for k, v in members.items() if v is not None}


A, B = WholeCall(id="a", name="f", arguments='{"x":1}'), WholeCall(id="b", name="g", arguments='{"y":2}')
IN_ONE = [call('{"x":1}', id="a", name="f"), call('{"y":2}', id="b", name="g")]


@pytest.mark.parametrize(
    "pieces",
    [
        [[call("", index=0, id="a", name="f")], [call('{"x"', index=0)], [call(":1}", index=0)],
         [call("", index=1, id="b", name="g")], [call('{"y":2}', index=1)]],
        [IN_ONE],
        [[IN_ONE[0]], [IN_ONE[1]]],
        [[call('{"x":1}', index=0, id="a", name="f")], [call('{"y":2}', index=0, id="b", name="g")]],
        [[call('{"x":1}', index=0, id="a", name="f"), call('{"y":2}', index=0, id="b", name="g")]],
        [[call("", id="a", name="f")], [call('{"x":1}')], [call("", id="b", name="g")], [call('{"y":'), call("2}")]],
        [[call('{"x"', id="a", name="f")], [call(":1}", id="a")], [call('{"y":2}', id="b", name="g")]],
        [[call('{"x"', index=0, id="a", name="f")], [call(":1}", index=0, id="a", name="f")],
         [call('{"y":2}', index=1, id="b", name="g")]],
        [[call('{"x"', index=0, id="a", name="f")], [call(":1}", index=0, id="a2", name="")],
         [call('{"y":2}', index=1, id="b", name="g")]],
        [[call("", index=0, id="a", name="f"), call("", index=1, id="b", name="g")],
         [call('{"x":1}', index=0), call('{"y":', index=1)], [call("2}", index=1)]],
        [[call({"x": 1}, index=0, id="a", name="f"), None, call({"y": 2}, index=1, id="b", name="g")]],
        [[call('{"x":1}', index="0", id="a", name="f")], [call('{"y":2}', index="1", id="b", name="g")]],
        [[{"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": '{"x":1}'}}],
         [call('{"y":2}', index=1, id="b", name="g")]],
        [[call(index=0, id="a", name="f")], [call('{"x":1}', index=0, id="", name="")],
         [call('{"y":2}', index=1, id="b", name="g")]],
    ],
    ids=range(14),
)  # fmt: skip
def test_parallel_calls_are_told_apart_however_they_are_counted(pieces: list[list[Any]]) -> None:
    body = b"".join(delta(tool_calls=piece) for piece in pieces) + delta("tool_calls")

    choice = said(body).choices[0]
    assert choice.tool_calls == (A, B)
    assert choice.finish == "tool_calls"


def test_calls_without_ids_are_told_apart_by_their_names() -> None:
    twice = [call('{"x":1}', index=0, name="f"), call('{"x":2}', index=0, name="f")]

    for body in (
        delta("tool_calls", tool_calls=twice),
        delta("tool_calls", tool_calls=[{**c, "index": None} for c in twice]),
    ):
        assert [(c.name, c.arguments) for c in said(body).choices[0].tool_calls] == [("f", '{"x":1}'), ("f", '{"x":2}')]


def test_an_empty_old_function_call_is_no_call() -> None:
    message = {"content": "hi", "function_call": {"name": "", "arguments": ""}, "tool_calls": None, "refusal": ""}
    body = json.dumps({"id": "c1", "choices": [{"message": message, "finish_reason": ""}]}).encode()

    choice = collect([OPENAI_CHAT.decode_answer(body, Quirks())]).choices[0]
    assert (choice.text, choice.tool_calls, choice.finish) == ("hi", (), "stop")


# reasoning


@pytest.mark.parametrize(
    "thought",
    [
        {"reasoning": "hm"},
        {"reasoning_content": "hm"},
        {"thinking": "hm"},
        {"reasoning": "hm", "reasoning_content": "hm"},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning": None, "reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}, {"type": "reasoning.text", "text": "hm"}]},
        {"reasoning": {"content": "hm"}},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        {"content": [{"type": "thinking", "thinking": "hm"}]},
    ],
)
def test_reasoning_is_told_apart_under_every_name(thought: dict[str, Any]) -> None:
    answer = said(delta(**thought) + delta("stop", content="yes"))

    assert (answer.choices[0].reasoning, answer.text) == ("hm", "yes")


def test_reasoning_inside_the_text_stays_text() -> None:
    assert said(delta("stop", content="<think>hm</think>yes")).text == "<think>hm</think>yes"


# usage


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2}, Usage(input_tokens=5, output_tokens=2)),
        ({"prompt_tokens": "5", "completion_tokens": "2"}, Usage(input_tokens=5, output_tokens=2)),
        ({"prompt_tokens": 5.0, "completion_tokens": None}, Usage(input_tokens=5)),
        ({"input_tokens": 5, "output_tokens": 2}, Usage(input_tokens=5, output_tokens=2)),
        ({"prompt_tokens": 5, "cost": "0.0000000015"}, Usage(input_tokens=5, stated_cost=2)),
        ({"prompt_tokens": 5, "cost": {"total_cost": 0.000123456}}, Usage(input_tokens=5, stated_cost=123456)),
        ({"prompt_tokens": 5, "cost_in_usd_ticks": 25}, Usage(input_tokens=5, stated_cost=2)),
        ({"prompt_tokens": 5, "cost_in_usd_ticks": 35}, Usage(input_tokens=5, stated_cost=4)),
        ({"prompt_tokens": 5, "cost": 0}, Usage(input_tokens=5, stated_cost=0)),
        ({"prompt_tokens": 5, "cost": -1}, Usage(input_tokens=5)),
        ({"prompt_tokens": 5, "cost": 1e300}, Usage(input_tokens=5)),
        ({"prompt_tokens": 5, "cost": "much"}, Usage(input_tokens=5)),
        ({"prompt_tokens": 5, "cost": True}, Usage(input_tokens=5)),
        ({"prompt_tokens": -5, "completion_tokens": 10**30}, Usage()),
        ({"prompt_tokens": 5, "prompt_tokens_details": [], "completion_tokens_details": "x"}, Usage(input_tokens=5)),
        ({"prompt_tokens": 5, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 7},
         Usage(input_tokens=27, cache_read_tokens=20, cache_write_tokens=7)),
        ({"prompt_tokens": 30, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 7},
         Usage(input_tokens=30, cache_read_tokens=20, cache_write_tokens=7)),
    ],
)  # fmt: skip
def test_usage_is_counted_from_whatever_is_stated(raw: dict[str, Any], usage: Usage) -> None:
    assert said(HELLO + frame(choices=[], usage=raw)).usage == usage
    assert said(HELLO + frame(choices=[], x_groq={"usage": raw})).usage == usage
    assert said(HELLO + frame(choices=[{"index": 0, "delta": {}, "usage": raw}])).usage == usage


@pytest.mark.parametrize(
    ("quirks", "usage"),
    [
        (Quirks(), Usage(input_tokens=10, output_tokens=8, cache_read_tokens=4, reasoning_tokens=3)),
        (Quirks(cached_outside=True), Usage(input_tokens=14, output_tokens=8, cache_read_tokens=4, reasoning_tokens=3)),
        (
            Quirks(reasoning="outside"),
            Usage(input_tokens=10, output_tokens=11, cache_read_tokens=4, reasoning_tokens=3),
        ),
        (Quirks(reasoning="inside"), Usage(input_tokens=10, output_tokens=8, cache_read_tokens=4, reasoning_tokens=3)),
    ],
)
def test_a_quirk_says_what_the_numbers_cannot_show(quirks: Quirks, usage: Usage) -> None:
    raw = {
        "prompt_tokens": 10,
        "completion_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert said(HELLO + frame(choices=[], usage=raw), quirks).usage == usage


def test_usage_in_every_chunk_counts_once() -> None:
    pieces = [
        frame(choices=[{"index": 0, "delta": {"content": "x"}}], usage={"prompt_tokens": 9, "completion_tokens": i})
        for i in (1, 2)
    ]

    assert said(b"".join(pieces) + delta("stop")).usage == Usage(input_tokens=9, output_tokens=2)


COUNTS = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


@pytest.mark.parametrize(
    ("chunk", "kept"),
    [
        (frame(choices=[], usage=COUNTS), False),
        (frame(usage=COUNTS, system_fingerprint="fp", service_tier=None, obfuscation="abc"), False),
        (frame(choices=[], usage=COUNTS, citations=None), False),
        (frame(choices=[], usage=COUNTS, citations=["https://example.com"]), True),
        (frame(choices=[{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}], usage=COUNTS), True),
        (frame(choices=[{"index": 0, "delta": {"content": "!"}}], usage=COUNTS), True),
        (frame(choices=[], prompt_filter_results=[]), True),
    ],
)
def test_only_a_chunk_that_is_nothing_but_usage_is_kept_from_a_caller_that_asked_for_none(
    chunk: bytes, kept: bool
) -> None:
    body = HELLO + chunk

    assert written(body, wants=True) == body + DONE
    assert written(body, wants=False) == (body if kept else HELLO) + DONE


# whole answers


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Broken),
        (b"<html>down</html>", Broken),
        (b"{}", Broken),
        (b"[]", Broken),
        (b'"hi"', Broken),
        (b'{"choices":"hi"}', Broken),
        (b'{"choices":[{"message":{"content":"hi"}', Broken),
        (b'{"choices":[]} trailing', Broken),
        (b'{"error":{"message":"no","type":"invalid_request_error"}}', Rejected),
        (b'{"message":"no","code":429}', Throttled),
        (b'{"detail":[{"loc":["body"],"msg":"no"}]}', Broken),
        (b'{"choices":null,"base_resp":{"status_code":1008,"status_msg":"no"}}', Broken),
    ],
)
def test_an_answer_that_is_none_is_an_error(body: bytes, kind: type[ProviderError]) -> None:
    with pytest.raises(ProviderError) as raised:
        OPENAI_CHAT.decode_answer(body, Quirks())
    assert type(raised.value) is kind


def test_white_space_around_an_answer_keeps_a_connection_alive_and_says_nothing() -> None:
    body = b'\n  \n {"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}\n '

    assert collect([OPENAI_CHAT.decode_answer(body, Quirks())]).text == "hi"
