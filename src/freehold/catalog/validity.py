"""Validity: a catalog file that hangs together. Whether what it says can be believed is another question."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import date

import msgspec

from freehold.catalog.schema import File, Listing
from freehold.core.errors import CatalogRefused
from freehold.core.tariff import Tariff

CONTROL = re.compile(rb"\\[bfnrt]|\\u00[0189][0-9a-fA-F]|\\u007[fF]|\x7f|\xc2[\x80-\x9f]")
"""Control characters in JSON, escaped or not. What a file says is printed in terminals."""

TOLD = 5
"""Problems in a message at most."""


def read(data: bytes) -> File:
    """The catalog in a file's bytes; CatalogRefused where its parts do not fit each other."""
    if CONTROL.search(data):
        raise CatalogRefused("The file is not a catalog: it holds control characters, which no name or figure has")
    try:
        file = msgspec.json.decode(data, type=File)
        check(file)
    except msgspec.DecodeError as error:
        raise CatalogRefused(f"The file is not a catalog of this version: {error}") from None
    return file


def check(file: File) -> None:
    """CatalogRefused where the parts of a catalog do not fit each other."""
    listings = {model: file.listed(model) for model in file.listings}
    problems = list(_problems(file, listings))
    if problems:
        more = f"\nand {len(problems) - TOLD} more" if len(problems) > TOLD else ""
        raise CatalogRefused("The catalog is not whole:\n" + "\n".join(problems[:TOLD]) + more)


def _problems(file: File, listings: dict[str, tuple[Listing, ...]]) -> Iterable[str]:
    known = Counter(model.id for model in file.models)
    yield from (f"model {id} is there {count} times" for id, count in known.items() if count > 1)
    yield from (f"offers of the model {id}, which is not there" for id in listings if id not in known)
    yield from (
        f"alias {a.name} stands for {a.model}, which is not there" for a in file.aliases if a.model not in known
    )
    yield from (
        f"alias {a.name} is of an unknown source {a.source}"
        for a in file.aliases
        if a.source not in {None, *file.sources}
    )
    yield from (
        f"source {name} claims to be the operator" for name, s in file.sources.items() if s.standing == "operator"
    )
    for model in file.models:
        yield from (f"model {model.id} is of an unknown source {s}" for s in model.sources if s not in file.sources)
    if not _is_day(file.as_of):
        yield f"as_of {file.as_of!r} is not a date"
    every = Counter((one.provider, one.id) for of in listings.values() for one in of)
    yield from (f"offer {p}/{id} is there {count} times" for (p, id), count in every.items() if count > 1)
    for provider, ids in file.current.items():
        yield from (f"{provider}/{id} is current, and no offer" for id in ids if (provider, id) not in every)
    for model, of in listings.items():
        for one in of:
            yield from (f"offer {one.provider}/{one.id} {problem}" for problem in _wrong(one, model, file))


def _wrong(one: Listing, model: str, file: File) -> Iterable[str]:
    if one.model != model:
        yield f"of {one.model} is among those of {model}"
    for s in one.sightings:
        if s.source not in file.sources:
            yield f"is of an unknown source {s.source}"
        if not all(day is None or _is_day(day) for day in (s.ends, s.valid_from, s.valid_to)):
            yield f"has a date that is none, by {s.source}"
        if any(limit is not None and limit < 0 for limit in (s.context, s.max_input, s.max_output)):
            yield f"has a negative limit, by {s.source}"
        if s.tariff is not None:
            yield from (f"{problem}, by {s.source}" for problem in _unpriced(s.tariff))


def _unpriced(tariff: Tariff) -> Iterable[str]:
    for rows in (tariff.rows, *(change.rows for change in tariff.later if change.rows)):
        keys = [(row.service, row.above, row.hours) for row in rows]
        if ("standard", 0, ()) not in keys or len(set(keys)) < len(keys):
            yield "has a price list without one plain row, or with a row twice"
        if any(rate is not None and rate < 0 for row in rows for rate in msgspec.structs.astuple(row.rates)):
            yield "has a negative price"
    if any(parts <= 0 for parts in tariff.regions.values()):
        yield "has a region that multiplies by nothing"


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
