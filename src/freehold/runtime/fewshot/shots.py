"""Few-shot prompting from own traffic: the answered requests that are most like a new one are put before it.

On disk a folder: `examples.jsonl` (a text and its answer each), `index.safetensors`, `shots.json`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw, Struct

from freehold.core.errors import SettingsWrong
from freehold.core.ports import SendHeaders, Sending, Sink, Upstream
from freehold.dialects.openai_chat.loose import items, members
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


def save(folder: Path, rules: Rules, shots: Sequence[Shot]) -> None:
    """Write the folder's files."""
    (folder / EXAMPLES).write_bytes(b"".join(msgspec.json.encode(s) + b"\n" for s in shots))
    (folder / INDEX).write_bytes(safetensors(build([s.text for s in shots])))
    (folder / RULES).write_bytes(msgspec.json.encode(rules))


class ShotsUpstream:
    """The `Upstream` of another deployment, asked with examples put before each question.

    It is made with the base's own upstream, which stays the base's: closing this one closes nothing.
    """

    def __init__(self, upstream: Upstream, shots: Shots) -> None:
        self._upstream = upstream
        self._shots = shots

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> Sending:
        return self._upstream.send(path, headers, self._shots.rewrite(body), sink)

    async def close(self) -> None:
        pass


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
    return [{"role": "user", "content": shot.text}, {"role": "assistant", "content": shot.target}]
