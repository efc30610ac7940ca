"""What the tests of batches share: inputs, and waiting for a batch."""

import json
import time
from typing import Any

from openai import OpenAI
from openai.types import Batch

SOON = 60
"""Seconds after which a test that waits for an event gives up."""
OVER = ("completed", "failed", "expired", "cancelled")
CHAT = "/v1/chat/completions"


def line(name: str, *, url: str = CHAT, model: str = "auto", text: str = "hi", **more: Any) -> dict[str, Any]:
    """A request of an input."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return {"custom_id": name, "method": "POST", "url": url, "body": body}


def lines(*requests: dict[str, Any]) -> bytes:
    return "".join(json.dumps(request) + "\n" for request in requests).encode()


def begin(client: OpenAI, *requests: dict[str, Any], endpoint: Any = CHAT, content: bytes | None = None) -> Batch:
    """A batch of these requests."""
    data = lines(*requests) if content is None else content
    file = client.files.create(file=("in.jsonl", data), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")


def until(client: OpenAI, id_: str, *statuses: str) -> Batch:
    """The batch once it has one of these statuses; once it is over where none is named."""
    end = time.monotonic() + SOON
    while True:
        batch = client.batches.retrieve(id_)
        if batch.status in (statuses or OVER):
            return batch
        assert time.monotonic() < end, batch
        time.sleep(0.02)


def results(client: OpenAI, file: str | None) -> list[dict[str, Any]]:
    """The lines of a file of results; none where there is no file."""
    return [] if file is None else [json.loads(one) for one in client.files.content(file).text.splitlines()]


def asked(bodies: list[bytes]) -> list[str]:
    """What an upstream was asked, by the text of the prompt."""
    return [json.loads(body)["messages"][-1]["content"] for body in bodies]
