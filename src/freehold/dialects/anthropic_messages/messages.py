"""The conversation in a request, read whole: for those who look at it, and for other dialects.

What tools said comes as turns of their own, in its order, before what the user said beside it.
"""

from collections.abc import Callable
from typing import Any, cast

import msgspec
from msgspec import Raw

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
from freehold.core.seal import Seal
from freehold.dialects.openai_chat.loose import cache_of, items, members, word
from freehold.dialects.seals import unwrap

Lose = Callable[[str], None]
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_ROLES: dict[str, Any] = {"assistant": "assistant", "system": "system"}
_PLAIN = Raw(b'""')
DEEPEST = 8
"""How many blocks may stand in each other: a document in a result in a turn makes three."""


def messages(request: Request, lose: Lose | None = None) -> tuple[Message, ...]:
    """The conversation, the system prompt first; InvalidRequest where it is not one. `lose` hears of each block, by
    its name, that has no place in a part."""
    reader = _Reader(lose or _unheard)
    system = _decode(request.fields.get("system", _PLAIN))
    said = [Message("system", tuple(reader.parts(system)))] if system else []
    for number, turn in enumerate(_decode(request.fields["messages"])):
        content = turn["content"]
        if not isinstance(content, str | list):
            raise InvalidRequest(f"messages.{number}.content: expected text or blocks", param="messages")
        said += reader.turn(_ROLES.get(turn["role"], "user"), content)
    return tuple(said)


def _unheard(_: str) -> None:
    """Nobody asks what is lost: what they look at is text."""


