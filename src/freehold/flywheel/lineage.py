"""Lineage: from a person or an inference to what was made of it, and from a model back to its sources. Pure."""

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from freehold.core.tuned import Run, Tuned
from freehold.flywheel.rollout.state import RolloutState
from freehold.store.datasets import Listed

Kind = Literal["subject", "inferences", "dataset", "run", "model", "rollout"]


class Node(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A thing, facts about it, and what follows: what was made of it going down, what it was made from going up."""

    kind: Kind
    name: str
    facts: tuple[str, ...] = ()
    next: "tuple[Node, ...]" = ()


class Records(Struct, frozen=True, kw_only=True):
    """Where lineage looks things up."""

    datasets: Sequence[Listed]
    runs: Sequence[Run]
    models: Sequence[Tuned]
    rollouts: Sequence[RolloutState]
    made_from: Callable[[Sequence[str]], Sequence[Listed]]
    """The datasets that contain any of these inferences."""
    inferences_of: Callable[[str], Sequence[str]]
    """The inferences of a dataset, by its digest."""
    subjects_of: Callable[[Sequence[str]], Sequence[str]]
    """The subjects of these inferences."""


def named(dataset: Listed) -> str:
    return f"{dataset.name}@{dataset.digest[:12]}"


def from_inferences(inferences: Sequence[str], records: Records) -> tuple[Node, ...]:
    """What was made of some inferences: datasets, models, the routes on which these serve."""
    return tuple(from_dataset(d, records) for d in records.made_from(inferences))


def from_dataset(dataset: Listed, records: Records) -> Node:
    """What was made of a dataset."""
    name = named(dataset)
    return Node(
        kind="dataset",
        name=name,
        facts=(f"{dataset.examples:,} examples", *_state(dataset.state, dataset.reason)),
        next=tuple(_served(m, records) for m in records.models if m.dataset == name),
    )


def to_sources(model: Tuned, records: Records) -> Node:
    """What a model was made from: its run, its dataset, how many inferences and subjects stand behind that; and the
    model in whose place it was made."""
    found = [d for d in records.datasets if named(d) == model.dataset]
    runs = [r for r in records.runs if r.id == model.run]
    return Node(
        kind="model",
        name=model.name,
        facts=_facts(model),
        next=(
            *(_run(r) for r in runs),
            *(_made_from(d, records) for d in found),
            *(_in_place_of(m) for m in records.models if m.name == model.replaces),
        ),
    )


def touched(inferences: Sequence[str], records: Records) -> tuple[tuple[Listed, ...], tuple[Tuned, ...]]:
    """The datasets and models in which any of these inferences is."""
    datasets = tuple(records.made_from(inferences))
    names = {named(d) for d in datasets}
    return datasets, tuple(m for m in records.models if m.dataset in names)


def _made_from(dataset: Listed, records: Records) -> Node:
    inferences = records.inferences_of(dataset.digest)
    subjects = records.subjects_of(inferences)
    behind = Node(kind="inferences", name=f"{len(inferences):,} inferences", facts=(f"of {len(subjects):,} subjects",))
    facts = (f"{dataset.examples:,} examples", *_state(dataset.state, dataset.reason))
    return Node(kind="dataset", name=named(dataset), facts=facts, next=(behind,) if inferences else ())


def _served(model: Tuned, records: Records) -> Node:
    rollouts = tuple(_rollout(r) for r in records.rollouts if r.candidate == model.name)
    successors = tuple(
        Node(kind="model", name=m.name, facts=(f"made anew in its place, from {m.dataset}", *_facts(m)))
        for m in records.models
        if m.replaces == model.name
    )
    return Node(kind="model", name=model.name, facts=_facts(model), next=(*rollouts, *successors))


def _in_place_of(model: Tuned) -> Node:
    return Node(kind="model", name=model.name, facts=("which it replaces", *_facts(model)))


def _rollout(state: RolloutState) -> Node:
    share = (f"{state.now.share:.0%} of the conversations",) if state.step in {"canary", "full"} else ()
    return Node(kind="rollout", name=state.route, facts=(state.step.replace("_", " "), *share))


def _run(run: Run) -> Node:
    facts = [f"{(run.ended_at - run.started_at) / 1e9:.1f} s"]
    if run.seed is not None:
        facts.append(f"seed {run.seed}")
    if run.energy is not None:
        facts.append(_energy(run.energy))
    return Node(kind="run", name=run.id, facts=tuple(facts))


def _energy(joules: float) -> str:
    """In words: an estimate has no more than two digits."""
    hours = joules / 3600
    if hours < 0.1:
        return "under 0.1 Wh"
    return f"about {hours:.2g} Wh" if hours < 99.5 else f"about {hours / 1000:.2g} kWh"


def _facts(model: Tuned) -> tuple[str, ...]:
    of = f"{model.method} of {model.base}" if model.base else model.method
    return (of, f"artifact {model.digest[:12]}", *_state(model.state, model.reason))


def _state(state: str, reason: str) -> tuple[str, ...]:
    return () if state == "active" else (f"{state}: {reason}" if reason else state,)
