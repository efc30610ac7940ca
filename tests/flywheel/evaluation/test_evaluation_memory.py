"""What replays remember: by content, and never again of a deployment that was taken back."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from freehold.core.dataset import Example
from freehold.core.request import Message, TextPart
from freehold.flywheel.evaluation.judging import both_orders
from freehold.flywheel.evaluation.replay import Cached, Question, Reply, purge, question

EXAMPLE = Example(id="e", messages=(Message("user", (TextPart("hello"),)),), target="yes", source="label")


class Counting:
    """Answers, and counts the questions of each deployment."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask(self, questions: Sequence[Question]) -> Sequence[Reply]:
        self.asked += [q.deployment for q in questions]
        return [Reply(text=f"from {q.deployment}", outcome="answered", by=q.deployment) for q in questions]


def every() -> list[Question]:
    """Two deployments asked, and a judge about both."""
    a, b = (Reply(text=f"from {d}", outcome="answered", by=d) for d in ("ours", "dear"))
    return [question(EXAMPLE, "ours"), question(EXAMPLE, "dear"), *both_orders("judge", EXAMPLE, a, b)]


def test_what_was_remembered_of_a_deployment_is_not_used_once_it_was_taken_back(tmp_path: Path) -> None:
    asker = Counting()
    Cached(asker, tmp_path).ask(every())
    Cached(asker, tmp_path).ask(every())
    assert asker.asked == ["ours", "dear", "judge", "judge"]

    for times in (1, 2):
        asker.asked = []
        replies = Cached(asker, tmp_path, withdrawals={"ours": times}).ask(every())
        assert asker.asked == ["ours", "judge", "judge"]  # also what a judge said of its answers
        assert [r.cached for r in replies] == [False, True, False, False]


def test_a_purge_removes_what_is_about_a_deployment_and_nothing_else(tmp_path: Path) -> None:
    asker = Counting()
    Cached(asker, tmp_path).ask(every())
    (tmp_path / "ab").mkdir(exist_ok=True)
    (tmp_path / "ab" / "damaged.json").write_bytes(b"{")

    assert purge(tmp_path, "ours") == 4
    assert purge(tmp_path, "ours") == 0

    (left,) = tmp_path.glob("*/*.json")
    assert msgspec.json.decode(left.read_bytes())["about"] == ["dear"]
    assert b"from ours" not in b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())


def test_a_purge_of_what_was_never_remembered_does_nothing(tmp_path: Path) -> None:
    assert purge(tmp_path / "nothing", "ours") == 0
