"""freehold models: which there are, what they can do, what they cost today, and where each fact is from."""

import time
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from pathlib import Path

import click
from msgspec import Struct
from rich.markup import escape
from rich.table import Table

from freehold.catalog.book import Catalog, Published, catalog, instant, searched, today
from freehold.catalog.fit.candidate import candidate
from freehold.catalog.fit.machine import Machine
from freehold.catalog.licences import CLAIMS, LICENCES, Claim, Clause
from freehold.catalog.observation import Fact, Source
from freehold.catalog.schema import Model
from freehold.cli.context import DATA, JSON, SETTINGS, chosen, print_json, screen
from freehold.cli.fit import CONTEXT, Fitted, fit_models, fitted, machine_of, show_fits, show_here
from freehold.cli.policies import policies
from freehold.core.errors import InvalidRequest
from freehold.core.money import Price, dollars
from freehold.core.tariff import Tariff

CAPABILITIES = ("audio", "image", "json", "open", "pdf", "reasoning", "tools", "video")


class Day(click.ParamType[str]):
    """An ISO date, as text."""

    name = "date"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2026-11-24", param, ctx)


class Line(Struct, frozen=True, kw_only=True):
    """A model in the list. `price` is that of its cheapest offer now; what is None is unknown."""

    id: str
    name: str
    maker: str | None
    capabilities: tuple[str, ...]
    context: int | None
    price: Price | None
    cheapest: str | None
    providers: tuple[str, ...]
    licence: str | None
    release: str | None


class Shown(Struct, frozen=True, kw_only=True):
    """A model, whole, with its offers on a day, and what it takes on a machine (None: its weights are not public)."""

    on: str
    model: Model
    sources: dict[str, Source]
    offers: tuple[Published, ...]
    licences: tuple[Claim, ...]
    clauses: dict[str, tuple[Clause, ...]]
    machine: Machine | None
    fit: Fitted | None


ON = click.option("--on", type=Day(), help="Prices and names of this day (default: today).")

MACHINE = click.option("--machine", help='Another machine: "2x H100", "RTX 4090 + 64GB RAM", "M4 Max 64GB".')
LENGTH = click.option(
    "--context",
    type=click.IntRange(1, 100_000_000),
    default=CONTEXT,
    show_default=True,
    help="Tokens that a conversation may take.",
)


