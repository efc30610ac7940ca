"""A judge is asked in both orders, and decides nothing without people."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from test_evaluation_run import Kept, Models, example

from freehold.core.dataset import Example
from freehold.flywheel.evaluation.judging import preference
from freehold.flywheel.evaluation.replay import Question, Reply
from freehold.flywheel.evaluation.run import evaluate, read_results
from freehold.flywheel.verdict.verdict import Approve, NotEnough


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 0.0),
        (" 2\n", 1.0),
        ("0", 0.5),
        ("Answer: 2.", 1.0),
        ("**2**", 1.0),
        ("1 or 2", 0.5),
        ("12", 0.5),
        ("1.5", 0.5),
        ("", 0.5),
    ],
)
def test_a_judges_word_is_read_or_prefers_neither(text: str, expected: float) -> None:
    assert preference(text) == expected


class Bench(Models):
    """Deployments, and a judge that likes what is shown first, unless only the second is right."""

    def _one(self, question: Question) -> Reply:
        if question.deployment != "judge":
            return super()._one(question)
        words = msgspec.json.decode(msgspec.json.decode(question.body)["messages"][1]["content"].split("\n\n")[0])
        right = [words[f"answer {n}"].startswith("answer") for n in (1, 2)]
        return Reply(text="2" if right == [False, True] else "1", outcome="answered", by="judge", cost=1)


def judged(sources: Sequence[str], tmp_path: Path) -> Any:
    examples: list[Example] = [replace(example(n), source=s) for n, s in enumerate(sources)]  # type: ignore[arg-type]
    models = Bench(a=lambda n: n % 3 == 0, b=lambda n: True)
    done = evaluate(
        {"dataset": "d@1", "deployments": ["a", "b"], "judge": "judge", "margin": 0.1},
        Kept({}),
        load=lambda _, __: examples,
        asker=models.open,
        reports=tmp_path,
        clock=lambda: 1,
    )
    assert "held to what people said" in Path(done["report"]).read_text()
    return read_results(done).comparisons[0].judged


def test_a_judge_without_people_decides_nothing_however_much_it_says(tmp_path: Path) -> None:
    verdict = judged(["answer"] * 300, tmp_path)

    assert isinstance(verdict, NotEnough)
    assert "a judge decides nothing" in verdict.why


def test_a_judge_beside_people_helps_to_decide(tmp_path: Path) -> None:
    verdict = judged([("correction", "answer", "answer")[n % 3] for n in range(300)], tmp_path)

    assert isinstance(verdict, Approve)
    assert verdict.evidence.pairs == 100
