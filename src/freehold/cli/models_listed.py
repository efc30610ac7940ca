"""The list of models: what each can do, costs, and where it can run; and which of them somebody looks for."""

import re
from collections.abc import Callable, Iterable
from typing import Literal

import click
from msgspec import Struct

from freehold.catalog.alias import is_latest
from freehold.catalog.book import Catalog, Published, instant, today
from freehold.catalog.fit.candidate import candidate
from freehold.catalog.fit.machine import Machine
from freehold.catalog.offering import priced
from freehold.catalog.schema import Model
from freehold.cli.fit import fitted
from freehold.core.money import Price, dollars, nano
from freehold.core.tariff import Tariff

CAPABILITIES = ("audio", "image", "json", "open", "pdf", "reasoning", "tools", "video")
SORTS = ("name", "price", "context", "release")
UNKNOWN = "?"


class Api(Struct, frozen=True, kw_only=True):
    """A provider that serves a model, with what it calls it, and in which regions, as far as that is known."""

    provider: str
    ids: tuple[str, ...]
    regions: tuple[str, ...]


class Here(Struct, frozen=True, kw_only=True):
    """Whether a model runs on the machine: 'yes', 'offload' (partly in main memory), 'no', 'closed' or 'unknown'.

    `scheme` is the best quantisation that runs, or that comes nearest, with `estimated` bytes or not.
    """

    verdict: Literal["yes", "offload", "no", "closed", "unknown"]
    scheme: str | None = None
    place: str | None = None
    estimated: bool = False


class Line(Struct, frozen=True, kw_only=True):
    """A model in the list. `price` is that of its cheapest offer now; what is None is unknown.

    `aliases` are the names that stand for it today, at one provider at least.
    """

    id: str
    name: str
    maker: str | None
    aliases: tuple[str, ...]
    capabilities: tuple[str, ...]
    context: int | None
    price: Price | None
    cheapest: str | None
    providers: tuple[str, ...]
    licence: str | None
    release: str | None
    apis: tuple[Api, ...]
    here: Here


class Wanted(Struct, frozen=True, kw_only=True):
    """What somebody looks for. `most` are nano-dollars for a million tokens of input and of output."""

    words: str = ""
    provider: str | None = None
    region: str | None = None
    capabilities: frozenset[str] = frozenset()
    context: int | None = None
    most: tuple[int, int | None] | None = None
    licence: str | None = None
    here: bool = False


class Tokens(click.ParamType[int]):
    """'128k', '1M' or a plain number, as tokens."""

    name = "tokens"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d{1,9})([kM]?)", str(value))
        if found is None:
            self.fail(f"{value!r} is not a number of tokens such as 128k, 1M or 200000", param, ctx)
        return int(found[1]) * {"": 1, "k": 1_000, "M": 1_000_000}[found[2]]


class Most(click.ParamType[tuple[int, int | None]]):
    """'1' or '1/5': dollars for a million tokens of input, and of output, as nano-dollars."""

    name = "in/out"

    def convert(
        self, value: str | tuple[int, int | None], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int | None]:
        if isinstance(value, tuple):
            return value
        first, slash, second = value.partition("/")
        try:
            return nano(first), nano(second) if slash else None
        except ValueError:
            self.fail(f"{value!r} is not a price such as 0.50 or 0.50/2 in dollars", param, ctx)


def lines(book: Catalog, at: int, wanted: Wanted, machine: Machine, length: int) -> list[Line]:
    """The models that are looked for, by name. Names that stand for one of them today have no line of their own."""
    standing = book.names.standing(today(at))
    found: list[Line] = []
    for model in book.file.models:
        aliases = standing.get(model.id, ())
        text = " ".join((model.id, model.name, model.maker or "", model.repository or "", *aliases)).lower()
        if all(word in text for word in wanted.words.lower().split()) and _is_own(book, model, today(at)):
            offers = [o for o in book.offers(model.id, today(at)) if _sold(o, wanted)]
            if offers or (wanted.provider is None and wanted.region is None):
                line = _line(book, model, offers, at, aliases, _here(model, machine, length))
                if _is_wanted(line, wanted):
                    found.append(line)
    return found


def price_at(tariff: Tariff | None, at: int) -> Price | None:
    return None if tariff is None else tariff.price(at)


def sort_key(by: str) -> Callable[[Line], tuple[bool, float, str]]:
    """How lines are put in order: what is unknown comes last."""

    def key(line: Line) -> tuple[bool, float, str]:
        match by:
            case "price":
                return line.price is None, (line.price.input + line.price.output if line.price else 0), line.id
            case "context":
                return line.context is None, -(line.context or 0), line.id
            case "release":
                day = None if line.release is None else (line.release + "-01-01")[:10]
                return day is None, (0 if day is None else -instant(day)), line.id
            case _:
                return False, 0, line.id

    return key


def cells(line: Line) -> tuple[str, ...]:
    """A line for people."""
    input_, output, _ = asks(line.price)
    can = "".join(name[0].upper() if name in line.capabilities else "-" for name in CAPABILITIES)
    licence = (line.licence or UNKNOWN).removeprefix("LicenseRef-")
    return (
        line.id,
        can,
        UNKNOWN if line.context is None else tokens(line.context),
        input_,
        output,
        _apis(line),
        here_cell(line.here),
        licence,
    )


