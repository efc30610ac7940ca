"""Names with 'latest' in them stand for the newest of their family at their provider: by date, and by nothing else."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from freehold.app.home import Home
from freehold.catalog.book import Catalog, catalog
from freehold.catalog.observation import Source
from freehold.catalog.offering import midnight, offering
from freehold.catalog.override import Override
from freehold.catalog.schema import Alias, File, Listing, Model, Sighting
from freehold.core.money import Price
from freehold.core.tariff import flat
from freehold.core.usage import Usage
from freehold.providers.discovery import Found
from freehold.settings.book import Book
from freehold.settings.load import read
from freehold.settings.resolve import resolve
from freehold.settings.tables import DataSettings, Settings
from snapshots_world import Draft

SOURCES = {
    "july": Source(name="july", version="1", seen_at="2026-07-01", licence="MIT"),
    "october": Source(name="october", version="1", seen_at="2026-10-01", licence="MIT"),
}
MILLION = Usage(input_tokens=1_000_000)
TODAY = "2026-11-25"
OWL = "owl-latest"
OPENAI = Found(provider="openai", via="OPENAI_API_KEY", base_url="https://api.openai.com/v1")


def sold(
    id: str,
    price: int | None = 10,
    *,
    provider: str = "openai",
    model: str | None = None,
    source: str = "october",
    ends: str | None = None,
    context: int | None = None,
) -> Listing:
    tariff = None if price is None else flat(Price(input=price, output=price))
    seen = Sighting(source=source, tariff=tariff, ends=ends, context=context)
    return Listing(provider=provider, id=id, model=model or id, sightings=(seen,))


def book(*listings: Listing, aliases: tuple[Alias, ...] = (), releases: dict[str, str] | None = None) -> Catalog:
    names = sorted({one.model for one in listings} | {row.model for row in aliases})
    models = tuple(Model(id=name, name=name, sources=("july",), release=(releases or {}).get(name)) for name in names)
    raw = {n: msgspec.Raw(msgspec.json.encode([one for one in listings if one.model == n])) for n in names}
    current = {"openai": tuple(one.id for one in listings if one.provider == "openai")}
    return Catalog(File(as_of=TODAY, sources=SOURCES, models=models, listings=raw, aliases=aliases, current=current))


def named(found: Catalog, name: str, day: str) -> str | None:
    model = found.named(name, day)
    return None if model is None else model.id


FAMILY = (
    sold("owl-large-latest"),
    sold("owl-large-2502"),
    sold("owl-large-2511", ends="2026-12-01"),
    sold("owl-large-2612"),
    sold("owl-large", provider="groq"),
    sold("owl-small-2612"),
)


@pytest.mark.parametrize(
    ("day", "stands_for"),
    [
        ("2025-01-31", "owl-large-latest"),  # nothing of the family was there yet
        ("2025-02-01", "owl-large-2502"),
        ("2025-10-31", "owl-large-2502"),
        ("2025-11-01", "owl-large-2511"),
        ("2026-11-30", "owl-large-2511"),
        ("2026-12-01", "owl-large-2612"),
    ],
)
def test_the_newest_dated_one_of_its_very_name_is_meant_from_its_day_on(day: str, stands_for: str) -> None:
    assert named(book(*FAMILY), "owl-large-latest", day) == stands_for


@pytest.mark.parametrize(
    ("family", "releases", "day", "stands_for"),
    [
        # a date that the provider's own name for it has
        ([sold("owl-2026-05-06", model="owl"), sold("owl-2025-01-02", model="owl-old")], {}, TODAY, "owl"),
        # the day of the release where the name gives the month alone
        ([sold("owl-2604"), sold("owl-2603")], {"owl-2604": "2026-04-29"}, "2026-04-28", "owl-2603"),
        ([sold("owl-2604"), sold("owl-2603")], {"owl-2604": "2026-04-29"}, "2026-04-29", "owl-2604"),
        # what is not of that month is not its day
        ([sold("owl-2604"), sold("owl-2603")], {"owl-2604": "2024-11-01"}, "2026-04-01", "owl-2604"),
        # what has the very name, dated or not
        ([sold("owl")], {}, "2020-01-01", "owl"),
        ([sold("owl")], {"owl": "2026-01-05"}, "2026-01-04", "owl-latest"),
        # versions, previews too, by their releases; without one nothing is the newest
        ([sold("owl-4"), sold("owl-5-beta")], {"owl-4": "2026-01-01", "owl-5-beta": "2026-02-01"}, TODAY, "owl-5-beta"),
        ([sold("owl-4"), sold("owl-9")], {"owl-4": "2026-01-01"}, TODAY, "owl-4"),
        ([sold("owl-9")], {}, TODAY, "owl-latest"),
        # others of the family's words are another family
        ([sold("owl-4-mini"), sold("owl-4o")], {"owl-4-mini": "2026-01-01", "owl-4o": "2026-01-01"}, TODAY, OWL),
        # what the provider does not offer any more is not meant
        ([sold("owl-2601"), sold("owl-2602", ends="2026-06-01")], {}, "2026-05-31", "owl-2602"),
        ([sold("owl-2601"), sold("owl-2602", ends="2026-06-01")], {}, "2026-06-01", "owl-2601"),
        # nor what another one offers, or another kind of model
        ([sold("owl-2601", provider="groq")], {}, TODAY, "owl-latest"),
        ([msgspec.structs.replace(sold("owl-2601"), mode="embedding")], {}, TODAY, "owl-latest"),
        ([msgspec.structs.replace(sold("owl-2601"), region="eu")], {}, TODAY, "owl-latest"),
    ],
)  # fmt: skip
def test_who_is_of_the_family_and_since_when(
    family: list[Listing], releases: dict[str, str], day: str, stands_for: str
) -> None:
    assert named(book(sold("owl-latest"), *family, releases=releases), "owl-latest", day) == stands_for


def test_a_guess_that_price_or_context_speaks_against_is_not_believed_and_says_so() -> None:
    dear = book(sold("owl-latest", 30), sold("owl-2601", 10))
    long = book(sold("owl-latest", context=300_000), sold("owl-2601", context=100_000))
    flagged = book(sold("owl-latest", 15), sold("owl-2601", 10))

    assert [named(one, "owl-latest", TODAY) for one in (dear, long, flagged)] == [
        "owl-latest",
        "owl-latest",
        "owl-2601",
    ]
    own = dear.listing("openai", "owl-latest")
    assert own is not None
    assert dear.names.inferred(own).why.startswith("its newest kin would be owl-2601, but october (2026-10-01) has $")
    assert len(flagged.names.meanings("owl-latest")[0].flags) == 1


def test_what_the_newest_source_says_of_a_name_counts_and_not_what_one_said_before_it_moved() -> None:
    own = msgspec.structs.replace(
        sold("owl-latest", 30), sightings=(*sold("owl-latest", 10).sightings, *sold("", 30, source="july").sightings)
    )

    assert named(book(own, sold("owl-2601", 10)), "owl-latest", TODAY) == "owl-2601"


def test_a_row_of_the_catalog_counts_before_the_guess() -> None:
    rows = (Alias("owl-large-latest", "owl-large-2502", "2025-06-01", "2026-06-01", "openai", "july"),)
    found = book(*FAMILY, aliases=rows)

    assert [named(found, "owl-large-latest", day) for day in ("2026-01-01", "2026-06-01")] == ["owl-large-2502", None]
    (one,) = found.names.meanings("owl-large-latest")
    assert (one.basis, one.source, one.seen_at) == ("listed", "july", "2026-07-01")
    assert (one.valid_from, one.valid_to) == ("2025-06-01", "2026-06-01")


def test_each_provider_has_its_own_newest_and_where_they_differ_the_name_is_no_one_model() -> None:
    found = book(*FAMILY, sold("owl-large-latest", provider="groq"), sold("owl-large-2601", provider="groq"))

    assert named(found, "owl-large-latest", TODAY) == "owl-large-latest"
    assert {(m.provider, m.model) for m in found.names.meanings("owl-large-latest") if m.holds(TODAY)} == {
        ("openai", "owl-large-2511"),
        ("groq", "owl-large-2601"),
    }


def asked(found: Catalog, day: str, seen: str = TODAY) -> int | None:
    """What a million tokens cost at noon of a day, by the price list as it was read on another."""
    offer = offering(found, "openai", "owl-latest", midnight(seen))
    assert offer is not None
    bill = None if offer.tariff is None else offer.tariff.bill(MILLION, midnight(day))
    return None if bill is None else bill.amount


MOVING = (sold("owl-2601", 10), sold("owl-2612", 70))
MIDNIGHT = midnight("2026-12-01")


def test_an_alias_with_a_price_of_its_own_costs_that_until_it_moves_and_then_what_it_means() -> None:
    found = book(sold("owl-latest", 12), *MOVING)

    assert [asked(found, day) for day in ("2026-11-30", "2026-12-01")] == [12, 70]
    assert asked(found, "2026-12-01", seen="2026-12-02") == 70


def test_an_alias_without_a_price_costs_what_it_means() -> None:
    assert [asked(book(sold("owl-latest", None), *MOVING), day) for day in ("2026-11-30", "2026-12-01")] == [10, 70]
    assert asked(book(sold("owl-latest", None), sold("owl-2601", None)), TODAY) is None


def test_a_row_of_the_catalog_says_what_an_alias_costs_and_nothing_is_known_when_it_ends() -> None:
    row = Alias("owl-latest", "owl-2612", "2026-11-01", "2026-12-01", "openai", "july")
    found = book(sold("owl-latest", None), *MOVING, aliases=(row,))

    assert [asked(found, day, seen="2026-10-01") for day in ("2026-10-31", "2026-11-01", "2026-12-01")] == [
        None,
        70,
        None,
    ]


def test_what_the_operator_decided_about_the_alias_holds_whatever_it_means() -> None:
    decided = Override(date="2026-11-01", reason="our contract", price=Price(input=3, output=3))
    found = book(sold("owl-latest", 12), *MOVING).under({"openai/owl-latest": decided})

    assert [asked(found, day) for day in ("2026-11-30", "2026-12-01")] == [3, 3]


def served(found: Catalog, at: int, **tables: object) -> Book:
    settings = read(tables, source="t.toml", folder=Path(), env={"OPENAI_API_KEY": "k"})
    return Book(resolve(settings, [OPENAI], at=at, book=found))


def test_the_gateway_serves_an_alias_and_serves_another_model_by_it_from_midnight_on() -> None:
    found = book(sold("owl-latest", None), *MOVING)
    named = {name: {"provider": "openai", "model": f"owl-{name}"} for name in ("2601", "2612")}

    before, after = (served(found, at, deployments=named) for at in (MIDNIGHT - 1, MIDNIGHT))

    assert [[d.id for d in one.candidates("owl-latest") or ()] for one in (before, after)] == [["2601"], ["2612"]]
    assert "owl-latest" in {listed.id for listed in before.models()}
    through = served(found, MIDNIGHT - 1, deployments={"moving": {"provider": "openai", "model": "owl-latest"}})
    moving = through.deployment("moving")
    assert moving is not None
    assert moving.tariff is not None
    bills = [moving.tariff.bill(MILLION, at) for at in (MIDNIGHT - 1, MIDNIGHT)]
    assert [bill and bill.amount for bill in bills] == [10, 70]


def test_a_running_gateway_resolves_its_settings_again_at_midnight(tmp_path: Path) -> None:
    home = Home(Settings(data=DataSettings(folder=str(tmp_path))))
    seen = [home.generation(MIDNIGHT + moved) for moved in (-2, -1, 0, 1)]
    home.close()

    assert seen[0] == seen[1] != seen[2] == seen[3]


NOW_MEANT = {
    "claude-opus-latest": "claude-opus-4-8",
    "gpt-latest": "gpt-5.5",
    "mistral-small-latest": "mistral-small-2603",
    "mistral-medium-latest": "mistral-medium-2604",
    "grok-4.3-latest": "grok-4.3",
    "ministral-8b-latest": "ministral-8b-2512",
    "kimi-latest": "kimi-k2.6",
    "deepseek-flash": "deepseek-v4-flash",
}
OF_THEIR_OWN = {
    "chat-latest": "openai offers none of its family with a known date",
    "magistral-medium-latest": "mistral offers none of its family with a known date",
    "grok-build-latest": "its newest kin would be grok-build-0.1, but litellm (2026-10-21) has $2.00 and $6.00",
    "devstral-medium-latest": "its newest kin would be devstral-medium-2507, but models.dev (2026-07-02) has 262,144",
}


def test_the_names_of_the_packaged_catalog_mean_something_or_say_why_not() -> None:
    found = catalog()

    assert {name: named(found, name, TODAY) for name in NOW_MEANT} == NOW_MEANT
    assert {name: named(found, name, TODAY) for name in OF_THEIR_OWN} == {name: name for name in OF_THEIR_OWN}
    for name, why in OF_THEIR_OWN.items():
        assert {found.names.inferred(one).why[: len(why)] for one in found.listings(name)} >= {why}
    for name in (model for model in found.models if "latest" in model):
        for one in found.listings(name):
            told = found.names.inferred(one)
            assert bool(told.meanings) != bool(told.why), f"{one.provider}/{one.id}"
            spans = [(m.valid_from or "", m.valid_to or "9") for m in told.meanings]
            assert all(a[0] < a[1] <= b[0] for a, b in pairwise(spans))


def test_a_name_that_stands_for_a_refused_model_today_is_refused_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    draft = Draft()
    draft.file["aliases"] += [["owl", "llama-4-scout", None, None], ["owl-then", "llama-4-scout", None, "2026-01-01"]]
    found = Catalog(msgspec.json.decode(draft.data, type=File))
    monkeypatch.setattr("freehold.settings.licensed.catalog", {Settings().data.folder: found}.get)
    whole = served(found, MIDNIGHT, deployer={"region": "DE"}).settings

    assert {"owl", "owl-then", "llama-4-scout"} & set(whole.deployer.refuses) == {"owl", "llama-4-scout"}
