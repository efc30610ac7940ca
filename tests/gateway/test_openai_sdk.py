"""The real OpenAI SDK against a real process: answers, streams, errors, records."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

FREEHOLD = [sys.executable, "-c", "from freehold.cli.main import main; main()"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def client(data: Path) -> Iterator[openai.OpenAI]:
    settings = data.parent / "freehold.toml"
    settings.write_text('[simulated.sim]\nreply = "Hello there"\nprice = { input = "1.00", output = "2.00" }\n')
    up = [*FREEHOLD, "up", "--port", "0", "--settings", str(settings), "--data", str(data)]
    with subprocess.Popen(up, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = next(line.split("base_url ")[1].split(")")[0] for line in process.stdout if "base_url " in line)
        with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as made:
            yield made
        process.terminate()
        process.stdout.read()
        assert process.wait(60) == 0


def inferences(data: Path) -> list[dict[str, object]]:
    listed = subprocess.run(
        [*FREEHOLD, "inferences", "list", "--json", "--data", str(data)], capture_output=True, check=True
    )
    return json.loads(listed.stdout)


def test_chat_and_stream_are_answered_and_recorded_with_their_cost(client: openai.OpenAI, data: Path) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    whole = client.chat.completions.with_raw_response.create(model="sim/simulated", messages=messages)  # type: ignore[arg-type]
    completion = whole.parse()
    stream = client.chat.completions.create(model="auto", messages=messages, stream=True)  # type: ignore[arg-type]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

    assert completion.choices[0].message.content == text == "Hello there"
    rows = inferences(data)
    assert [row["outcome"] for row in rows] == ["answered", "answered"]
    assert whole.headers["x-freehold-inference"] == rows[1]["id"]
    assert int(whole.headers["x-freehold-cost"]) == rows[1]["cost"]
    assert rows[0]["usage"] == rows[1]["usage"]

    explained = subprocess.run(
        [*FREEHOLD, "explain", str(rows[0]["id"]), "--json", "--data", str(data)], capture_output=True, check=True
    )
    assert json.loads(explained.stdout)["same"] is True
    verified = subprocess.run([*FREEHOLD, "verify", "--json", "--data", str(data)], capture_output=True, check=True)
    assert json.loads(verified.stdout)["main"]["outcomes"] == {"answered": 2}


def test_an_unknown_model_is_refused_with_the_nearest_name_and_recorded(client: openai.OpenAI, data: Path) -> None:
    with pytest.raises(openai.NotFoundError, match="Did you mean sim/simulated"):
        client.chat.completions.create(model="sim/simulatd-not", messages=[{"role": "user", "content": "x"}])
    assert [row["outcome"] for row in inferences(data)] == ["refused"]


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} == {"auto", "simulated", "sim/simulated"}
