"""Jobs seen from outside: submitted, listed, cancelled, resumed. It runs nothing."""

from collections.abc import Sequence

from dbos import DBOSClient, EnqueueOptions
from msgspec.structs import replace

from freehold.core.errors import InvalidRequest
from freehold.flywheel.jobs.job import Job, Json, Progress
from freehold.flywheel.jobs.system import NAME, QUEUE, VERSION, WORKFLOW, JsonSerializer, job, prepare, queue_of
from freehold.store.jobs import SqlProgress


class Jobs:
    """The queue. `url`: see `system.address`; jobs are kept there, their progress in the store."""

    def __init__(self, url: str, progress: SqlProgress) -> None:
        prepare(url)
        self._client = DBOSClient(system_database_url=url, serializer=JsonSerializer(), application_name=NAME)
        self._progress = progress

    def close(self) -> None:
        self._client.destroy()

    def submit(self, id: str, kind: str, params: Json, *, home: str | None = None) -> None:
        """Put a job in the queue. The same id twice is one job. `home`: only workers of that data folder can do it."""
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": queue_of(home),
            "workflow_id": id,
            "app_version": VERSION,
        }
        self._client.enqueue(options, kind, params)

    def get(self, id: str) -> Job:
        """A job with its progress and finished steps; InvalidRequest where there is none."""
        found = self._client.list_workflows(workflow_ids=[id], name=WORKFLOW)
        if not found:
            raise InvalidRequest(f"There is no job {id}; `freehold jobs list` shows them")
        steps = tuple(step["function_name"] for step in self._client.list_workflow_steps(id))
        return self._told([job(found[0])], {id: steps})[0]

    def latest(self, limit: int) -> Sequence[Job]:
        """The newest first."""
        rows = self._client.list_workflows(name=WORKFLOW, sort_desc=True, limit=limit)
        return self._told([job(row) for row in rows], {})

    def cancel(self, id: str) -> Job:
        """Stop a job where it is; what its finished steps made stays. A running one notices at its next word."""
        current = self.get(id)
        if current.state in {"waiting", "running"}:
            self._client.cancel_workflow(id)
        return self.get(id)

    def resume(self, id: str) -> Job:
        """Let a cancelled or failed job go on after its last finished step."""
        current = self.get(id)
        queue = self._queue(id)
        if current.state == "failed":  # the failure is its result: take that and the failed step back
            steps = self._client.list_workflow_steps(id)
            again = next((s["function_id"] for s in steps if s["error"] is not None), len(steps) + 1)
            self._client.rewind_workflow(id, start_step=again, queue_name=queue, application_version=VERSION)
        elif current.state == "cancelled":
            self._client.resume_workflow(id, queue_name=queue)
        else:
            raise InvalidRequest(f"Job {id} is {current.state}; only one that was cancelled or failed can be resumed")
        return self.get(id)

    def release(self, worker: str) -> Sequence[str]:
        """Give the jobs of a worker that is fenced back to the queue; their ids."""
        rows = self._client.list_workflows(name=WORKFLOW, status="PENDING", executor_id=worker, load_input=False)
        for row in rows:
            self._client.resume_workflow(row.workflow_id, queue_name=row.queue_name or QUEUE)
        return [row.workflow_id for row in rows]

    def _queue(self, id: str) -> str:
        return self._client.list_workflows(workflow_ids=[id], name=WORKFLOW)[0].queue_name or QUEUE

    def _told(self, jobs: Sequence[Job], steps: dict[str, tuple[str, ...]]) -> list[Job]:
        words = self._progress.get([j.id for j in jobs])
        told: list[Job] = []
        for one in jobs:
            said = words.get(one.id)
            progress = None if said is None else Progress(share=said[0], text=said[1], at=said[2])
            told.append(replace(one, progress=progress, steps=steps.get(one.id, ())))
        return told
