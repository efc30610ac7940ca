"""`freehold models`: which there are, what they cost today, and where each fact is from."""

import re

import pytest


@pytest.fixture(autouse=True)
def _on_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """2026-11-24 12:00 UTC, a Tuesday."""
    monkeypatch.setattr("freehold.cli.models.time.time_ns", lambda: 1_795_521_600_000_000_000)


def rows(told: str, begin: str) -> list[list[str]]:
    """The cells of the lines that begin with a word."""
    return [re.split(r"  +", line.strip()) for line in told.splitlines() if line.strip().startswith(begin)]


def test_models_are_found_by_words_and_listed_with_price_and_where_they_run(freehold) -> None:
    told = freehold("models", "--search", "opus 4-6").out.splitlines()

    assert re.split(r"  +", told[0]) == [
        *("model", "can", "context", "input/M", "output/M"),
        *("APIs, cheapest first", "here", "licence"),
    ]
    assert re.split(r"  +", told[1]) == [
        *("claude-opus-4-6", "-IJ-PRT-", "1M", "$5.00", "$25.00"),
        *("anthropic +7 (au eu global us)", "-", "proprietary"),
    ]
    assert told[-1] == "1 models; the cheapest price on 2026-11-24, from sources up to 2026-11-23."


def test_where_a_model_runs_names_its_providers_regions_and_what_fits_the_machine(freehold) -> None:
    def here(machine: str) -> dict[str, dict[str, object]]:
        found = freehold("models", "--search", "minimax-m2.5", "--machine", machine, "--json").json
        return {line["id"]: line for line in found}

    cards, mixed, small = (here(m)["minimax-m2.5"] for m in ("4x H100", "RTX 4090 + 128GB RAM", "M4 Max 64GB"))
    assert cards["here"] == {"verdict": "yes", "scheme": "fp8", "place": "4x H100", "estimated": False}
    assert mixed["here"]["verdict"] == "offload"
    assert small["here"]["verdict"] == "no"
    assert here("4x H100")["minimax-m2.5-lightning"]["here"]["verdict"] == "unknown"
    apis = {api["provider"]: api for api in cards["apis"]}
    assert list(apis) == [api["provider"] for api in cards["apis"]]
    assert next(iter(apis)) == cards["cheapest"].partition("/")[0]
    assert {"eu-central-1", "us-east-1"} < set(apis["bedrock"]["regions"])
    assert apis["together"]["ids"] == ["MiniMaxAI/MiniMax-M2.5"]
    closed = freehold("models", "--search", "claude-opus-4-6", "--json").json
    assert [line["here"]["verdict"] for line in closed] == ["closed"]


@pytest.mark.parametrize(
    ("options", "there", "not_there"),
    [
        (["--min-context", "1M"], {"claude-opus-4-6"}, {"minimax-m2.5", "gpt-5"}),
        (["--max-price", "1"], {"minimax-m2.5"}, {"claude-opus-4-6", "cursor-composer-2"}),
        (["--max-price", "0.10/0.50"], {"gpt-oss-120b"}, {"minimax-m2.5"}),
        (["--licence", "apache"], {"gemma-4-26b-a4b"}, {"minimax-m2.5", "gpt-oss-120b"}),
        (["--licence", "unknown"], {"gpt-oss-120b"}, {"gemma-4-26b-a4b"}),
        (["--region", "eu"], {"minimax-m2.5"}, {"gpt-oss-20b"}),
        (["--region", "EU-Central-1"], {"minimax-m2.5"}, {"gpt-5"}),
        (["--here", "--machine", "4x H100"], {"minimax-m2.5", "gemma-4-26b-a4b"}, {"deepseek-r1", "gpt-5"}),
        (["--search", "kimi-latest"], {"kimi-k2.6"}, {"kimi-k2.5", "kimi-latest"}),
        (["--search", "MiniMaxAI/"], {"minimax-m2.5"}, {"gpt-5"}),
    ],
)
def test_models_are_looked_for_as_people_choose_them(
    freehold, options: list[str], there: set[str], not_there: set[str]
) -> None:
    found = {line["id"] for line in freehold("models", *options, "--json").json}

    assert there <= found
    assert not not_there & found


