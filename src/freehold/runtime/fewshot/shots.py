"""Few-shot prompting from own traffic: the answered requests that are most like a new one are put before it.

On disk a folder: `examples.jsonl` (a text and its answer each), `index.safetensors`, `shots.json`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Raw, Struct
from msgspec.structs import replace

from freehold.core.errors import SettingsWrong
from freehold.core.ports import SendHeaders, Sending, Sink, Upstream
from freehold.core.prompt import Prompt
from freehold.core.request import Message, TextPart
from freehold.dialects.dialect import Dialect, Written
from freehold.dialects.openai_chat.loose import items, members
from freehold.dialects.quirks import Quirks
from freehold.runtime.fewshot.index import Index, build
from freehold.runtime.tensors import read_safetensors, safetensors

EXAMPLES = "examples.jsonl"
INDEX = "index.safetensors"
RULES = "shots.json"
LEAST = 0.05
"""Similarity below which an example has nothing to do with the question."""

LETTERS_OF_TOKEN = 4
FIRST = frozenset({"system", "developer"})
"""Roles of the messages that stay before the examples."""


class Shot(Struct, frozen=True):
    """What somebody asked, and the answer that was right."""

    text: str
    target: str


class Rules(Struct, frozen=True, kw_only=True):
    """How many examples are shown at most, in how many tokens (estimated), and for which deployment this is."""

    base: str
    count: int
    max_tokens: int = 2000


class Shots:
    """The examples, found by likeness. Pure: the same question gets the same ones."""

    def __init__(self, rules: Rules, shots: Sequence[Shot], index: Index) -> None:
        self.rules = rules
        self._shots = shots
        self._index = index

    @classmethod
    def load(cls, folder: Path | str) -> "Shots":
        """SettingsWrong where the folder holds none."""
        folder = Path(folder)
        try:
            rules = msgspec.json.decode((folder / RULES).read_bytes(), type=Rules)
            rows = (folder / EXAMPLES).read_bytes().splitlines()
            shots = [msgspec.json.decode(line, type=Shot) for line in rows]
            return cls(rules, shots, Index(read_safetensors(folder / INDEX)))
        except (OSError, msgspec.DecodeError, KeyError) as error:
            raise SettingsWrong(f"{folder} holds no examples to show: {error}") from None

    def nearest(self, text: str, count: int | None = None) -> list[Shot]:
        """The examples most like the text, the nearest last, where models heed them most (Liu et al. 2022).

        No more than half of them have the same answer while others are about as near, so that a choice is shown.
        """
        count = self.rules.count if count is None else count
        likeness = self._index.similarity(text)
        order: list[int] = np.argsort(-likeness, kind="stable")[: 4 * count].tolist()
        near = [i for i in order if likeness[i] >= LEAST]
        chosen = [self._shots[i] for i in _varied(near, [self._shots[i].target for i in near], count)]
        room = self.rules.max_tokens * LETTERS_OF_TOKEN
        kept: list[Shot] = []
        for shot in chosen:
            size = len(shot.text) + len(shot.target)
            if size <= room:
                room -= size
                kept.append(shot)
        return kept[::-1]

    def rewrite(self, body: bytes) -> bytes:
        """A chat completion request with the examples as turns between the instructions and the conversation.

        All else stays as it was; so does all of a request without words of a user.
        """
        fields = msgspec.json.decode(body, type=dict[str, Raw])
        given = fields.get("messages")
        messages = [] if given is None else msgspec.json.decode(given, type=list[Raw])
        roles = [members(msgspec.json.decode(m)) for m in messages]
        text = next((t for m in reversed(roles) if m.get("role") == "user" and (t := _text(m))), "")
        shots = self.nearest(text) if text else []
        if not shots:
            return body
        first = next((i for i, m in enumerate(roles) if m.get("role") not in FIRST), len(roles))
        shown = [Raw(msgspec.json.encode(turn)) for shot in shots for turn in _turns(shot)]
        fields["messages"] = Raw(msgspec.json.encode([*messages[:first], *shown, *messages[first:]]))
        return msgspec.json.encode(fields)

    def shown(self, prompt: Prompt) -> Prompt:
        """The same for a request in no dialect."""
        messages = prompt.messages
        asked = (m.text.strip() for m in reversed(messages) if m.role == "user")
        text = next((text for text in asked if text), "")
        shots = self.nearest(text) if text else []
        first = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
        turns = (Message(who, (TextPart(said),)) for shot in shots for who, said in _said(shot))
        return replace(prompt, messages=(*messages[:first], *turns, *messages[first:])) if shots else prompt


def save(folder: Path, rules: Rules, shots: Sequence[Shot]) -> None:
    """Write the folder's files."""
    (folder / EXAMPLES).write_bytes(b"".join(msgspec.json.encode(s) + b"\n" for s in shots))
    (folder / INDEX).write_bytes(safetensors(build([s.text for s in shots])))
    (folder / RULES).write_bytes(msgspec.json.encode(rules))


class Lent:
    """The `Upstream` of another deployment, which stays its own: closing this one closes nothing."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> Sending:
        return self._upstream.send(path, headers, body, sink)

    async def close(self) -> None:
        pass


class ShotsUpstream(Lent):
    """The same for chat completions, asked with examples put before each question."""

    def __init__(self, upstream: Upstream, shots: Shots) -> None:
        super().__init__(upstream)
        self._shots = shots

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> Sending:
        return super().send(path, headers, self._shots.rewrite(body), sink)


class Shown:
    """A `Dialect` of conversations in which every request is written with examples before its question."""

    def __init__(self, dialect: Dialect, shots: Shots) -> None:
        self._dialect = dialect
        self._shots = shots

    def write(self, prompt: Any, *, model: str, quirks: Quirks) -> Written:
        told = self._shots.shown(prompt) if isinstance(prompt, Prompt) else prompt
        return self._dialect.write(told, model=model, quirks=quirks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dialect, name)


def _varied(near: Sequence[int], answers: Sequence[str], count: int) -> list[int]:
    """`count` of the nearest; one answer takes more than half only where the others run out."""
    most = math.ceil(count / 2)
    taken: Counter[str] = Counter()
    chosen: list[int] = []
    spare: list[int] = []
    for i, answer in zip(near, answers, strict=True):
        (chosen if taken[answer] < most else spare).append(i)
        taken[answer] += 1
    place = {i: n for n, i in enumerate(near)}
    return sorted([*chosen[:count], *spare[: max(0, count - len(chosen))]], key=place.__getitem__)


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(str(members(part).get("text") or "") for part in items(content)).strip()


def _turns(shot: Shot) -> list[dict[str, str]]:
    return [{"role": who, "content": said} for who, said in _said(shot)]


def _said(shot: Shot) -> tuple[tuple[Literal["user", "assistant"], str], ...]:
    return ("user", shot.text), ("assistant", shot.target)
