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
    missing. `model` is the name that it has with us at every provider, `names` are aliases that stand for it today."""

    model: str
    tariff: Tariff | None
    context_window: int | None
    max_output_tokens: int | None
    lacks: frozenset[Need]
    names: tuple[str, ...] = ()


def offering(book: Catalog, provider: str, id: str, at: int) -> Offering | None:
    """What a provider offers under its own name for a model; None where the catalog does not know it.

    What an alias has of its own counts; what is unknown of it is that of the offer which it stands for.
    """
    listing = book.listing(provider, id)
    if listing is None:
        return None
    on = today(at)
    offer, meant = book.published(listing, on), _meant(book, listing, on)
    return Offering(
        model=offer.model,
        tariff=_tariff(book, listing, at),
        context_window=offer.context.value or (meant and meant.context.value),
        max_output_tokens=offer.max_output.value or (meant and meant.max_output.value),
        lacks=_lacks(offer if meant is None else meant, book.models.get(offer.model if meant is None else meant.model)),
        names=book.names.called(provider, on).get(id, ()),
    )


def priced(book: Catalog, listing: Listing, on: str) -> Fact[Tariff]:
    """The price list of an offer on a day: an alias without one of its own asks what the offer asks that it means."""
    own = book.published(listing, on).tariff
    meant = None if own.value is not None else _meant(book, listing, on)
    return own if meant is None or meant.tariff.value is None else meant.tariff


def _meant(book: Catalog, listing: Listing, on: str) -> Published | None:
    """The offer that an alias stands for on a day."""
    meaning = book.names.meaning(listing, on)
    target = None if meaning is None else book.names.target(meaning, listing)
    return None if target is None else book.published(target, on)


def _tariff(book: Catalog, listing: Listing, at: int) -> Tariff | None:
    """The price list, with the changes that are dated ahead."""
    tariff = priced(book, listing, today(at)).value
    rows = () if tariff is None else tariff.rows
    later: list[Later] = []
    for day in _changes(book, listing, at):
        then = priced(book, listing, today(day)).value
        changed: tuple[Row, ...] = () if then is None else then.rows
        if changed != (later[-1].rows if later else rows):
            later.append(Later(since=day, rows=changed))
    if tariff is None:
        return Tariff(rows=(), later=tuple(later)) if later else None
    return replace(tariff, later=tuple(later))


def _changes(book: Catalog, listing: Listing, at: int) -> Iterable[int]:
    """The midnights ahead at which something that a source lists begins or ends, or an alias moves."""
    meanings = book.names.means(listing)
    targets = (target for one in meanings if (target := book.names.target(one, listing)) is not None)
    sightings = (s for of in (listing, *targets) for s in of.sightings)
    dates = {date for s in sightings for date in (s.valid_from, s.valid_to, s.ends)}
    dates |= {date for one in meanings for date in (one.valid_from, one.valid_to)}
    return sorted(start for date in dates if date is not None and (start := midnight(date)) > at)


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
