"""Every word, error, command and dependency has its place in the documentation."""

import ast
import inspect
import pkgutil
import re
import tomllib
from importlib import import_module
from types import ModuleType
from typing import Protocol, get_args

import click
import pytest
from docs_world import ROOT, prose, rows
from msgspec import Struct

from freehold import core
from freehold.app.gateway import HOT
from freehold.cli.main import commands
from freehold.core import errors
from freehold.core.events import OutcomeKind
from freehold.core.principal import Key
from freehold.gateway.bounds import DoorLimits
from freehold.governance.limits import Limits, Words
from freehold.providers.simulated.simulation import Fault

WORDS = ROOT / "docs" / "words.md"
REFERENCE = ROOT / "docs" / "reference"


def types(module: ModuleType) -> list[str]:
    """The public types that a module of the core defines: structs, ports and exceptions."""
    return [
        name
        for name, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__ == module.__name__
        and not name.startswith("_")
        and (issubclass(value, Struct | Exception) or Protocol in value.__bases__ or "Stage" in name)
    ]


@pytest.mark.parametrize("module", [m.name for m in pkgutil.iter_modules(core.__path__) if m.name != "errors"])
def test_every_core_type_is_among_the_words(module: str) -> None:
    named = set(re.findall(r"`(\w+)`", WORDS.read_text()))

    assert set(types(import_module(f"freehold.core.{module}"))) <= named


def test_every_outcome_is_among_the_words() -> None:
    named = {first for first, *_ in rows(WORDS)}

    assert {f"`{kind}`" for kind in get_args(OutcomeKind)} == named


def test_each_word_is_defined_once_and_in_its_order() -> None:
    defined = [
        w for line in prose(WORDS).splitlines() if line.startswith("- ") for w in re.findall(r"\*\*([^*]+)\*\*", line)
    ]

    assert len(defined) == len(set(defined))
    assert len(defined) > 80


def leaves(error: type[errors.FreeholdError]) -> list[type[errors.FreeholdError]]:
    """The errors that are raised, under a branch of the tree."""
    found = [error] if "code" in vars(error) else []
    return found + [leaf for kind in error.__subclasses__() for leaf in leaves(kind)]


@pytest.mark.parametrize(
    ("branch", "heading"),
    [
        (errors.CallerError, "The caller can fix it"),
        (errors.ProviderError, "The provider failed"),
        (errors.OperatorError, "The operator must change something"),
    ],
)
def test_the_reference_has_every_error_under_its_branch_with_its_status(
    branch: type[errors.FreeholdError], heading: str
) -> None:
    section = (REFERENCE / "errors.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    listed = {
        code: int(status) for code, status in re.findall(r"^\| `(\w+)` \| (\d+) \| [^|]+ \| [^|]+ \|$", section, re.M)
    }
    known = {leaf.code: leaf.status for leaf in leaves(branch) if leaf.__module__ == errors.__name__}

    assert listed == known


def paths(command: click.Command, path: str) -> dict[str, click.Command]:
    """Every command under its whole name; a group is its commands, those that load on demand included."""
    if not isinstance(command, click.Group):
        return {path: command}
    found: dict[str, click.Command] = {path: command} if command.invoke_without_command else {}
    with click.Context(command) as context:
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None, name
            found |= paths(sub, f"{path} {name}")
    return found


def test_the_reference_has_every_command_with_all_its_options() -> None:
    every = paths(commands, "freehold")
    told = {r[0].strip("`"): r[1] for r in rows(REFERENCE / "cli.md") if r[0].startswith("`freehold ")}
    listed = {r[0].strip("`"): r[1].split() for r in rows(REFERENCE / "cli.md") if r[1].startswith("`--")}
    known = {
        path: [f"`{p.opts[0]}`" for p in command.params if isinstance(p, click.Option)]
        for path, command in every.items()
    }

    assert told.keys() == known.keys()
    assert listed == known


def test_every_command_says_what_it_does_and_every_option_too() -> None:
    for path, command in paths(commands, "freehold").items():
        assert command.help, path
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{path} {option.opts[0]}"


def declared() -> set[tuple[str, str, str]]:
    """Method, path and permission of each `Page` in the source."""
    found: set[tuple[str, str, str]] = set()
    for source in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Page":
                said = {k.arg: ast.literal_eval(k.value) for k in node.keywords if k.arg != "answer"}
                for method in said.get("methods", ("GET",)):
                    found.add((method, said["path"].replace(":path", ""), said["permission"]))
    return found


def test_the_reference_has_every_route_with_who_may_ask() -> None:
    first = [(row[0].strip("`").split(), row[1]) for row in rows(REFERENCE / "http.md") if " /" in row[0]]
    listed = {(method, path, who) for (method, path), who in first}

    assert listed == declared() | {("POST", path, "key") for path in HOT.named()}


def test_the_reference_has_every_header_that_we_write() -> None:
    sources = [*(ROOT / "src/freehold/gateway").glob("*.py"), *(ROOT / "src/freehold/governance").glob("*.py")]
    written = {
        header
        for source in sources
        for header in re.findall(
            r"(?:\\n|[^a-z-])((?:x-freehold|x-ratelimit|x-should|retry-after)[a-z-]*)", source.read_text()
        )
    }
    told = (REFERENCE / "http.md").read_text()
    limited = Key(id="k", name="k", digest=b"", created_at=0, requests_per_minute=1, tokens_per_minute=1)
    lines = [line for words in get_args(Words) for line in Limits().head(limited, 0, words).splitlines()]
    left = {line.partition(":")[0] for line in lines}

    assert len(left) == 12
    assert {header for header in left if f"`{header}`" not in told} == set()
    assert {header for header in written if not header.endswith("-") and f"`{header}`" not in told} == set()


def test_the_reference_has_the_limits_of_the_door() -> None:
    told = (REFERENCE / "http.md").read_text()
    limits = DoorLimits()

    assert f"| {limits.max_body >> 20} MiB |" in told
    assert f"| {limits.max_head >> 10} KiB, {limits.max_headers} headers |" in told
    assert f"| {limits.head:g} s, {limits.body:g} s |" in told
    assert f"| {limits.idle:g} s |" in told
    assert f"| {limits.stall:g} s |" in told
    assert f"| {limits.ping:g} s |" in told
    assert f"| {limits.connections:,} |" in told


def test_the_reference_has_every_fault_of_a_simulated_provider() -> None:
    assert [first.strip("`") for first, *_ in rows(REFERENCE / "simulated.md")] == list(get_args(Fault))


def test_every_dependency_has_a_sentence_and_a_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = [d for those in project["project"].get("optional-dependencies", {}).values() for d in those]
    wanted = [*project["project"]["dependencies"], *extras, *project["dependency-groups"]["dev"]]
    named = {re.split(r"[\[<>=~! ]", requirement)[0] for requirement in wanted}
    told = {row[0]: row for page in (ROOT / "docs" / "decisions").glob("*.md") for row in rows(page) if len(row) >= 3}

    assert {name for name in named if name not in told} == set()
    assert all(told[name][1] and told[name][2] for name in named)
    assert {name for name in named if re.match(r"A?GPL", told[name][2])} == set()
