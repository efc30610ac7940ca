"""The catalog, read: models and offers by name, and what we hold to be so about each on a day.

The file is read when somebody first asks, from the package; nothing is fetched.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from functools import cache, cached_property
from pathlib import Path
from statistics import median
from typing import TypeVar

import msgspec
from msgspec import Struct

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
from freehold.catalog.schema import DataPolicy, File, Listing, Model
from freehold.catalog.tariff import Rates, Tariff

T = TypeVar("T")

PEERS = 3
OUTLIER = 5.0
"""A single source's price that many times off the median of at least `PEERS` other providers is not believed."""


class Published(Struct, frozen=True, kw_only=True):
    """An offer on a day: each fact with its basis, flags and observations. `ends` is the day its provider ends it."""

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

    @property
    def flags(self) -> tuple[str, ...]:
        """All that is not in order, each with the fact it is about."""
        facts = {
            "price": self.tariff,
            "context": self.context,
            "max_input": self.max_input,
            "max_output": self.max_output,
        }
        return tuple(
            f"{name}{' in quarantine' if fact.basis == 'quarantined' else ''}: {flag}"
            for name, fact in facts.items()
            for flag in fact.flags
        )


Override = dict[tuple[str, str], Tariff]
"""Prices that the operator gave, by provider and id: they count before every source."""


class Catalog:
    """A catalog file with its look-ups."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.models = {model.id: model for model in file.models}
        self._decoded: dict[str, tuple[Listing, ...]] = {}

    def named(self, name: str, on: str) -> Model | None:
        """The model of this name, or that an alias stood for on the day (ISO date)."""
        for alias, model, since, until in self.file.aliases:
            if alias == name and (since is None or since <= on) and (until is None or on < until):
                return self.models[model]
        retired = any(alias == name for alias, *_ in self.file.aliases)
        return None if retired else self.models.get(name)

    def listings(self, model: str) -> tuple[Listing, ...]:
        """What the sources list for a model."""
        if model not in self._decoded:
            raw = self.file.listings.get(model)
            found = () if raw is None else msgspec.json.decode(raw, type=tuple[Listing, ...])
            self._decoded[model] = found
        return self._decoded[model]

    @cached_property
    def _by_id(self) -> dict[tuple[str, str], Listing]:
        return {(one.provider, one.id): one for model in self.file.listings for one in self.listings(model)}

    def offer(self, provider: str, id: str, on: str, overrides: Override | None = None) -> Published | None:
        """What a provider offers under its own name, on a day."""
        listing = self._by_id.get((provider, id))
        return None if listing is None else self.published(listing, on, overrides)

    def offers(self, model: str, on: str, overrides: Override | None = None) -> tuple[Published, ...]:
        """Every offer of a model, on a day."""
        return tuple(self.published(listing, on, overrides) for listing in self.listings(model))

    def published(self, listing: Listing, on: str, overrides: Override | None = None) -> Published:
        seen = tuple(s for s in listing.sightings if s.ends is None or on < s.ends)
        override = (overrides or {}).get((listing.provider, listing.id))

        def fact(name: str, apart: Apart[T], tolerance: float) -> Fact[T]:
            found: list[Observation[T]] = []
            for s in seen:
                value: T | None = getattr(s, name)
                if value is not None:
                    found.append(_observed(value, s.source, self.file.sources, s.valid_from, s.valid_to))
            if name == "tariff" and override is not None:
                own: T = override  # pyright: ignore[reportAssignmentType] -- a tariff, where tariffs are asked for
                found.append(Observation(value=own, source="operator", seen_at=on, standing="operator"))
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
        )

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
        if fact.value is None or model is None or model.context is None or fact.value <= 2 * model.context:
            return fact
        flag = f"{fact.value:,} tokens are more than twice the {model.context:,} of the model itself"
        return msgspec.structs.replace(fact, value=None, basis="quarantined", flags=(*fact.flags, flag))


def _observed(
    value: T, source: str, sources: dict[str, Source], since: str | None, until: str | None
) -> Observation[T]:
    of = sources[source]
    return Observation(
        value=value, source=source, seen_at=of.seen_at, standing=of.standing, valid_from=since, valid_to=until
    )


def base(tariff: Tariff) -> Rates:
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


@cache
def catalog() -> Catalog:
    """The catalog that comes with Freehold."""
    return Catalog(msgspec.json.decode(Path(__file__).with_name("catalog.json").read_bytes(), type=File))


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
