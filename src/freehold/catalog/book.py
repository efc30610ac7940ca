"""The catalog, read: models and offers by name, and what we hold to be so about each on a day.

The file is read when somebody first asks, from the data folder or the package; nothing is fetched.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from functools import cached_property, lru_cache
from pathlib import Path
from statistics import median
from time import time_ns
from typing import TypeVar

import msgspec
from msgspec import Struct

from freehold.catalog.held import Held, overlaid
from freehold.catalog.names import Names
from freehold.catalog.observation import (
    LIMITS_DIFFER,
    PRICES_DIFFER,
    Apart,
    Fact,
    Observation,
    Source,
    ratio,
    settle,
)
from freehold.catalog.override import Override
from freehold.catalog.schema import DataPolicy, File, Listing, Model, Sighting
from freehold.catalog.snapshots import PACKAGED, Snapshots, Standing
from freehold.core.money import Price
from freehold.core.tariff import Tariff

T = TypeVar("T")

PEERS = 3
OUTLIER = 5.0
"""A single source's price that many times off the median of at least `PEERS` other providers is not believed."""


OWN = {"tariff": "tariff", "context": "context_window", "max_output": "max_output_tokens"}
"""The facts that an override can have, by their names in it."""


class Published(Struct, frozen=True, kw_only=True):
    """An offer on a day: each fact with its basis, flags and observations.

    `ends` is the day its provider ends it; `held` says why what a newer snapshot has of it does not count yet.
    """

    provider: str
    id: str
    model: str
    mode: str
    region: str | None
    tariff: Fact[Tariff]
    context: Fact[int]
    max_input: Fact[int]
    max_output: Fact[int]
    tools: Fact[bool]
    json: Fact[bool]
    reasoning: Fact[bool]
    vision: Fact[bool]
    policy: DataPolicy | None
    ends: str | None
    held: tuple[str, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """All that is not in order, each with the fact it is about."""
        facts = {
            "price": self.tariff,
            "context": self.context,
            "max_input": self.max_input,
            "max_output": self.max_output,
        }
        told = (
            f"{name}{' in quarantine' if fact.basis == 'quarantined' else ''}: {flag}"
            for name, fact in facts.items()
            for flag in fact.flags
        )
        return (*told, *(f"held back: {why}" for why in self.held))


Overrides = Mapping[str, Override]
"""What the operator decided, by 'PROVIDER/ID' of the offer."""


class Catalog:
    """A catalog file with its look-ups. What is held back of it is as it was before; overrides count first."""

    def __init__(self, file: File, held: Iterable[Held] = (), overrides: Overrides | None = None) -> None:
        self.held = tuple(held)
        self.overrides = overrides or {}
        self.file = overlaid(file, self.held)
        self.models = {model.id: model for model in self.file.models}
        self._why = {one.subject: one.why for one in self.held if one.kind == "offer"}
        self._decoded: dict[str, tuple[Listing, ...]] = {}
        self.names = Names(self.file, self.models, self.listings)

    def under(self, overrides: Overrides) -> "Catalog":
        """The same with what the operator decided."""
        other = Catalog(self.file, overrides=overrides)
        other.held, other._why = self.held, self._why
        return other

    def named(self, name: str, on: str) -> Model | None:
        """The model of this name, or that an alias stood for on the day (ISO date)."""
        return self.names.named(name, on)

    def meant(self, name: str, on: str) -> Model | None:
        """The same for people: also the one model whose name goes on from this, as qwen3.5-122b does."""
        return self.names.meant(name, on)

    def listings(self, model: str) -> tuple[Listing, ...]:
        """What the sources list for a model."""
        if model not in self._decoded:
            self._decoded[model] = self.file.listed(model)
        return self._decoded[model]

    @cached_property
    def _by_id(self) -> dict[tuple[str, str], Listing]:
        return {(one.provider, one.id): one for model in self.file.listings for one in self.listings(model)}

    def offer(self, provider: str, id: str, on: str) -> Published | None:
        """What a provider offers under its own name, on a day."""
        listing = self.listing(provider, id)
        return None if listing is None else self.published(listing, on)

    def listing(self, provider: str, id: str) -> Listing | None:
        """What the sources list of an offer."""
        return self._by_id.get((provider, id))

    def offers(self, model: str, on: str) -> tuple[Published, ...]:
        """Every offer of a model, on a day."""
        return tuple(self.published(listing, on) for listing in self.listings(model))

    def published(self, listing: Listing, on: str) -> Published:
        seen = tuple(s for s in listing.sightings if s.ends is None or on < s.ends)
        offered = f"{listing.provider}/{listing.id}"
        override = self.overrides.get(offered)

        def fact(name: str, apart: Apart[T], tolerance: float) -> Fact[T]:
            found: list[Observation[T]] = []
            for s in seen:
                value: T | None = getattr(s, name)
                if value is not None:
                    found.append(_observed(value, s, self.file.sources, self._until(listing, s)))
            own: T | None = None if override is None else getattr(override, OWN.get(name, ""), None)
            if override is not None and own is not None:
                found.append(_decided(own, override))
            return settle(found, on, apart, tolerance)

        tariff: Fact[Tariff] = fact("tariff", prices_apart, PRICES_DIFFER)
        return Published(
            provider=listing.provider,
            id=listing.id,
            model=listing.model,
            mode=listing.mode,
            region=listing.region,
            tariff=self._believed(listing, tariff, on),
            context=self._limit(listing, fact("context", ratio, LIMITS_DIFFER)),
            max_input=fact("max_input", ratio, LIMITS_DIFFER),
            max_output=fact("max_output", ratio, LIMITS_DIFFER),
            tools=fact("tools", same, 1),
            json=fact("json", same, 1),
            reasoning=fact("reasoning", same, 1),
            vision=fact("vision", same, 1),
            policy=listing.policy,
            ends=min((s.ends for s in listing.sightings if s.ends), default=None),
            held=self._why.get(offered, ()),
        )

    def _until(self, listing: Listing, s: Sighting) -> str | None:
        """Until when what a source lists was so: of an alias it is about what that stood for when the source looked."""
        seen_at = self.file.sources[s.source].seen_at
        moves = (one.valid_from for one in self.names.inferred(listing).meanings)
        return min((day for day in (s.valid_to, *moves) if day is not None and day > seen_at), default=s.valid_to)

    def _believed(self, listing: Listing, fact: Fact[Tariff], on: str) -> Fact[Tariff]:
        """The price, unless it cannot be right in itself or is far from what everybody else asks for the model."""
        if fact.value is None or fact.basis == "operator":
            return fact
        wrong = implausible(fact.value)
        if wrong is None and fact.basis == "single":
            wrong = self._far_from_peers(listing, fact.value, on)
        if wrong is None:
            return fact
        return msgspec.structs.replace(fact, value=None, basis="quarantined", flags=(*fact.flags, wrong))

    def _far_from_peers(self, listing: Listing, tariff: Tariff, on: str) -> str | None:
        peers: dict[str, list[int]] = {}
        for other in self.listings(listing.model):
            if other.provider != listing.provider:
                for s in other.sightings:
                    if s.tariff is not None and (s.ends is None or on < s.ends):
                        peers.setdefault(other.provider, []).append(base(s.tariff).input)
        if len(peers) < PEERS:
            return None
        usual = median(median(prices) for prices in peers.values())
        gap = ratio(base(tariff).input, usual)
        return (
            f"{gap:.1f} times apart from what {len(peers)} other providers ask for this model"
            if gap > OUTLIER
            else None
        )

    def _limit(self, listing: Listing, fact: Fact[int]) -> Fact[int]:
        """A context that a host claims is not believed where it is more than twice what the weights were made for."""
        model = self.models.get(listing.model)
        if fact.value is None or fact.basis == "operator" or model is None or model.context is None:
            return fact
        if fact.value <= 2 * model.context:
            return fact
        flag = f"{fact.value:,} tokens are more than twice the {model.context:,} of the model itself"
        return msgspec.structs.replace(fact, value=None, basis="quarantined", flags=(*fact.flags, flag))


def _observed(value: T, s: Sighting, sources: dict[str, Source], until: str | None) -> Observation[T]:
    of = sources[s.source]
    return Observation(
        value=value, source=s.source, seen_at=of.seen_at, standing=of.standing, valid_from=s.valid_from, valid_to=until
    )


def _decided(value: T, override: Override) -> Observation[T]:
    return Observation(
        value=value, source="operator", seen_at=override.date, standing="operator", reason=override.reason
    )


def base(tariff: Tariff) -> Price:
    """The rates of a short prompt under the standard service, at the dearest hour."""
    return next(row.rates for row in tariff.rows if row.service == "standard" and not row.above and not row.hours)


def prices_apart(a: Tariff, b: Tariff) -> float:
    """How far two price lists are apart, at the rate where they differ most; what only one says does not count."""
    one, other = base(a), base(b)
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("input", "output", "cache_read", "cache_write")]
    return max(ratio(x, y) for x, y in pairs if x is not None and y is not None)


