"""Requests of Cohere's v2 chat (docs.cohere.com/reference/chat)."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import InvalidRequest
from freehold.core.request import Need, Request
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.strict_json import read, wrong

NAME = "cohere-v2"
BYTES_PER_TOKEN = 4
IMAGE_TOKENS = 1000
"""What an image counts for in the estimate."""
MOST_TOKENS = 2**31 - 1
ROLES = frozenset({"user", "assistant", "system", "developer", "tool"})
_COUNTED = ("messages", "tools", "documents")
_NONE: frozenset[Need] = frozenset()


class _Turn(Struct):
    role: str
    content: Any = None


class _View(Struct):
    """The members that decide something here; everything else passes unseen."""

    model: str
    messages: list[_Turn]
    stream: bool | None = None
    max_tokens: int | None = None
    tools: list[Any] | None = None
    response_format: dict[str, Any] | None = None
    logprobs: bool | None = None


_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


def decode(body: bytes) -> Request:
    """The request in a body; InvalidRequest names the member that is wrong."""
    value = read(body)
    try:
        view = msgspec.convert(value, _View)
    except msgspec.ValidationError as error:
        raise wrong(error) from None
    _check(view)
    fields = _fields(body)
    urls = [
        word(members(members(block).get("image_url")).get("url"))
        for turn in view.messages
        for block in items(turn.content)
        if members(block).get("type") == "image_url"
    ]
    size = sum(len(memoryview(fields[name])) for name in _COUNTED if name in fields) - sum(map(len, urls))
    return Request(
        dialect=NAME,
        model=view.model,
        stream=view.stream is True,
        needs=_needs(view, bool(urls)),
        prompt_tokens=max(size, 0) // BYTES_PER_TOKEN + len(urls) * IMAGE_TOKENS + 1,
        max_output_tokens=view.max_tokens or None,
        choices=1,
        wants_usage=True,
        subject=None,
        fields=fields,
    )


def _check(view: _View) -> None:
    if not view.model:
        raise InvalidRequest("model: is empty; name a route or a model", param="model")
    if not view.messages:
        raise InvalidRequest("messages: is empty; send at least one", param="messages")
    for number, turn in enumerate(view.messages):
        if turn.role not in ROLES:
            raise InvalidRequest(f"messages[{number}].role: there is no {turn.role[:40]!r}", param="messages")
        if not isinstance(turn.content, str | list | None):
            raise InvalidRequest(f"messages[{number}].content: expected text or blocks", param="messages")
    if view.max_tokens is not None and not 0 <= view.max_tokens <= MOST_TOKENS:
        raise InvalidRequest(f"max_tokens: expected 0 to {MOST_TOKENS}, got {view.max_tokens}", param="max_tokens")


def _needs(view: _View, image: bool) -> frozenset[Need]:
    form = view.response_format or {}
    asked: dict[Need, object] = {
        "image": image,
        "tools": view.tools,
        "json_schema": form.get("json_schema"),
        "json_object": form.get("type") == "json_object" and not form.get("json_schema"),
        "logprobs": view.logprobs,
        "stream": view.stream,
    }
    needs: frozenset[Need] = frozenset(need for need, said in asked.items() if said)
    return needs or _NONE


def encode(request: Request, *, model: str) -> bytes:
    """The body for a provider: the caller's members verbatim, but for the model."""
    out = (b"%b:%b" % (_encode(n), _encode(model) if n == "model" else raw) for n, raw in request.fields.items())
    return b"{%b}" % b",".join(out)
