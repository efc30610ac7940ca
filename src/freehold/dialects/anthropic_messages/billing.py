"""Claude Code's billing block: a line at the top of its system prompt that is for Anthropic's accounting alone.

It differs from request to request (`cch`), so behind any other provider it would spoil every prompt cache at its very
first token. There it is left out; Anthropic gets it as it came.
"""

from typing import Any, cast

from freehold.dialects.openai_chat.loose import items, members

HEADER = b"x-anthropic-billing-header:"
_LINE = HEADER.decode()


def without_billing(system: Any) -> Any:
    """The system prompt (text, or blocks) without its billing lines; None where nothing else is in it."""
    if isinstance(system, str):
        return _unbilled(system) or None
    if not isinstance(system, list):
        return system
    kept: list[Any] = []
    for block in items(cast("object", system)):
        text: object = members(block).get("text")
        if not isinstance(text, str) or not text.startswith(_LINE):
            kept.append(block)
        elif rest := _unbilled(text):
            kept.append(members(block) | {"text": rest})
    return kept or None


def _unbilled(text: str) -> str:
    while text.startswith(_LINE):
        text = text.partition("\n")[2]
    return text
