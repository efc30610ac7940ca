"""Counting the tokens of a request of Responses, through the running gateway."""

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from gateway_world import house, post
from scripted_upstream import KEEP, Upstream, always, completion, providers, sized, turns

PATH = "/v1/responses/input_tokens"
COUNT = sized(b'{"object":"response.input_tokens","input_tokens":11}')
KEPT: dict[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
    "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "good", "annotations": []}]}],
    "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
}  # fmt: skip


def there(port: int) -> str:
    """A provider that speaks Responses."""
    return (
        f'[providers.up]\nbase_url = "http://127.0.0.1:{port}/v1"\ndialect = "openai-responses"\n'
        '[deployments.r]\nprovider = "up"\nmodel = "m"\n'
    )


def test_tokens_are_counted_by_a_provider_that_counts(tmp_path: Path) -> None:
    with Upstream(always(COUNT, KEEP)) as up, house(tmp_path, there(up.port)) as home:
        with openai.OpenAI(base_url=f"{home.started.url}/v1", api_key="none", max_retries=0) as client:
            count = client.responses.input_tokens.count(model="r", input="hi", instructions="Be brief")
        home.ask(post({"model": "r", "input": "hi", "max_output_tokens": 9, "metadata": {"a": "b"}}, path=PATH))

    assert (count.object, count.input_tokens) == ("response.input_tokens", 11)
    assert up.heads[0].startswith(b"POST /v1/responses/input_tokens ")
    assert json.loads(up.asked[0]) == {"model": "m", "input": "hi", "instructions": "Be brief"}
    assert json.loads(up.asked[1]) == {"model": "m", "input": "hi"}


def test_what_a_response_continues_is_counted_with_it(tmp_path: Path) -> None:
    kept = sized(json.dumps(KEPT).encode())
    with Upstream(turns([kept, KEEP], [COUNT, KEEP])) as up, house(tmp_path, there(up.port)) as home:
        first = home.ask(post({"model": "r", "input": "hi"}, path="/v1/responses")).json
        asked = {"model": "r", "input": "and?", "previous_response_id": first["id"]}
        again = home.ask(post(asked, path=PATH))
        unknown = home.ask(post(asked | {"previous_response_id": "resp_x"}, path=PATH))

    said = [(item["role"], item["content"]) for item in json.loads(up.asked[1])["input"]]
    assert again.json["input_tokens"] == 11
    assert [role for role, _ in said] == ["user", "assistant", "user"]
    assert (said[0][1], said[2][1]) == ("hi", "and?")
    assert (unknown.status, unknown.error["code"]) == (400, "previous_response_not_found")


@pytest.mark.parametrize(
    "answer",
    [
        sized(b'{"error":{"message":"Invalid URL","type":"invalid_request_error","param":null}}', status=404),
        sized(b'{"detail":"Not Found"}', status=404),
        sized(b"{}"),
        b"",
    ],
    ids=["OpenAI without it", "another server", "no count", "nothing"],
)
def test_tokens_are_estimated_where_the_provider_does_not_count(tmp_path: Path, answer: bytes) -> None:
    with Upstream(always(answer, KEEP)) as up, house(tmp_path, there(up.port)) as home:
        counted = home.ask(post({"model": "r", "input": "x" * 4000}, path=PATH))

    assert (counted.status, counted.headers["x-freehold-estimated"]) == (200, "true")
    assert 1000 <= counted.json["input_tokens"] <= 1020


def test_a_count_that_the_provider_refuses_is_refused_and_chat_is_estimated(tmp_path: Path) -> None:
    body = b'{"error":{"message":"No such tool","type":"invalid_request_error","param":"tools","code":null}}'
    with Upstream(always(sized(body, status=400), KEEP)) as up, house(tmp_path, there(up.port)) as home:
        refused = home.ask(post({"model": "r", "input": "hi", "tools": [{"type": "x"}]}, path=PATH))
    with Upstream(always(sized(completion()), KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        estimated = home.ask(post({"model": "r", "input": "hi"}, path=PATH))

    assert (refused.status, refused.error["param"]) == (400, "tools")
    assert (estimated.headers["x-freehold-estimated"], up.asked) == ("true", [])
