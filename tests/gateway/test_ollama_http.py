"""Ollama's clients against a running gateway: chats that stream, and what they ask to find out what there is."""

import json
from pathlib import Path
from typing import Any

from gateway_world import get, house, post
from scripted_upstream import DONE, END, STREAM, Upstream, always, chunked, delta, providers, sized

SAID = {"model": "m0", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": "yes"},
        "done": True, "done_reason": "stop", "prompt_eval_count": 4, "eval_count": 2}  # fmt: skip
OWN = """
[providers.ollama]
base_url = "http://127.0.0.1:{port}/v1"
[deployments.own]
provider = "ollama"
model = "llama3"
"""


def ask(**more: Any) -> dict[str, Any]:
    return {"model": "r", "messages": [{"role": "user", "content": "hi"}], **more}


def test_a_chat_streams_lines_from_a_provider_that_speaks_openai(tmp_path: Path) -> None:
    said = STREAM + chunked(delta(role="assistant", content=""), delta(content="so"), delta(finish="stop"), DONE) + END
    with Upstream(always(said)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.ask(post(ask(), path="/api/chat"))

    lines = [json.loads(line) for line in bytes(answer.body).splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [line["message"]["content"] for line in lines] == ["so", ""]
    assert [line["done"] for line in lines] == [False, True]
    assert json.loads(up.asked[0])["stream"] is True


def test_an_ollama_server_gets_the_callers_own_words_on_its_own_path(tmp_path: Path) -> None:
    with Upstream(always(sized(json.dumps(SAID).encode()))) as up, house(tmp_path, OWN.format(port=up.port)) as home:
        asked = ask(model="own", stream=False, options={"mirostat": 1}, keep_alive="1m")
        answer = home.ask(post(asked, path="/api/chat"))
        home.idle()
        record = home.record(answer)

    assert answer.json == SAID
    assert json.loads(up.asked[0]) == {**asked, "model": "llama3"}
    assert b"POST /api/chat " in up.heads[0]
    assert record.usage is not None
    assert (record.usage.input_tokens, record.usage.output_tokens) == (4, 2)


def test_its_clients_find_out_what_there_is(tmp_path: Path) -> None:
    with house(tmp_path, OWN.format(port=9)) as home:
        tags = home.ask(get("/api/tags")).json["models"]
        shown = home.ask(post({"model": "own"}, path="/api/show"))
        unknown = home.ask(post({"model": "owm"}, path="/api/show"))
        version = home.ask(get("/api/version")).json["version"]
        running = home.ask(get("/api/ps")).json

    assert "own" in [one["name"] for one in tags]
    assert "completion" in shown.json["capabilities"]
    assert unknown.status == 404
    assert tuple(map(int, version.split("."))) >= (0, 5, 0)
    assert running == {"models": []}


def test_an_error_is_told_in_its_words(tmp_path: Path) -> None:
    with house(tmp_path, OWN.format(port=9)) as home:
        answer = home.ask(post(ask(model="nothing"), path="/api/chat"))
    assert answer.status == 404
    assert "nothing" in answer.json["error"]
