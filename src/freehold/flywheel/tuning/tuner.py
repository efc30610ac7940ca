"""Tuners: what makes a model from a dataset. One port for all of them, from a classifier to a provider's service."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from freehold.core.dataset import Example
from freehold.core.tuned import Method
from freehold.flywheel.jobs.job import Steps


class Task(Struct, frozen=True, kw_only=True):
    """What is to be made, and from what.

    `train` and `validation` are the dataset's own splits; the test split stays with evaluation. `work` is a folder of
    this job alone that outlives its worker: what is written there in one try is found by the next. `artifacts` is where
    the result goes, in a folder named by its digest. `params` are the method's own, from the command line.
    """

    name: str
    dataset: str
    train: Sequence[Example]
    validation: Sequence[Example]
    work: Path
    artifacts: Path
    seed: int = 0
    params: dict[str, Any] = {}


class Made(Struct, frozen=True, kw_only=True):
    """What came out. `digest` (SHA-256, hex) names the artifact in `path`; `base` is what it was tuned from.

    `metrics` were measured on the validation split. `cost` is in nano-dollars where somebody charged for it.
    `deployment`: for a model that a provider serves, the provider's name for it.
    """

    digest: str
    path: str
    metrics: dict[str, float]
    base: str | None = None
    cost: int = 0
    deployment: str | None = None


class Tuner(Protocol):
    """Makes a model. Its work is cut into steps, so that a killed worker's successor repeats none that finished; the
    same task and seed give the same result where the libraries allow.

    InvalidRequest: the task cannot be done this way, and which way could do it.
    """

    @property
    def method(self) -> Method: ...

    def tune(self, task: Task, steps: Steps) -> Made: ...
