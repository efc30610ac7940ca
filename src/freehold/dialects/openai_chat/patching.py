"""Chunks and completions patched: what is said replaced by what a stage made of it, every other value equal.

Nothing of what was said may be left behind in another place: a second spelling of reasoning, the tokens of `logprobs`,
a `message` that repeats the deltas.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from freehold.core.events import Delta, Reasoning, Refusal, Text, ToolCall
from freehold.dialects.openai_chat.loose import items, members, number, word

_Members = dict[str, Any]
_Slot = tuple[_Members, str]
"""An object and the name of its member that holds a text."""

THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")


def patched(data: bytes, deltas: tuple[Delta, ...]) -> bytes:
    """`data` with its texts, reasoning, refusals and tool calls replaced by those in `deltas`, in their order."""
    value: Any = msgspec.json.decode(data)
    for choice in _objects(value.get("choices")):
        index = number(choice.get("index")) or 0
        mine = [d for d in deltas if isinstance(d, Text | Reasoning | Refusal | ToolCall) and d.choice == index]
        mine = [d for d in mine if type(d) is not Reasoning or d.text or d.seal is None]  # seals stay where they are
        said = [members(choice[name]) for name in ("delta", "message") if isinstance(choice.get(name), dict)]
        changed = False
        for place, part in enumerate(said):
            changed = _patch(part, mine if place == 0 else []) or changed
        if not said and isinstance(choice.get("text"), str):
            changed = _fill([(choice, "text")], [d.text for d in mine if type(d) is Text])
        if changed and choice.get("logprobs") is not None:
            choice["logprobs"] = None
    return msgspec.json.encode(value)


def _patch(said: _Members, deltas: list[Text | Reasoning | Refusal | ToolCall]) -> bool:
    """Replace what a message or delta says; whether anything is different now."""
    texts = [d.text for d in deltas if type(d) is Text]
    thoughts = [d.text for d in deltas if type(d) is Reasoning]
    parts = _objects(said.get("content"))
    inner = [part for part in parts if part.get("type") in {"thinking", "reasoning"}]
    slots = [slot for part in parts if part not in inner for slot in _slots(part, "text")]
    changed = _fill([*_slots(said, "content"), *slots], texts, said, "content")
    spellings = [list(_slots(said, name)) for name in THOUGHTS] + [[s for p in inner for s in _thinking(p)]]
    filled = [slots for slots in spellings if slots]
    for slots in filled or [[]]:
        changed = _fill(slots, thoughts, said, THOUGHTS[0]) or changed
    changed = _fill(_slots(said, "refusal"), [d.text for d in deltas if type(d) is Refusal], said, "refusal") or changed
    return _patch_calls(said, [d for d in deltas if type(d) is ToolCall]) or changed


def _fill(slots: Iterable[_Slot], texts: list[str], said: _Members | None = None, name: str = "") -> bool:
    """Put texts in their places: one each where they match, else all in the first; a new member where there is none."""
    places = list(slots)
    if not places:
        if said is not None and texts:
            said[name] = "".join(texts)
        return bool(texts)
    if len(places) != len(texts):
        texts = ["".join(texts)] + [""] * (len(places) - 1)
    changed = False
    for (place, key), text in zip(places, texts, strict=True):
        changed = changed or place[key] != text
        place[key] = text
    return changed


def _slots(said: _Members, name: str) -> list[_Slot]:
    """The places in a member that hold a text: itself, or the texts of the parts that it is."""
    value: Any = said.get(name)
    if isinstance(value, str):
        return [(said, name)] if value else []
    if name == "content":
        return []
    return [slot for part in _objects(value) for slot in _thinking(part)]


def _thinking(part: _Members) -> list[_Slot]:
    return [slot for name in ("text", "thinking", "summary", "content") for slot in _slots(part, name)]


def _patch_calls(said: _Members, deltas: list[ToolCall]) -> bool:
    """Each call takes the arguments of its delta; one that is no longer said is left out."""
    old = members(said.get("function_call"))
    calls = _objects(said.get("tool_calls"))
    if old.get("name") or old.get("arguments"):
        return _arguments(old, "arguments", deltas.pop().arguments if deltas else "")
    changed, kept = False, list[_Members]()
    removed = len(calls) - len(deltas)
    for call in calls:
        function = members(call.get("function")) or members(call.get("custom"))
        if removed > 0 and not (deltas and _same(call, function, deltas[0])):
            removed, changed = removed - 1, True
            continue
        kept.append(call)
        if deltas:
            name = "arguments" if "arguments" in function else "input"
            changed = _arguments(function, name, deltas.pop(0).arguments) or changed
    if len(kept) != len(calls):
        said["tool_calls"] = kept
    return changed


def _same(call: _Members, function: _Members, delta: ToolCall) -> bool:
    return word(call.get("id")) == delta.id and word(function.get("name")) == delta.name


def _arguments(function: _Members, name: str, text: str) -> bool:
    """Replace arguments, which some write as an object in place of its text."""
    before: Any = function.get(name)
    if isinstance(before, dict | list):
        try:
            after: Any = msgspec.json.decode(text)
        except msgspec.DecodeError:
            after = text
    else:
        after = text if before is not None or text else before
    if after == before:
        return False
    function[name] = after
    return True


def _objects(value: object) -> list[_Members]:
    """The objects in a list, or the one object that stands in its place."""
    return [part for item in items(value) if (part := members(item))]
