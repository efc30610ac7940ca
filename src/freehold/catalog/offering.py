"""What a deployment gets from the catalog where its settings say nothing: price list, limits, names, what it lacks."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from freehold.catalog.book import Catalog, Published, instant, today
from freehold.catalog.observation import Fact
from freehold.catalog.schema import Listing, Model
from freehold.core.request import Need
from freehold.core.tariff import MINUTE, Later, Row, Tariff

NOON = 12 * 60 * MINUTE
INPUTS: dict[Need, str] = {"image": "image", "audio": "audio", "file": "pdf"}
"""What a request may hold, and the modality of a model that takes it."""


class Offering(Struct, frozen=True, kw_only=True):
    """An offer as it holds from an instant on. None means unknown or in quarantine; `lacks` is what is known to be
    missing. `model` is the name that it has with us at every provider."""

    model: str
    tariff: Tariff | None
    context_window: int | None
    max_output_tokens: int | None
    lacks: frozenset[Need]


def offering(book: Catalog, provider: str, id: str, at: int) -> Offering | None:
    """What a provider offers under its own name for a model; None where the catalog does not know it."""
    listing = book.listing(provider, id)
    if listing is None:
        return None
    offer = book.published(listing, today(at))
    return Offering(
        model=offer.model,
        tariff=_tariff(book, listing, offer, at),
        context_window=offer.context.value,
        max_output_tokens=offer.max_output.value,
        lacks=_lacks(offer, book.models.get(offer.model)),
    )


def _tariff(book: Catalog, listing: Listing, offer: Published, at: int) -> Tariff | None:
    """The price list, with the changes that are dated ahead."""
    tariff = offer.tariff.value
    rows = () if tariff is None else tariff.rows
    later: list[Later] = []
    for day in _changes(listing, at):
        then = book.published(listing, today(day)).tariff.value
        changed: tuple[Row, ...] = () if then is None else then.rows
        if changed != (later[-1].rows if later else rows):
            later.append(Later(since=day, rows=changed))
    if tariff is None:
        return Tariff(rows=(), later=tuple(later)) if later else None
    return replace(tariff, later=tuple(later))


def _changes(listing: Listing, at: int) -> Iterable[int]:
    """The midnights ahead at which something that a source lists begins or ends."""
    dates = {date for s in listing.sightings for date in (s.valid_from, s.valid_to, s.ends) if date is not None}
    return sorted(start for date in dates if (start := midnight(date)) > at)


def midnight(day: str) -> int:
    """The beginning of an ISO day, in UTC nanoseconds."""
    return instant(day) - NOON


def _lacks(offer: Published, model: Model | None) -> frozenset[Need]:
    """Where sources differ on what it can do, it is not held to lack it."""
    lacks: set[Need] = set()
    if _denied(offer.tools):
        lacks.add("tools")
    if _denied(offer.json):
        lacks.add("json_schema")
    if _denied(offer.vision):
        lacks.add("image")
    if model is not None and model.modalities:
        lacks |= {need for need, modality in INPUTS.items() if modality not in model.modalities}
    if offer.vision.value:
        lacks.discard("image")
    return frozenset(lacks)


def _denied(fact: Fact[bool]) -> bool:
    return fact.value is False and not fact.flags
