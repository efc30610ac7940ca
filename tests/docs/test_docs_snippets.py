"""Every snippet of the documentation runs, page by page and in order, against a gateway with the simulated provider."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest
from docs_world import PAGES, ROOT, Snippet, name, snippets

from command_world import ALONE, shell, up
from freehold.cli.main import commands
from freehold.providers.known import KNOWN
from freehold.settings.load import load
from freehold.settings.resolve import resolve

ADDRESS = "http://127.0.0.1:4000"
LANGUAGES = {"bash", "python", "toml", "json", "mermaid", "text"}

PRELUDE = r"""
set -euo pipefail
newest() { freehold inferences list --limit 1 --json | python -c 'import json; print(json.load(open(0))[0]["id"])'; }
guarded() { until [ "$(curl -s -o /dev/null -w '%{http_code}' URL/v1/models)" = 401 ]; do sleep 0.05; done; }
"""
"""`newest`: the id for which the pages write ID. `guarded` returns when a running gateway has seen the first key."""


def test_snippets_are_in_languages_that_are_tried() -> None:
    assert {s.language for page in PAGES for s in snippets(page)} <= LANGUAGES


def is_tried(page: Path) -> bool:
    return any(s.language in {"bash", "python"} for s in snippets(page))


@pytest.mark.parametrize("page", [p for p in PAGES if is_tried(p)], ids=name)
def test_the_commands_and_programs_of_a_page_run_in_their_order(page: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.toml").write_text(served(page))
    with up(tmp_path, FREEHOLD_SETTINGS="alone.toml") as gateway:
        parts = [part for snippet in snippets(page) if (part := script(snippet))]
        whole = "\n".join([PRELUDE.replace("URL", gateway.url), *parts]).replace(ADDRESS, gateway.url)
        ran = shell(whole, tmp_path, **secrets(page))

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_settings_of_a_page_are_right(page: Path, tmp_path: Path) -> None:
    for snippet in snippets(page):
        if snippet.language == "toml":
            (tmp_path / "freehold.toml").write_text(snippet.text)
            resolve(load(tmp_path / "freehold.toml", secrets(page)))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_json_of_a_page_is_json(page: Path) -> None:
    for snippet in snippets(page):
        if snippet.language == "json":
            json.loads(snippet.text)


def served(page: Path) -> str:
    """The settings of the gateway beside a page: the page's first, where a snippet starts it with these."""
    every = list(snippets(page))
    if any(s.language == "bash" and "freehold up --settings freehold.toml" in s.text for s in every):
        return next(s.text for s in every if s.language == "toml")
    return ALONE


def secrets(page: Path) -> dict[str, str]:
    """A value for each variable that the settings of a page name, and for the keys of known providers."""
    named = re.findall(r'"env:(\w+)"', page.read_text())
    return dict.fromkeys([*named, *(row.key_env[0] for row in KNOWN.values() if row.key_env)], "x")


def script(snippet: Snippet) -> str:
    """A snippet as a part of one shell script."""
    match snippet.language:
        case "python":
            return f"python - <<'PY'\n{snippet.text}PY"
        case "toml":
            return f"cat > freehold.toml <<'TOML'\n{snippet.text}TOML"
        case "bash":
            return "\n".join(part for line in lines(snippet.text) if (part := runnable(line)))
        case _:
            return ""


def lines(text: str) -> list[str]:
    """The lines of a shell snippet, those joined that a backslash continues."""
    return text.replace("\\\n", " ").splitlines()


def runnable(line: str) -> str:
    """A line as it is run here. What starts something long, or would run these tests again, is only looked at."""
    words = shlex.split(line, comments=True)
    if words[:1] == ["make"]:
        assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(), line
        return ""
    if words[:2] in (["freehold", "up"], ["freehold", "simulate"]):
        with click.Context(commands) as context:
            commands.commands[words[1]].make_context(words[1], words[2:], parent=context)
        return ""
    if words[:1] == ["export"] and words[1].startswith("PATH="):
        return ""
    line = re.sub(r"\bID\b", '"$(newest)"', line)
    return f"{line}\nguarded" if "keys create" in line else line


def test_a_page_is_tried_under_the_settings_with_which_it_starts_a_gateway() -> None:
    guide = served(ROOT / "docs" / "flywheel.md")

    assert "collect = true" in guide
    assert served(ROOT / "README.md") == ALONE


def test_a_line_that_does_not_exist_is_seen() -> None:
    with pytest.raises(click.ClickException):
        runnable("freehold up --prot 1")
    with pytest.raises(AssertionError):
        runnable("make coffee")
    failing = "\n".join([PRELUDE, script(Snippet("bash", "freehold frobnicate\n")), "true"])
    assert shell(failing, Path()).returncode == 2
