"""A model shown whole: each fact with its source and date, names, licence clauses, offers side by side."""

from collections.abc import Iterable

from msgspec import Struct

from freehold.catalog.alias import Meaning
from freehold.catalog.book import Catalog, Published, today
from freehold.catalog.fit.machine import Machine
from freehold.catalog.licences import CLAIMS, LICENCES, Claim, Clause
from freehold.catalog.observation import Fact, Source
from freehold.catalog.offering import priced
from freehold.catalog.schema import Model
from freehold.cli.columns import columns
from freehold.cli.fit import Fitted
from freehold.cli.models_listed import UNKNOWN, asks, price_at, tokens
from freehold.cli.policies import policies
from freehold.core.tariff import Tariff

FACT = 20
"""Columns for the name of a fact."""


class Named(Struct, frozen=True, kw_only=True):
    """What the name that was asked for means at a provider: over time, or `why` it stands for nothing else."""

    provider: str
    id: str
    meanings: tuple[Meaning, ...]
    why: str


class Shown(Struct, frozen=True, kw_only=True):
    """A model, whole, with its offers on a day, and what it takes on a machine (None: its weights are not public).

    `names` is about the name that was asked for, where that may stand for different models from day to day.
    """

    on: str
    model: Model
    names: tuple[Named, ...]
    sources: dict[str, Source]
    offers: tuple[Published, ...]
    licences: tuple[Claim, ...]
    clauses: dict[str, tuple[Clause, ...]]
    machine: Machine | None
    fit: Fitted | None


def named(book: Catalog, name: str) -> tuple[Named, ...]:
    """What a name means at each provider that offers it."""
    rows = any(row.name == name for row in book.file.aliases)
    return tuple(
        Named(provider=one.provider, id=one.id, meanings=book.names.means(one), why=book.names.inferred(one).why)
        for one in book.listings(name)
        if rows or book.names.means(one) or book.names.inferred(one).why
    )


def shown(book: Catalog, name: str, model: Model, on: str, machine: Machine | None, fit: Fitted | None) -> Shown:
    """All there is about a model on a day. Offers of an alias come before those of what it stands for."""
    own = book.offers(name, on) if name != model.id else ()
    claims = CLAIMS.get(model.id, ())
    return Shown(
        on=on,
        model=model,
        names=named(book, name),
        sources=book.file.sources,
        offers=(*own, *book.offers(model.id, on)),
        licences=claims,
        clauses={claim.licence: LICENCES[claim.licence].clauses for claim in claims},
        machine=machine,
        fit=fit,
    )


def show_names(name: str, names: Iterable[Named], on: str) -> None:
    """What a name stands for today, since when, and who says so."""
    said = [line for one in names for line in _said(one, on)]
    if said:
        print("\n".join([f"The name {name}:", *(f"  {line}" for line in said)]) + "\n")


def _said(one: Named, on: str) -> Iterable[str]:
    where = f"at {one.provider}"
    now = next((m for m in one.meanings if m.holds(on)), None)
    past = [m for m in one.meanings if m.valid_to is not None and m.valid_to <= on]
    if now is not None:
        since = f" since {now.valid_from}" if now.valid_from else ""
        until = f" until {now.valid_to}" if now.valid_to else ""
        how = "listed" if now.basis == "listed" else "inferred from names and dates"
        target = now.id or now.model
        yield f"{where} it means {target}{since}{until} ({how}; {now.source}, seen {now.seen_at})"
        yield from (f"  but {flag}" for flag in now.flags)
    else:
        yield f"{where} it is a model of its own{f': {one.why}' if one.why else ''}"
    if past:
        last = past[-1]
        yield f"  before, it meant {last.id or last.model} until {last.valid_to}"


def show_facts(book: Catalog, model: Model, at: int) -> None:
    print(f"{model.name} ({model.id}) on {today(at)}")
    if model.note:
        print(model.note)
    origin = book.file.sources[model.sources[0]]
    print(f"\nBy {origin.name} {origin.version}, seen {origin.seen_at}:")
    for name, value in _facts(model):
        print(f"  {name:<{FACT}}  {value}")
    _licences(CLAIMS.get(model.id, ()))


def show_offers(book: Catalog, offers: tuple[Published, ...], at: int) -> None:
    print()
    if not offers:
        print("No offers.")
        return
    print(_offers(book, offers, at))
    print()
    print("\n".join(policies(offers)))
    flagged = [f"{o.provider}/{o.id}: {flag}" for o in offers for flag in o.flags]
    if flagged:
        print("\nNot in order; what is in quarantine is not used until you decide:")
        print("\n".join(f"  {flag}" for flag in flagged))


