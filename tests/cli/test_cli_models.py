"""`freehold models`: which there are, what they cost today, and where each fact is from."""

import pytest


@pytest.fixture(autouse=True)
def _on_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """2026-11-24 12:00 UTC, a Tuesday."""
    monkeypatch.setattr("freehold.cli.models.time.time_ns", lambda: 1_795_521_600_000_000_000)


def test_models_are_found_by_words_and_listed_with_the_price_of_the_cheapest_offer(freehold) -> None:
    told = freehold("models", "--search", "opus 4-6").out.splitlines()

    assert told[0].split() == ["model", "can", "context", "input/M", "output/M", "at", "providers", "licence"]
    assert told[1].split()[:3] == ["claude-opus-4-6", "image", "json"]
    assert told[1].split()[-6:] == ["1,000,000", "$5.00", "$25.00", "anthropic", "8", "LicenseRef-proprietary"]
    assert told[2] == "1 models; the cheapest price on 2026-11-24, from sources up to 2026-11-23."


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

    rows = [line.split("  ") for line in told.splitlines()]
    facts = {row[0]: [cell.strip() for cell in row if cell.strip()] for row in rows}
    assert facts["cache for a token"][1:] == [
        "253,952 bytes in bf16",
        "the maker's model card and config file",
        "2026-11-23",
    ]
    assert facts["parameters"][1] == "230 billion"
    own = next(row for row in told.splitlines() if row.startswith("minimax "))
    assert own.split()[1:7] == ["MiniMax-M2.5", "$0.30", "$1.20", "$0.03", "quarantine", "quarantine"]
    assert own.strip().endswith("agreed: litellm 2026-10-21, models.dev 2026-07-02")
    assert "  minimax/MiniMax-M2.5: context in quarantine: models.dev (2026-07-02) is 4.88 times apart from" in told


def test_a_price_in_quarantine_is_not_shown_as_a_price(freehold) -> None:
    told = freehold("models", "show", "claude-opus-4-6").out

    australia = next(row for row in told.splitlines() if " au.anthropic.claude-opus-4-6-v1 " in row)
    assert australia.split()[2:5] == ["quarantine"] * 3


def test_a_price_is_that_of_the_hour_and_a_name_that_of_the_day(freehold) -> None:
    then = freehold("models", "show", "deepseek-chat", "--on", "2026-04-23", "--json").json
    after = freehold("models", "show", "deepseek-chat", "--on", "2026-04-24", "--json").json
    gone = freehold("models", "show", "deepseek-chat")
    now = freehold("models", "show", "deepseek-v4-flash").out

    assert (then["model"]["id"], after["model"]["id"]) == ("deepseek-v3.2", "deepseek-v4-flash")
    assert gone.code == 1
    assert gone.err == "freehold: deepseek-chat stands for no model on 2026-11-24. Say another day with --on.\n"
    own = next(row for row in now.splitlines() if row.startswith("deepseek "))
    assert own.split()[2:5] == ["$0.15", "$0.60", "$0.003"]  # noon is off-peak
    assert " hours " in own


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


def test_the_clauses_of_a_licence_are_shown_with_where_they_stand_and_when_they_were_read(freehold) -> None:
    scout = freehold("models", "show", "llama-4-scout").out
    glm = freehold("models", "show", "glm-5.1")

    row = next(line for line in scout.splitlines() if "FORBIDS: no rights in the multimodal" in line)
    assert row.split()[-1] == "2026-11-23"
    assert "meta-llama/llama-models a9c89c4 USE_POLICY" in row
    assert "Sources differ on the licence, so the clauses of all apply:\n  MIT: " in glm.out
    assert "\n  Apache-2.0: zai-org/GLM-5 218be52 LICENSE\n" in glm.out
    shown = freehold("models", "show", "glm-5.1", "--json").json
    assert [claim["licence"] for claim in shown["licences"]] == list(shown["clauses"]) == ["MIT", "Apache-2.0"]


def test_what_providers_do_with_what_they_are_sent_is_shown_with_where_and_when_it_was_read(freehold) -> None:
    told = freehold("models", "show", "gpt-oss-120b").out.splitlines()
    shown = freehold("models", "show", "gpt-5", "--json").json

    start = next(n for n, line in enumerate(told) if line.startswith("provider") and "trains on it" in line)
    rows = {line.split()[0]: line for line in told[start + 1 :] if line.split()}
    assert rows["groq"].split()[1:5] == ["US", "nothing", "unknown", "unknown"]
    assert rows["groq"].split()[5:7] == ["https://console.groq.com/docs/your-data", "2026-11-25"]
    assert rows["together"].split()[1:5] == ["US", "unknown", "unknown", "unknown"]
    policies = {o["provider"]: o["policy"] for o in shown["offers"]}
    assert (policies["openai"]["retention_days"], policies["openai"]["trains"]) == (30, False)
    assert policies["openrouter"] is None
