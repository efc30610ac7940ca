"""What is asked in the bench: written compactly, as the SDKs do, one file for each body."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench.load import Ask

SYSTEM = "You are a helpful assistant. Answer in one sentence."
USER = "What does it mean to own a house outright, and why would anybody want to?"
CHUNKS = 100
"""Of a stream; then come a finish, the usage and [DONE]."""

ENDING = '"total_tokens":32}}'


class Asks(Struct, frozen=True, kw_only=True):
    """`large`: (name, ask, bytes of the larger body)."""

    json: Ask
    stream: Ask
    messages: Ask
    messages_stream: Ask
    large: tuple[tuple[str, Ask, int], ...]


def asks(folder: Path) -> Asks:
    """Writes the bodies into a folder."""

    def body(name: str, model: str = "mock-1", user: str = USER, **more: Any) -> Path:
        path = folder / f"{name}.json"
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]
        fields = {"model": model, "messages": messages, "max_tokens": 256, "temperature": 0.2, **more}
        path.write_bytes(msgspec.json.encode(fields))
        return path

    streamed = body("stream", stream=True, stream_options={"include_usage": True})
    large: list[tuple[str, Ask, int]] = []
    for name, size in (("100 KB", 100_000), ("1 MB", 1_000_000)):
        up = body(f"up-{size}", user=("It is a truth that long prompts are sent. " * (size // 43 + 1))[:size])
        large.append((f"{name} up", Ask(body=up, expect=ENDING), size))
        down = body(f"down-{size}", model="mock-100k" if size < 1_000_000 else "mock-1m")
        large.append((f"{name} down", Ask(body=down, expect=ENDING, least=size), size))

    def messages(name: str, **more: Any) -> Path:
        path = folder / f"{name}.json"
        said = {"system": SYSTEM, "messages": [{"role": "user", "content": USER}]}
        path.write_bytes(
            msgspec.json.encode({"model": "mock-1", "max_tokens": 256, "temperature": 0.2, **said, **more})
        )
        return path

    return Asks(
        json=Ask(body=body("json"), expect=ENDING),
        stream=Ask(body=streamed, events=CHUNKS + 2),
        messages=Ask(body=messages("messages"), expect="}", path="/v1/messages"),
        messages_stream=Ask(body=messages("messages-stream", stream=True), events=CHUNKS + 5, path="/v1/messages"),
        large=tuple(large),
    )
