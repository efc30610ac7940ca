"""Callers of Anthropic Messages through the running gateway: to providers of chat completions, and of Messages."""

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from gateway_world import get, house, post
from messages_callers import ACCOUNT, MESSAGE, PATH, SAID, asked, messages_house, sse, told
from scripted_upstream import (
    DONE,
    END,
    KEEP,
    STREAM,
    Upstream,
    always,
    chunked,
    completion,
    delta,
    providers,
    sized,
)

from freehold.core.events import Outcome
from freehold.core.usage import Usage
from freehold.governance.keys import mint


def test_a_whole_answer_of_a_messages_provider_passes_as_it_is(tmp_path: Path) -> None:
    body = json.dumps(MESSAGE, indent=1).encode()
    with Upstream(always(sized(body, "request-id: req_1"), KEEP)) as up, messages_house(tmp_path, up) as home:
        request = asked(metadata={"user_id": "u"}, thinking={"type": "adaptive"}, unheard={"of": 1})
        beta = "files-api-2025-04-14,made-up-2099"
        answer = home.ask(post(request, "x-api-key: mine", f"anthropic-beta: {beta}", path=PATH))
        record = home.record(answer)

    assert (answer.status, bytes(answer.body)) == (200, body)
    assert json.loads(up.asked[0]) == request | {"model": "m0"}
    assert (answer.headers["request-id"], answer.headers["x-request-id"]) == ("req_1", "req_1")
    assert record.usage == Usage(input_tokens=100, output_tokens=5, cache_read_tokens=90)
    head = up.heads[0].decode().lower()
    assert head.startswith("post /v1/messages http/1.1")
    assert "x-api-key: sk-ant-1" in head
    assert head.count("anthropic-version:") == 1
    assert "anthropic-version: 2023-06-01" in head
    assert f"anthropic-beta: {beta}" in head
    assert "mine" not in head
    assert "authorization" not in head


def test_a_stream_of_a_messages_provider_passes_byte_for_byte(tmp_path: Path) -> None:
    with Upstream(always(STREAM, chunked(*SAID), END, KEEP)) as up, messages_house(tmp_path, up) as home:
        answer = home.ask(post(asked(stream=True), "anthropic-version: 2099-01-01", path=PATH))
        record = home.record(answer)

    assert bytes(answer.body) == b"".join(SAID)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert record.usage == Usage(input_tokens=100, output_tokens=5, cache_read_tokens=90)
    head = up.heads[0].decode().lower()
    assert "anthropic-version: 2099-01-01" in head
    assert head.count("anthropic-version:") == 1


def test_betas_that_only_anthropic_knows_are_kept_from_others_and_named(tmp_path: Path) -> None:
    account = 'kind = "vllm"\n'
    body = json.dumps(MESSAGE).encode()
    with (
        Upstream(always(sized(body), KEEP)) as up,
        house(tmp_path, providers(up.port, account=account)) as home,
    ):
        beta = "interleaved-thinking-2025-05-14, mcp-client-2025-11-20"
        answer = home.ask(post(asked(), f"anthropic-beta: {beta}", path=PATH))

    head = up.heads[0].decode().lower()
    assert "anthropic-beta: interleaved-thinking-2025-05-14\r\n" in head
    assert answer.headers["x-freehold-warnings"] == "lost: anthropic-beta mcp-client-2025-11-20"
    assert bytes(answer.body) == body


def test_a_chat_provider_answers_a_caller_of_messages(tmp_path: Path) -> None:
    with Upstream(always(sized(completion("good")), KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.ask(post(asked(system="be brief", top_k=3), path=PATH))
        record = home.record(answer)

    assert answer.status == 200
    said = answer.json
    assert said["content"] == [{"type": "text", "text": "good"}]
    assert (said["type"], said["role"], said["stop_reason"]) == ("message", "assistant", "end_turn")
    assert (said["usage"]["input_tokens"], said["usage"]["output_tokens"]) == (10, 5)
    sent = json.loads(up.asked[0])
    assert sent["messages"] == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    assert sent["model"] == "m0"
    assert 100 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))
    assert answer.headers["x-freehold-warnings"] == "lost: top_k"
    assert record.usage == Usage(input_tokens=10, output_tokens=5)


