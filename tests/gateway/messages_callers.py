"""What the tests of callers of Messages share: what they ask, and a provider that answers in it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway_world import Answered, House, house
from scripted_upstream import (
    Upstream,
    providers,
)

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
