"""`Idempotency-Key`: what is sent twice under one key is answered twice and asked of a provider once."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_world import HI, House, chat, house, post
from openai import OpenAI
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
    turns,
)

from freehold.governance.keys import mint

ONCE = "idempotency-key: order-7"
DAY = 24 * 3600 * 1_000_000_000
GOOD: list[bytes | threading.Event] = [sized(completion()), KEEP]
SPOKEN = STREAM + chunked(
    delta(role="assistant", content=""), delta(content="one "), delta(content="two", finish="stop")
)
SAID: list[bytes | threading.Event] = [SPOKEN, chunked(DONE) + END, KEEP]


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream(always(*GOOD)) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, up: Upstream) -> Iterator[House]:
    with house(tmp_path, providers(up.port)) as made:
        yield made


def test_a_repeat_gets_the_answer_once_more_costs_nothing_and_has_a_record_without_a_call(
    home: House, up: Upstream
) -> None:
    first, again = home.chat("r", ONCE), home.chat("r", ONCE)
    records = home.record(first), home.record(again)

    assert len(up.asked) == 1
    assert (again.status, again.body) == (first.status, first.body) == (200, bytearray(completion()))
    told = {name: (first.headers[name], again.headers[name]) for name in ("x-freehold-cache", "x-freehold-cost")}
    assert told == {"x-freehold-cache": ("none", "idempotent"), "x-freehold-cost": ("20000", "0")}
    assert again.headers["x-freehold-deployment"] == "d0"
    assert [(r.cache, r.of, r.cost, len(r.calls), r.outcome) for r in records] == [
        (None, None, 20000, 1, "answered"),
        ("idempotent", records[0].id, 0, 0, "answered"),
    ]
    assert records[1].usage is None
    assert records[1].response == records[0].response


TEXTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": chat("r"),
    "/v1/messages": {"model": "r", "max_tokens": 9, "messages": HI},
    "/v1/responses": {"model": "r", "input": "hi"},
    "/v1/completions": {"model": "r", "prompt": "hi"},
    "/v1beta/models/r:generateContent": {"contents": [{"parts": [{"text": "hi"}]}]},
    "/api/chat": {"model": "r", "messages": HI, "stream": False},
    "/api/generate": {"model": "r", "prompt": "hi", "stream": False},
}


@pytest.mark.parametrize("path", TEXTS)
def test_in_every_dialect_a_repeat_is_the_same_to_the_byte(home: House, up: Upstream, path: str) -> None:
    first, again = (home.ask(post(TEXTS[path], ONCE, path=path)) for _ in range(2))

    assert len(up.asked) == 1
    assert b"good" in first.body
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    assert again.headers["x-freehold-cache"] == "idempotent"


STREAMS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": chat("r", stream=True),
    "/v1/messages": {"model": "r", "max_tokens": 9, "messages": HI, "stream": True},
    "/v1/responses": {"model": "r", "input": "hi", "stream": True},
    "/v1beta/models/r:streamGenerateContent?alt=sse": {"contents": [{"parts": [{"text": "hi"}]}]},
}


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_that_is_over_is_said_once_more(tmp_path: Path, path: str) -> None:
    with Upstream(always(*SAID)) as up, house(tmp_path, providers(up.port)) as home:
        first, again = (home.ask(post(STREAMS[path], ONCE, path=path)) for _ in range(2))

    assert len(up.asked) == 1
    assert b"two" in first.body
    assert again.body == first.body
    assert again.headers["x-freehold-cache"] == "idempotent"


def test_a_repeat_of_a_stream_under_way_hears_what_was_said_and_then_follows(tmp_path: Path) -> None:
    more = threading.Event()
    with (
        Upstream(always(SPOKEN[:-60], more, SPOKEN[-60:], chunked(DONE) + END)) as up,
        house(tmp_path, providers(up.port)) as home,
    ):
        with home.caller() as one, home.caller() as two:
            one.say(post(chat("r", stream=True), ONCE)).until(b"one ")
            two.say(post(chat("r", stream=True), ONCE)).until(b"one ")
            assert b"two" not in two.raw
            more.set()
            answers = one.answer(), two.answer()
        home.idle()

    assert len(up.asked) == 1
    assert [a.text for a in answers] == ["one two", "one two"]
    assert [a.headers["x-freehold-cache"] for a in answers] == ["none", "idempotent"]


def test_a_repeat_waits_for_the_answer_of_the_first(tmp_path: Path) -> None:
    more = threading.Event()
    with (
        Upstream(always(more, *GOOD)) as up,
        house(tmp_path, providers(up.port)) as home,
        home.caller() as one,
        home.caller() as two,
    ):
        one.say(post(chat("r"), ONCE))
        home.until(lambda: up.asked)
        two.say(post(chat("r"), ONCE))
        home.until(lambda: home.gateway.engine.pipeline.turn.running == 2)
        more.set()
        answers = one.answer(), two.answer()

    assert len(up.asked) == 1
    assert [a.body for a in answers] == [completion(), completion()]


def test_the_call_goes_on_for_a_repeat_when_the_first_caller_leaves(tmp_path: Path) -> None:
    more = threading.Event()
    with (
        Upstream(always(SPOKEN[:-60], more, SPOKEN[-60:], chunked(DONE) + END)) as up,
        house(tmp_path, providers(up.port)) as home,
    ):
        with home.caller() as two:
            with home.caller() as one:
                one.say(post(chat("r", stream=True), ONCE)).until(b"one ")
                two.say(post(chat("r", stream=True), ONCE)).until(b"one ")
            home.until(lambda: len(home.gateway.door.connections) == 1)
            more.set()
            answer = two.answer()
        home.idle()
        outcomes = [(r.outcome, r.cache) for r in home.records()]

    assert (answer.text, len(up.asked)) == ("one two", 1)
    assert sorted(outcomes, key=str) == [("answered", "idempotent"), ("answered", None)]


def test_when_everybody_has_left_the_call_is_broken_off_and_the_next_one_is_served_anew(tmp_path: Path) -> None:
    answers = turns([SPOKEN[:-60], LEAVE], SAID)
    with Upstream(answers) as up, house(tmp_path, providers(up.port)) as home:
        with home.caller() as one, home.caller() as two:
            one.say(post(chat("r", stream=True), ONCE)).until(b"one ")
            two.say(post(chat("r", stream=True), ONCE)).until(b"one ")
        assert up.left.wait(60)
        home.until(lambda: len(home.records()) == 2)
        outcomes = [r.outcome for r in home.records()]
        last = home.chat("r", ONCE, stream=True)

    assert outcomes == ["cancelled", "cancelled"]
    assert (last.text, last.headers["x-freehold-cache"], len(up.asked)) == ("one two", "none", 2)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/chat/completions", ("error", "code", "idempotency_key_reused")),
        ("/v1/messages", ("error", "type", "invalid_request_error")),
        ("/v1beta/models/r:generateContent", ("error", "status", "ABORTED")),
    ],
)
def test_another_body_under_a_known_key_is_refused_in_the_callers_dialect(
    home: House, up: Upstream, path: str, code: tuple[str, str, str]
) -> None:
    home.ask(post(TEXTS[path], ONCE, path=path))
    answer = home.ask(post(TEXTS[path] | {"temperature": 0.5}, ONCE, path=path))
    record = home.record(answer)

    assert answer.status == 409
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json[code[0]][code[1]] == code[2]
    assert "'order-7'" in answer.error["message"]
    assert (record.outcome, record.error, len(up.asked)) == ("refused", "idempotency_key_reused", 1)


def test_another_path_under_a_known_key_is_refused(home: House) -> None:
    home.chat("r", ONCE)
    assert home.ask(post(chat("r"), ONCE, path="/v1/completions")).status == 409


@pytest.mark.parametrize("first", [sized(b"{}", status=500), sized(b'{"error":{"message":"no"}}', status=400)])
def test_what_failed_is_not_kept_and_is_asked_anew(tmp_path: Path, first: bytes) -> None:
    with (
        Upstream(turns([first, KEEP], GOOD)) as up,
        house(tmp_path, providers(up.port, retry="attempts = 1")) as home,
    ):
        answers = [home.chat("r", ONCE) for _ in range(3)]

    assert [a.status for a in answers][1:] == [200, 200]
    assert [a.headers["x-freehold-cache"] for a in answers] == ["none", "none", "idempotent"]
    assert len(up.asked) == 2


def test_a_repeat_that_waits_hears_of_the_failure_of_the_first(tmp_path: Path) -> None:
    more = threading.Event()
    failed = always(more, sized(b"{}", status=500))
    with Upstream(failed) as up, house(tmp_path, providers(up.port, retry="attempts = 1")) as home:
        with home.caller() as one, home.caller() as two:
            one.say(post(chat("r"), ONCE))
            home.until(lambda: up.asked)
            two.say(post(chat("r"), ONCE))
            home.until(lambda: home.gateway.engine.pipeline.turn.running == 2)
            more.set()
            answers = one.answer(), two.answer()
        records = [home.record(a) for a in answers]

    assert [(a.status, a.error["code"]) for a in answers] == [(502, "provider_broken")] * 2
    assert [(r.outcome, len(r.calls)) for r in records] == [("failed", 1), ("failed", 0)]


def test_each_credential_has_keys_of_its_own_and_none_that_is_refused_has_any(home: House, up: Upstream) -> None:
    minted = [mint(name, now=time.time_ns(), random=os.urandom) for name in ("ann", "bob")]
    home.keys(*(key for key, _ in minted))
    ann, bob = (f"authorization: Bearer {text}" for _, text in minted)
    answers = [home.chat("r", ONCE, who) for who in (ann, bob, ann)]
    unknown = home.chat("r", ONCE, "authorization: Bearer fh_no_no")

    assert [a.headers["x-freehold-cache"] for a in answers] == ["none", "none", "idempotent"]
    assert (len(up.asked), unknown.status) == (2, 401)


def test_a_key_is_good_for_a_day(home: House, up: Upstream) -> None:
    pipeline = home.gateway.engine.pipeline
    home.chat("r", ONCE)
    pipeline.clock = lambda: time.time_ns() + DAY
    assert home.chat("r", ONCE).headers["x-freehold-cache"] == "none"
    assert len(up.asked) == 2


def test_a_long_key_is_refused(home: House) -> None:
    answer = home.chat("r", "idempotency-key: " + "k" * 256)
    assert (answer.status, answer.error["code"]) == (400, "invalid_request")
    assert "at most 255" in answer.error["message"]


@pytest.mark.parametrize(
    ("setting", "asked"),
    [
        ("keep_hours = 0", 4),  # not looked at
        ("max_entries = 1", 4),  # the older one has gone
        ("max_bytes = 10000", 4),  # an answer may take an eighth
        ("max_bytes = 1000000", 2),
    ],
)
def test_what_is_kept_is_bounded(tmp_path: Path, up: Upstream, setting: str, asked: int) -> None:
    with house(tmp_path, f"[idempotency]\n{setting}\n" + providers(up.port)) as home:
        for key in ("a", "b", "a", "b"):
            assert home.chat("r", f"idempotency-key: {key}").body == completion()

    assert len(up.asked) == asked


def test_a_stream_too_large_to_keep_is_still_followed_to_its_end_by_who_listens(tmp_path: Path) -> None:
    more = threading.Event()
    parts = [delta(content="x" * 100) for _ in range(200)]
    pieces = [STREAM + chunked(delta(role="assistant", content="one ")), more]
    rest = [chunked(*parts), chunked(delta(finish="stop"), DONE) + END, KEEP]
    settings = "[idempotency]\nmax_bytes = 40000\n"
    with Upstream(always(*pieces, *rest)) as up, house(tmp_path, settings + providers(up.port)) as home:
        with home.caller() as one, home.caller() as two:
            one.say(post(chat("r", stream=True), ONCE)).until(b"one ")
            two.say(post(chat("r", stream=True), ONCE)).until(b"one ")
            more.set()
            answers = one.answer(), two.answer()
        third = home.chat("r", ONCE, stream=True)

    assert [a.text for a in (*answers, third)] == ["one " + "x" * 20_000] * 3
    assert third.headers["x-freehold-cache"] == "none"
    assert len(up.asked) == 2


def test_a_repeated_response_can_be_continued(home: House, up: Upstream) -> None:
    with OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client:
        key = {"Idempotency-Key": "order-8"}
        made = [client.responses.create(model="r", input="hi", extra_headers=key) for _ in range(2)]
        follow = client.responses.create(
            model="r", input="And?", previous_response_id=made[1].id, extra_headers={"Idempotency-Key": "order-9"}
        )

    assert made[0] == made[1]
    assert follow.output_text == "good"
    assert len(up.asked) == 2


def test_a_response_in_the_background_is_begun_once(home: House, up: Upstream) -> None:
    with OpenAI(base_url=home.base_url, api_key="none", max_retries=0) as client:
        made = [
            client.responses.create(model="r", input="hi", background=True, extra_headers={"Idempotency-Key": "b"})
            for _ in range(2)
        ]
        while client.responses.retrieve(made[1].id).status == "queued":
            pass

    assert made[0].id == made[1].id
    assert len(up.asked) == 1
