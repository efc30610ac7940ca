"""The fault-injection campaign: faults drawn at random over the whole packaged catalog, among ordinary changes.

Every fault is held back, with a reason that names it, and nothing else is.
"""

import random
from collections.abc import Callable

import pytest

from freehold.catalog.book import Catalog, catalog
from freehold.catalog.schema import Listing, Model
from freehold.catalog.suspicion import suspicious
from freehold.catalog.validity import check, read
from snapshots_world import Draft

TODAY = "2026-11-24"
ROUNDS = 4
EACH = 40
"""Faults of a kind in a round, and ordinary changes beside them."""

Draw = random.Random
Inject = Callable[[Draft, str, Draw], str | None]
"""Spoils an entry and says what the reason must name; None where the entry cannot have this fault."""


def ten_times(draft: Draft, name: str, draw: Draw) -> str | None:
    """One rate of one row at one source ten times higher or lower; or all rates at all sources."""
    slots = [(r, kind) for r in draft.rates(name) for kind, amount in r.items() if amount >= 10]
    if not slots:
        return None
    tenth = draw.random() < 0.5
    chosen = slots if draw.random() < 0.3 else [draw.choice(slots)]
    for rates, kind in chosen:
        rates[kind] = rates[kind] // 10 if tenth else rates[kind] * 10
    return "times"


def swapped(draft: Draft, name: str, draw: Draw) -> str | None:
    """What a cache read costs is written as what a write costs, and the other way round."""
    fits = [r for r in draft.rates(name) if r.get("cache_read") != r.get("cache_write")]
    for rates in fits if draw.random() < 0.5 else fits[:1]:
        read_, write = rates.pop("cache_read", None), rates.pop("cache_write", None)
        rates.update({k: v for k, v in (("cache_read", write), ("cache_write", read_)) if v is not None})
    return "have changed places" if fits else None


def too_long(draft: Draft, name: str, draw: Draw) -> str | None:
    """A context of a million tokens that was 128k, or something like it."""
    slots = [
        (s, kind)
        for s in draft.sightings(name)
        for kind in ("context", "max_input", "max_output")
        if 0 < s.get(kind, 0) <= 400_000
    ]
    if not slots:
        return None
    sighting, kind = draw.choice(slots)
    sighting[kind] = 1_000_000
    return "and is 1,000,000"


def too_short(draft: Draft, name: str, draw: Draw) -> str | None:
    slots = [s for s in draft.sightings(name) if s.get("context", 0) >= 400_000]
    if not slots:
        return None
    draw.choice(slots)["context"] = 128_000
    return "and is 128,000"


def another_model(draft: Draft, name: str, draw: Draw) -> str | None:
    """The id of an expensive model leads to another one."""
    listing = draft.offers[name]
    draft.file["listings"][listing["model"]].remove(listing)
    was, listing["model"] = listing["model"], draw.choice([m for m in draft.file["listings"] if m != listing["model"]])
    draft.file["listings"][listing["model"]].append(listing)
    return f"model was {was}"


def licence(draft: Draft, name: str, draw: Draw) -> str | None:
    model = draft.models[name]
    if "licence" not in model:
        return None
    kinds = {m["licence"] for m in draft.models.values() if "licence" in m}
    model["licence"] = draw.choice(sorted(kinds - {model["licence"]}))
    return f"and is {model['licence']}"


def openness(draft: Draft, name: str, draw: Draw) -> str | None:
    model = draft.models[name]
    if "open_weights" not in model:
        return None
    model["open_weights"] = not model["open_weights"]
    return "open_weights was"


def long_model(draft: Draft, name: str, draw: Draw) -> str | None:
    model = draft.models[name]
    if not 0 < model.get("context", 0) <= 400_000:
        return None
    model["context"] = 1_000_000
    return "and is 1,000,000"


def small_weights(draft: Draft, name: str, draw: Draw) -> str | None:
    """A model that would seem to fit where it does not."""
    figures = [k for k in ("parameters", "kv_bytes_per_token") if draft.models[name].get(k)]
    if not figures:
        return None
    kind = draw.choice(figures)
    draft.models[name][kind] = type(draft.models[name][kind])(draft.models[name][kind] / draw.choice([1.5, 2, 8]))
    return f"{kind} was"


def ordinary(draft: Draft, name: str, draw: Draw) -> None:
    """What changes from day to day: a price within a third, a longer context, an offer that comes, goes or ends."""
    match draw.randrange(5):
        case 0 | 1:
            draft.scale(name, draw.uniform(0.7, 1.35))
        case 2:
            for s in draft.sightings(name):
                s.update({k: s[k] * 3 // 2 for k in ("context", "max_output") if k in s})
        case 3:
            for s in draft.sightings(name):
                s.update({"tools": not s.get("tools", False), "ends": "2027-06-01"})
        case _:
            draft.add_offer(name, f"{draft.offers[name]['id']}-new")


def injected(kind: Inject, draw: Draw, *, models: bool) -> tuple[Draft, dict[str, str], set[str]]:
    """A catalog with faults of a kind (by entry, what the reason must name) and with ordinary changes (offers)."""
    draft = Draft()
    entries = list(draft.models if models else draft.offers)
    draw.shuffle(entries)
    faults: dict[str, str] = {}
    for name in entries:
        if len(faults) < EACH and (said := kind(draft, name, draw)) is not None:
            faults[name] = said
    calm = [name for name in draft.offers if name not in faults]
    changed = draw.sample(calm, EACH)
    for name in changed:
        ordinary(draft, name, draw)
    draft.add_model("a-new-model")
    draft.remove_offer(draw.choice([n for n in calm if n not in changed]))
    return draft, faults, set(changed)


def entries(file_of: Catalog) -> tuple[dict[str, Listing], dict[str, Model]]:
    return {f"{one.provider}/{one.id}": one for one in file_of.file.every()}, file_of.models


@pytest.mark.parametrize(
    "kind", [ten_times, swapped, too_long, too_short, another_model, licence, openness, long_model, small_weights]
)
def test_every_injected_fault_is_held_back_by_its_name_and_no_ordinary_change_is(kind: Inject) -> None:
    of_models = kind in {licence, openness, long_model, small_weights}
    before = entries(catalog())
    found, touched, doubted = 0, 0, 0
    for seed in range(ROUNDS):
        draft, faults, changed = injected(kind, random.Random(f"{kind.__name__} {seed}"), models=of_models)
        new = Catalog(read(draft.data))
        held = {one.subject: one for one in suspicious(catalog(), new, TODAY)}
        whole = Catalog(new.file, held.values())
        check(whole.file)
        proposed, in_force = entries(new), entries(whole)

        assert faults.keys() <= held.keys()
        for name, said in faults.items():
            assert said in "; ".join(held[name].why), held[name]
            assert in_force[of_models][name] == before[of_models][name]
        # A small change can be the one after which sources are too far apart, or another one of them counts.
        for name in held.keys() - faults.keys():
            assert name in changed
            assert all("could not be used any more" in w or w.startswith("settled: ") for w in held[name].why), held[
                name
            ]
        for name in changed - held.keys():
            assert in_force[0][name] == proposed[0][name]
        found, touched, doubted = (
            found + len(faults),
            touched + len(changed),
            doubted + len(held.keys() - faults.keys()),
        )
    assert found >= ROUNDS * 8
    assert doubted < touched * 0.05
