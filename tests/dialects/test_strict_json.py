"""Bodies that two readers could understand differently are refused by name; all others mean what they say."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import FreeholdError, InvalidRequest, ProviderError
from freehold.core.events import Event
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.quirks import Quirks
from freehold.dialects.strict_json import read

fuzz = settings(max_examples=400, deadline=None, derandomize=True, database=None)
DEEP = 10_000


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a":1,"a":2}', "two members named 'a'"),
        (b'{"a":1,"a":1}', "two members named 'a'"),
        (b'{"a":1, "b":2, "a":3}', "two members named 'a'"),
        (b'{"x":[{"y":{"a":1,"a":2}}]}', "two members named 'a'"),
        (b'{"a":1,"\\u0061":2}', "two members named 'a'"),
        (b'{"a":{"b":"c:d"},"a":0,"e":"\\u003a\\u003A\\u003a"}', "two members named 'a'"),
        (b'{"":1,"":2}', "two members named ''"),
        (b'{"a:b":1,"a:b":2}', "two members named 'a:b'"),
        ('{"é":1,"\\u00e9":2}'.encode(), "two members named 'é'"),
        (b'{"a":NaN}', "NaN is not a JSON number"),
        (b'{"a":[1,-Infinity]}', "Infinity is not a JSON number"),
        (b'{"a":1e999}', "number that is too large"),
        (b"1" * 5000, "number that is too large"),
        (b'"\xff"', "not UTF-8"),
        (b'{"\xff":1}', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'"\xc0\xaf"', "not UTF-8"),
        (b'"\\ud800"', "half of a surrogate pair"),
        (b'"\\ud800\\ud800"', "half of a surrogate pair"),
        (b'"\\udc00 x"', "half of a surrogate pair"),
        (b"[" * DEEP, "nested too deeply"),
        (b"[" * DEEP + b"]" * DEEP, "nested too deeply"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "nested too deeply"),
        (b"{} {}", "not JSON"),
        (b"{}x", "not JSON"),
        (b"{}\0", "not JSON"),
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a":1,}', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":+1}', "not JSON"),
        (b'{"a":.5}', "not JSON"),
        (b'"a\nb"', "not JSON"),
        (b'"\\x41"', "not JSON"),
        (b"// no\n{}", "not JSON"),
    ],
)
def test_a_body_with_two_meanings_or_none_is_refused_by_what_is_wrong(body: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(body)
    assert said in raised.value.message
    assert len(raised.value.message) < 300


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}',
        '{ "a" : "x:y\\u003az" , "b" : "\\u003a" }',
        '{"a":"\\ud83d\\ude00","b":"😀"}',
        '{"a":123456789012345678901234567890,"b":1.0,"c":1e5,"d":-0.0,"e":5e-324}',
        '"a"',
        "[]",
        '{"a":"{\\"a\\":1,\\"a\\":2}"}',
    ],
)
def test_a_body_with_one_meaning_is_read_in_every_spelling(text: str) -> None:
    value = json.loads(text)

    for body in (text, json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1), f"\n {text}\t "):
        assert read(body.encode()) == value


texts = st.text(max_size=12) | st.sampled_from([":", '":"', "a:b", "\\u003a", "é", "😀", "\0", "model"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@fuzz
@given(value=values, ascii=st.booleans(), indent=st.sampled_from([None, 1]))
def test_what_was_written_is_read(value: Any, ascii: bool, indent: int | None) -> None:
    assert read(json.dumps(value, ensure_ascii=ascii, indent=indent).encode()) == value


@fuzz
@given(
    members=st.lists(st.tuples(texts, values), min_size=1, max_size=4),
    again=st.integers(0, 3),
    inside=st.integers(0, 3),
    ascii=st.booleans(),
)
def test_a_name_that_comes_twice_is_always_found(
    members: list[tuple[str, Any]], again: int, inside: int, ascii: bool
) -> None:
    def dumps(value: Any) -> str:
        return json.dumps(value, ensure_ascii=ascii)

    pairs = [*members, members[again % len(members)]]
    text = "{" + ", ".join(f"{dumps(n)}: {dumps(v)}" for n, v in pairs) + "}"
    for _ in range(inside):
        text = '{"deeper": [1, ' + text + "]}"

    with pytest.raises(InvalidRequest, match="two members named"):
        read(text.encode())


REQUEST = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"n":2,"max_tokens":5}'
CHUNK = (
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"hi","tool_calls":[{"index":0,"id":"a",'
    b'"function":{"name":"f","arguments":"{}"}}]},"finish_reason":null}],"usage":{"prompt_tokens":1,"cost":0.1}}\n\n'
)
TOKENS = [b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"1e999", b"-1", b"\xff", b"\\ud800", b'"x"', b"\n", b"\r",
          b"9" * 40, b"NaN", b"data:", b"event: error\n", b": c\n", b"[DONE]", b"[" * DEEP, b"{}", b"true"]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes with a few places overwritten, cut out or filled with pieces of JSON."""
    body = whole
    for _ in range(draw(st.integers(0, 4))):
        at, end = draw(st.integers(0, len(body))), draw(st.integers(0, 12))
        piece = draw(st.sampled_from(TOKENS) | st.binary(max_size=4))
        body = body[:at] + piece + body[at + end :]
    return body


@fuzz
@given(body=damaged(REQUEST) | st.binary(max_size=60))
def test_no_bytes_make_a_request_fail_in_another_way_than_being_refused(body: bytes) -> None:
    try:
        request = OPENAI_CHAT.decode_request(body)
        OPENAI_CHAT.messages(request)
    except InvalidRequest:
        return
    sent = OPENAI_CHAT.encode_request(request, model=request.model, quirks=Quirks(stream_usage=False))
    assert {k: v for k, v in json.loads(body).items() if k != "stream_options"} == json.loads(sent)


@fuzz
@given(body=damaged(CHUNK * 3) | st.binary(max_size=60), cuts=st.lists(st.integers(0, 600), max_size=4))
def test_no_bytes_of_a_provider_make_a_stream_fail_in_another_way_than_a_providers_error(
    body: bytes, cuts: list[int]
) -> None:
    def run(pieces: list[bytes]) -> tuple[list[Event], FreeholdError | None]:
        decoder, events = OPENAI_CHAT.stream_decoder(Quirks()), list[Event]()
        try:
            for piece in pieces:
                events += decoder.feed(piece)
            events += decoder.finish()
        except ProviderError as error:
            return events, error
        return events, None

    edges = sorted({0, len(body), *(c for c in cuts if c < len(body))})
    events, error = run([body])
    others, failed = run([body[a:b] for a, b in pairwise(edges)])
    assert [e.deltas for e in others] == [e.deltas for e in events]
    assert str(failed) == str(error)
    encoder = OPENAI_CHAT.encoder(OPENAI_CHAT.decode_request(REQUEST), id="1", at=0)
    for event in events:
        encoder.encode(event)
    encoder.end()


@fuzz
@given(body=damaged(CHUNK.removeprefix(b"data: ")) | st.binary(max_size=60))
def test_no_bytes_of_a_provider_make_an_answer_fail_in_another_way_than_a_providers_error(body: bytes) -> None:
    try:
        event = OPENAI_CHAT.decode_answer(body, Quirks())
    except ProviderError:
        return
    encoder = OPENAI_CHAT.encoder(OPENAI_CHAT.decode_request(REQUEST), id="1", at=0)
    encoder.encode(event)
    encoder.end()
