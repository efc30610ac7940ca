"""Facts: who is believed, what is flagged, and what is kept out of use until the operator decides."""

import subprocess
import sys

import msgspec
import pytest
from msgspec.structs import replace

from freehold.catalog.book import Catalog, catalog
from freehold.catalog.observation import LIMITS_DIFFER, Fact, Observation, Standing, ratio, settle
from freehold.catalog.override import Override
from freehold.catalog.schema import File, Listing, Model, Sighting
from freehold.core.money import Price
from freehold.core.tariff import Row, Tariff
from freehold.providers.known import KNOWN

TODAY = "2026-11-24"
OPUS = Price(input=5_000_000_000, output=25_000_000_000, cache_read=500_000_000, cache_write=6_250_000_000)


def said(value: int, source: str, seen_at: str, standing: Standing = "collection", **valid: str) -> Observation[int]:
    return Observation(value=value, source=source, seen_at=seen_at, standing=standing, **valid)


def fact(*observations: Observation[int], on: str = TODAY) -> Fact[int]:
    return settle(observations, on, ratio, LIMITS_DIFFER)


OLD, NEW = said(100, "a", "2026-07-02"), said(102, "b", "2026-10-21")


def test_the_operator_counts_before_the_provider_and_the_provider_before_everybody_else() -> None:
    provider, operator = said(150, "p", "2026-01-01", "provider"), said(999, "me", "2025-01-01", "operator")

    assert (fact(OLD).value, fact(OLD).basis) == (100, "single")
    assert (fact(OLD, NEW).value, fact(OLD, NEW).basis) == (102, "agreed")
    assert (fact(OLD, NEW, provider).value, fact(OLD, NEW, provider).basis) == (150, "provider")
    assert (fact(OLD, NEW, provider, operator).value, fact(OLD, NEW, provider, operator).basis) == (999, "operator")


def test_two_that_agree_count_before_a_newer_one_that_does_not() -> None:
    settled = fact(OLD, NEW, said(130, "c", "2026-11-01"))

    assert (settled.value, settled.basis) == (102, "agreed")
    assert settled.flags == ("c (2026-11-01) is 1.27 times apart from b (2026-10-21)",)


def test_a_difference_is_flagged_and_one_of_more_than_twice_is_in_quarantine() -> None:
    flagged, locked = fact(OLD, said(200, "b", "2026-10-21")), fact(OLD, said(201, "b", "2026-10-21"))

    assert (flagged.value, flagged.basis, len(flagged.flags)) == (200, "single", 1)
    assert (locked.value, locked.basis, len(locked.flags)) == (None, "quarantined", 1)


def test_what_nobody_says_is_unknown_and_what_no_longer_holds_is_not_said() -> None:
    past = said(7, "a", "2026-07-02", valid_from="2026-04-24", valid_to="2026-08-17")

    assert fact() == Fact(value=None, basis="unknown")
    assert [fact(past, on=day).value for day in ("2026-04-23", "2026-04-24", "2026-08-16", "2026-08-17")] == [
        None,
        7,
        7,
        None,
    ]


def tariff(rates: Price) -> Tariff:
    return Tariff(rows=(Row(rates=rates),))


def listed(provider: str, *rates: Price, context: tuple[int, ...] = ()) -> Listing:
    sources = ("models.dev", "litellm")
    seen = [Sighting(source=s, tariff=tariff(r)) for s, r in zip(sources, rates, strict=False)]
    seen = [replace(s, context=c) for s, c in zip(seen, context or (1_000_000,) * 2, strict=False)]
    return Listing(provider=provider, id="opus", model="opus", sightings=tuple(seen))


def world(*listings: Listing) -> Catalog:
    file = File(
        as_of=TODAY,
        sources=catalog().file.sources,
        models=(Model(id="opus", name="Opus", sources=("models.json",), context=1_000_000),),
        listings={"opus": msgspec.Raw(msgspec.json.encode(listings))},
    )
    return Catalog(file)


