"""freehold models fit: which open models run on this machine, or one that you think of, and how fast."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct
from rich.markup import escape
from rich.table import Table

from freehold.catalog.book import Catalog
from freehold.catalog.fit.accelerators import accelerator
from freehold.catalog.fit.candidate import Candidate, candidate, opened
from freehold.catalog.fit.choice import PROMPT, Option, best, options
from freehold.catalog.fit.machine import Gpu, Machine, here, named
from freehold.catalog.fit.speed import Interval
from freehold.cli.context import print_json, screen
from freehold.core.errors import InvalidRequest

CONTEXT = 8_192
GIB = 1 << 30
SHOWN = 4
VAGUE = 30
"""High over low of an interval from which on it is shown as unknown."""

UNDESCRIBED = "The catalog does not describe its layers and sizes; name a file or folder: `freehold models fit PATH`."
SAYS = {
    "fits": "[green]fits[/green]",
    "too_large": "[red]too large[/red]",
    "unknown": "[yellow]unknown[/yellow]",
    "too_long": "[yellow]not so long[/yellow]",
    "no_engine": "[yellow]no engine[/yellow]",
}


class Fitted(Struct, frozen=True, kw_only=True):
    """A model on a machine: every option, the best first; `verdict` is that of the best."""

    model: str
    name: str
    verdict: str
    best: Option | None
    options: tuple[Option, ...]


class Fits(Struct, frozen=True, kw_only=True):
    """The machine, the context asked for in tokens, and what fits it."""

    machine: Machine
    context: int
    prompt: int
    models: tuple[Fitted, ...]
    undescribed: int


def machine_of(text: str | None) -> Machine:
    """The machine that was named, else this one. InvalidRequest where it cannot be told."""
    try:
        return here() if text is None else named(text)
    except ValueError as error:
        raise InvalidRequest(f"The machine is not known: {error}") from None


def fitted(model: Candidate, machine: Machine, context: int) -> Fitted:
    """A model on a machine."""
    every = options(model, machine, context)
    chosen = best(every)
    verdict = chosen.verdict if chosen is not None else "no_engine" if model.forms else "unknown"
    return Fitted(model=model.id, name=model.name, verdict=verdict, best=chosen, options=every)


def fit_models(book: Catalog, wanted: str | None, on: str, machine: Machine, context: int) -> Fits:
    """One model of the catalog, a file, a folder, or without a name every open model whose layers are described."""
    path = None if wanted is None else Path(wanted)
    undescribed = 0
    if path is not None and path.exists():
        try:
            candidates = [opened(path)]
        except (ValueError, OSError) as error:
            raise InvalidRequest(f"{wanted} is not a model that can be measured: {error}") from None
    elif wanted is not None:
        model = book.meant(wanted, on)
        if model is None:
            raise InvalidRequest(
                f"There is neither a file nor a model of the catalog named {wanted}; `freehold models` lists the models"
            )
        if model.open_weights is False:
            raise InvalidRequest(f"{model.name} has no public weights: it runs only where its maker serves it")
        candidates = [candidate(model)]
    else:
        open_models = [model for model in book.file.models if model.open_weights]
        described = [model for model in open_models if model.attention]
        undescribed = len(open_models) - len(described)
        candidates = [candidate(model) for model in described]
    found = [fitted(model, machine, context) for model in candidates]
    found.sort(key=lambda f: (f.verdict != "fits", -(f.best.weights if f.best else 0)))
    return Fits(machine=machine, context=context, prompt=PROMPT, models=tuple(found), undescribed=undescribed)


def show_fits(found: Fits, wanted: str | None, as_json: bool) -> None:
    """The answer, as a table or JSON."""
    if as_json:
        print_json(found)
        return
    print(described(found.machine))
    print(f"Asked for: {found.context:,} tokens of context, one sequence at a time.\n")
    if wanted is None:
        screen().print(_models(found.models))
        fits = sum(one.verdict == "fits" for one in found.models)
        print(f"\n{fits} of {len(found.models)} open models fit whose layers the catalog describes;", end=" ")
        print(f"{found.undescribed} others: name a file or folder.")
    else:
        (one,) = found.models
        if one.options:
            screen().print(table(one.options))
        elif one.verdict == "unknown":
            print(f"{one.name}: unknown. {UNDESCRIBED}")
        else:
            print(f"{one.name}: no engine here runs a format that is known of it.")
    print(footnote(found.prompt))


def show_here(machine: Machine, takes: Fitted) -> None:
    """Memory and speed of a model on a machine: what fits, at most `SHOWN`, else what comes nearest."""
    fits = [one for one in takes.options if one.verdict == "fits"][:SHOWN]
    print(f"\n{described(machine)}")
    if takes.best is None or takes.verdict == "unknown":
        print(f"What it takes is not known. {UNDESCRIBED}")
        return
    screen().print(table(fits or [takes.best]))
    print(footnote(PROMPT))


def footnote(prompt: int) -> str:
    """What the figures stand on."""
    return (
        f"Speeds: 8 of 10 runs lie in the interval; first token after a prompt of {prompt:,} tokens. Sizes marked ~\n"
        "are estimated, with a tenth on top. What is uncertain of memory counts as needed (docs/decisions/0017-fit.md)."
    )


def described(machine: Machine) -> str:
    """A machine in a line or two."""
    memory = f"{machine.free / GIB:.1f} of {machine.memory / GIB:.1f} GiB of main memory free"
    if machine.system == "as named":
        told = [_cards(count, gpu) for gpu, count in Counter(machine.gpus).items()]
        rest = [memory] if machine.memory and machine.unified is None else []
        return "\n".join(["As if this were the machine:", *(f"  {line}" for line in (*told, *rest))])
    lines = [f"This machine: {machine.processor}, {machine.cores} cores, {memory}"]
    lines += [f"  {gpu.name}: {gpu.free / GIB:.1f} of {gpu.memory / GIB:.1f} GiB free" for gpu in machine.gpus]
    return "\n".join(lines if machine.gpus else [f"{lines[0]}, no accelerator"])


def _cards(count: int, gpu: Gpu) -> str:
    """Cards of one kind, with the figures that are taken for them."""
    card = accelerator(gpu.name)
    each = f"{count}x {gpu.name}: {gpu.memory / GIB:.1f} GiB each"
    return each if card is None else f"{each}, {card.bandwidth:,g} GB/s, {card.tflops:,g} TFLOPS ({card.source})"


def table(found: Iterable[Option]) -> Table:
    """Options side by side."""
    heads = ("on", "quantisation", "engine", "", "needs", "of", "longest context", "tokens/s", "first token")
    shown = Table(*heads, box=None, pad_edge=False)
    for one in found:
        shown.add_row(escape(one.place), *_cells(one))
    return shown


def _models(found: Iterable[Fitted]) -> Table:
    heads = ("model", "on", "quantisation", "engine", "", "needs", "of", "longest context", "tokens/s", "first token")
    shown = Table(*heads, box=None, pad_edge=False)
    for one in found:
        if one.best is None:
            shown.add_row(escape(one.model), "", "", "", SAYS[one.verdict])
        else:
            shown.add_row(escape(one.model), escape(one.best.place), *_cells(one.best))
    return shown


def _cells(one: Option) -> tuple[str, ...]:
    each = " each" if one.devices > 1 and one.kind == "gpu" else ""
    return (
        escape(one.scheme) + (" ~" if one.origin == "estimated" else ""),
        one.engine,
        SAYS[one.verdict],
        "unknown" if one.need is None else f"{one.need.total / GIB:.1f} GiB{each}",
        f"{one.usable / GIB:.1f}",
        f"{one.longest:,}" if one.longest else "none",
        "" if one.verdict != "fits" else "unknown" if one.speed is None else _span(one.speed.decode),
        "" if one.verdict != "fits" else "unknown" if one.speed is None else _span(one.speed.first_token, " s"),
    )


def _span(found: Interval, unit: str = "") -> str:
    """An interval with two digits that count; one that says nothing is unknown."""
    if found.high > VAGUE * found.low:
        return "unknown"
    low, high = f"{found.low:.2g}", f"{found.high:.2g}"
    return f"{float(low):,g} to {float(high):,g}{unit}"
