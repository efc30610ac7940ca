"""Counting tokens and listing models for callers of Messages, through the running gateway."""

import json
import os
import time
from pathlib import Path

import pytest
from gateway_world import get, house, post
from messages_callers import HI, PATH, messages_house
from scripted_upstream import (
    KEEP,
    Upstream,
    always,
    completion,
    providers,
    sized,
)

from freehold.governance.keys import mint


def test_tokens_are_counted_by_a_provider_that_counts(tmp_path: Path) -> None:
    counted = sized(b'{"input_tokens":1581,"more":1}')
    with Upstream(always(counted, KEEP)) as up, messages_house(tmp_path, up) as home:
        tools = [{"name": "a", "input_schema": {"type": "object"}}]
        request = {"model": "r", "messages": HI, "tools": tools}
        beta = "anthropic-beta: token-counting-2024-11-01"
        answer = home.ask(post(request | {"max_tokens": 5}, beta, path=f"{PATH}/count_tokens"))
        asked_again = home.ask(post(request, path=f"{PATH}/count_tokens?beta=true"))

    assert (answer.status, answer.json) == (200, {"input_tokens": 1581})
    assert asked_again.json == {"input_tokens": 1581}
    assert "x-freehold-estimated" not in answer.headers
    assert [json.loads(body) for body in up.asked] == [request | {"model": "m0"}] * 2
    assert up.heads[0].startswith(b"POST /v1/messages/count_tokens HTTP/1.1")
    assert b"x-api-key: sk-ant-1" in up.heads[0].lower()
    assert beta.encode() in up.heads[0].lower()


@pytest.mark.parametrize(
    "said",
    [
        sized(b'{"detail":"Not Found"}', status=404),
        sized(b'{"tokens":7}'),
        sized(b"<html>", status=502),
        b"",
    ],
)
def test_tokens_are_estimated_where_the_provider_does_not_count(tmp_path: Path, said: bytes) -> None:
    with Upstream(always(said, KEEP)) as up, messages_house(tmp_path, up) as home:
        answer = home.ask(
            post({"model": "r", "messages": [{"role": "user", "content": "x" * 4000}]}, path=f"{PATH}/count_tokens")
        )

    assert (answer.status, answer.headers["x-freehold-estimated"]) == (200, "true")
    assert 1000 <= answer.json["input_tokens"] <= 1020


def test_tokens_are_estimated_without_a_call_where_another_dialect_is_spoken(tmp_path: Path) -> None:
    with Upstream(always(sized(completion()), KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.ask(post({"model": "r", "messages": HI}, path=f"{PATH}/count_tokens"))
        wrong = home.ask(post({"model": "r"}, path=f"{PATH}/count_tokens"))
        unknown = home.ask(post({"model": "x", "messages": HI}, path=f"{PATH}/count_tokens"))

    assert answer.headers["x-freehold-estimated"] == "true"
    assert answer.json["input_tokens"] > 0
    assert up.asked == []
    assert (wrong.status, wrong.error["type"]) == (400, "invalid_request_error")
    assert (unknown.status, unknown.error["type"]) == (404, "not_found_error")


def test_a_count_that_the_provider_refuses_is_refused(tmp_path: Path) -> None:
    body = b'{"type":"error","error":{"type":"not_found_error","message":"model: m0"},"request_id":"req_1"}'
    with Upstream(always(sized(body, status=404), KEEP)) as up, messages_house(tmp_path, up) as home:
        answer = home.ask(post({"model": "r", "messages": HI}, path=f"{PATH}/count_tokens"))

    assert (answer.status, bytes(answer.body)) == (404, body)


def test_a_key_that_may_not_ask_for_a_route_may_not_count_for_it(tmp_path: Path) -> None:
    key, text = mint("ann", now=time.time_ns(), random=os.urandom, routes=("other",))
    with Upstream(always(sized(b'{"input_tokens":1}'), KEEP)) as up, messages_house(tmp_path, up) as home:
        home.keys(key)
        answer = home.ask(post({"model": "r", "messages": HI}, f"x-api-key: {text}", path=f"{PATH}/count_tokens"))
        nobody = home.ask(post({"model": "r", "messages": HI}, path=f"{PATH}/count_tokens"))

    assert (answer.status, answer.error["type"]) == (403, "permission_error")
    assert (nobody.status, nobody.error["type"]) == (401, "authentication_error")
    assert up.asked == []


def test_models_are_listed_in_a_shape_that_both_kinds_of_client_read(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        listed = home.ask(get("/v1/models?limit=2", "anthropic-version: 2023-06-01")).json
        rest = home.ask(get(f"/v1/models?after_id={listed['last_id']}")).json
        unknown = home.ask(get("/v1/models/nobody", "anthropic-version: 2023-06-01"))

    assert (listed["has_more"], rest["has_more"]) == (True, False)
    names = [m["id"] for m in (*listed["data"], *rest["data"])]
    assert sorted(names) == ["auto", "sim/simulated", "simulated"]
    assert all((m["type"], m["object"], m["display_name"]) == ("model", "model", m["id"]) for m in listed["data"])
    assert (unknown.status, unknown.json["type"], unknown.error["type"]) == (404, "error", "not_found_error")
