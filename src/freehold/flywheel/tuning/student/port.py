"""The student behind the port of tuners."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct, convert

from freehold.core.dataset import Example
from freehold.core.tuned import Method
from freehold.flywheel.jobs.job import Steps
from freehold.flywheel.tuning.student.tuner import Recipe, tune
from freehold.flywheel.tuning.tuner import Made, Task
from freehold.runtime.student.artifact import MANIFEST
from freehold.runtime.student.student import Student


class Wishes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the command line may ask of a student; see `Recipe`."""

    accuracy: float = 0.97
    out_of_scope: tuple[str, ...] = ()
    keep: float = 0.95
    schema: dict[str, Any] | None = None
    threads: int = 2


class StudentTuner:
    """Trains in seconds: one step, repeated whole where a worker was killed in it."""

    method: Method = "student"

    def tune(self, task: Task, steps: Steps) -> Made:
        wishes = convert(task.params, Wishes, strict=False)
        recipe = Recipe(
            name=task.name,
            dataset=task.dataset,
            accuracy=wishes.accuracy,
            out_of_scope=wishes.out_of_scope,
            keep=wishes.keep,
            schema=wishes.schema,
            seed=task.seed,
            threads=wishes.threads,
        )

        def train() -> dict[str, Any]:
            path = tune(list(task.train), recipe, task.artifacts, progress=steps.progress)
            student = Student.load(path)
            metrics = dict(student.manifest.metrics) | validated(student, task.validation)
            return {"path": str(path), "digest": sha256((path / MANIFEST).read_bytes()).hexdigest(), "metrics": metrics}

        made = steps.step("train", train)
        return Made(digest=made["digest"], path=made["path"], metrics=made["metrics"])


def validated(student: Student, examples: Sequence[Example]) -> dict[str, float]:
    """How it did on examples it has not seen: right among all, share answered, right among those."""
    if not examples:
        return {}
    said = [(student.answer(e.messages), e.target) for e in examples]
    sure = [(p, target) for p, target in said if p.sure]
    return {
        "validation_accuracy": sum(p.target == target for p, target in said) / len(said),
        "validation_answered": len(sure) / len(said),
        "validation_accuracy_answered": sum(p.target == target for p, target in sure) / len(sure) if sure else 0.0,
    }
