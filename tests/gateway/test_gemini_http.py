"""Callers of Gemini through the running gateway: to providers of chat completions, of Gemini, and of Vertex."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gateway_world import Answered, House, chat, get, house, post
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

from freehold.core.usage import Usage
from freehold.governance.keys import mint

HI: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": "hi"}]}]
WHOLE = "/v1beta/models/r:generateContent"
SSE = "/v1beta/models/r:streamGenerateContent?alt=sse"
ARRAY = "/v1beta/models/r:streamGenerateContent"
ANSWER: dict[str, Any] = {
    "candidates": [
        {
            "content": {"parts": [{"text": "good", "thoughtSignature": "c2ln"}], "role": "model"},
            "finishReason": "STOP",
            "index": 0,
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 10,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 17,
    },
    "modelVersion": "gemini-x",
    "responseId": "r1",
    "unheard": [1],
}


def said(text: str, **more: Any) -> dict[str, Any]:
    part = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    return {"candidates": [part | more], "modelVersion": "gemini-x", "responseId": "r1"}


CHUNKS = [said("go"), said("od", finishReason="STOP") | {"usageMetadata": ANSWER["usageMetadata"]}]
FRAMES = [b"data: %b\r\n\r\n" % json.dumps(chunk).encode() for chunk in CHUNKS]


@contextmanager
def gemini_house(tmp_path: Path, up: Upstream, *, model: str = "gemini-3-flash", more: str = "") -> Iterator[House]:
    """A gateway in front of a provider that speaks Gemini, as the known one does."""
    secret = tmp_path / "key"
    secret.write_text("AIza-ours")
    settings = f"""{more}
