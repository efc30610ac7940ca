"""A worker: takes jobs from the queue and does them, one at a time, until it is told to stop.

It holds a lease by beating. When a worker dies, the next beat of any other (at once where the dead one was a process
of the same machine, else when its lease has run out) fences it and gives its jobs back to the queue. A worker that was
only asleep finds itself fenced before it can finish another step.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dbos import DBOS, DBOSConfig
from dbos import error as dbos_errors

from freehold.core.errors import FreeholdError, InvalidRequest
from freehold.flywheel.jobs.job import Cancelled, Json, Kinds
from freehold.flywheel.jobs.queue import Jobs
from freehold.flywheel.jobs.system import NAME, VERSION, WORKFLOW, JsonSerializer, queue_of
from freehold.store.jobs import SqlProgress, SqlWorkers

T = TypeVar("T")
BEAT = 2.0
LEASE = 15.0
"""Seconds after its last beat when a worker of another machine counts as dead."""

POLL = 0.2
TELL_EVERY = 250_000_000
"""Nanoseconds between two words of progress that reach the store, and so between two looks whether to go on."""


class Fenced(FreeholdError):
    """This worker's lease is lost: another has its jobs."""

    code = "worker_fenced"


class Worker:
    """One worker in this process; there can be one in a process. `id` names it and is never used again.

    `home`: the data folder whose own jobs it can do beside those that any worker can.
    """

    def __init__(
        self,
        url: str,
        kinds: Kinds,
        *,
        id: str,
        home: str | None = None,
        jobs: Jobs,
        workers: SqlWorkers,
        progress: SqlProgress,
        clock: Callable[[], int] = time.time_ns,
        lease: float = LEASE,
        beat: float = BEAT,
    ) -> None:
        self.id = id
        self._url = url
        self._queues = sorted({queue_of(None), queue_of(home)})
        self._one = threading.Lock()
        self._kinds = kinds
        self._jobs = jobs
        self._workers = workers
        self._progress = progress
        self._clock = clock
        self._lease = int(lease * 1e9)
        self._every = beat
        self._ending = threading.Event()
        self._beating: threading.Thread | None = None
        self.fenced = threading.Event()

    def start(self) -> None:
        """Join, and take jobs from now on in threads of its own."""
        self._workers.join(self.id, host=_host(), pid=os.getpid(), now=self._clock())
        config: DBOSConfig = {
            "name": NAME,
            "system_database_url": self._url,
            "application_version": VERSION,
            "executor_id": self.id,
            "serializer": JsonSerializer(),
            "log_level": "ERROR",
            "notification_listener_polling_interval_sec": POLL,
        }
        DBOS(config=config)
        logging.getLogger("dbos").addFilter(_unforeseen)

        def do(kind: str, params: Json) -> Json:
            return self._do(kind, params)

        DBOS.workflow(name=WORKFLOW, max_recovery_attempts=1_000)(do)
        DBOS.listen_queues(self._queues)
        DBOS.launch()
        for queue in self._queues:
            DBOS.register_queue(queue, worker_concurrency=1, polling_interval_sec=POLL)
        self.reap()
        self._beating = threading.Thread(target=self._beat, name="beat", daemon=True)
        self._beating.start()

    def stop(self) -> None:
        """Take no more; what runs is given back to the queue and goes on elsewhere after its last finished step."""
        self._ending.set()
        if self._beating is not None:
            self._beating.join()
        self._workers.leave(self.id)
        self._jobs.release(self.id)
        DBOS.destroy(workflow_completion_timeout_sec=0, destroy_registry=True)

    def reap(self) -> tuple[str, ...]:
        """Fence workers that are dead and give their jobs back; the ids of those jobs."""
        released: list[str] = []
        now = self._clock()
        for id, host, pid, beat_at in self._workers.others(self.id):
            gone = host == _host() and not _runs(pid)
            if (gone or now - beat_at > self._lease) and self._workers.fence(id, beat_at=beat_at):
                released += self._jobs.release(id)
        return tuple(released)

    def _beat(self) -> None:
        while not self._ending.wait(self._every):
            if not self._workers.beat(self.id, self._clock()):
                self.fenced.set()
                return
            self.reap()

    def _do(self, kind: str, params: Json) -> Json:
        """One job, as DBOS calls it: from the beginning, with the results of finished steps at hand."""
        work = self._kinds.get(kind)
        if work is None:
            raise InvalidRequest(f"This worker knows no jobs of kind {kind!r}, only {', '.join(sorted(self._kinds))}")
        id = DBOS.workflow_id
        assert id is not None
        with self._one:  # each queue gives one job at a time; one of all of them is done at a time
            return work(params, _Steps(id, self))

    # what the steps of a job ask

    def check(self, job: str) -> None:
        """Fenced or Cancelled where the job is no longer this worker's to do."""
        if self.fenced.is_set() or not self._workers.holds(self.id):
            self.fenced.set()
            raise Fenced(f"Worker {self.id} lost its lease; another one goes on with job {job}")
        if self._jobs.get(job).state == "cancelled":
            raise Cancelled(f"Job {job} was cancelled")

    def tell(self, job: str, share: float, text: str, now: int) -> None:
        self._progress.put(job, share=share, text=text, at=now)

    def now(self) -> int:
        return self._clock()


class _Steps:
    """`Steps` on DBOS."""

    def __init__(self, job: str, worker: Worker) -> None:
        self._job = job
        self._worker = worker
        self._told = 0

    def step(self, name: str, function: Callable[[], T]) -> T:
        def once() -> T:
            self._worker.check(self._job)
            result = function()
            self._worker.check(self._job)  # a result made after the lease was lost is not kept
            return result

        try:
            return DBOS.run_step({"name": name}, once)
        except dbos_errors.DBOSWorkflowCancelledError:
            raise Cancelled(f"Job {self._job} was cancelled") from None

    def progress(self, share: float, text: str) -> None:
        now = self._worker.now()
        if now - self._told >= TELL_EVERY:
            self._told = now
            self._worker.check(self._job)
            self._worker.tell(self._job, min(max(share, 0.0), 1.0), text, now)


def _unforeseen(record: logging.LogRecord) -> bool:
    """Errors with a message of ours are told by the job that they end; only others bring a traceback to the screen."""
    return record.exc_info is None or not isinstance(record.exc_info[1], FreeholdError)


def _host() -> str:
    """This machine since its last start: process numbers of another, of the same name, say nothing here."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{socket.gethostname()} {boot.read_text().strip()}" if boot.exists() else socket.gethostname()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
