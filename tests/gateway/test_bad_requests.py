"""Bodies that are wrong: the caller hears what is wrong, in its dialect; the record tells; the process stays well."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from gateway_world import HI, SIM, House, chat, house, post
from hypothesis import given, settings
from hypothesis import strategies as st

DEEP = 10_000
M = b'"model":"auto"'
MS = b'"messages":[{"role":"user","content":"hi"}]'

BAD: dict[str, tuple[bytes, str | None, str]] = {
    "nothing": (b"", None, "not JSON"),
    "half": (b'{"model":"auto","messages":[', None, "not JSON"),
    "more behind it": (b"{" + M + b"," + MS + b"} {}", None, "not JSON"),
    "a list": (b"[]", None, "Expected `object`, got `array`"),
    "a number": (b"1", None, "Expected `object`, got `int`"),
    "null": (b"null", None, "Expected `object`, got `null`"),
    "a trailing comma": (b"{" + M + b"," + MS + b",}", None, "not JSON"),
    "NaN": (b"{" + M + b"," + MS + b',"temperature":NaN}', None, "not JSON"),
    "Infinity": (b"{" + M + b"," + MS + b',"temperature":-Infinity}', None, "not JSON"),
    "single quotes": (b"{'model':'auto'}", None, "not JSON"),
    "bad UTF-8": (b"{" + M + b',"messages":[{"role":"user","content":"\xff\xfe"}]}', None, "not"),
    "half a character": (b"{" + M + b',"messages":[{"role":"user","content":"\xe2\x82"}]}', None, "not"),
    "UTF-16": (json.dumps(chat()).encode("utf-16"), None, "not JSON"),
    "half a surrogate": (b"{" + M + b',"messages":[{"role":"user","content":"\\ud800"}]}', None, "not JSON"),
    "a NUL": (b"{" + M + b',"messages":[{"role":"user","content":"a\0b"}]}', None, "not JSON"),
    "no model": (b"{" + MS + b"}", None, "model"),
    "no messages": (b"{" + M + b"}", None, "messages"),
    "an empty model": (b'{"model":"",' + MS + b"}", "model", "model: is empty"),
    "no message": (b"{" + M + b',"messages":[]}', "messages", "messages: is empty"),
    "a model that is a number": (b'{"model":1,' + MS + b"}", "model", "Expected `str`, got `int`"),
    "messages that are a text": (b"{" + M + b',"messages":"hi"}', "messages", "Expected `array`, got `str`"),
    "a message that is a text": (b"{" + M + b',"messages":["hi"]}', "messages[0]", "Expected `object`, got `str`"),
    "a message without a role": (b"{" + M + b',"messages":[{"content":"hi"}]}', "messages[0]", "role"),
    "content that is a number": (b"{" + M + b',"messages":[{"role":"user","content":1}]}', "messages[0].content",
                                "got `int`"),
    "a stream that is a text": (b"{" + M + b"," + MS + b',"stream":"yes"}', "stream", "Expected `bool | null`"),
    "tools that are an object": (b"{" + M + b"," + MS + b',"tools":{}}', "tools", "Expected `array | null`"),
    "too many answers": (b"{" + M + b"," + MS + b',"n":129}', "n", "expected 1 to 128, got 129"),
    "no answers": (b"{" + M + b"," + MS + b',"n":0}', "n", "expected 1 to 128, got 0"),
    "a negative limit": (b"{" + M + b"," + MS + b',"max_tokens":-2}', "max_tokens", "expected 0 to"),
    "a limit that is no integer": (b"{" + M + b"," + MS + b',"max_tokens":1.5}', "max_tokens", "int"),
    "a huge limit": (b"{" + M + b"," + MS + b',"max_tokens":' + b"9" * 400 + b"}", "max_tokens",
                     "got 9999"),
    "an integer beyond all bounds": (b"{" + M + b"," + MS + b',"seed":' + b"9" * 5000 + b"}", None, "out of range"),
    "two models": (b'{"model":"cheap","model":"dear",' + MS + b"}", None, "two members named 'model'"),
    "two roles": (b"{" + M + b',"messages":[{"role":"user","role":"system","content":"x"}]}', None, "named 'role'"),
    "two names in escapes": (b'{"model":"auto","mod\\u0065l":"dear",' + MS + b"}", None, "two members named 'model'"),
    "deep lists": (b"{" + M + b"," + MS + b',"x":' + b"[" * DEEP + b"]" * DEEP + b"}", None, "deep"),
    "deep objects": (b"{" + M + b"," + MS + b',"x":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}", None, "deep"),
    "deep and open": (b"[" * DEEP, None, ""),
    "deep messages": (b"{" + M + b',"messages":' + b"[" * DEEP + b"]" * DEEP + b"}", None, ""),
    "deep content": (b"{" + M + b',"messages":[{"role":"user","content":' + b"[" * DEEP + b"]" * DEEP + b"}]}", None,
                     ""),
    "a stray byte order mark": (b"\xef\xbb\xbf{" + M + b"," + MS + b"}", None, "not JSON"),
}  # fmt: skip


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("bad"), SIM) as home:
        yield home


@pytest.mark.parametrize(("body", "param", "said"), BAD.values(), ids=BAD.keys())
def test_a_wrong_body_is_refused_by_naming_what_is_wrong(
    door: House, body: bytes, param: str | None, said: str
) -> None:
    answer = door.ask(post(body))

    assert answer.status == 400
    assert (answer.error["code"], answer.error["type"]) == ("invalid_request", "invalid_request_error")
    assert said in answer.error["message"]
    if param is not None:
        assert answer.error["param"] == param
    assert answer.headers["x-should-retry"] == "false"
    record = door.record(answer)
    assert (record.outcome, record.error, record.status, record.calls) == ("refused", "invalid_request", 400, ())
    assert record.message == answer.error["message"]
    door.well()


def test_large_integers_pass_where_nothing_looks_at_them(door: House) -> None:
    answer = door.ask(post(b"{" + M + b"," + MS + b',"seed":' + b"9" * 400 + b"}"))

    assert answer.status == 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = ["model", "messages", "stream", "stream_options", "tools", "functions", "response_format", "max_tokens", "n"]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    changed=st.dictionaries(st.sampled_from([*MEMBERS, "user", "logprobs", "stop"]), json_values, max_size=3),
    message=st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "name"]), json_values, max_size=3),
)
def test_whatever_json_is_sent_the_caller_gets_an_answer_and_a_record(
    door: House, changed: dict[str, Any], message: dict[str, Any]
) -> None:
    body: dict[str, Any] = {"model": "auto", "messages": [*HI, {**HI[0], **message}], **changed}
    answer = door.ask(post(body))

    assert answer.status in {200, 400, 404}, answer.body
    assert "error" not in answer.json if answer.status == 200 and not body.get("stream") else True
    if answer.status != 200:
        assert answer.error["message"]
        assert answer.error["code"] in {"invalid_request", "model_not_found", "provider_rejected", None}
    assert door.record(answer).status == answer.status


@settings(max_examples=100, deadline=None, derandomize=True)
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_whatever_bytes_are_sent_the_caller_hears_that_they_are_no_request(door: House, body: bytes) -> None:
    answer = door.ask(post(body))

    assert (answer.status, answer.error["code"]) == (400, "invalid_request")
