"""`freehold check` and the entry point: what is right is said, what is wrong is named, the exit code tells scripts."""

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from command_world import FREEHOLD, environment
from freehold.cli.main import commands

RIGHT = """
[simulated.sim]
price = { input = "1.00", output = "2.50" }
[deployments.small]
provider = "sim"
model = "m"
[routes.support]
deployments = ["small"]
"""


def test_right_settings_are_told_with_what_they_serve(freehold) -> None:
    Path("right.toml").write_text(RIGHT)

    told = freehold("check", "--settings", "right.toml")
    served = freehold("check", "--settings", "right.toml", "--json").json

    lines = told.out.splitlines()
    assert lines[0] == "Settings are right (right.toml): 1 deployments, 1 routes."
    assert lines[1] == f"Digest {served['digest']}"
    assert lines[4].split() == ["support", "balanced", "small"]
    assert lines[7].split() == ["small", "sim", "m", "$1.00", "$2.50"]
    assert {k: v for k, v in served.items() if k != "digest"} == {
        "source": "right.toml",
        "deployments": ["small"],
        "routes": {"support": ["small"]},
        "licences": [],
    }


def test_all_that_is_wrong_is_listed_at_once(freehold) -> None:
    Path("wrong.toml").write_text('[server]\nprot = 1\n[deployments.a]\nprovider = "x"\nmodel = "y"\n')

    told = freehold("check", "--settings", "wrong.toml")

    assert (told.code, told.out) == (1, "")
    assert told.err == (
        "freehold: wrong.toml: [server] prot: no such setting; did you mean port?\n"
        "wrong.toml: [deployments.a] provider: no provider has this name; describe it in a table [providers.NAME]\n"
    )


def test_without_a_file_the_keys_of_the_environment_count(freehold, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")

    told = freehold("check")

    assert told.out.startswith("Settings are right (no settings file: the defaults, and what the environment has keys")
    assert "openai/gpt-5-mini" in told.out
    assert "secret-key" not in told.out


def test_a_deployment_at_a_provider_of_the_environment_that_has_no_address_is_refused(
    freehold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    Path("azure.toml").write_text('[deployments.mine]\nprovider = "azure-openai"\nmodel = "gpt"\n')

    told = freehold("check", "--settings", "azure.toml")

    assert told.code == 1
    assert "[deployments.mine] provider: azure-openai cannot be called: the address of Azure OpenAI needs" in told.err


def test_the_file_of_the_environment_is_checked_too(freehold, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("right.toml").write_text(RIGHT)
    monkeypatch.setenv("FREEHOLD_SETTINGS", "right.toml")

    assert freehold("check", "--json").json["source"] == "right.toml"
    monkeypatch.setenv("FREEHOLD_SETTINGS", "gone.toml")
    assert freehold("check").err == "freehold: gone.toml: cannot be read: no such file or directory\n"


def test_the_help_names_every_command_in_one_line(freehold) -> None:
    told = freehold("--help").out

    for name, command in commands.commands.items():
        assert f"  {name} " in told
        assert command.help
    assert freehold("-h").out == told
    assert freehold("--version").out == f"freehold, version {version('freehold')}\n"


def test_a_command_that_does_not_exist_is_wrong_use(freehold) -> None:
    told = freehold("frobnicate")

    assert told.code == 2
    assert "No such command 'frobnicate'" in told.err


def test_a_reader_that_stops_early_is_no_error(tmp_path: Path) -> None:
    Path(tmp_path, "freehold-data").mkdir()
    listing = [*FREEHOLD, "keys", "list"]
    with subprocess.Popen(
        listing, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
