"""The conversation in a request, read whole for those who look at it: detection, episodes, datasets.

What a provider beyond OpenAI understands (documents, videos, reasoning sent back) is read as far as it is known; a
part of an unknown kind is carried by the request all the same, and says its text here, where it has one.
"""

from typing import Any, cast

import msgspec
from msgspec import Struct

from freehold.core.errors import InvalidRequest
from freehold.core.request import (
    CallPart,
    MediaPart,
    Message,
    Part,
    ReasoningPart,
    Request,
    ResultPart,
    TextPart,
)
from freehold.dialects.openai_chat.loose import items, members, word


class _Function(Struct):
    name: str = ""
    arguments: Any = ""
    input: Any = None


class _Call(Struct):
    """A call of a function, or of a custom tool."""

    id: str | None = None
    function: _Function | None = None
    custom: _Function | None = None


class _Turn(Struct):
    role: str
    content: Any = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None


_turns = msgspec.json.Decoder(list[_Turn]).decode
_KINDS: dict[str, str] = {
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "file": "file",
    "input_file": "file",
    "document_url": "file",
    "video_url": "file",
}
_ROLES = {"tool": "tool", "function": "tool", "system": "system", "developer": "system", "assistant": "assistant"}


def messages(request: Request) -> tuple[Message, ...]:
    """The conversation; InvalidRequest where it is not one."""
    try:
        return tuple(_message(turn) for turn in _turns(request.fields["messages"]))
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"messages: {error}", param="messages") from None


def _message(turn: _Turn) -> Message:
    parts: list[Part] = []
    for thought in (turn.reasoning_content, turn.reasoning):
        if thought and isinstance(thought, str):
            parts.append(ReasoningPart(thought))
            break
    result = turn.role in {"tool", "function"}
    for value in items(turn.content):
        part = _part(value)
        if part is not None:
            text = isinstance(part, TextPart)
            parts.append(ResultPart(turn.tool_call_id or "", part.text) if result and text else part)
    if turn.refusal and isinstance(turn.refusal, str):
        parts.append(TextPart(turn.refusal))
    parts += [_call(c.id or "", c.function or c.custom or _Function()) for c in turn.tool_calls or ()]
    if turn.function_call is not None:
        parts.append(_call("", turn.function_call))
    role: Any = _ROLES.get(turn.role, "user")
    return Message(role, tuple(parts))


def _call(id_: str, function: _Function) -> CallPart:
    said = function.arguments if function.input is None else function.input
    arguments = said if isinstance(said, str) else msgspec.json.encode(said).decode()
    return CallPart(id_, function.name, arguments)


def _part(value: object) -> Part | None:
    if isinstance(value, str):
        return TextPart(value)
    part = members(value)
    if not part:
        return None
    type_ = word(part.get("type"))
    kind = _KINDS.get(type_)
    if kind is not None:
        return _media(kind, part.get(type_) or part.get(f"{kind}_url") or part)
    if type_ == "thinking":
        return ReasoningPart(_text(part.get("thinking")))
    return TextPart(_text(part))


def _text(value: object) -> str:
    """The text in a part of any shape."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_text(v) for v in items(cast("object", value)))
    part = members(value)
    return next((t for n in ("text", "refusal", "content") if (t := _text(part.get(n)))), "")


def _media(kind: Any, value: object) -> MediaPart:
    """A medium: its URL, or an object with the URL, the data or the file's id."""
    if isinstance(value, str):
        return MediaPart(kind, url=value)
    medium = members(value)
    url = next((u for n in ("url", "data", "file_data") if isinstance(u := medium.get(n), str)), "")
    form, file_id = medium.get("format"), medium.get("file_id")
    return MediaPart(
        kind,
        url=url,
        media_type=f"audio/{form}" if kind == "audio" and isinstance(form, str) else "",
        file_id=file_id if isinstance(file_id, str) else "",
    )
