"""The conversation in a request, read whole: for those who look at it, and for other dialects.

What the model said in contents that follow each other is one turn: SDKs keep each chunk of a stream as a content of its
own. Its pieces of text, and of a thought up to its signature, are joined again. What functions said comes as turns of
their own, before what the user said beside it.
"""

from collections.abc import Callable
from typing import Any

import msgspec

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
from freehold.dialects.gemini_generate.foreign import seal_of
from freehold.dialects.gemini_generate.request import kind_of
from freehold.dialects.gemini_generate.spelling import camel, spelt
from freehold.dialects.openai_chat.loose import items, members, word

Lose = Callable[[str], None]
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_ROLES: dict[str, Any] = {"model": "assistant", "system": "system"}
_RESULTS = frozenset({"result", "output", "content"})
"""Names under which clients put what a function said, where it is no object."""
_DETAILS = {"LOW": "low", "MEDIUM": "auto", "HIGH": "high"}
_OURS = ("https://generativelanguage.googleapis.com/", "gs://")
"""Addresses that only Google can read."""


def messages(request: Request, lose: Lose | None = None) -> tuple[Message, ...]:
    """The conversation, the system instruction first. `lose` hears of each part, by its name, that has no place."""
    fields = {camel(name): raw for name, raw in request.fields.items()}
    reader = _Reader(lose or _unheard, _detail(fields))
    said: list[Message] = []
    if (system := fields.get("systemInstruction")) is not None:
        parts = reader.instruction(_decode(system))
        said = [Message("system", tuple(parts))] if parts else []
    for content in map(members, items(_decode(fields["contents"]))):
        said += reader.turn(_ROLES.get(word(content.get("role")), "user"), items(content.get("parts")))
    return tuple(_joined(said))


def _unheard(_: str) -> None:
    """Nobody asks what is lost: what they look at is text."""


def _detail(fields: dict[str, msgspec.Raw]) -> str:
    """How closely every medium is to be looked at."""
    config = spelt(_decode(fields.get("generationConfig", b"{}")))
    return detail_of(config.get("mediaResolution"))


def detail_of(resolution: object) -> str:
    return _DETAILS.get(word(resolution).removeprefix("MEDIA_RESOLUTION_"), "")


