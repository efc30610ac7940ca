"""Providers that fail, through the whole gateway: the caller hears it in its dialect, the record tells."""

import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from gateway_world import House, chat, house, post
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_upstream import (
    DONE,
    END,
    KEEP,
    LEAVE,
    STREAM,
    Upstream,
    always,
    chunked,
    completion,
    delta,
    providers,
    sized,
)

ONCE = "attempts = 1"
GOOD = completion()
HTML = b"<!DOCTYPE html><html><body>502 Bad Gateway nginx</body></html>"
ROLE = delta(role="assistant", content="")
FAILED = b'data: {"error":{"message":"the model fell over","type":"server_error","code":"boom"}}\n\n'
QUICK = "first_byte_seconds = 0.05\nidle_seconds = 0.05\n"


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


# What the provider writes; the status and code that the caller gets; what the message names; what the record has.
WHOLE: dict[str, tuple[list[bytes | threading.Event], int, str, str, int]] = {
    "HTML": ([sized(HTML, "content-type: text/html")], 502, "provider_broken", "no chat completion", 200),
    "HTML as an error": ([sized(HTML, status=502)], 502, "provider_broken", "an HTML page", 502),
    "an empty body": ([sized(b"")], 502, "provider_broken", "no chat completion", 200),
    "no content": ([head(status="204 No Content")], 502, "provider_broken", "no chat completion", 204),
    "a body of another type": ([sized(b"[1,2]")], 502, "provider_broken", "no chat completion", 200),
    "a body cut short": ([sized(GOOD)[:-20]], 502, "provider_broken", "in the middle of its answer", 200),
    "a cut chunk": ([STREAM.replace(b"text/event-stream", b"application/json") + b"ff\r\n" + GOOD[:40]], 502,
                    "provider_broken", "in the middle of its answer", 200),
    "half a character": ([sized(b'{"choices":[{"message":{"content":"\xe2\x82"}}]}')], 502, "provider_broken",
                         "no chat completion", 200),
    "compressed": ([sized(gzip.compress(GOOD), "content-encoding: gzip")], 502, "provider_broken", "gzip", 200),
    "a huge head": ([head("x-a: " + "a" * 70_000) + GOOD], 502, "provider_broken", "headers", 0),
    "a redirect": ([head("location: /elsewhere", "content-length: 0", status="302 Found")], 502, "provider_broken",
                   "answered 302", 302),
    "no HTTP": ([b"220 smtp.example.org ESMTP\r\n"], 502, "provider_broken", "not HTTP", 0),
    "a close": ([], 502, "provider_unreachable", "before it answered", 0),
    "another protocol": ([head("upgrade: h2c", "connection: upgrade", status="101 Switching Protocols")], 502,
                         "provider_broken", "another protocol", 0),
    "two answers": ([sized(GOOD)[:-1] + b"}" + sized(GOOD)], 200, "", "", 200),
    "an error inside": ([sized(b'{"error":{"message":"the model fell over","code":503}}')], 503, "provider_overloaded",
                        "the model fell over", 200),
    "too long lengths": ([head("content-length: 99999999999999999999") + GOOD], 502, "provider_broken", "not HTTP", 0),
    "two lengths": ([head("content-length: 5", "content-length: 6") + GOOD], 502, "provider_broken", "not HTTP", 0),
}  # fmt: skip


@pytest.mark.parametrize("case", WHOLE.values(), ids=WHOLE.keys())
def test_a_whole_answer_that_is_wrong_is_told_and_recorded(
    tmp_path: Path, case: tuple[list[bytes | threading.Event], int, str, str, int]
) -> None:
    said, status, code, named, upstream = case
    with Upstream(always(*said)) as up, house(tmp_path, providers(up.port, retry=ONCE)) as home:
        answer = home.chat("r")
        record = home.record(answer)
        home.well()

    assert answer.status == status
    if code:
        assert answer.error["code"] == code
        assert named in answer.error["message"]
        assert answer.headers["x-should-retry"] == "false"
        assert (record.outcome, record.error, record.message) == ("failed", code, answer.error["message"])
        assert [(c.deployment, c.error, c.status) for c in record.calls] == [("d0", code, upstream)]
    else:
        assert record.outcome == "answered"


