"""Aliases: names such as `mistral-small-latest` that stand for another model from one day until another.

A row of the catalog says so; it counts before everything else. Where none does, a name with 'latest' in it is taken to
mean the newest of its family that the same provider offers on the day:

1. the dated ones of its very name (`mistral-small-2603`), else
2. what has its very name (`grok-4.3`), else
3. any version of it, previews too (`claude-opus-4-8` for `claude-opus-latest`).

That is a guess by names and dates, so it is held to price and context: where what the newest source tells of the one
is more than twice what is told of the other, it is not believed. Without a date nothing can be the newest.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from freehold.catalog.observation import LIMITS_DIFFER, QUARANTINED, Source, ratio
from freehold.catalog.schema import Alias, Listing, Model, Sighting
from freehold.core.money import dollars
from freehold.core.tariff import Tariff

LATEST = "latest"
VERSION = re.compile(r"[a-z]?\d+(?:\.\d+)*")
PREVIEW = frozenset({"preview", "exp", "experimental", "beta"})
DAY = re.compile(r"(20\d\d)-?([01]\d)-?([0-3]\d)(?!\d)")
AGREE = LIMITS_DIFFER
"""Times by which price and context may differ without a word."""

ALWAYS = ""
"""Before every ISO date."""


class Meaning(Struct, frozen=True, kw_only=True):
    """What `name` stands for at a provider from a day until another (ISO, None: open). `provider` None: at all.

    `id` is the offer's own name, None where a row of the catalog names the model alone. `flags` speak against it.
    """

    name: str
    provider: str | None
    model: str
    id: str | None
    basis: Literal["listed", "inferred"]
    source: str
    seen_at: str
    valid_from: str | None = None
    valid_to: str | None = None
    flags: tuple[str, ...] = ()

    def holds(self, on: str) -> bool:
        return (self.valid_from or ALWAYS) <= on and (self.valid_to is None or on < self.valid_to)


class Inferred(Struct, frozen=True, kw_only=True):
    """What a name with 'latest' in it means at a provider over time; or `why` that is unknown."""

    meanings: tuple[Meaning, ...] = ()
    why: str = ""


class _Member(Struct, frozen=True):
    """An offer of a family. `since` is when it came, `rank` how near its name is: 0 is a dated one of the very name."""

    rank: int
    since: str
    until: str | None
    listing: Listing

    def holds(self, on: str) -> bool:
        return self.since <= on and (self.until is None or on < self.until)


class _Doubt(Struct, frozen=True):
    """How many times what is told about a name is `apart` from what is told of the `other` offer that it would mean.

    `weight`: one source about both counts more, then the newer one.
    """

    weight: tuple[bool, str]
    about: str
    other: str
    apart: float
    says: str


def is_latest(name: str) -> bool:
    return LATEST in _words(name)


def listed(rows: Iterable[Alias], sources: Mapping[str, Source]) -> tuple[Meaning, ...]:
    """The rows of the catalog about a name."""

    def meant(row: Alias) -> Meaning:
        source = sources.get(row.source or "")
        return Meaning(
            name=row.name,
            provider=row.provider,
            model=row.model,
            id=None,
            basis="listed",
            source=row.source or "unknown",
            seen_at="unknown" if source is None else source.seen_at,
            valid_from=row.since,
            valid_to=row.until,
        )

    return tuple(map(meant, rows))


def kin(name: str, models: Iterable[str]) -> tuple[str, ...]:
    """The models whose name has every word of this one but 'latest': none else can be of its family."""
    wanted = {word for word in _words(name) if word != LATEST}
    return tuple(model for model in models if wanted <= set(_words(model)) and not is_latest(model))


def inferred(
    own: Listing, others: Iterable[Listing], models: Mapping[str, Model], sources: Mapping[str, Source]
) -> Inferred:
    """What the name of an offer means, among other offers."""
    family = tuple(word for word in _words(own.model) if word != LATEST)
    members = [
        member
        for one in others
        if (one.provider, one.mode, one.region) == (own.provider, own.mode, own.region)
        and (member := _member(one, family, models)) is not None
    ]
    if not members:
        return Inferred(why=f"{own.provider} offers none of its family with a known date")
    near = min(member.rank for member in members)
    spans = _spans(own, [member for member in members if member.rank == near])
    by_id = {member.listing.id: member.listing for member in members}
    found: list[_Doubt] = []
    for sighting in own.sightings:
        seen_at = sources[sighting.source].seen_at
        then = next((id for id, since, _ in reversed(spans) if since <= seen_at), None)
        found += () if then is None else _gaps(sighting, by_id[then], sources)
    doubts = {gap.about: gap for gap in sorted(found, key=lambda gap: gap.weight)}
    if (worst := max(doubts.values(), key=lambda gap: gap.apart, default=None)) is None or worst.apart <= AGREE:
        flags: dict[str, tuple[str, ...]] = {}
    elif worst.apart > QUARANTINED:
        return Inferred(why=f"its newest kin would be {worst.other}, but {worst.says}")
    else:
        flags = {worst.other: (worst.says,)}
    return Inferred(meanings=tuple(_meaning(own, by_id[id], span, flags.get(id, ()), sources) for id, *span in spans))


def _member(listing: Listing, family: tuple[str, ...], models: Mapping[str, Model]) -> _Member | None:
    words = _words(listing.model)
    release = models[listing.model].release if listing.model in models else None
    stem, dated = _dated(words, listing.id, release)
    until = min((s.ends for s in listing.sightings if s.ends), default=None)
    if stem == family:
        since = dated or _day(release)
        return _Member(0 if dated else 1, since or ALWAYS, until, listing)
    since = dated or _day(release)
    if since is None or any(VERSION.fullmatch(word) for word in family):
        return None
    plain = tuple(word for word in stem if not VERSION.fullmatch(word) and (word in family or word not in PREVIEW))
    return _Member(2, since, until, listing) if plain == family else None


def _spans(own: Listing, members: list[_Member]) -> list[tuple[str, str, str | None]]:
    """Who is the newest from when until when: (id, since, until), while the name itself is offered."""
    end = min((s.ends for s in own.sightings if s.ends), default=None)
    turns = sorted({m.since for m in members} | {m.until for m in members if m.until} | ({end} if end else set()))
    spans: list[tuple[str, str, str | None]] = []
    for turn, until in zip(turns, [*turns[1:], None], strict=True):
        offered = [m for m in members if m.holds(turn)] if end is None or turn < end else []
        if not offered:
            continue
        newest = max(offered, key=lambda m: (m.since, -len(m.listing.id), m.listing.id)).listing.id
        if spans and spans[-1][0] == newest and spans[-1][2] == turn:
            spans[-1] = (newest, spans[-1][1], until)
        else:
            spans.append((newest, turn, until))
    return spans


def _meaning(
    own: Listing, target: Listing, span: list[str | None], flags: tuple[str, ...], sources: Mapping[str, Source]
) -> Meaning:
    source = max((s.source for s in target.sightings), key=lambda name: sources[name].seen_at)
    since, until = span
    return Meaning(
        name=own.model,
        provider=own.provider,
        model=target.model,
        id=target.id,
        basis="inferred",
        source=source,
        seen_at=sources[source].seen_at,
        valid_from=since or None,
        valid_to=until,
        flags=flags,
    )


def _gaps(one: Sighting, other: Listing, sources: Mapping[str, Source]) -> Iterable[_Doubt]:
    """How far the plain price and the context of two offers are apart, as far as both are told.

    Both by one source where it tells both: sources differ from each other, and would be apart for that alone.
    """
    seen_at = sources[one.source].seen_at
    told = sorted(other.sightings, key=lambda s: (s.source == one.source, sources[s.source].seen_at), reverse=True)
    priced = next((s for s in told if s.tariff is not None), None)
    if one.tariff is not None and priced is not None and priced.tariff is not None:
        a, b = _plain(one.tariff), _plain(priced.tariff)
        first, second = (f"{dollars(p[0])} and {dollars(p[1])}" for p in (a, b))
        says = f"{one.source} ({seen_at}) has {first} for it, and {second} are told of {other.id}"
        apart = max(ratio(a[0], b[0]), ratio(a[1], b[1]))
        yield _Doubt((priced.source == one.source, seen_at), "price", other.id, apart, says)
    long = next((s for s in told if s.context), None)
    if one.context and long is not None and long.context:
        told_of = f"{long.context:,} are told of {other.id}"
        says = f"{one.source} ({seen_at}) has {one.context:,} tokens of context for it, and {told_of}"
        yield _Doubt((long.source == one.source, seen_at), "context", other.id, ratio(one.context, long.context), says)


def _plain(tariff: Tariff) -> tuple[int, int]:
    row = next(row.rates for row in tariff.rows if row.service == "standard" and not row.above and not row.hours)
    return row.input, row.output


@lru_cache(maxsize=8192)
def _words(name: str) -> tuple[str, ...]:
    return tuple(re.split(r"[-@:]", name.lower()))


def _dated(words: tuple[str, ...], id: str, release: str | None) -> tuple[tuple[str, ...], str | None]:
    """A name without the date at its end, and the date: of the id (2025-08-07), or of the name (2512, 09-2025).

    Of a name that gives the month alone, the day is that of the release where it lies in the month, else the first.
    """
    if (day := DAY.search(id)) is not None:
        return words, "-".join(day.groups())
    end = "-".join(words[-2:])
    month: str | None = None
    if (found := re.fullmatch(r"(?:.*-)?(2[2-9])(0[1-9]|1[0-2])", end)) is not None:
        month, words = f"20{found[1]}-{found[2]}", words[:-1]
    elif (found := re.fullmatch(r"(0[1-9]|1[0-2])-(20\d\d)", end)) is not None:
        month, words = f"{found[2]}-{found[1]}", words[:-2]
    if month is None:
        return words, None
    known = _day(release)
    return words, known if known is not None and known.startswith(month) else f"{month}-01"


def _day(release: str | None) -> str | None:
    """A release as an ISO date; of a month alone, its first day."""
    return None if release is None else (release + "-01-01")[:10] if len(release) < 10 else release
