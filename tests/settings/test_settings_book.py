"""What a name stands for, after the settings were resolved with what was found and what the catalog knows."""

from pathlib import Path

import msgspec
import pytest

from freehold.catalog.book import Catalog
from freehold.catalog.observation import Source
from freehold.catalog.schema import File, Listing, Model, Sighting
from freehold.core.deployment import Deployment, Route
from freehold.core.errors import SettingsWrong
from freehold.core.money import Price
from freehold.core.secret import Secret
from freehold.core.tariff import PARTS, Tariff, flat
from freehold.core.usage import Usage
from freehold.providers.discovery import Found
from freehold.settings.book import Book, Listed, Target
from freehold.settings.load import read
from freehold.settings.resolve import resolve

ENV = {"OPENAI_API_KEY": "sk-1", "LAB_KEY": "lab-1"}
CHEAP, DEAR = Price(input=1, output=2), Price(input=10, output=20)


def offer(provider: str, id: str, model: str, price: Price) -> Listing:
    seen = Sighting(source="test", tariff=flat(price), context=1000, max_output=100)
    return Listing(provider=provider, id=id, model=model, sightings=(seen,))


def catalog(*listings: Listing) -> Catalog:
    names = sorted({one.model for one in listings})
    providers = {one.provider for one in listings}
    return Catalog(
        File(
            as_of="2026-01-01",
            sources={"test": Source(name="test", version="1", seen_at="2026-01-01", licence="MIT")},
            models=tuple(Model(id=n, name=n, sources=("test",), modalities=("text", "image", "pdf")) for n in names),
            listings={n: msgspec.Raw(msgspec.json.encode([o for o in listings if o.model == n])) for n in names},
            current={p: tuple(o.id for o in listings if o.provider == p) for p in providers},
        )
    )


CATALOG = catalog(
    offer("openai", "gpt-5", "gpt-5", DEAR),
    offer("openrouter", "openai/gpt-5", "gpt-5", CHEAP),
    offer("openrouter", "openai/gpt-oss", "gpt-oss", CHEAP),
    offer("anthropic", "claude-x", "claude-x", DEAR),
)
OPENAI = Found(provider="openai", via="OPENAI_API_KEY", base_url="https://api.openai.com/v1")
OPENROUTER = Found(provider="openrouter", via="OPENROUTER_API_KEY", base_url="https://openrouter.ai/api/v1")
OLLAMA = Found(
    provider="ollama",
    via="127.0.0.1:11434",
    base_url="http://127.0.0.1:11434/v1",
    models=("llama3:8b", "big:120b-cloud"),
)


def book(*found: Found, **tables: object) -> Book:
    settings = read(tables, source="settings.toml", folder=Path(), env=ENV)
    return Book(resolve(settings, found, book=CATALOG))


def price(deployment: Deployment) -> Price | None:
    return None if deployment.tariff is None else deployment.tariff.price(0)


def ids(target: Target | None) -> tuple[str, ...]:
    assert target is not None
    assert target.route.deployments == tuple(d.id for d in target.deployments)
    return target.route.deployments


def test_a_found_provider_offers_what_the_catalog_knows_with_its_facts() -> None:
    gpt = Deployment(
        id="openai/gpt-5",
        provider="openai",
        model="gpt-5",
        lacks=frozenset({"audio"}),
        context_window=1000,
        max_output_tokens=100,
        tariff=flat(DEAR),
    )
    assert book(OPENAI).target("openai/gpt-5") == Target(
        Route(name="openai/gpt-5", deployments=("openai/gpt-5",), ordered=True), (gpt,)
    )


def test_a_bare_model_name_is_the_cheapest_of_all_who_offer_it_and_auto_is_everything() -> None:
    served = book(OPENAI, OPENROUTER)

    both = ("openai/gpt-5", "openrouter/openai/gpt-5")
    bare, auto = served.target("gpt-5"), served.target("auto")
    assert ids(bare) == both
    assert ids(auto) == ("openai/gpt-5", "openrouter/openai/gpt-5", "openrouter/openai/gpt-oss")
    assert bare is not None
    assert auto is not None
    assert (bare.route.objective, auto.route.objective) == ("cheapest", "balanced")


def test_provider_and_model_names_a_model_that_nobody_listed_with_no_facts() -> None:
    served = book(OPENAI)

    assert served.candidates("openai/gpt-99") == (Deployment(id="openai/gpt-99", provider="openai", model="gpt-99"),)
    assert served.deployment("openai/gpt-99") == Deployment(id="openai/gpt-99", provider="openai", model="gpt-99")
    assert "openai/gpt-99" not in served.deployments
    for unknown in ("gpt-99", "openai/", "/gpt-5", "openai", "nobody/gpt-5", "openai/a\nb", "openai/" + "x" * 300, ""):
        assert served.target(unknown) is None


