"""The request edge: also when a room of ours fails, the caller gets an answer, the record is written once, and the next
request is served."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_world import SIM, Answered, House, chat, get, house, post
from scripted_upstream import DONE, END, STREAM, Upstream, always, chunked, delta, providers

from freehold.core.errors import BudgetExceeded, StoreFailed
from freehold.core.principal import Budget
from freehold.dialects.openai_chat.dialect import OpenAIChat
from freehold.dialects.openai_chat.writing import Encoder
from freehold.governance.keys import mint
from freehold.ledger.journal import Journal


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, SIM) as made:
        yield made


def broken(*_: object, **__: object) -> Any:
    raise ZeroDivisionError("a mistake of ours")


def assert_internal(home: House, answer: Answered, outcome: str) -> None:
    assert (answer.status, answer.error["code"], answer.error["type"]) == (500, "internal_error", "server_error")
    record = home.record(answer)
    assert (record.outcome, record.error) == (outcome, "internal_error")
    assert "a mistake of ours" in (record.message or "")
    assert len(home.records()) == 1
    home.idle()


def test_a_mistake_while_planning_is_told_and_recorded(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freehold.gateway.pipeline.plan", broken)

    assert_internal(home, home.chat(), "refused")
    monkeypatch.undo()
    assert home.chat().status == 200


@pytest.mark.parametrize("streamed", [False, True])
def test_a_mistake_while_writing_to_a_provider_is_told_and_recorded(
    home: House, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    monkeypatch.setattr(OpenAIChat, "encode_request", broken)

    assert_internal(home, home.chat(stream=streamed), "failed")
    monkeypatch.undo()
    assert home.chat().status == 200


@pytest.mark.parametrize("streamed", [False, True])
def test_a_mistake_while_writing_to_the_caller_is_told_and_recorded(
    home: House, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    monkeypatch.setattr(Encoder, "encode", broken)

    answer = home.chat(stream=streamed)
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert [r.error for r in home.records()] == ["internal_error"]
    monkeypatch.undo()
    assert home.chat().status == 200


def test_a_mistake_in_a_page_is_told(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freehold.gateway.pages._model", broken)
    answer = home.ask(get("/v1/models"))
    monkeypatch.undo()

    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert home.ask(get("/v1/models")).status == 200


def full(*_: object) -> None:
    raise StoreFailed("The disk is full")


def test_without_a_promise_in_the_ledger_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Upstream(always()) as up, house(tmp_path, providers(up.port)) as home:
        monkeypatch.setattr(Journal, "accept", full)
        answer = home.chat("r")
        monkeypatch.undo()

    assert (answer.status, answer.error["code"]) == (500, "store_failed")
    assert up.asked == []


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_without_its_record_does_not_count_as_given(
    home: House, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    monkeypatch.setattr(Journal, "close", full)
    answer = home.chat(stream=streamed)
    monkeypatch.undo()

    if streamed:
        assert answer.events[-1]["error"]["code"] == "store_failed"
        assert "[DONE]" not in answer.events
    else:
        assert (answer.status, answer.error["code"]) == (500, "store_failed")
        assert b"Hello there" not in answer.body


def priced(home: House) -> str:
    key, text = mint("p", now=time.time_ns(), random=os.urandom, budget=Budget(limit=10**9, period="total"))
    home.keys(key)
    return f"authorization: Bearer {text}"


def test_a_mistake_while_a_budget_is_drawn_is_told_and_recorded(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    named = priced(home)
    monkeypatch.setattr(home.gateway.engine._budgets, "refill", broken)

    assert_internal(home, home.chat("auto", named), "refused")
    monkeypatch.undo()
    assert home.chat("auto", named).status == 200


def test_a_caller_that_leaves_while_a_budget_is_drawn_has_one_record(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = priced(home)
    asked, go = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        asked.set()
        assert go.wait(60)
        raise BudgetExceeded("Nothing is left")

    monkeypatch.setattr(home.gateway.engine._budgets, "refill", slow)
    with home.caller() as caller:
        caller.say(post(chat(), named))
        assert asked.wait(60)
    home.until(home.records)
    go.set()
    home.until(lambda: not home.gateway.engine.pipeline._waiting)

    assert [r.outcome for r in home.records()] == ["cancelled"]


@pytest.mark.parametrize(
    ("model", "written"),
    [("caf\u00e9 \u2603", "caf%C3%A9 %E2%98%83"), ("m\r\nx-evil: 1\r\n\r\nHTTP/1.1 200 OK", None), ("m\0\t", None)],
)
def test_nothing_a_caller_or_a_provider_says_breaks_the_head_of_an_answer(
    tmp_path: Path, model: str, written: str | None
) -> None:
    odd = STREAM.replace(b"\r\n\r\n", b"\r\nx-request-id: \xff\x80 a\tb\r\n\r\n")
    said = odd + chunked(delta(content="so"), delta(finish="stop"), DONE) + END
    with Upstream(always(said)) as up:
        open_to_all = f'[providers.up0]\nbase_url = "http://127.0.0.1:{up.port}/v1"\nany_model = true\n'
        with house(tmp_path, open_to_all) as home:
            answer = home.chat(f"up0/{model}", stream=True)

    assert "x-evil" not in answer.headers
    if written is not None:
        assert answer.text == "so"
        assert answer.headers["x-freehold-deployment"] == f"up0/{written}"
    else:
        assert (answer.status, answer.error["code"]) == (404, "model_not_found")
        assert up.asked == []
