"""Candidates that were taken back: what they said until then is evidence of nothing any more. Pure.

Replies that were kept for replays and judges are told apart by how often the deployments they are about had been taken
back when they were given; answers that callers got, by when they got them.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from freehold.core.inference import Inference


class Taken(Struct, frozen=True, kw_only=True):
    """Taken back from a route. `at`: UTC nanoseconds."""

    route: str
    at: int
    why: str


class Withdrawn(Struct, frozen=True, kw_only=True):
    """A deployment and every time that it was taken back, the earliest first."""

    deployment: str
    times: tuple[Taken, ...] = ()

    def again(self, taken: Taken) -> "Withdrawn":
        return replace(self, times=(*self.times, taken))


Distrust = Callable[[str | None, str, int], bool]
"""Whether an answer of a deployment, on a route, at a time in UTC nanoseconds, is evidence of nothing any more."""


def trusting(deployment: str | None, route: str, at: int) -> bool:
    """The `Distrust` of whoever knows of no candidate that was taken back."""
    return False


def distrust(every: Sequence[Withdrawn]) -> Distrust:
    """Of answers given on a route until their deployment was last taken back from it."""
    until: dict[tuple[str, str], int] = {}
    for one in every:
        for taken in one.times:
            until[one.deployment, taken.route] = max(taken.at, until.get((one.deployment, taken.route), 0))

    def judge(deployment: str | None, route: str, at: int) -> bool:
        return deployment is not None and at <= until.get((deployment, route), -1)

    return judge


def counts(every: Sequence[Withdrawn]) -> Mapping[str, int]:
    """How often each deployment was taken back."""
    return {one.deployment: len(one.times) for one in every}


def taken_back(inference: Inference | None, distrusts: Distrust) -> bool:
    """Whether an inference was answered by a candidate that was taken back afterwards."""
    return inference is not None and distrusts(inference.deployment, inference.route, inference.at)
