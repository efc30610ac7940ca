"""The demo's story, run as a user runs it, on fewer messages."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from demo.gateway import DemoFailed, freehold, prepare
from demo.inbox import Message, inbox
from demo.tally import Tally
from rich.console import Console

from demo import __main__ as demo
from demo import closing, real
from freehold.core.secret import Secret
from freehold.providers.discovery import Found
from freehold.providers.simulated.serving import serve
from freehold.providers.simulated.simulation import Simulation
from freehold.providers.simulated.upstream import Simulated

ROOT = Path(__file__).parents[2]

ELSEWHERE = {
    "FREEHOLD_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "FREEHOLD_DATA": "/nonexistent",
    "FREEHOLD_PORT": "1",
    "HTTP_PROXY": "http://127.0.0.1:1",
}
"""What belongs to a Freehold that the user runs for real, and a proxy that leads nowhere: the demo must not mind."""


def run(folder: Path, *more: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m demo`, on the first 240 messages."""
    return subprocess.run(
        [sys.executable, "-m", "demo", "--messages", "240", "--folder", str(folder), *more],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | ELSEWHERE | (env or {}),
        check=False,
    )


def told(folder: Path, messages: int, model: str | None = None) -> tuple[int, str]:
    """The exit status of the story in this process, and what it showed."""
    screen = StringIO()
    status = demo.story(Console(file=screen, width=100), inbox()[:messages], folder, model)
    return status, screen.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("left") / "demo"


@pytest.fixture(scope="module")
def shown(folder: Path) -> subprocess.CompletedProcess[str]:
    """One run of the demo, which left its folder."""
    return run(folder)


def test_the_demo_shows_an_outage_a_fallback_costs_and_a_ledger_that_holds(
    folder: Path, shown: subprocess.CompletedProcess[str]
) -> None:
    assert (shown.returncode, shown.stderr) == (0, "")
    out = shown.stdout
    assert "✗" not in out
    assert out.count("✓") == 8
    assert "240 of 240 messages were answered" in out
    assert re.search(r"[1-9]\d* answers came from another deployment after the first one failed", out)
    assert re.search(r"[1-9]\d* requests went elsewhere at once while a breaker was open", out)
    assert re.search(r"Everything at sage, the dearest: \$0\.\d{4}\. Saved: [4-9]\d%", out)
    assert re.search(r"letters +steady +\d+ +balanced; swift cannot do json_schema", out)
    assert re.search(r"chat +swift +\d+ +cheapest *\n", out)
    assert re.search(r"urgent +sage +\d+ +best *\n", out)
    assert "call 1: swift" in out
    assert "provider_unreachable" in out
    assert "recomputed from the record: the same decision" in out
    assert re.search(r"inferences +\d+: 240 answered", out)
    assert [line for line in out.splitlines() if len(line) > 100 and str(folder) not in line] == []


def test_what_it_left_can_be_read_with_the_commands_that_it_names(
    folder: Path, shown: subprocess.CompletedProcess[str]
) -> None:
    settings = folder / "freehold.toml"
    steps = [line.strip() for line in shown.stdout.partition("What to look at next")[2].splitlines()]
    read = [re.split(r"\s{2,}", step)[0] for step in steps if step.startswith("freehold ")]

    assert f"export FREEHOLD_SETTINGS={settings}" in shown.stdout.replace("\n", "")
    assert len(read) == 4
    for command in read:
        assert freehold(settings, *command.partition(" && ")[0].split()[1:]).strip()
    assert freehold(settings, "check").strip()


def test_without_the_outage_the_demo_says_that_its_claim_is_not_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "OUTAGE", (2.0, 2.0))

    status, shown = told(tmp_path / "demo", 32)

    assert status == 1
    assert "✗ NOT TRUE: 0 requests went elsewhere at once while a breaker was open" in shown
    assert "✓ 32 of 32 messages were answered" in shown


