"""freehold jobs and freehold worker: long work, and who does it; and how other commands run a job to its end."""

import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from freehold.app.flywheel import Flywheel
from freehold.app.home import Home
from freehold.app.withdrawal import kinds
from freehold.cli.context import DATA, JSON, SETTINGS, chosen, home, placed, print_json, screen
from freehold.core.errors import FreeholdError
from freehold.core.ids import RandomIds
from freehold.core.money import NANO
from freehold.flywheel.jobs.job import Job, JobFailed
from freehold.flywheel.jobs.queue import Jobs
from freehold.flywheel.jobs.system import address
from freehold.flywheel.jobs.worker import Worker
from freehold.settings.tables import Settings
from freehold.store.jobs import SqlProgress, SqlWorkers

LOOK = 0.1
"""Seconds between looks at a job that is watched."""

DETACH = click.option("--detach", is_flag=True, help="Leave it to `freehold worker` and return at once.")


class Workplace:
    """A data folder with its queue."""

    def __init__(self, opened: Home, path: Path | None, data: str | None) -> None:
        def change(settings: Settings) -> Settings:
            return placed(settings, data)

        url = opened.settings.data.database_url
        self.home = opened
        self.flywheel = Flywheel(opened, path, os.environ, change=change)
        self.progress = SqlProgress(opened.database)
        self.url = address(opened.folder, None if url is None else url.reveal())
        self.jobs = Jobs(self.url, self.progress)
        self.ids = RandomIds(time.time_ns)

    @contextmanager
    def worker(self) -> Generator[Worker]:
        """A worker in this process."""
        worker = Worker(
            self.url,
            kinds(self.flywheel),
            id=f"worker-{self.ids()}",
            home=self.home.id,
            jobs=self.jobs,
            workers=SqlWorkers(self.home.database),
            progress=self.progress,
        )
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()


@contextmanager
def workplace(settings: Path | None, data: str | None, *, new: bool = False) -> Generator[Workplace]:
    """The queue of a data folder, for a command; `new`: the folder may be made by it."""
    with home(settings, data, new=new) as opened:
        place = Workplace(opened, settings, data)
        try:
            yield place
        finally:
            place.jobs.close()


def run(place: Workplace, kind: str, params: dict[str, Any], *, detach: bool) -> Job | None:
    """Put a job in the queue and, unless it is detached, do it here and show how far it is.

    Interrupted, it stays in the queue and goes on where it was.
    """
    id = place.ids()
    place.jobs.submit(id, kind, params, home=place.home.id if _at_home(kind, params) else None)
    if detach:
        print(f"Job {id} is in the queue; `freehold worker` does it, `freehold jobs show {id}` tells how far it is")
        return None
    with place.worker():
        done = watch(place.jobs, id, kind)
    if done.state != "done":
        raise JobFailed(f"{done.error or f'Job {id} was cancelled'}\n`freehold jobs resume {id}` lets it go on")
    return done


def _at_home(kind: str, params: dict[str, Any]) -> bool:
    """Whether a job reads what people said word for word, which stays in its data folder."""
    return kind in {"swap", "retune"} or params.get("method") == "dpo"


def watch(jobs: Jobs, id: str, what: str) -> Job:
    """Show how far a job is until it ends, on standard error."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=1.0, text="waiting")
        while True:
            job = jobs.get(id)
            if job.progress is not None:
                shown.update(task, completed=job.progress.share, text=job.progress.text)
            if job.state in {"done", "failed", "cancelled"}:
                return job
            time.sleep(LOOK)


@click.group()
def jobs() -> None:
    """Long work: tuning, evaluation, swaps."""


@jobs.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many.")
@SETTINGS
@DATA
@JSON
def list_jobs(limit: int, settings: Path | None, data: str | None, as_json: bool) -> None:
    """The newest first."""
    with workplace(settings, data) as place:
        rows = place.jobs.latest(limit)
    if as_json:
        print_json(rows)
        return
    table = Table("id", "kind", "state", "begun (UTC)", "how far", "worker", box=None, pad_edge=False)
    for row in rows:
        word = None if row.state == "done" else row.progress
        far = "" if word is None else f"{word.share:.0%} {word.text}"
        table.add_row(row.id, row.kind, row.state, _time(row.created_at), row.error or far, row.worker or "")
    screen().print(table if rows else "There are no jobs yet; `freehold tune` and `freehold evaluate` make some.")


@jobs.command()
@click.argument("id_", metavar="ID")
@SETTINGS
@DATA
@JSON
def show(id_: str, settings: Path | None, data: str | None, as_json: bool) -> None:
    """One job: its parameters, finished steps, result or error."""
    with workplace(settings, data) as place:
        job = place.jobs.get(id_)
    if as_json:
        print_json(job)
        return
    lines = [f"{job.id}  {job.kind}  {job.state}", f"parameters: {job.params}"]
    if job.progress is not None:
        lines.append(f"{job.progress.share:.0%}  {job.progress.text}")
    lines += [f"done: {name}" for name in job.steps]
    if job.error is not None:
        lines.append(f"error: {job.error}")
    if job.result is not None:
        lines.append(f"result: {job.result}")
    screen().print("\n".join(lines), markup=False)


@jobs.command()
@click.argument("id_", metavar="ID")
@SETTINGS
@DATA
def cancel(id_: str, settings: Path | None, data: str | None) -> None:
    """Stop a job; what its finished steps made stays."""
    with workplace(settings, data) as place:
        print(f"Job {id_} is {place.jobs.cancel(id_).state}")


@jobs.command()
@click.argument("id_", metavar="ID")
@DETACH
@SETTINGS
@DATA
def resume(id_: str, detach: bool, settings: Path | None, data: str | None) -> None:
    """Let a cancelled or failed job go on after its last finished step."""
    with workplace(settings, data) as place:
        job = place.jobs.resume(id_)
        if detach:
            print(f"Job {id_} is {job.state}; `freehold worker` does it")
            return
        with place.worker():
            done = watch(place.jobs, id_, job.kind)
    print(f"Job {id_} is {done.state}" + (f": {done.error}" if done.error else ""))
    if done.state != "done":
        raise SystemExit(1)


@click.command()
@SETTINGS
@DATA
def worker(settings: Path | None, data: str | None) -> None:
    """Do jobs, one after the other, until stopped.

    On another machine with a data folder of its own it does those that need no more than PostgreSQL, where datasets and
    models travel; swaps, retunings and dpo are done where the words lie.
    """
    ended = threading.Event()

    def end(number: int, frame: object) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    shared = chosen(settings, data, new=True).data.database_url is not None
    with workplace(settings, data, new=shared) as place, place.worker() as working:
        print(
            f"{working.id} takes jobs from {place.home.folder}; Ctrl-C ends it, and its job goes on elsewhere",
            flush=True,
        )
        while not ended.wait(1.0):
            if working.fenced.is_set():
                raise FreeholdError(
                    "This worker lost its lease (it was asleep, or the store was out of reach); start it again"
                )


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / NANO, UTC).strftime("%Y-%m-%d %H:%M:%S")
