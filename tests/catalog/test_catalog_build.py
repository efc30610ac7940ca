"""The catalog's file is what the tool makes of the two price sources, and says no more than they do."""

import gzip
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from freehold.catalog.book import catalog
from freehold.catalog.schema import Sighting

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "catalog"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared catalog data is not here")


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    made = tmp_path / "catalog.json"
    tool = [sys.executable, "-m", "tools.catalog", str(DATA), str(made)]

    assert subprocess.run(tool, cwd=ROOT, check=True, capture_output=True).stdout.startswith(b"catalog.json: ")
    assert made.read_bytes() == (ROOT / "src" / "freehold" / "catalog" / "catalog.json").read_bytes()


def seen(source: str) -> dict[tuple[str, str], Sighting]:
    book = catalog()
    every = (one for model in book.file.listings for one in book.listings(model))
    return {(one.provider, one.id): s for one in every for s in one.sightings if s.source == source}


def test_every_offer_of_a_provider_we_know_is_there_with_the_price_of_its_source() -> None:
    """Groq, DeepSeek and OpenRouter stand for all: their ids are written alike in the sources and here."""
    litellm = msgspec.json.decode(gzip.decompress((DATA / "litellm_2026-10-21.slim.json.gz").read_bytes()))
    modelsdev = msgspec.json.decode(gzip.decompress((DATA / "modelsdev_2026-07-02.json.gz").read_bytes()))
    asked: dict[tuple[str, str, str], tuple[Decimal, Decimal]] = {}
    for key, entry in litellm.items():
        provider, _, id = key.partition("/")
        if provider == entry["litellm_provider"] in {"groq", "deepseek"} and entry.get("input_cost_per_token"):
            both = (entry["input_cost_per_token"], entry["output_cost_per_token"])
            asked["litellm", provider, id] = tuple(Decimal(str(price)) * 10**15 for price in both)
    for offer in modelsdev["offers"]:
        cost = offer.get("cost") or {}
        text = "text" in offer["modalities"]["output"]
        if offer["provider"] in {"groq", "openrouter"} and text and cost.get("input") and cost.get("output"):
            both = (cost["input"], cost["output"])
            asked["models.dev", offer["provider"], offer["id"]] = tuple(Decimal(str(p)) * 10**9 for p in both)

    told = {"litellm": seen("litellm"), "models.dev": seen("models.dev")}
    assert len(asked) > 300
    for (source, provider, id), price in asked.items():
        tariff = told[source][provider, id].tariff
        assert tariff is not None, id
        rates = next(row.rates for row in tariff.rows if not row.above and not row.hours and row.service == "standard")
        assert all(abs(have - want) <= 1 for have, want in zip((rates.input, rates.output), price, strict=True)), id
