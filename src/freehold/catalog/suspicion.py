"""Suspicion: which entries of a new catalog are held back until the operator has seen them.

Every entry is seen beside the one that it would replace: source by source, and as settled on the day. So a fault that
only one source has is found even where another source would outvote it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from freehold.catalog.book import Catalog, Published, base
from freehold.catalog.diff import differing, spans
from freehold.catalog.doubts import of_limits, of_model, of_tariff
from freehold.catalog.held import Held, held
from freehold.catalog.observation import Source, ratio
from freehold.catalog.schema import Listing, Sighting

CROWD = 10
"""Offers of a provider, or prices, that it takes at least to be a crowd."""

GONE = 0.5
"""Share of a provider's offers that do not vanish in one update."""

MOVED = 0.25
"""Share of all prices that do not change in one update by more than `STEP`."""

STEP = 1.1

Offers = Mapping[str, Listing]


def suspicious(
    old: Catalog, new: Catalog, on: str, crept: Mapping[str, Iterable[str]] = MappingProxyType({})
) -> tuple[Held, ...]:
    """What is held back of a catalog that would replace another on a day (ISO date); `crept` are doubts of old about
    offers, which count where they change now and nothing else speaks against it."""
    before, after = differing(old.file, new.file)
    why: dict[str, list[str]] = {}
    for name, listing in after.items():
        if name in before:
            why[name] = list(_of_offer(before[name], listing, old, new, on))
    for name, doubt in (*_vanished(old, before, after, on), *_all_at_once(old, before, after)):
        why.setdefault(name, []).append(doubt)
    for name in before.keys() & after.keys():
        why[name] = why.get(name) or list(crept.get(name, ()))
    offers = [
        held("offer", name, doubts, before[name], after[name].model if name in after else None)
        for name, doubts in sorted(why.items())
        if doubts
    ]
    found = (*_models(old, new), *_aliases(old, new), *_sources(old.file.sources, new.file.sources), *offers)
    return (*_needed(found, [before[o.subject] for o in offers], old, new), *found)


def _of_offer(before: Listing, after: Listing, old: Catalog, new: Catalog, on: str) -> Iterable[str]:
    for name in ("model", "mode", "region", "policy"):
        was, is_ = getattr(before, name), getattr(after, name)
        if was is not None and was != is_:
            yield f"{name} was {was} and is {is_ or 'unknown'}"
    yield from of_figures(before, after, old, new, on)


def of_figures(before: Listing, after: Listing, old: Catalog, new: Catalog, on: str) -> Iterable[str]:
    """Doubts about prices and limits of an offer that replace others."""
    then, now = old.published(before, on), new.published(after, on)
    doubts = [doubt for s in after.sightings for doubt in _of_sighting(_preceding(before, s, then), s)]
    yield from dict.fromkeys(doubts or _of_settled(then, now))


def _preceding(before: Listing, s: Sighting, then: Published) -> Sighting:
    """What a source said before: of the same days, or last; of a source that is new, what all sources came to."""
    same = [one for one in before.sightings if one.source == s.source]
    exact = [one for one in same if one.valid_from == s.valid_from]
    if exact or same:
        return (exact or sorted(same, key=lambda one: one.valid_from or ""))[-1]
    return Sighting(source=s.source, tariff=then.tariff.value, context=then.context.value)


def _of_sighting(before: Sighting, after: Sighting) -> Iterable[str]:
    doubts = list(of_limits(before, after))
    if before.tariff is not None and after.tariff is not None:
        doubts += of_tariff(before.tariff, after.tariff)
    return (f"{after.source}: {doubt}" for doubt in doubts)


def _of_settled(then: Published, now: Published) -> Iterable[str]:
    """Doubts about what sources come to, where each alone is in order: another one counts now, or none does."""
    for name in ("tariff", "context", "max_input", "max_output"):
        was, is_ = getattr(then, name), getattr(now, name)
        if was.value is not None and is_.basis == "quarantined":
            yield f"{name} could not be used any more: {'; '.join(is_.flags)}"
    if then.tariff.value is not None and now.tariff.value is not None:
        yield from (f"settled: {doubt}" for doubt in of_tariff(then.tariff.value, now.tariff.value))


