"""Media by URL behind a running gateway: who takes links gets them, who does not gets what they lead to."""

import base64
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from gateway_world import Answered, House, get, house, post
from scripted_upstream import KEEP, LEAVE, Upstream, always, completion, sized, turns

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PDF = b"%PDF-1.7\n" + bytes(200)
INLINE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
BYTES = base64.b64encode(PNG).decode()
SECRET = "X-Amz-Signature=5ec7e7"

GEMINI = {"candidates": [{"content": {"role": "model", "parts": [{"text": "seen"}]}, "finishReason": "STOP"}],
          "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 1, "totalTokenCount": 5}}  # fmt: skip
OLLAMA = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": "seen"},
          "done": True, "done_reason": "stop", "prompt_eval_count": 4, "eval_count": 1}  # fmt: skip
CONVERSE = {"output": {"message": {"role": "assistant", "content": [{"text": "seen"}]}}, "stopReason": "end_turn",
            "usage": {"inputTokens": 4, "outputTokens": 1, "totalTokens": 5}, "metrics": {"latencyMs": 1}}  # fmt: skip
CLAUDE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
          "content": [{"type": "text", "text": "seen"}], "stop_reason": "end_turn", "stop_sequence": None,
          "usage": {"input_tokens": 4, "output_tokens": 1}}  # fmt: skip
ON = "fetch_media = true\nhttp = true\n"


def site(body: bytes = PNG, kind: str = "image/png") -> Upstream:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return Upstream(always(head.encode() + body))


def reply(body: dict[str, Any]) -> Upstream:
    return Upstream(always(sized(json.dumps(body).encode(), "connection: close")))


def settings(
    port: int, *, kind: str, model: str, dialect: str = "", media: int = 0, egress: str = ON, more: str = ""
) -> str:
    named = f'dialect = "{dialect}"\n' if dialect else ""
    private = f'private = ["127.0.0.1:{media}"]\n' if media else ""
    return f"""
[providers.up]
kind = "{kind}"
base_url = "http://127.0.0.1:{port}/v1"
{named}{more}
[deployments.seeing]
provider = "up"
model = "{model}"
price = {{ input = "1.00", output = "2.00" }}
[retry]
backoff_ms = 1
[egress]
{egress}{private}"""


def shown(url: str, **more: Any) -> bytes:
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return post({"model": "seeing", "messages": [{"role": "user", "content": content}], **more})


def link(media: Upstream, path: str = "/cat.png") -> str:
    return f"http://127.0.0.1:{media.port}{path}?{SECRET}"


def sent(up: Upstream) -> Any:
    return json.loads(up.asked[-1])


GOES = [
    pytest.param("openai-compatible", "gemini-2.0-flash", "gemini-generate", GEMINI, id="gemini"),
    pytest.param("openai-compatible", "llava", "ollama-chat", OLLAMA, id="ollama"),
    pytest.param("ollama", "llava", "", json.loads(completion("seen")), id="ollama-spoken-to-in-chat"),
    pytest.param("bedrock", "anthropic.claude-opus-4-6", "", CONVERSE, id="bedrock"),
]


def told(home: House, answer: Answered) -> list[str]:
    """What an answer and its record say about it, which is the same."""
    home.idle()
    warnings = list(home.record(answer).warnings)
    assert answer.headers.get("x-freehold-warnings", "") == ", ".join(warnings)
    return warnings


@pytest.mark.parametrize(("kind", "model", "dialect", "said"), GOES)
def test_an_image_by_url_reaches_a_provider_that_takes_only_bytes(
    tmp_path: Path, kind: str, model: str, dialect: str, said: dict[str, Any]
) -> None:
    more = 'values = { region = "eu-central-1" }' if kind == "bedrock" else ""
    with site() as media, reply(said) as up:
        text = settings(up.port, kind=kind, model=model, dialect=dialect, media=media.port, more=more)
        with house(tmp_path, text) as home:
            answer = home.ask(shown(link(media)))
            notes = told(home, answer)

    assert answer.status == 200, answer.body
    assert answer.json["choices"][0]["message"]["content"] == "seen"
    assert BYTES in up.asked[0].decode()
    assert b"127.0.0.1" not in up.asked[0]
    assert notes == [f"fetched: image 1 from 127.0.0.1 ({len(PNG)} bytes)"]