@click.group(invoke_without_command=True)
@click.option("--provider", help="Only what this provider offers.")
@click.option(
    "--capability",
    "capabilities",
    multiple=True,
    type=click.Choice(CAPABILITIES),
    help="Only what can do this. Repeatable.",
)
@click.option("--search", default="", help="Only names that hold these words.")
@ON
@SETTINGS
@DATA
@JSON
@click.pass_context
def models(
    ctx: click.Context,
    provider: str | None,
    capabilities: tuple[str, ...],
    search: str,
    on: str | None,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """The models of the catalog: what they can do, their context, price today, and licence."""
    if ctx.invoked_subcommand is not None:
        return
    book, at = _book(settings, data), _at(on)
    every = (_line(book, model, at, provider) for model in searched(book.file.models, search))
    lines = [
        line
        for line in every
        if set(capabilities) <= set(line.capabilities) and (provider is None or provider in line.providers)
    ]
    if as_json:
        print_json(lines)
    else:
        _list(lines, book, today(at))


@models.command()
@click.argument("name")
@ON
@MACHINE
@LENGTH
@SETTINGS
@DATA
@JSON
def show(
    name: str,
    on: str | None,
    machine: str | None,
    context: int,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """Facts of a model with their sources and dates, its offers side by side, memory and speed on your hardware."""
    book, at = _book(settings, data), _at(on)
    model = book.meant(name, today(at))
    if model is None:
        raise InvalidRequest(_unknown(book, name, today(at)))
    offers = book.offers(model.id, today(at))
    where = machine_of(machine) if model.open_weights else None
    takes = None if where is None else fitted(candidate(model), where, context)
    if as_json:
        claims = CLAIMS.get(model.id, ())
        print_json(
            Shown(
                on=today(at),
                model=model,
                sources=book.file.sources,
                offers=offers,
                licences=claims,
                clauses={claim.licence: LICENCES[claim.licence].clauses for claim in claims},
                machine=where,
                fit=takes,
            )
        )
    else:
        _show(book, model, at)
        if where is not None and takes is not None:
            show_here(where, takes)
        _show_offers(offers, at)


@models.command("fit")
@click.argument("model", required=False)
@MACHINE
@LENGTH
@SETTINGS
@DATA
@JSON
def fit(
    model: str | None,
    machine: str | None,
    context: int,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """Which open models run on this machine: quantisation, context, memory, speed. MODEL: one of the catalog, a
    .gguf or .safetensors file, or a folder with such files."""
    found = fit_models(_book(settings, data), model, today(_at(None)), machine_of(machine), context)
    show_fits(found, model, as_json)


def _book(settings: Path | None, data: str | None) -> Catalog:
    """The catalog that is in use in the data folder, with what the operator decided."""
    whole = chosen(settings, data, new=True)
    return catalog(whole.data.folder, time.time_ns()).under(whole.catalog.overrides)


def _at(on: str | None) -> int:
    return time.time_ns() if on is None else instant(on)


def _unknown(book: Catalog, name: str, on: str) -> str:
    if book.names.meanings(name):
        return f"{name} stands for no model on {on}. Say another day with --on."
    near = get_close_matches(name.lower(), book.models, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "`freehold models --search WORDS` finds names."
    return f"The catalog has no model {name}; {hint}"


def _line(book: Catalog, model: Model, at: int, provider: str | None) -> Line:
    offers = [o for o in book.offers(model.id, today(at)) if provider is None or o.provider == provider]
    priced = [(price, o) for o in offers if (price := _price(o.tariff.value, at)) is not None]
    best = min(priced, key=lambda one: (one[0].input + one[0].output, one[1].provider, one[1].id), default=None)
    return Line(
        id=model.id,
        name=model.name,
        maker=model.maker,
        capabilities=_capabilities(model, offers),
        context=model.context or max((o.context.value for o in offers if o.context.value), default=None),
        price=None if best is None else best[0],
        cheapest=None if best is None else f"{best[1].provider}/{best[1].id}",
        providers=tuple(sorted({o.provider for o in offers})),
        licence=model.licence,
        release=model.release,
    )


def _price(tariff: Tariff | None, at: int) -> Price | None:
    return None if tariff is None else tariff.price(at)


def _capabilities(model: Model, offers: Iterable[Published]) -> tuple[str, ...]:
    able = set(model.modalities) & set(CAPABILITIES)
    for name, own in (("tools", model.tools), ("json", model.json), ("reasoning", model.reasoning)):
        said = own not in {None, "no", "host"}
        if said or (own in {None, "host"} and any(getattr(o, name).value for o in offers)):
            able.add(name)
    if not model.modalities and any(o.vision.value for o in offers):
        able.add("image")
    if model.open_weights:
        able.add("open")
    return tuple(sorted(able))


def _list(lines: list[Line], book: Catalog, on: str) -> None:
    table = Table(
        "model", "can", "context", "input/M", "output/M", "at", "providers", "licence", box=None, pad_edge=False
    )
    for line in lines:
        asks = _asks(line.price)[:2]
        table.add_row(
            *map(
                escape,
                (
                    line.id,
                    " ".join(line.capabilities),
                    _count(line.context),
                    *asks,
                    (line.cheapest or "").partition("/")[0],
                    str(len(line.providers)),
                    line.licence or "unknown",
                ),
            )
        )
    if lines:
        screen().print(table)
    print(f"{len(lines)} models; the cheapest price on {on}, from sources up to {book.file.as_of}.")


def _show(book: Catalog, model: Model, at: int) -> None:
    print(f"{model.name} ({model.id}) on {today(at)}")
    if model.note:
        print(model.note)
    origin = book.file.sources[model.sources[0]]
    table = Table("fact", "value", "source", "seen", box=None, pad_edge=False)
    for name, value in _facts(model):
        table.add_row(*map(escape, (name, value, f"{origin.name} {origin.version}", origin.seen_at)))
    print()
    screen().print(table)
    _licences(CLAIMS.get(model.id, ()))


def _show_offers(offers: tuple[Published, ...], at: int) -> None:
    print()
    if not offers:
        print("No offers.")
        return
    screen().print(_offers(offers, at))
    print()
    screen().print(policies(offers))
    flagged = [f"{o.provider}/{o.id}: {flag}" for o in offers for flag in o.flags]
    if flagged:
        print("\nNot in order; what is in quarantine is not used until you decide:")
        print("\n".join(f"  {flag}" for flag in flagged))


def _licences(claims: tuple[Claim, ...]) -> None:
    """The clauses of every licence that a source names: where they differ, all of them apply."""
    if not claims:
        return
    table = Table("licence", "clause", "where", "source", "read", box=None, pad_edge=False)
    for claim in claims:
        licence = LICENCES[claim.licence]
        for clause in licence.clauses:
            says = f"FORBIDS: {clause.says}" if clause.forbids else clause.says
            table.add_row(*map(escape, (claim.licence, says, clause.where, clause.source, clause.read)))
        if not licence.known:
            table.add_row(*map(escape, (claim.licence, "its text was not read here", "", claim.source, "")))
    print()
    screen().print(table)
    if len(claims) > 1:
        print("Sources differ on the licence, so the clauses of all apply:")
        for claim in claims:
            print(f"  {claim.licence}: {claim.source}{f', since {claim.since}' if claim.since else ''}")


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


def _offers(offers: Iterable[Published], at: int) -> Table:
    heads = ("provider", "id", "input/M", "output/M", "cached/M", "context", "answer", "also priced", "price from")
    table = Table(*heads, box=None, pad_edge=False)
    for o in offers:
        price = _price(o.tariff.value, at)
        table.add_row(
            *map(
                escape,
                (
                    o.provider,
                    o.id,
                    *_asks(price, quarantined=o.tariff.basis == "quarantined"),
                    _fact(o.context),
                    _fact(o.max_output),
                    ", ".join(_also(o.tariff.value)),
                    _origin(o.tariff),
                ),
            )
        )
    return table


def _asks(price: Price | None, *, quarantined: bool = False) -> tuple[str, str, str]:
    if price is None:
        unknown = "quarantine" if quarantined else "unknown"
        return unknown, unknown, unknown
    return (
        dollars(price.input),
        dollars(price.output),
        "unknown" if price.cache_read is None else dollars(price.cache_read),
    )


def _also(tariff: Tariff | None) -> Iterable[str]:
    """What else the price list has: services, longer prompts, hours."""
    rows = () if tariff is None else tariff.rows
    services = sorted({row.service for row in rows} - {"standard"})
    longer = sorted({row.above for row in rows} - {0})
    return [*services, *(f">{above // 1000}k" for above in longer), *(["hours"] if any(r.hours for r in rows) else [])]


def _origin(fact: Fact[Tariff]) -> str:
    said = ", ".join(f"{o.source} {o.seen_at}{f' ({o.reason})' if o.reason else ''}" for o in fact.observations)
    return f"{fact.basis}: {said}" if said else fact.basis


def _fact(fact: Fact[int]) -> str:
    return "quarantine" if fact.basis == "quarantined" else _count(fact.value)


def _count(tokens: int | None) -> str:
    return "unknown" if tokens is None else f"{tokens:,}"


def _billions(parameters: float | None) -> str | None:
    return None if parameters is None else f"{parameters:g} billion"
