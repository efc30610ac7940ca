"""A job: long work that survives its worker. Done in steps; a finished step is never done again."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from freehold.core.errors import FreeholdError

State = Literal["waiting", "running", "done", "failed", "cancelled"]

Json = dict[str, Any]
"""A JSON object: what goes in and out of jobs and steps is kept as JSON."""

T = TypeVar("T")


class Progress(Struct, frozen=True, kw_only=True):
    """How far a job is: `share` in [0, 1], and what it is doing. `at`: UTC nanoseconds."""

    share: float
    text: str
    at: int = 0


class Job(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One job. Times are UTC nanoseconds. `worker`: who runs or ran it last; `steps`: the names of those finished."""

    id: str
    kind: str
    params: Json
    state: State
    created_at: int
    updated_at: int
    worker: str | None = None
    progress: Progress | None = None
    steps: tuple[str, ...] = ()
    result: Json | None = None
    error: str | None = None


class JobFailed(FreeholdError):
    """A job ended badly; the message is that of the error that ended it."""

    code = "job_failed"


class Cancelled(FreeholdError):
    """Somebody cancelled the job while it ran."""

    code = "job_cancelled"


class Steps(Protocol):
    """What running work is given."""

    def step(self, name: str, function: Callable[[], T]) -> T:
        """Run `function` once for this job, however often the job is begun again, and give its result: JSON values.

        The same steps must be asked for in the same order each time. `Cancelled` where the job was cancelled.
        """
        ...

    def progress(self, share: float, text: str) -> None:
        """Tell how far it is. Cheap to call often. `Cancelled` where the job was cancelled."""
        ...


Work = Callable[[Json, Steps], Json]
"""The work of one kind of job: parameters in, result out."""

Kinds = Mapping[str, Work]
