"""The front door: whatever comes, a well-formed HTTP answer or a close, and the next good request is served."""

import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest
from gateway_world import HI, SIM, House, chat, get, house, post
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BOUNDED = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("door"), SIM) as home:
        yield home


# splits and pipelines


@BOUNDED
@given(cuts=st.lists(st.integers(0, 2000), max_size=12), streamed=st.booleans())
def test_any_split_of_a_request_gets_the_same_answer(door: House, cuts: list[int], streamed: bool) -> None:
    request = post(chat(stream=streamed), "x-padding: " + "p" * 300)
    edges = sorted({0, len(request), *(c % len(request) for c in cuts)})
    with door.caller() as caller:
        answer = caller.say(*(request[a:b] for a, b in pairwise(edges))).answer()

    assert answer.status == 200
    said = answer.text if streamed else answer.json["choices"][0]["message"]["content"]
    assert said == "Hello there"


@BOUNDED
@given(
    kinds=st.lists(st.sampled_from(["whole", "stream", "health", "models", "bad", "wrong"]), min_size=2, max_size=20),
    size=st.integers(1, 3000),
)
def test_pipelined_requests_are_answered_in_their_order(door: House, kinds: list[str], size: int) -> None:
    requests = {
        "whole": post(chat(user="u")),
        "stream": post(chat(stream=True)),
        "health": get("/healthz"),
        "models": get("/v1/models"),
        "bad": post(b'{"model":'),
        "wrong": get("/v1/chat/completions"),
    }
    statuses = {"whole": 200, "stream": 200, "health": 200, "models": 200, "bad": 400, "wrong": 405}
    kinds_of = {"whole": "application/json", "stream": "text/event-stream; charset=utf-8"}
    data = b"".join(requests[k] for k in kinds)
    with door.caller() as caller:
        caller.say(*(data[at : at + size] for at in range(0, len(data), size)))
        answers = [caller.answer(number) for number in range(1, len(kinds) + 1)]

    assert [a.status for a in answers] == [statuses[k] for k in kinds]
    for answer, kind in zip(answers, kinds, strict=True):
        assert answer.headers["content-type"] == kinds_of.get(kind, answer.headers["content-type"])


def test_what_is_wrong_behind_a_good_request_is_refused_in_its_turn(door: House) -> None:
    with door.caller() as caller:
        answers = caller.say(post(chat(stream=True)) + b"GET / HTTP/9.9\r\n\r\n").rest()

    assert [a.status for a in answers] == [200, 400]
    assert answers[0].text == "Hello there"


def test_more_pipelined_requests_than_a_connection_may_queue_are_refused_behind_those_that_fit(door: House) -> None:
    with door.caller() as caller:
        answers = caller.say(post(chat()) + get("/healthz") * 40).rest()

    assert [a.status for a in answers] == [200] * 33 + [400]
    assert "pipelined" in answers[-1].error["message"]


# framing that can be understood in two ways

BODY = b'{"model":"auto","messages":[{"role":"user","content":"hi"}]}'
LENGTH = b"content-length: %d\r\n" % len(BODY)
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
SMUGGLED = {
    "two lengths that differ": HEAD + LENGTH + b"content-length: 5\r\n\r\n" + BODY,
    "the same length twice": HEAD + LENGTH + LENGTH + b"\r\n" + BODY,
    "a length that is a list": HEAD + b"content-length: %d, %d\r\n\r\n" % (len(BODY), len(BODY)) + BODY,
    "a length and chunks": HEAD + LENGTH + b"transfer-encoding: chunked\r\n\r\n" + CHUNKS,
    "chunks and a length": HEAD + b"transfer-encoding: chunked\r\n" + LENGTH + b"\r\n" + CHUNKS,
    "a negative length": HEAD + b"content-length: -1\r\n\r\n" + BODY,
    "a length with a sign": HEAD + b"content-length: +%d\r\n\r\n" % len(BODY) + BODY,
    "a length that overflows": HEAD + b"content-length: 99999999999999999999\r\n\r\n" + BODY,
    "a hexadecimal length": HEAD + b"content-length: 0x10\r\n\r\n" + BODY,
    "an empty length": HEAD + b"content-length:\r\n\r\n" + BODY,
    "chunks not last": HEAD + b"transfer-encoding: chunked, gzip\r\n\r\n" + CHUNKS,
    "chunks twice": HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n" + CHUNKS,
    "an unknown coding": HEAD + b"transfer-encoding: xchunked\r\n\r\n" + CHUNKS,
    "chunks after a tab": HEAD + b"transfer-encoding:\x0bchunked\r\n\r\n" + CHUNKS,
    "a chunk size that is no number": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk size that overflows": HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n" + BODY,
    "a chunk longer than its size": HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a negative chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\n-3\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a folded header": HEAD + b"x-a: b\r\n c\r\n" + LENGTH + b"\r\n" + BODY,
    "a folded coding": HEAD + b"transfer-encoding:\r\n chunked\r\n\r\n" + CHUNKS,
    "space before the colon": HEAD + b"content-length : %d\r\n\r\n" % len(BODY) + BODY,
    "a name with a space": HEAD + b"x a: b\r\n" + LENGTH + b"\r\n" + BODY,
    "an empty name": HEAD + b": b\r\n" + LENGTH + b"\r\n" + BODY,
    "a NUL in a value": HEAD + b"x-a: b\0c\r\n" + LENGTH + b"\r\n" + BODY,
    "a NUL in a name": HEAD + b"x-\0a: b\r\n" + LENGTH + b"\r\n" + BODY,
    "a bare line feed in the head": HEAD.replace(b"\r\n", b"\n") + LENGTH + b"\r\n" + BODY,
    "a bare line feed at its end": HEAD + LENGTH + b"\n" + BODY,
    "a bare carriage return": HEAD + b"x-a: b\rx-b: c\r\n" + LENGTH + b"\r\n" + BODY,
    "a bare line feed in a chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n" + CHUNKS.replace(b"\r\n", b"\n"),
    "no host": (HEAD + LENGTH + b"\r\n" + BODY).replace(b"host: localhost\r\n", b""),
    "two hosts": HEAD + b"host: elsewhere\r\n" + LENGTH + b"\r\n" + BODY,
    "two keys": HEAD + b"authorization: Bearer a\r\nauthorization: Bearer b\r\n" + LENGTH + b"\r\n" + BODY,
    "a version that does not exist": HEAD.replace(b"1.1", b"1.9") + LENGTH + b"\r\n" + BODY,
    "HTTP/0.9": b"POST /v1/chat/completions\r\n\r\n" + BODY,
    "another protocol": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "a TLS hello": bytes.fromhex("16030100a5010000a10303") + bytes(range(150)),
    "HTTP/2 from the start": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
}


