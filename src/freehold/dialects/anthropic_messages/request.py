"""Requests of Anthropic Messages (docs.claude.com/en/api/messages)."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import InvalidRequest
from freehold.core.request import Need, Request
from freehold.dialects.anthropic_messages.billing import HEADER, without_billing
from freehold.dialects.openai_chat.loose import items, members
from freehold.dialects.quirks import Quirks
from freehold.dialects.strict_json import read, wrong
from freehold.dialects.subjects import plain

NAME = "anthropic-messages"
BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 1000
"""What an image or document counts for in the estimate."""
MOST_TOKENS = 2**31 - 1
DEFAULT_TOKENS = 16_384
"""The limit for a caller that gave none, since the dialect wants one: that for which money is reserved."""
ROLES = frozenset({"user", "assistant", "system"})
MEDIA: dict[str, Need] = {"image": "image", "document": "file", "container_upload": "file"}


class _Turn(Struct):
    role: str
    content: str | list[Any]


class _Metadata(Struct):
    user_id: str | None = None


class _View(Struct):
    """The members that decide something here; everything else passes unseen."""

    model: str
    messages: list[_Turn]
    system: str | list[Any] | None = None
    max_tokens: int | None = None
    stream: bool | None = None
    tools: list[Any] | None = None
    metadata: _Metadata | None = None
    output_config: Any = None
    output_format: Any = None


_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode
_NONE: frozenset[Need] = frozenset()
_COUNTED = ("system", "messages", "tools")


def decode(body: bytes) -> Request:
    """The request in a body; InvalidRequest names the member that is wrong."""
    view = _view(read(body))
    fields = _fields(body)
    needs, media, inline = _needs(view)
    size = sum(len(memoryview(fields[name])) for name in _COUNTED if name in fields) - inline
    return Request(
        dialect=NAME,
        model=view.model,
        stream=view.stream is True,
        needs=needs,
        prompt_tokens=max(size, 0) // BYTES_PER_TOKEN + media * MEDIA_TOKENS + 1,
        max_output_tokens=view.max_tokens or None,
        choices=1,
        wants_usage=True,
        subject=None if view.metadata is None else view.metadata.user_id,
        fields=fields,
    )


def _view(value: Any) -> _View:
    """The members that decide something, or InvalidRequest."""
    try:
        view = msgspec.convert(value, _View)
    except msgspec.ValidationError as error:
        raise wrong(error) from None
    if not view.model:
        raise InvalidRequest("model: is empty; name a route or a model", param="model")
    if not view.messages:
        raise InvalidRequest("messages: is empty; send at least one", param="messages")
    for number, turn in enumerate(view.messages):
        if turn.role not in ROLES:
            raise InvalidRequest(
                f"messages.{number}.role: expected user or assistant, got {turn.role[:40]!r}", param="messages"
            )
    if view.max_tokens is not None and not 0 <= view.max_tokens <= MOST_TOKENS:
        raise InvalidRequest(f"max_tokens: expected 0 to {MOST_TOKENS}, got {view.max_tokens}", param="max_tokens")
    return view


def _needs(view: _View) -> tuple[frozenset[Need], int, int]:
    """What the request cannot do without, how many media it holds, and the bytes of those that are in it."""
    needs: set[Need] = set()
    media = inline = 0
    for turn in view.messages:
        if type(turn.content) is list:
            for block in turn.content:
                found, size = _media(block, needs)
                media, inline = media + found, inline + size
    if view.tools:
        needs.add("tools")
    if members(view.output_config).get("format") or view.output_format:
        needs.add("json_schema")
    if view.stream:
        needs.add("stream")
    return (frozenset(needs) if needs else _NONE), media, inline


def _media(block: Any, needs: set[Need]) -> tuple[int, int]:
    """How many media a block is or holds, and the bytes of those that are in it; adds what they need."""
    part = members(block)
    kind = part.get("type")
    need = MEDIA.get(kind) if isinstance(kind, str) else None
    if need is not None:
        source = members(part.get("source"))
        data = source.get("data")
        if source.get("type") in ("text", "content"):  # a document of plain text, or of blocks
            return 0, 0
        needs.add(need)
        return 1, len(data) if isinstance(data, str) else 0
    if kind == "tool_result" and type(part.get("content")) is list:
        inner = [one for one in items(part["content"]) if members(one).get("type") != kind]
        found = [_media(one, needs) for one in inner]
        return sum(count for count, _ in found), sum(size for _, size in found)
    return 0, 0


def encode(request: Request, *, model: str, quirks: Quirks) -> bytes:
    """The body for a provider: the caller's members verbatim, with only what has to change, changed."""
    fields = request.fields
    if (limit := fields.get("max_tokens")) is not None and bytes(limit) != b"null":
        return b"{%b}" % b",".join(written(fields, model=model, quirks=quirks))
    kept = {name: raw for name, raw in fields.items() if name != "max_tokens"}
    return b'{%b,"max_tokens":%d}' % (b",".join(written(kept, model=model, quirks=quirks)), DEFAULT_TOKENS)


def written(fields: dict[str, Raw], *, model: str, quirks: Quirks) -> list[bytes]:
    """Members as a provider wants them, each with its name. Clouds have the model in the path, and want the version of
    the dialect in its place."""
    out: list[bytes] = []
    version = quirks.anthropic_version
    if version and "anthropic_version" not in fields:
        out.append(b'"anthropic_version":' + _encode(version))
    for name, raw in fields.items():
        if name == "model":
            if not version:
                out.append(b'"model":' + _encode(model))
        elif name == "system" and not quirks.claude_code and HEADER in bytes(raw):
            if (kept := without_billing(msgspec.json.decode(raw))) is not None:
                out.append(b'"system":' + _encode(kept))
        elif name == "metadata" and not quirks.claude_code:
            out.append(b'"metadata":' + _named_plainly(raw))
        else:
            out.append((_NAMES.get(name) or _named(name)) + raw)
    return out


def _named_plainly(metadata: Raw) -> bytes:
    """The metadata, its user under a name that everybody takes."""
    value = members(msgspec.json.decode(metadata))
    user = value.get("user_id")
    if not isinstance(user, str) or plain(user) == user:
        return bytes(metadata)
    return _encode(value | {"user_id": plain(user)})


_NAMES: dict[str, bytes] = {}
"""Names of members as they are written before a value; the same few come with every request."""


def _named(name: str) -> bytes:
    written = _encode(name) + b":"
    if len(_NAMES) < 256 and len(name) < 64:
        _NAMES[name] = written
    return written