def same(a: bool, b: bool) -> float:
    """Sources that disagree on what a model can do are flagged, never in quarantine."""
    return 1.0 if a == b else 1.5


def implausible(tariff: Tariff) -> str | None:
    """What cannot be right in a price list: cached input dearer than plain, or a write cheaper than a read."""
    for row in tariff.rows:
        r = row.rates
        if r.cache_read is not None and r.cache_read > r.input:
            return "a cached token costs more than a plain one"
        if r.cache_write is not None and r.cache_write < (r.cache_read or 0):
            return "writing to the cache costs less than reading from it"
    return None


def catalog(data: Path | str | None = None, at: int | None = None) -> Catalog:
    """The catalog that holds in a data folder at an instant (UTC nanoseconds; None: now); without a folder, or where
    nothing was updated, the one that comes with Freehold."""
    if data is None:
        return _packaged()
    snapshots = Snapshots(data)
    return stood(snapshots, snapshots.standing(time_ns() if at is None else at))


def stood(snapshots: Snapshots, standing: Standing) -> Catalog:
    """The catalog of a standing, with what it holds back."""
    if standing.snapshot == PACKAGED and not standing.held:
        return _packaged()
    return _kept(snapshots.folder, standing.number, standing.snapshot)


def filed(snapshots: Snapshots, digest: str) -> File:
    """A snapshot's file as it is, or the packaged one."""
    if digest == PACKAGED:
        return _packaged().file
    return msgspec.json.decode(snapshots.data(digest), type=File)


@lru_cache(maxsize=1)
def _packaged() -> Catalog:
    return Catalog(msgspec.json.decode(Path(__file__).with_name("catalog.json").read_bytes(), type=File))


@lru_cache(maxsize=4)
def _kept(folder: Path, number: int, digest: str) -> Catalog:
    snapshots = Snapshots(folder.parent)
    return Catalog(filed(snapshots, digest), snapshots.numbered(number).held)


def today(at: int) -> str:
    """The UTC day of an instant in nanoseconds, as an ISO date."""
    return datetime.fromtimestamp(at // 1_000_000_000, UTC).date().isoformat()


def instant(day: str) -> int:
    """Noon of an ISO day, in UTC nanoseconds."""
    return int(datetime.combine(date.fromisoformat(day), time(12), UTC).timestamp()) * 1_000_000_000


def searched(models: Iterable[Model], words: str) -> tuple[Model, ...]:
    """The models whose id, name or maker holds every word."""
    wanted = words.lower().split()
    return tuple(m for m in models if all(w in f"{m.id} {m.name} {m.maker or ''}".lower() for w in wanted))
