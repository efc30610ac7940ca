"""Builds the catalog's file: `python -m tools.catalog FOLDER [FILE]`, the folder of the price sources and models.json.

Facts and figures carry over, sentences do not. The same folder gives the same bytes.
"""

import gzip
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from freehold.catalog.observation import Source
from freehold.catalog.schema import File, Listing, Model, Sighting
from tools.catalog import litellm, modelsdev, named
from tools.catalog.current import CURRENT
from tools.catalog.names import LITELLM, MODELSDEV, model, own_id, region
from tools.catalog.policies import POLICIES

OUT = Path(__file__).parents[2] / "src" / "freehold" / "catalog" / "catalog.json"
AS_OF = "2026-11-23"
SOURCES = {
    "litellm": Source(name="BerriAI/litellm", version="1.106.2", seen_at="2026-10-21", licence="MIT"),
    "models.dev": Source(name="anomalyco/models.dev", version="f3fc6922", seen_at="2026-07-02", licence="MIT"),
    "genai-prices": Source(name="pydantic/genai-prices", version="0.2.3", seen_at="2026-11-23", licence="MIT"),
    "models.json": Source(
        name="the maker's model card",
        version="and config file",
        seen_at="2026-11-23",
        licence="facts of the makers' pages",
        standing="provider",
    ),
    "pages": Source(
        name="pages about it", version="codersera.com, learnaiforge.com", seen_at="2026-11-23", licence="facts only"
    ),
}
Seen = tuple[str, str, str, Sighting, dict[str, Any]]
"""Provider, id, mode, what the source says, and the source's own entry."""


def main(folder: Path, out: Path = OUT) -> None:
    described = list(named.models(msgspec.json.decode((folder / "models.json").read_bytes())["models"]))
    seen = [*_litellm(folder), *_modelsdev(folder)]
    listings = sorted(_merged(seen), key=lambda one: (one.provider, one.id))
    models = sorted(chain(described, _others(listings, seen, {m.id for m in described})), key=lambda m: m.id)
    lines = [b'"models":[\n' + b",\n".join(map(_json, models)) + b"\n]"]
    by_model: dict[str, list[Listing]] = {}
    for one in listings:
        by_model.setdefault(one.model, []).append(one)
    groups = (_json(name) + b":[\n" + b",\n".join(map(_json, of)) + b"]" for name, of in sorted(by_model.items()))
    lines.append(b'"listings":{\n' + b",\n".join(groups) + b"\n}")
    head = {"as_of": AS_OF, "sources": SOURCES, "aliases": named.ALIASES, "current": CURRENT}
    lines[:0] = [_json(name) + b":" + _json(value) for name, value in head.items()]
    out.write_bytes(b"{" + b",\n".join(lines) + b"}\n")
    msgspec.json.decode(out.read_bytes(), type=File)
    print(f"{out.name}: {len(models)} models, {len(listings)} offers, {out.stat().st_size:,} bytes")


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def _read(file: Path) -> Any:
    return msgspec.json.decode(gzip.decompress(file.read_bytes()))


def _litellm(folder: Path) -> Iterator[Seen]:
    entries = _read(next(folder.glob("litellm_*.json.gz")))
    done: set[tuple[str, str]] = set()
    for key in sorted(entries, key=lambda k: (own_id(k) == k, k)):  # the key with a provider's prefix says it first
        entry = entries[key]
        provider, id = LITELLM.get(entry["litellm_provider"]), own_id(key)
        if provider is None or (provider, id) in done:
            continue
        done.add((provider, id))
        yield provider, id, entry["mode"], litellm.sighting(entry), {}


def _modelsdev(folder: Path) -> Iterator[Seen]:
    for offer in _read(next(folder.glob("modelsdev_*.json.gz")))["offers"]:
        if (provider := MODELSDEV.get(offer["provider"])) is not None and "text" in offer["modalities"]["output"]:
            yield provider, offer["id"], "chat", modelsdev.sighting(offer), offer


def _merged(seen: Iterable[Seen]) -> Iterator[Listing]:
    found: dict[tuple[str, str], Listing] = {}
    for provider, id, mode, sighting, _ in seen:
        since, until = named.VALID.get((provider, id, sighting.source), (None, None))
        dated = replace(sighting, valid_from=since, valid_to=until)
        where = (provider, id)
        one = found.get(where)
        if one is None:
            one = Listing(
                provider=provider,
                id=id,
                model=model(provider, id),
                mode="chat" if mode in {"responses", "completion"} else mode,
                region=region(id),
                policy=POLICIES.get(provider),
                sightings=(),
            )
            if where in named.MORE:
                one = replace(one, sightings=(named.MORE[where],))
        if all(s.source != sighting.source for s in one.sightings):
            found[where] = replace(one, sightings=(*one.sightings, dated))
    for one in found.values():
        yield replace(one, sightings=_one_meaning(one.sightings))


def _one_meaning(sightings: tuple[Sighting, ...]) -> tuple[Sighting, ...]:
    """litellm gives the prompt's limit alone. With the answer's it may be the context that another source gives."""
    contexts = [s.context for s in sightings if s.context]

    def read(s: Sighting) -> Sighting:
        if s.source != "litellm" or s.max_input is None:
            return s
        both = s.max_input + (s.max_output or 0)
        if any(abs(both - c) <= 0.03 * c for c in contexts):
            return replace(s, context=both)
        return replace(s, context=s.max_input, max_input=None)

    return tuple(map(read, sightings))


def _others(listings: list[Listing], seen: list[Seen], described: set[str]) -> Iterator[Model]:
    """A model for each name that only offers know, with what models.dev says of the model itself."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for provider, id, _, _, offer in seen:
        if offer:
            entries.setdefault(model(provider, id), []).append(offer)
    for id in sorted({one.model for one in listings} - described):
        of = entries.get(id, [])
        kinds = sorted({m for o in of for m in o["modalities"]["input"]})
        yield Model(
            id=id,
            name=_most([o["name"] for o in of]) or id,
            sources=("models.dev",) if of else ("litellm",),
            open_weights=_most([o["open_weights"] for o in of]),
            release=_most([o["release_date"] for o in of]),
            modalities=tuple(kinds),
        )


def _most(values: list[Any]) -> Any:
    return Counter(values).most_common(1)[0][0] if values else None


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