def _licences(claims: tuple[Claim, ...]) -> None:
    """The clauses of every licence that a source names: where they differ, all of them apply."""
    for claim in claims:
        licence = LICENCES[claim.licence]
        print(f"\n{claim.licence}, by {claim.source}{f', since {claim.since}' if claim.since else ''}:")
        if not licence.known:
            print("  its text was not read here")
        for clause in licence.clauses:
            print(f"  {'FORBIDS' if clause.forbids else 'asks'}: {clause.says}")
            print(f"    {clause.source}, {clause.where}; {clause.seen}")
    if len(claims) > 1:
        print("Sources differ on the licence, so the clauses of all apply.")


def _facts(model: Model) -> Iterable[tuple[str, str]]:
    """The facts that are known, for people."""
    said = {
        "maker": model.maker,
        "weights": None if model.open_weights is None else "open" if model.open_weights else "closed",
        "repository": model.repository,
        "parameters": _billions(model.parameters),
        "active parameters": _billions(model.active_parameters),
        "release": model.release,
        "context": model.context and f"{model.context:,} tokens",
        "longest prompt": model.max_input and f"{model.max_input:,} tokens",
        "longest answer": model.max_output and f"{model.max_output:,} tokens",
        "modalities": ", ".join(model.modalities),
        "tools": model.tools,
        "JSON": model.json,
        "reasoning": model.reasoning,
        "licence": model.licence,
        "attention": ", ".join(f"{a.layers} x {a.kind}" for a in model.attention),
        "cache for a token": model.kv_bytes_per_token and f"{model.kv_bytes_per_token:,} bytes in bf16",
        "cache for a sequence": model.kv_bytes_per_sequence and f"{model.kv_bytes_per_sequence:,} bytes in bf16",
        "weights in": ", ".join(f"{name} {size:g} GB" for name, size in model.weights_gb.items()),
    }
    return [(name, str(value)) for name, value in said.items() if value]


def _offers(book: Catalog, offers: Iterable[Published], at: int) -> str:
    """Offers side by side; the sources of a price are numbered, and told below."""
    numbers: dict[str, int] = {}
    rows: list[tuple[str, ...]] = []
    for o in offers:
        tariff, whose = _tariff(book, o, today(at))
        price = price_at(tariff.value, at)
        asked = asks(price, unknown="quarantine" if tariff.basis == "quarantined" else UNKNOWN)
        limits = f"{_limit(o.context)}/{_limit(o.max_output)}"
        by = " ".join((f"{whose}{_origin(tariff, numbers)}", *(f"+{other}" for other in _also(tariff.value))))
        rows.append((f"{o.provider}/{o.id}", *asked, limits, by))
    heads = ("offer", "input/M", "output/M", "cached/M", "context/out", "price by, also priced")
    told = "\n".join(f"  {number}: {source}" for source, number in numbers.items())
    return f"{columns(heads, rows, right=(1, 2, 3, 4))}\n{told}"


def _tariff(book: Catalog, offer: Published, on: str) -> tuple[Fact[Tariff], str]:
    """The price list of an offer; an alias without one of its own asks what that asks which it means, and says so."""
    listing = book.listing(offer.provider, offer.id)
    meaning = None if listing is None or offer.tariff.value is not None else book.names.meaning(listing, on)
    if listing is None or meaning is None:
        return offer.tariff, ""
    return priced(book, listing, on), f"as {meaning.id or meaning.model}: "


def _also(tariff: Tariff | None) -> Iterable[str]:
    """What else the price list has: services, longer prompts, hours."""
    rows = () if tariff is None else tariff.rows
    services = sorted({row.service for row in rows} - {"standard"})
    longer = sorted({row.above for row in rows} - {0})
    return [*services, *(f">{above // 1000}k" for above in longer), *(["hours"] if any(r.hours for r in rows) else [])]


def _origin(fact: Fact[Tariff], numbers: dict[str, int]) -> str:
    """How a price was settled, and by which sources, by their number."""
    said = [f"{o.source}, seen {o.seen_at}{f': {o.reason}' if o.reason else ''}" for o in fact.observations]
    marks = [str(numbers.setdefault(one, len(numbers) + 1)) for one in said]
    return " ".join((fact.basis, *marks))


def _limit(fact: Fact[int]) -> str:
    return "quarantine" if fact.basis == "quarantined" else UNKNOWN if fact.value is None else tokens(fact.value)


def _billions(parameters: float | None) -> str | None:
    return None if parameters is None else f"{parameters:g} billion"
