"""Implicit signals are read off what was collected, kept once, and weighed by what people said of the same answers."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from freehold.core.events import Choice
from freehold.core.feedback import Feedback, Thumb
from freehold.core.interaction import Body
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.flywheel.feedback.implicit import PRIORS
from freehold.flywheel.feedback.observe import Observed, observe, weighed
from freehold.store.bodies.writer import WritingBodies
from freehold.store.database import Database
from freehold.store.feedback import SqlFeedback


class World:
    def __init__(self, folder: Path) -> None:
        self.database = Database.open(folder / "store.db")
        self.feedback = SqlFeedback(self.database)
        self.bodies = WritingBodies.open(folder / "bodies", node="main", told=print)

    def asked(self, n: int, text: str, episode: str | None, **more: Any) -> None:
        request = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
        made: dict[str, Any] = {"dialect": "openai-chat", "request": request} | more
        answer = Choice(text="Hello", finish="stop")
        self.bodies.put(Body(id=f"i{n}", at=n * 1_000_000_000, route="r", answer=answer, episode=episode, **made))

    def look(self, **bounds: Any) -> Observed:
        return observe(self.bodies, self.feedback, {"openai-chat": OPENAI_CHAT}, **bounds)


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    found = World(tmp_path)
    yield found
    found.bodies.close()
    found.database.close()


def test_retries_within_an_episode_are_kept_once_however_often_one_looks(world: World) -> None:
    world.asked(1, "where is my card", "e")
    world.asked(2, "where is my card", "e")
    world.asked(3, "where is my card", "other")
    world.asked(4, "where is my card", None)
    assert world.look().signals == {"retry": 1}
    assert world.look().signals == {"retry": 1}
    assert [(f.inference, f.origin, f.reliability) for f in world.feedback.about(inferences=["i1", "i2", "i3"])] == [
        ("i1", "retry", PRIORS["retry"])
    ]


def test_what_cannot_be_read_is_counted(world: World) -> None:
    world.asked(1, "a", "e", dialect="unknown")
    world.asked(2, "a", "e", request=b"{")
    assert world.look().unread == 2


def test_signals_are_weighed_by_how_often_people_agreed_with_them(world: World) -> None:
    for n in range(40):
        world.asked(2 * n, f"question {n}", f"e{n}")
        world.asked(2 * n + 1, f"question {n}", f"e{n}")
        bad = n % 10 != 0
        world.feedback.put(
            [Feedback(id=f"f{n}", at=n, judgement=Thumb(not bad), inference=f"i{2 * n}", reliability=0.95)]
        )
    world.asked(98, "nobody judged this", "unjudged")
    world.asked(99, "nobody judged this", "unjudged")
    observed = world.look()
    assert world.look().measured == observed.measured  # a signal is no witness for itself
    found = observed.measured["retry"]
    assert (found.pairs, found.right) == (40, 36)
    assert found.reliability == (PRIORS["retry"] * 20 + 36) / 60
    kept = [f for f in world.feedback.about(inferences=["i2"]) if f.origin == "retry"]
    assert [f.reliability for f in kept] == [found.reliability]
    assert observed.reliability["edit"] == PRIORS["edit"]


def test_what_people_said_keeps_its_own_weight() -> None:
    person = Feedback(id="a", at=1, judgement=Thumb(True), inference="i", reliability=0.6)
    retry = Feedback(id="b", at=1, judgement=Thumb(False), inference="i", origin="retry", reliability=0.7)
    assert [f.reliability for f in weighed([person, retry], {"retry": 0.9, "person": 0.1})] == [0.6, 0.9]
