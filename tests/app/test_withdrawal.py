"""What is withdrawn: models made of it serve no more, and successors are made without it; the ledger has every act."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from flywheel_world import Change, Once, messages, traffic, written
from msgspec.structs import replace

from freehold.app.asker import PipelineAsker
from freehold.app.engine import Engine
from freehold.app.flywheel import Flywheel
from freehold.app.home import Home
from freehold.app.withdrawal import Touched, consent, erased, kinds, stance
from freehold.core.errors import InvalidRequest
from freehold.core.tuned import Tuned
from freehold.flywheel.curation.candidate import Query
from freehold.flywheel.curation.gates import Policy
from freehold.flywheel.evaluation.replay import Question
from freehold.flywheel.jobs.job import Json
from freehold.flywheel.rollout.state import Plan, RolloutState, promote, start
from freehold.ledger import reader
from freehold.ledger.entry import Act
from freehold.settings.load import load

T = TypeVar("T")
TUNING: Json = {"name": "own", "dataset": "support", "seed": 5, "params": {"accuracy": 0.95, "threads": 1}}
REASON = "a subject withdrew its consent"


class House:
    """A data folder with a gateway's engine, its flywheel, and the model own, full on the route support."""

    def __init__(self, file: Path, change: Change, engine: Engine, home: Home) -> None:
        self.engine = engine
        self.home = home
        self.flywheel = Flywheel(home, file, {}, change=change)
        self.jobs = kinds(self.flywheel)
        self.data = home.folder

    def full(self) -> None:
        """Build, tune, roll out as far as it goes."""
        self.flywheel.build("support", Query(route="support"), Policy())
        self.jobs["tune"](TUNING, Once())
        plan = Plan(shares=(1.0,), margin=0.1)
        state = start(
            id="r1", route="support", candidate="own", plan=plan, actor="ann", at=1, two_people=True, before=None
        )
        self.home.move(None, state)
        proposed = promote(state, actor="ann", at=2, why="")
        self.home.move(state, proposed)
        self.home.move(proposed, promote(proposed, actor="ben", at=3, why=""))

    def model(self, name: str) -> Tuned:
        known = self.home.models.get(name)
        assert known is not None
        return known[0]

    @property
    def rollout(self) -> RolloutState:
        known = self.home.rollouts.get("support")
        assert known is not None
        return known[0]

    async def asked(self) -> str | None:
        """Which deployment answers a caller now."""
        await self.engine.renew()
        body = {"model": "support", "messages": [{"role": "user", "content": "my card is lost, that is my card"}]}
        question = Question(deployment="support", body=msgspec.json.encode(body))
        ask = PipelineAsker(self.engine.pipeline, asyncio.get_running_loop(), None)
        return (await asyncio.to_thread(ask.ask, [question]))[0].by

    def acts(self) -> list[tuple[str, str, str]]:
        every = [e for home in reader.homes(self.data / "ledger") for _, e in reader.read(home) if isinstance(e, Act)]
        every.sort(key=lambda act: act.at)
        return [(a.verb, a.subject, a.detail) for a in every if not a.verb.startswith(("ledger.", "settings."))]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    file, change = written(tmp_path)
    engine = Engine(file, {}, node="main", change=change, told=print)
    await engine.open()
    await traffic(engine, messages()[:200])
    home = Home(change(load(file, {})))
    made = House(file, change, engine, home)
    await asyncio.to_thread(made.full)
    yield made
    await engine.close()
    home.close()


async def test_after_a_withdrawn_consent_the_model_rests_and_its_successor_is_offered(house: House) -> None:
    assert await house.asked() == "own"
    before = len(house.acts())

    touched = await asyncio.to_thread(consent, house.flywheel, "u3", allowed=False)

    old = house.model("own")
    assert touched == Touched(datasets=(old.dataset,), models=("own",), routes=("support",))
    assert (old.state, old.reason) == ("quarantined", REASON)
    assert await house.asked() == "sage"

    done = await asyncio.to_thread(house.jobs["retune"], {"model": "own"}, Once())

    new = house.model("own-2")
    assert (new.replaces, new.state, new.method) == ("own", "active", "student")
    assert done["routes"] == {"support": "in shadow"}
    assert (house.rollout.candidate, house.rollout.step, house.rollout.two_people) == ("own-2", "shadow", True)
    assert house.rollout.plan == Plan(shares=(1.0,), margin=0.1)
    run = house.home.runs.get(new.run)
    assert run is not None
    assert (run[0].seed, run[0].params, run[0].method) == (5, TUNING["params"], "student")
    pseudonym = house.flywheel.pseudonym()("u3")
    assert pseudonym in {e.subject for e in house.flywheel.load(old.dataset)}
    assert pseudonym not in {e.subject for e in house.flywheel.load(new.dataset)}
    assert await house.asked() == "sage"  # a successor earns its traffic too

    assert [(verb, subject) for verb, subject, _ in house.acts()[before:]] == [
        ("consent.denied", pseudonym),
        ("dataset.quarantined", old.dataset),
        ("model.quarantined", "own"),
        ("rollout.moved", "support"),
        ("dataset.built", new.dataset),
        ("model.tuned", "own-2"),
        ("evaluation.ended", new.dataset),
        ("rollout.moved", "support"),
    ]
    assert house.acts()[-1][2] == "own-2 shadow 0: in place of own"


