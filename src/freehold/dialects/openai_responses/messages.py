"""The conversation in a request of Responses: its items, as turns.

What an assistant said, thought and called between two turns of others is one turn. Items that record what a tool of
the provider's own did have no counterpart elsewhere: they are named as lost.
"""

from collections.abc import Callable
from mimetypes import guess_type
from typing import Any

import msgspec
from msgspec.structs import replace

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
from freehold.core.seal import Seal
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.seals import unwrap

Lose = Callable[[str], None]
_Members = dict[str, Any]
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_ROLES: dict[str, Any] = {"assistant": "assistant", "system": "system", "developer": "system"}
_TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
_NAMED = {"local_shell_call": "local_shell", "shell_call": "shell", "apply_patch_call": "apply_patch"}
"""Tools that the caller runs, though the provider describes them."""


def messages(request: Request, lose: Lose = lambda what: None) -> tuple[Message, ...]:
    """The conversation; `lose` hears what of it has no place in a prompt."""
    reader = _Reader(lose)
    instructions = request.fields.get("instructions")
    if instructions is not None:
        given: Any = _decode(instructions)
        if isinstance(given, str) and given:
            reader.said.append(Message("system", (TextPart(given),)))
        else:
            reader.items(given)
    raw = request.fields.get("input")
    asked: Any = None if raw is None else _decode(raw)
    if isinstance(asked, str):
        reader.turn("user", (TextPart(asked),))
    else:
        reader.items(asked)
    return reader.whole()


