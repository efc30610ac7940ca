"""freehold breakeven: an API, rented or own hardware for the traffic that you have, or that of a trace file."""

import time
from collections.abc import Sequence
from pathlib import Path

import click
from msgspec import Struct
from rich.markup import escape

from freehold.catalog.book import Catalog, Published, catalog, today
from freehold.catalog.breakeven import traces
from freehold.catalog.breakeven.answer import Report, report
from freehold.catalog.breakeven.assumptions import assumptions
from freehold.catalog.breakeven.costs import Asks
from freehold.catalog.breakeven.plot import svg
from freehold.catalog.breakeven.pricing import listed, recorded
from freehold.catalog.breakeven.replica import Replica, replica
from freehold.catalog.breakeven.serving import Level
from freehold.catalog.breakeven.traffic import Asked, Traffic, observed
from freehold.catalog.fit.accelerators import accelerator
from freehold.catalog.fit.candidate import Candidate, candidate, opened
from freehold.catalog.fit.machine import Machine
from freehold.cli.breakeven_told import told
from freehold.cli.context import DATA, JSON, SETTINGS, Duration, chosen, home, print_json, progress, screen
from freehold.cli.fit import machine_of
from freehold.core.errors import InvalidRequest
from freehold.core.money import NANO

MOST = 200_000
"""Requests of the ledger that are read at most, the newest."""


