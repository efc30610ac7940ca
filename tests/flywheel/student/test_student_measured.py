"""Students on real messages; skipped where the data sets are not there. `python -m bench.student` has the figures."""

import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from freehold.core.dataset import Example
from freehold.flywheel.tuning.student.rounds import rounds
from freehold.flywheel.tuning.student.tuner import Recipe, tune
from freehold.runtime.student.student import Student

DATA = next(
    (f for p in Path(__file__).resolve().parents if (f := p / "shared" / "data" / "learning").is_dir()), Path("none")
)
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/learning is not on this machine")


def split(rows: list[Example]) -> tuple[list[Example], list[Example]]:
    """Rows to learn from, and a fifth that is held."""
    first = rounds(rows, seed=3)[0]
    return [rows[i] for i in first.learn], [rows[i] for i in first.hold]


def test_banking_messages_are_told_apart_and_the_doubtful_ones_handed_on(tmp_path: Path) -> None:
    examples = pytest.importorskip("bench.student").examples
    rows = examples(DATA / "banking77.train.jsonl")
    few = sorted({e.target for e in rows})[:4]
    learn, held = split([e for e in rows if e.target in few])

    student = Student.load(tune(learn, Recipe(name="banking"), tmp_path))

    said = [student.predict(e.text) for e in held]
    right = np.array([p.target == e.target for p, e in zip(said, held, strict=True)])
    sure = np.array([p.sure for p in said])
    assert right.mean() > 0.93
    assert sure.mean() > 0.8
    assert right[sure].mean() > 0.95


def test_slots_are_found_in_what_people_say_to_an_assistant(tmp_path: Path) -> None:
    examples = pytest.importorskip("bench.student").examples
    rows = examples(DATA / "snips.train.jsonl")
    wanted = [e for e in rows if json.loads(e.target)["intent"] == "BookRestaurant"]
    learn, held = split([replace(e, split="train") for e in wanted[::5]])

    student = Student.load(tune(learn, Recipe(name="snips", accuracy=0.9), tmp_path))

    said = [student.predict(e.text) for e in held]
    right = [json.loads(p.target or "null") == json.loads(e.target) for p, e in zip(said, held, strict=True)]
    assert np.mean(right) > 0.5
