"""Answers of Converse and events of their streams patched: what is said replaced by what a stage made of it, every
other value equal."""

from typing import Any

import msgspec

from freehold.core.events import Delta, Reasoning, Text, ToolCall
from freehold.dialects.anthropic_messages.blocks import whole
from freehold.dialects.bedrock_converse.answer import SERVER
from freehold.dialects.bedrock_converse.eventstream import Message, Messages, event
from freehold.dialects.openai_chat.loose import items, members

_Members = dict[str, Any]


def patched(body: bytes, deltas: tuple[Delta, ...]) -> bytes:
    """A whole answer with its texts, thoughts and arguments replaced by those in `deltas`."""
    value: Any = msgspec.json.decode(body)
    message = members(members(value.get("output")).get("message"))
    blocks = [members(block) for block in items(message.get("content"))]
    _fill([b for b in blocks if b.get("text")], "text", [d.text for d in deltas if isinstance(d, Text)])
    told = [members(members(b.get("reasoningContent")).get("reasoningText")) for b in blocks]
    thoughts = [d.text for d in deltas if isinstance(d, Reasoning) and not (d.seal is not None and d.seal.redacted)]
    _fill([one for one in told if one.get("text")], "text", thoughts)
    calls = {d.id: d for d in deltas if isinstance(d, ToolCall)}
    kept: list[_Members] = []
    for block in blocks:
        called = members(block.get("toolUse"))
        if called and called.get("type") != SERVER:
            call = calls.get(called.get("toolUseId") or "")
            if call is None:
                continue
            called |= {"name": call.name, "input": whole(call.arguments)}
        kept.append(block)
    message["content"] = kept
    return msgspec.json.encode(value)


def _fill(places: list[_Members], name: str, texts: list[str]) -> None:
    """Put texts in the places where there were some; the last place takes those that are left over."""
    for number, place in enumerate(places):
        last = number == len(places) - 1
        place[name] = "".join(texts[number:]) if last else "".join(texts[number : number + 1])


def patched_event(raw: bytes, deltas: tuple[Delta, ...]) -> bytes:
    """An event of a stream, framed anew."""
    found: list[Message] = []
    Messages().feed(raw, found)
    kind, payload = found[0].headers.get(":event-type", ""), found[0].payload
    value: Any = msgspec.json.decode(payload)
    delta = members(value.get("delta"))
    if "text" in delta:
        delta["text"] = "".join(d.text for d in deltas if isinstance(d, Text))
    elif "toolUse" in delta:
        members(delta["toolUse"])["input"] = "".join(d.arguments for d in deltas if isinstance(d, ToolCall))
    elif "text" in members(delta.get("reasoningContent")):
        delta["reasoningContent"]["text"] = "".join(d.text for d in deltas if isinstance(d, Reasoning))
    return event(kind, msgspec.json.encode(value))