HEADS = ("model", "can", "context", "input/M", "output/M", "APIs, cheapest first", "here", "licence")
AT_RIGHT = (2, 3, 4)
LEGEND = "can: Audio Image Json Open-weights Pdf Reasoning Tools Video; ?: unknown"


def here_cell(here: Here) -> str:
    if here.verdict in {"yes", "offload"}:
        return f"{here.scheme}{'~' if here.estimated else ''}{' offload' if here.verdict == 'offload' else ''}"
    return {"no": "no", "closed": "-", "unknown": UNKNOWN}.get(here.verdict, UNKNOWN)


def asks(price: Price | None, *, unknown: str = UNKNOWN) -> tuple[str, str, str]:
    """Input, output and cached input, in dollars for a million tokens."""
    if price is None:
        return unknown, unknown, unknown
    return (
        dollars(price.input),
        dollars(price.output),
        UNKNOWN if price.cache_read is None else dollars(price.cache_read),
    )


def _is_own(book: Catalog, model: Model, on: str) -> bool:
    """Whether a model's entry is not only a name for another one."""
    rows = any(row.name == model.id for row in book.file.aliases)
    return book.named(model.id, on) is model if rows or is_latest(model.id) else True


def _sold(offer: Published, wanted: Wanted) -> bool:
    return (wanted.provider is None or offer.provider == wanted.provider) and (
        wanted.region is None or wanted.region in {zone(r) for r in _regions(offer)} | _regions(offer)
    )


def _regions(offer: Published) -> set[str]:
    policy = offer.policy.zone if offer.policy is not None else None
    return {r.lower() for r in (offer.region, policy) if r is not None}


def zone(region: str) -> str:
    """The wider region that one lies in: eu of eu-central-1."""
    return region.lower().partition("-")[0] if re.search(r"-\d$", region) else region.lower()


def _line(book: Catalog, model: Model, offers: list[Published], at: int, aliases: tuple[str, ...], here: Here) -> Line:
    known = [(p, o) for o in offers if (p := _asked(book, o, at)) is not None]
    best = min(known, key=lambda one: (one[0].input + one[0].output, one[1].provider, one[1].id), default=None)
    cheap: dict[str, int] = {}
    for p, o in known:
        cheap[o.provider] = min(cheap.get(o.provider, p.input + p.output), p.input + p.output)
    providers = sorted({o.provider for o in offers})
    return Line(
        id=model.id,
        name=model.name,
        maker=model.maker,
        aliases=aliases,
        capabilities=capabilities(model, offers),
        context=model.context or max((o.context.value for o in offers if o.context.value), default=None),
        price=None if best is None else best[0],
        cheapest=None if best is None else f"{best[1].provider}/{best[1].id}",
        providers=tuple(providers),
        licence=model.licence,
        release=model.release,
        apis=tuple(
            Api(
                provider=name,
                ids=tuple(o.id for o in offers if o.provider == name),
                regions=tuple(sorted({r for o in offers if o.provider == name for r in _regions(o)})),
            )
            for name in sorted(providers, key=lambda name: (name not in cheap, cheap.get(name, 0), name))
        ),
        here=here,
    )


def _asked(book: Catalog, offer: Published, at: int) -> Price | None:
    if offer.tariff.value is not None:
        return offer.tariff.value.price(at)
    listing = book.listing(offer.provider, offer.id) if is_latest(offer.model) else None
    return None if listing is None else price_at(priced(book, listing, today(at)).value, at)


def _is_wanted(line: Line, wanted: Wanted) -> bool:
    return (
        wanted.capabilities <= set(line.capabilities)
        and (wanted.context is None or (line.context or 0) >= wanted.context)
        and (wanted.licence is None or wanted.licence.lower() in (line.licence or "unknown").lower())
        and (wanted.most is None or _is_within(line.price, *wanted.most))
        and (not wanted.here or line.here.verdict in {"yes", "offload"})
    )


def _is_within(price: Price | None, input_: int, output: int | None) -> bool:
    return price is not None and price.input <= input_ and (output is None or price.output <= output)


def _here(model: Model, machine: Machine, length: int) -> Here:
    if model.open_weights is False:
        return Here(verdict="closed")
    if not (model.open_weights and model.attention):
        return Here(verdict="unknown")
    takes = fitted(candidate(model), machine, length)
    best = takes.best
    if best is None or best.verdict == "unknown":
        return Here(verdict="unknown")
    runs = "offload" if best.kind == "both" else "yes"
    return Here(
        verdict=runs if best.verdict == "fits" else "no",
        scheme=best.scheme,
        place=best.place,
        estimated=best.origin == "estimated",
    )


def capabilities(model: Model, offers: Iterable[Published]) -> tuple[str, ...]:
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


def _apis(line: Line) -> str:
    names = [api.provider for api in line.apis]
    zones = " ".join(sorted({zone(r) for api in line.apis for r in api.regions}))
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    there = f" ({zones})" if zones else ""
    return f"{names[0]}{more}{there}" if names else "none"


def tokens(count: int) -> str:
    """A number of tokens with three digits: 131k, 1.05M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}" if count < 1_000 * size else f"{count // size}{letter}"
    return str(count)
