"""The conversation of a prompt, written as system prompt and turns of Messages.

Turns alternate, so those of one role that follow each other become one; the results of tools come first in theirs, in
the order of the calls. System messages go to the top, wherever they stood, as Anthropic's own OpenAI endpoint has it.
"""

import re
from base64 import b64decode
from typing import Any, cast
from urllib.parse import unquote

import msgspec

from freehold.core.prompt import Prompt
from freehold.core.request import CallPart, MediaPart, Message, Part, ReasoningPart, ResultPart, TextPart
from freehold.dialects.forms import TEXT_ARGUMENT
from freehold.dialects.links import is_link
from freehold.dialects.openai_chat.loose import members
from freehold.dialects.quirks import Quirks

Members = dict[str, Any]
_decode = msgspec.json.Decoder().decode
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")
IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


class Writer:
    """Writes the conversation of one request; `losses` in the order in which they were met."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self.losses: dict[str, None] = {}
        self.links: tuple[MediaPart, ...] = ()
        self._unnamed = 0  # calls without an id, which this dialect has to have
        self._waiting: list[str] = []  # ids given to them, until their results come

    def lose(self, what: str) -> None:
        self.losses[what] = None

    def conversation(self, prompt: Prompt) -> tuple[list[Members], list[Members]]:
        """The blocks of the system prompt, and the turns."""
        system: list[Members] = []
        turns: list[Members] = []
        for message in prompt.messages:
            if message.name:
                self.lose("messages.name")
            if message.role == "system":
                system += self._system(message)
                continue
            role = "assistant" if message.role == "assistant" else "user"
            blocks = [block for part in message.parts for block in self._part(part, role)]
            if not blocks:
                continue
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += blocks
            else:
                turns.append({"role": role, "content": blocks})
        if not turns and system:  # instructions alone: somebody has to have asked
            turns, system = [{"role": "user", "content": system}], []
        called: list[str] = []
        for turn in turns:
            called = _ordered(turn, called)
        _unpadded(turns)
        return system, turns

    def _system(self, message: Message) -> list[Members]:
        texts = [part for part in message.parts if isinstance(part, TextPart)]
        if len(texts) < len(message.parts):
            self.lose("media in a system message")
        return [self._text(part) for part in texts if part.text.strip()]

    def _part(self, part: Part, role: str) -> list[Members]:
        match part:
            case TextPart():
                return [self._text(part)] if part.text.strip() else []
            case MediaPart():
                medium = self._medium(part) if role == "user" else None
                if role != "user":
                    self.lose(f"{part.kind} of an assistant")
                return [] if medium is None else [self.marked(medium, part.cache)]
            case CallPart():
                return [self._call(part)]
            case ResultPart():
                return [self._result(part)]
            case ReasoningPart():
                return self._reasoning(part)

    def _text(self, part: TextPart) -> Members:
        if part.seal is not None:
            self.lose("signature of a text")
        return self.marked({"type": "text", "text": part.text}, part.cache)

    def marked(self, block: Members, cache: str) -> Members:
        """The block with its mark for caching."""
        if cache:
            block["cache_control"] = {"type": "ephemeral"} | ({"ttl": cache} if cache != "5m" else {})
        return block

    def _reasoning(self, part: ReasoningPart) -> list[Members]:
        """Only what Anthropic signed can go back; `translate` has dropped the seals of others."""
        seal = part.seal
        if seal is None or seal.form != "anthropic":
            self.lose("reasoning without a signature")
            return []
        if seal.redacted:
            return [{"type": "redacted_thinking", "data": seal.data}]
        return [{"type": "thinking", "thinking": part.text, "signature": seal.data}]

    def _call(self, part: CallPart) -> Members:
        if part.seal is not None:
            self.lose("signature of a tool call")
        id_ = _UNFIT.sub("_", part.id)
        if not id_:
            self._unnamed += 1
            id_ = f"toolu_{self._unnamed}"
            self._waiting.append(id_)
        call: Members = {"type": "tool_use", "id": id_, "name": part.name, "input": arguments(part)}
        return self.marked(call, part.cache)

    def _result(self, part: ResultPart) -> Members:
        id_ = _UNFIT.sub("_", part.id) or (self._waiting.pop(0) if self._waiting else "toolu_1")
        media = [medium for one in part.media if (medium := self._medium(one)) is not None]
        result: Members = {"type": "tool_result", "tool_use_id": id_}
        if media:
            result["content"] = [*([{"type": "text", "text": part.text}] if part.text else []), *media]
        elif part.text:
            result["content"] = part.text
        if part.error:
            result["is_error"] = True
        return self.marked(result, part.cache or max((one.cache for one in part.media), default=""))

    def _medium(self, part: MediaPart) -> Members | None:
        if part.detail not in ("", "auto"):
            self.lose("image detail")
        if part.kind == "audio":
            self.lose("audio")
            return None
        kind = "image" if part.kind == "image" else "document"
        if part.name and kind == "image":
            self.lose("file name")
        source = self._source(part, kind)
        if source is None:
            return None
        named = {"title": part.name} if kind == "document" and part.name else {}
        return {"type": kind, "source": source, **named}

    def _source(self, part: MediaPart, kind: str) -> Members | None:
        """Where a medium is. A file's id is one of the provider whose dialect it came in, and means nothing here."""
        if not part.url:
            self.lose(f"{part.kind} by file id")
            return None
        if is_link(part) and not self._quirks.links:
            self.lose(f"{part.kind} by URL")
            self.links += (part,)
            return None
        if not part.url.startswith("data:"):
            return {"type": "url", "url": part.url}
        head, _, data = part.url.removeprefix("data:").partition(",")
        media_type = head.partition(";")[0] or part.media_type
        if kind == "document" and media_type.startswith("text/"):
            return self._plain(head, data)
        if media_type not in (IMAGES if kind == "image" else ("application/pdf",)) or not head.endswith(";base64"):
            self.lose(f"{part.kind} of the type {media_type[:60] or 'unknown'}")
            return None
        return {"type": "base64", "media_type": media_type, "data": data}

    def _plain(self, head: str, data: str) -> Members | None:
        try:
            text = b64decode(data, validate=True).decode() if head.endswith(";base64") else unquote(data)
        except ValueError:
            self.lose("file that is no UTF-8 text")
            return None
        return {"type": "text", "media_type": "text/plain", "data": text}


