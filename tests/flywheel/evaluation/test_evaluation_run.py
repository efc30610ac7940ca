"""Evaluation and swap as jobs: asked in steps, never twice, decided as soon as the evidence suffices."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest
from freehold.core.events import Choice
from freehold.core.feedback import Correction, Feedback, Thumb
from freehold.core.interaction import Body
from freehold.core.request import Message, TextPart
from freehold.flywheel.evaluation.replay import Asker, Question, Reply
from freehold.flywheel.evaluation.run import evaluate, read_comparison, read_results, swap
from freehold.flywheel.evaluation.traffic import Judged, judged
from freehold.flywheel.rollout.withdrawn import Taken, Withdrawn, distrust
from freehold.flywheel.verdict.verdict import Approve, NotEnough, Reject

T = TypeVar("T")


def example(number: int) -> Example:
    said = (Message("user", (TextPart(f"question {number}"),)),)
    return Example(id=str(number), messages=said, target=f"answer {number}", source="label", inference=f"i{number}")


class Kept:
    """Steps that remember, and can be killed after some."""

    def __init__(self, kept: dict[str, Any], most: int = 10_000) -> None:
        self.kept = kept
        self.most = most
        self.told: list[tuple[float, str]] = []

    def step(self, name: str, function: Callable[[], T]) -> T:
        if name not in self.kept:
            if not self.most:
                raise KeyboardInterrupt
            self.most -= 1
            self.kept[name] = msgspec.json.decode(msgspec.json.encode(function()))
        return self.kept[name]

    def progress(self, share: float, text: str) -> None:
        self.told.append((share, text))


class Models:
    """Deployments by name, and everything that they were asked."""

    def __init__(self, **right: Callable[[int], bool]) -> None:
        self.right = right
        self.asked: list[tuple[str, int]] = []
        self.opened: list[tuple[str, int | None]] = []

    @contextmanager
    def open(self, name: str, budget: int | None) -> Generator[Asker]:
        self.opened.append((name, budget))
        yield self

    def ask(self, questions: Sequence[Question]) -> Sequence[Reply]:
        return [self._one(q) for q in questions]

    def _one(self, question: Question) -> Reply:
        body = msgspec.json.decode(question.body)
        assert body["model"] == question.deployment
        number = int(body["messages"][-1]["content"].rsplit(" ", 1)[1])
        self.asked.append((question.deployment, number))
        good = self.right[question.deployment](number)
        text = f"answer {number}" if good else "nonsense"
        return Reply(text=text, outcome="answered", by=question.deployment, cost=10, latency=5)


def run(models: Models, steps: Kept, folder: Path, **params: Any) -> dict[str, Any]:
    wanted = {"dataset": "support@1", "deployments": ["a", "b"], **params}
    return evaluate(
        wanted,
        steps,
        load=lambda _, __: [example(n) for n in range(60)],
        asker=models.open,
        reports=folder,
        clock=lambda: 7,
    )


def test_a_killed_evaluation_goes_on_without_asking_again(tmp_path: Path) -> None:
    models = Models(a=lambda _: True, b=lambda n: n % 2 == 0)
    kept: dict[str, Any] = {}
    with pytest.raises(KeyboardInterrupt):
        run(models, Kept(kept, most=3), tmp_path)

    steps = Kept(kept)
    done = run(models, steps, tmp_path, budget=500)

    assert len(models.asked) == len(set(models.asked)) == 120
    assert models.opened == [("evaluate", None), ("evaluate", 500)]
    found = read_results(done)
    assert [line.scores["exact"].mean for line in found.lines] == [1.0, 0.5]
    assert isinstance(found.comparisons[0].verdict, Reject)
    assert "nonsense" in Path(done["report"]).read_text()
    assert steps.told[-1] == (1.0, "120 of 120 questions")


def test_a_finished_evaluation_read_again_opens_nothing(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}
    first = run(Models(a=lambda _: True, b=lambda _: True), Kept(kept), tmp_path)
    again = Models()

    assert run(again, Kept(kept), tmp_path) == first
    assert again.opened == []


def traffic(count: int) -> list[Judged]:
    return [
        Judged(
            request=msgspec.json.encode(
                {"model": "support", "stream": True, "messages": [{"role": "user", "content": f"question {n}"}]}
            ),
            example=example(n),
        )
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("b", "kind", "all_asked"),
    [(lambda n: True, Approve, False), (lambda n: n % 3 == 0, Reject, False), (lambda n: n % 20 != 0, NotEnough, True)],
)
def test_a_swap_ends_as_soon_as_it_is_decided(b: Callable[[int], bool], kind: type, all_asked: bool) -> None:
    models = Models(a=lambda n: n % 25 != 1, b=b)
    wanted = {"route": "support", "from_": "a", "to": "b", "margin": 0.03}

    done = swap(wanted, Kept({}), judged=lambda route, since, candidate: traffic(600), asker=models.open)

    comparison = read_comparison(done)
    assert isinstance(comparison.verdict, kind)
    assert (done["asked"] == 600) is all_asked
    if isinstance(comparison.verdict, NotEnough):
        assert comparison.verdict.more.likely is None or comparison.verdict.more.likely > 0


def test_a_swap_without_judged_traffic_says_how_to_get_some() -> None:
    with pytest.raises(InvalidRequest, match="Set collect = true on the route"):
        swap({"route": "support", "from_": "a", "to": "b"}, Kept({}), judged=lambda r, s, c: [], asker=Models().open)


class Said:
    """The port of feedback, from a list."""

    def __init__(self, *said: Feedback) -> None:
        self._said = said

    def put(self, feedback: Sequence[Feedback]) -> None:
        raise NotImplementedError

    def about(self, *, inferences: Sequence[str] = (), episodes: Sequence[str] = ()) -> Sequence[Feedback]:
        return [f for f in self._said if f.inference in inferences]

    def forget(self, *, inferences: Sequence[str] = (), episodes: Sequence[str] = ()) -> int:
        raise NotImplementedError


def test_traffic_is_judged_by_corrections_and_praise_alone() -> None:
    bodies = [
        Body(id=f"i{n}", at=n, route="support", dialect="openai-chat", request=b"{}", answer=Choice(text=f"said {n}"))
        for n in range(4)
    ]
    feedback = Said(
        Feedback(id="1", at=1, inference="i0", judgement=Correction("better")),
        Feedback(id="2", at=1, inference="i1", judgement=Thumb(True)),
        Feedback(id="3", at=1, inference="i2", judgement=Thumb(False)),
    )

    found = list(judged(bodies, feedback, lambda body: (Message("user", (TextPart(body.id),)),)))

    assert [(j.example.inference, j.example.target, j.example.source) for j in found] == [
        ("i0", "better", "correction"),
        ("i1", "said 1", "answer"),
    ]


def test_what_a_candidate_said_before_it_was_taken_back_is_no_right_answer() -> None:
    bodies = [
        Body(
            id=f"i{n}",
            at=n,
            route="support",
            dialect="openai-chat",
            request=b"{}",
            answer=Choice(text=f"said {n}"),
            deployment="own",
        )
        for n in range(4)
    ]
    said = (Thumb(True), Thumb(True), Correction("better"), Thumb(True))
    feedback = Said(*(Feedback(id=f"f{n}", at=n, judgement=j, inference=f"i{n}") for n, j in enumerate(said)))
    back = distrust([Withdrawn(deployment="own", times=(Taken(route="support", at=2, why="worse"),))])

    found = judged(bodies, feedback, lambda body: (Message("user", (TextPart(body.id),)),), back)

    assert [(j.example.inference, j.example.target) for j in found] == [("i2", "better"), ("i3", "said 3")]