async def test_an_erased_subject_is_in_no_successor_though_it_never_denied(house: House) -> None:
    assert house.home.bodies.forget(subject="u3") == 1
    touched = await asyncio.to_thread(erased, house.flywheel, "u3")
    await asyncio.to_thread(house.jobs["retune"], {"model": "own"}, Once())

    assert touched.models == ("own",)
    assert house.model("own").reason == "a subject was erased"
    left = house.flywheel.load(house.model("own-2").dataset)
    assert house.flywheel.pseudonym()("u3") not in {e.subject for e in left}


async def test_a_retuning_whose_worker_dies_in_every_step_ends_as_if_it_had_not(house: House) -> None:
    await asyncio.to_thread(consent, house.flywheel, "u3", allowed=False)
    steps, deaths = Dying(), 0

    while True:
        try:
            done = await asyncio.to_thread(house.jobs["retune"], {"model": "own"}, steps)
        except Died:
            deaths += 1
        else:
            break

    assert deaths == len(steps.done) > 5
    assert done["model"] == "own-2"
    assert [m.name for m in house.home.models.all()] == ["own-2", "own"]
    assert (house.rollout.candidate, [m.step for m in house.rollout.moves]) == ("own-2", ["shadow"])


async def test_a_successor_whose_evaluation_rejects_it_is_not_offered(house: House) -> None:
    await asyncio.to_thread(consent, house.flywheel, "u3", allowed=False)
    known = house.home.runs.get(house.model("own").run)
    assert known is not None
    spoiled = replace(known[0], method="prompt", params={"base": "liar"})
    house.home.runs.put(spoiled.id, spoiled, version=known[1], at=9)

    done = await asyncio.to_thread(house.jobs["retune"], {"model": "own"}, Once())

    assert done["routes"] == {"support": "rejected by its evaluation"}
    assert (house.rollout.candidate, house.rollout.step) == ("own", "rolled_back")


async def test_terms_that_are_withdrawn_leave_what_people_wrote_and_may_be_given_back(house: House) -> None:
    before = house.flywheel.load("support")
    assert any(e.rejected for e in before)

    touched = await asyncio.to_thread(stance, house.flywheel, "lab", allowed=False)
    await asyncio.to_thread(house.jobs["retune"], {"model": "own"}, Once())

    assert (touched.models, house.model("own").reason) == (("own",), "the terms of lab were withdrawn")
    after = house.flywheel.load(house.model("own-2").dataset)
    assert {e.source for e in after} == {"correction"}
    assert not any(e.rejected for e in after)

    again = await asyncio.to_thread(stance, house.flywheel, "simulated", allowed=False)  # its kind: nothing is left
    assert again == Touched()
    for account in ("lab", "simulated"):
        await asyncio.to_thread(stance, house.flywheel, account, allowed=True)
    built = await asyncio.to_thread(house.flywheel.build, "support", Query(route="support"), Policy())
    assert built.bill.reference == house.model("own").dataset
    listed = house.flywheel.datasets.find(built.bill.reference)
    assert listed is not None
    assert listed.state == "active"
    assert ("dataset.released", built.bill.reference, "the terms of lab were withdrawn") in house.acts()
    with pytest.raises(
        InvalidRequest, match="There is no account or kind of provider 'labs'; there are lab, liar, simulated"
    ):
        await asyncio.to_thread(stance, house.flywheel, "labs", allowed=False)


async def test_only_what_is_in_quarantine_is_made_anew_and_a_serving_name_is_not_taken(house: House) -> None:
    with pytest.raises(InvalidRequest, match="Nothing was withdrawn from 'own'"):
        house.jobs["retune"]({"model": "own"}, Once())
    with pytest.raises(InvalidRequest, match="There is no model 'other'"):
        house.jobs["retune"]({"model": "other"}, Once())
    with pytest.raises(InvalidRequest, match="own is on route support by a rollout, and a model earns its traffic"):
        house.jobs["tune"](TUNING, Once())


class Died(Exception):
    """The worker was killed after a step had run, and before that was written down."""


class Dying:
    """Steps that are run once in vain, and once more."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self._at = 0
        self._tried = False

    def step(self, name: str, function: Callable[[], T]) -> T:
        self._at += 1
        if self._at > len(self.done):
            result = msgspec.json.encode(function())
            if not self._tried:
                self._tried, self._at = True, 0
                raise Died
            self._tried = False
            self.done.append(result)
        return msgspec.json.decode(self.done[self._at - 1])  # type: ignore[arg-type]

    def progress(self, share: float, text: str) -> None:
        assert 0 <= share <= 1