def arguments(part: CallPart) -> Members:
    """The arguments of a call as the object that they have to be here."""
    if part.custom:
        return {TEXT_ARGUMENT: part.arguments}
    return whole(part.arguments)


def whole(text: str) -> Members:
    """An object of JSON text; text that is none, whole, as the one argument of a call."""
    if not text.strip():
        return {}
    try:
        value: Any = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {TEXT_ARGUMENT: text}
    return members(cast("object", value)) if isinstance(value, dict) else {TEXT_ARGUMENT: value}


def _ordered(turn: Members, called: list[str]) -> list[str]:
    """Put the results in a turn first, in the order of the calls before it; the ids of the calls in the turn."""
    content: list[Members] = turn["content"]
    if turn["role"] == "user":
        places = {id_: at for at, id_ in enumerate(called)}
        results = [block for block in content if block["type"] == "tool_result"]
        results.sort(key=lambda block: places.get(block["tool_use_id"], len(places)))
        turn["content"] = [*results, *(block for block in content if block["type"] != "tool_result")]
        return []
    return [block["id"] for block in content if block["type"] == "tool_use"]


def _unpadded(turns: list[Members]) -> None:
    """An assistant's turn at the end is one to continue, and may not end in white space."""
    if turns and turns[-1]["role"] == "assistant":
        last = turns[-1]["content"][-1]
        if last["type"] == "text":
            last["text"] = last["text"].rstrip()
