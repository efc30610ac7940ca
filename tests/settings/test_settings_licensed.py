"""What a licence forbids this deployer is refused, with the clause; nothing is while nobody says who deploys."""

from pathlib import Path

import pytest

from freehold.core.errors import SettingsWrong
from freehold.settings.book import Book
from freehold.settings.licensed import open_points
from freehold.settings.load import read
from freehold.settings.resolve import resolve
from freehold.settings.tables import Settings

SCOUT = "meta-llama/llama-4-scout-17b-16e-instruct"
NAMED = {"scout": {"provider": "groq", "model": SCOUT}}


def resolved(**tables: object) -> Settings:
    groq = {"groq": {"api_key": "env:GROQ"}}
    return resolve(read({"providers": groq, **tables}, source="t.toml", folder=Path(), env={"GROQ": "k"}))


def test_a_deployment_that_a_licence_forbids_is_refused_with_its_clause() -> None:
    with pytest.raises(SettingsWrong) as wrong:
        resolved(deployments=NAMED, deployer={"region": "de"})

    assert wrong.value.message.startswith("[deployments.scout] model: llama-4-scout may not be used: no rights in")
    assert wrong.value.message.endswith(
        "meta-llama/llama-models a9c89c4 USE_POLICY, carried over 2026-11-23, text not read)"
    )


@pytest.mark.parametrize(
    "deployer", [{}, {"region": "CH"}, {"region": "DE", "agreed": ["llama-4-scout"]}, {"monthly_users": 5}]
)
def test_it_is_served_where_no_clause_is_met(deployer: dict[str, object]) -> None:
    assert "scout" in Book(resolved(deployments=NAMED, deployer=deployer)).deployments


def test_an_open_provider_does_not_serve_what_is_refused_under_any_name() -> None:
    free, bound = Book(resolved()), Book(resolved(deployer={"region": "DE"}))

    for name in (f"groq/{SCOUT}", f"groq/{SCOUT.upper()}", "groq/meta-llama/Llama-4-Scout-17B-16E-Instruct"):
        assert free.target(name) is not None
        assert bound.target(name) is None
    assert bound.target("groq/openai/gpt-oss-120b") is not None
    assert "llama-4-scout" not in {listed.id for listed in bound.models()}


def test_a_route_to_a_refused_model_is_refused_too() -> None:
    with pytest.raises(SettingsWrong, match=r"^\[routes.r\] deployments: llama-4-scout may not be used"):
        resolved(routes={"r": {"deployments": [f"groq/{SCOUT}"]}}, deployer={"region": "FR"})


def test_what_the_operator_refuses_is_not_served() -> None:
    book = Book(resolved(deployer={"refuses": ["OpenAI/gpt-oss-120b"]}))

    assert book.target("groq/openai/gpt-oss-120b") is None
    assert book.target("groq/openai/gpt-oss-20b") is not None


def test_what_licences_ask_and_leave_open_is_told_for_the_models_that_are_served() -> None:
    points = open_points(resolved(deployments=NAMED, deployer={"region": "US"}))

    assert [(p.model, p.standing, p.clause.kind) for p in points] == [
        ("llama-4-scout", "undecided", "users"),
        ("llama-4-scout", "undecided", "use"),
        ("llama-4-scout", "undecided", "output"),
        ("llama-4-scout", "duty", "duty"),
        ("llama-4-scout", "duty", "duty"),
    ]
    assert open_points(resolved(deployments=NAMED)) == ()
