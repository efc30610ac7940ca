"""A rollout at work: copies in shadow, evidence from feedback, canaries, and guards that take a bad candidate back."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from freehold.app.asker import Awaited
from freehold.app.engine import Engine
from freehold.core.feedback import Correction, Feedback
from freehold.core.inference import Inference
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.flywheel.evaluation.replay import Cached, Question, Reply
from freehold.flywheel.rollout.evidence import Shown
from freehold.flywheel.rollout.state import Plan, RolloutState, roll_back, start
from freehold.flywheel.verdict.verdict import Approve, Design, verdict
from freehold.gateway.exchange import Ask
from freehold.ledger import reader
from freehold.ledger.entry import Act
from freehold.store.documents import SqlDocuments

LABELS = ("card_lost", "fee", "rate", "close")
SETTINGS = """
[simulated.lab]
answers = "answers.jsonl"
skill = 0.95
seed = 7
price = {{ input = "1", output = "2" }}
[simulated.own]
answers = "answers.jsonl"
seed = 7
{own}
[deployments.dear]
provider = "lab"
model = "dear"
[deployments.ours]
provider = "own"
model = "ours"
price = {{ input = "0.01", output = "0.02" }}
[routes.support]
deployments = ["dear"]
"""


def right(number: int) -> str:
    return LABELS[number % 4]


def question(number: int) -> Question:
    body = {"model": "support", "messages": [{"role": "user", "content": f"message number {number}"}]}
    return Question(deployment="support", body=msgspec.json.encode(body))


class House:
    """An engine whose route support has a rollout from dear to ours."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder

    @property
    def state(self) -> RolloutState:
        found = self.engine.home.rollouts.get("support")
        assert found is not None
        return found[0]

    async def ask(self, numbers: range) -> list[Reply]:
        """Each message asked as a caller would; ours answers its own way."""
        return list(await asyncio.gather(*(self._as_caller(n) for n in numbers)))

    async def _as_caller(self, number: int) -> Reply:
        end = Awaited()
        self.engine.pipeline.infer(Ask(dialect=OPENAI_CHAT, body=question(number).body), end)
        return await end.reply

    async def correct(self, numbers: range, replies: list[Reply]) -> None:
        """People say what the answers should have been."""
        rows = [
            Feedback(
                id=f"f{reply.inference}",
                at=time.time_ns(),
                judgement=Correction(right(n)),
                inference=reply.inference,
            )
            for n, reply in zip(numbers, replies, strict=True)
        ]
        await asyncio.to_thread(self.engine.home.feedback.put, rows)

    async def look(self) -> None:
        rollouts = self.engine.rollouts
        assert rollouts is not None
        await rollouts.idle()
        await rollouts.look()
        await self.engine.renew()

    def acts(self) -> list[tuple[str, str, str]]:
        entries = reader.read(self.folder / "ledger" / "main")
        return [(e.verb, e.subject, e.detail) for _, e in entries if isinstance(e, Act) and e.verb == "rollout.moved"]


@asynccontextmanager
async def house(tmp_path: Path, plan: Plan, own: str, route: str = "") -> AsyncIterator[House]:
    rows = [{"text": f"message number {n}", "reply": right(n)} for n in range(4000)]
    (tmp_path / "answers.jsonl").write_bytes(b"\n".join(msgspec.json.encode(r) for r in rows))
    (tmp_path / "freehold.toml").write_text(SETTINGS.format(own=own) + route)
    data = tmp_path / "data"
    engine = Engine(
        tmp_path / "freehold.toml",
        {},
        node="main",
        change=lambda s: replace(s, data=replace(s.data, folder=str(data))),
        told=print,
    )
    await engine.open()
    state = start(
        id="r1", route="support", candidate="ours", plan=plan, actor="ann", at=1, two_people=False, before=None
    )
    engine.home.move(None, state)
    await engine.renew()
    try:
        yield House(engine, data)
    finally:
        await engine.close()


async def test_a_good_candidate_goes_from_shadow_to_full_by_its_evidence(tmp_path: Path) -> None:
    plan = Plan(automatic=True, margin=0.05, shares=(0.5,), canary_conversations=50, latency_ratio=None)
    async with house(tmp_path, plan, "skill = 0.97") as h:
        at = 0
        for _ in range(40):
            numbers = range(at, at + 50)
            at += 50
            replies = await h.ask(numbers)
            if h.state.step == "shadow":
                assert {r.by for r in replies} == {"dear"}  # no caller sees a candidate in shadow
            await h.look()
            await h.correct(numbers, replies)
            await h.look()
            if h.state.step == "full":
                break

        assert [m.step for m in h.state.moves] == ["shadow", "canary", "full"]
        assert "approved on" in h.state.moves[1].why
        assert h.state.moves[2].why.endswith("conversations with the candidate, no alarm")
        assert {r.by for r in await h.ask(range(3000, 3020))} == {"ours"}
        shown = SqlDocuments(h.engine.home.database, "evidence", Shown).get("r1/main")
        assert shown is not None
        assert shown[0].pairs.total() > 100
        assert [verb for verb, _, _ in h.acts()] == ["rollout.moved", "rollout.moved"]
        await asyncio.to_thread(h.engine.home.project)
        purposes = {i.purpose for i in h.engine.home.inferences.query(limit=5000) if isinstance(i, Inference)}
        assert purposes == {"caller", "shadow"}


