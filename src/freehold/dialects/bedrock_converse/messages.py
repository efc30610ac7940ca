"""The conversation in a request, read whole: for those who look at it, and for other dialects.

What tools said comes as turns of their own, in its order, before what the user said beside it.
"""

from collections.abc import Callable
from typing import Any, cast

import msgspec
from msgspec import Raw
from msgspec.structs import replace

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
from freehold.dialects.bedrock_converse.answer import SERVER, redacted
from freehold.dialects.bedrock_converse.media import TYPES
from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.seals import unwrap

Lose = Callable[[str], None]
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_ROLES: dict[str, Any] = {"assistant": "assistant", "system": "system"}
_KINDS: dict[str, Any] = {"image": "image", "document": "file", "audio": "audio"}
_NOTHING = Raw(b"[]")


def messages(request: Request, lose: Lose | None = None) -> tuple[Message, ...]:
    """The conversation, the system prompt first; InvalidRequest where it is not one. `lose` hears of each block, by
    its name, that has no place in a part."""
    reader = _Reader(lose or _unheard)
    system = reader.parts(_decode(request.fields.get("system", _NOTHING)))
    said = [Message("system", tuple(system))] if system else []
    for number, turn in enumerate(_decode(request.fields["messages"])):
        content = turn["content"]
        if not isinstance(content, list):
            raise InvalidRequest(f"messages[{number}].content: expected blocks", param="messages")
        said += _turn(_ROLES.get(turn["role"], "user"), reader.parts(content))
    return tuple(said)


def cache_point(block: dict[str, Any]) -> str:
    """How long a cache point asks for; '' for any other block."""
    if "cachePoint" not in block:
        return ""
    return "1h" if members(block["cachePoint"]).get("ttl") == "1h" else "5m"


def _unheard(_: str) -> None:
    """Nobody asks what is lost: what they look at is text."""


def _turn(role: Any, parts: list[Part]) -> list[Message]:
    results = [Message("tool", (part,)) for part in parts if isinstance(part, ResultPart)]
    rest = tuple(part for part in parts if not isinstance(part, ResultPart))
    return [*results, Message(role, rest)] if rest or not results else results


class _Reader:
    """Reads blocks. Each reader of a kind gives its parts."""

    def __init__(self, lose: Lose) -> None:
        self._lose = lose
        self._kinds: dict[str, Callable[[dict[str, Any]], list[Part]]] = {
            "toolUse": self._call,
            "toolResult": self._result,
            "reasoningContent": self._thought,
            "guardContent": self._guarded,
            "citationsContent": self._cited,
            "searchResult": self._found,
            "image": lambda block: self._medium("image", block),
            "document": lambda block: self._medium("document", block),
            "audio": lambda block: self._medium("audio", block),
        }

    def parts(self, content: Any) -> list[Part]:
        parts: list[Part] = []
        signing: Seal | None = None  # of the call that follows: see `writing`
        for block in map(members, items(content)):
            if cache := cache_point(block):
                _mark(parts, cache)
                continue
            found = self._block(block)
            first = found[0] if found else None
            if isinstance(first, ReasoningPart) and not first.text and first.seal is not None and _signs(first.seal):
                signing = first.seal
                continue
            if signing is not None and isinstance(first, CallPart):
                found, signing = [replace(first, seal=signing)], None
            parts += found
        return parts

    def _block(self, block: dict[str, Any]) -> list[Part]:
        if "text" in block:
            return [TextPart(word(block["text"]))]
        for kind, read in self._kinds.items():
            if kind in block:
                return read(members(block[kind]))
        self._lose(next(iter(block), "an empty block"))
        return []

    def _call(self, call: dict[str, Any]) -> list[Part]:
        if call.get("type") == SERVER:
            self._lose("toolUse (of the provider)")
            return []
        given: Any = call.get("input")
        arguments = _encode({} if given is None else given).decode()
        return [CallPart(word(call.get("toolUseId")), word(call.get("name")), arguments)]

    def _result(self, result: dict[str, Any]) -> list[Part]:
        if result.get("type"):
            self._lose("toolResult (of the provider)")
            return []
        texts: list[str] = []
        media: list[MediaPart] = []
        for block in map(members, items(result.get("content"))):
            if "json" in block:
                texts.append(_encode(block["json"]).decode())
                continue
            for part in self._block(block):
                if isinstance(part, MediaPart):
                    media.append(part)
                elif isinstance(part, TextPart):
                    texts.append(part.text)
        failed = result.get("status") == "error"
        return [ResultPart(word(result.get("toolUseId")), "\n".join(texts), tuple(media), error=failed)]

    def _thought(self, said: dict[str, Any]) -> list[Part]:
        if hidden := word(said.get("redactedContent")):
            seal = redacted(hidden)
            return [ReasoningPart("", unwrap(seal.data) or seal)]
        told = members(said.get("reasoningText"))
        signature = word(told.get("signature"))
        seal = unwrap(signature) or Seal("anthropic", signature) if signature else None
        return [ReasoningPart(word(told.get("text")), seal)]

    def _guarded(self, guarded: dict[str, Any]) -> list[Part]:
        """What a guardrail looks at is part of what is said."""
        self._lose("guardContent")
        text = word(members(guarded.get("text")).get("text"))
        if "image" in guarded:
            return self._medium("image", members(guarded["image"]))
        return [TextPart(text)] if text else []

    def _cited(self, cited: dict[str, Any]) -> list[Part]:
        self._lose("citationsContent.citations")
        return [TextPart(word(members(one).get("text"))) for one in items(cited.get("content"))]

    def _found(self, found: dict[str, Any]) -> list[Part]:
        texts = [word(members(one).get("text")) for one in items(found.get("content"))]
        return [TextPart("\n".join(filter(None, (word(found.get("title")), word(found.get("source")), *texts))))]

    def _medium(self, kind: str, block: dict[str, Any]) -> list[Part]:
        """A medium; or the text of a document that is given as text."""
        if block.get("citations") or block.get("context"):
            self._lose("document.citations" if block.get("citations") else "document.context")
        source, name = members(block.get("source")), word(block.get("name"))
        if isinstance(source.get("text"), str):
            return [TextPart("\n".join(filter(None, (name, source["text"]))))]
        if isinstance(source.get("content"), list):
            inner = [TextPart(word(members(one).get("text"))) for one in cast("list[Any]", source["content"])]
            return [*([TextPart(name)] if name else []), *inner]
        media_type = TYPES[kind].get(word(block.get("format")), "application/octet-stream")
        data = source.get("bytes")
        inline = isinstance(data, str)
        url = f"data:{media_type};base64,{data}" if inline else word(members(source.get("s3Location")).get("uri"))
        return [MediaPart(_KINDS[kind], url=url, media_type=media_type, name=name)]


def _signs(seal: Seal) -> bool:
    """Whether it is that of a call, which our encoder writes as an encrypted thought before it: one without text."""
    return bool(seal.account) and not seal.redacted


def _mark(parts: list[Part], cache: str) -> None:
    """The part before a cache point ends what is kept."""
    for at in range(len(parts) - 1, -1, -1):
        part = parts[at]
        if not isinstance(part, ReasoningPart):
            parts[at] = replace(part, cache=cache)
            return