def test_the_list_is_put_in_order_and_what_is_unknown_comes_last(freehold) -> None:
    found = freehold("models", "--search", "claude", "--sort", "price", "--json").json
    prices = [line["price"] and line["price"]["input"] + line["price"]["output"] for line in found]
    known = [price for price in prices if price is not None]
    release = [line["release"] for line in freehold("models", "--provider", "groq", "--sort", "release", "--json").json]

    assert prices == [*sorted(known), *([None] * (len(prices) - len(known)))]
    dated = [day for day in release if day is not None]
    assert release == [*sorted(dated, reverse=True), *([None] * (len(release) - len(dated)))]


def test_a_search_that_finds_nothing_says_what_may_have_been_meant(freehold) -> None:
    near = "\nDid you mean claude-opus-4-6, claude-opus-4-8, claude-opus-4-7?\n"
    assert freehold("models", "--search", "claud-opus-4-6").out.endswith(near)
    nobody = freehold("models", "--provider", "nobody").out
    assert "\nNo provider is called nobody; there are anthropic, azure-ai, " in nobody
    assert freehold("models", "--search", "gpt-5", "--region", "atlantis").out.startswith("0 models")
    for option, value, why in (
        ("--min-context", "long", "'long' is not a number of tokens such as 128k, 1M or 200000"),
        ("--max-price", "cheap", "'cheap' is not a price such as 0.50 or 0.50/2 in dollars"),
    ):
        refused = freehold("models", option, value)
        assert refused.code == 2
        assert why in refused.err


