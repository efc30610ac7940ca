"""What the front door takes and what it refuses: sizes, times, methods, versions, protocols."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_world import SIM, Caller, House, chat, get, house, post

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
BODY = b'{"model":"auto","messages":[{"role":"user","content":"hi"}]}'
LENGTH = b"content-length: %d\r\n" % len(BODY)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("door"), SIM) as home:
        yield home


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[House]:
    """A gateway whose limits a test may change."""
    with house(tmp_path, SIM) as home:
        yield home


# sizes


def test_a_body_too_large_is_refused_by_its_length_before_it_is_sent(tight: House) -> None:
    tight.limit(max_body=1000)
    with tight.caller() as caller:
        answers = caller.say(HEAD + b"content-length: 1001\r\n\r\n").rest()

    assert [a.status for a in answers] == [413]
    assert "1000 bytes" in answers[0].error["message"]


def test_a_caller_that_waits_to_be_told_is_not_told_to_send_a_body_too_large(tight: House) -> None:
    tight.limit(max_body=1000)
    with tight.caller() as caller:
        caller.say(HEAD + b"expect: 100-continue\r\ncontent-length: 1001\r\n\r\n").rest()
        assert caller.raw.startswith(b"HTTP/1.1 413 ")


def test_chunks_that_grow_too_large_are_refused_and_the_refusal_can_be_read(tight: House) -> None:
    tight.limit(max_body=1000)
    chunk = b"400\r\n%b\r\n" % bytes(1024)
    with tight.caller() as caller:
        caller.say(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk)
        caller.say(*[chunk] * 200)  # it goes on without listening
        answers = caller.rest()

    assert [a.status for a in answers] == [413]


def test_a_body_of_just_the_limit_is_read(tight: House) -> None:
    request = chat(user="u" * 500)
    tight.limit(max_body=len(post(request).partition(b"\r\n\r\n")[2]))

    assert tight.ask(post(request)).status == 200


def test_heads_too_large_are_refused(tight: House) -> None:
    tight.limit(max_head=2000, max_headers=20)
    long = tight.ask(get("/healthz", "x-long: " + "a" * 3000))
    many = tight.ask(get("/healthz", *(f"x-{n}: 1" for n in range(30))))
    endless = []
    for start in (b"G", b"GET /", b"GET / HTTP/1.1\r\nx-", b"GET / HTTP/1.1\r\nx: ", b"\r\n"):
        with tight.caller() as caller:
            endless += caller.say(start, (start if start == b"\r\n" else b"y") * 1_000_000).rest()
    chunks = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    for start in (b"5;", b"5\r\nhello\r\n0\r\nx-"):
        with tight.caller() as caller:
            endless += caller.say(chunks + start, b"y" * 1_000_000).rest()

    assert [a.status for a in endless] == [400, 431, 431, 431, 431, 431, 431]
    for answer in (long, many, *endless[1:]):
        assert (answer.status, answer.error["code"]) == (431, "headers_too_large")
        assert "2000 bytes or 20 headers" in answer.error["message"]


def test_connections_beyond_the_limit_are_closed_and_room_is_made_again(tight: House) -> None:
    tight.limit(connections=2)
    with tight.caller() as one, tight.caller() as two:
        assert one.say(get("/healthz")).answer().status == two.say(get("/healthz")).answer().status == 200
        with tight.caller() as three:
            assert three.rest() == []
    tight.until(lambda: not tight.gateway.door.connections)
    tight.well()


# times


def test_a_head_that_does_not_come_to_its_end_is_timed_out(tight: House) -> None:
    tight.limit(head=0.01)
    with tight.caller() as caller:
        answers = caller.say(b"POST /v1/chat/completions HTTP/1.1\r\nhost: local").rest()

    assert [(a.status, a.error["code"]) for a in answers] == [(408, "request_timeout")]


def test_a_body_that_does_not_come_to_its_end_is_timed_out(tight: House) -> None:
    tight.limit(body=0.01)
    with tight.caller() as caller:
        answers = caller.say(HEAD + LENGTH + b"\r\n" + BODY[:-1]).rest()

    assert [(a.status, a.error["code"]) for a in answers] == [(408, "request_timeout")]
    assert tight.accepted() == []


def test_a_head_that_comes_after_an_answer_is_timed_out_too(tight: House) -> None:
    tight.limit(head=0.01)
    with tight.caller() as caller:
        caller.say(get("/healthz")).answer()
        answers = caller.say(b"GET /healthz HTTP/1.1\r\n").rest()

    assert [a.status for a in answers] == [200, 408]


def test_an_idle_connection_is_closed_without_a_word(tight: House) -> None:
    tight.limit(idle=0.01)
    with tight.caller() as silent, tight.caller() as served:
        served.say(get("/healthz")).answer()
        assert silent.rest() == []
        assert [a.status for a in served.rest()] == [200]


# methods, versions, protocols


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"])
def test_only_post_asks_a_model_and_the_others_are_told_so(door: House, method: str) -> None:
    with door.caller(strict=False) as caller:
        caller.say(get("/v1/chat/completions", method=method) + get("/healthz"))
        head = caller.until(b"\r\n\r\n").partition(b"\r\n\r\n")[0].lower()
        answers = caller.until(b"ok\n")

    assert head.startswith(b"http/1.1 405 ")
    assert b"\r\nallow: post" in head
    assert (b"invalid_request_error" in answers) == (method != "HEAD")  # the answer to HEAD is its head


def test_a_head_request_to_a_page_has_the_length_and_not_the_body(door: House) -> None:
    with door.caller(strict=False) as caller:
        raw = caller.say(get("/healthz", method="HEAD") + get("/readyz")).until(b"ready\n")

    assert raw.count(b"content-length: 3") == 1
    assert b"ok\n" not in raw


def test_a_page_asked_with_the_wrong_method_names_the_right_ones(door: House) -> None:
    answer = door.ask(get("/v1/models", method="DELETE"))

    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_a_path_that_does_not_exist_is_told_in_the_callers_dialect(door: House) -> None:
    answer = door.ask(post(chat(), path="/v1/chat/completion?x=1"))

    assert (answer.status, answer.error["code"]) == (404, "unknown_path")
    assert "/v1/chat/completions" in answer.error["message"]
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"])
def test_another_content_type_is_refused_by_its_name(door: House, kind: str) -> None:
    request = post(chat()).replace(b"application/json", kind.encode())
    answer = door.ask(request)

    assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")
    assert kind in answer.error["message"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON ; charset=UTF-8"])
def test_json_may_be_spelled_as_the_standard_allows(door: House, kind: str) -> None:
    assert door.ask(post(chat()).replace(b"application/json", kind.encode())).status == 200


def test_a_compressed_body_is_refused(door: House) -> None:
    assert door.ask(post(chat(), "content-encoding: gzip")).status == 415


def test_an_http_1_0_caller_gets_a_body_that_ends_with_the_connection(door: House) -> None:
    with door.caller() as whole:
        answer = whole.say(post(chat()).replace(b"HTTP/1.1", b"HTTP/1.0")).rest()[0]
    with door.caller() as stream:
        raw = b""
        stream.say(post(chat(stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0"))
        stream.rest()
        raw = stream.raw

    assert answer.json["choices"][0]["message"]["content"] == "Hello there"
    assert b"transfer-encoding" not in raw.lower()
    assert raw.endswith(b"data: [DONE]\n\n")


def test_a_caller_that_expects_100_continue_is_told_to_go_on(door: House) -> None:
    request = post(chat(), "expect: 100-continue")
    head, _, body = request.partition(b"\r\n\r\n")
    with door.caller() as caller:
        caller.say(head + b"\r\n\r\n")
        assert caller.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert caller.say(body).answer().status == 200


@pytest.mark.parametrize("wanted", ["h2c", "websocket"])
def test_an_upgrade_is_not_taken_and_the_request_is_answered(door: House, wanted: str) -> None:
    upgrade = ["connection: Upgrade, HTTP2-Settings", f"upgrade: {wanted}", "http2-settings: AAMAAABk"]
    with door.caller() as caller:
        caller.say(post(chat(), *upgrade), get("/healthz", *upgrade), get("/healthz"))
        answers = [caller.answer(n) for n in (1, 2, 3)]

    assert [a.status for a in answers] == [200, 200, 200]
    assert answers[0].json["choices"][0]["message"]["content"] == "Hello there"


def test_a_tunnel_is_not_opened(door: House) -> None:
    with door.caller() as caller:
        caller.say(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n")
        assert caller.answer().status in {404, 405}


def test_a_caller_that_closes_its_sending_half_is_taken_as_gone(tmp_path: Path) -> None:
    slow = '[simulated.sim]\nreply = "Hello there"\nttft_ms = 60000\n'
    with house(tmp_path, slow) as home, home.caller() as caller:
        caller.say(post(chat(stream=True)))
        home.until(home.accepted)
        caller.socket.shutdown(socket.SHUT_WR)

        assert caller.rest() == []
        home.idle()
        assert [r.outcome for r in home.records()] == ["cancelled"]


def test_an_idle_caller_is_let_go_at_once_when_the_gateway_stops(tmp_path: Path) -> None:
    with house(tmp_path, SIM) as home:
        with home.caller() as served, home.caller() as silent:
            served.say(post(chat())).answer()
            home.run(home.gateway.door.drain(60.0))  # longer than this test waits

            assert [a.status for a in served.rest()] == [200]
            assert silent.rest() == []
        with Caller(home.address) as late:
            assert late.rest() == []
