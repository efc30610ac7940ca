"""`freehold up` as a new user meets it: what it finds, what it says, a line that works, and the ways out of trouble."""

import json
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from command_world import ALONE, FREEHOLD, environment, shell, up
from freehold.providers.known import KNOWN

DATA = Path(__file__).parents[3] / "shared" / "data" / "catalog" / "providers.json"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path) -> None:
    (tmp_path / "alone.toml").write_text(ALONE)


def refused(folder: Path, *arguments: str, **env: str) -> str:
    """What `freehold up` says when it does not start."""
    ended = subprocess.run(
        [*FREEHOLD, "up", *arguments],
        check=False,
        cwd=folder,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_with_nothing_found_the_simulated_provider_answers_the_line_that_is_offered(tmp_path: Path) -> None:
    with up(tmp_path, FREEHOLD_SETTINGS="alone.toml") as gateway:
        asked = shell(f"{gateway.curl} -s -i", tmp_path)

    assert "No provider key is in the environment." in gateway.text
    assert "So the simulated provider answers" in gateway.text
    assert "everybody on this machine may ask" in gateway.text
    assert "data in freehold-data" in gateway.text
    assert "x-freehold-deployment: simulated/simulated" in asked.stdout
    assert '"content":"simulated answer to: Hello"' in asked.stdout
    assert (tmp_path / "freehold-data" / "freehold.sqlite").exists()


def test_where_a_key_was_made_the_line_takes_it_from_the_environment(tmp_path: Path) -> None:
    made = shell("freehold keys create me --json", tmp_path)
    key = json.loads(made.stdout)["secret"]

    with up(tmp_path, FREEHOLD_SETTINGS="alone.toml") as gateway:
        without = shell(f"{gateway.curl} -s", tmp_path)
        with_it = shell(f"{gateway.curl} -s", tmp_path, FREEHOLD_KEY=key)

    assert "Every request needs a key" in gateway.text
    assert key not in gateway.text
    assert json.loads(without.stdout)["error"]["code"] == "invalid_api_key"
    assert json.loads(with_it.stdout)["choices"][0]["message"]["content"] == "simulated answer to: Hello"


def test_on_another_address_than_loopback_a_missing_key_is_named(tmp_path: Path) -> None:
    with up(tmp_path, "--host", "0.0.0.0", FREEHOLD_SETTINGS="alone.toml") as gateway:
        asked = shell(f"{gateway.curl} -s", tmp_path)

    assert "Every request needs a key, and none has been made: `freehold keys create NAME`" in gateway.text
    assert json.loads(asked.stdout)["error"]["code"] == "invalid_api_key"


def test_the_key_of_every_known_provider_is_found_in_the_environment_and_never_shown(tmp_path: Path) -> None:
    secrets = {row.key_env[0]: f"secret-{row.id}" for row in KNOWN.values() if row.key_env}
    places = {names[0]: "here" for row in KNOWN.values() for names in row.values.values()}

    with up(tmp_path, FREEHOLD_SETTINGS="alone.toml", **places, **secrets) as gateway:
        pass

    lines = {line.split()[0]: line for line in gateway.text.splitlines() if line.startswith("  ")}
    for row in KNOWN.values():
        if row.key_env:
            assert row.key_env[0] in lines[row.id]
            assert ("not used" in lines[row.id]) == bool(row.unreachable or row.id == "gpustack"), row.id
    assert "secret-" not in gateway.text


@pytest.mark.skipif(not DATA.exists(), reason="the shared catalog data is not here")
def test_every_provider_of_the_shared_catalog_is_found_by_its_key_or_its_port() -> None:
    listed = {row["id"] for row in json.loads(DATA.read_text())["providers"]}
    by_address = {"tgi"}  # listens where llama.cpp does, and says nothing about itself: it needs a table

    assert {id for id in listed if not KNOWN[id].key_env and KNOWN[id].port is None} == by_address


def test_providers_of_the_settings_are_shown_with_where_their_key_comes_from(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(
        '[providers.lab]\nbase_url = "http://127.0.0.1:9/v1"\napi_key = "env:LAB_KEY"\nmodels = ["small", "large"]\n'
        '[providers.bare]\nbase_url = "http://127.0.0.1:9/v2"\n'
        "[simulated.sim]\n"
    )

    with up(tmp_path, "--settings", "lab.toml", LAB_KEY="secret-lab") as gateway:
        pass

    assert [line.split() for line in gateway.text.splitlines() if line.startswith("  ")][:3] == [
        ["bare", "127.0.0.1:9", "ask", "for", "bare/MODEL"],
        ["lab", "env:LAB_KEY", "2", "models"],
        ["sim", "simulated", "answers", "by", "rule,", "and", "says", "so"],
    ]
    assert "So the simulated provider answers" not in gateway.text
    assert "secret-lab" not in gateway.text


def test_a_simulated_provider_that_was_asked_for_is_not_excused(tmp_path: Path) -> None:
    text = f'{ALONE}[providers.bare]\nbase_url = "http://127.0.0.1:9/v1"\n[simulated.simulated]\n'
    (tmp_path / "both.toml").write_text(text)

    with up(tmp_path, "--settings", "both.toml") as gateway:
        pass

    assert "So the simulated provider answers" not in gateway.text


def test_a_provider_whose_models_nobody_listed_is_offered_by_pattern(tmp_path: Path) -> None:
    env = {"SNOWFLAKE_CORTEX_PAT": "secret", "SNOWFLAKE_ACCOUNT": "here"}
    with up(tmp_path, FREEHOLD_SETTINGS="alone.toml", **env) as gateway:
        pass

    assert "Serves snowflake/MODEL\n" in gateway.text
    assert '"model":"snowflake/MODEL"' in gateway.curl


def test_a_port_that_is_taken_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(tmp_path, "--port", str(port), FREEHOLD_SETTINGS="alone.toml")

    assert f"Cannot listen on 127.0.0.1:{port}: another program listens there" in said
    assert "--port" in said


def test_an_address_that_is_not_this_machines_is_named_with_the_way_out(tmp_path: Path) -> None:
    said = refused(tmp_path, "--host", "192.0.2.1", FREEHOLD_SETTINGS="alone.toml")  # RFC 5737: nobody's

    assert "Cannot listen on 192.0.2.1:4000: this machine has no such address. Choose another with --host" in said


def test_a_data_folder_that_another_gateway_uses_is_left_alone(tmp_path: Path) -> None:
    with up(tmp_path, FREEHOLD_SETTINGS="alone.toml") as gateway:
        said = refused(tmp_path, "--port", "0", FREEHOLD_SETTINGS="alone.toml")

    assert f"in use by process {gateway.process.pid}. Stop that one, or choose another data folder" in said


@pytest.mark.parametrize(
    ("folder", "why"), [("file/below", "cannot be made: Not a directory"), ("/proc", "cannot be written")]
)
def test_a_data_folder_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path, folder: str, why: str) -> None:
    (tmp_path / "file").write_text("")

    said = refused(tmp_path, "--port", "0", "--data", folder, FREEHOLD_SETTINGS="alone.toml")

    assert f"The data folder {folder} {why}" in said
    assert "Choose another with --data or FREEHOLD_DATA" in said


def test_wrong_settings_are_all_listed_and_nothing_is_started(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('[servr]\nport = 1\n[routes.a]\ndeployments = ["b"]\nobjective = "cheap"\n')

    said = refused(tmp_path, "--settings", "wrong.toml")

    assert "[servr]: no such setting; did you mean server?" in said
    assert "[routes.a] objective" in said
    assert not (tmp_path / "freehold-data").exists()


def test_a_reload_is_told_and_wrong_settings_are_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "live.toml"
    file.write_text("[simulated.one]\n")
    with up(tmp_path, "--settings", "live.toml") as gateway:
        assert gateway.process.stdout is not None
        file.write_text("[simulated.two]\n")
        gateway.process.send_signal(signal.SIGHUP)
        loaded = gateway.process.stdout.readline()
        file.write_text("[simulated.two]\nskil = 1\n")
        gateway.process.send_signal(signal.SIGHUP)
        kept = [gateway.process.stdout.readline() for _ in range(2)]
        models = json.loads(shell(f"curl -s {gateway.url}/v1/models", tmp_path).stdout)

    assert loaded.endswith("loaded: 3 names served\n")
    assert kept == [
        "Settings not changed:\n",
        "live.toml: [simulated.two] skil: no such setting; did you mean skill?\n",
    ]
    assert [row["id"] for row in models["data"]] == ["auto", "two/simulated", "simulated"]


def test_after_kill_9_the_next_start_says_what_it_closed(tmp_path: Path) -> None:
    (tmp_path / "silent.toml").write_text('[simulated.silent]\nerror_rate = 1\nfault = "stalled"\n')
    command = [*FREEHOLD, "up", "--port", "0", "--settings", "silent.toml"]
    with (
        subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True) as process,
        httpx.Client(trust_env=False) as client,
    ):
        assert process.stdout is not None
        url = next(line for line in process.stdout if "base_url " in line).split("base_url ")[1].split(")")[0]
        body = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
        with client.stream("POST", f"{url}/chat/completions", json=body) as answer:
            id_ = answer.headers["x-freehold-inference"]
            process.kill()

    with up(tmp_path, "--settings", "silent.toml") as gateway:
        pass
    listed = json.loads(shell("freehold inferences list --json", tmp_path).stdout)

    assert "Recovered: closed 1 inferences as unknown" in gateway.text
    assert [(row["id"], row["outcome"], row["error"]) for row in listed] == [(id_, "unknown", "process_died")]
