"""Responses of Gemini patched: what is said replaced by what a stage made of it, every other value equal."""

from typing import Any

import msgspec

from freehold.core.events import Delta, Reasoning, Text, ToolCall
from freehold.dialects.gemini_generate.parts import object_of
from freehold.dialects.openai_chat.loose import items, members, number

_Members = dict[str, Any]


def patched(data: bytes, deltas: tuple[Delta, ...]) -> bytes:
    """`data` with the texts, thoughts and calls of its candidates replaced by those in `deltas`, in their order."""
    value: Any = msgspec.json.decode(data)
    for candidate in map(members, items(members(value).get("candidates"))):
        index = number(candidate.get("index")) or 0
        mine = [d for d in deltas if isinstance(d, Text | Reasoning | ToolCall) and d.choice == index]
        _patch(candidate, mine)
    return msgspec.json.encode(value)


def _patch(candidate: _Members, deltas: list[Text | Reasoning | ToolCall]) -> None:
    """Replace what a candidate says. Log probabilities tell the tokens of a text that is no longer there."""
    content = members(candidate.get("content"))
    parts = [members(part) for part in items(content.get("parts"))]
    changed = _fill([p for p in parts if _says(p, thought=True)], [d.text for d in deltas if type(d) is Reasoning])
    texts = [d.text for d in deltas if type(d) is Text]
    slots = [p for p in parts if _says(p, thought=False)]
    if texts and not slots and any(texts):
        parts.append({"text": "".join(texts)})
        changed = True
    else:
        changed = _fill(slots, texts) or changed
    kept = _calls(parts, [d for d in deltas if type(d) is ToolCall])
    if kept != items(content.get("parts")):
        candidate["content"] = {**content, "parts": kept}
        content.setdefault("role", "model")
    if changed:
        candidate.pop("logprobsResult", None)


def _says(part: _Members, *, thought: bool) -> bool:
    """Whether a part says text, or signs it, as it is read (see `answer`)."""
    if not isinstance(part.get("text"), str) or (part.get("thought") is True) != thought:
        return False
    return bool(part["text"] or part.get("thoughtSignature"))


def _fill(slots: list[_Members], texts: list[str]) -> bool:
    """One text for each part where they match, else all in the first; whether anything is different now."""
    if not slots:
        return False
    if len(slots) != len(texts):
        texts = ["".join(texts)] + [""] * (len(slots) - 1)
    changed = False
    for slot, text in zip(slots, texts, strict=True):
        changed = changed or slot["text"] != text
        slot["text"] = text
    return changed


def _calls(parts: list[_Members], deltas: list[ToolCall]) -> list[_Members]:
    """The parts with the arguments of their calls replaced; calls that are no longer said are left out."""
    kept: list[_Members] = []
    for part in parts:
        call = members(part.get("functionCall"))
        if "functionCall" not in part:
            kept.append(part)
            continue
        name = call.get("name")
        mine = next((d for d in deltas if d.name == name), None) if name else None
        if name and mine is None:
            continue  # nobody calls it any more
        if not name:  # a piece of a call: its arguments are told when it is whole
            mine = next((d for d in deltas if not d.name and d.arguments), None)
        if mine is not None:
            deltas.remove(mine)
            _arguments(call, mine.arguments)
        kept.append(part)
    return kept


def _arguments(call: _Members, text: str) -> None:
    if text and object_of(text) != members(call.get("args")):
        call.pop("partialArgs", None)
        call["args"] = object_of(text)
