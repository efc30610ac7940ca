"""What tests of the whole loop share: settings, invented messages, traffic with corrections, and jobs done at once."""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from freehold.app.asker import Awaited
from freehold.app.engine import Engine
from freehold.core.feedback import Correction, Feedback
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.gateway.exchange import Ask
from freehold.settings.tables import Settings

T = TypeVar("T")
SETTINGS = """
[simulated.lab]
answers = "answers.jsonl"
skill = 0.85
price = { input = "5", output = "25" }
[simulated.liar]
reply = "never right"
[deployments.liar]
provider = "liar"
model = "liar"
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
    await asyncio.to_thread(engine.bodies.flush)  # whoever reads them in another home finds them all


Change = Callable[[Settings], Settings]


def written(folder: Path) -> tuple[Path, Change]:
    """A settings file with a provider that is mostly right, and what puts its data beside it."""
    rows = messages()
    (folder / "answers.jsonl").write_bytes(b"\n".join(msgspec.json.encode({"text": t, "reply": r}) for t, r in rows))
    (folder / "freehold.toml").write_text(SETTINGS)
    data = str(folder / "data")
    return folder / "freehold.toml", lambda s: replace(s, data=replace(s.data, folder=data))