class _Reader:
    """Reads blocks. Each reader of a kind gives its parts."""

    def __init__(self, lose: Lose) -> None:
        self._lose = lose
        self._depth = 0
        self._kinds: dict[str, Callable[[dict[str, Any]], list[Part]]] = {
            "text": self._text,
            "image": self._image,
            "document": self._document,
            "search_result": self._search_result,
            "tool_use": self._call,
            "tool_result": self._result,
            "thinking": self._thinking,
            "redacted_thinking": self._redacted,
            "compaction": self._compaction,
        }

    def turn(self, role: Any, content: Any) -> list[Message]:
        parts = self.parts(content)
        results = [Message("tool", (part,)) for part in parts if isinstance(part, ResultPart)]
        rest = tuple(part for part in parts if not isinstance(part, ResultPart))
        return [*results, Message(role, rest)] if rest or not results else results

    def parts(self, content: Any) -> list[Part]:
        """The parts of text or blocks."""
        if isinstance(content, str):
            return [TextPart(content)]
        if self._depth == DEEPEST:
            raise InvalidRequest("messages: blocks are nested too deeply", param="messages")
        self._depth += 1
        parts = self._every(content)
        self._depth -= 1
        return parts

    def _every(self, content: Any) -> list[Part]:
        parts: list[Part] = []
        signing: Seal | None = None  # the seal of what follows, in a dialect whose calls have none: see `writing`
        for block in map(members, items(content)):
            seal = _signing(block)
            if seal is not None:
                if signing is not None:  # nothing was said between the two
                    _signed(parts, [], signing)
                signing = seal
                continue
            found = self._block(block)
            if signing is not None and found:
                found = _signed(parts, found, signing)
                signing = None
            parts += found
        if signing is not None:
            _signed(parts, [], signing)
        return parts

    def _block(self, block: dict[str, Any]) -> list[Part]:
        kind = word(block.get("type"))
        read = self._kinds.get(kind)
        if read is not None:
            return read(block)
        self._lose(kind or "a block without a type")
        text = block.get("text") or block.get("content")
        return [TextPart(text)] if isinstance(text, str) and text else []

    def _text(self, block: dict[str, Any]) -> list[Part]:
        if block.get("citations"):
            self._lose("citations")
        return [TextPart(word(block.get("text")), cache_of(block.get("cache_control")))]

    def _compaction(self, block: dict[str, Any]) -> list[Part]:
        return [TextPart(word(block.get("content")), cache_of(block.get("cache_control")))]

    def _image(self, block: dict[str, Any]) -> list[Part]:
        if block.get("transformations"):
            self._lose("image.transformations")
        return [_medium("image", block)]

    def _document(self, block: dict[str, Any]) -> list[Part]:
        """A file; or its text, where the block holds text or blocks."""
        if members(block.get("citations")).get("enabled"):
            self._lose("document.citations")
        source, cache = members(block.get("source")), cache_of(block.get("cache_control"))
        title, context = word(block.get("title")), word(block.get("context"))
        if source.get("type") == "content":
            inner = self.parts(source.get("content"))
            return [*([TextPart(title)] if title else []), *([TextPart(context)] if context else []), *inner]
        if source.get("type") == "text":
            return [TextPart("\n".join(filter(None, (title, context, word(source.get("data"))))), cache)]
        file: Part = _medium("file", block)
        return [TextPart(context), file] if context else [file]

    def _search_result(self, block: dict[str, Any]) -> list[Part]:
        if members(block.get("citations")).get("enabled"):
            self._lose("search_result.citations")
        texts = [word(members(part).get("text")) for part in items(block.get("content"))]
        heads = (word(block.get("title")), word(block.get("source")))
        return [TextPart("\n".join(filter(None, (*heads, *texts))), cache_of(block.get("cache_control")))]

    def _call(self, block: dict[str, Any]) -> list[Part]:
        given: Any = block.get("input")
        arguments = _encode({} if given is None else given).decode()
        cache = cache_of(block.get("cache_control"))
        return [CallPart(word(block.get("id")), word(block.get("name")), arguments, cache=cache)]

    def _result(self, block: dict[str, Any]) -> list[Part]:
        inner = self.parts(block.get("content") or [])
        return [
            ResultPart(
                word(block.get("tool_use_id")),
                "\n".join(part.text for part in inner if isinstance(part, TextPart)),
                tuple(part for part in inner if isinstance(part, MediaPart)),
                error=block.get("is_error") is True,
                cache=cache_of(block.get("cache_control")),
            )
        ]

    def _thinking(self, block: dict[str, Any]) -> list[Part]:
        signature = word(block.get("signature"))
        seal = None if not signature else unwrap(signature) or Seal("anthropic", signature)
        return [ReasoningPart(word(block.get("thinking")), seal)]

    def _redacted(self, block: dict[str, Any]) -> list[Part]:
        data = word(block.get("data"))
        return [ReasoningPart("", unwrap(data) or Seal("anthropic", data, redacted=True))]


def _signing(block: dict[str, Any]) -> Seal | None:
    """The seal of a call or a text, which our encoder writes as a redacted thought beside it."""
    if block.get("type") != "redacted_thinking":
        return None
    seal = unwrap(word(block.get("data")))
    return None if seal is None or seal.redacted else seal


def _signed(before: list[Part], found: list[Part], seal: Seal) -> list[Part]:
    """`found` with its call sealed; where it is no call, the text before it is (in place) what the seal signs."""
    first = found[0] if found else None
    if isinstance(first, CallPart):
        return [msgspec.structs.replace(first, seal=seal), *found[1:]]
    for at in range(len(before) - 1, -1, -1):
        part = before[at]
        if isinstance(part, TextPart):
            before[at] = msgspec.structs.replace(part, seal=seal)
            break
    return found


def _medium(kind: Any, block: dict[str, Any]) -> MediaPart:
    """An image or a file: by URL, inline, or by the provider's id."""
    source = members(block.get("source"))
    media_type = word(source.get("media_type")) or ("application/pdf" if kind == "file" else "")
    data = source.get("data")
    url = f"data:{media_type};base64,{data}" if isinstance(data, str) else word(source.get("url"))
    return MediaPart(
        cast("Any", kind),
        url=url,
        media_type=media_type if data else "",
        file_id=word(source.get("file_id")),
        name=word(block.get("title")),
        cache=cache_of(block.get("cache_control")),
    )