@pytest.mark.parametrize("data", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_framing_with_two_meanings_is_refused_and_never_forwarded(door: House, data: bytes) -> None:
    before = len(door.accepted())
    hidden = get("/healthz")  # what somebody would smuggle behind it
    with door.caller() as caller:
        answers = caller.say(data + hidden).rest()

    assert [a.status for a in answers] == [400]
    assert answers[0].headers["connection"] == "close"
    assert answers[0].error["code"] == "invalid_request"
    assert len(answers[0].error["message"]) > 20
    assert len(door.accepted()) == before
    door.well()


def test_chunked_bodies_with_extensions_and_trailers_are_read(door: House) -> None:
    chunks = b"5;name=value\r\n%b\r\n%x\r\n%b\r\n0\r\nx-trailer: t\r\n\r\n" % (BODY[:5], len(BODY) - 5, BODY[5:])
    answer = door.ask(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks)

    assert answer.status == 200


@pytest.mark.parametrize("framed", [b"content-length: %d\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n%x\r\n"])
def test_a_wish_to_upgrade_does_not_turn_a_body_into_a_request(door: House, framed: bytes) -> None:
    hidden = get("/v1/models")
    end = b"" if b"length" in framed else b"\r\n0\r\n\r\n"
    wish = b"connection: upgrade\r\nupgrade: h2c\r\n"
    with door.caller() as caller:
        caller.say(HEAD + wish + framed % len(hidden) + hidden + end + get("/healthz"))
        answers = [caller.answer(1), caller.answer(2)]

    assert answers[0].error["message"].startswith("The body is not JSON")
    assert answers[1].body == b"ok\n"


def test_trailers_are_never_taken_for_headers(door: House) -> None:
    trailers = b"content-type: text/plain\r\nhost: elsewhere\r\ncontent-encoding: gzip\r\n"
    answer = door.ask(HEAD + b"transfer-encoding: chunked\r\n\r\n" + CHUNKS[:-2] + trailers + b"\r\n")

    assert answer.status == 200


@BOUNDED
@given(data=st.binary(max_size=400), lead=st.sampled_from([b"", HEAD, HEAD + b"transfer-encoding: chunked\r\n\r\n"]))
def test_arbitrary_bytes_get_an_answer_or_a_close(door: House, data: bytes, lead: bytes) -> None:
    with door.caller() as caller:
        caller.say(lead + data)
        caller.socket.shutdown(socket.SHUT_WR)
        answers = caller.rest()  # raises where it is not HTTP

    assert all(400 <= a.status < 500 or a.status == 200 for a in answers)
    assert door.chat().status == 200


MUTABLE = post({"model": "auto", "messages": HI, "stream": False}, "x-api-key: none", "accept: */*")


@BOUNDED
@given(edits=st.lists(st.tuples(st.integers(0, len(MUTABLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_request_with_bytes_changed_gets_an_answer_or_a_close(door: House, edits: list[tuple[int, int]]) -> None:
    data = bytearray(MUTABLE)
    for at, byte in edits:
        data[at] = byte
    with door.caller() as caller:
        caller.say(bytes(data))
        caller.socket.shutdown(socket.SHUT_WR)
        answers = caller.rest()

    assert all(a.status < 500 and a.over for a in answers)
    assert door.chat().status == 200
