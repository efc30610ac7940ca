"""What a simulated provider says, as the bytes of the `openai-chat` dialect: one JSON body, or the events of a stream.

Shapes are OpenAI's API reference (chat completion object, chunk object, error object). Each answer names its maker:
`system_fingerprint` is "simulated", the id starts with `chatcmpl-sim-`.
"""

from typing import Any

import msgspec
from msgspec import Struct

from freehold.providers.simulated.asked import CHARACTERS, Asked, prompt_tokens
from freehold.providers.simulated.said import Said, ToolCalled

JSON = "application/json"
EVENTS = "text/event-stream"
DONE = b"data: [DONE]\n\n"

_json = msgspec.json.Encoder().encode


class Stamp(Struct, frozen=True):
    """What marks one answer: a short name that nobody else has, and when it was made (UTC seconds)."""

    name: str
    created: int


def whole(asked: Asked, said: Said, stamp: Stamp) -> bytes:
    """The answer as one JSON body."""
    return _json(
        {
            "id": f"chatcmpl-sim-{stamp.name}",
            "object": "chat.completion",
            "created": stamp.created,
            "model": asked.model,
            "choices": [
                {
                    "index": index,
                    "message": _message(said, stamp, index),
                    "logprobs": None,
                    "finish_reason": _finish(said),
                }
                for index in range(asked.n or 1)
            ],
            "usage": _usage(asked, said),
            "system_fingerprint": "simulated",
        }
    )


def stream(asked: Asked, said: Said, stamp: Stamp) -> tuple[bytes, ...]:
    """The answer as server-sent events: the roles, one piece for each token, and the end in one piece."""
    counts = asked.stream_options is not None and bool(asked.stream_options.include_usage)
    start = _json(
        {
            "id": f"chatcmpl-sim-{stamp.name}",
            "object": "chat.completion.chunk",
            "created": stamp.created,
            "model": asked.model,
            "system_fingerprint": "simulated",
        }
    )[:-1]
    stop = b',"usage":null}\n\n' if counts else b"}\n\n"

    def chunk(index: int, delta: bytes, finish: bytes = b"null") -> bytes:
        return (
            b'data: %b,"choices":[{"index":%d,"delta":%b,"logprobs":null,"finish_reason":%b}]%b'
            % (start, index, delta, finish, stop)
        )  # fmt: skip

    choices = range(asked.n or 1)
    pieces = [b"".join(chunk(i, b'{"role":"assistant","content":%b}' % _opening(said)) for i in choices)]
    for index in choices:
        pieces += [chunk(index, delta) for delta in _deltas(said, stamp, index)]
    last = [chunk(i, b"{}", _json(_finish(said))) for i in choices]
    if counts:
        last.append(b'data: %b,"choices":[],"usage":%b}\n\n' % (start, _json(_usage(asked, said))))
    return (*pieces, b"".join((*last, DONE)))


def failure(message: str, *, kind: str, code: str | None = None, param: str | None = None) -> bytes:
    """An error in OpenAI's shape."""
    return _json({"error": {"message": message, "type": kind, "param": param, "code": code}})


def _opening(said: Said) -> bytes:
    return b"null" if said.calls else b'""'


def _deltas(said: Said, stamp: Stamp, choice: int) -> list[bytes]:
    if said.text is not None:
        return [b'{"content":%b}' % _json(piece) for piece in _pieces(said.text)]
    deltas: list[bytes] = []
    for index, call in enumerate(said.calls):
        opening = {"index": index, **_call(call, stamp, choice, index, arguments="")}
        deltas.append(_json({"tool_calls": [opening]}))
        for piece in _pieces(call.arguments):
            deltas.append(_json({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    return deltas


def _pieces(text: str) -> list[str]:
    return [text[at : at + CHARACTERS] for at in range(0, len(text), CHARACTERS)]


def _message(said: Said, stamp: Stamp, choice: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None, "annotations": []}
    if said.calls:
        message["tool_calls"] = [
            _call(call, stamp, choice, index, arguments=call.arguments) for index, call in enumerate(said.calls)
        ]
    return message


def _call(call: ToolCalled, stamp: Stamp, choice: int, index: int, *, arguments: str) -> dict[str, Any]:
    return {
        "id": f"call_sim_{stamp.name}_{choice}_{index}",
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _finish(said: Said) -> str:
    return "length" if not said.whole else "tool_calls" if said.calls else "stop"


def _usage(asked: Asked, said: Said) -> dict[str, int]:
    prompt, completion = prompt_tokens(asked), said.tokens * (asked.n or 1)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