def test_a_ledger_that_was_changed_makes_the_demo_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(console: Console, tally: Tally, messages: list[Message], settings: Path) -> int:
        segment = max((settings.parent / "data/ledger/main").rglob("*"), key=lambda path: path.stat().st_size)
        written = segment.read_bytes()
        segment.write_bytes(written.replace(b'"answered"', b'"Answered"', 1))
        assert segment.read_bytes() != written
        return closing.close(console, tally, messages, settings)

    monkeypatch.setattr(demo, "close", changed)

    status, shown = told(tmp_path / "demo", 32)

    assert status == 1
    assert "NOT VERIFIED" in shown
    assert "✗ NOT TRUE: the ledger is whole" in shown


def test_a_second_run_replaces_the_first_one_and_nothing_else(tmp_path: Path) -> None:
    old = prepare(tmp_path / "demo", inbox()[:3])
    (old.parent / "data").mkdir()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "freehold.toml").write_text("precious")

    again = prepare(tmp_path / "demo", inbox()[:2])
    with pytest.raises(DemoFailed, match="mine is not the folder of an earlier demo"):
        prepare(mine, inbox()[:2])

    assert sorted(path.name for path in again.parent.iterdir()) == ["answers.jsonl", "freehold.toml"]
    assert len((again.parent / "answers.jsonl").read_text().splitlines()) == 2
    assert (mine / "freehold.toml").read_text() == "precious"


def test_an_unknown_real_model_is_refused_before_anything_happens(tmp_path: Path) -> None:
    shown = run(tmp_path / "demo", "--real", "openai/gpt-5-mini", env={"OPENAI_API_KEY": ""})
    wrong = run(tmp_path / "demo", "--real", "gpt-5-mini")

    assert (shown.returncode, wrong.returncode) == (1, 1)
    assert "REAL=openai/gpt-5-mini: there is no OPENAI_API_KEY here" in shown.stdout
    assert "say provider/model" in wrong.stdout
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], None),
        (
            [Found(provider="ollama", via="127.0.0.1:11434", models=("llama3.2:3b",))],
            "Found a model server at 127.0.0.1:11434. `make demo REAL=ollama/llama3.2:3b` also sends it 24",
        ),
        (
            [Found(provider="openai", via="OPENAI_API_KEY", api_key=Secret("sk-x", source="env:OPENAI_API_KEY"))],
            "Found OPENAI_API_KEY, which is not used as it costs money. `make demo REAL=openai/",
        ),
    ],
)
def test_what_was_found_is_named_and_not_used(
    found: list[Found], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real, "found", lambda: found)

    hint = real.hint()

    assert hint is None if said is None else hint is not None and hint.startswith(said)
    assert "sk-x" not in (hint or "")


@pytest.fixture
def server() -> Iterator[str]:
    """A model server that says `pin_help` to everything; its base URL."""
    with start_blocking_portal() as portal:
        serving = portal.call(serve, Simulated(Simulation(name="stand-in", reply="Pin_help.")), "127.0.0.1", 0)
        yield serving.url
        portal.call(serving.close)


def test_a_real_model_that_the_user_names_gets_one_message_of_each_intent(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = f'[providers.stand-in]\nbase_url = "{server}"\n'
    priced = 'price = { input = "1", output = "2" }\n\n[routes.'
    tables = real.TABLES.format(provider="stand-in", model='"m"', deployment='"stand-in/m"', route=real.REAL)
    tables = account + tables.replace("[providers.stand-in]\n", "").replace("\n[routes.", priced)

    def stand_in(model: str) -> str:
        return tables

    monkeypatch.setattr(real, "tables", stand_in)

    _, shown = told(tmp_path / "demo", 96, "stand-in/m")

    intents = {message.intent for message in inbox()[:96]}
    assert "At the end, 24 go to stand-in/m, which is real." in shown
    assert "Nothing leaves this machine" not in shown
    assert f"Route 'real' is not simulated: {len(intents)} messages went there." in shown
    assert re.search(rf"stand-in/m +1\.00, +2\.00 +{len(intents)} +{1 / len(intents):.1%} ", shown)
    assert re.search(r"✓ the key's budget shows the same as the ledger", shown)