STREAMS: dict[str, tuple[list[bytes | threading.Event], str, str, str]] = {
    "HTML": ([sized(HTML, "content-type: text/html")], "", "provider_broken", "no chat completion"),
    "nothing": ([STREAM + END], "", "provider_broken", "broke off"),
    "a role and nothing more": ([STREAM + chunked(ROLE) + END], "", "provider_broken", "broke off"),
    "only [DONE]": ([STREAM + chunked(DONE) + END], "", "provider_broken", "empty answer"),
    "an error first": ([STREAM + chunked(FAILED, DONE) + END], "", "provider_broken", "the model fell over"),
    "an error after the role": ([STREAM + chunked(ROLE, FAILED) + END], "", "provider_broken", "the model fell over"),
    "an error after content": ([STREAM + chunked(ROLE, delta(content="so"), FAILED, DONE) + END], "so",
                               "provider_broken", "the model fell over"),
    "a cut": ([STREAM + chunked(ROLE, delta(content="so"))], "so", "provider_broken", "in the middle"),
    "a cut before content": ([STREAM + chunked(ROLE)], "", "provider_broken", "in the middle"),
    "a cut chunk": ([STREAM + chunked(ROLE, delta(content="so")) + b"50\r\ndata: {"], "so", "provider_broken",
                    "in the middle"),
    "an end without [DONE]": ([STREAM + chunked(ROLE, delta(content="so")) + END], "so", "provider_broken",
                              "broke off"),
    "half a character": ([STREAM + chunked(delta(content="so"), b'data: {"choices":[{"delta":{"content":"\xe2\x82\n\n'
                                   )], "so", "provider_broken", "no chat completion"),
    "no JSON": ([STREAM + chunked(delta(content="so"), b"data: {oops\n\n", DONE) + END], "so", "provider_broken",
                "no chat completion"),
    "no chunk size": ([STREAM + chunked(delta(content="so")) + b"zz\r\n"], "so", "provider_broken", "not HTTP"),
    "compressed": ([STREAM.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
                    + chunked(gzip.compress(ROLE + DONE)) + END], "", "provider_broken", "gzip"),
    "an event too large": ([STREAM + chunked(*[b"data: " + b"x" * 1_000_000] * 9)], "", "provider_broken",
                           "larger than"),
}  # fmt: skip


def test_an_error_that_comes_with_content_ends_a_stream_whose_connection_stays_open(tmp_path: Path) -> None:
    together = STREAM + chunked(ROLE, delta(content="so") + FAILED)
    with Upstream(always(together, LEAVE)) as up, house(tmp_path, providers(up.port, retry=ONCE)) as home:
        answer = home.chat("r", stream=True)
        assert up.left.wait(60)
        record = home.record(answer)
        home.well()

    assert answer.text == "so"
    assert "the model fell over" in answer.events[-1]["error"]["message"]
    assert (record.outcome, record.error) == ("cut", answer.events[-1]["error"]["code"])


