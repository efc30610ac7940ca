"""Requests of Converse (docs.aws.amazon.com, API_runtime_Converse). The model and the wish for a stream stand in the
path: `/model/{modelId}/converse` and `/converse-stream`."""

from typing import Any
from urllib.parse import quote, unquote

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import InvalidRequest
from freehold.core.request import Need, Request
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.strict_json import read, wrong

NAME = "bedrock-converse"
CALL, STREAM = "converse", "converse-stream"
BEGIN = "/model/"
BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 1000
"""What an image or document counts for in the estimate."""
MOST_TOKENS = 2**31 - 1
ROLES = frozenset({"user", "assistant", "system"})
MEDIA: dict[str, Need] = {"image": "image", "document": "file", "audio": "audio", "video": "file"}


class _Turn(Struct):
    role: str
    content: list[dict[str, Any]]


class _Inference(Struct):
    maxTokens: int | None = None


class _Tools(Struct):
    tools: list[Any] | None = None


class _View(Struct):
    """The members that decide something here; everything else passes unseen."""

    messages: list[_Turn] = []
    system: list[Any] | None = None
    inferenceConfig: _Inference | None = None
    toolConfig: _Tools | None = None
    outputConfig: Any = None
    modelId: str | None = None


_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode
_COUNTED = ("system", "messages", "toolConfig")
_NONE: frozenset[Need] = frozenset()


def path(model: str, *, stream: bool) -> str:
    """Where a model is called. Every character of its name that is not plain is encoded: an ARN holds `:` and `/`."""
    return f"{BEGIN}{quote(model, safe='')}/{STREAM if stream else CALL}"


def decode(body: bytes, target: str = "") -> Request:
    """The request in a body that was sent to `target`; InvalidRequest names the member that is wrong."""
    value = read(body)
    try:
        view = msgspec.convert(value, _View)
    except msgspec.ValidationError as error:
        raise wrong(error) from None
    model, stream = _called(target)
    _check(view)
    fields = _fields(body)
    needs, media, inline = _needs(view, stream)
    size = sum(len(memoryview(fields[name])) for name in _COUNTED if name in fields) - inline
    return Request(
        dialect=NAME,
        model=model or view.modelId or "",
        stream=stream,
        needs=needs,
        prompt_tokens=max(size, 0) // BYTES_PER_TOKEN + media * MEDIA_TOKENS + 1,
        max_output_tokens=None if view.inferenceConfig is None else view.inferenceConfig.maxTokens,
        choices=1,
        wants_usage=True,
        subject=None,
        fields=fields,
    )


def _called(target: str) -> tuple[str, bool]:
    """The model and whether a stream is wanted, as a path says."""
    way = target.partition("?")[0]
    model, _, call = way.rpartition("/")
    return unquote(model.rpartition(BEGIN)[2]) if BEGIN in model else "", call == STREAM


def _check(view: _View) -> None:
    if not view.messages:
        raise InvalidRequest("messages: is empty; send at least one", param="messages")
    for number, turn in enumerate(view.messages):
        if turn.role not in ROLES:
            raise InvalidRequest(
                f"messages[{number}].role: expected user or assistant, got {turn.role[:40]!r}", param="messages"
            )
    limit = None if view.inferenceConfig is None else view.inferenceConfig.maxTokens
    if limit is not None and not 1 <= limit <= MOST_TOKENS:
        raise InvalidRequest(
            f"inferenceConfig.maxTokens: expected 1 to {MOST_TOKENS}, got {limit}", param="inferenceConfig.maxTokens"
        )


def _needs(view: _View, stream: bool) -> tuple[frozenset[Need], int, int]:
    """What the request cannot do without, how many media it holds, and the bytes of those that are in it."""
    needs: set[Need] = set()
    media = inline = 0
    for turn in view.messages:
        for block in turn.content:
            inner = items(members(block.get("toolResult")).get("content"))
            for one in (block, *map(members, inner)):
                for kind, need in MEDIA.items():
                    if kind in one:
                        needs.add(need)
                        media += 1
                        inline += len(word(members(members(one[kind]).get("source")).get("bytes")))
    if view.toolConfig is not None and view.toolConfig.tools:
        needs.add("tools")
    if members(members(view.outputConfig).get("textFormat")).get("type") == "json_schema":
        needs.add("json_schema")
    if stream:
        needs.add("stream")
    return (frozenset(needs) if needs else _NONE), media, inline


def encode(request: Request) -> bytes:
    """The body for a provider: the caller's members verbatim; the model goes into the path."""
    members_ = (b"%b:%b" % (_encode(name), raw) for name, raw in request.fields.items() if name != "modelId")
    return b"{%b}" % b",".join(members_)
