"""Streams that say that they are alive while their model thinks; and what Claude Code sends."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from gateway_world import house, post
from messages_callers import MESSAGE, PATH, asked, told
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


def test_another_deployment_takes_over_after_pings_alone(tmp_path: Path) -> None:
    go = threading.Event()
    frames = chunked(delta(content="ok"), delta(finish="stop"), DONE)
    with (
        Upstream(always(go, sized(b"{}", status=500), KEEP)) as first,
        Upstream(always(STREAM, frames, END, KEEP)) as second,
        house(tmp_path, "[server]\nping_seconds = 0.1\n" + providers(first.port, second.port)) as home,
        home.caller() as caller,
    ):
        caller.say(post(asked(stream=True), path=PATH))
        caller.until(b"event: ping")
        go.set()
        answer = caller.answer()

    events = [event for event in told(answer) if event["type"] != "ping"]
    assert [e["delta"]["text"] for e in events if e["type"] == "content_block_delta"] == ["ok"]
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    assert (len(first.asked), len(second.asked)) == (1, 1)


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