def test_what_a_deployment_would_have_lost_that_failed_is_no_loss_of_the_one_that_answered(tmp_path: Path) -> None:
    body = json.dumps(MESSAGE).encode()
    with Upstream(always(sized(b"{}", status=500), KEEP)) as chat, Upstream(always(sized(body), KEEP)) as messages:
        settings = providers(chat.port, messages.port).replace("[providers.up1]", '[providers.up1]\nkind = "vllm"')
        with house(tmp_path, settings) as home:
            answer = home.ask(post(asked(top_k=3), path=PATH))

    assert (answer.status, answer.headers["x-freehold-deployment"]) == (200, "d1")
    assert b"top_k" not in chat.asked[0]
    assert b"top_k" in messages.asked[0]
    assert "x-freehold-warnings" not in answer.headers


def test_what_cannot_be_carried_over_is_refused_to_a_strict_caller(tmp_path: Path) -> None:
    with Upstream(always(sized(completion()), KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.ask(post(asked(top_k=3), "x-freehold-strict: true", path=PATH))

    assert (answer.status, answer.error["type"]) == (422, "invalid_request_error")
    assert "top_k" in answer.error["message"]
    assert up.asked == []


def call(index: int, **function: str) -> dict[str, Any]:
    named = {"id": f"call_{index}", "type": "function"} if "name" in function else {}
    return {"index": index, "function": function, **named}


def test_a_streaming_chat_provider_answers_in_the_events_of_messages(tmp_path: Path) -> None:
    frames = [
        delta(role="assistant", content=""),
        delta(reasoning_content="hmm"),
        delta(content="Let me "),
        delta(content="look."),
        delta(tool_calls=[call(0, name="a", arguments="")]),
        delta(tool_calls=[call(0, arguments='{"x":')]),
        delta(tool_calls=[call(0, arguments="1}")]),
        delta(tool_calls=[call(1, name="b", arguments="{}")]),
        delta(finish="tool_calls"),
    ]
    tools = [{"name": n, "input_schema": {"type": "object"}} for n in ("a", "b")]
    with (
        Upstream(always(STREAM, chunked(*frames, DONE), END, KEEP)) as up,
        house(tmp_path, providers(up.port)) as home,
    ):
        answer = home.ask(post(asked(stream=True, tools=tools), path=PATH))

    events = told(answer)
    assert [(e["type"], e.get("index")) for e in events] == [
        ("message_start", None),
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("content_block_start", 3),
        ("content_block_delta", 3),
        ("content_block_stop", 3),
        ("message_delta", None),
        ("message_stop", None),
    ]
    begun = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    assert begun[2:] == [
        {"type": "tool_use", "id": "call_0", "name": "a", "input": {}},
        {"type": "tool_use", "id": "call_1", "name": "b", "input": {}},
    ]
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}


def test_a_caller_of_chat_completions_is_answered_by_a_messages_provider(tmp_path: Path) -> None:
    with Upstream(always(STREAM, chunked(*SAID), END, KEEP)) as up, messages_house(tmp_path, up) as home:
        answer = home.chat("r", stream=True, stream_options={"include_usage": True})
        strange = home.chat("r", n=2)

    assert answer.text == "good"
    assert answer.events[-1] == "[DONE]"
    usage = next(e["usage"] for e in answer.events if isinstance(e, dict) and e.get("usage"))
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (100, 5)
    sent = json.loads(up.asked[0])
    assert sent == {
        "model": "m0",
        "max_tokens": 16_384,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "stream": True,
    }
    assert up.heads[0].startswith(b"POST /v1/messages ")
    assert (strange.status, "cannot" in strange.error["message"] or "n" in strange.error["message"]) == (400, True)


def test_an_error_after_content_ends_the_stream_as_an_error_event(tmp_path: Path) -> None:
    failed = b'data: {"error":{"message":"too hot","type":"overloaded_error"}}\n\n'
    with (
        Upstream(always(STREAM, chunked(delta(content="Hel"), failed), END, KEEP)) as up,
        house(tmp_path, providers(up.port)) as home,
    ):
        answer = home.ask(post(asked(stream=True), path=PATH))

    last = told(answer)[-1]
    assert (last["type"], last["error"]["type"]) == ("error", "overloaded_error")
    assert "too hot" in last["error"]["message"]
    assert last["request_id"] == answer.headers["request-id"]
    assert "message_stop" not in {e["type"] for e in told(answer)}


def test_an_error_inside_a_stream_of_a_messages_provider_is_told_to_a_caller_of_chat(tmp_path: Path) -> None:
    failed = sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    with Upstream(always(STREAM, chunked(*SAID[:4], *failed), END, KEEP)) as up, messages_house(tmp_path, up) as home:
        answer = home.chat("r", stream=True)
        record = home.record(answer)

    assert answer.text == "good"
    assert "Overloaded" in answer.events[-1]["error"]["message"]
    assert record.outcome == Outcome("cut").kind


@pytest.mark.parametrize(
    ("status", "kind", "theirs"),
    [
        (400, "invalid_request_error", True),
        (404, "not_found_error", True),
        (413, "request_too_large", True),
        (429, "rate_limit_error", False),
        (529, "overloaded_error", False),
        (500, "api_error", False),
    ],
)
def test_an_error_of_a_messages_provider_keeps_its_status_and_type(
    tmp_path: Path, status: int, kind: str, theirs: bool
) -> None:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "no"}, "request_id": "req_9"}).encode()
    with Upstream(always(sized(body, "request-id: req_9", status=status), KEEP)) as up:
        secret = tmp_path / "key"
        secret.write_text("k")
        settings = providers(up.port, account=ACCOUNT.format(key=secret), retry="attempts = 1")
        with house(tmp_path, settings) as home:
            answer = home.ask(post(asked(), path=PATH))

    assert answer.status == {500: 502}.get(status, status)
    assert (answer.json["type"], answer.error["type"]) == ("error", kind)
    assert answer.json["request_id"] == answer.headers["request-id"] == "req_9"
    assert (bytes(answer.body) == body) == theirs


