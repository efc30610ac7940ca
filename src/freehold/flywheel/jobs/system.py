"""What the client and the worker share about DBOS: where its tables are, how values are kept, how its words read.

The application's version is pinned: DBOS otherwise takes a hash of the code, and a job begun before an update would
wait for ever for a worker of its own version.
"""

from pathlib import Path
from typing import Any, cast

import msgspec
from dbos import DBOS, Serializer, WorkflowStatus

from freehold.flywheel.jobs.job import Job, JobFailed, State

NAME = "freehold"
VERSION = "jobs-1"
"""Changes only when jobs begun by an older Freehold could not go on."""

QUEUE = "jobs"
"""Jobs that any worker can do."""

WORKFLOW = "freehold.job"

_STATES: dict[str, State] = {
    "ENQUEUED": "waiting",
    "DELAYED": "waiting",
    "PENDING": "running",
    "SUCCESS": "done",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}


def address(folder: Path, database_url: str | None) -> str:
    """The database of the jobs: beside the embedded store, or in the same PostgreSQL."""
    if database_url is None:
        return f"sqlite:///{folder / 'jobs.sqlite'}"
    return database_url.replace("postgresql+psycopg://", "postgresql://").replace("postgres://", "postgresql://", 1)


def queue_of(home: str | None) -> str:
    """The queue of the jobs that need what lies in one data folder (its id), or of those that any worker can do."""
    return QUEUE if home is None else f"{QUEUE}-{home}"


def prepare(url: str) -> None:
    """Make the tables where they are missing."""
    DBOS.migrate(url)


class JsonSerializer(Serializer):
    """JSON instead of pickles: nothing that is read from the database can run."""

    def name(self) -> str:
        return "freehold-json"

    def serialize(self, data: Any) -> str:
        if isinstance(data, BaseException):
            message = getattr(data, "message", None) or f"{type(data).__name__}: {data}"
            data = {"error!": message}
        return msgspec.json.encode(data).decode()

    def deserialize(self, serialized_data: str) -> Any:
        value: object = msgspec.json.decode(serialized_data)
        if isinstance(value, dict):
            message = cast(dict[str, object], value).get("error!")
            if message is not None:
                return JobFailed(str(message))
        return cast(Any, value)


def job(status: WorkflowStatus) -> Job:
    """A job, from DBOS's row."""
    given = status.input or {"args": ("?", {}), "kwargs": {}}
    kind, params = given["args"][0], given["args"][1]
    error = status.error
    return Job(
        id=status.workflow_id,
        kind=kind,
        params=params,
        state=_STATES[status.status],
        created_at=(status.created_at or 0) * 1_000_000,
        updated_at=(status.updated_at or 0) * 1_000_000,
        worker=status.executor_id if status.status != "ENQUEUED" else None,
        result=status.output if status.status == "SUCCESS" else None,
        error=None if error is None else getattr(error, "message", str(error)),
    )
