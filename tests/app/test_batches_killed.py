"""A batch survives the death of the gateway: every line has one result, and no provider hears one twice."""

import signal
import sys
from pathlib import Path
from threading import Event, Semaphore

import pytest
from openai import OpenAI
from process_world import Process, freehold, up

from batch_world import asked, begin, line, results, until

sys.path.append(str(Path(__file__).parent.parent / "gateway"))
from scripted_upstream import KEEP, LEAVE, Upstream, completion, providers, sized

from freehold.core.inference import Inference

ANSWER = sized(completion("good"))


def client(process: Process) -> OpenAI:
    return OpenAI(base_url=process.base_url, api_key="none", max_retries=0)


def seen(process: Process) -> list[Inference]:
    return [record for record in process.records() if record.purpose == "batch"]


@pytest.mark.parametrize("before", [0, 7])
def test_a_batch_killed_in_the_middle_goes_on_and_asks_nothing_twice(tmp_path: Path, before: int) -> None:
    """`before` lines are answered; then the provider holds back its answers, and the gateway is killed."""
    hold = Event()
    reached = Event()

    def say(number: int) -> "list[bytes | Event]":
        if number < before or hold.is_set():
            return [ANSWER, KEEP]
        reached.set()
        return [hold, ANSWER, KEEP]

    names = [f"line {n}" for n in range(30)]
    settings, data = tmp_path / "freehold.toml", tmp_path / "data"
    with Upstream(say) as provider:
        settings.write_text(providers(provider.port, more="[batches]\nat_once = 4\n"))
        with up(settings, data) as process, client(process) as first:
            batch = begin(first, *(line(name, model="r", text=name) for name in names))
            assert reached.wait(60)
            until(first, batch.id, "in_progress")
            process.signal(signal.SIGKILL)
            assert process.end() == -signal.SIGKILL
        hold.set()
        with up(settings, data) as again, client(again) as second:
            done = until(second, batch.id)
            good, bad = results(second, done.output_file_id), results(second, done.error_file_id)
            again.signal(signal.SIGTERM)
            assert again.end() == 0
        records = seen(again)
        heard = asked(provider.asked)

    assert sorted(heard) == sorted(set(heard))  # nothing twice
    assert sorted(r["custom_id"] for r in [*good, *bad]) == sorted(names)  # each once
    assert done.status == "completed"
    assert done.request_counts is not None
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (30, len(good), len(bad))
    assert {r["error"]["code"] for r in bad} == {"interrupted"}
    assert 1 <= len(bad) <= 4  # only what was under way is given up
    assert {r["response"]["status_code"] for r in good} == {200}
    by_id = {record.id: record for record in records}
    assert len(by_id) == len(records) == 30
    assert {by_id[r["id"].removeprefix("batch_req_")].outcome for r in bad} <= {"unknown", "answered"}
    assert {by_id[r["id"].removeprefix("batch_req_")].outcome for r in good} == {"answered"}
    assert freehold("verify", "--data", str(data))["main"]["findings"] == []


def test_a_batch_survives_being_killed_again_and_again(tmp_path: Path) -> None:
    """Killed three times with one request unanswered, wherever it is with the others then."""
    names = [f"line {n}" for n in range(24)]
    reached = Semaphore(0)

    def say(number: int) -> "list[bytes | Event]":
        if number in {5, 11, 17}:
            reached.release()
            return [LEAVE]
        return [ANSWER, KEEP]

    settings, data = tmp_path / "freehold.toml", tmp_path / "data"
    with Upstream(say) as provider:
        settings.write_text(providers(provider.port, more="[batches]\nat_once = 3\n"))
        batch_id = ""
        for _ in range(3):
            with up(settings, data) as process, client(process) as caller:
                if not batch_id:
                    batch_id = begin(caller, *(line(name, model="r", text=name) for name in names)).id
                assert reached.acquire(timeout=60)
                process.signal(signal.SIGKILL)
                process.end()
        with up(settings, data) as process, client(process) as caller:
            done = until(caller, batch_id)
            bad = results(caller, done.error_file_id)
            found = [*results(caller, done.output_file_id), *bad]
            process.signal(signal.SIGTERM)
            assert process.end() == 0
        heard = asked(provider.asked)

    assert sorted(heard) == sorted(set(heard))
    assert sorted(r["custom_id"] for r in found) == sorted(names)
    assert 3 <= len(bad) <= 9
    assert {r["error"]["code"] for r in bad} == {"interrupted"}


def test_told_to_stop_it_keeps_what_was_answered_and_goes_on_later(tmp_path: Path) -> None:
    hold = Event()
    reached = Event()

    def say(number: int) -> "list[bytes | Event]":
        reached.set()
        return [hold, ANSWER, KEEP]

    names = [f"line {n}" for n in range(10)]
    settings, data = tmp_path / "freehold.toml", tmp_path / "data"
    with Upstream(say) as provider:
        settings.write_text(providers(provider.port, more="[batches]\nat_once = 2\n"))
        with up(settings, data) as process, client(process) as first:
            batch = begin(first, *(line(name, model="r", text=name) for name in names))
            assert reached.wait(60)
            process.signal(signal.SIGTERM)
            process.until("Stopping")
            hold.set()
            assert process.end() == 0
        before = len(provider.asked)
        with up(settings, data) as again, client(again) as second:
            done = until(second, batch.id)
            good = results(second, done.output_file_id)
            again.signal(signal.SIGTERM)
            assert again.end() == 0
        heard = asked(provider.asked)

    assert before <= 3
    assert sorted(heard) == sorted(names)
    assert [r["custom_id"] for r in good] == names
    assert done.error_file_id is None
