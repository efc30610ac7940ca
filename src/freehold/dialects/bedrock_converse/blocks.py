"""The conversation of a prompt, written as system prompt and turns of Converse.

Turns alternate, so those of one role that follow each other become one; the results of tools come first in theirs, in
the order of the calls. System messages go to the top, wherever they stood. Text that is blank is refused there and left
out here.
"""

import re
from base64 import b64encode
from typing import Any
from urllib.parse import unquote_to_bytes

from freehold.core.prompt import Prompt
from freehold.core.request import CallPart, MediaPart, Message, Part, ReasoningPart, ResultPart, TextPart
from freehold.dialects.anthropic_messages.blocks import arguments
from freehold.dialects.bedrock_converse.answer import content_of
from freehold.dialects.bedrock_converse.makers import Maker
from freehold.dialects.bedrock_converse.media import format_of
from freehold.dialects.hints import CACHE
from freehold.dialects.links import is_link

Members = dict[str, Any]
_UNFIT = re.compile(r"[^a-zA-Z0-9_.:-]")
_UNFIT_CLAUDE = re.compile(r"[^a-zA-Z0-9_-]")
LONGEST_ID = 64
_UNFIT_NAME = re.compile(r"[^A-Za-z0-9\s()\[\]-]+")
_SPACES = re.compile(r"\s+")
LONGEST_NAME = 200
KINDS = {"image": "image", "file": "document", "audio": "audio"}


class Writer:
    """Writes the conversation of one request; `losses` in the order in which they were met."""

    def __init__(self, maker: Maker) -> None:
        self.losses: dict[str, None] = {}
        self.links: tuple[MediaPart, ...] = ()
        self._maker = maker
        self._unnamed = 0  # calls without an id, which this dialect has to have
        self._waiting: list[str] = []  # ids given to them, until their results come
        self._names: set[str] = set()  # of documents, which are told apart by them

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
            _introduced(turn)
        _unpadded(turns)
        return system, turns

    def _system(self, message: Message) -> list[Members]:
        texts = [part for part in message.parts if isinstance(part, TextPart)]
        if len(texts) < len(message.parts):
            self.lose("media in a system message")
        return [block for part in texts if part.text.strip() for block in self.marked({"text": part.text}, part.cache)]

    def _part(self, part: Part, role: str) -> list[Members]:
        match part:
            case TextPart():
                if part.seal is not None:
                    self.lose("signature of a text")
                return self.marked({"text": part.text}, part.cache) if part.text.strip() else []
            case MediaPart():
                return self._shown(part, role)
            case CallPart():
                return self.marked({"toolUse": self._call(part)}, part.cache)
            case ResultPart():
                cache = part.cache or max((one.cache for one in part.media), default="")
                return self.marked({"toolResult": self._result(part)}, cache)
            case ReasoningPart():
                return self._reasoning(part)

    def marked(self, block: Members, cache: str) -> list[Members]:
        """The block, and behind it the point up to which a model that can keeps its prompt."""
        if not cache:
            return [block]
        if not self._maker.caches or (cache != "5m" and not self._maker.claude):
            self.lose(CACHE)
        if not self._maker.caches:
            return [block]
        point = {"type": "default"} | ({"ttl": cache} if cache != "5m" and self._maker.claude else {})
        return [block, {"cachePoint": point}]

    def _shown(self, part: MediaPart, role: str) -> list[Members]:
        if role != "user":
            self.lose(f"{part.kind} of an assistant")
            return []
        medium = self._medium(part)
        return [] if medium is None else self.marked(medium, part.cache)

    def _reasoning(self, part: ReasoningPart) -> list[Members]:
        """Only what is signed can go back, and only to the kind of model that signed it; `translate` has dropped the
        seals of other accounts."""
        seal = part.seal
        if seal is None or seal.form != "anthropic":
            self.lose("reasoning without a signature")
            return []
        if not self._maker.claude and self._maker.known:
            self.lose("reasoning of another model")
            return []
        if seal.redacted:
            return [{"reasoningContent": {"redactedContent": content_of(seal)}}]
        return [{"reasoningContent": {"reasoningText": {"text": part.text, "signature": seal.data}}}]

    def _id(self, id_: str) -> str:
        return (_UNFIT_CLAUDE if self._maker.claude else _UNFIT).sub("_", id_)[:LONGEST_ID]

    def _call(self, part: CallPart) -> Members:
        if part.seal is not None:
            self.lose("signature of a tool call")
        id_ = self._id(part.id)
        if not id_:
            self._unnamed += 1
            id_ = f"tooluse_{self._unnamed}"
            self._waiting.append(id_)
        return {"toolUseId": id_, "name": part.name, "input": arguments(part)}

    def _result(self, part: ResultPart) -> Members:
        """What a tool said; an empty object where it said nothing, since there has to be something."""
        id_ = self._id(part.id) or (self._waiting.pop(0) if self._waiting else "tooluse_1")
        content: list[Members] = [{"text": part.text}] if part.text.strip() else []
        for one in part.media:
            if one.kind == "audio":
                self.lose("audio in a tool result")
            elif (medium := self._medium(one)) is not None:
                content.append(medium)
        result: Members = {"toolUseId": id_, "content": content or [{"json": {}}]}
        if part.error:
            result["status"] = "error"
        return result

    def _medium(self, part: MediaPart) -> Members | None:
        if part.detail not in ("", "auto"):
            self.lose("image detail")
        kind = KINDS[part.kind]
        if part.name and kind != "document":
            self.lose("file name")
        if not part.url:
            self.lose(f"{part.kind} by file id")
            return None
        if part.url.startswith("s3://"):
            source: Members = {"s3Location": {"uri": part.url}}
            media_type = part.media_type
        elif part.url.startswith("data:"):
            head, _, data = part.url.removeprefix("data:").partition(",")
            media_type = head.partition(";")[0] or part.media_type
            whole = data if head.endswith(";base64") else b64encode(unquote_to_bytes(data)).decode()
            source = {"bytes": whole}
        else:
            self.lose(f"{part.kind} by URL")
            self.links += (part,) if is_link(part) else ()
            return None
        form = format_of(kind, media_type) or (_ending(kind, part.url) if "s3Location" in source else "")
        if not form:
            self.lose(f"{part.kind} of the type {media_type[:60] or 'unknown'}")
            return None
        named = {"name": self._named(part.name)} if kind == "document" else {}
        return {kind: {"format": form, **named, "source": source}}

    def _named(self, name: str) -> str:
        """A name for a document: plain characters, unlike every other one."""
        plain = _SPACES.sub(" ", _UNFIT_NAME.sub(" ", name)).strip()[:LONGEST_NAME] or "document"
        found, number = plain, 1
        while found in self._names:
            number += 1
            found = f"{plain[: LONGEST_NAME - 8]} {number}"
        self._names.add(found)
        return found


