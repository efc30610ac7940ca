"""Offers: which models the known providers offer, at what price and with what limits; read from `offers.json`.

The file holds dollars per million tokens as text. The first source of a row is that of its price. Where a price depends
on the hour it is the highest, where it depends on the length of the prompt it is that of a short one.
"""

from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from freehold.core.money import Price, nano
from freehold.core.request import Need


class Offer(Struct, frozen=True, kw_only=True):
    """A model at a provider, as published. None means unknown; `lacks` holds only what is known to be missing.

    `id` is the provider's name for it, `model` the one name it has with us at every provider. `context_window` counts
    prompt and answer together. `sources` are names with dates: 'litellm 2026-10-21'.
    """

    provider: str
    id: str
    model: str
    price: Price | None
    context_window: int | None
    max_output_tokens: int | None
    lacks: frozenset[Need]
    sources: tuple[str, ...]


class _Row(Struct, frozen=True, forbid_unknown_fields=True):
    provider: str
    id: str
    model: str
    source: tuple[str, ...]
    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    context: int | None = None
    max_output: int | None = None
    lacks: frozenset[Need] = frozenset()


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    sources: dict[str, str]
    offers: list[_Row]


@cache
def offers() -> tuple[Offer, ...]:
    """Every offer of the catalog, in the order of the file."""
    file = msgspec.json.decode(Path(__file__).with_name("offers.json").read_bytes(), type=_File)
    return tuple(_offer(row, file.sources) for row in file.offers)


def offer(provider: str, id: str) -> Offer | None:
    """What a provider offers under its own name for a model."""
    return _by_id().get((provider, id))


@cache
def _by_id() -> dict[tuple[str, str], Offer]:
    return {(o.provider, o.id): o for o in offers()}


def _offer(row: _Row, dates: dict[str, str]) -> Offer:
    return Offer(
        provider=row.provider,
        id=row.id,
        model=row.model,
        price=_price(row),
        context_window=row.context,
        max_output_tokens=row.max_output,
        lacks=row.lacks,
        sources=tuple(f"{name} {dates[name]}" for name in row.source),
    )


def _price(row: _Row) -> Price | None:
    if row.input is None or row.output is None:
        return None
    return Price(
        input=nano(row.input),
        output=nano(row.output),
        cache_read=None if row.cache_read is None else nano(row.cache_read),
        cache_write=None if row.cache_write is None else nano(row.cache_write),
    )
