"""Messages and events of their streams patched: what is said replaced by what a stage made of it, every other value
equal."""

from typing import Any

import msgspec

from freehold.core.events import Delta, Reasoning, Text, ToolCall
from freehold.dialects.anthropic_messages.blocks import whole
from freehold.dialects.openai_chat.loose import items, members

_Members = dict[str, Any]
_PIECES = {"text_delta": (Text, "text"), "thinking_delta": (Reasoning, "thinking")}


def patched(data: bytes, deltas: tuple[Delta, ...]) -> bytes:
    """`data` (a message, or an event) with its texts, thoughts and arguments replaced by those in `deltas`."""
    value: Any = msgspec.json.decode(data)
    if value.get("type") == "content_block_delta":
        _piece(members(value.get("delta")), deltas)
    elif value.get("type") == "content_block_start":
        _blocks([members(value.get("content_block"))], deltas)
    else:
        blocks = [members(block) for block in items(value.get("content"))]
        gone = _blocks(blocks, deltas)
        if gone:
            value["content"] = [block for block in blocks if not any(block is one for one in gone)]
    return msgspec.json.encode(value)


def _piece(delta: _Members, deltas: tuple[Delta, ...]) -> None:
    kind, name = _PIECES.get(delta.get("type") or "", (ToolCall, "partial_json"))
    if name in delta:
        said = [d for d in deltas if isinstance(d, kind)]
        delta[name] = "".join(d.arguments if isinstance(d, ToolCall) else d.text for d in said)


def _blocks(blocks: list[_Members], deltas: tuple[Delta, ...]) -> list[_Members]:
    """Replace what blocks say, in place; those that are no longer said."""
    texts = [d for d in deltas if isinstance(d, Text)]
    thoughts = [d for d in deltas if isinstance(d, Reasoning) and not (d.seal is not None and d.seal.redacted)]
    calls = {d.id: d for d in deltas if isinstance(d, ToolCall)}
    gone: list[_Members] = []
    spoken = [b for b in blocks if b.get("type") == "text" and b.get("text")]
    _fill(spoken, "text", [d.text for d in texts])
    _fill(
        [b for b in blocks if b.get("type") == "thinking" and b.get("thinking")], "thinking", [d.text for d in thoughts]
    )
    for block in blocks:
        if block.get("type") == "tool_use":
            call = calls.get(block.get("id") or "")
            if call is None:
                gone.append(block)
            elif call.arguments:
                block["input"] = whole(call.arguments)
    return gone


def _fill(blocks: list[_Members], name: str, texts: list[str]) -> None:
    """One text for each block where they match, else all in the first."""
    if not blocks:
        return
    if len(blocks) != len(texts):
        texts = ["".join(texts)] + [""] * (len(blocks) - 1)
    for block, text in zip(blocks, texts, strict=True):
        block[name] = text
