"""What two catalogs say otherwise, and what of it makes somebody look twice."""

from collections.abc import Callable

import pytest

from freehold.catalog.book import Catalog, catalog
from freehold.catalog.diff import Change, changes
from freehold.catalog.held import Held, overlaid
from freehold.catalog.suspicion import suspicious
from freehold.catalog.validity import check, read
from freehold.core.errors import CatalogRefused
from snapshots_world import Draft

TODAY = "2026-11-24"
GPT = "openai/gpt-5"


def differs(draft: Draft) -> dict[str, Change]:
    return {str(change): change for change in changes(catalog().file, read(draft.data))}


def held(draft: Draft) -> dict[str, Held]:
    return {one.subject: one for one in suspicious(catalog(), Catalog(read(draft.data)), TODAY)}


def test_a_catalog_does_not_differ_from_itself() -> None:
    assert changes(catalog().file, read(Draft().data)) == ()


def test_a_diff_names_each_fact_with_what_it_was_and_is() -> None:
    draft = Draft()
    draft.add_model("a-new-model")
    draft.remove_offer("groq/openai/gpt-oss-20b")
    draft.add_offer(GPT, "gpt-5-new")
    next(rates for rates in draft.rates(GPT) if rates["input"] == 1_250_000_000)["input"] = 1_500_000_000
    draft.sightings(GPT)[0]["context"] = 300_000
    draft.sightings(GPT)[0]["tools"] = False
    draft.models["glm-5.1"]["licence"] = "Apache-2.0"
    draft.file["sources"]["litellm"]["version"] = "1.107.0"
    draft.file["aliases"].append(["glm-latest", "glm-5.1", "2026-11-24", None])
    was = catalog().models["glm-5.1"].licence
    by = draft.sightings(GPT)[0]["source"]

    told = differs(draft)
    assert list(told) == [
        "model a-new-model added",
        "offer openai/gpt-5-new added",
        "alias glm-latest added",
        "offer groq/openai/gpt-oss-20b removed",
        f"{GPT} standard input by {by}: $1.25/M -> $1.50/M (+20.0 %)",
        f"{GPT} context by {by}: 400,000 -> 300,000 (-25.0 %)",
        f"glm-5.1 licence: {was} -> Apache-2.0",
        "groq/openai/gpt-oss-20b is current: yes -> no",
        f"{GPT} tools by {by}: yes -> no",
        "litellm version: 1.106.2 -> 1.107.0",
    ]
    price = told[f"{GPT} standard input by {by}: $1.25/M -> $1.50/M (+20.0 %)"]
    assert (price.about, price.old, price.new, price.percent) == ("price", 1_250_000_000, 1_500_000_000, 20.0)


def test_what_was_unknown_and_what_becomes_unknown_is_no_percentage() -> None:
    draft = Draft()
    rates = draft.rates("groq/openai/gpt-oss-120b")[0]
    assert "cache_write" not in rates
    rates["cache_write"] = rates["input"]
    del draft.sightings(GPT)[0]["max_output"]

    assert [(c.old, c.new, c.percent) for c in differs(draft).values()] == [
        (None, 150_000_000, None),
        (128_000, None, None),
    ]


def vanish(draft: Draft) -> set[str]:
    """All offers of a provider go."""
    gone = {name for name in draft.offers if name.startswith("anthropic/")}
    for name in gone:
        draft.remove_offer(name)
    del draft.file["current"]["anthropic"]
    return {name for name in gone if any("tariff" in s for s in Draft().sightings(name))}


def test_offers_that_vanish_together_with_half_of_their_providers_stay() -> None:
    draft = Draft()
    gone = vanish(draft)
    doubts = held(draft)

    live = {n for n in gone if any(s.get("ends", "9") > TODAY for s in Draft().sightings(n) if "tariff" in s)}
    assert len(live) > 10
    assert doubts.keys() == live
    assert all("offers of anthropic vanish in one update" in one.why[0] for one in doubts.values())
    stays = Catalog(read(draft.data), doubts.values()).offer("anthropic", "claude-opus-4-6", TODAY)
    was = catalog().offer("anthropic", "claude-opus-4-6", TODAY)
    assert stays is not None
    assert was is not None
    assert (stays.tariff, stays.context) == (was.tariff, was.context)


def test_prices_that_all_move_at_once_are_held_back_though_each_alone_is_small() -> None:
    draft = Draft()
    for name in draft.offers:
        draft.scale(name, 1.25)

    doubts = held(draft)
    assert len(doubts) > 2_000
    assert all("prices change by more than a tenth in one update" in "; ".join(one.why) for one in doubts.values())


