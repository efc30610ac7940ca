"""Bedrock behind a running gateway: callers of other APIs are served by it, requests are signed, streams come whole."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from gateway_world import house, post
from scripted_upstream import END, Upstream, always, chunked, completion, sized, turns

from freehold.core.secret import Secret
from freehold.core.usage import Usage
from freehold.dialects.bedrock_converse.eventstream import event, exception
from freehold.providers.sigv4 import Credentials, Scope, authorization

MODEL = "arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude-sonnet-4-5-v1:0"
ENCODED = (
    "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A012345678901%3Ainference-profile%2F"
    "us.anthropic.claude-sonnet-4-5-v1%3A0/converse"
)
STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n"
    b"x-amzn-requestid: aws-1\r\n\r\n"
)
SAID = {
    "output": {"message": {"role": "assistant", "content": [{"text": "So it is"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 9, "cacheReadInputTokens": 4},
    "metrics": {"latencyMs": 1},
}
START = event("messageStart", b'{"role":"assistant"}')
STOP = event("messageStop", b'{"stopReason":"end_turn"}')
COUNTS = {"usage": {"inputTokens": 4, "outputTokens": 2, "totalTokens": 6}, "metrics": {"latencyMs": 5}}
METADATA = event("metadata", json.dumps(COUNTS).encode())
THROTTLED = exception("throttlingException", b'{"message":"Too many tokens"}')
HI = [{"role": "user", "content": "hi"}]


SIGNED = 'api_key = "file:id"\nsecret_key = "file:secret"\nsession_token = "file:session"'


def settings(port: int, *, account: str = SIGNED) -> str:
    return f"""
