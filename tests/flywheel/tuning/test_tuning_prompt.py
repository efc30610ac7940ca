"""Few-shot prompting: the nearest answered requests are found, and put where a model heeds them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flywheel.tuning.tuning_world import Told, example, examples
from freehold.core.dataset import Example
from freehold.core.errors import InvalidRequest, SettingsWrong
from freehold.core.ports import SendHeaders, Sink
from freehold.flywheel.tuning.prompt.tuner import PromptTuner
from freehold.flywheel.tuning.tuner import Made, Task
from freehold.runtime.fewshot.index import Index
from freehold.runtime.fewshot.shots import Rules, Shot, Shots, ShotsUpstream, save


def tuned(folder: Path, train: Sequence[Example], validation: Sequence[Example] = (), **params: Any) -> Made:
    one = Task(
        name="inbox",
        dataset="inbox@abc",
        train=train,
        validation=validation,
        work=folder / "work",
        artifacts=folder / "artifacts",
        params={"base": "strong", **params},
    )
    return PromptTuner().tune(one, Told())


def body(*messages: dict[str, Any], **more: Any) -> bytes:
    return msgspec.json.encode({"model": "inbox", "messages": list(messages), **more})


def said(changed: bytes) -> list[tuple[str, Any]]:
    return [(m["role"], m["content"]) for m in msgspec.json.decode(changed)["messages"]]


def test_the_nearest_examples_come_before_the_question_and_after_the_instructions(tmp_path: Path) -> None:
    made = tuned(tmp_path, examples(30), count=2)
    shots = Shots.load(made.path)
    changed = shots.rewrite(
        body(
            {"role": "system", "content": "One word."},
            {"role": "user", "content": "My money, number 7!"},
            temperature=0,
        )
    )
    messages = said(changed)
    assert messages[0] == ("system", "One word.")
    assert messages[-1] == ("user", "My money, number 7!")
    assert messages[3:5] == [("user", "Please help, money number 7."), ("assistant", "refund")]
    assert len(messages) == 6
    assert msgspec.json.decode(changed)["temperature"] == 0
    assert made.base == "strong"


def test_all_but_the_messages_stays_byte_for_byte(tmp_path: Path) -> None:
    shots = Shots.load(tuned(tmp_path, examples(9), count=1).path)
    odd = b'{"model":"x","n":1.50,"messages":[{"role":"user","content":[{"type":"text","text":"money"}],"name":"z"}]}'
    changed = shots.rewrite(odd)
    assert changed.startswith(b'{"model":"x","n":1.50,"messages":[{')
    assert changed.endswith(b',{"role":"user","content":[{"type":"text","text":"money"}],"name":"z"}]}')


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}],
        [{"role": "user", "content": "zzz qqq"}],
    ],
    ids=["none", "empty", "only a picture", "nothing alike"],
)
def test_a_request_without_anything_to_go_by_passes_unchanged(messages: list[Any], tmp_path: Path) -> None:
    shots = Shots.load(tuned(tmp_path, examples(9), count=2).path)
    given = body(*messages)
    assert shots.rewrite(given) == given


def test_the_index_ranks_as_the_cosine_of_tf_idf_does() -> None:
    texts = ["the parcel is late", "the parcel is lost", "refund the money", "money money money", ""]
    index = Index.of(texts)
    for row, text in enumerate(texts[:-1]):
        likeness = index.similarity(text)
        assert likeness[row] == pytest.approx(1.0, abs=1e-5)
        assert likeness.argmax() == row
        assert likeness.max() <= 1.0 + 1e-5
    assert index.similarity("parcel lost?").argmax() == 1
    assert index.similarity("").max() == 0


def test_one_answer_does_not_crowd_out_the_others() -> None:
    rows = [Shot(f"parcel late {i}", "delivery") for i in range(8)] + [Shot("parcel refund", "refund")]
    view = Shots(Rules(base="b", count=4), rows, Index.of([s.text for s in rows]))
    shown = [s.target for s in view.nearest("parcel late")]
    assert sorted(shown) == ["delivery", "delivery", "delivery", "refund"]
    assert shown[-1] == "delivery"


def test_examples_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    long = example("money " * 200, "refund")
    made = tuned(tmp_path, [*examples(9), long], count=9, max_tokens=30)
    shots = Shots.load(made.path).nearest("money " * 150)
    assert 0 < sum(len(s.text) + len(s.target) for s in shots) <= 120


def test_as_many_examples_are_shown_as_the_validation_split_asks_for(tmp_path: Path) -> None:
    clear = tuned(tmp_path / "clear", examples(30), examples(9))
    assert clear.metrics == {"count": 1.0, "examples": 30.0, "answer_among_examples": 1.0}
    mixed = [example(f"help number {i}", f"word {i % 4}") for i in range(32)]
    asked = [example(f"help nr {i}", f"word {(i + 1) % 4}") for i in range(12)]
    more = tuned(tmp_path / "mixed", mixed, asked)
    assert more.metrics["count"] > 1


def test_of_one_question_the_most_trusted_answer_is_shown(tmp_path: Path) -> None:
    told = [
        example("Where?", "old", at=1),
        example("Where?", "new", at=2),
        example("Where?", "doubtful", at=3, weight=0.5),
    ]
    shots = Shots.load(tuned(tmp_path, told).path)
    assert [s.target for s in shots.nearest("Where?")] == ["new"]


def test_the_same_examples_give_the_same_artifact(tmp_path: Path) -> None:
    first, second = tuned(tmp_path / "a", examples(9)), tuned(tmp_path / "b", examples(9))
    assert first.digest == second.digest
    assert Path(first.path).name == f"inbox-{first.digest[:12]}"


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no examples with words"):
        tuned(tmp_path, [example("  ", "x")])
    with pytest.raises(InvalidRequest, match="count"):
        tuned(tmp_path, examples(3), count="many")
    with pytest.raises(SettingsWrong, match="holds no examples"):
        Shots.load(tmp_path)


class Kept:
    """An upstream that keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, SendHeaders, bytes]] = []
        self.closed = False

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> Any:
        self.asked.append((path, headers, body))
        return "sending"

    async def close(self) -> None:
        self.closed = True


async def test_an_upstream_is_asked_with_examples_and_stays_its_owners(tmp_path: Path) -> None:
    save(tmp_path, Rules(base="b", count=1), [Shot("where is it", "there")])
    base = Kept()
    upstream = ShotsUpstream(base, Shots.load(tmp_path))
    sink: Any = object()
    assert upstream.send("/chat", (("a", "b"),), body({"role": "user", "content": "where"}), sink) == "sending"
    ((path, headers, sent),) = base.asked
    assert (path, headers) == ("/chat", (("a", "b"),))
    assert said(sent) == [("user", "where is it"), ("assistant", "there"), ("user", "where")]
    await upstream.close()
    assert not base.closed