[retry]
backoff_ms = 1
[providers.up0]
kind = "gemini"
base_url = "http://127.0.0.1:{up.port}/v1beta/openai"
api_key = "file:{secret}"
[deployments.d0]
provider = "up0"
model = "{model}"
price = {{ input = "1.00", output = "2.00" }}
context_window = 1000000
max_output_tokens = 65536
[routes.r]
deployments = ["d0"]
"""
    with house(tmp_path, settings) as home:
        yield home


def frames(answer: Answered) -> list[Any]:
    return [json.loads(f.removeprefix(b"data: ")) for f in bytes(answer.body).split(b"\r\n\r\n")[:-1]]


def text(responses: list[Any]) -> str:
    parts = [p for r in responses for c in r["candidates"] for p in c["content"]["parts"]]
    return "".join(p.get("text", "") for p in parts)


# Gemini to Gemini


def test_a_whole_answer_of_gemini_passes_as_it_is_and_the_callers_key_stays_here(tmp_path: Path) -> None:
    body = json.dumps(ANSWER, indent=1).encode()
    asked = {"contents": HI, "safetySettings": [], "unheard": {"of": 1}, "generation_config": {"top_k": 3}}
    with Upstream(always(sized(body), KEEP)) as up, gemini_house(tmp_path, up) as home:
        answer = home.ask(post(asked, "x-goog-api-key: theirs", path=f"{WHOLE}?key=theirs"))
        record = home.record(answer)

    assert (answer.status, bytes(answer.body)) == (200, body)
    assert json.loads(up.asked[0]) == asked
    head = up.heads[0].decode().lower()
    assert head.startswith("post /v1beta/models/gemini-3-flash:generatecontent http/1.1")
    assert "x-goog-api-key: aiza-ours" in head
    assert "theirs" not in head
    assert "authorization" not in head
    assert record.usage == Usage(input_tokens=10, output_tokens=7, reasoning_tokens=2)
    assert record.cost == 10 * 1000 + 7 * 2000


def test_a_stream_of_gemini_passes_byte_for_byte_as_events_and_value_by_value_as_an_array(tmp_path: Path) -> None:
    with Upstream(always(STREAM, chunked(*FRAMES), END, KEEP)) as up, gemini_house(tmp_path, up) as home:
        events = home.ask(post({"contents": HI}, path=SSE))
        array = home.ask(post({"contents": HI}, path=ARRAY))
        home.idle()

    assert bytes(events.body) == b"".join(FRAMES)
    assert events.headers["content-type"].startswith("text/event-stream")
    assert array.json == CHUNKS
    assert array.headers["content-type"].startswith("application/json")
    for head in up.heads:
        assert head.startswith(b"POST /v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse HTTP/1.1")


@pytest.mark.parametrize("path", [SSE, ARRAY])
def test_each_response_of_a_stream_leaves_before_the_next_has_come(tmp_path: Path, path: str) -> None:
    more = threading.Event()
    pieces = [STREAM, chunked(FRAMES[0]), more, chunked(FRAMES[1]), END, KEEP]
    with Upstream(always(*pieces)) as up, gemini_house(tmp_path, up) as home, home.caller() as caller:
        caller.say(post({"contents": HI}, path=path)).until(b'"go"')
        assert b'"od"' not in caller.raw
        more.set()
        assert caller.answer().over


def test_a_body_that_came_whole_where_a_stream_was_asked_for_is_one_all_the_same(tmp_path: Path) -> None:
    with (
        Upstream(always(sized(json.dumps(CHUNKS).encode()), KEEP)) as up,
        gemini_house(tmp_path, up) as home,
    ):
        assert frames(home.ask(post({"contents": HI}, path=SSE))) == CHUNKS
        assert home.ask(post({"contents": HI}, path=ARRAY)).json == CHUNKS


# Gemini to chat completions


@pytest.mark.parametrize("path", [SSE, ARRAY])
def test_a_stream_of_chat_completions_is_told_in_responses_of_gemini(tmp_path: Path, path: str) -> None:
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    usage = {"id": "c1", "model": "m", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
    told = [
        delta(role="assistant", content=""),
        delta(reasoning_content="hm"),
        delta(content="go"),
        delta(content="od"),
        delta(tool_calls=[call]),
        delta(finish="tool_calls"),
        b"data: %b\n\n" % json.dumps(usage).encode(),
        DONE,
    ]
    with (
        Upstream(always(STREAM, chunked(*told), END, KEEP)) as up,
        house(tmp_path, providers(up.port)) as home,
    ):
        asked = {"contents": HI, "generationConfig": {"maxOutputTokens": 9}, "safetySettings": [{"category": "X"}]}
        answer = home.ask(post(asked, path=path))
        home.idle()
        (record,) = home.records()

    responses = answer.json if path == ARRAY else frames(answer)
    parts = [p for r in responses for c in r["candidates"] for p in c["content"]["parts"]]
    assert "".join(p["text"] for p in parts if "text" in p and not p.get("thought")) == "good"
    assert "".join(p["text"] for p in parts if p.get("thought")) == "hm"
    assert parts[-1]["functionCall"] == {"id": "t1", "name": "f", "args": {"a": 1}}
    assert responses[-1]["candidates"][0]["finishReason"] == "STOP"
    assert responses[-1]["usageMetadata"]["totalTokenCount"] == 15
    assert answer.headers["x-freehold-warnings"] == "lost: safetySettings"
    assert json.loads(up.asked[0]) == {
        "model": "m0",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 9,
    }
    assert record.cost == 10 * 1000 + 5 * 2000


def test_a_whole_completion_is_told_as_a_response_of_gemini(tmp_path: Path) -> None:
    with Upstream(always(sized(completion()), KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.ask(post({"contents": HI}, path="/v1/models/r:generateContent"))

    assert answer.json == {
        "candidates": [{"content": {"parts": [{"text": "good"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
        "modelVersion": "m",
        "responseId": "c1",
    }


def test_clients_of_vertex_find_their_paths_and_a_model_may_have_a_slash_in_its_name(tmp_path: Path) -> None:
    vertex = "/v1beta1/projects/p/locations/l/publishers/google/models/auto:generateContent"
    with house(tmp_path) as home:
        for path in (
            vertex,
            "/v1beta/models/sim/simulated:generateContent",
            "/v1/models/sim%2Fsimulated:generateContent",
        ):
            answer = home.ask(post({"contents": HI}, path=path))
            assert (answer.status, text([answer.json])) == (200, "Hello there")


def test_nothing_is_lost_for_a_caller_that_is_strict(tmp_path: Path) -> None:
    with Upstream(always(sized(completion()), KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        asked = {"contents": HI, "cachedContent": "cachedContents/1"}
        answer = home.ask(post(asked, "x-freehold-strict: true", path=WHOLE))
    assert (answer.status, up.asked) == (422, [])
    assert "cachedContent" in answer.error["message"]


# others to Gemini


def test_a_caller_of_messages_is_answered_by_gemini_and_its_signature_comes_back_to_it(tmp_path: Path) -> None:
    call = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "U0lH"}
    thinking = {"text": "hm", "thought": True}
    told = said("") | {"usageMetadata": ANSWER["usageMetadata"]}
    told["candidates"] = [{"content": {"parts": [thinking, call], "role": "model"}, "finishReason": "STOP"}]
    tools = [{"name": "f", "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
    asked = {"model": "r", "max_tokens": 2000, "tools": tools, "thinking": {"type": "enabled", "budget_tokens": 1500}}
    with (
        Upstream(always(sized(json.dumps(told).encode()), KEEP)) as up,
        gemini_house(tmp_path, up) as home,
    ):
        first = home.ask(post(asked | {"messages": messages}, path="/v1/messages"))
        result = {"type": "tool_result", "tool_use_id": first.json["content"][-1]["id"], "content": "42"}
        messages += [{"role": "assistant", "content": first.json["content"]}, {"role": "user", "content": [result]}]
        second = home.ask(post(asked | {"messages": messages}, path="/v1/messages"))

    assert (first.status, first.json["stop_reason"]) == (200, "tool_use")
    assert first.json["content"][-1]["input"] == {"a": 1}
    assert second.status == 200
    one, two = (json.loads(body) for body in up.asked)
    assert one["generationConfig"] == {
        "maxOutputTokens": 2000,
        "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
    }
    assert one["tools"] == [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": tools[0]["input_schema"]}]}]
    assert two["contents"][1:] == [
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "42"}}}]},
    ]
    assert "x-freehold-warnings" not in second.headers or "signature" not in second.headers["x-freehold-warnings"]


def test_a_caller_of_chat_completions_is_served_where_gemini_speaks_them(tmp_path: Path) -> None:
    with Upstream(always(sized(completion()), KEEP)) as up, gemini_house(tmp_path, up) as home:
        answer = home.ask(post(chat("r")))
    assert answer.status == 200
    assert up.heads[0].startswith(b"POST /v1beta/openai/chat/completions HTTP/1.1")
    assert b"authorization: bearer aiza-ours" in up.heads[0].lower()


# errors


def test_errors_are_googles_at_every_path_of_gemini(tmp_path: Path) -> None:
    key, secret = mint("k", now=time.time_ns(), random=os.urandom)
    with house(tmp_path) as home:
        home.keys(key)
        auth = f"x-goog-api-key: {secret}"
        answers = [
            (401, "UNAUTHENTICATED", post({"contents": HI}, path=WHOLE)),
            (401, "UNAUTHENTICATED", get("/v1beta/models")),
            (404, "NOT_FOUND", post({"contents": HI}, auth, path="/v1beta/models/none:generateContent")),
            (404, "NOT_FOUND", get("/v1beta/models/none", auth)),
            (404, "NOT_FOUND", get("/v1beta/other", auth)),
            (404, "NOT_FOUND", get("/v1/models/none", auth)),
            (400, "INVALID_ARGUMENT", post({"contents": 5}, auth, path=WHOLE)),
            (400, "INVALID_ARGUMENT", post(b"no json", auth, path=SSE)),
            (400, "INVALID_ARGUMENT", get("/v1beta/models?pageSize=x", auth)),
            (405, "INVALID_ARGUMENT", get(WHOLE, auth)),
        ]
        for code, status, asked in answers:
            answer = home.ask(asked)
            assert (answer.status, answer.error["code"], answer.error["status"]) == (code, code, status)


def test_what_gemini_refuses_passes_and_the_time_that_it_names_is_kept(tmp_path: Path) -> None:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s"}
    bad = json.dumps({"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}).encode()
    slow = json.dumps({"error": {"code": 429, "message": "q", "status": "RESOURCE_EXHAUSTED", "details": [retry]}})
    with Upstream(always(sized(bad, status=400), KEEP)) as up, gemini_house(tmp_path, up) as home:
        refused = home.ask(post({"contents": HI}, path=WHOLE))
    other = tmp_path / "other"
    other.mkdir()
    with Upstream(always(sized(slow.encode(), status=429), KEEP)) as up, gemini_house(other, up) as home:
        throttled = home.ask(post({"contents": HI}, path=SSE))

    assert (refused.status, bytes(refused.body)) == (400, bad)
    assert (throttled.status, throttled.headers["retry-after"]) == (429, "31")
    assert throttled.error["status"] == "RESOURCE_EXHAUSTED"
    assert [d["retryDelay"] for d in throttled.error["details"] if "retryDelay" in d] == ["31s"]


@pytest.mark.parametrize("path", [SSE, ARRAY])
def test_a_stream_that_breaks_off_ends_in_an_error_that_is_still_valid(tmp_path: Path, path: str) -> None:
    with Upstream(always(STREAM, chunked(FRAMES[0]))) as up, gemini_house(tmp_path, up) as home:
        answer = home.ask(post({"contents": HI}, path=path))
    first, last = answer.json if path == ARRAY else frames(answer)
    assert first == CHUNKS[0]
    assert (last["error"]["code"], last["error"]["status"]) == (502, "UNAVAILABLE")


# keys


def test_a_key_is_taken_from_the_query_and_a_header_goes_before_it(tmp_path: Path) -> None:
    key, secret = mint("k", now=time.time_ns(), random=os.urandom)
    with house(tmp_path) as home:
        home.keys(key)
        path = "/v1beta/models/auto:generateContent"
        assert home.ask(post({"contents": HI}, path=f"{path}?alt=json&key={secret}")).status == 200
        assert home.ask(get(f"/v1beta/models?key={secret}")).status == 200
        assert home.ask(post({"contents": HI}, path=f"{path}?key=wrong")).status == 401
        assert home.ask(post({"contents": HI}, "x-api-key: wrong", path=f"{path}?key={secret}")).status == 401
        both = ["authorization: Bearer wrong", f"x-api-key: {secret}"]
        assert home.ask(post({"contents": HI}, *both, path=path)).status == 200
        record = json.dumps([str(r) for r in home.records()])
    assert secret not in record
