"""Streams in shapes that compatible servers send beyond OpenAI's: understood by default, passed on as they are."""

import pytest
from chat_streams import DONE, HELLO, delta, error_of, frame, said

from freehold.core.errors import (
    Broken,
    CredentialRefused,
    Overloaded,
    ProviderError,
    Rejected,
    Throttled,
)
from freehold.core.events import collect
from freehold.core.usage import Usage
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks

# the stream as such


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
