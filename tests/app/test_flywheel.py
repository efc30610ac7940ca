"""The whole loop on one data folder: traffic and feedback, dataset, model, evaluation, verdict, lineage, withdrawal."""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from msgspec.structs import replace

from freehold.app.asker import Awaited
from freehold.app.engine import Engine
from freehold.app.flywheel import Flywheel, withdrawn
from freehold.app.home import Home
from freehold.core.errors import InvalidRequest
from freehold.core.feedback import Correction, Feedback
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.flywheel.curation.candidate import Query
from freehold.flywheel.curation.gates import Policy
from freehold.flywheel.evaluation.run import read_comparison, read_results
from freehold.flywheel.verdict.verdict import Approve
from freehold.gateway.exchange import Ask
from freehold.settings.load import load
from freehold.settings.tables import Settings

T = TypeVar("T")
SETTINGS = """
[simulated.lab]
answers = "answers.jsonl"
skill = 0.85
price = { input = "5", output = "25" }
[deployments.sage]
provider = "lab"
model = "sage"
[routes.support]
deployments = ["sage"]
collect = true
"""
TOPICS = {
    "card_lost": ("my card", "is lost", "fell out of my pocket", "cannot be found"),
    "fee": ("the fee", "is too high", "was charged twice", "needs explaining"),
    "rate": ("your exchange rate", "for euros", "for dollars today", "at the weekend"),
    "close": ("my account", "must be closed", "shall end this month", "is not needed any more"),
}


def messages() -> list[tuple[str, str]]:
    """Invented messages and their labels, mixed."""
    dice = random.Random(1)
    rows: list[tuple[str, str]] = []
    for n in range(400):
        label = list(TOPICS)[n % 4]
        subject, *whats = TOPICS[label]
        talk = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(8)]  # each its own chatter
        rows.append((" ".join([*talk[:4], subject, dice.choice(whats), *talk[4:]]), label))
    return rows


class Once:
    """Steps without a database."""

    def step(self, name: str, function: Callable[[], T]) -> T:
        return msgspec.json.decode(msgspec.json.encode(function()))  # as a durable job would have it

    def progress(self, share: float, text: str) -> None:
        assert 0 <= share <= 1


async def traffic(engine: Engine, rows: list[tuple[str, str]]) -> None:
    """Each message is asked and then corrected by somebody."""
    given: list[Feedback] = []
    for n, (text, label) in enumerate(rows):
        body: dict[str, Any] = {
            "model": "support",
            "messages": [{"role": "user", "content": text}],
            "user": f"u{n}",
        }
        end = Awaited()
        engine.pipeline.infer(Ask(dialect=OPENAI_CHAT, body=msgspec.json.encode(body)), end)
        reply = await end.reply
        given.append(Feedback(id=f"f{n}", at=time.time_ns(), judgement=Correction(label), inference=reply.inference))
    engine.home.feedback.put(given)


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Callable[[Settings], Settings]]:
    rows = messages()
    (tmp_path / "answers.jsonl").write_bytes(b"\n".join(msgspec.json.encode({"text": t, "reply": r}) for t, r in rows))
    (tmp_path / "freehold.toml").write_text(SETTINGS)
    data = str(tmp_path / "data")
    return tmp_path / "freehold.toml", lambda s: replace(s, data=replace(s.data, folder=data))


async def test_traffic_becomes_a_model_that_is_measured_and_approved(
    place: tuple[Path, Callable[[Settings], Settings]],
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
    kinds = flywheel.kinds()

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

    datasets, models = withdrawn(flywheel, built.inferences[:1], "a subject withdrew")
    assert (datasets, models) == ([built.bill.reference], ["own"])
    known = flywheel.home.models.get("own")
    assert known is not None
    assert known[0].state == "quarantined"
    with pytest.raises(InvalidRequest, match=r"is quarantined: a subject withdrew\. Build it anew"):
        kinds["tune"]({"name": "again", "dataset": "support"}, Once())


def test_a_job_that_names_nothing_known_says_what_there_is(place: tuple[Path, Callable[[Settings], Settings]]) -> None:
    file, change = place
    home = Home(change(load(file, {})))
    kinds = Flywheel(home, file, {}, change=change).kinds()
    with pytest.raises(InvalidRequest, match="`freehold datasets list` shows them"):
        kinds["tune"]({"name": "own", "dataset": "nothing"}, Once())
    home.close()
