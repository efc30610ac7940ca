"""Replays go through a pipeline of their own, and are recorded, paid and bounded like any request."""

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from freehold.app.asker import asker
from freehold.app.home import Home
from freehold.flywheel.evaluation.replay import Cached, Question
from freehold.settings.load import load
from freehold.settings.tables import Settings

SETTINGS = """
[simulated.lab]
reply = "forty-two"
price = { input = "1", output = "2" }
[deployments.small]
provider = "lab"
model = "small"
"""


def write(tmp_path: Path) -> tuple[Path, Callable[[Settings], Settings]]:
    file = tmp_path / "freehold.toml"
    file.write_text(SETTINGS)
    folder = str(tmp_path / "data")
    return file, lambda s: replace(s, data=replace(s.data, folder=folder))


def question(text: str, model: str = "small") -> Question:
    body = {"model": model, "max_tokens": 10, "messages": [{"role": "user", "content": text}]}
    return Question(deployment=model, body=msgspec.json.encode(body), of="inference-0")


def test_questions_are_answered_in_order_and_recorded_as_replays(tmp_path: Path) -> None:
    file, change = write(tmp_path)
    with asker(file, {}, change=change, name="evaluate-1", told=print) as ask:
        replies = ask.ask([question("a"), question("b", model="nobody"), question("c")])

    assert [r.text for r in replies] == ["forty-two", "", "forty-two"]
    assert [r.outcome for r in replies] == ["answered", "refused", "answered"]
    assert "No route, model or deployment is called 'nobody'" in (replies[1].error or "")
    home = Home(change(load(file, {})))
    record = home.find(replies[0].inference or "")
    home.close()
    assert record is not None
    assert (record.purpose, record.of, record.key, record.deployment) == (  # type: ignore[union-attr]
        ("replay", "inference-0", "evaluate-1", "small")
    )


def test_two_askers_share_a_data_folder_with_a_ledger_each(tmp_path: Path) -> None:
    file, change = write(tmp_path)
    with (
        asker(file, {}, change=change, name="one", told=print) as one,
        asker(file, {}, change=change, name="two", told=print) as two,
    ):
        assert one.ask([question("a")])[0].outcome == two.ask([question("a")])[0].outcome == "answered"

    assert sorted(p.name for p in (tmp_path / "data" / "ledger").iterdir()) == ["worker-1", "worker-2"]


def test_a_budget_ends_the_replays(tmp_path: Path) -> None:
    file, change = write(tmp_path)
    with asker(file, {}, change=change, name="poor", budget=1, told=print) as ask:
        reply = ask.ask([question("a")])[0]

    assert reply.outcome == "refused"
    assert "budget" in (reply.error or "").lower()


def test_a_question_asked_again_is_answered_from_memory(tmp_path: Path) -> None:
    file, change = write(tmp_path)
    with asker(file, {}, change=change, name="evaluate-1", told=print) as ask:
        cached = Cached(ask, tmp_path / "cache")
        first = cached.ask([question("a")])[0]
        second, third = cached.ask([question("a"), question("b")])
        other = Cached(ask, tmp_path / "cache", epoch="2").ask([question("a")])[0]

    assert (first.cached, second.cached, third.cached, other.cached) == (False, True, False, False)
    assert second.inference == first.inference
