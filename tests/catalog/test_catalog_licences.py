"""Licences: who may not use a model, which clause says so, and what nobody here can decide."""

import pytest

from freehold.catalog.book import catalog
from freehold.catalog.licences import CLAIMS, LICENCES, Deployer, check, refused
from freehold.flywheel.curation.terms import FORBIDDING

HARMLESS = Deployer(
    region="US", monthly_users=1000, monthly_revenue_usd=1, purposes=frozenset({"support"}), trains=False
)


@pytest.mark.parametrize("model", ["llama-4-scout", "llama-4-maverick"])
@pytest.mark.parametrize(("region", "may"), [("DE", False), ("fr", False), ("CH", True), ("GB", True), ("US", True)])
def test_llama_4_gives_no_rights_to_deployers_in_the_eu(model: str, region: str, may: bool) -> None:
    against = refused(check(Deployer(region=region, monthly_users=5, purposes=frozenset()), model))

    assert (against == ()) is may
    if not may:
        assert against[0].message == (
            f"{model} may not be used: no rights in the multimodal Llama 4 models for those whose principal place of "
            "business is in the European Union; end users of a product that contains them are exempt "
            "(LicenseRef-Llama-4-Community, acceptable use policy, on multimodal models; "
            "meta-llama/llama-models a9c89c4 USE_POLICY, carried over 2026-11-23, text not read)"
        )


def kinds(deployer: Deployer, model: str) -> list[tuple[str, str]]:
    return [(f.standing, f.clause.kind) for f in check(deployer, model)]


def test_a_threshold_is_met_by_more_and_unknown_where_it_was_not_said() -> None:
    def many(users: int | None, revenue: int | None) -> list[tuple[str, str]]:
        return kinds(Deployer(monthly_users=users, monthly_revenue_usd=revenue), "kimi-k2.5")

    notice = ("duty", "duty")
    assert many(100_000_000, 20_000_000) == [notice]
    assert many(100_000_001, 20_000_000) == [notice, ("duty", "users")]
    assert many(1, 20_000_000 + 1) == [notice, ("duty", "revenue")]
    assert many(None, None) == [("undecided", "users"), ("undecided", "revenue"), notice]


def test_what_is_not_said_is_never_taken_for_harmless() -> None:
    assert kinds(Deployer(), "llama-4-scout")[:4] == [
        ("undecided", "region"),
        ("undecided", "users"),
        ("undecided", "use"),
        ("undecided", "output"),
    ]
    assert all(f.standing == "duty" for f in check(HARMLESS, "llama-4-scout"))


def test_where_sources_differ_the_stricter_counts() -> None:
    soldier = Deployer(purposes=frozenset({"military"}))

    assert {f.licence for f in check(HARMLESS, "glm-5.1")} == {"MIT", "Apache-2.0"}
    assert [f.licence for f in refused(check(soldier, "minimax-m2.5"))] == ["LicenseRef-MiniMax-Model-License"]
    assert refused(check(soldier, "glm-5.1")) == ()


def test_an_agreement_of_ones_own_lifts_a_licence() -> None:
    german = Deployer(region="DE", agreed=frozenset({"LicenseRef-Llama-4-Community"}))

    assert check(german, "llama-4-scout") == ()


def test_every_described_model_has_a_licence_and_every_claim_is_read() -> None:
    described = {m.id for m in catalog().file.models if m.licence is not None}

    assert described == CLAIMS.keys()
    assert {claim.licence for claims in CLAIMS.values() for claim in claims} <= LICENCES.keys()
    for model in catalog().file.models:
        if model.open_weights and model.licence is not None:
            assert model.licence in {claim.licence for claim in CLAIMS[model.id]}


@pytest.mark.parametrize(("licence", "provider"), [("OpenAI-terms", "openai"), ("Anthropic-terms", "anthropic")])
def test_terms_on_answers_are_the_ones_that_datasets_are_held_to(licence: str, provider: str) -> None:
    clause, rule = LICENCES[licence].clauses[0], FORBIDDING[provider]

    assert (clause.says, clause.source, clause.where) == (rule.says, rule.url, f"terms of {rule.effective}")
