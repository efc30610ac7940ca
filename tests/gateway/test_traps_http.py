"""The traps of the wires that only show between sockets: keys, contexts and compressed streams."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from gateway_world import house, post
from scripted_upstream import DONE, END, KEEP, STREAM, Upstream, always, chunked, completion, delta, providers, sized

from freehold.gateway.received import credential

HI = {"messages": [{"role": "user", "content": "hi"}]}
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "r", **HI},
    "/v1/completions": {"model": "r", "prompt": "hi"},
    "/v1/messages": {"model": "r", "max_tokens": 9, **HI},
    "/v1/responses": {"model": "r", "input": "hi"},
    "/v1beta/models/r:generateContent": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    "/api/chat": {"model": "r", "stream": False, **HI},
}


@pytest.mark.parametrize(
    ("headers", "target", "key"),
    [
        ({b"x-api-key": b"a", b"authorization": b"Bearer b"}, b"/v1/messages?key=c", b"a"),
        ({b"authorization": b"Bearer b"}, b"/v1/messages?key=c", b"Bearer b"),
        ({b"x-goog-api-key": b"g", b"authorization": b"Bearer b"}, b"/v1beta/m?key=c", b"g"),
        ({b"x-api-key": b"", b"authorization": b"Bearer b"}, b"/", b"Bearer b"),
        ({}, b"/v1beta/m?alt=sse&key=c%2B", b"c+"),
        ({}, b"/v1beta/m?monkey=c", None),
    ],
)
def test_of_several_keys_the_most_particular_header_holds_and_the_query_last(
    headers: dict[bytes, bytes], target: bytes, key: bytes | None
) -> None:
    assert credential(headers, target) == key


@pytest.mark.parametrize(
    "header", ["x-api-key: {}", "authorization: Bearer {}", "x-goog-api-key: {}", "api-key: {}", ""]
)
@pytest.mark.parametrize("path", PATHS)
def test_the_key_of_a_caller_never_reaches_a_provider(tmp_path: Path, path: str, header: str) -> None:
    secret = "sk-of-the-caller"
    headers = [header.format(secret)] if header else []
    target = path if header else f"{path}?key={secret}"
    with Upstream(always(sized(completion()), KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.ask(post(PATHS[path], *headers, path=target))

    assert answer.status == 200
    assert len(up.asked) == 1
    assert secret.encode() not in up.heads[0] + up.asked[0]


@pytest.mark.parametrize("path", PATHS)
def test_a_prompt_longer_than_the_context_is_refused_and_never_cut(tmp_path: Path, path: str) -> None:
    small = '[deployments.d0]\nprovider = "up0"\n'
    with Upstream(always(sized(completion()), KEEP)) as up:
        settings = providers(up.port).replace(small, small + "context_window = 50\n")
        with house(tmp_path, settings) as home:
            long = json.loads(json.dumps(PATHS[path]).replace("hi", "many words " * 100))
            answer = home.ask(post(long, path=path))
            record = home.record(answer)

    assert answer.status == 400
    assert up.asked == []
    assert record.error == "context_length_exceeded"
    assert b"50 tokens is too small" in bytes(answer.body)
    if path in ("/v1/chat/completions", "/v1/responses", "/v1/completions"):
        assert answer.json["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("coding", ["gzip", "br"])
@pytest.mark.parametrize("path", PATHS)
def test_a_compressed_stream_was_not_asked_for_and_is_named(tmp_path: Path, path: str, coding: str) -> None:
    body = delta(content="so") + delta(finish="stop") + DONE
    packed = gzip.compress(body) if coding == "gzip" else b"\x8b\x07\x80" + bytes(range(128, 200)) + b"\x03"
    said = STREAM.replace(b"\r\n\r\n", b"\r\ncontent-encoding: %b\r\n\r\n" % coding.encode()) + chunked(packed) + END
    asked = PATHS[path] | ({} if "generateContent" in path else {"stream": True})
    target = path.replace("generateContent", "streamGenerateContent?alt=sse")
    with Upstream(always(said)) as up, house(tmp_path, providers(up.port)) as home:
        answer = home.ask(post(asked, path=target))
        record = home.record(answer)

    assert b"accept-encoding" not in up.heads[0].lower()
    assert record.error == "provider_broken"
    assert f"answered in {coding}, which was not asked for".encode() in bytes(answer.body)
