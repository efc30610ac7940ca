"""Requests of OpenAI chat completions (platform.openai.com/docs/api-reference/chat/create)."""

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from freehold.core.errors import InvalidRequest
from freehold.core.request import (
    CallPart,
    MediaPart,
    Message,
    Need,
    Part,
    ReasoningPart,
    Request,
    ResultPart,
    TextPart,
)
from freehold.dialects.quirks import Quirks
from freehold.dialects.strict_json import check

BYTES_PER_TOKEN = 4
MOST_TOKENS = 2**31 - 1
MEDIA_TOKENS = 1000
"""What an image, sound or file counts for in the estimate."""


class _Kind(Struct):
    """A content part or a response format: only its type is looked at."""

    type: str = ""


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
    tools: list[Raw] | None = None
    functions: list[Raw] | None = None
    response_format: _Kind | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    logprobs: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None


_view = msgspec.json.Decoder(_View).decode
_fields = msgspec.json.Decoder(dict[str, Raw]).decode
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
    try:
        view = _view(body)
    except msgspec.ValidationError as error:
        check(body)
        text, _, at = str(error).partition(" - at `$")
        param = at.rstrip("`").lstrip(".")
        raise InvalidRequest(f"{param or 'The body'}: {text}", param=param or None) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        check(body)
        raise InvalidRequest("The body is not JSON") from None
    check(body)
    if not view.model:
        raise InvalidRequest("model: is empty; name a route or a model", param="model")
    if not view.messages:
        raise InvalidRequest("messages: is empty; send at least one", param="messages")
    if view.n is not None and not 1 <= view.n <= 128:
        raise InvalidRequest(f"n: expected 1 to 128, got {view.n}", param="n")
    most = view.max_completion_tokens if view.max_completion_tokens is not None else view.max_tokens
    if most is not None and not 0 <= most <= MOST_TOKENS:
        raise InvalidRequest(
            f"max_completion_tokens: expected 0 to {MOST_TOKENS}, got {str(most)[:20]}", param="max_completion_tokens"
        )
    fields = _fields(body)
    needs, media = _needs(view)
    return Request(
        dialect="openai-chat",
        model=view.model,
        stream=view.stream is True,
        needs=needs,
        prompt_tokens=_prompt_tokens(fields, media),
        max_output_tokens=most or None,
        choices=view.n or 1,
        wants_usage=view.stream_options is not None and view.stream_options.include_usage is True,
        subject=view.safety_identifier or view.user,
        fields=fields,
    )


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


def _prompt_tokens(fields: dict[str, Raw], media: int) -> int:
    """An estimate before anybody counted: a token for four bytes of messages and tools; a flat sum for each medium."""
    size = sum(
        len(memoryview(raw)) for name in ("messages", "tools", "functions") if (raw := fields.get(name)) is not None
    )
    if not media:
        return size // BYTES_PER_TOKEN + 1
    text = sum(len(m.text) for m in messages_of(fields))
    return text // BYTES_PER_TOKEN + media * MEDIA_TOKENS + 1


def encode(request: Request, *, model: str, quirks: Quirks) -> bytes:
    """The body for a provider: the caller's members verbatim, with only what has to change, changed."""
    fields = request.fields
    members: list[bytes] = []
    for name, raw in fields.items():
        if name == "model":
            members.append(b'"model":' + msgspec.json.encode(model))
        elif name == "stream_options" and request.stream and quirks.stream_usage and not request.wants_usage:
            continue
        elif name in {"max_tokens", "max_completion_tokens"} and quirks.max_tokens:
            members.append(b'"%b":%b' % (quirks.max_tokens.encode(), raw))
        else:
            members.append(msgspec.json.encode(name) + b":" + raw)
    if request.stream and quirks.stream_usage and not request.wants_usage:
        members.append(b'"stream_options":' + _with_usage(fields.get("stream_options")))
    return b"{" + b",".join(members) + b"}"


def _with_usage(raw: Raw | None) -> bytes:
    """The caller's stream options with usage asked for."""
    given = None if raw is None else msgspec.json.decode(raw)
    options: dict[str, Any] = given if isinstance(given, dict) else {}
    return msgspec.json.encode(options | {"include_usage": True})


class _Url(Struct):
    url: str = ""


class _Sound(Struct):
    data: str = ""
    format: str = ""


class _File(Struct):
    file_id: str = ""
    file_data: str = ""
    filename: str = ""


class _Part(Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None
    image_url: _Url | str | None = None
    input_audio: _Sound | None = None
    file: _File | None = None


class _Function(Struct, frozen=True):
    name: str = ""
    arguments: str = ""


class _ToolCall(Struct):
    id: str = ""
    function: _Function = _Function()


class _Message(Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    name: str | UnsetType | None = UNSET


_messages = msgspec.json.Decoder(list[_Message]).decode


def messages(request: Request) -> tuple[Message, ...]:
    """The conversation, read whole; InvalidRequest where a part has the wrong type."""
    return messages_of(request.fields)


def messages_of(fields: dict[str, Raw]) -> tuple[Message, ...]:
    try:
        return tuple(_message(m) for m in _messages(fields["messages"]))
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"messages: {error}", param="messages") from None


def _message(m: _Message) -> Message:
    parts: list[Part] = []
    if m.reasoning_content:
        parts.append(ReasoningPart(m.reasoning_content))
    result = m.role in {"tool", "function"}
    if isinstance(m.content, str):
        parts.append(ResultPart(m.tool_call_id or "", m.content) if result else TextPart(m.content))
    elif m.content is not None:
        parts += [_part(p, m.tool_call_id or "", result) for p in m.content]
    parts += [CallPart(c.id, c.function.name, c.function.arguments) for c in m.tool_calls or ()]
    if m.function_call is not None:
        parts.append(CallPart("", m.function_call.name, m.function_call.arguments))
    if result:
        return Message("tool", tuple(parts))
    if m.role in {"system", "developer"}:
        return Message("system", tuple(parts))
    return Message("assistant" if m.role == "assistant" else "user", tuple(parts))


def _part(p: _Part, call: str, result: bool) -> Part:
    if p.image_url is not None:
        return MediaPart("image", url=p.image_url if isinstance(p.image_url, str) else p.image_url.url)
    if p.input_audio is not None:
        return MediaPart("audio", url=p.input_audio.data, media_type=f"audio/{p.input_audio.format}")
    if p.file is not None:
        return MediaPart("file", url=p.file.file_data, file_id=p.file.file_id)
    text = p.text if p.text is not None else p.refusal or ""
    return ResultPart(call, text) if result else TextPart(text)
