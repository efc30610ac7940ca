"""Callers of Anthropic Messages through the running gateway: to providers of chat completions, and of Messages."""

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gateway_world import Answered, House, get, house, post
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

HI: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
ACCOUNT = 'kind = "anthropic"\napi_key = "file:{key}"\n'
PATH = "/v1/messages"
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "good"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5},
}


def asked(**more: Any) -> dict[str, Any]:
    return {"model": "r", "max_tokens": 100, "messages": HI, **more}


def sse(*events: dict[str, Any]) -> list[bytes]:
    return [b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events]


SAID = sse(
    {"type": "message_start", "message": MESSAGE | {"content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "good"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
)


@contextmanager
def messages_house(tmp_path: Path, up: Upstream, *, more: str = "") -> Iterator[House]:
    """A gateway in front of a provider that speaks Messages."""
    secret = tmp_path / "key"
    secret.write_text("sk-ant-1")
    with house(tmp_path, providers(up.port, account=ACCOUNT.format(key=secret), more=more)) as home:
        yield home


def told(answer: Answered) -> list[dict[str, Any]]:
    """The events of a stream, by their data; each frame names its event as its data does."""
    found: list[dict[str, Any]] = []
    for frame in bytes(answer.body).split(b"\n\n")[:-1]:
        fields = dict(line.split(b": ", 1) for line in frame.split(b"\n"))
        found.append(json.loads(fields[b"data"]))
        assert fields[b"event"].decode() == found[-1]["type"]
    return found


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
        batches = home.ask(post(b"{}", path="/v1/messages/batches"))
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


@pytest.mark.parametrize("path", [PATH, "/v1/chat/completions"])
def test_a_stream_says_that_it_is_alive_while_its_model_thinks(tmp_path: Path, path: str) -> None:
    ping = b'event: ping\ndata: {"type":"ping"}\n\n' if path == PATH else b": keep-alive\n\n"
    go, on = threading.Event(), threading.Event()
    say = always(
        go, STREAM, chunked(delta(content="a")), on, chunked(delta(content="b"), delta(finish="stop"), DONE), END
    )
    with (
        Upstream(say) as up,
        house(tmp_path, "[server]\nping_seconds = 0.1\n" + providers(up.port)) as home,
        home.caller() as caller,
    ):
        caller.say(post(asked(stream=True), path=path))
        caller.until(ping)  # before the first word
        go.set()
        caller.until(b'"a"')
        said = bytes(caller.raw).count(ping)
        while bytes(caller.raw).count(ping) == said:  # and between two
            caller._more()
        on.set()
        answer = caller.answer()

    assert answer.status == 200
    body = bytes(answer.body).replace(ping, b"")
    assert b'"a"' in body
    assert b'"b"' in body
    assert body.endswith(b'data: {"type":"message_stop"}\n\n' if path == PATH else DONE)


def test_an_error_after_pings_alone_is_told_inside_the_stream(tmp_path: Path) -> None:
    go = threading.Event()
    with Upstream(always(go, sized(b'{"error":{"message":"no such thing"}}', status=400), KEEP)) as up:
        settings = "[server]\nping_seconds = 0.1\n" + providers(up.port)
        with house(tmp_path, settings) as home, home.caller() as caller:
            caller.say(post(asked(stream=True), path=PATH))
            caller.until(b"event: ping")
            go.set()
            answer = caller.answer()

    assert answer.status == 200
    assert told(answer)[-1]["error"]["type"] == "invalid_request_error"
    assert "no such thing" in told(answer)[-1]["error"]["message"]


def test_a_whole_answer_has_no_pings(tmp_path: Path) -> None:
    go = threading.Event()
    with Upstream(always(go, sized(completion()), KEEP)) as up:
        settings = "[server]\nping_seconds = 0.1\n" + providers(up.port)
        with house(tmp_path, settings) as home, home.caller() as whole, home.caller() as streamed:
            whole.say(post(asked(), path=PATH))
            streamed.say(post(asked(stream=True), path=PATH))
            streamed.until(b"event: ping")  # as long as it takes for one
            go.set()
            assert whole.answer().json["content"] == [{"type": "text", "text": "good"}]
            assert [e["type"] for e in told(streamed.answer()) if e["type"] != "ping"][-1] == "message_stop"


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


def test_claude_code_meets_a_chat_provider_with_a_prefix_that_stays_the_same(tmp_path: Path) -> None:
    def turn(billing: str) -> dict[str, Any]:
        system = [
            {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.15.{billing}; cch={billing};"},
            {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
        ]
        tool = {"name": "Bash", "description": "runs", "input_schema": {"type": "object", "properties": {}}}
        return asked(
            system=system,
            tools=[tool | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            metadata={"user_id": "user_1_account__session_2"},
            thinking={"type": "enabled", "budget_tokens": 2000},
            max_tokens=4000,
            stream=True,
        )

    beta = "anthropic-beta: claude-code-20250219,interleaved-thinking-2025-05-14"
    frames = chunked(delta(content="ok"), delta(finish="stop"), DONE)
    with Upstream(always(STREAM, frames, END, KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        answers = [home.ask(post(turn(b), beta, path=f"{PATH}?beta=true")) for b in ("a1f", "b2c")]

    assert [a.status for a in answers] == [200, 200]
    assert up.asked[0] == up.asked[1]
    assert b"billing" not in up.asked[0]
    sent = json.loads(up.asked[0])
    assert sent["messages"][0] == {"role": "system", "content": "You are Claude Code."}
    assert sent["tools"][0]["function"]["name"] == "Bash"


@pytest.mark.parametrize(("kind", "kept"), [("anthropic", True), ("vllm", False)])
def test_the_billing_block_reaches_anthropic_alone(tmp_path: Path, kind: str, kept: bool) -> None:
    billing = {"type": "text", "text": "x-anthropic-billing-header: cch=1;"}
    own = {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}}
    body = json.dumps(MESSAGE).encode()
    with (
        Upstream(always(sized(body), KEEP)) as up,
        house(tmp_path, providers(up.port, account=f'kind = "{kind}"\n')) as home,
    ):
        home.ask(post(asked(system=[billing, own]), path=PATH))
        home.ask(post(asked(system=billing["text"]), path=PATH))

    assert json.loads(up.asked[0])["system"] == ([billing, own] if kept else [own])
    assert json.loads(up.asked[1]).get("system") == (billing["text"] if kept else None)
