"""freehold models: which there are, what they can do, what they cost today, where they run, where each fact is from."""

import time
from datetime import date
from difflib import get_close_matches
from pathlib import Path

import click

from freehold.catalog.book import Catalog, catalog, instant, today
from freehold.catalog.fit.candidate import candidate
from freehold.cli.columns import columns
from freehold.cli.context import DATA, JSON, SETTINGS, chosen, print_json
from freehold.cli.fit import CONTEXT, fit_models, fitted, machine_of, show_fits, show_here
from freehold.cli.models_listed import (
    AT_RIGHT,
    CAPABILITIES,
    HEADS,
    LEGEND,
    SORTS,
    Line,
    Most,
    Tokens,
    Wanted,
    cells,
    lines,
    sort_key,
)
from freehold.cli.models_shown import show_facts, show_names, show_offers, shown
from freehold.core.errors import InvalidRequest


class Day(click.ParamType[str]):
    """An ISO date, as text."""

    name = "date"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2026-11-24", param, ctx)


ON = click.option("--on", type=Day(), help="Prices and names of this day (default: today).")

MACHINE = click.option("--machine", help='Another machine: "2x H100", "RTX 4090 + 64GB RAM", "M4 Max 64GB".')
LENGTH = click.option(
    "--context",
    type=Tokens(),
    default=CONTEXT,
    show_default=True,
    help="Tokens that a conversation may take, such as 32k.",
)


@click.group(invoke_without_command=True)
@click.option("--search", default="", help="Only models whose names or aliases hold these words.")
@click.option("--provider", help="Only what this provider offers.")
@click.option("--region", help="Only what is offered in this region, as far as that is known: eu, us, eu-central-1.")
@click.option(
    "--capability",
    "capabilities",
    multiple=True,
    type=click.Choice(CAPABILITIES),
    help="Only what can do this. Repeatable.",
)
@click.option("--min-context", "min_context", type=Tokens(), help="Only what takes so many tokens: 128k, 1M.")
@click.option(
    "--max-price", "most", type=Most(), help="Only what costs at most so many dollars a million tokens: 1 or 1/5."
)
@click.option("--licence", help="Only licences that hold this text: apache, mit, unknown.")
@click.option("--here", is_flag=True, help="Only what runs on this machine, or on --machine.")
@click.option("--sort", type=click.Choice(SORTS), default="name", show_default=True, help="What comes first.")
@ON
@MACHINE
@SETTINGS
@DATA
@JSON
@click.pass_context
def models(
    ctx: click.Context,
    search: str,
    provider: str | None,
    region: str | None,
    capabilities: tuple[str, ...],
    min_context: int | None,
    most: tuple[int, int | None] | None,
    licence: str | None,
    here: bool,
    sort: str,
    on: str | None,
    machine: str | None,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """The models of the catalog: what they can do, their context, price today, where they run, and licence."""
    if ctx.invoked_subcommand is not None:
        return
    book, at = _book(settings, data), _at(on)
    wanted = Wanted(
        words=search,
        provider=provider,
        region=None if region is None else region.lower(),
        capabilities=frozenset(capabilities),
        context=min_context,
        most=most,
        licence=licence,
        here=here,
    )
    found = sorted(lines(book, at, wanted, machine_of(machine), CONTEXT), key=sort_key(sort))
    if as_json:
        print_json(found)
    else:
        _list(found, book, today(at), machine or "this machine", wanted)


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
    where = machine_of(machine) if model.open_weights else None
    takes = None if where is None else fitted(candidate(model), where, context)
    whole = shown(book, name, model, today(at), where, takes)
    if as_json:
        print_json(whole)
        return
    show_names(name, whole.names, today(at))
    show_facts(book, model, at)
    if where is not None and takes is not None:
        show_here(where, takes)
    show_offers(book, whole.offers, at)


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


def _list(found: list[Line], book: Catalog, on: str, machine: str, wanted: Wanted) -> None:
    if found:
        print(columns(HEADS, map(cells, found), right=AT_RIGHT))
        print(f"\n{LEGEND}; here: on {machine}, ~ estimated")
    print(f"{len(found)} models; the cheapest price on {on}, from sources up to {book.file.as_of}.")
    if not found and (hint := _hint(book, wanted)):
        print(hint)


def _hint(book: Catalog, wanted: Wanted) -> str:
    """What may have been meant where nothing was found."""
    providers = sorted({one.provider for one in book.file.every()})
    if wanted.provider is not None and wanted.provider not in providers:
        return f"No provider is called {wanted.provider}; there are {', '.join(providers)}."
    near = get_close_matches(wanted.words.lower(), book.models, n=3, cutoff=0.5) if wanted.words else []
    return f"Did you mean {', '.join(near)}?" if near else "Fewer options find more."