def test_a_source_that_would_count_before_others_waits_and_is_quoted_as_any_other_meanwhile() -> None:
    draft = Draft()
    draft.file["sources"]["litellm"]["standing"] = "provider"
    draft.file["sources"]["newcomer"] = draft.file["sources"]["models.json"] | {"name": "newcomer"}
    draft.file["sources"]["plain"] = draft.file["sources"]["models.dev"] | {"name": "another collection"}
    draft.sightings(GPT).append({"source": "newcomer", "context": 300_000})

    doubts = held(draft)
    assert doubts.keys() == {"litellm", "newcomer"}
    assert doubts["newcomer"].why == ("is new, and would count as provider",)
    sources = overlaid(read(draft.data), doubts.values()).sources
    assert [sources[name].standing for name in ("litellm", "newcomer", "plain")] == ["collection"] * 3


def test_an_alias_that_leads_elsewhere_waits_and_a_new_span_does_not() -> None:
    draft = Draft()
    for alias in draft.file["aliases"]:
        if alias[:2] == ["deepseek-chat", "deepseek-v4-flash"]:
            alias[1] = "gpt-5"
    draft.file["aliases"].append(["claude-opus-4-6", "gpt-5", "2026-01-01", None])
    draft.file["aliases"].append(["deepseek-flash", "deepseek-v3.2", "2026-12-01", None])
    draft.file["aliases"].append(["cheapest", "deepseek-v3.2", "2026-11-01", None])

    doubts = held(draft)
    book = Catalog(read(draft.data), doubts.values())
    assert doubts.keys() == {"deepseek-chat", "claude-opus-4-6"}
    assert book.file.aliases[:3] != ()
    names = {n: book.named(n, "2026-12-02") for n in ("claude-opus-4-6", "cheapest", "deepseek-flash")}
    assert {n: m and m.id for n, m in names.items()} == {
        "claude-opus-4-6": "claude-opus-4-6",
        "cheapest": "deepseek-v3.2",
        "deepseek-flash": "deepseek-v4-flash",
    }
    then = book.named("deepseek-chat", "2026-05-01")
    assert then is not None
    assert then.id == "deepseek-v4-flash"


def cheap_batch(draft: Draft) -> None:
    """A service that nobody had, for almost nothing."""
    tariff = draft.sightings("groq/openai/gpt-oss-120b")[0]["tariff"]
    tariff["rows"].append({"service": "batch", "rates": {"input": 1_000_000, "output": 60_000_000}})


def long_prompts(draft: Draft) -> None:
    """Prompts of more than 20,000 tokens suddenly cost three times."""
    tariff = draft.sightings("groq/openai/gpt-oss-120b")[0]["tariff"]
    tripled = {kind: 3 * amount for kind, amount in tariff["rows"][0]["rates"].items()}
    tariff["rows"].append({"above": 20_000, "rates": tripled})


def lost_cache(draft: Draft) -> None:
    """What a cached token costs is not told any more: it would be billed as a plain one."""
    for rates in draft.rates("anthropic/claude-opus-4-6"):
        rates.pop("cache_read", None)


def dear_region(draft: Draft) -> None:
    draft.sightings("groq/openai/gpt-oss-120b")[0]["tariff"]["regions"] = {"eu": 20_000}


def new_source(draft: Draft) -> None:
    """Another source joins, with a price for GPT-5 that is ten times what the others say."""
    draft.file["sources"]["third"] = draft.file["sources"]["models.dev"]
    sighting = draft.sightings(GPT)[0] | {"source": "third"}
    sighting["tariff"] = {"rows": [{"rates": {"input": 12_500_000_000, "output": 100_000_000_000}}]}
    draft.sightings(GPT).append(sighting)


def later_rise(draft: Draft) -> None:
    """A price of next year, dated ahead, that is ten times that of today."""
    now = draft.sightings(GPT)[0]
    then = {"source": now["source"], "valid_from": "2027-01-01"}
    then["tariff"] = {"rows": [{"rates": {"input": 12_500_000_000, "output": 100_000_000_000}}]}
    draft.sightings(GPT).append(then)


def test_another_promise_about_data_is_held_back() -> None:
    old, new = Draft(), Draft()
    old.offers[GPT]["policy"] = {"retention_days": 30, "trains": True}
    new.offers[GPT]["policy"] = {"retention_days": 0, "trains": False}

    (doubt,) = suspicious(Catalog(read(old.data)), Catalog(read(new.data)), TODAY)
    assert doubt.subject == GPT
    assert doubt.why[0].startswith("policy was DataPolicy(retention_days=30, trains=True")


