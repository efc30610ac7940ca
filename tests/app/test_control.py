"""Control state: rollouts steer a running engine, and what they decided can be computed again."""

import asyncio
from pathlib import Path

import msgspec
from msgspec.structs import replace

from freehold.app.asker import PipelineAsker
from freehold.app.engine import Engine
from freehold.app.explain import explain
from freehold.core.inference import Inference
from freehold.flywheel.evaluation.replay import Question, Reply
from freehold.flywheel.rollout.state import Plan, promote, roll_back, start
from freehold.store.bodies.files import BodyFiles

SETTINGS = """
[simulated.lab]
reply = "from the lab"
price = { input = "1", output = "2" }
[simulated.own]
reply = "from our own"
[deployments.dear]
provider = "lab"
model = "dear"
[deployments.ours]
provider = "own"
model = "ours"
[routes.support]
deployments = ["dear"]
"""


def question(text: str) -> Question:
    body = {"model": "support", "messages": [{"role": "user", "content": text}]}
    return Question(deployment="support", body=msgspec.json.encode(body))


async def test_a_rollout_takes_hold_without_a_restart_and_is_explained(tmp_path: Path) -> None:
    (tmp_path / "freehold.toml").write_text(SETTINGS)
    data = str(tmp_path / "data")
    engine = Engine(
        tmp_path / "freehold.toml",
        {},
        node="main",
        change=lambda s: replace(s, data=replace(s.data, folder=data)),
        told=print,
    )
    await engine.open()
    ask = PipelineAsker(engine.pipeline, asyncio.get_running_loop(), None)

    async def asked(text: str) -> Reply:
        return (await asyncio.to_thread(ask.ask, [question(text)]))[0]

    state = start(
        id="r1",
        route="support",
        candidate="ours",
        plan=Plan(shares=(0.5,)),
        actor="ann",
        at=1,
        two_people=False,
        before=None,
    )
    assert (await asked("hello")).by == "dear"
    version = engine.home.rollouts.put("support", state, version=0, at=1)
    await engine.renew()
    assert (await asked("hello")).by == "dear"

    state = promote(state, actor="ann", at=2, why="good")
    version = engine.home.rollouts.put("support", state, version=version, at=2)
    await engine.renew()
    first = [await asked(f"conversation {n}") for n in range(60)]
    second = [await asked(f"conversation {n}") for n in range(60)]
    assert [r.by for r in first] == [r.by for r in second]  # a conversation stays where it is
    assert 15 < sum(r.by == "ours" for r in first) < 45

    state = roll_back(state, actor="guard", at=3, why="errors")
    engine.home.rollouts.put("support", state, version=version, at=3)
    await engine.renew()
    assert {(await asked(f"conversation {n}")).by for n in range(60)} == {"dear"}

    await asyncio.to_thread(engine.home.project)
    for reply in (*first, *second):
        explained = explain(engine.home, reply.inference or "")
        assert explained.same, reply
        assert isinstance(explained.inference, Inference)
        assert explained.inference.episode is not None
    await engine.close()


async def test_what_is_said_on_a_route_that_collects_is_kept_whole(tmp_path: Path) -> None:
    (tmp_path / "freehold.toml").write_text(SETTINGS + "collect = true\n")
    data = str(tmp_path / "data")
    engine = Engine(
        tmp_path / "freehold.toml",
        {},
        node="main",
        change=lambda s: replace(s, data=replace(s.data, folder=data)),
        told=print,
    )
    await engine.open()
    ask = PipelineAsker(engine.pipeline, asyncio.get_running_loop(), None)

    direct = Question(deployment="dear", body=question("not kept").body.replace(b"support", b"dear"))
    replies = await asyncio.to_thread(ask.ask, [question("hello"), question("hello"), question("bye"), direct])
    await engine.close()

    bodies = {body.id: body for body in BodyFiles(tmp_path / "data" / "bodies").scan()}
    assert set(bodies) == {reply.inference for reply in replies[:3]}
    first, second, third = (bodies[reply.inference or ""] for reply in replies[:3])
    assert first.request == question("hello").body
    assert first.answer.text == "from the lab"
    assert (first.route, first.deployment) == ("support", "dear")
    assert first.episode == second.episode != third.episode
