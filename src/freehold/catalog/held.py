"""Held back: entries of a new snapshot that are not believed yet. The entry that held before stays in force."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from freehold.catalog.observation import Source
from freehold.catalog.schema import Alias, File, Listing, Model

T = TypeVar("T")

Kind = Literal["model", "offer", "alias", "source"]


NOTHING = Raw(b"null")


class Held(Struct, frozen=True, kw_only=True):
    """An entry that is held back, and why. `old` is what stays instead, as JSON; null where there was nothing.

    `subject` is a model's id, 'PROVIDER/ID' of an offer, the name of an alias or of a source. The `old` of an alias is
    the list of its spans. `under` is the model of which the new snapshot lists an offer.
    """

    kind: Kind
    subject: str
    why: tuple[str, ...]
    old: Raw = NOTHING
    under: str | None = None


def held(kind: Kind, subject: str, why: Iterable[str], old: object | None, under: str | None = None) -> Held:
    """An entry held back, with what stays instead of it."""
    return Held(kind=kind, subject=subject, why=tuple(why), old=Raw(msgspec.json.encode(old)), under=under)


def overlaid(file: File, those: Iterable[Held]) -> File:
    """The file with the entries that are held back as they were before."""
    by_kind: dict[Kind, dict[str, Held]] = {"model": {}, "offer": {}, "alias": {}, "source": {}}
    for one in those:
        by_kind[one.kind][one.subject] = one
    if not any(by_kind.values()):
        return file
    return replace(
        file,
        models=_models(file, by_kind["model"]),
        listings=_listings(file, by_kind["offer"]),
        aliases=_aliases(file, by_kind["alias"]),
        sources=_sources(file, by_kind["source"]),
    )


def _models(file: File, those: Mapping[str, Held]) -> tuple[Model, ...]:
    if not those:
        return file.models
    kept = (model for model in file.models if model.id not in those)
    return tuple(sorted((*kept, *_old(those, Model).values()), key=lambda model: model.id))


def _listings(file: File, those: Mapping[str, Held]) -> dict[str, Raw]:
    """Only the offers of models that those entries are about are decoded."""
    old = _old(those, Listing)
    listings = dict(file.listings)
    for model in {one.model for one in old.values()} | {one.under for one in those.values() if one.under is not None}:
        kept = (one for one in file.listed(model) if f"{one.provider}/{one.id}" not in those)
        back = (one for one in old.values() if one.model == model)
        listings[model] = Raw(msgspec.json.encode(sorted((*kept, *back), key=lambda one: (one.provider, one.id))))
    return listings


def _aliases(file: File, those: Mapping[str, Held]) -> tuple[Alias, ...]:
    old = (alias for of in _old(those, tuple[Alias, ...]).values() for alias in of)
    return (*(alias for alias in file.aliases if alias.name not in those), *old)


def _sources(file: File, those: Mapping[str, Held]) -> dict[str, Source]:
    """A new source that is held back may still be quoted, as one that collects facts."""
    new = {name: replace(s, standing="collection") for name, s in file.sources.items() if name in those}
    return {**file.sources, **new, **_old(those, Source)}


def _old(those: Mapping[str, Held], kind: type[T]) -> dict[str, T]:
    return {name: msgspec.json.decode(one.old, type=kind) for name, one in those.items() if one.old != NOTHING}