def test_refusals_of_ours_are_told_in_the_shape_of_messages(tmp_path: Path) -> None:
    key, text = mint("ann", now=time.time_ns(), random=os.urandom, requests_per_minute=1)
    with house(tmp_path) as home:
        unknown = home.ask(post(asked(model="nobody"), path=PATH))
        wrong = home.ask(post({"model": "auto"}, path=PATH))
        below = home.ask(get("/v1/messages/nothing"))
        batches = home.ask(post(b"{}", path="/v1/messages/nothing"))
        method = home.ask(get(PATH))
        home.limit(max_body=100)
        large = home.ask(post(asked(system="x" * 200), path=PATH))
        home.limit(max_body=10_000)
        home.keys(key)
        stranger = home.ask(post(asked(), path=PATH))
        served = home.ask(post(asked(model="auto"), f"x-api-key: {text}", path=PATH))
        limited = home.ask(post(asked(model="auto"), f"x-api-key: {text}", path=PATH))

    for answer, status, kind in (
        (unknown, 404, "not_found_error"),
        (wrong, 400, "invalid_request_error"),
        (below, 404, "not_found_error"),
        (batches, 404, "not_found_error"),
        (method, 405, "invalid_request_error"),
        (large, 413, "request_too_large"),
        (stranger, 401, "authentication_error"),
        (limited, 429, "rate_limit_error"),
    ):
        assert (answer.status, answer.json["type"], answer.error["type"]) == (status, "error", kind)
        assert answer.error["message"]
    assert unknown.json["request_id"] == unknown.headers["request-id"] == unknown.headers["x-freehold-inference"]
    for answer in (served, limited):
        assert answer.headers["anthropic-ratelimit-requests-limit"] == "1"
        assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"
        reset = answer.headers["anthropic-ratelimit-requests-reset"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", reset)
        assert not any(name.startswith("x-ratelimit") for name in answer.headers)
    assert int(limited.headers["retry-after"]) > 0


def test_a_provider_that_is_too_busy_gives_callers_of_messages_their_own_status(tmp_path: Path) -> None:
    body = b'{"error":{"message":"busy","type":"server_error"}}'
    with (
        Upstream(always(sized(body, status=503), KEEP)) as up,
        house(tmp_path, providers(up.port, retry="attempts = 1")) as home,
    ):
        anthropic, openai = home.ask(post(asked(), path=PATH)), home.chat("r")

    assert (anthropic.status, anthropic.error["type"]) == (529, "overloaded_error")
    assert openai.status == 503
