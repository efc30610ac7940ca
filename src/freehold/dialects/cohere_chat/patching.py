"""Answers of Cohere and events of their streams patched: what is said replaced by what a stage made of it, every other
value equal."""

from typing import Any

import msgspec

from freehold.core.events import Delta, Reasoning, Text, ToolCall
from freehold.dialects.openai_chat.loose import items, members

_Members = dict[str, Any]


def patched(data: bytes, deltas: tuple[Delta, ...]) -> bytes:
    """`data` (an answer, or an event) with its texts, thoughts and arguments replaced by those in `deltas`."""
    value: Any = msgspec.json.decode(data)
    whole = value if "delta" not in value else members(value["delta"])
    message = members(whole.get("message"))
    blocks = [members(one) for one in items(message.get("content"))]
    texts = [d.text for d in deltas if isinstance(d, Text)]
    thoughts = [d.text for d in deltas if isinstance(d, Reasoning)]
    planned = message.get("tool_plan")
    if planned:
        message["tool_plan"], thoughts = thoughts[0] if thoughts else "", thoughts[1:]
    _fill([one for one in blocks if one.get("text")], "text", texts)
    _fill([one for one in blocks if one.get("thinking")], "thinking", thoughts)
    calls = {d.index: d for d in deltas if isinstance(d, ToolCall)}
    for index, call in enumerate(map(members, items(message.get("tool_calls")))):
        function = members(call.get("function"))
        said = calls.get(value.get("index") or index)
        if said is not None and function.get("arguments"):
            function["arguments"] = said.arguments
    return msgspec.json.encode(value)


def _fill(places: list[_Members], name: str, texts: list[str]) -> None:
    """Put texts in the places where there were some; the last place takes those that are left over."""
    for number, place in enumerate(places):
        last = number == len(places) - 1
        place[name] = "".join(texts[number:]) if last else "".join(texts[number : number + 1])
