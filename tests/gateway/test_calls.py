"""Calls: retries, fallback and the mid-stream rule, through the whole gateway."""

import itertools
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from gateway_world import House, chat, house, post
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

from freehold.core.decision import WELL

GOOD: list[bytes | threading.Event] = [sized(completion()), KEEP]
ROLE = delta(role="assistant", content="")
ENOUGH = "[breaker]\nfailures = 1000\n"
MILLI = 1_000_000


def no(status: int, *headers: str, code: str = "nope") -> list[bytes | threading.Event]:
    body = b'{"error":{"message":"said no","type":"t","param":null,"code":"%b"}}' % code.encode()
    return [sized(body, *headers, status=status), KEEP]


def tried(home: House, answer: object) -> list[str]:
    return [c.deployment for c in home.record(answer).calls]  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 529])
def test_what_may_pass_is_tried_again(tmp_path: Path, status: int) -> None:
    with Upstream(turns(no(status), GOOD)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.chat("r")
        record = home.record(answer)

    assert answer.status == 200
    assert [(c.deployment, c.status, c.error is None) for c in record.calls] == [
        ("d0", status, False),
        ("d0", 200, True),
    ]
    assert up.asked[0] == up.asked[1]


def test_a_connection_that_dies_before_the_answer_is_tried_again(tmp_path: Path) -> None:
    with Upstream(turns([], GOOD)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.chat("r")

        assert answer.status == 200
        assert [c.error for c in home.record(answer).calls] == ["provider_unreachable", None]


def test_a_connection_that_died_while_it_lay_idle_is_no_failure(tmp_path: Path) -> None:
    closing: list[bytes | threading.Event] = [sized(completion())]  # kept alive by what it says, closed in fact
    with Upstream(turns(closing, GOOD)) as up, house(tmp_path, providers(up.port, retry="attempts = 1")) as home:
        answers = [home.chat("r"), home.chat("r")]

        assert [a.status for a in answers] == [200, 200]
        assert len(home.record(answers[1]).calls) == 1


def test_tries_end_and_the_answer_says_that_trying_again_is_ours(tmp_path: Path) -> None:
    with Upstream(always(*no(503))) as up, house(tmp_path, providers(up.port, more=ENOUGH)) as home:
        answer = home.chat("r")
        record = home.record(answer)

    assert (answer.status, answer.error["code"]) == (503, "provider_overloaded")
    assert answer.headers["x-should-retry"] == "false"
    assert len(up.asked) == len(record.calls) == 3
    assert (record.outcome, record.status) == ("failed", 503)


def test_pauses_grow(tmp_path: Path) -> None:
    slow = "backoff_ms = 30\nmax_backoff_ms = 5000"
    with Upstream(always(*no(503))) as up, house(tmp_path, providers(up.port, retry=slow)) as home:
        calls = home.record(home.chat("r")).calls

    pauses = [after.start - before.end for before, after in itertools.pairwise(calls)]
    assert pauses[0] > 14 * MILLI  # 30 ms, less half of it as jitter
    assert pauses[1] > 29 * MILLI


@pytest.mark.parametrize("header", ["retry-after-ms: 80", "retry-after: 0.08"])
def test_the_pause_that_a_provider_names_is_kept(tmp_path: Path, header: str) -> None:
    with Upstream(turns(no(429, header), GOOD)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.chat("r")
        calls = home.record(answer).calls

    assert answer.status == 200
    assert calls[1].start - calls[0].end > 79 * MILLI


def test_a_pause_too_long_to_wait_for_is_the_callers_to_know(tmp_path: Path) -> None:
    with Upstream(always(*no(429, "retry-after: 20"))) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.chat("r")

        assert (answer.status, answer.error["code"]) == (429, "provider_rate_limited")
        assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("20", "20000")
        assert answer.headers["x-should-retry"] == "false"
        assert len(up.asked) == 1


def test_an_outage_is_not_multiplied_by_retries(tmp_path: Path) -> None:
    none_more = "attempts = 2\nbackoff_ms = 1\nbudget_ratio = 0"
    with Upstream(always(*no(503))) as up, house(tmp_path, providers(up.port, retry=none_more, more=ENOUGH)) as home:
        for _ in range(15):
            home.chat("r")

    assert len(up.asked) == 15 + 10  # ten retries are in the budget from the start, and none came back


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 410, 413, 429, 500, 501, 503])
def test_the_next_deployment_takes_what_the_first_cannot(tmp_path: Path, status: int) -> None:
    with (
        Upstream(always(*no(status))) as one,
        Upstream(always(*GOOD)) as two,
        house(tmp_path, providers(one.port, two.port)) as home,
    ):
        answer = home.chat("r")

        assert answer.status == 200
        assert answer.headers["x-freehold-deployment"] == "d1"
        assert tried(home, answer) == ["d0", "d1"]
        assert b'"m1"' in two.asked[0]


@pytest.mark.parametrize("status", [400, 422, 451])
def test_a_request_that_is_wrong_is_wrong_everywhere(tmp_path: Path, status: int) -> None:
    with (
        Upstream(always(*no(status))) as one,
        Upstream(always(*GOOD)) as two,
        house(tmp_path, providers(one.port, two.port)) as home,
    ):
        answer = home.chat("r")
        record = home.record(answer)

    assert (answer.status, answer.error["message"], answer.error["code"]) == (status, "said no", "nope")
    assert (record.error, record.outcome, len(record.calls)) == ("provider_rejected", "failed", 1)
    assert two.asked == []


def test_a_key_that_a_provider_refuses_is_not_the_callers_key(tmp_path: Path) -> None:
    with Upstream(always(*no(401))) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.chat("r")

    assert (answer.status, answer.error["code"]) == (502, "provider_credential_refused")
    assert "check the key and rights of up0" in answer.error["message"]
    assert len(up.asked) == 1


def test_the_plan_is_gone_through_in_its_order_before_anything_is_repeated(tmp_path: Path) -> None:
    retry = "attempts = 5\nbackoff_ms = 1"
    with ExitStack() as stack:
        ups = [stack.enter_context(Upstream(always(*no(503)))) for _ in range(3)]
        home = stack.enter_context(house(tmp_path, providers(*(u.port for u in ups), retry=retry, more=ENOUGH)))
        answer = home.chat("r")

        assert tried(home, answer)[:3] == ["d0", "d1", "d2"]
        assert len(tried(home, answer)) == 5


def test_a_stream_that_dies_before_content_moves_on_and_says_nothing_twice(tmp_path: Path) -> None:
    good = STREAM + chunked(ROLE, delta(content="so"), delta(finish="stop"), DONE) + END
    with (
        Upstream(always(STREAM + chunked(ROLE))) as one,
        Upstream(always(good)) as two,
        house(tmp_path, providers(one.port, two.port)) as home,
    ):
        answer = home.chat("r", stream=True)
        record = home.record(answer)

    assert answer.text == "so"
    assert sum("role" in e["choices"][0]["delta"] for e in answer.events[:-1]) == 1
    assert (record.outcome, record.deployment) == ("answered", "d1")
    assert [c.error for c in record.calls] == ["provider_broken", None]


def test_a_stream_that_dies_after_content_is_never_continued_elsewhere(tmp_path: Path) -> None:
    with (
        Upstream(always(STREAM + chunked(ROLE, delta(content="so")))) as one,
        Upstream(always(*GOOD)) as two,
        house(tmp_path, providers(one.port, two.port)) as home,
    ):
        answer = home.chat("r", stream=True)
        record = home.record(answer)

    assert answer.text == "so"
    assert answer.events[-1]["error"]["code"] == "provider_broken"
    assert two.asked == []
    assert (record.outcome, record.deployment) == ("cut", "d0")


def test_a_caller_that_leaves_before_the_answer_ends_the_call_at_once(tmp_path: Path) -> None:
    with Upstream(always(LEAVE)) as up, house(tmp_path, providers(up.port)) as home:
        with home.caller() as caller:
            caller.say(post(chat("r")))
            home.until(lambda: up.asked)
        assert up.left.wait(60)
        home.idle()
        (record,) = home.records()

    assert (record.outcome, record.calls[0].error, record.usage, record.cost) == (
        "cancelled",
        "caller_left",
        None,
        None,
    )
    assert len(record.calls) == 1


def test_a_caller_that_leaves_mid_stream_pays_for_what_was_said(tmp_path: Path) -> None:
    said = STREAM + chunked(ROLE, delta(content="twelve chars"))
    with Upstream(always(said, LEAVE)) as up, house(tmp_path, providers(up.port)) as home:
        with home.caller() as caller:
            caller.say(post(chat("r", stream=True))).until(b"twelve chars")
        assert up.left.wait(60)
        home.idle()
        (record,) = home.records()

    assert (record.outcome, record.calls[0].error, record.deployment) == ("cancelled", "caller_left", "d0")
    assert record.usage is not None
    assert record.usage.estimated
    assert record.usage.output_tokens == 3
    assert record.cost == record.usage.input_tokens * 1000 + 3 * 2000


def test_a_caller_that_leaves_while_we_pause_is_not_called_for(tmp_path: Path) -> None:
    patient = "backoff_ms = 60000\nmax_backoff_ms = 600000"
    with Upstream(turns(no(503), GOOD)) as up, house(tmp_path, providers(up.port, retry=patient)) as home:
        with home.caller() as caller:
            caller.say(post(chat("r")))
            pipeline = home.gateway.engine.pipeline
            home.until(lambda: pipeline.health.view(time.time_ns()))  # the failure is noted
        home.idle()
        (record,) = home.records()

    assert (record.outcome, len(record.calls), len(up.asked)) == ("cancelled", 1, 1)


def test_a_caller_that_leaves_is_no_mark_against_the_provider(tmp_path: Path) -> None:
    strict = "[breaker]\nfailures = 1\nerror_rate = 0.01\n"
    with Upstream(turns([LEAVE], GOOD)) as up, house(tmp_path, providers(up.port, more=strict)) as home:
        with home.caller() as caller:
            caller.say(post(chat("r")))
            home.until(lambda: up.asked)
        home.idle()

        assert home.chat("r").status == 200


def test_a_deployment_that_keeps_failing_is_left_alone_until_a_probe_succeeds(tmp_path: Path) -> None:
    breaker = "[breaker]\nfailures = 2\nopen_seconds = 0.3\n"
    one = Upstream(turns(no(503), no(503), GOOD))
    with one, Upstream(always(*GOOD)) as two, house(tmp_path, providers(one.port, two.port, more=breaker)) as home:
        failing = [home.chat("r") for _ in range(2)]
        left_alone = home.record(home.chat("r"))
        health = home.gateway.engine.pipeline.health
        home.until(lambda: not health.view(time.time_ns()).get("d0", WELL).open)
        probe = home.record(home.chat("r"))

    assert [a.headers["x-freehold-deployment"] for a in failing] == ["d1", "d1"]
    assert [c.deployment for c in left_alone.calls] == ["d1"]
    assert [(e.deployment, e.ground) for e in left_alone.decision.excluded] == [("d0", "health")]  # type: ignore[union-attr]
    assert [c.deployment for c in probe.calls] == ["d0"]


def test_when_nothing_is_well_the_caller_is_told_to_come_back(tmp_path: Path) -> None:
    breaker = "[breaker]\nfailures = 1\nopen_seconds = 600\n"
    settings = providers(1, retry="attempts = 1", more=breaker)
    with Upstream(always(*no(503))) as up, house(tmp_path, settings.replace(":1/", f":{up.port}/")) as home:
        home.chat("r")
        answer = home.chat("r")
        record = home.record(answer)

    assert (answer.status, answer.error["code"]) == (503, "no_healthy_deployment")
    assert (answer.headers["x-should-retry"], answer.headers["retry-after"]) == ("true", "1")
    assert "d0: its circuit breaker is open" in answer.error["message"]
    assert (record.outcome, record.calls, len(up.asked)) == ("refused", (), 1)


def test_a_caller_that_does_not_read_pauses_the_provider_and_gets_all_when_it_does(tmp_path: Path) -> None:
    piece = chunked(delta(content="x" * 50_000))
    said = [STREAM, *[piece] * 300, chunked(delta(finish="stop"), DONE) + END]  # 15 MB
    with Upstream(always(*said)) as up, house(tmp_path, providers(up.port)) as home:
        with home.caller(small=65536) as caller:
            caller.say(post(chat("r", stream=True)))
            (connection,) = home.until(lambda: home.gateway.door.connections)
            home.until(lambda: connection.transport.get_write_buffer_size() and connection.deadline < float("inf"))
            assert home.do(connection.transport.get_write_buffer_size) < 1_000_000
            answer = caller.answer()
        record = home.record(answer)

    assert answer.text == "x" * 50_000 * 300
    assert record.outcome == "answered"


def test_a_caller_that_never_reads_is_cut_off_and_so_is_its_provider(tmp_path: Path) -> None:
    piece = chunked(delta(content="x" * 50_000))
    with Upstream(always(STREAM, *[piece] * 2000)) as up, house(tmp_path, providers(up.port)) as home:
        home.limit(stall=0.01)
        with home.caller() as caller:
            caller.say(post(chat("r", stream=True)))
            home.until(home.accepted)
            home.idle()
            assert up.left.wait(60)
        (record,) = home.records()
        home.well()

    assert record.outcome == "cancelled"
    assert record.usage is not None
    assert record.usage.estimated