[providers.bedrock]
base_url = "http://127.0.0.1:{port}"
{account}
values = {{ region = "eu-central-1" }}
[deployments.claude]
provider = "bedrock"
model = "{MODEL}"
price = {{ input = "1.00", output = "2.00" }}
[retry]
backoff_ms = 1
"""


@pytest.fixture(autouse=True)
def _secrets(tmp_path: Path) -> None:
    for name, secret in {
        "id": "AKIDEXAMPLE",
        "secret": "very-secret",
        "session": "session/1",
        "bearer": "key-1",
    }.items():
        (tmp_path / name).write_text(secret)


def text(said: str) -> bytes:
    return event("contentBlockDelta", json.dumps({"contentBlockIndex": 0, "delta": {"text": said}}).encode())


def ask(**more: Any) -> dict[str, Any]:
    return {"model": "claude", "messages": HI, **more}


def head(raw: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = raw.decode().splitlines()
    return first, dict(line.lower().split(": ", 1) if ": " in line else (line, "") for line in lines)


def chunks(body: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in body.split(b"\n\n") if line.startswith(b"data: {")]


def test_a_chat_is_answered_by_bedrock_which_is_asked_at_the_encoded_name_of_the_model(tmp_path: Path) -> None:
    with Upstream(always(sized(json.dumps(SAID).encode()))) as up, house(tmp_path, settings(up.port)) as home:
        answer = home.ask(post(ask(max_tokens=50)))
        home.idle()
        record = home.record(answer)

    assert answer.json["choices"][0]["message"]["content"] == "So it is"
    assert answer.json["usage"]["prompt_tokens"] == 7
    assert json.loads(up.asked[0]) == {
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "inferenceConfig": {"maxTokens": 50},
    }
    assert head(up.heads[0])[0] == f"POST {ENCODED} HTTP/1.1"
    assert record.usage == Usage(input_tokens=7, output_tokens=2, cache_read_tokens=4)


def test_a_request_is_signed_for_its_body_its_path_and_its_time_and_no_secret_is_sent(tmp_path: Path) -> None:
    with Upstream(always(sized(json.dumps(SAID).encode()))) as up, house(tmp_path, settings(up.port)) as home:
        home.ask(post(ask()))
    raw = up.heads[0]
    stamp = re.search(rb"x-amz-date: (\d{8}T\d{6}Z)", raw)
    value = re.search(rb"authorization: (.*)\r\n", raw)
    assert stamp is not None
    assert value is not None

    signed = (
        ("host", f"127.0.0.1:{up.port}"),
        ("content-type", "application/json"),
        ("x-amz-security-token", "session/1"),
        ("x-amz-date", stamp[1].decode()),
    )
    made = authorization(
        "POST",
        ENCODED,
        signed,
        up.asked[0],
        scope=_Then(at=0, region="eu-central-1", service="bedrock", written=stamp[1].decode()),
        credentials=Credentials(
            access_key=Secret("AKIDEXAMPLE", source="t"), secret_key=Secret("very-secret", source="t")
        ),
    )
    assert value[1].decode() == made
    assert b"very-secret" not in raw
    assert b"x-amz-security-token: session/1\r\n" in raw


class _Then(Scope, frozen=True, kw_only=True):
    """A scope at the time that was written down."""

    written: str

    @property
    def stamp(self) -> str:
        return self.written


def test_a_bearer_key_is_sent_as_it_is(tmp_path: Path) -> None:
    account = 'api_key = "file:bearer"'
    up_says = always(sized(json.dumps(SAID).encode()))
    with Upstream(up_says) as up, house(tmp_path, settings(up.port, account=account)) as home:
        home.ask(post(ask()))
    assert b"authorization: Bearer key-1\r\n" in up.heads[0]
    assert b"x-amz-date" not in up.heads[0]


def test_a_chat_streams_from_an_event_stream_that_is_split_anywhere(tmp_path: Path) -> None:
    body = b"".join(
        [START, text("so"), text(" be it ü"), event("contentBlockStop", b'{"contentBlockIndex":0}'), STOP, METADATA]
    )
    pieces = chunked(*(body[i : i + 11] for i in range(0, len(body), 11)))
    with Upstream(always(STREAM + pieces + END)) as up, house(tmp_path, settings(up.port)) as home:
        answer = home.ask(post(ask(stream=True, stream_options={"include_usage": True})))
        home.idle()
        record = home.record(answer)

    said = chunks(bytes(answer.body))
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in said if c["choices"]) == "so be it ü"
    assert [c["choices"][0]["finish_reason"] for c in said if c["choices"]][-1] == "stop"
    assert said[-1]["usage"]["total_tokens"] == 6
    assert head(up.heads[0])[0] == f"POST {ENCODED}-stream HTTP/1.1"
    assert record.usage == Usage(input_tokens=4, output_tokens=2)


def test_a_call_of_a_tool_comes_to_a_client_of_messages_and_its_result_goes_back(tmp_path: Path) -> None:
    called = {
        **SAID,
        "stopReason": "tool_use",
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
                    {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {"a": 1}}},
                ],
            }
        },
    }
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    both = [[sized(json.dumps(called).encode())], [sized(json.dumps(SAID).encode())]]
    with Upstream(turns(*both)) as up, house(tmp_path, settings(up.port)) as home:
        first = home.ask(post(ask(max_tokens=9, tools=tools), path="/v1/messages"))
        content = first.json["content"]
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "tooluse_1", "content": "2"}]}
        asked = ask(max_tokens=9, tools=tools)
        asked["messages"] = [*HI, {"role": "assistant", "content": content}, result]
        second = home.ask(post(asked, path="/v1/messages"))

    assert first.json["stop_reason"] == "tool_use"
    assert [b["type"] for b in content] == ["thinking", "tool_use"]
    assert second.json["content"] == [{"type": "text", "text": "So it is"}]
    sent = json.loads(up.asked[1])
    assert sent["messages"][1:] == [
        called["output"]["message"],
        {"role": "user", "content": [{"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "2"}]}}]},
    ]
    assert "x-freehold-warnings" not in second.headers


def test_an_exception_before_content_is_tried_again(tmp_path: Path) -> None:
    good = START + text("good") + STOP + METADATA
    both = [[STREAM + chunked(START + THROTTLED) + END], [STREAM + chunked(good) + END]]
    with Upstream(turns(*both)) as up, house(tmp_path, settings(up.port)) as home:
        answer = home.ask(post(ask(stream=True)))
    said = chunks(bytes(answer.body))
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in said if c["choices"]) == "good"
    assert len(up.asked) == 2


def test_an_exception_after_content_ends_the_stream_with_the_callers_kind_of_error(tmp_path: Path) -> None:
    body = START + text("half") + THROTTLED
    with Upstream(always(STREAM + chunked(body) + END)) as up, house(tmp_path, settings(up.port)) as home:
        answer = home.ask(post(ask(stream=True)))
        home.idle()
        record = home.record(answer)
    said = chunks(bytes(answer.body))
    assert "Too many tokens" in said[-1]["error"]["message"]
    assert len(up.asked) == 1
    assert record.outcome == "cut"


def test_a_message_that_was_damaged_on_its_way_ends_the_stream(tmp_path: Path) -> None:
    body = bytearray(START + text("half") + text("lost") + STOP + METADATA)
    body[body.index(b"lost")] ^= 1
    with Upstream(always(STREAM + chunked(bytes(body)) + END)) as up, house(tmp_path, settings(up.port)) as home:
        answer = home.ask(post(ask(stream=True)))
    said = chunks(bytes(answer.body))
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in said if c.get("choices")) == "half"
    assert "checksum" in said[-1]["error"]["message"]


@pytest.mark.parametrize(
    ("status", "kind", "wanted"),
    [
        (400, "ValidationException:http://internal.amazon.com/coral/", 400),
        (429, "ThrottlingException", 429),
        (403, "ExpiredTokenException", 502),
        (404, "ResourceNotFoundException", 404),
        (424, "ModelErrorException", 502),
        (503, "ServiceUnavailableException", 503),
    ],
)
def test_an_error_is_told_as_what_it_is(tmp_path: Path, status: int, kind: str, wanted: int) -> None:
    said = sized(b'{"message":"because"}', f"x-amzn-errortype: {kind}", status=status)
    with Upstream(always(said)) as up, house(tmp_path, settings(up.port)) as home:
        answer = home.ask(post(ask()))
    assert answer.status == wanted
    assert "because" in answer.json["error"]["message"]
    assert "very-secret" not in json.dumps(answer.json)


def test_another_account_takes_over_where_bedrock_is_down(tmp_path: Path) -> None:
    down = always(sized(b'{"message":"busy"}', "x-amzn-errortype: ServiceUnavailableException", status=503))
    with Upstream(down) as up, Upstream(always(sized(completion("other")))) as second:
        more = f"""
