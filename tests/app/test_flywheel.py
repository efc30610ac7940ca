"""The whole loop on one data folder: traffic and feedback, dataset, model, evaluation, verdict, lineage, withdrawal."""

import asyncio
from pathlib import Path

import pytest
from flywheel_world import Change, Once, messages, traffic, written

from freehold.app.engine import Engine
from freehold.app.flywheel import Flywheel
from freehold.app.home import Home
from freehold.app.withdrawal import kinds as kinds_of
from freehold.app.withdrawal import withdrawn
from freehold.core.errors import InvalidRequest
from freehold.flywheel.curation.candidate import Query
from freehold.flywheel.curation.gates import Policy
from freehold.flywheel.evaluation.run import read_comparison, read_results
from freehold.flywheel.verdict.verdict import Approve
from freehold.settings.load import load


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Change]:
    return written(tmp_path)


async def test_traffic_becomes_a_model_that_is_measured_and_approved(
    place: tuple[Path, Change],
) -> None:
    file, change = place
    engine = Engine(file, {}, node="main", change=change, told=print)
    await engine.open()
    await traffic(engine, messages())
    await engine.close()

    def turn() -> None:
        home = Home(change(load(file, {})))
        try:
            _turn(Flywheel(home, file, {}, change=change))
        finally:
            home.close()

    await asyncio.to_thread(turn)


def _turn(flywheel: Flywheel) -> None:
    built = flywheel.build("support", Query(route="support"), Policy(), progress=lambda share, text: None)
    assert built.bill.rows_in == len(messages())
    assert set(built.bill.sources) <= {"correction", "answer"}
    kinds = kinds_of(flywheel)

    tuned = kinds["tune"]({"name": "own", "dataset": "support", "params": {"accuracy": 0.95, "threads": 1}}, Once())
    assert tuned["metrics"]["validation_accuracy"] > 0.9

    evaluated = kinds["evaluate"]({"dataset": "support", "deployments": ["sage", "own"], "margin": 0.1}, Once())
    sage, own = read_results(evaluated).lines
    assert own.cost == 0
    assert sage.cost is not None
    assert sage.cost > 0
    assert Path(evaluated["report"]).exists()

    swapped = kinds["swap"]({"route": "support", "from_": "sage", "to": "own", "margin": 0.1}, Once())
    verdict = read_comparison(swapped).verdict
    assert isinstance(verdict, Approve)
    assert verdict.evidence.difference > 0  # corrections taught it what sage gets wrong

    made_from = flywheel.datasets.made_from(built.inferences[:1])
    touched = withdrawn(flywheel, made_from, (), "a subject withdrew")
    assert (touched.datasets, touched.models) == ((built.bill.reference,), ("own",))
    known = flywheel.home.models.get("own")
    assert known is not None
    assert known[0].state == "quarantined"
    with pytest.raises(InvalidRequest, match=r"is quarantined: a subject withdrew\. Build it anew"):
        kinds["tune"]({"name": "again", "dataset": "support"}, Once())


def test_a_job_that_names_nothing_known_says_what_there_is(place: tuple[Path, Change]) -> None:
    file, change = place
    home = Home(change(load(file, {})))
    kinds = kinds_of(Flywheel(home, file, {}, change=change))
    with pytest.raises(InvalidRequest, match="`freehold datasets list` shows them"):
        kinds["tune"]({"name": "own", "dataset": "nothing"}, Once())
    home.close()
