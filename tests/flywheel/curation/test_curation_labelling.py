"""What is shown to people so that their answers teach most, and how their answers come back."""

import csv
from pathlib import Path

import pytest
from curation_world import World, example

from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest
from freehold.flywheel.curation.labelling import export, import_labels, sample

TOPICS = {
    "card": [f"where is my new bank card number {n}" for n in range(30)],
    "refund": [f"please pay back what I spent on order {n}" for n in range(3)],
    "hello": ["good morning everybody out there"],
}


def pool() -> list[Example]:
    return [
        example(text, topic, source="answer", inference=f"i-{text}")
        for topic, texts in TOPICS.items()
        for text in texts
    ]


def test_without_scores_a_small_sample_sees_every_topic() -> None:
    picks = sample(pool(), 3)
    assert {p.example.target for p in picks} == set(TOPICS)
    assert [p.score for p in picks] == sorted((p.score for p in picks), reverse=True)
    assert sample(pool(), 3) == picks


def test_with_scores_the_uncertain_come_first_but_not_all_the_same() -> None:
    def unsure(examples: object) -> list[float]:
        return [1.0 if e.target == "card" else 0.5 if e.target == "refund" else 0.0 for e in examples]  # type: ignore[attr-defined]

    picks = sample(pool(), 2, unsure)
    assert [p.example.target for p in picks] == ["card", "refund"]
    with pytest.raises(InvalidRequest, match="expected 34 numbers from 0 up"):
        sample(pool(), 2, lambda _: [1.0])


def test_what_people_have_judged_is_not_asked_again_and_all_is_the_most_there_is() -> None:
    known = [example(f"known {n}", source="correction", inference=f"k{n}") for n in range(5)]
    assert len(sample([*pool(), *known], 1_000)) == 34
    assert sample(known, 3) == []
    assert sample(pool(), 0) == []


@pytest.mark.parametrize("name", ["label.csv", "label.jsonl"])
def test_labels_go_out_and_come_back_as_corrections(world: World, tmp_path: Path, name: str) -> None:
    for n, text in enumerate(["where is my card", "=cmd()|calc", "hello there everybody"]):
        world.said(text, f"guess {n}")
    path = tmp_path / name
    assert export(sample(world.preview().examples, 3), path) == 3
    label(path, {"i0000": "card", "i0001": "attack"})

    report = import_labels(path, world.feedback, now=5, by="root")
    assert (report.rows, report.accepted, report.unfilled, report.refused) == (3, 2, 1, ())
    examples = {e.inference: (e.target, e.source) for e in world.preview().examples}
    assert examples == {
        "i0000": ("card", "correction"),
        "i0001": ("attack", "correction"),
        "i0002": ("guess 2", "answer"),
    }
    assert import_labels(path, world.feedback, now=6) == report


def label(path: Path, labels: dict[str, str]) -> None:
    """Fill in the table as a person would."""
    if path.suffix == ".jsonl":
        for inference, said in labels.items():
            lines = path.read_text().splitlines()
            filled = [
                line.replace('"correction":null', f'"correction":"{said}"') if f'"{inference}"' in line else line
                for line in lines
            ]
            path.write_text("\n".join(filled))
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert next(r["text"] for r in rows if r["inference"] == "i0001") == "'=cmd()|calc"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(r | {"correction": labels.get(r["inference"], "")} for r in rows)