def _ending(kind: str, url: str) -> str:
    """The format that the end of an address names."""
    from_end = url.rpartition(".")[2].lower()
    family = {"image": "image", "audio": "audio"}.get(kind, "application")
    ends = {"jpg": "jpeg", "md": "md", "txt": "txt", "csv": "csv", "html": "html"}
    return format_of(kind, f"{family}/{ends.get(from_end, from_end)}") or (
        ends[from_end] if kind == "document" and from_end in ends and from_end != "jpg" else ""
    )


def _ordered(turn: Members, called: list[str]) -> list[str]:
    """Put the results in a turn first, in the order of the calls before it; the ids of the calls in the turn. The
    point behind a result stays behind it."""
    content: list[Members] = turn["content"]
    if turn["role"] != "user":
        return [block["toolUse"]["toolUseId"] for block in content if "toolUse" in block]
    places = {id_: at for at, id_ in enumerate(called)}
    groups: list[list[Members]] = []
    for block in content:
        if "cachePoint" in block and groups:
            groups[-1].append(block)
        else:
            groups.append([block])
    results = [group for group in groups if "toolResult" in group[0]]
    results.sort(key=lambda group: places.get(group[0]["toolResult"]["toolUseId"], len(places)))
    rest = [group for group in groups if "toolResult" not in group[0]]
    turn["content"] = [block for group in (*results, *rest) for block in group]
    return []


def _introduced(turn: Members) -> None:
    """A turn with a document has to have text: its name, where nothing else is said."""
    content: list[Members] = turn["content"]
    documents = [block["document"] for block in content if "document" in block]
    if documents and not any("text" in block for block in content):
        content.append({"text": documents[-1]["name"]})


def _unpadded(turns: list[Members]) -> None:
    """An assistant's turn at the end is one to continue, and may not end in white space."""
    if turns and turns[-1]["role"] == "assistant":
        last = turns[-1]["content"][-1]
        if "text" in last:
            last["text"] = last["text"].rstrip()