def _vanished(old: Catalog, before: Offers, after: Offers, on: str) -> Iterable[tuple[str, str]]:
    """The offers that vanish, or lose their price, together with half of their provider's."""
    gone = [
        name for name, one in before.items() if _priced(one, on) and not (name in after and _priced(after[name], on))
    ]
    lost = Counter(before[name].provider for name in gone)
    if not any(count >= CROWD for count in lost.values()):
        return
    had = Counter(one.provider for one in old.file.every() if _priced(one, on))
    for name in gone:
        provider = before[name].provider
        if lost[provider] >= CROWD and lost[provider] > GONE * had[provider]:
            yield name, f"{lost[provider]} of the {had[provider]} offers of {provider} vanish in one update"


def _priced(listing: Listing, on: str) -> bool:
    return any(s.tariff is not None and (s.ends is None or on < s.ends) for s in listing.sightings)


def _all_at_once(old: Catalog, before: Offers, after: Offers) -> Iterable[tuple[str, str]]:
    """The prices that change by more than a tenth together with a quarter of all."""
    moved = [name for name, one in after.items() if name in before and _moved(before[name], one)]
    if len(moved) < CROWD:
        return
    priced = sum(any(s.tariff is not None for s in one.sightings) for one in old.file.every())
    if len(moved) > MOVED * priced:
        for name in moved:
            yield name, f"{len(moved)} of {priced} prices change by more than a tenth in one update"


def _moved(before: Listing, after: Listing) -> bool:
    was = {s.source: base(s.tariff) for s in before.sightings if s.tariff is not None}
    now = {s.source: base(s.tariff) for s in after.sightings if s.tariff is not None}
    return any(
        max(ratio(was[s].input, now[s].input), ratio(was[s].output, now[s].output)) > STEP
        for s in was.keys() & now.keys()
    )


def _models(old: Catalog, new: Catalog) -> Iterable[Held]:
    for id, model in new.models.items():
        before = old.models.get(id)
        if before is not None and before != model and (doubts := list(of_model(before, model))):
            yield held("model", id, doubts, before)


def _aliases(old: Catalog, new: Catalog) -> Iterable[Held]:
    """An alias may get a new span, and an end; it does not stand for another model than it did."""
    before, after = spans(old.file), spans(new.file)
    for name in sorted(before.keys() | after.keys()):
        was, is_ = before.get(name, ()), after.get(name, ())
        kept = {(a.model, a.since) for a in is_}
        lost = [a.model for a in was if (a.model, a.since) not in kept]
        if lost:
            yield held("alias", name, [f"does not stand for {', '.join(dict.fromkeys(lost))} any more"], was)
        elif is_ and not was and name in old.models:
            yield held("alias", name, ["is the name of a model, and would stand for another"], ())


def _sources(old: Mapping[str, Source], new: Mapping[str, Source]) -> Iterable[Held]:
    """A source that is believed before others is believed only when somebody has looked at it."""
    for name, source in new.items():
        was = old.get(name)
        if was is None and source.standing != "collection":
            yield held("source", name, [f"is new, and would count as {source.standing}"], None)
        elif was is not None and (was.name, was.standing) != (source.name, source.standing):
            said = f"was {was.name} ({was.standing}) and is {source.name} ({source.standing})"
            yield held("source", name, [said], was)


def _needed(found: Iterable[Held], offers: Iterable[Listing], old: Catalog, new: Catalog) -> Iterable[Held]:
    """Models and sources that are gone, and to which what stays still belongs."""
    models = {one.model for one in offers} - new.models.keys()
    aliases = {alias.model for one in found if one.kind == "alias" for alias in spans(old.file).get(one.subject, ())}
    models |= aliases - new.models.keys()
    stay = [old.models[id] for id in sorted(models)]
    sources = {s.source for one in offers for s in one.sightings} | {s for model in stay for s in model.sources}
    sources |= {s for one in found if one.kind == "model" for s in old.models[one.subject].sources}
    why = ["is gone, and what is held back belongs to it"]
    yield from (held("model", model.id, why, model) for model in stay)
    yield from (held("source", s, why, old.file.sources[s]) for s in sorted(sources - new.file.sources.keys()))