def test_a_terminal_gets_lines_as_wide_as_it_is_and_whole_names_first(
    freehold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for width in (80, 100, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        told = freehold("models", "--search", "claude-opus").out.splitlines()
        assert max(map(len, told[: told.index("")])) <= width
        if width >= 100:
            assert "claude-opus-4-6" in told[5].split()[0]


def test_a_name_that_stands_for_another_says_for_which_since_when_and_by_whom(freehold) -> None:
    told = freehold("models", "show", "mistral-medium-latest").out.splitlines()
    shown = freehold("models", "show", "mistral-medium-latest", "--json").json
    gone = freehold("models", "show", "gpt-5-chat-latest").out.splitlines()
    many = freehold("models", "show", "mistral-large-latest").out

    assert told[:3] == [
        "The name mistral-medium-latest:",
        "  at mistral it means mistral-medium-2604 since 2026-04-29 "
        "(inferred from names and dates; litellm, seen 2026-10-21)",
        "    before, it meant mistral-medium-2508 until 2026-04-29",
    ]
    assert shown["model"]["id"] == "mistral-medium-2604"
    assert [o["id"] for o in shown["offers"]] == ["mistral-medium-latest", "mistral-medium-2604"]
    spans = [(m["model"], m["valid_from"], m["valid_to"]) for m in shown["names"][0]["meanings"]]
    assert spans[1:] == [
        ("mistral-medium-2508", "2025-08-12", "2026-04-29"),
        ("mistral-medium-2604", "2026-04-29", None),
    ]
    (own,) = rows("\n".join(told), "mistral/mistral-medium-latest ")
    assert own[1:3] == ["$1.50", "$7.50"]
    assert own[-1] == "as mistral-medium-2604: agreed 1 2"
    assert gone[1:3] == ["  at openai it is a model of its own", "    before, it meant gpt-5-chat until 2026-07-23"]
    assert "at mistral it means mistral-large-2512 since 2025-12-01" in many
    assert "at azure-openai it is a model of its own: its newest kin would be mistral-large-2411, but litellm" in many


def test_filters_keep_what_a_provider_offers_and_what_a_model_can_do(freehold) -> None:
    every = freehold("models", "--json").json
    groq = freehold("models", "--provider", "groq", "--capability", "tools", "--capability", "open", "--json").json

    assert len(every) > 1200
    assert {"gpt-oss-120b", "llama-4-scout"} <= {line["id"] for line in groq}
    assert all({"tools", "open"} <= set(line["capabilities"]) for line in groq)
    assert all(line["cheapest"] is None or line["cheapest"].startswith("groq/") for line in groq)
    assert len(groq) < len([line for line in every if "groq" in line["providers"]])
    assert freehold("models", "--provider", "nobody").out.startswith("0 models")


def test_a_model_is_shown_with_dated_facts_and_its_offers_side_by_side(freehold) -> None:
    told = freehold("models", "show", "minimax-m2.5").out

    assert "\nBy the maker's model card and config file, seen 2026-11-23:\n  maker " in told
    assert rows(told, "cache for a token") == [["cache for a token", "253,952 bytes in bf16"]]
    assert rows(told, "parameters") == [["parameters", "230 billion"]]
    (own,) = rows(told, "minimax/MiniMax-M2.5 ")
    assert own[1:] == ["$0.30", "$1.20", "$0.03", "quarantine/quarantine", "agreed 1 2"]
    assert "\n  1: litellm, seen 2026-10-21\n  2: models.dev, seen 2026-07-02\n" in told
    assert "  minimax/MiniMax-M2.5: context in quarantine: models.dev (2026-07-02) is 4.88 times apart from" in told


def test_a_price_in_quarantine_is_not_shown_as_a_price(freehold) -> None:
    told = freehold("models", "show", "claude-opus-4-6").out

    (australia,) = rows(told, "bedrock/au.anthropic.claude-opus-4-6-v1 ")
    assert australia[1:4] == ["quarantine"] * 3


def test_a_price_is_that_of_the_hour_and_a_name_that_of_the_day(freehold) -> None:
    then = freehold("models", "show", "deepseek-chat", "--on", "2026-04-23", "--json").json
    after = freehold("models", "show", "deepseek-chat", "--on", "2026-04-24", "--json").json
    gone = freehold("models", "show", "deepseek-chat")
    now = freehold("models", "show", "deepseek-v4-flash").out

    assert (then["model"]["id"], after["model"]["id"]) == ("deepseek-v3.2", "deepseek-v4-flash")
    assert gone.code == 1
    assert gone.err == "freehold: deepseek-chat stands for no model on 2026-11-24. Say another day with --on.\n"
    (own,) = rows(now, "deepseek/deepseek-v4-flash ")
    assert own[1:4] == ["$0.15", "$0.60", "$0.003"]  # noon is off-peak
    assert own[-1].endswith(" +hours")


def test_a_model_without_a_public_api_says_so(freehold) -> None:
    told = freehold("models", "show", "cursor-composer-2").out

    assert "No public API" in told
    assert told.endswith("\nNo offers.\n")


def test_a_name_that_does_not_exist_gets_a_hint(freehold) -> None:
    told = freehold("models", "show", "gpt5")

    assert (told.code, told.out) == (1, "")
    assert told.err == "freehold: The catalog has no model gpt5; did you mean gpt-5, gpt-5.6, gpt-5.5?\n"
    assert freehold("models", "--on", "tomorrow").code == 2


def test_a_name_that_only_one_model_goes_on_from_stands_for_it(freehold) -> None:
    assert freehold("models", "show", "qwen3.5-122b", "--json").json["model"]["id"] == "qwen3.5-122b-a10b"
    assert freehold("models", "show", "gemma-4").code == 1  # there are several


def test_the_clauses_of_a_licence_are_shown_with_where_they_stand_and_whether_their_text_was_read(freehold) -> None:
    scout = freehold("models", "show", "llama-4-scout").out
    glm = freehold("models", "show", "glm-5.1")

    assert (
        "\n  FORBIDS: no rights in the multimodal Llama 4 models for those whose principal place of business is in the "
        "European Union; end users of a product that contains them are exempt\n"
        "    meta-llama/llama-models a9c89c4 USE_POLICY, acceptable use policy, on multimodal models; "
        "carried over 2026-11-23, text not read\n"
    ) in scout
    assert "\n    meta-llama/llama-models 9cb02ae LICENSE, section 2; read 2026-11-25\n" in scout
    assert "Sources differ on the licence, so the clauses of all apply.\n" in glm.out
    assert "\nApache-2.0, by zai-org/GLM-5 218be52 LICENSE:\n" in glm.out
    shown = freehold("models", "show", "glm-5.1", "--json").json
    assert [claim["licence"] for claim in shown["licences"]] == list(shown["clauses"]) == ["MIT", "Apache-2.0"]
    assert {clause["basis"] for of in shown["clauses"].values() for clause in of} == {"carried"}


def test_what_providers_do_with_what_they_are_sent_is_shown_with_where_and_when_it_was_read(freehold) -> None:
    told = freehold("models", "show", "gpt-oss-120b").out
    shown = freehold("models", "show", "gpt-5", "--json").json

    assert (
        "\n  groq [US]: keeps nothing; whether it trains on it is unknown; served in places unknown\n"
        "    https://console.groq.com/docs/your-data, read 2026-11-25: "
    ) in told
    (silent,) = rows(told, "unknown of ")
    assert "cerebras [US], " in silent[0]
    policies = {o["provider"]: o["policy"] for o in shown["offers"]}
    assert (policies["openai"]["retention_days"], policies["openai"]["trains"]) == (30, False)
    assert policies["azure-openai"] is None
