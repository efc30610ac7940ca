"""Lineage goes both ways."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from freehold.core.tuned import Run, Tuned
from freehold.flywheel.lineage import Node, Records, from_inferences, to_sources, touched
from freehold.flywheel.rollout.state import Plan, promote, roll_back, start
from freehold.store.datasets import Listed

OLD = Listed(digest="a" * 64, name="support", at=1, examples=2, folder="x")
NEW = Listed(digest="b" * 64, name="support", at=2, examples=3, folder="y", state="quarantined", reason="erased")
INFERENCES = {OLD.digest: ["i1", "i2"], NEW.digest: ["i2", "i3"]}
SUBJECTS = {"i1": "ann", "i2": "bob", "i3": "bob"}
MODEL = Tuned(
    name="own",
    digest="c" * 64,
    method="lora",
    base="tiny",
    path="p",
    dataset=f"support@{'a' * 12}",
    run="r1",
    created_at=3,
)
RUN = Run(id="r1", kind="tune", started_at=0, ended_at=2_500_000_000, seed=7)
ROLLOUT = promote(
    start(id="1", route="chat", candidate="own", plan=Plan(), actor="a", at=1, two_people=False, before=None),
    actor="a",
    at=2,
    why="",
)


def made_from(inferences: Sequence[str]) -> Sequence[Listed]:
    return [d for d in (NEW, OLD) if set(inferences) & set(INFERENCES[d.digest])]


RECORDS = Records(
    datasets=(NEW, OLD),
    runs=(RUN,),
    models=(MODEL,),
    rollouts=(ROLLOUT,),
    made_from=made_from,
    inferences_of=lambda digest: INFERENCES[digest],
    subjects_of=lambda ids: sorted({SUBJECTS[i] for i in ids}),
)


def test_an_inference_leads_to_every_dataset_model_and_route_that_has_something_of_it() -> None:
    found = from_inferences(["i2"], RECORDS)

    served = Node(kind="rollout", name="chat", facts=("canary", "5% of the conversations"))
    model = Node(kind="model", name="own", facts=("lora of tiny", "artifact cccccccccccc"), next=(served,))
    assert found == (
        Node(kind="dataset", name=f"support@{'b' * 12}", facts=("3 examples", "quarantined: erased")),
        Node(kind="dataset", name=f"support@{'a' * 12}", facts=("2 examples",), next=(model,)),
    )
    assert [node.name for node in from_inferences(["i1"], RECORDS)] == [f"support@{'a' * 12}"]


def test_a_model_leads_back_to_its_run_dataset_and_people() -> None:
    found = to_sources(MODEL, RECORDS)

    assert [(n.kind, n.name) for n in found.next] == [("run", "r1"), ("dataset", f"support@{'a' * 12}")]
    assert found.next[0].facts == ("2.5 s", "seed 7")
    assert found.next[1].next == (Node(kind="inferences", name="2 inferences", facts=("of 2 subjects",)),)


def test_what_is_withdrawn_touches_just_what_was_made_of_it() -> None:
    assert touched(["i3"], RECORDS) == ((NEW,), ())
    assert touched(["i1"], RECORDS) == ((OLD,), (MODEL,))
    assert touched(["i9"], RECORDS) == ((), ())


def test_a_successor_and_the_model_it_replaces_lead_to_each_other() -> None:
    old = replace(MODEL, state="quarantined", reason="a subject withdrew its consent", dataset=f"support@{'b' * 12}")
    new = replace(MODEL, name="own-2", replaces="own")
    records = replace(RECORDS, models=(new, old))

    _, *_, before = to_sources(new, records).next
    assert (before.name, before.facts[0]) == ("own", "which it replaces")
    assert before.facts[-1] == "quarantined: a subject withdrew its consent"
    (dataset,) = from_inferences(["i3"], records)
    (gone,) = dataset.next
    assert [n.name for n in gone.next] == ["chat", "own-2"]
    assert gone.next[1].facts[0] == f"made anew in its place, from support@{'a' * 12}"


def test_a_rollout_that_has_no_share_tells_none() -> None:
    back = roll_back(ROLLOUT, actor="a", at=3, why="")
    (_, dataset) = from_inferences(["i2"], replace(RECORDS, rollouts=(back,)))

    assert dataset.next[0].next == (Node(kind="rollout", name="chat", facts=("rolled back",)),)


@pytest.mark.parametrize(
    ("joules", "said"),
    [
        (27.0, "under 0.1 Wh"),
        (3_600.0, "about 1 Wh"),
        (9_000.0, "about 2.5 Wh"),
        (3.6e5 - 1000, "about 0.1 kWh"),
        (9e6, "about 2.5 kWh"),
    ],
)
def test_energy_is_told_in_a_unit_that_fits(joules: float, said: str) -> None:
    found = to_sources(MODEL, replace(RECORDS, runs=(replace(RUN, energy=joules),)))

    assert found.next[0].facts[-1] == said
