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
from freehold.dialects.openai_chat.details import signature_of, thoughts
from freehold.dialects.openai_chat.loose import cache_of, items, members, word


class _Function(Struct):
    name: str = ""
    arguments: Any = ""
    input: Any = None


class _Call(Struct):
    """A call of a function, or of a custom tool."""

    id: str | None = None
    function: _Function | None = None
    custom: _Function | None = None
    extra_content: Any = None


class _Turn(Struct):
    role: str
    content: Any = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    name: str | None = None
    cache_control: Any = None


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
    role: Any = _ROLES.get(turn.role, "user")
    said = [part for value in items(turn.content) if (part := _part(value)) is not None]
    if role == "tool":
        name = turn.name or ""
        return Message("tool", (_result(turn.tool_call_id or name, name, said, cache_of(turn.cache_control)),))
    thought = _thoughts(turn)
    parts: list[Part] = [*(t for t in thought if not _signing(t)), *_signed(said, thought)]
    if turn.refusal and isinstance(turn.refusal, str):
        parts.append(TextPart(turn.refusal))
    parts += [_call(call) for call in turn.tool_calls or ()]
    if turn.function_call is not None:
        parts.append(_call(_Call(turn.function_call.name, turn.function_call)))
    return Message(role, tuple(parts), turn.name or "")


def _thoughts(turn: _Turn) -> list[ReasoningPart]:
    """Reasoning sent back: details say more than text alone."""
    detailed = thoughts(turn.reasoning_details)
    own = [thought for thought in detailed if not _signing(thought)]
    text = next((t for t in (turn.reasoning_content, turn.reasoning) if t and isinstance(t, str)), "")
    if text and not any(thought.text for thought in own):
        first = [ReasoningPart(text, own[0].seal)] if own else [ReasoningPart(text)]
        return [*first, *own[1:], *(thought for thought in detailed if _signing(thought))]
    return detailed


def _signing(thought: ReasoningPart) -> bool:
    """Whether it is the seal of the text, which our encoder writes as an entry without one."""
    seal = thought.seal
    return seal is not None and seal.form == "gemini" and not (thought.text or seal.redacted)


def _signed(said: list[Part], found: list[ReasoningPart]) -> list[Part]:
    """What was said, its last text sealed where a seal of it is among the thoughts."""
    seal = next((thought.seal for thought in reversed(found) if _signing(thought)), None)
    if seal is None:
        return said
    for at in range(len(said) - 1, -1, -1):
        part = said[at]
        if isinstance(part, TextPart):
            return [*said[:at], msgspec.structs.replace(part, seal=seal), *said[at + 1 :]]
    return [*said, TextPart("", seal=seal)]


def _result(id_: str, name: str, said: list[Part], cache: str) -> ResultPart:
    """What a tool said: its text, and the media beside it."""
    text = "\n".join(part.text for part in said if isinstance(part, TextPart))
    media = tuple(part for part in said if isinstance(part, MediaPart))
    marks = [part.cache for part in said if isinstance(part, TextPart) and part.cache]
    return ResultPart(id_, text, media, name=name, cache=cache or next(iter(marks), ""))


def _call(call: _Call) -> CallPart:
    function = call.function or call.custom or _Function()
    said = function.arguments if function.input is None else function.input
    arguments = said if isinstance(said, str) else msgspec.json.encode(said).decode()
    custom = call.function is None and call.custom is not None
    return CallPart(call.id or "", function.name, arguments, custom, seal=signature_of(call.extra_content))


def _part(value: object) -> Part | None:
    if isinstance(value, str):
        return TextPart(value)
    part = members(value)
    if not part:
        return None
    type_ = word(part.get("type"))
    kind = _KINDS.get(type_)
    if kind is not None:
        medium = _media(kind, part.get(type_) or part.get(f"{kind}_url") or part)
        cache = cache_of(part.get("cache_control"))
        return msgspec.structs.replace(medium, cache=cache) if cache else medium
    if type_ == "thinking":
        return ReasoningPart(_text(part.get("thinking")))
    return TextPart(_text(part), cache_of(part.get("cache_control")))


def _text(value: object) -> str:
    """The text in a part of any shape."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_text(v) for v in items(cast("object", value)))
    part = members(value)
    if not part:
        return ""
    return next((t for n in ("text", "refusal", "content") if (t := _text(part.get(n)))), "")


def _media(kind: Any, value: object) -> MediaPart:
    """A medium: its URL, or an object with the URL, the data or the file's id."""
    if isinstance(value, str):
        return MediaPart(kind, url=value)
    medium = members(value)
    url = next((u for n in ("url", "data", "file_data") if isinstance(u := medium.get(n), str)), "")
    form = medium.get("format")
    media_type = f"audio/{form}" if kind == "audio" and isinstance(form, str) else ""
    if media_type and url and not url.startswith(("data:", "http:", "https:")):
        url = f"data:{media_type};base64,{url}"
    return MediaPart(
        kind,
        url=url,
        media_type=media_type,
        file_id=word(medium.get("file_id")),
        name=word(medium.get("filename")),
        detail=word(medium.get("detail")),
    )