def test_a_provider_comes_before_a_model_whose_name_looks_like_one_of_its_own() -> None:
    assert ids(book(OPENROUTER).target("openai/gpt-oss")) == ("openrouter/openai/gpt-oss",)
    assert ids(book(OPENAI, OPENROUTER).target("openai/gpt-oss")) == ("openai/gpt-oss",)
    assert ids(book(OPENAI, OPENROUTER).target("openai/gpt-5")) == ("openai/gpt-5",)


def test_what_a_provider_cannot_do_is_missing_from_all_its_models() -> None:
    served = book(Found(provider="anthropic", via="ANTHROPIC_API_KEY", base_url="https://api.anthropic.com/v1"))

    for name in ("claude-x", "anthropic/claude-y"):
        found = served.candidates(name)
        assert found is not None
        assert {"json_object", "n"} <= found[0].lacks


def test_a_provider_whose_deployments_are_named_serves_only_those() -> None:
    served = book(
        providers={"openai": {}},
        deployments={
            "small": {"provider": "openai", "model": "gpt-5", "price": {"input": "0.5", "output": 1}, "names": ["mini"]}
        },
    )

    assert tuple(served.deployments) == ("small",)
    assert served.target("openai/gpt-99") is None
    small = served.deployment("small")
    assert small is not None
    assert (price(small), small.context_window) == (Price(input=500_000_000, output=1_000_000_000), 1000)
    assert ids(served.target("gpt-5")) == ids(served.target("mini")) == ids(served.target("small")) == ("small",)


def test_a_route_comes_first_and_keeps_its_order_and_rules() -> None:
    served = book(
        OPENROUTER,
        discovery={"environment": True},
        providers={"openai": {}},
        routes={
            "gpt-5": {"deployments": ["openai/new", "openai/gpt-5"], "ordered": True, "strict": True},
            "auto": {"deployments": ["openai/gpt-5"], "objective": "best", "weights": {"openai/gpt-5": 2}},
        },
    )

    assert ids(served.target("gpt-5")) == ("openai/new", "openai/gpt-5")
    auto = served.target("auto")
    assert auto is not None
    assert auto.route == Route(
        name="auto", deployments=("openai/gpt-5",), objective="best", weights={"openai/gpt-5": 2.0}
    )
    assert [m.id for m in served.models()][:2] == ["auto", "gpt-5"]


def test_a_local_server_offers_what_it_lists_free_of_charge_unless_it_passes_the_model_on() -> None:
    served = book(OLLAMA)

    prices = {d.id: price(d) for d in served.deployments.values()}
    assert prices == {"ollama/llama3:8b": Price(input=0, output=0), "ollama/big:120b-cloud": None}


def test_a_server_of_the_settings_learns_its_models_from_the_one_found_at_its_address() -> None:
    served = book(OLLAMA, providers={"box": {"kind": "ollama"}})

    assert tuple(served.endpoints) == ("box",)
    assert ids(served.target("llama3:8b")) == ("box/llama3:8b",)


def test_a_found_provider_that_cannot_be_called_serves_nothing() -> None:
    served = book(Found(provider="bedrock", via="AWS_ACCESS_KEY_ID", problem="not reachable yet"))

    assert (dict(served.endpoints), served.target("auto"), served.models()) == ({}, None, ())


def test_examples_before_a_question_cost_what_their_base_costs_wherever_its_price_is_from() -> None:
    served = book(
        providers={"openai": {}},
        simulated={"toy": {"price": {"input": 3, "output": 4}}},
        deployments={"listed": {"provider": "openai", "model": "gpt-5"}, "played": {"provider": "toy", "model": "any"}},
        local={
            "a": {"artifact": ".", "engine": "prompt", "base": "listed"},
            "b": {"artifact": ".", "engine": "prompt", "base": "played"},
            "c": {"artifact": ".", "engine": "prompt", "base": "c"},
        },
    )

    by_id = {d.id: price(d) for d in served.deployments.values()}
    assert by_id["a"] == by_id["listed"] == DEAR
    assert by_id["b"] == by_id["played"] is not None
    assert by_id["c"] == Price(input=0, output=0)


def test_a_simulated_provider_is_a_deployment_with_its_own_price_and_speed() -> None:
    served = book(
        simulated={
            "toy": {"price": {"input": 1, "output": 2}, "ttft_ms": 5, "tokens_per_second": 100},
            "named": {"price": {"input": 3, "output": 4}},
        },
        deployments={"swift": {"provider": "named", "model": "anything", "ttft_ms": 1}},
    )

    facts = {
        d.id: ((asked := price(d)) and asked.input, d.ttft_ms, d.tokens_per_second) for d in served.deployments.values()
    }
    assert facts == {"swift": (3_000_000_000, 1.0, None), "toy/simulated": (1_000_000_000, 5.0, 100.0)}
    assert ids(served.target("toy/simulated")) == ("toy/simulated",)
    assert served.target("toy/other") is None


