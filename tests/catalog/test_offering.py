"""What a deployment gets from the catalog: the current models of a provider, their price lists, limits and lacks."""

from datetime import UTC, datetime

import msgspec
import pytest

from freehold.catalog.book import Catalog, catalog, today
from freehold.catalog.observation import Source
from freehold.catalog.offering import Offering, midnight, offering
from freehold.catalog.schema import File, Listing, Model, Sighting
from freehold.core.money import Price
from freehold.core.tariff import Tariff, flat
from freehold.core.usage import Usage
from freehold.providers.known import KNOWN

MILLION = Usage(input_tokens=1_000_000)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


NOW = at("2026-11-25T12:00:00")


def known(provider: str, id: str, when: int = NOW) -> Offering:
    found = offering(catalog(), provider, id, when)
    assert found is not None, f"{provider}/{id}"
    return found


def billed(tariff: Tariff | None, when: int) -> int | None:
    bill = None if tariff is None else tariff.bill(MILLION, when)
    return None if bill is None else bill.amount


CURRENT = [(provider, id) for provider, ids in catalog().file.current.items() for id in ids]


def test_the_current_models_of_a_provider_are_offers_of_the_catalog_that_have_not_ended() -> None:
    assert len(CURRENT) == len(set(CURRENT)) >= 140
    for provider, id in CURRENT:
        assert provider in KNOWN
        offer = catalog().offer(provider, id, today(NOW))
        assert offer is not None, f"{provider}/{id}"
        assert offer.ends is None or offer.ends > today(NOW), f"{provider}/{id}"
        assert offer.tariff.basis != "unknown"


def test_nearly_every_current_model_has_a_price_and_limits_and_none_of_a_figure_in_quarantine() -> None:
    unpriced = {f"{p}/{i}" for p, i in CURRENT if billed(known(p, i).tariff, NOW) is None}
    quarantined = {
        f"{p}/{i}"
        for p, i in CURRENT
        if (offer := catalog().offer(p, i, today(NOW))) is not None and offer.tariff.basis == "quarantined"
    }

    assert unpriced == quarantined
    assert len(quarantined) <= 3
    assert sum(known(p, i).context_window is None for p, i in CURRENT) <= 3


def test_a_figure_in_quarantine_is_unknown_and_not_the_figure_of_one_source() -> None:
    offer = catalog().offer("deepseek", "deepseek-v4-pro", today(NOW))

    assert offer is not None
    assert offer.tariff.basis == "quarantined"
    assert {o.source for o in offer.tariff.observations} == {"litellm", "models.dev"}
    assert known("deepseek", "deepseek-v4-pro").tariff is None


def test_what_an_offer_lacks_is_what_is_known_to_be_missing() -> None:
    assert known("groq", "openai/gpt-oss-120b").lacks == {"image", "audio", "file"}
    assert "image" not in known("openai", "gpt-5").lacks
    assert "tools" in known("together", "deepseek-ai/DeepSeek-R1").lacks


def test_an_offer_that_nobody_lists_is_none() -> None:
    assert offering(catalog(), "openai", "gpt-never", NOW) is None
    assert offering(catalog(), "nobody", "gpt-5", NOW) is None


@pytest.mark.parametrize(
    ("when", "nanos"),
    [
        ("2026-04-23T23:59:59", None),
        ("2026-04-24T00:00:00", 140_000_000),
        ("2026-08-16T23:59:59", 140_000_000),
        ("2026-08-17T00:00:00", 220_000_000),
        ("2026-09-09T23:59:59", 220_000_000),
        ("2026-09-10T05:00:00", 150_000_000),  # a Thursday between the peaks
        ("2026-09-10T06:00:00", 300_000_000),
        ("2026-09-12T07:00:00", 150_000_000),  # a Saturday
    ],
)
def test_a_price_list_read_early_changes_at_the_dated_instants(when: str, nanos: int | None) -> None:
    early = known("deepseek", "deepseek-v4-flash", at("2026-01-01T00:00:00")).tariff
    late = known("deepseek", "deepseek-v4-flash", at(when)).tariff

    assert billed(early, at(when)) == billed(late, at(when)) == nanos


def test_deepseek_chat_costs_what_it_stood_for_and_nothing_is_known_when_it_stands_for_nothing() -> None:
    early = known("deepseek", "deepseek-chat", at("2026-04-01T00:00:00")).tariff
    days = ["2026-04-23", "2026-04-24", "2026-07-23", "2026-07-24"]

    assert [billed(early, midnight(day)) for day in days] == [280_000_000, 140_000_000, 140_000_000, None]
    names = [model.id if (model := catalog().named("deepseek-chat", day)) else None for day in days]
    assert names == ["deepseek-v3.2", "deepseek-v4-flash", "deepseek-v4-flash", None]


def test_an_offer_with_an_end_has_no_price_from_that_day_on() -> None:
    tariff = known("openai", "gpt-5-2025-08-07").tariff

    assert billed(tariff, midnight("2026-12-11") - 1) == 1_250_000_000
    assert billed(tariff, midnight("2026-12-11")) is None


def test_a_price_without_dates_has_no_later_one() -> None:
    sources = {"s": Source(name="s", version="1", seen_at="2026-01-01", licence="MIT")}
    seen = Sighting(source="s", tariff=flat(Price(input=1, output=2)))
    listing = Listing(provider="openai", id="x", model="x", sightings=(seen,))
    raw = msgspec.Raw(msgspec.json.encode([listing]))
    models = (Model(id="x", name="x", sources=("s",)),)
    book = Catalog(File(as_of="2026-01-01", sources=sources, models=models, listings={"x": raw}))
    found = offering(book, "openai", "x", NOW)

    assert found == Offering(
        model="x",
        tariff=flat(Price(input=1, output=2)),
        context_window=None,
        max_output_tokens=None,
        lacks=frozenset(),
    )
