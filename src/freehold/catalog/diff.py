"""Diff: what two catalogs say otherwise, fact by fact and source by source."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from freehold.catalog.held import Kind
from freehold.catalog.schema import Alias, File, Listing, Model
from freehold.core.money import dollars
from freehold.core.tariff import Row

Value = int | float | str | bool | None
About = Literal["added", "removed", "price", "limit", "licence", "other"]

LIMITS = ("context", "max_input", "max_output")
LICENCE = frozenset({"licence", "open_weights"})
KINDS: tuple[Kind, ...] = ("model", "offer", "alias", "source")


class Change(Struct, frozen=True, kw_only=True):
    """A fact that differs. `fact` is '' where the whole entry was added or removed.

    Prices are nano-dollars for a million tokens; `percent` is how much more a number is than it was, None where that
    says nothing. A value of None is unknown.
    """

    about: About
    kind: Kind
    subject: str
    fact: str = ""
    old: Value = None
    new: Value = None
    percent: float | None = None

    def __str__(self) -> str:
        if not self.fact:
            return f"{self.kind} {self.subject} {self.about}"
        said = [_said(value, price=self.about == "price") for value in (self.old, self.new)]
        share = "" if self.percent is None else f" ({self.percent:+.1f} %)"
        return f"{self.subject} {self.fact}: {said[0]} -> {said[1]}{share}"


def changes(old: File, new: File) -> tuple[Change, ...]:
    """All that differs, sorted by what it is about and whom."""
    offers = [{name: _offer(one) for name, one in of.items()} for of in differing(old, new)]
    entries: tuple[tuple[Kind, Mapping[str, Facts], Mapping[str, Facts]], ...] = (
        ("model", _models(old), _models(new)),
        ("offer", offers[0], offers[1]),
        ("alias", _aliases(old), _aliases(new)),
        ("source", _sources(old), _sources(new)),
    )
    found = [change for kind, before, after in entries for change in _between(kind, before, after)]
    found += _current(old, new)
    order = ("added", "removed", "price", "limit", "licence", "other")
    return tuple(sorted(found, key=lambda c: (order.index(c.about), KINDS.index(c.kind), c.subject, c.fact)))


def differing(old: File, new: File) -> tuple[dict[str, Listing], dict[str, Listing]]:
    """The offers that are not the same in both, by 'PROVIDER/ID'. Of models whose offers are, none is decoded."""
    apart = [m for m in old.listings.keys() | new.listings.keys() if old.listings.get(m) != new.listings.get(m)]
    before, after = ({offered(one): one for m in sorted(apart) for one in of.listed(m)} for of in (old, new))
    for name in [name for name, one in before.items() if after.get(name) == one]:
        del before[name], after[name]
    return before, after


def offered(listing: Listing) -> str:
    """An offer's name for people and for the command line: 'PROVIDER/ID'."""
    return f"{listing.provider}/{listing.id}"


def spans(file: File) -> dict[str, tuple[Alias, ...]]:
    """The spans of each alias, by its name."""
    return {
        name: tuple(a for a in file.aliases if a.name == name) for name in dict.fromkeys(a.name for a in file.aliases)
    }


Facts = dict[str, tuple[About, Value]]


def _between(kind: Kind, before: Mapping[str, Facts], after: Mapping[str, Facts]) -> Iterable[Change]:
    for subject in sorted(before.keys() | after.keys()):
        old, new = before.get(subject), after.get(subject)
        if old is None or new is None:
            yield Change(about="added" if old is None else "removed", kind=kind, subject=subject)
            continue
        for fact in old.keys() | new.keys():
            about, was = old.get(fact, ("other", None))
            about, now = new.get(fact, (about, None))
            if was != now:
                how = _percent(was, now)
                yield Change(about=about, kind=kind, subject=subject, fact=fact, old=was, new=now, percent=how)


def _models(file: File) -> dict[str, Facts]:
    return {model.id: _model(model) for model in file.models}


def _model(model: Model) -> Facts:
    facts: Facts = {}
    for name, value in asdict(model).items():
        if name not in {"id", "weights_gb"}:
            about: About = "limit" if name in LIMITS else "licence" if name in LICENCE else "other"
            facts[name] = about, _plain(value)
    for name, size in model.weights_gb.items():
        facts[f"weights in {name}, GB"] = "other", size
    return facts


def _offer(listing: Listing) -> Facts:
    facts: Facts = {
        "model": ("other", listing.model),
        "mode": ("other", listing.mode),
        "region": ("other", listing.region),
        "policy": ("other", None if listing.policy is None else _plain(listing.policy)),
    }
    for s in listing.sightings:
        by = f"{s.source} from {s.valid_from}" if s.valid_from else s.source
        for name in ("tools", "json", "reasoning", "vision", "ends", "valid_to"):
            facts[f"{name} by {by}"] = "other", getattr(s, name)
        for name in LIMITS:
            facts[f"{name} by {by}"] = "limit", getattr(s, name)
        if s.tariff is None:
            continue
        for row in s.tariff.rows:
            for rate, amount in asdict(row.rates).items():
                facts[f"{label(row)} {rate} by {by}"] = "price", amount
        for region, parts in s.tariff.regions.items():
            facts[f"parts of the price in {region} by {by}"] = "other", parts
    return facts


def label(row: Row) -> str:
    """A row of a price list for people: 'standard', 'batch >200000', 'standard 01:00-04:00 of 1-5'."""
    spans = [
        f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02} of {','.join(map(str, h.weekdays))}{h.calendar_offset:+}"
        for h in row.hours
        for a, b in h.spans
    ]
    return " ".join([row.service, *([f">{row.above}"] if row.above else []), *spans])


def _aliases(file: File) -> dict[str, Facts]:
    return {
        name: {"stands for": ("other", ", ".join(f"{a.model} {a.since or ''}..{a.until or ''}" for a in of))}
        for name, of in spans(file).items()
    }


def _sources(file: File) -> dict[str, Facts]:
    return {
        name: {field: ("other", _plain(value)) for field, value in asdict(source).items()}
        for name, source in file.sources.items()
    }


def _current(old: File, new: File) -> Iterable[Change]:
    """The offers that come to be, or cease to be, among those that are served where settings name none."""
    before, after = ({f"{p}/{id}" for p, ids in file.current.items() for id in ids} for file in (old, new))
    for name in sorted(before ^ after):
        was = name in before
        yield Change(about="other", kind="offer", subject=name, fact="is current", old=was, new=not was)


def _plain(value: object) -> Value:
    """A value as it is where it is a plain one, or () as None; else its JSON."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return msgspec.json.encode(value).decode() if value else None


def _percent(old: Value, new: Value) -> float | None:
    if isinstance(old, bool | str) or isinstance(new, bool | str) or not old or new is None:
        return None
    return round((new / old - 1) * 100, 1)


def _said(value: Value, *, price: bool) -> str:
    if value is None:
        return "unknown"
    if price and isinstance(value, int):
        return f"{dollars(value)}/M"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:,}"