class _Reader:
    """Reads parts. `calls` are those whose answer has not come: (id, name)."""

    def __init__(self, lose: Lose, detail: str) -> None:
        self._lose = lose
        self._detail = detail
        self._calls: list[tuple[str, str]] = []
        self._made = 0
        self._kinds: dict[str, Callable[[dict[str, Any], Seal | None], list[Part]]] = {
            "text": self._text,
            "inlineData": self._inline,
            "fileData": self._file,
            "functionCall": self._call,
            "functionResponse": self._result,
            "executableCode": self._code,
            "codeExecutionResult": self._ran,
        }

    def instruction(self, value: Any) -> list[Part]:
        """A content; some send its text alone, or its parts."""
        if isinstance(value, str):
            return [TextPart(value)] if value else []
        content = members(value)
        given = content.get("parts") if "parts" in content else value
        return [part for one in items(given) for part in self._part(one)]

    def turn(self, role: Any, given: list[Any]) -> list[Message]:
        parts = [part for one in given for part in self._part(one)]
        results = [Message("tool", (part,)) for part in parts if isinstance(part, ResultPart)]
        rest = tuple(part for part in parts if not isinstance(part, ResultPart))
        return [*results, Message(role, rest)] if rest or not results else results

    def _part(self, value: Any) -> list[Part]:
        if isinstance(value, str):
            return [TextPart(value)]
        part = spelt(value)
        seal = seal_of(part.get("thoughtSignature"))
        for name, read in self._kinds.items():
            if part.get(name) is not None:
                return read(part, seal)
        if seal is not None and not part.keys() - {"thoughtSignature", "thought"}:
            return [TextPart("", seal=seal)]
        for name in part.keys() - {"thoughtSignature", "thought", "partMetadata"}:
            self._lose(name)
        return []

    def _text(self, part: dict[str, Any], seal: Seal | None) -> list[Part]:
        text = word(part["text"])
        if part.get("thought") is True:
            return [ReasoningPart(text, seal)] if text or seal else []
        return [TextPart(text, seal=seal)] if text or seal else []

    def _inline(self, part: dict[str, Any], _: Seal | None) -> list[Part]:
        medium = spelt(part["inlineData"])
        mime = word(medium.get("mimeType"))
        data = word(medium.get("data")).replace("-", "+").replace("_", "/")
        return [self._medium(part, mime, word(medium.get("displayName")), url=f"data:{mime};base64,{data}")]

    def _file(self, part: dict[str, Any], _: Seal | None) -> list[Part]:
        medium = spelt(part["fileData"])
        mime, uri = word(medium.get("mimeType")), word(medium.get("fileUri"))
        named = word(medium.get("displayName"))
        if uri.startswith(_OURS):
            return [self._medium(part, mime, named, file_id=uri)]
        return [self._medium(part, mime, named, url=uri)]

    def _medium(self, part: dict[str, Any], mime: str, name: str, url: str = "", file_id: str = "") -> MediaPart:
        if part.get("videoMetadata"):
            self._lose("videoMetadata")
        kind: Any = kind_of(mime)
        own = detail_of(spelt(part.get("mediaResolution")).get("level"))
        detail = (own or self._detail) if kind == "image" else ""
        return MediaPart(kind, url=url, media_type=mime, file_id=file_id, name=name, detail=detail)

    def _call(self, part: dict[str, Any], seal: Seal | None) -> list[Part]:
        call = spelt(part["functionCall"])
        name, args = word(call.get("name")), call.get("args")
        id_ = word(call.get("id")) or self._id()
        self._calls.append((id_, name))
        return [CallPart(id_, name, _encode(args).decode() if args else "{}", seal=seal)]

    def _id(self) -> str:
        """The id of a call that has none: the same each time that a conversation is read."""
        self._made += 1
        return f"call_{self._made}"

    def _result(self, part: dict[str, Any], _: Seal | None) -> list[Part]:
        said = spelt(part["functionResponse"])
        name = word(said.get("name"))
        text, failed = told(said.get("response"))
        parts = [p for one in items(said.get("parts")) for p in self._part(one)]
        media = tuple(p for p in parts if isinstance(p, MediaPart))
        return [ResultPart(self._answered(word(said.get("id")), name), text, media, name=name, error=failed)]

    def _answered(self, id_: str, name: str) -> str:
        """The id of the call that is answered: the one named, else the first of that function, else the first."""
        waiting = self._calls
        at = next((i for i, call in enumerate(waiting) if id_ and call[0] == id_), None)
        if at is None and not id_:
            at = next((i for i, call in enumerate(waiting) if call[1] == name), 0 if waiting else None)
        if at is not None:
            return waiting.pop(at)[0]
        return id_ or self._id()

    def _code(self, part: dict[str, Any], _: Seal | None) -> list[Part]:
        self._lose("executableCode (kept as text)")
        code = spelt(part["executableCode"])
        return [TextPart(f"```{word(code.get('language')).lower()}\n{word(code.get('code'))}\n```")]

    def _ran(self, part: dict[str, Any], _: Seal | None) -> list[Part]:
        self._lose("codeExecutionResult (kept as text)")
        return [TextPart(f"```\n{word(spelt(part['codeExecutionResult']).get('output'))}\n```")]


def told(response: object) -> tuple[str, bool]:
    """What a function said, as text, and whether it is an error: an object of one member is what that holds."""
    said = members(response)
    if len(said) == 1:
        ((name, value),) = said.items()
        if name in _RESULTS or name == "error":
            return value if isinstance(value, str) else _encode(value).decode(), name == "error"
    return _encode(said).decode() if said else "", False


def _joined(said: list[Message]) -> list[Message]:
    """The same with what the model said in one go as one turn."""
    turns: list[Message] = []
    for message in said:
        if message.role == "assistant" and turns and turns[-1].role == "assistant":
            message = Message("assistant", (*turns.pop().parts, *message.parts))  # noqa: PLW2901
        turns.append(message)
    return [Message(m.role, tuple(_pieces(m.parts))) if m.role == "assistant" else m for m in turns]


def _pieces(parts: tuple[Part, ...]) -> list[Part]:
    """Pieces of a text, and of a thought, put together; a seal closes what it signs."""
    whole: list[Part] = []
    for part in parts:
        last = whole[-1] if whole else None
        if isinstance(part, TextPart) and isinstance(last, TextPart) and last.seal is None:
            whole[-1] = TextPart(last.text + part.text, seal=part.seal)
        elif isinstance(part, ReasoningPart) and isinstance(last, ReasoningPart) and last.seal is None:
            whole[-1] = ReasoningPart(last.text + part.text, part.seal)
        else:
            whole.append(part)
    return whole
