"""The reference page names every setting with its default."""

import re
from pathlib import Path
from typing import cast

import msgspec
import pytest
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from freehold.catalog.override import Override
from freehold.core.deployment import Rollout
from freehold.core.label import Clearance, Sensitivity
from freehold.providers.simulated.simulation import Rule, ToolUse
from freehold.settings import tables
from freehold.settings.load import load

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"

SECTIONS: dict[str, type[Struct]] = {
    "[server]": tables.ServerSettings,
    "[data]": tables.DataSettings,
    "[discovery]": tables.DiscoverySettings,
    "[providers.NAME]": tables.ProviderSettings,
    "[deployments.NAME]": tables.DeploymentSettings,
    "[deployments.NAME.clearance]": Clearance,
    "[routes.NAME]": tables.RouteSettings,
    "[routes.NAME.rollout]": Rollout,
    "[local.NAME]": tables.LocalSettings,
    "[deployer]": tables.DeployerSettings,
    "[catalog]": tables.CatalogSettings,
    "[catalog.overrides.NAME]": Override,
    "[flywheel]": tables.FlywheelSettings,
    "[responses]": tables.ResponsesSettings,
    "[batches]": tables.BatchesSettings,
    "[idempotency]": tables.IdempotencySettings,
    "[egress]": tables.EgressSettings,
    "[retry]": tables.RetrySettings,
    "[breaker]": tables.BreakerSettings,
    "[record]": tables.RecordSettings,
    "[simulated.NAME]": tables.SimulatedSettings,
    "[[simulated.NAME.rules]]": Rule,
    "[[simulated.NAME.rules.tool_calls]]": ToolUse,
}


def shown(default: object) -> str:
    """A default as the page shows it."""
    match default:
        case None:
            return "none"
        case bool():
            return f"`{str(default).lower()}`"
        case Sensitivity():
            return f'`"{default.name.lower()}"`'
        case str():
            return f'`"{default}"`'
        case int() | float():
            return f"`{default if isinstance(default, int) else f'{default:g}'}`"
        case tuple() | frozenset() if not default:
            return "`[]`"
        case _:
            assert default in ({}, Clearance())
            return "`{}`"


@pytest.mark.parametrize("section", SECTIONS)
def test_the_reference_lists_every_setting_of_a_table_with_its_default(section: str) -> None:
    text = PAGE.read_text().split(f"## `{section}`\n")[1].split("\n## ")[0]
    listed = {
        name: default for name, default in re.findall(r"^\| `(\w+)` \| .*? \| (`[^|]*?`|none|required) \|", text, re.M)
    }

    known: dict[str, str] = {}
    for field in fields(SECTIONS[section]):
        if field.default is not NODEFAULT:
            known[field.name] = shown(cast(object, field.default))
        elif field.default_factory is not NODEFAULT:
            known[field.name] = shown(cast(object, field.default_factory()))
        elif field.name != "name" or section.startswith("[["):
            known[field.name] = "required"
    assert listed == known


def test_the_reference_has_a_section_for_every_table() -> None:
    assert {s.strip("[]").split(".")[0] for s in SECTIONS} == {f.name for f in msgspec.structs.fields(tables.Settings)}


def test_the_example_of_the_reference_loads(tmp_path: Path) -> None:
    example = PAGE.read_text().split("```toml\n")[1].split("```")[0]
    (tmp_path / "settings.toml").write_text(example)

    settings = load(tmp_path / "settings.toml", {"OPENAI_API_KEY": "sk-1", "LAB_KEY": "lab-1"})

    assert settings.routes["support"].deployments == ("small", "openai/gpt-5-mini")
    assert settings.deployments["small"].price is not None
    assert settings.deployments["small"].price.input == 100_000_000