@pytest.mark.parametrize(("said", "text", "code", "named"), STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_that_goes_wrong_ends_in_an_error_and_never_as_if_it_were_whole(
    tmp_path: Path, said: list[bytes | threading.Event], text: str, code: str, named: str
) -> None:
    # What is said before the fault comes first, and alone: an end in the same packet may swallow it.
    first = said[0]
    assert isinstance(first, bytes)
    gate = threading.Event()
    at = first.index(b'"so"') if text else 0
    edge = first.index(b"\n\n", at) + 4 if text else 0
    pieces: list[bytes | threading.Event] = [first[:edge], gate, first[edge:]] if text else [first]
    with Upstream(always(*pieces)) as up, house(tmp_path, providers(up.port, retry=ONCE)) as home:
        with home.caller() as caller:
            caller.say(post(chat("r", stream=True)))
            if text:
                caller.until(b'"so"')
            gate.set()
            answer = caller.answer()
        record = home.record(answer)
        home.well()

    assert record.outcome == ("cut" if text else "failed")
    assert (record.error, record.calls[0].error) == (code, code)
    assert named in (record.message or "")
    if text:
        assert answer.status == 200
        assert answer.text == text
        assert answer.events[-1]["error"]["code"] == code
        assert "[DONE]" not in answer.events
        assert record.usage is not None
        assert record.usage.estimated
        assert record.cost
    else:
        assert answer.status == 502
        assert answer.error["code"] == code


def test_a_stream_of_another_type_is_read_by_what_it_says(tmp_path: Path) -> None:
    odd = STREAM.replace(b"text/event-stream", b"text/plain")
    odd += chunked(ROLE, delta(content="so"), delta(finish="stop"), DONE) + END
    with Upstream(always(odd)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.chat("r", stream=True)

    assert answer.text == "so"


def test_a_whole_answer_where_a_stream_was_asked_for_is_streamed(tmp_path: Path) -> None:
    with Upstream(always(sized(GOOD), KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.chat("r", stream=True)

    assert answer.text == "good"
    assert answer.events[-1] == "[DONE]"


def test_a_body_that_never_ends_is_broken_off_when_it_exceeds_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freehold.gateway.call.MAX_ANSWER", 100_000)
    endless = STREAM.replace(b"text/event-stream", b"application/json") + chunked(b"{", *[b" " * 10_000] * 20)
    with Upstream(always(endless, LEAVE)) as up, house(tmp_path, providers(up.port, retry=ONCE)) as home:
        answer = home.chat("r")
        assert up.left.wait(60)

    assert (answer.status, answer.error["code"]) == (502, "provider_broken")
    assert "exceeds 100000 bytes" in answer.error["message"]


def test_a_stream_that_never_says_anything_is_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freehold.gateway.call.MAX_HELD", 100_000)
    waiting = STREAM + chunked(*[b": wait\n\n"] * 2000)
    with Upstream(always(waiting, LEAVE)) as up, house(tmp_path, providers(up.port, retry=ONCE)) as home:
        answer = home.chat("r", stream=True)
        assert up.left.wait(60)

    assert (answer.status, answer.error["code"]) == (502, "provider_broken")
    assert "100000 bytes and no content" in answer.error["message"]


def test_comments_before_the_first_content_are_passed_on_with_it(tmp_path: Path) -> None:
    said = STREAM + chunked(b": wait\n\n", ROLE, b": wait\n\n", delta(content="so"), delta(finish="stop"), DONE) + END
    with Upstream(always(said)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.chat("r", stream=True)

    assert bytes(answer.body).startswith(b": wait\n\n" + ROLE + b": wait\n\n")
    assert answer.text == "so"


def test_a_provider_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with house(tmp_path, providers(port, retry=ONCE)) as home:
        answer = home.chat("r")
        record = home.record(answer)

    assert (answer.status, answer.error["code"]) == (502, "provider_unreachable")
    assert f"up0 cannot be reached at 127.0.0.1:{port}" in answer.error["message"]
    assert [(c.error, c.status) for c in record.calls] == [("provider_unreachable", 0)]


def test_a_provider_that_speaks_no_tls_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk() -> None:
            one, _ = listening.accept()
            with one:
                one.sendall(sized(GOOD))
                while one.recv(4096):
                    pass

        thread = threading.Thread(target=talk)
        thread.start()
        plain = providers(listening.getsockname()[1], retry=ONCE)
        with house(tmp_path, plain.replace('"http://', '"https://')) as home:
            answer = home.chat("r")
        thread.join()

    assert (answer.status, answer.error["code"]) == (502, "provider_unreachable")
    assert "SSL" in answer.error["message"]


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, certificate: ssl.SSLContext) -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def shake() -> None:
        one, _ = listening.accept()
        with one, suppress(OSError):  # the gateway breaks off
            certificate.wrap_socket(one, server_side=True).recv(1)

    thread = threading.Thread(target=shake)
    thread.start()
    settings_ = providers(listening.getsockname()[1], retry=ONCE).replace('"http://', '"https://')
    with listening, house(tmp_path, settings_) as home:
        answer = home.chat("r")
    thread.join()

    assert (answer.status, answer.error["code"]) == (502, "provider_unreachable")
    assert "certificate verify failed" in answer.error["message"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_provider_that_does_not_begin_to_answer_is_timed_out(tmp_path: Path, streamed: bool) -> None:
    never = threading.Event()
    with Upstream(always(never)) as up:
        with house(tmp_path, providers(up.port, retry=ONCE, account=QUICK)) as home:
            answer = home.chat("r", stream=streamed)
            record = home.record(answer)
        never.set()

    assert (answer.status, answer.error["code"]) == (504, "provider_timeout")
    assert "did not begin to answer within 0.05 s" in answer.error["message"]
    assert (record.outcome, record.calls[0].error) == ("failed", "provider_timeout")


def test_a_provider_that_falls_silent_in_the_middle_is_timed_out(tmp_path: Path) -> None:
    never = threading.Event()
    with Upstream(always(STREAM + chunked(ROLE, delta(content="so")), never)) as up:
        with house(tmp_path, providers(up.port, retry=ONCE, account=QUICK)) as home:
            answer = home.chat("r", stream=True)
            record = home.record(answer)
        never.set()

    assert answer.text == "so"
    assert answer.events[-1]["error"]["code"] == "provider_timeout"
    assert "sent nothing for 0.05 s" in answer.events[-1]["error"]["message"]
    assert (record.outcome, record.status, record.error) == ("cut", 504, "provider_timeout")


NOISE = [
    ROLE,
    delta(content="so"),
    delta(finish="stop"),
    DONE,
    FAILED,
    b"data: {",
    b"data: \xe2\x82\n\n",
    b"\n\n",
    b": c\n\n",
]
HEADS = [
    STREAM,
    sized(GOOD),
    sized(HTML),
    head("content-length: 0", status="500 No"),
    head("transfer-encoding: chunked"),
]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, list[list[bytes]]]]:
    said: list[list[bytes]] = [[]]
    folder, patient = tmp_path_factory.mktemp("noisy"), "[breaker]\nfailures = 1000000\n"
    with Upstream(lambda _: [*said[0]]) as up, house(folder, providers(up.port, retry=ONCE, more=patient)) as home:
        yield home, said


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    start=st.sampled_from(HEADS) | st.binary(max_size=60),
    frames=st.lists(st.sampled_from(NOISE) | st.binary(max_size=30), max_size=6),
    tail=st.tuples(st.booleans(), st.sampled_from([END, b"", b"x"])),
    streamed=st.booleans(),
)
def test_whatever_a_provider_writes_the_caller_gets_an_answer_and_a_record(
    noisy: tuple[House, list[list[bytes]]], start: bytes, frames: list[bytes], tail: tuple[bool, bytes], streamed: bool
) -> None:
    home, said = noisy
    framed, end = tail
    said[0] = [start, chunked(*frames) if framed else b"".join(frames), end]
    answer = home.chat("r", stream=streamed)  # read strictly
    record = home.record(answer)

    if record.outcome == "answered":
        assert answer.status == 200
        assert not streamed or answer.body.endswith(DONE)
    elif record.outcome == "cut":
        assert answer.status == 200
        assert answer.events[-1]["error"]["code"] == record.error
    else:
        assert record.outcome == "failed"
        assert answer.status == record.status >= 400
        assert answer.error["message"]
    assert len(record.calls) == 1
