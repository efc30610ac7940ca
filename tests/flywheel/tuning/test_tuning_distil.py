"""Distilling: a teacher is asked once, only where its terms allow, and only its own whole answers teach."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from flywheel.tuning.tuning_world import Killed, Told, example
from freehold.core.dataset import Example
from freehold.core.errors import Forbidden, InvalidRequest
from freehold.core.tuned import Method
from freehold.flywheel.evaluation.replay import Question, Reply
from freehold.flywheel.jobs.job import Steps
from freehold.flywheel.tuning.distil.tuner import DistilTuner, Teacher
from freehold.flywheel.tuning.tuner import Made, Task

TEACHER = Teacher(deployment="strong", provider="acme", model="acme-large")


class Class:
    """Another tuner, that keeps the task it is given."""

    method: Method = "student"

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def tune(self, task: Task, steps: Steps) -> Made:
        self.tasks.append(task)
        return Made(digest="d", path="p", metrics={"accuracy": 1.0}, cost=5)


class Asked:
    """An asker; `answer` says what comes back."""

    def __init__(self, answer: Callable[[Question], Reply]) -> None:
        self._answer = answer
        self.asked: list[Question] = []

    def ask(self, questions: Sequence[Question]) -> Sequence[Reply]:
        self.asked += questions
        return [self._answer(q) for q in questions]


def well(question: Question) -> Reply:
    said = question.body.decode()
    return Reply(text=f"taught {len(said)}", outcome="answered", by="strong", finish="stop", cost=10)


def task(folder: Path, train: Sequence[Example], validation: Sequence[Example] = ()) -> Task:
    return Task(
        name="n", dataset="d", train=train, validation=validation, work=folder / "work", artifacts=folder / "artifacts"
    )


def allowed(provider: str, model: str) -> str | None:
    assert (provider, model) == ("acme", "acme-large")
    return None


def from_traffic(count: int) -> list[Example]:
    return [replace(e, source="answer") for e in (example(f"question {i}", "old answer") for i in range(count))]


def test_the_teachers_answers_are_what_the_other_tuner_teaches(tmp_path: Path) -> None:
    pupil, asker = Class(), Asked(well)
    made = DistilTuner(TEACHER, asker, allowed, pupil).tune(task(tmp_path, from_traffic(3)), Told())
    (given,) = pupil.tasks
    assert [e.target for e in given.train] == [well(q).text for q in asker.asked]
    assert {e.source for e in given.train} == {"teacher"}
    assert len({e.id for e in given.train}) == 3
    assert {q.deployment for q in asker.asked} == {"strong"}
    assert made.cost == 5 + 3 * 10
    assert made.metrics == {"accuracy": 1.0, "taught": 3.0, "unanswered": 0.0}


def test_a_teacher_whose_terms_forbid_it_is_not_asked(tmp_path: Path) -> None:
    asker = Asked(well)
    with pytest.raises(Forbidden, match="acme-large of acme may not teach another model: clause 2"):
        DistilTuner(TEACHER, asker, lambda p, m: "clause 2", Class()).tune(task(tmp_path, from_traffic(3)), Told())
    assert asker.asked == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(text="by a fallback", outcome="answered", by="weak", finish="stop"),
        Reply(text="cut sho", outcome="answered", by="strong", finish="length"),
        Reply(text="", outcome="answered", by="strong", finish="stop"),
        Reply(text="partial", outcome="failed", by="strong", error="broke off"),
    ],
    ids=["fallback", "cut", "empty", "failed"],
)
def test_what_is_not_the_teachers_own_whole_answer_teaches_nothing(reply: Reply, tmp_path: Path) -> None:
    def one_bad(question: Question) -> Reply:
        return reply if b"question 1" in question.body else well(question)

    pupil = Class()
    made = DistilTuner(TEACHER, Asked(one_bad), allowed, pupil).tune(task(tmp_path, from_traffic(3)), Told())
    assert [e.text for e in pupil.tasks[0].train] == ["question 0", "question 2"]
    assert made.metrics["unanswered"] == 1.0
    with pytest.raises(InvalidRequest, match="strong answered none of 1 questions"):
        DistilTuner(TEACHER, Asked(lambda _: reply), allowed, pupil).tune(
            task(tmp_path / "none", from_traffic(1)), Told()
        )


def test_what_people_said_stays_the_measure(tmp_path: Path) -> None:
    people = example("hard one", "the truth")
    pupil = Class()
    DistilTuner(TEACHER, Asked(well), allowed, pupil).tune(
        task(tmp_path, from_traffic(1), [people, *from_traffic(1)]), Told()
    )
    validation = pupil.tasks[0].validation
    assert validation[0] == people
    assert [e.source for e in validation] == ["label", "teacher"]


def test_a_worker_that_goes_on_asks_and_pays_for_no_question_twice(tmp_path: Path) -> None:
    def until_the_end(question: Question) -> Reply:
        if b"question 100" in question.body and not go_on:
            raise Killed
        return well(question)

    go_on: list[bool] = []
    asker, first, work = Asked(until_the_end), Told(), task(tmp_path, from_traffic(130))
    with pytest.raises(Killed):
        DistilTuner(TEACHER, asker, allowed, Class()).tune(work, first)
    assert first.ran == ["ask train 0", "ask train 64"]
    go_on.append(True)
    asker.asked.clear()

    made = DistilTuner(TEACHER, asker, allowed, Class()).tune(work, Told(first.results))

    assert [q.body for q in asker.asked if b"question 63" in q.body] == []
    assert len(asker.asked) == 130 - 64
    assert made.cost == 5 + 130 * 10
