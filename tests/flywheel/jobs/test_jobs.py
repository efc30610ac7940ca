"""Jobs survive their workers: finished steps are not repeated, dead workers are replaced, cancelled jobs stop.

On SQLite; what happens to the jobs of dead workers also on PostgreSQL, where FREEHOLD_TEST_POSTGRES_URL names one.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from jobs_world import Place
from sqlalchemy import create_engine, make_url

from freehold.core.errors import InvalidRequest
from freehold.flywheel.jobs.job import Job
from freehold.flywheel.jobs.queue import Jobs

WORLD = Path(__file__).with_name("jobs_world.py")
LONGEST = 60.0
"""Seconds after which a test gives up waiting."""

POSTGRES = "FREEHOLD_TEST_POSTGRES_URL"
ON_BOTH = pytest.mark.parametrize("house", ["sqlite", "postgresql"], indirect=True)


class House:
    """A data folder with its queue, and the workers that the test started. `server`: of a PostgreSQL, or None."""

    def __init__(self, folder: Path, server: str | None) -> None:
        self.folder = folder
        self.server = server
        self.place = Place(folder, server)
        self.jobs = self.place.jobs
        self.running: list[subprocess.Popen[str]] = []

    def worker(self, id: str, home: str = "") -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(WORLD), str(self.folder), id, self.server or "", home],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(WORLD.parent)},
        )
        self.running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        return process

    def submit(self, id: str, *, home: str | None = None, **params: object) -> None:
        notes, go = str(self.folder / f"{id}.notes"), str(self.folder / f"{id}.go")
        self.jobs.submit(id, "count", {"steps": 4, "notes": notes, "go": go, **params}, home=home)

    def notes(self, id: str) -> list[str]:
        path = self.folder / f"{id}.notes"
        return path.read_text().splitlines() if path.exists() else []

    def go(self, id: str) -> None:
        (self.folder / f"{id}.go").touch()

    def until(self, id: str, *states: str) -> Job:
        return until(self.jobs, id, lambda job: job.state in states)

    def until_noted(self, id: str, line: str) -> None:
        until(self.jobs, id, lambda _: line in self.notes(id))


def until(jobs: Jobs, id: str, fits: "object") -> Job:
    pause = threading.Event()
    for _ in range(int(LONGEST / 0.05)):
        job = jobs.get(id)
        if fits(job):  # type: ignore[operator]
            return job
        pause.wait(0.05)
    raise AssertionError(f"job {id} is {job.state}: {job}")


@contextmanager
def empty(kind: str) -> Iterator[str | None]:
    """A PostgreSQL database with nothing in it, by its URL: DBOS names its own schema. None for SQLite."""
    if kind == "sqlite":
        yield None
        return
    server = os.environ.get(POSTGRES)
    if not server:
        pytest.skip(f"{POSTGRES} is not set")
    url, name = make_url(server).set(drivername="postgresql+psycopg"), f"freehold_{uuid4().hex}"
    outside = create_engine(url, isolation_level="AUTOCOMMIT")
    with outside.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield url.set(database=name).render_as_string(hide_password=False)
    with outside.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    outside.dispose()


@pytest.fixture
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with empty(getattr(request, "param", "sqlite")) as server:
        made = House(tmp_path, server)
        yield made
        for process in made.running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.communicate()
        made.place.close()


def test_a_job_is_done_step_by_step_and_tells_how_far_it_is(house: House) -> None:
    house.submit("one", hold=2)
    house.worker("w1")
    waiting = until(house.jobs, "one", lambda job: job.progress is not None and "waiting" in job.progress.text)
    assert waiting.state == "running"
    assert waiting.worker == "w1"
    assert waiting.steps == ("step 0", "step 1")
    assert waiting.progress is not None
    assert waiting.progress.share == 0.5

    house.go("one")
    done = house.until("one", "done", "failed")

    assert done.result == {"total": 6}
    assert [j.id for j in house.jobs.latest(10)] == ["one"]


@ON_BOTH
def test_a_killed_workers_job_goes_on_elsewhere_without_repeating_finished_steps(house: House) -> None:
    house.submit("two", hold=2)
    first = house.worker("w1")
    house.until_noted("two", "begin 2")
    first.kill()
    first.wait()
    house.go("two")

    house.worker("w2")
    done = house.until("two", "done", "failed")

    assert done.result == {"total": 6}
    assert done.worker == "w2"
    assert house.notes("two") == [
        *("begin 0", "end 0", "begin 1", "end 1", "begin 2"),
        *("begin 2", "end 2", "begin 3", "end 3"),
    ]


@ON_BOTH
def test_a_worker_that_was_only_asleep_cannot_finish_what_another_took_over(house: House) -> None:
    house.submit("three", hold=1)
    sleeper = house.worker("w1")
    house.until_noted("three", "begin 1")
    sleeper.send_signal(signal.SIGSTOP)
    beat = next(beat for id, _, _, beat in house.place.workers.others("me") if id == "w1")
    assert house.place.workers.fence("w1", beat_at=beat)
    assert list(house.jobs.release("w1")) == ["three"]

    house.worker("w2")
    until(house.jobs, "three", lambda _: house.notes("three").count("begin 1") == 2)
    sleeper.send_signal(signal.SIGCONT)
    assert sleeper.stdout is not None
    assert sleeper.stdout.readline() == "fenced\n"
    house.until_noted("three", "fenced in 1")  # only what it had already begun could still run on
    house.go("three")
    done = house.until("three", "done", "failed")

    assert done.worker == "w2"
    assert house.notes("three").count("end 1") == 1


@ON_BOTH
def test_a_job_that_needs_a_data_folder_waits_for_a_worker_of_it_also_after_a_death(house: House) -> None:
    house.submit("bound", home="there", hold=1)
    first = house.worker("w1", home="there")
    house.until_noted("bound", "begin 1")
    first.kill()
    first.wait()
    house.go("bound")

    house.worker("w2", home="here")  # it finds the dead one and gives its job back
    until(house.jobs, "bound", lambda job: job.state == "waiting")
    house.submit("free")
    assert house.until("free", "done", "failed").worker == "w2"
    assert house.jobs.get("bound").state == "waiting"

    house.worker("w3", home="there")
    assert house.until("bound", "done", "failed").worker == "w3"
    assert house.notes("bound").count("begin 0") == 1


@ON_BOTH
def test_a_worker_does_one_job_at_a_time_whichever_queue_it_is_in(house: House) -> None:
    house.submit("bound", home="here", hold=1)
    house.worker("w1", home="here")
    house.until_noted("bound", "begin 1")
    house.submit("free", notes=str(house.folder / "bound.notes"))
    house.until("free", "running")  # it is taken, and waits for its turn
    house.go("bound")
    house.until("free", "done", "failed")

    once = [f"{word} {n}" for n in range(4) for word in ("begin", "end")]
    assert house.notes("bound") == [*once, *once]


def test_a_cancelled_job_stops_in_the_middle_and_can_be_resumed(house: House) -> None:
    house.submit("four", hold=1)
    house.worker("w1")
    house.until_noted("four", "begin 1")

    assert house.jobs.cancel("four").state == "cancelled"
    house.submit("five")
    house.until("five", "done")  # the worker is free again
    assert "end 1" not in house.notes("four")

    house.go("four")
    house.jobs.resume("four")
    assert house.until("four", "done", "failed").result == {"total": 6}
    assert house.notes("four").count("begin 0") == 1


def test_a_failed_job_names_its_error_and_resumes_at_the_failed_step(house: House) -> None:
    house.submit("six", fail=2)
    house.worker("w1")
    failed = house.until("six", "failed", "done")
    assert failed.error == "ValueError: step 2 went wrong"
    assert failed.result is None

    house.go("six")
    house.jobs.resume("six")

    assert house.until("six", "done").result == {"total": 6}
    assert house.notes("six").count("begin 0") == 1
    assert house.notes("six").count("begin 2") == 2


def test_a_job_submitted_twice_is_one_job(house: House) -> None:
    house.submit("seven")
    house.submit("seven")
    house.worker("w1")
    house.until("seven", "done")

    assert house.notes("seven").count("begin 0") == 1


def test_an_unknown_job_and_a_running_one_cannot_be_resumed(house: House) -> None:
    with pytest.raises(InvalidRequest, match="There is no job nine"):
        house.jobs.get("nine")
    house.submit("eight")
    with pytest.raises(InvalidRequest, match="Job eight is waiting"):
        house.jobs.resume("eight")


def test_a_job_of_an_unknown_kind_fails_with_the_kinds_that_there_are(house: House) -> None:
    house.jobs.submit("ten", "knit", {})
    house.worker("w1")

    assert house.until("ten", "failed").error == "This worker knows no jobs of kind 'knit', only count"