def test_a_simulated_provider_that_knows_answers_is_as_good_as_its_skill(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text("")
    served = book(simulated={"toy": {"answers": str(tmp_path / "answers.jsonl"), "skill": 0.8}, "echo": {}})

    assert {d.id: d.quality for d in served.deployments.values()} == {"toy/simulated": 0.8, "echo/simulated": None}


def test_an_endpoint_sends_the_key_as_the_provider_wants_it_and_hides_it_otherwise() -> None:
    served = book(
        providers={
            "openai": {"headers": {"X-Team": "blue"}, "connect_seconds": 1},
            "azure-openai": {
                "values": {"resource": "contoso"},
                "api_key": "env:LAB_KEY",
                "secret_headers": {"X-Pass": "env:LAB_KEY"},
            },
            "lab": {"base_url": "http://10.0.0.7/v1/"},
        }
    )

    openai, azure, lab = (served.endpoints[n] for n in ("openai", "azure-openai", "lab"))
    assert (openai.base_url, openai.path) == ("https://api.openai.com/v1", "/chat/completions")
    assert openai.headers() == (("authorization", "Bearer sk-1"), ("x-team", "blue"))
    assert openai.limits.connect == 1.0
    assert azure.base_url == "https://contoso.openai.azure.com/openai/v1"
    assert azure.headers() == (("api-key", "lab-1"), ("x-pass", "lab-1"))
    assert (lab.base_url, lab.headers(), lab.api_key) == ("http://10.0.0.7/v1", (), None)
    assert "sk-1" not in repr(openai)
    assert openai.api_key == Secret("sk-1", source="env:OPENAI_API_KEY")


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    served = book(OPENAI, OPENROUTER)

    assert served.nearest("gtp-5") == ("gpt-5", "gpt-oss")
    assert served.nearest("openai/gpt5", count=2) == ("openai/gpt-5", "openrouter/openai/gpt-5")
    assert served.nearest("q" * 10_000) == ()


def test_the_list_of_models_names_each_once_with_its_owner() -> None:
    served = book(OPENAI, OPENROUTER, routes={"support": {"deployments": ["openai/gpt-5"]}})

    assert served.models() == (
        Listed("support", "freehold"),
        Listed("auto", "freehold"),
        Listed("openai/gpt-5", "openai"),
        Listed("openrouter/openai/gpt-5", "openrouter"),
        Listed("openrouter/openai/gpt-oss", "openrouter"),
        Listed("gpt-5", "freehold"),
        Listed("gpt-oss", "freehold"),
    )


def test_resolving_again_changes_nothing() -> None:
    settings = read(
        {"providers": {"openai": {}}, "simulated": {"toy": {}}}, source="settings.toml", folder=Path(), env=ENV
    )
    once = resolve(settings, [OLLAMA], book=CATALOG)

    assert resolve(once, [OLLAMA], book=CATALOG) == once


def test_a_server_of_ones_own_may_speak_another_dialect() -> None:
    mine = {"base_url": "http://h", "dialect": "anthropic-messages"}
    one = book(providers={"mine": mine}).endpoints["mine"]
    assert (one.dialect, one.path, one.others) == ("anthropic-messages", "", ())


def test_a_dialect_that_a_provider_does_not_speak_is_refused_with_those_it_does() -> None:
    with pytest.raises(SettingsWrong, match=r"providers.mistral. dialect: .* there is: openai-chat"):
        book(providers={"mistral": {"api_key": "env:LAB_KEY", "dialect": "anthropic-messages"}})


def test_a_regional_address_has_the_prices_of_its_region() -> None:
    tariff = Tariff(rows=flat(DEAR).rows, regions={"eu": 11 * PARTS // 10})
    seen = Sighting(source="test", tariff=tariff)
    offered = catalog(Listing(provider="openai", id="gpt-5", model="gpt-5", sightings=(seen,)))
    there = {f"https://{host}/v1": host for host in ("api.openai.com", "eu.api.openai.com")}
    asked: dict[str, Tariff | None] = {}
    for base_url, host in there.items():
        tables = {"providers": {"openai": {"base_url": base_url, "api_key": "env:OPENAI_API_KEY"}}}
        settings = read(tables, source="settings.toml", folder=Path(), env=ENV)
        found = Book(resolve(settings, book=offered)).deployment("openai/gpt-5")
        assert found is not None
        asked[host] = found.tariff

    million = Usage(input_tokens=1_000_000)
    bills = {host: tariff.bill(million, 0) for host, tariff in asked.items() if tariff is not None}
    assert {host: bill and bill.amount for host, bill in bills.items()} == {
        "api.openai.com": 10,
        "eu.api.openai.com": 11,
    }