async def test_a_candidate_that_fails_is_taken_back_while_callers_are_served(tmp_path: Path) -> None:
    plan = Plan(shares=(0.5,), requests_a_day=1000)
    async with house(tmp_path, plan, 'fault = "status"\nerror_rate = 1.0\nskill = 0.97') as h:
        replies: list[Reply] = []
        for at in range(0, 2000, 20):
            replies += await h.ask(range(at, at + 20))
            await h.look()
            if h.state.step == "rolled_back":
                break

        assert h.state.step == "rolled_back"
        assert h.state.now.actor == "guard"
        assert h.state.now.why.startswith("the guard of errors raised an alarm after")
        assert {(r.outcome, r.by) for r in replies} == {("answered", "dear")}
        assert h.acts()[-1][2].startswith("ours rolled_back 0: the guard of errors")


async def test_what_a_candidate_said_is_forgotten_when_a_guard_takes_it_back(tmp_path: Path) -> None:
    plan = Plan(shares=(0.5,), requests_a_day=1000)
    async with house(tmp_path, plan, 'fault = "status"\nerror_rate = 1.0\nskill = 0.97') as h:
        asked = [Question(deployment=d, body=b"{}") for d in ("ours", "dear")]
        await asyncio.to_thread(Cached(Remembered(), h.engine.home.replays).ask, asked)
        assert len(list(h.engine.home.replays.glob("*/*.json"))) == 2
        for at in range(0, 2000, 20):
            await h.ask(range(at, at + 20))
            await h.look()
            if h.state.step == "rolled_back":
                break
        rollouts = h.engine.rollouts
        assert rollouts is not None
        await rollouts.idle()

        (left,) = h.engine.home.replays.glob("*/*.json")
        assert b'"dear"' in left.read_bytes()
        (mark,) = h.engine.home.withdrawn.all()
        assert (mark.deployment, [t.route for t in mark.times]) == ("ours", ["support"])
        assert mark.times[0].why == h.state.now.why


async def test_a_new_rollout_of_the_same_candidate_begins_without_what_the_old_one_showed(tmp_path: Path) -> None:
    async with house(tmp_path, Plan(latency_ratio=None), "skill = 0.97") as h:
        replies = await h.ask(range(10))
        await h.look()
        await h.correct(range(10), replies)
        await h.look()
        evidence = SqlDocuments(h.engine.home.database, "evidence", Shown)
        before = evidence.get("r1/main")
        assert before is not None
        assert before[0].pairs.total() == 10
        back = roll_back(h.state, actor="ann", at=2, why="")
        h.engine.home.move(h.state, back)
        again = start(
            id="r2", route="support", candidate="ours", plan=Plan(), actor="a", at=3, two_people=False, before=back
        )
        h.engine.home.move(back, again)
        await h.engine.renew()
        await h.ask(range(60, 70))
        await h.look()

        after = evidence.get("r2/main")
        assert after is not None
        assert (after[0].copies, after[0].pairs.total()) == (10, 0)


class Remembered:
    """Answers whatever is asked."""

    def ask(self, questions: Sequence[Question]) -> Sequence[Reply]:
        return [Reply(text="said", outcome="answered", by=q.deployment) for q in questions]


async def test_a_candidate_that_answers_worse_is_found_by_what_people_correct(tmp_path: Path) -> None:
    plan = Plan(shares=(0.5,), requests_a_day=1000, latency_ratio=None)
    async with house(tmp_path, plan, "skill = 0.6") as h:
        for at in range(0, 2000, 50):
            numbers = range(at, at + 50)
            replies = await h.ask(numbers)
            await h.look()
            await h.correct(numbers, replies)
            await h.look()
            if h.state.step == "rolled_back":
                break

        assert h.state.now.why.startswith("the guard of quality raised an alarm after")


async def test_on_a_pinned_route_nothing_moves_by_itself(tmp_path: Path) -> None:
    plan = Plan(automatic=True, margin=0.3, shares=(0.5,), latency_ratio=None)
    async with house(tmp_path, plan, "skill = 0.97", route="pinned = true") as h:
        for at in range(0, 200, 50):
            numbers = range(at, at + 50)
            replies = await h.ask(numbers)
            await h.look()
            await h.correct(numbers, replies)
            await h.look()

        assert h.state.step == "shadow"
        shown = SqlDocuments(h.engine.home.database, "evidence", Shown).get("r1/main")
        assert shown is not None
        assert isinstance(verdict(Design(margin=0.3), shown[0].pairs), Approve)  # it could have moved
