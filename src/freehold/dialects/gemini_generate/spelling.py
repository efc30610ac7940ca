"""The names of Gemini's members: `camelCase` in its reference, `snake_case` as protocol buffers write them. Google
takes both (protobuf.dev/programming-guides/json), so both are read; what is written is in the first."""

from typing import Any

from freehold.dialects.openai_chat.loose import members

MOST_NAMES = 1024
_names: dict[str, str] = {}


def camel(name: str) -> str:
    """`inline_data` as `inlineData`; a name without underscores as it is."""
    known = _names.get(name)
    if known is None:
        first, *rest = name.split("_")
        known = first + "".join(part[:1].upper() + part[1:] for part in rest) if first else name
        if len(_names) < MOST_NAMES and len(name) < 64:
            _names[name] = known
    return known


def spelt(value: object) -> dict[str, Any]:
    """The members of an object under their names in `camelCase`; empty for anything else."""
    return {camel(name): inner for name, inner in members(value).items()}
