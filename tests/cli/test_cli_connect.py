"""`freehold connect`: lines that can be used as they are."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from command_world import FREEHOLD, environment
from freehold.cli.connect import CLIENTS


def connect(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [*FREEHOLD, "connect", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment())


@pytest.mark.parametrize("name", CLIENTS)
def test_every_client_gets_the_address_and_no_placeholder_is_left(name: str) -> None:
    told = connect(name, "--url", "https://ai.example.org/v1/", "--model", "support", "--json")
    value = json.loads(told.stdout)

    assert told.returncode == 0
    assert value["client"] == name
    assert "https://ai.example.org" in value["text"]
    assert "/v1/v1" not in value["text"]
    assert "{" not in value["text"].replace('{"', "").replace("[{", "").replace("{ ", "")


def test_what_is_printed_can_be_evaluated_by_a_shell(tmp_path: Path) -> None:
    told = connect("claude-code", "--model", "support").stdout
    shown = subprocess.run(
        ["sh", "-c", f'{told}\nprintf "%s|%s|%s" "$ANTHROPIC_BASE_URL" "$ANTHROPIC_AUTH_TOKEN" "$ANTHROPIC_MODEL"'],
        capture_output=True, text=True, check=True, env=environment(FREEHOLD_KEY="fh_x"),
    ).stdout  # fmt: skip
    assert shown == "http://127.0.0.1:4000|fh_x|support"


def test_the_settings_of_codex_are_valid_toml() -> None:
    told = tomllib.loads(connect("codex", "--model", "code").stdout)
    assert told["model_providers"][told["model_provider"]] == {
        "name": "Freehold",
        "base_url": "http://127.0.0.1:4000/v1",
        "env_key": "FREEHOLD_KEY",
        "wire_api": "responses",
    }


def test_a_client_that_is_not_known_gets_the_list() -> None:
    told = connect("emacs")
    assert told.returncode == 1
    assert all(name in told.stderr for name in CLIENTS)
    assert connect().stdout.split() == sorted(CLIENTS)