@pytest.mark.parametrize(
    ("fault", "offer", "said"),
    [
        (cheap_batch, "groq/openai/gpt-oss-120b", "batch is new, and its input 150 times off the standard one"),
        (long_prompts, "groq/openai/gpt-oss-120b", "standard >20000 input was $0.15/M and is $0.45/M, 3 times"),
        (lost_cache, "anthropic/claude-opus-4-6", "cache_read was $0.50/M and is not told any more, so that it costs"),
        (dear_region, "groq/openai/gpt-oss-120b", "the price in eu was 1 of the plain one and is 2"),
        (new_source, GPT, "third: standard input was $1.25/M and is $12.50/M, 10 times"),
        (later_rise, GPT, "standard input was $1.25/M and is $12.50/M, 10 times"),
    ],
)
def test_a_price_that_would_rise_by_a_back_door_is_held_back(
    fault: Callable[[Draft], None], offer: str, said: str
) -> None:
    draft = Draft()
    fault(draft)
    doubts = held(draft)

    assert doubts.keys() == {offer}
    assert said in "; ".join(doubts[offer].why)


def test_what_models_that_are_gone_need_stays_with_what_is_held_back() -> None:
    draft = Draft()
    gone = vanish(draft)
    models = {Draft().offers[name]["model"] for name in gone}
    only = {m for m in models if not draft.file["listings"][m]}
    for id in only:
        del draft.file["listings"][id]
        draft.file["models"].remove(draft.models[id])
    draft.file["aliases"] = [a for a in draft.file["aliases"] if a[1] not in only]

    assert only
    whole = overlaid(read(draft.data), held(draft).values())
    check(whole)
    needed = {one.model for one in whole.every() if one.provider == "anthropic"}
    assert needed <= {m.id for m in whole.models}


def no_plain_row(draft: Draft) -> None:
    draft.sightings(GPT)[0]["tariff"]["rows"] = [{"service": "batch", "rates": {"input": 1, "output": 1}}]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: d.file["models"].append(d.models["gpt-5"]), "model gpt-5 is there 2 times"),
        (lambda d: d.file["models"].remove(d.models["gpt-5"]), "offers of the model gpt-5, which is not there"),
        (lambda d: d.add_offer(GPT, "gpt-5"), "offer openai/gpt-5 is there 2 times"),
        (lambda d: d.offers[GPT].update(model="glm-5.1"), "offer openai/gpt-5 of glm-5.1 is among those of gpt-5"),
        (lambda d: d.offers[GPT].update(id="gpt\n5"), "it holds control characters"),
        (lambda d: d.models["gpt-5"].update(name="\x1b[2J"), "it holds control characters"),
        (lambda d: d.models["gpt-5"].update(name="\x9b2J"), "it holds control characters"),
        (lambda d: d.sightings(GPT)[0].update(source="x"), "offer openai/gpt-5 is of an unknown source x"),
        (lambda d: d.sightings(GPT)[0].update(ends="soon"), "offer openai/gpt-5 has a date that is none"),
        (lambda d: d.sightings(GPT)[0].update(context=-1), "offer openai/gpt-5 has a negative limit"),
        (lambda d: d.rates(GPT)[0].update(input=-1), "offer openai/gpt-5 has a negative price"),
        (no_plain_row, "offer openai/gpt-5 has a price list without one plain row"),
        (lambda d: d.file["aliases"].append(["a", "b", None, None]), "alias a stands for b, which is not there"),
        (lambda d: d.file["sources"]["litellm"].update(standing="operator"), "litellm claims to be the operator"),
        (lambda d: d.file["current"].update(groq=["x"]), "groq/x is current, and no offer"),
        (lambda d: d.file.update(as_of="today"), "as_of 'today' is not a date"),
        (lambda d: d.file.update(extra=1), "not a catalog of this version: Object contains unknown field `extra`"),
        (lambda d: d.rates(GPT)[0].update(input="1"), "not a catalog of this version: Expected `int`, got `str`"),
    ],
)
def test_a_file_that_does_not_hang_together_is_refused_with_what_is_wrong(
    spoil: Callable[[Draft], None], said: str
) -> None:
    draft = Draft()
    spoil(draft)

    with pytest.raises(CatalogRefused) as refused:
        read(draft.data)
    assert said in refused.value.message