class Given(click.ParamType[tuple[str, float]]):
    """NAME=VALUE, a figure."""

    name = "name=value"

    def convert(
        self, value: str | tuple[str, float], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        if isinstance(value, tuple):
            return value
        name, _, figure = value.partition("=")
        try:
            return name, float(figure)
        except ValueError:
            self.fail(f"{value!r} is not like power_price=0.20", param, ctx)


class Wanted(Struct, frozen=True, kw_only=True):
    """What is compared: the API by its offer or model, the open model or a file of one, a replica's hardware."""

    api: str | None
    model: str | None
    scheme: str | None
    hardware: str


@click.command()
@click.option("--route", help="Only what was asked of this route.")
@click.option("--since", type=Duration(), default="30d", show_default=True, help="The traffic of the last 24h, 30d.")
@click.option(
    "--trace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of requests (CSV or JSON lines with time, input, output; .gz) instead of the ledger.",
)
@click.option("--api", help="The API: provider/model, or a model at its cheapest offer (default: what it did cost).")
@click.option("--model", help="The open model, by name or file (default: the largest that fits the hardware).")
@click.option("--quantisation", help="Of that model, such as fp8 (default: the widest with room).")
@click.option("--hardware", default="1x H100 SXM", show_default=True, help="What one replica runs on.")
@click.option("--first-token", type=float, default=3.0, show_default=True, help="Seconds to the first token.")
@click.option("--token-time", type=float, default=0.1, show_default=True, help="Seconds for each token after it.")
@click.option("--part", type=float, default=0.95, show_default=True, help="The part of requests that keep to both.")
@click.option("--cache-hits", type=float, help="The part of prompts that is cached (default: as recorded).")
@click.option("--set", "given", type=Given(), multiple=True, help="Another value for an assumption. Repeatable.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw it into this .svg file.")
@click.option("--seed", type=int, default=0, show_default=True, help="For what is drawn by chance.")
@SETTINGS
@DATA
@JSON
def breakeven(
    route: str | None,
    since: int,
    trace: Path | None,
    api: str | None,
    model: str | None,
    quantisation: str | None,
    hardware: str,
    first_token: float,
    token_time: float,
    part: float,
    cache_hits: float | None,
    given: tuple[tuple[str, float], ...],
    plot: Path | None,
    seed: int,
    settings: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """From how much traffic on own hardware is cheaper than an API, by simulating your own traffic on it."""
    _plausible(first_token, token_time, part, cache_hits)
    if plot is not None and plot.suffix.lower() != ".svg":
        raise InvalidRequest(f"A plot is an SVG file; {plot.name} is none. Any browser makes a PNG of it.")
    seen = _traced(trace, seed) if trace is not None else _ledger(settings, data, route, since)
    whole = chosen(settings, data, new=True)
    book = catalog(whole.data.folder, time.time_ns()).under(whole.catalog.overrides)
    wanted = Wanted(api=api, model=model, scheme=quantisation, hardware=hardware)
    level = Level(first_s=first_token, token_s=token_time, part=part)
    hits = seen.cached / seen.input if cache_hits is None else cache_hits
    found = _report(seen, book, wanted, level=level, hits=hits, given=dict(given), seed=seed)
    if plot is not None:
        try:
            plot.write_text(svg(found), encoding="utf-8")
        except ValueError as error:
            raise InvalidRequest(f"No plot: {error}") from None
    if as_json:
        print_json(found)
    else:
        screen().print(told(found))


def _plausible(first_token: float, token_time: float, part: float, hits: float | None) -> None:
    if not (first_token > 0 and token_time > 0 and 0.5 <= part <= 0.999):
        raise InvalidRequest("--first-token and --token-time are above 0, --part is between 0.5 and 0.999")
    if hits is not None and not 0 <= hits < 1:
        raise InvalidRequest("--cache-hits is at least 0 and below 1")


def _traced(path: Path, seed: int) -> Traffic:
    try:
        return traces.traffic(path, seed=seed)
    except (ValueError, OSError, EOFError) as error:
        raise InvalidRequest(f"The trace cannot be read: {error}") from None


def _ledger(settings: Path | None, data: str | None, route: str | None, since: int) -> Traffic:
    """What callers asked and got answered, with the tokens that were counted."""
    with home(settings, data) as folder:
        folder.project()
        rows = folder.inferences.query(route=route, since=time.time_ns() - since, limit=MOST)
    own = [row for row in rows if row.purpose == "caller"]
    found = [
        Asked(
            at=row.at / NANO,
            input=row.usage.input_tokens,
            output=row.usage.output_tokens,
            cached=min(row.usage.cache_read_tokens, row.usage.input_tokens),
            cost=row.cost,
        )
        for row in own
        if row.usage is not None and row.usage.input_tokens > 0
    ]
    notes: list[str] = []
    if len(rows) == MOST:
        notes.append(f"only the newest {MOST:,} requests were read")
    if len(found) < len(own):
        notes.append(f"{len(own) - len(found):,} of {len(own):,} requests have no tokens counted and are left out")
    named = "the ledger" if route is None else f"route {route}"
    try:
        return observed(named, found, tuple(notes))
    except ValueError as error:
        raise InvalidRequest(f"{error}. Try another --since or --route, or a --trace file.") from None


def _report(
    seen: Traffic, book: Catalog, wanted: Wanted, *, level: Level, hits: float, given: dict[str, float], seed: int
) -> Report:
    machine = machine_of(wanted.hardware)
    card = accelerator(machine.gpus[0].name) if machine.gpus else None
    if card is None or len({gpu.name for gpu in machine.gpus}) > 1:
        raise InvalidRequest(f"A replica runs on accelerators of one kind; {wanted.hardware!r} is not such hardware")
    chosen_model, one = _replica(seen, book, wanted, machine)
    name, asks = _asks(seen, book, wanted.api, chosen_model.id)
    try:
        assumed = assumptions(card, given)
    except ValueError as error:
        raise InvalidRequest(f"Assumptions: {error}") from None
    with progress("Simulating", "steps") as shown:
        task = shown.add_task("", total=2)
        return report(
            seen,
            one,
            asks,
            names=(f"{chosen_model.name} in {one.option.scheme}", one.option.place, name),
            level=level,
            assumed=assumed,
            hits=hits,
            seed=seed,
            told=lambda step: shown.advance(task),
        )


def _replica(seen: Traffic, book: Catalog, wanted: Wanted, machine: Machine) -> tuple[Candidate, Replica]:
    """The open model that is compared, and how it runs on one replica's hardware."""
    longest = max(one.input + one.output for one in seen.every)
    prompt, answer = seen.input // seen.requests, seen.output // seen.requests
    wrong = "no open model that the catalog describes"
    for model in _candidates(book, wanted.model):
        try:
            return model, replica(
                model, machine, longest=longest, prompt=prompt, context=prompt + answer, scheme=wanted.scheme
            )
        except ValueError as error:
            wrong = str(error)
    if wanted.model is None:
        wrong = f"no open model that the catalog describes fits {wanted.hardware} with {longest:,} tokens of context"
    raise InvalidRequest(f"On {wanted.hardware}: {wrong}")


def _candidates(book: Catalog, name: str | None) -> Sequence[Candidate]:
    if name is None:
        every = [candidate(model) for model in book.file.models if model.open_weights and model.attention]
        return sorted(every, key=lambda one: -(one.total or 0))
    path = Path(name)
    if path.exists():
        try:
            return [opened(path)]
        except (ValueError, OSError) as error:
            raise InvalidRequest(f"{name} is not a model that can be measured: {error}") from None
    model = book.meant(name, today(time.time_ns()))
    if model is None:
        raise InvalidRequest(f"There is neither a file nor a model of the catalog named {name}")
    if not model.open_weights:
        raise InvalidRequest(f"{model.name} has no public weights: it cannot run on your hardware")
    return [candidate(model)]


def _asks(seen: Traffic, book: Catalog, api: str | None, model: str) -> tuple[str, Asks]:
    """What the API is called, and what it asks: as recorded, by an offer that was named, or by the cheapest one."""
    if api is None and (known := recorded(seen)) is not None:
        return "what it did cost", known
    at = time.time_ns()
    offer = _offer(book, api or model, at)
    if offer is None or offer.tariff.value is None:
        raise InvalidRequest(
            f"The catalog has no price that counts for {api or model}. Name an API with --api PROVIDER/MODEL; "
            "`freehold models show MODEL` lists the offers"
        )
    try:
        return f"{offer.provider}/{offer.id}", listed(seen, offer.tariff.value, at)
    except ValueError as error:
        raise InvalidRequest(f"{offer.provider}/{offer.id}: {escape(str(error))}") from None


def _offer(book: Catalog, name: str, at: int) -> Published | None:
    """An offer by provider and id, or the cheapest of a model."""
    on = today(at)
    provider, _, id_ = name.partition("/")
    exact = book.offer(provider, id_, on) if id_ else None
    if exact is not None:
        return exact
    model = book.meant(name, on)
    offers = () if model is None else book.offers(model.id, on)
    priced: list[tuple[int, str, str, Published]] = [
        (p.input + p.output, o.provider, o.id, o) for o in offers if o.tariff.value and (p := o.tariff.value.price(at))
    ]
    free_of_doubt = [one for one in priced if one[0] > 0]
    return min(free_of_doubt, key=lambda one: one[:3])[3] if free_of_doubt else None
