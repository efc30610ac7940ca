"""The catalog: every offer is whole, sourced and belongs to a known provider."""

import subprocess
import sys

from freehold.catalog.offers import offer, offers
from freehold.providers.known import KNOWN


def test_every_offer_has_a_price_limits_and_dated_sources() -> None:
    for one in offers():
        where = f"{one.provider} {one.id}"
        assert one.price is not None, where
        assert 0 < one.price.input <= one.price.output, where
        assert one.price.cache_read is None or 0 < one.price.cache_read <= one.price.input, where
        assert one.context_window is not None, where
        assert (one.max_output_tokens or 0) <= one.context_window, where
        assert one.sources, where
        assert all(s.split(" ")[1].startswith("2026-") for s in one.sources), where


def test_no_offer_is_there_twice_and_each_belongs_to_a_known_provider() -> None:
    ids = [(one.provider, one.id) for one in offers()]
    assert len(ids) == len(set(ids))
    assert {provider for provider, _ in ids} <= KNOWN.keys()


def test_a_model_has_one_name_at_all_its_providers() -> None:
    hosts = {one.provider: one.id for one in offers() if one.model == "gpt-oss-120b"}
    assert hosts["groq"] == "openai/gpt-oss-120b"
    assert hosts["cerebras"] == "gpt-oss-120b"
    assert len({one.model for one in offers()}) >= 40


def test_an_offer_is_looked_up_by_provider_and_its_name_there() -> None:
    found = offer("openai", "gpt-5")
    assert found is not None
    assert found.price is not None
    assert (found.price.input, found.price.output, found.price.cache_read) == (
        1_250_000_000,
        10_000_000_000,
        125_000_000,
    )
    assert offer("openai", "gpt-never") is None
    assert offer("nobody", "gpt-5") is None


def test_importing_the_catalog_reads_no_file() -> None:
    program = (
        "import sys\n"
        "seen = []\n"
        "sys.addaudithook(lambda e, a: seen.append(str(a[0])) if e == 'open' else None)\n"
        "import freehold.catalog.offers as catalog\n"
        "assert not any('offers.json' in s for s in seen)\n"
        "catalog.offers(), catalog.offers(), catalog.offer('openai', 'gpt-5')\n"
        "assert sum('offers.json' in s for s in seen) == 1\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