[providers.lab]
base_url = "http://127.0.0.1:{second.port}/v1"
[deployments.other]
provider = "lab"
model = "m"
[routes.r]
deployments = ["claude", "other"]
ordered = true
"""
        with house(tmp_path, settings(up.port) + more) as home:
            answer = home.ask(post({**ask(), "model": "r"}))
    assert answer.json["choices"][0]["message"]["content"] == "other"


def test_clients_of_bedrock_and_of_cohere_are_served_by_a_provider_that_speaks_openai(tmp_path: Path) -> None:
    asked = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    with Upstream(always(sized(completion("good")))) as up:
        lab = f"""
[providers.lab]
base_url = "http://127.0.0.1:{up.port}/v1"
[deployments.other]
provider = "lab"
model = "m"
"""
        with house(tmp_path, lab) as home:
            named = home.ask(post(asked, path="/model/other/converse"))
            cohere = home.ask(post({"model": "other", "messages": HI}, path="/v2/chat"))
            unknown = home.ask(post(asked, path="/model/nobody/converse"))
    assert named.json["output"]["message"]["content"] == [{"text": "good"}]
    assert named.json["usage"]["totalTokens"] == 15
    assert cohere.json["message"]["content"] == [{"type": "text", "text": "good"}]
    assert unknown.status == 404
    assert "nobody" in unknown.json["message"]
