"""Distilling: a teacher's answers become what another tuner teaches, where the teacher's terms allow it."""

from collections.abc import Sequence
from functools import partial
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from freehold.core.dataset import Example
from freehold.core.errors import Forbidden, InvalidRequest
from freehold.core.tuned import Method
from freehold.flywheel.curation.terms import Terms
from freehold.flywheel.evaluation.replay import Asker, Cached, Reply, question
from freehold.flywheel.jobs.job import Json, Steps
from freehold.flywheel.tuning.tuner import Made, Task, Tuner

AT_ONCE = 64
"""Questions in one step. A killed worker's successor finds those of the step it was in answered, in the work folder."""

OURS = frozenset({"correction", "label", "import"})
"""Sources whose targets a teacher is measured by, and never replaces."""


class Teacher(Struct, frozen=True, kw_only=True):
    """The deployment to learn from, and whose model it is."""

    deployment: str
    provider: str
    model: str


class DistilTuner:
    """Asks the teacher what it would have answered, then hands the dataset with those answers to `then`."""

    method: Method = "distil"

    def __init__(self, teacher: Teacher, asker: Asker, terms: Terms, then: Tuner) -> None:
        self._teacher = teacher
        self._asker = asker
        self._terms = terms
        self._then = then

    def tune(self, task: Task, steps: Steps) -> Made:
        teacher = self._teacher
        against = self._terms(teacher.provider, teacher.model)
        if against is not None:
            raise Forbidden(
                f"{teacher.model} of {teacher.provider} may not teach another model: {against}. "
                "Choose a teacher whose terms allow it, or tune on corrections and labels"
            )
        asker = Cached(self._asker, task.work / "teacher", epoch=teacher.model)
        train, cost = self._taught(task.train, asker, "train", steps)
        validation, more = self._taught(
            [e for e in task.validation if e.source not in OURS], asker, "validation", steps
        )
        if not train:
            raise InvalidRequest(
                f"{teacher.deployment} answered none of {len(task.train)} questions itself and to the end; "
                f"see `freehold inferences`"
            )
        people = [e for e in task.validation if e.source in OURS]
        made = self._then.tune(replace(task, train=train, validation=[*people, *validation]), steps)
        learned = {"taught": float(len(train)), "unanswered": float(len(task.train) - len(train))}
        return replace(made, cost=made.cost + cost + more, metrics={**made.metrics, **learned})

    def _taught(self, examples: Sequence[Example], asker: Asker, split: str, steps: Steps) -> tuple[list[Example], int]:
        """The examples with the teacher's answers, and what those cost in nano-dollars. Those that it did not answer
        itself, and to the end, are left out: a fallback's answer is not the teacher's."""
        taught: list[Example] = []
        cost = 0
        for start in range(0, len(examples), AT_ONCE):
            some = examples[start : start + AT_ONCE]
            answers = steps.step(f"ask {split} {start}", partial(self._asked, some, asker))
            cost += answers["cost"]
            taught += [_with(e, a) for e, a in zip(some, answers["answers"], strict=True) if a is not None]
            done = start + len(some)
            steps.progress(done / len(examples), f"asked the teacher {done} of {len(examples)} questions")
        return taught, cost

    def _asked(self, examples: Sequence[Example], asker: Asker) -> Json:
        """The teacher's answers (None: none that counts), and what those that were not known yet cost."""
        replies = asker.ask([question(e, self._teacher.deployment) for e in examples])
        return {
            "answers": [r.text if self._counts(r) else None for r in replies],
            "cost": sum(r.cost or 0 for r in replies if not r.cached),
        }

    def _counts(self, reply: Reply) -> bool:
        own = reply.by in {None, self._teacher.deployment}
        return reply.outcome == "answered" and own and reply.finish in {None, "stop"} and bool(reply.text.strip())


def _with(example: Example, target: str) -> Example:
    said = "\n".join(f"{m.role} {m.text}" for m in example.messages)
    return replace(example, id=sha256(f"{said}\0{target}".encode()).hexdigest(), target=target, source="teacher")
