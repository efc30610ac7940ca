"""`freehold simulate`: the simulated provider on a port of its own, with all that can be set."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import click
import httpx
import pytest
from msgspec.structs import fields

from command_world import FREEHOLD, environment, shell, up
from freehold.cli.simulate import simulate
from freehold.providers.simulated.simulation import Fault
from freehold.settings.tables import SimulatedSettings


@contextmanager
def simulated(folder: Path, *arguments: str) -> Iterator[tuple[str, str]]:
    """Its address, and the settings that it prints for a gateway."""
    command = [*FREEHOLD, "simulate", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().rpartition(" ")[2].strip()
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if line.startswith(("models", "price")):
                break
        try:
            yield url, "".join(said).partition("\n\n")[2]
        finally:
            process.terminate()
            process.stdout.read()
            code = process.wait(60)
    assert code == 0


def ask(url: str, text: str, *, stream: bool = False) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream}
    return httpx.post(f"{url}/chat/completions", json=body, timeout=60, trust_env=False)


def said(answer: httpx.Response) -> str:
    return answer.json()["choices"][0]["message"]["content"]


def test_it_offers_every_setting_of_a_simulated_provider_but_its_name() -> None:
    options = {parameter.name for parameter in simulate.params if isinstance(parameter, click.Option)}
    (fault,) = [p for p in simulate.params if p.name == "fault"]

    assert {field.name for field in fields(SimulatedSettings)} <= options
    assert isinstance(fault.type, click.Choice)
    assert tuple(fault.type.choices) == get_args(Fault)


def test_it_answers_by_rule_then_from_known_answers_then_with_the_reply(tmp_path: Path) -> None:
    (tmp_path / "known.jsonl").write_text('{"text": "capital of France", "reply": "Paris"}\n')
    options = ["--rule", "x=y=z", "--rule", "bye=see you", "--reply", "no idea", "--answers", "known.jsonl"]

    with simulated(tmp_path, *options) as (url, _):
        answers = [said(ask(url, text)) for text in ("good bye", "capital of France", "what now")]
        with_equals = said(ask(url, "x"))

    assert answers == ["see you", "Paris", "no idea"]
    assert with_equals == "y=z"  # the first = ends the text


def test_it_fails_as_told(tmp_path: Path) -> None:
    with simulated(tmp_path, "--error-rate", "1", "--error-status", "429", "--retry-after", "7") as (url, _):
        failed = ask(url, "x")
    with simulated(tmp_path, "--error-rate", "1", "--fault", "html") as (url, _):
        page = ask(url, "x")
    with simulated(tmp_path, "--cut-rate", "1") as (url, _), pytest.raises(httpx.RemoteProtocolError):
        ask(url, "a long enough text to be cut somewhere", stream=True)

    assert (failed.status_code, failed.headers["retry-after"]) == (429, "7")
    assert page.headers["content-type"] == "text/html"


def test_the_settings_that_it_prints_make_a_gateway_that_calls_it_at_its_price(tmp_path: Path) -> None:
    with simulated(tmp_path, "--price", "0.50/2", "--name", "lab", "--reply", "from afar") as (url, settings):
        (tmp_path / "freehold.toml").write_text(settings)
        with up(tmp_path, "--settings", "freehold.toml") as gateway:
            asked = shell(f"{gateway.curl} -s -i", tmp_path)

    assert url in settings
    head, _, body = asked.stdout.replace("\r", "").partition("\n\n")
    assert said(httpx.Response(200, content=body)) == "from afar"
    usage = json.loads(body)["usage"]
    assert f"x-freehold-cost: {usage['prompt_tokens'] * 500 + usage['completion_tokens'] * 2000}" in head


def test_a_table_of_the_settings_is_served_and_options_win(tmp_path: Path) -> None:
    (tmp_path / "freehold.toml").write_text(
        '[simulated.a]\nreply = "from the file"\nerror_rate = 1\n'
        '[[simulated.a.rules]]\nregex = "my name is (\\\\w+)"\nreply = "hello \\\\1"\n'
    )
    options = ["--settings", "freehold.toml", "--name", "a", "--error-rate", "0"]

    with simulated(tmp_path, *options) as (url, _):
        answers = [said(ask(url, text)) for text in ("my name is Ann", "x")]

    assert answers == ["hello Ann", "from the file"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--answers", "nowhere.jsonl"], 1, "[simulated.simulated] answers: there is no file nowhere.jsonl"),
        (["--settings", "freehold.toml", "--name", "b"], 1, "freehold.toml has no table [simulated.b]; --name takes a"),
        (["--name", "a/b"], 1, "the name of a provider has no slash"),
        (["--price", "1"], 2, "'1' is not INPUT/OUTPUT, such as 0.50/2.00"),
        (["--price", "x/1"], 1, "price"),
        (["--rule", "no answer"], 2, "'no answer' is not TEXT=REPLY"),
        (["--skill", "2"], 2, "2.0 is not in the range 0<=x<=1"),
        (["--host", "192.0.2.1"], 1, "Cannot listen on 192.0.2.1:4001: this machine has no such address"),
    ],
)
def test_what_cannot_be_served_is_named(freehold, arguments: list[str], code: int, message: str) -> None:
    Path("freehold.toml").write_text("[simulated.a]\n")

    refused = freehold("simulate", *arguments)

    assert (refused.code, refused.out) == (code, "")
    assert message in refused.err