class _Reader:
    """Reads items in their order."""

    def __init__(self, lose: Lose) -> None:
        self.said: list[Message] = []
        self._mine: list[Part] = []  # what the assistant says in the turn that is not over
        self._signing: Seal | None = None  # the seal of the call that follows, or the text before: see `output`
        self._lose = lose
        self._kinds: dict[str, Callable[[_Members], None]] = {
            "message": self._message,
            "reasoning": self._reasoning,
            "function_call": self._call,
            "custom_tool_call": self._call,
            "function_call_output": self._result,
            "custom_tool_call_output": self._result,
            **dict.fromkeys(_NAMED, self._own_call),
            **{f"{name}_output": self._own_result for name in _NAMED},
            "additional_tools": lambda item: None,  # see `reading`
        }

    def items(self, given: object) -> None:
        for value in items(given):
            item = {"role": "user", "content": value} if isinstance(value, str) else members(value)
            kind = word(item.get("type")) or ("message" if "role" in item else "item_reference")
            read = self._kinds.get(kind)
            if read is None:
                self._lose(f"input[{kind}]")
            else:
                read(item)

    def turn(self, role: Any, parts: tuple[Part, ...]) -> None:
        """A turn of somebody else than the assistant."""
        self._close()
        self.said.append(Message(role, parts))

    def whole(self) -> tuple[Message, ...]:
        self._close()
        return tuple(self.said)

    def _close(self) -> None:
        if self._signing is not None:
            self._sign_text(self._signing)
            self._signing = None
        if self._mine:
            self.said.append(Message("assistant", tuple(self._mine)))
            self._mine = []

    def _sign_text(self, seal: Seal) -> None:
        for at in range(len(self._mine) - 1, -1, -1):
            part = self._mine[at]
            if isinstance(part, TextPart):
                self._mine[at] = replace(part, seal=seal)
                return

    def _message(self, item: _Members) -> None:
        role = _ROLES.get(word(item.get("role")), "user")
        if item.get("phase"):
            self._lose("input[message].phase")
        parts = self._parts(item.get("content"))
        if item.get("role") == "tool":  # as chat completions have it
            self._result({"call_id": item.get("tool_call_id"), "output": item.get("content")})
        elif role == "assistant":
            self._mine += parts
            for call in map(members, items(item.get("tool_calls"))):
                self._call({**call, **members(call.get("function"))})
        else:
            self.turn(role, tuple(parts))

    def _reasoning(self, item: _Members) -> None:
        told = [text for name in ("content", "summary") if (text := _text(item.get(name)))]
        text = told[0] if told else ""
        data = word(item.get("encrypted_content"))
        seal = unwrap(data) if data else None
        if seal is not None and seal.form == "gemini" and not (text or seal.redacted):
            if self._signing is not None:
                self._sign_text(self._signing)
            self._signing = seal
            return
        if data and seal is None:
            seal = Seal("openai", data, id=word(item.get("id")), redacted=not text)
        if text or seal is not None:
            self._mine.append(ReasoningPart(text, seal))

    def _call(self, item: _Members) -> None:
        custom = item.get("type") == "custom_tool_call"
        if item.get("namespace"):
            self._lose("input[function_call].namespace")
        given: Any = item.get("input" if custom else "arguments")
        self._add(item, word(item.get("name")), given if isinstance(given, str) else _json(given), custom=custom)

    def _own_call(self, item: _Members) -> None:
        name = _NAMED[word(item.get("type"))]
        self._add(item, name, _json(item.get("operation" if name == "apply_patch" else "action")))

    def _add(self, item: _Members, name: str, arguments: str, *, custom: bool = False) -> None:
        id_ = word(item.get("call_id")) or word(item.get("id"))
        self._mine.append(CallPart(id_, name, arguments, custom, seal=self._signing))
        self._signing = None

    def _result(self, item: _Members) -> None:
        output: Any = item.get("output")
        parts = self._parts(_json(members(output)) if members(output) else output)
        text = "\n".join(part.text for part in parts if isinstance(part, TextPart))
        media = tuple(part for part in parts if isinstance(part, MediaPart))
        failed = item.get("status") == "incomplete"
        self.turn("tool", (ResultPart(word(item.get("call_id")), text, media, error=failed),))

    def _own_result(self, item: _Members) -> None:
        output: Any = item.get("output")
        text = output if isinstance(output, str) else _json(output) if output is not None else word(item.get("status"))
        id_ = word(item.get("call_id")) or word(item.get("id"))
        self.turn("tool", (ResultPart(id_, text, error=item.get("status") == "failed"),))

    def _parts(self, content: object) -> list[Part]:
        found: list[Part] = []
        for value in items(content):
            part = {"type": "input_text", "text": value} if isinstance(value, str) else members(value)
            kind = word(part.get("type"))
            if kind in _TEXTS:
                if part.get("annotations"):
                    self._lose("annotations")
                found.append(TextPart(word(part.get("text")), _cache(part)))
            elif kind == "refusal":
                found.append(TextPart(word(part.get("refusal"))))
            elif (medium := _medium(kind, part)) is not None:
                found.append(medium)
            else:
                self._lose(f"input[{kind or 'a part without a type'}]")
        return found


def _text(parts: object) -> str:
    return "\n\n".join(text for part in items(parts) if (text := word(members(part).get("text"))))


def _json(value: object) -> str:
    return "" if value is None else _encode(value).decode()


def _cache(part: _Members) -> str:
    """How long a breakpoint of the prompt cache is meant to last."""
    mark = members(part.get("prompt_cache_breakpoint"))
    return "" if not mark else "1h" if mark.get("ttl") == "12h" else "5m"


def _medium(kind: str, part: _Members) -> MediaPart | None:
    match kind:
        case "input_image":
            url: Any = part.get("image_url")
            return MediaPart(
                "image",
                url=word(members(url).get("url") or url),
                file_id=word(part.get("file_id")),
                detail=word(part.get("detail")),
                cache=_cache(part),
            )
        case "input_file":
            name, data = word(part.get("filename")), word(part.get("file_data"))
            if data and not data.startswith("data:"):
                data = f"data:{guess_type(name)[0] or 'application/pdf'};base64,{data}"
            url = data or word(part.get("file_url"))
            return MediaPart("file", url=url, file_id=word(part.get("file_id")), name=name, cache=_cache(part))
        case "input_audio":
            sound = members(part.get("input_audio"))
            media_type = f"audio/{word(sound.get('format')) or 'wav'}"
            return MediaPart("audio", url=f"data:{media_type};base64,{word(sound.get('data'))}", media_type=media_type)
        case _:
            return None
