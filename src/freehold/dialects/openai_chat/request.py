"""Requests of OpenAI chat completions (platform.openai.com/docs/api-reference/chat/create)."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.errors import InvalidRequest
from freehold.core.request import Need, Request
from freehold.dialects.quirks import Quirks
from freehold.dialects.strict_json import read, wrong

BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 1000
"""What an image, sound or file counts for in the estimate."""
MOST_CHOICES = 128
MOST_TOKENS = 2**31 - 1
UNLIMITED = -1
"""What clients of local servers (llama.cpp, LM Studio) send for no limit."""


class _Kind(Struct):
    """A content part or a response format: its type, and the text for the estimate."""

    type: str = ""
    text: Any = None


class _Turn(Struct):
    role: str
    content: str | list[_Kind] | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _View(Struct):
    """The members that decide something here; everything else passes unseen."""

    model: str
    messages: list[_Turn]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: _Kind | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    logprobs: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None


_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_options = msgspec.json.Decoder(dict[str, Any] | None).decode
_encode = msgspec.json.Encoder().encode
_NULL = Raw(b"null")
_LIMITS = ("max_completion_tokens", "max_tokens")
_CHANGED = frozenset({"model", "stream_options", *_LIMITS})
"""Members that may be written otherwise than they came."""
_MEDIA: dict[str, Need] = {
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "file": "file",
    "input_file": "file",
}
_FORMATS: dict[str, Need] = {"json_schema": "json_schema", "json_object": "json_object"}
_NONE: frozenset[Need] = frozenset()


def decode(body: bytes) -> Request:
    """The request in a body; InvalidRequest names the member that is wrong."""
    view = _view(read(body))
    fields = _fields(body)
    needs, media = _needs(view)
    most = view.max_tokens if view.max_completion_tokens is None else view.max_completion_tokens
    return Request(
        dialect="openai-chat",
        model=view.model,
        stream=view.stream is True,
        needs=needs,
        prompt_tokens=_prompt_tokens(view, fields, media),
        max_output_tokens=most if most and most > 0 else None,
        choices=view.n or 1,
        wants_usage=view.stream_options is not None and view.stream_options.include_usage is True,
        subject=view.safety_identifier or view.user,
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
    if view.n is not None and not 1 <= view.n <= MOST_CHOICES:
        raise InvalidRequest(f"n: expected 1 to {MOST_CHOICES}, got {view.n}", param="n")
    for name, most in (("max_completion_tokens", view.max_completion_tokens), ("max_tokens", view.max_tokens)):
        if most is not None and most != UNLIMITED and not 0 <= most <= MOST_TOKENS:
            raise InvalidRequest(f"{name}: expected 0 to {MOST_TOKENS}, got {most}", param=name)
    return view


def _needs(view: _View) -> tuple[frozenset[Need], int]:
    """What the request cannot do without, and how many media parts it holds."""
    needs: set[Need] = set()
    media = 0
    for turn in view.messages:
        if type(turn.content) is list:
            for part in turn.content:
                need = _MEDIA.get(part.type)
                if need is not None:
                    needs.add(need)
                    media += 1
    if view.tools or view.functions:
        needs.add("tools")
    if view.response_format is not None and (form := _FORMATS.get(view.response_format.type)) is not None:
        needs.add(form)
    if view.stream:
        needs.add("stream")
    if view.logprobs:
        needs.add("logprobs")
    if view.n is not None and view.n > 1:
        needs.add("n")
    return (frozenset(needs) if needs else _NONE), media


def _prompt_tokens(view: _View, fields: dict[str, Raw], media: int) -> int:
    """An estimate before anybody counted: a token for four bytes of messages and tools; a flat sum for each medium."""
    names = ("tools", "functions") if media else ("messages", "tools", "functions")
    size = 0
    for name in names:
        if (raw := fields.get(name)) is not None:
            size += len(memoryview(raw))
    if media:
        for content in (turn.content for turn in view.messages):
            size += (
                len(content)
                if isinstance(content, str)
                else sum(len(p.text) for p in content or () if isinstance(p.text, str))
            )
    return size // BYTES_PER_TOKEN + media * MEDIA_TOKENS + 1


def encode(request: Request, *, model: str, quirks: Quirks) -> bytes:
    """The body for a provider: the caller's members verbatim, with only what has to change, changed."""
    fields = request.fields
    ask = request.stream and quirks.stream_usage and not request.wants_usage
    members: list[bytes] = []
    for name, raw in fields.items():
        if name not in _CHANGED:
            members.append((_NAMES.get(name) or _named(name)) + raw)
        elif name == "model":
            members.append(b'"model":' + _encode(model))
        elif name == "stream_options":
            if quirks.stream_usage and not ask:
                members.append(b'"stream_options":%b' % raw)
        elif not quirks.max_tokens:
            members.append((_NAMES.get(name) or _named(name)) + raw)
        elif name == _limit(fields):
            members.append(b'"%b":%b' % (quirks.max_tokens.encode(), raw))
    if ask:
        members.append(b'"stream_options":' + _with_usage(fields.get("stream_options")))
    return b"{%b}" % b",".join(members)


_NAMES: dict[str, bytes] = {}
"""Names of members as they are written before a value; the same few come with every request."""


def _named(name: str) -> bytes:
    written = _encode(name) + b":"
    if len(_NAMES) < 256 and len(name) < 64:
        _NAMES[name] = written
    return written


def _limit(fields: dict[str, Raw]) -> str:
    """The name of the limit that holds where a provider knows one only: the newer, where it says something."""
    newer, older = _LIMITS
    return newer if fields.get(newer, _NULL) != _NULL or older not in fields else older


def _with_usage(raw: Raw | None) -> bytes:
    """The caller's stream options with usage asked for."""
    options: dict[str, Any] | None = None if raw is None else _options(raw)
    return _encode({**(options or {}), "include_usage": True})
