"""A model that was tuned here serves in the running gateway, and one that is broken harms nobody else."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from freehold.app.asker import PipelineAsker
from freehold.app.engine import Engine
from freehold.core.dataset import Example
from freehold.core.request import Message, TextPart
from freehold.core.tuned import Tuned
from freehold.flywheel.evaluation.replay import Question
from freehold.flywheel.tuning.prompt.tuner import PromptTuner
from freehold.flywheel.tuning.student.tuner import Recipe, tune
from freehold.flywheel.tuning.tuner import Task

SETTINGS = """
[simulated.lab]
reply = "the lab's answer"
[deployments.dear]
provider = "lab"
model = "dear"
price = { input = "1", output = "1" }
[routes.support]
deployments = ["dear", "own"]
ordered = true
"""
T = TypeVar("T")
WORDS = {"card_lost": "lost my card somewhere", "fee": "what fee do you charge", "close": "close the account please"}


def examples() -> list[Example]:
    rows = [(label, f"{text} {n} {'now' if n % 2 else 'today'}") for label, text in WORDS.items() for n in range(40)]
    return [
        Example(id=str(i), messages=(Message("user", (TextPart(text),)),), target=label, source="label")
        for i, (label, text) in enumerate(rows)
    ]


class Once:
    """Steps that are not kept."""

    def step(self, name: str, function: Callable[[], T]) -> T:
        return function()

    def progress(self, share: float, text: str) -> None:
        """Nobody looks."""


def question(model: str, text: str) -> Question:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return Question(deployment=model, body=msgspec.json.encode(body))


async def test_a_tuned_model_becomes_a_deployment_without_a_restart(tmp_path: Path) -> None:
    path = tune(examples(), Recipe(name="own", accuracy=0.9, threads=1), tmp_path / "artifacts")
    (tmp_path / "freehold.toml").write_text(SETTINGS.replace(', "own"', ""))
    engine = Engine(
        tmp_path / "freehold.toml",
        {},
        node="main",
        change=lambda s: replace(s, data=replace(s.data, folder=str(tmp_path / "data"))),
        told=print,
    )
    await engine.open()
    ask = PipelineAsker(engine.pipeline, asyncio.get_running_loop(), None)

    def tuned(name: str, folder: str) -> Tuned:
        return Tuned(name=name, digest="d", method="student", path=folder, dataset="s@1", run="r", created_at=1)

    engine.home.models.put("own", tuned("own", str(path)), version=0, at=1)
    engine.home.models.put("broken", tuned("broken", str(tmp_path / "nowhere")), version=0, at=1)
    await engine.renew()
    asked = [question("own", "please, I lost my card"), question("broken", "hello"), question("dear", "hello")]
    own, broken, dear = await asyncio.to_thread(ask.ask, asked)

    assert (own.text, own.by, own.cost) == ("card_lost", "own", 0)
    assert broken.outcome == "failed"
    assert "The local model broken is not ready" in (broken.error or "")
    assert dear.text == "the lab's answer"

    state = engine.home.models.get("own")
    assert state is not None
    engine.home.models.put("own", replace(state[0], state="quarantined"), version=state[1], at=2)
    await engine.renew()
    gone = (await asyncio.to_thread(ask.ask, asked[:1]))[0]
    assert gone.outcome == "refused"
    await engine.close()


async def test_examples_before_a_question_and_a_providers_model_are_deployments_too(tmp_path: Path) -> None:
    labelled = examples()
    task = Task(
        name="shown",
        dataset="s@1",
        train=labelled[:100],
        validation=labelled[100:],
        work=tmp_path,
        artifacts=tmp_path / "artifacts",
        params={"base": "dear", "count": 3},
    )
    made = PromptTuner().tune(task, Once())
    (tmp_path / "freehold.toml").write_text(SETTINGS.replace(', "own"', "").replace('reply = "the lab\'s answer"', ""))
    engine = Engine(
        tmp_path / "freehold.toml",
        {},
        node="main",
        change=lambda s: replace(s, data=replace(s.data, folder=str(tmp_path / "data"))),
        told=print,
    )
    await engine.open()
    about = {"digest": "d", "dataset": "s@1", "run": "r", "created_at": 1}
    models = (
        Tuned(name="shown", method="prompt", path=made.path, base="dear", **about),  # type: ignore[arg-type]
        Tuned(name="far", method="provider", path="", provider="lab", deployment="ft-1", **about),  # type: ignore[arg-type]
        Tuned(name="heavy", method="lora", path=str(tmp_path), **about),  # type: ignore[arg-type]
    )
    for model in models:
        engine.home.models.put(model.name, model, version=0, at=1)
    await engine.renew()
    ask = PipelineAsker(engine.pipeline, asyncio.get_running_loop(), None)
    asked = [question("dear", "lost my card"), *(question(m.name, "lost my card") for m in models)]
    plain, shown, far, heavy = await asyncio.to_thread(ask.ask, asked)
    await engine.close()

    assert plain.outcome == shown.outcome == far.outcome == "answered"
    assert shown.by == "shown"
    assert (shown.cost or 0) > (plain.cost or 0) > 0  # the examples are tokens of its prompt, at its base's price
    assert far.by == "far"
    assert heavy.outcome == "failed"
