"""The lane beside callers: it takes what room they leave, holds nobody up, and one process works on each batch."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from gateway_world import House, house
from openai import OpenAI
from scripted_upstream import KEEP, Upstream, completion, providers, sized

from batch_world import asked, begin, line, results, until
from freehold.gateway.batches.room import Room

ANSWER = sized(completion("good"))


def caller(home: House) -> OpenAI:
    return OpenAI(base_url=home.base_url, api_key="none", max_retries=0)


def settings(port: int, at_once: int) -> str:
    return providers(port, more=f"[batches]\nat_once = {at_once}\n")


class Counted:
    """How often the lane looked for room, and what it got."""

    def __init__(self, home: House) -> None:
        self.got: list[int] = []
        room = home.gateway.batches.room
        take = room.take

        def counted(wanted: int, *, mine: int) -> int:
            taken = take(wanted, mine=mine)
            self.got.append(taken)
            return taken

        room.take = counted  # type: ignore[method-assign]


def chat(client: OpenAI, text: str) -> str | None:
    return (
        client.chat.completions.create(model="r", messages=[{"role": "user", "content": text}])
        .choices[0]
        .message.content
    )


def held(*texts: str) -> "tuple[Callable[[int], list[bytes | Event]], Event, threading.Semaphore, list[Upstream]]":
    """A provider that keeps those who ask one of `texts` waiting for the event; the semaphore counts them."""
    hold, waiting, itself = Event(), threading.Semaphore(0), list[Upstream]()

    def say(number: int) -> "list[bytes | Event]":
        if json.loads(itself[0].asked[number])["messages"][0]["content"] in texts:
            waiting.release()
            return [hold, ANSWER, KEEP]
        return [ANSWER, KEEP]

    return say, hold, waiting, itself


def test_a_batch_waits_while_callers_take_the_room_and_callers_never_wait_for_it(tmp_path: Path) -> None:
    say, hold, waiting, itself = held("slow 0", "slow 1")
    with Upstream(say) as provider, ThreadPoolExecutor(2) as pool:
        itself.append(provider)
        with house(tmp_path, settings(provider.port, 2)) as home, caller(home) as client:
            looked = Counted(home)
            slow = [pool.submit(chat, client, f"slow {n}") for n in range(2)]
            for _ in range(2):
                assert waiting.acquire(timeout=60)
            batch = begin(client, *(line(f"{n}", model="r", text=f"batch {n}") for n in range(6)))
            home.until(lambda: len(looked.got) >= 3)
            live = [chat(client, f"live {n}") for n in range(5)]
            home.until(lambda: len(looked.got) >= 6)
            before = asked(provider.asked)
            hold.set()
            assert [one.result() for one in slow] == ["good", "good"]
            done = until(client, batch.id)
            after = asked(provider.asked)[len(before) :]

    assert live == ["good"] * 5
    assert sorted(before) == sorted(["slow 0", "slow 1", *(f"live {n}" for n in range(5))])
    assert sorted(after) == [f"batch {n}" for n in range(6)]
    assert done.status == "completed"


def test_a_caller_is_answered_while_all_room_of_batches_is_taken(tmp_path: Path) -> None:
    texts = [f"batch {n}" for n in range(6)]
    say, hold, waiting, itself = held(*texts)
    with Upstream(say) as provider:
        itself.append(provider)
        with house(tmp_path, settings(provider.port, 3)) as home, caller(home) as client:
            batch = begin(client, *(line(text, model="r", text=text) for text in texts))
            for _ in range(3):
                assert waiting.acquire(timeout=60)
            answer = chat(client, "live")
            at_answer = asked(provider.asked)
            hold.set()
            done = until(client, batch.id)

    assert answer == "good"
    assert at_answer[-1] == "live"  # after the three that run, before the three that wait
    assert sorted(at_answer[:3]) == texts[:3]
    assert len(at_answer) == 4
    assert done.status == "completed"


def test_a_late_event_loop_holds_batches_back(tmp_path: Path) -> None:
    with Upstream(lambda _: [ANSWER, KEEP]) as provider, house(tmp_path, settings(provider.port, 4)) as home:
        room = home.gateway.batches.room

        def taken(late: float) -> int:
            room.late = late
            got = room.take(1, mine=0)
            for _ in range(got):
                room.leave(sent=False)
            return got

        assert home.do(lambda: (taken(0.0), taken(1.0), taken(0.0))) == (1, 0, 1)


def test_batches_share_the_room_and_give_it_back() -> None:
    callers = 0
    freed: list[int] = []
    room = Room(4, lambda: callers)
    room.freed = lambda: freed.append(1)
    assert room.take(8, mine=0) == 4
    for _ in range(4):
        room.leave(sent=False)

    room.runs = 2
    assert [room.take(8, mine=0), room.take(8, mine=2), room.take(8, mine=0)] == [2, 0, 2]
    assert room.take(8, mine=0) == 0
    room.leave(sent=False)
    callers = 1
    assert room.take(8, mine=0) == 0
    callers = 0
    assert room.take(8, mine=0) == 1
    assert len(freed) == 5


def test_a_batch_that_another_process_holds_is_left_alone_and_one_that_is_lost_is_let_go(tmp_path: Path) -> None:
    say, hold, waiting, itself = held("a", "b", "c")
    with Upstream(say) as provider:
        itself.append(provider)
        with house(tmp_path, settings(provider.port, 1)) as home, caller(home) as client:
            batch = begin(client, *(line(text, model="r", text=text) for text in "abc"))
            assert waiting.acquire(timeout=60)
            engine = home.gateway.engine
            batches, clock = engine.home.batches, engine.home.batches.get(batch.id)
            assert clock is not None
            never = clock.expires_at
            taken = batches.take("other", home=engine.home.id, now=never, until=never, most=1)
            hold.set()
            home.until(lambda: not home.gateway.batches.lane._runs)
            assert batches.take("third", home=engine.home.id, now=clock.at, until=never, most=1) == []
            told = list(home.told)
            heard = asked(provider.asked)
            still = client.batches.retrieve(batch.id)

    assert [hold_.holder for _, hold_ in taken] == ["other"]
    assert any("Another process works on the batch" in line for line in told)
    assert heard == ["a"]
    assert still.status == "in_progress"


def test_what_a_provider_puts_off_is_sent_again_later_and_given_up_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freehold.gateway.batches.run.LONGEST_WAIT", 0.0)
    monkeypatch.setattr("freehold.gateway.batches.run.PROVIDER_TRIES", 3)
    no = sized(b'{"error": {"message": "slow down"}}', status=429)
    answers: dict[str, int] = {}
    itself: list[Upstream] = []

    def say(number: int) -> "list[bytes | Event]":
        text = json.loads(itself[0].asked[number])["messages"][0]["content"]
        answers[text] = answers.get(text, 0) + 1
        return [no if text == "never" or answers[text] < 3 else ANSWER, KEEP]

    with Upstream(say) as provider:
        itself.append(provider)
        more = "[batches]\nat_once = 1\n[breaker]\nfailures = 1000\nerror_rate = 1.0\n"
        text = providers(provider.port, retry="attempts = 1", more=more)
        with house(tmp_path, text) as home, caller(home) as client:
            done = until(client, begin(client, *(line(t, model="r", text=t) for t in ("late", "never"))).id)
            good: Any = results(client, done.output_file_id)
            bad: Any = results(client, done.error_file_id)

    assert [r["custom_id"] for r in good] == ["late"]
    assert [(r["custom_id"], r["response"]["status_code"]) for r in bad] == [("never", 429)]
    assert answers == {"late": 3, "never": 3}