TENFOLD = replace(OPUS, input=10 * OPUS.input, output=10 * OPUS.output)
SWAPPED = replace(OPUS, cache_read=OPUS.cache_write, cache_write=OPUS.cache_read)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ((OPUS, TENFOLD), "10.00 times apart"),
        ((TENFOLD,), "10.0 times apart from what 3 other providers ask"),
        ((OPUS, SWAPPED), "12.50 times apart"),
        ((SWAPPED,), "a cached token costs more"),
        ((SWAPPED, SWAPPED), "a cached token costs more"),
        ((replace(OPUS, cache_write=1),), "writing to the cache costs less"),
    ],
)
def test_a_price_that_cannot_be_right_is_kept_out_until_the_operator_decides(
    fault: tuple[Price, ...], why: str
) -> None:
    others = (listed("a", OPUS), listed("b", OPUS), listed("c", replace(OPUS, input=4_500_000_000)))
    book = world(listed("anthropic", *fault), *others)
    offer = book.offer("anthropic", "opus", TODAY)
    mine = Override(date=TODAY, reason="the contract says so", price=OPUS)
    decided = book.under({"anthropic/opus": mine}).offer("anthropic", "opus", TODAY)

    assert offer is not None
    assert decided is not None
    assert (offer.tariff.value, offer.tariff.basis) == (None, "quarantined")
    assert any(why in flag for flag in offer.flags)
    assert (decided.tariff.value, decided.tariff.basis) == (tariff(OPUS), "operator")
    assert decided.tariff.observations[0].reason == "the contract says so"
    for other in ("a", "b", "c"):
        right = book.offer(other, "opus", TODAY)
        assert right is not None
        assert right.tariff.value is not None


@pytest.mark.parametrize("contexts", [(200_000, 1_000_000), (3_000_000, 3_000_000)])
def test_a_context_beyond_what_the_others_or_the_weights_say_is_kept_out(contexts: tuple[int, int]) -> None:
    offer = world(listed("x", OPUS, OPUS, context=contexts)).offer("x", "opus", TODAY)

    assert offer is not None
    assert (offer.context.value, offer.context.basis) == (None, "quarantined")
    assert offer.flags[0].startswith("context in quarantine: ")
    assert offer.tariff.basis == "agreed"


def test_the_traps_of_the_real_sources_are_caught() -> None:
    australia = catalog().offer("bedrock", "au.anthropic.claude-opus-4-6-v1", TODAY)
    minimax = catalog().offer("minimax", "MiniMax-M2.5", TODAY)
    gpt = catalog().offer("openai", "gpt-5", TODAY)

    assert australia is not None
    assert minimax is not None
    assert gpt is not None
    assert australia.tariff.basis == "quarantined"
    assert minimax.context.basis == "quarantined"
    assert (gpt.context.value, gpt.context.basis, gpt.flags) == (400_000, "agreed", ())


def test_a_name_stands_for_what_it_stood_for_on_that_day() -> None:
    def on(name: str, day: str) -> str | None:
        model = catalog().named(name, day)
        return None if model is None else model.id

    assert on("deepseek-chat", "2026-04-23") == "deepseek-v3.2"
    assert on("deepseek-chat", "2026-04-24") == "deepseek-v4-flash"
    assert on("deepseek-chat", "2026-07-24") is None
    assert on("gpt-5", TODAY) == "gpt-5"
    assert on("gpt-never", TODAY) is None


def test_a_price_changes_on_its_day() -> None:
    def asked(day: str) -> int | None:
        offer = catalog().offer("deepseek", "deepseek-v4-flash", day)
        assert offer is not None
        return None if offer.tariff.value is None else offer.tariff.value.rows[0].rates.input

    days = ("2026-04-23", "2026-04-24", "2026-08-16", "2026-08-17", "2026-09-09", "2026-09-10")
    assert [asked(day) for day in days] == [None, 140_000_000, 140_000_000, 220_000_000, 220_000_000, 300_000_000]


def test_nothing_costs_nothing_and_every_offer_is_of_a_known_provider_and_a_listed_model() -> None:
    book = catalog()
    for name in book.file.listings:
        assert name in book.models
        for one in book.listings(name):
            assert one.provider in KNOWN
            for row in (row for s in one.sightings if s.tariff for row in s.tariff.rows):
                rates = msgspec.to_builtins(row.rates)
                assert rates.pop("output") > 0 or one.mode != "chat", one.id
                assert all(rate > 0 for rate in rates.values()), one.id


def test_importing_the_facts_reads_no_file_and_asking_reads_one() -> None:
    program = (
        "import sys\n"
        "seen = []\n"
        "sys.addaudithook(lambda e, a: seen.append(str(a[0])) if e == 'open' else None)\n"
        "sys.addaudithook(lambda e, a: sys.exit(e) if e.startswith('socket') else None)\n"
        "from freehold.catalog.book import catalog\n"
        "assert not any('catalog.json' in s for s in seen)\n"
        "catalog().offers('gpt-5', '2026-11-24'), catalog().named('gpt-5', '2026-11-24')\n"
        "assert sum('catalog.json' in s for s in seen) == 1\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
