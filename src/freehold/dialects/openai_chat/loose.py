"""JSON as providers send it: a number in a string, null in place of a word, another shape than was promised."""

from typing import Any, cast


def word(value: object) -> str:
    """A string; "" for null."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def number(value: object) -> int | None:
    """An integer, or the one that a string of digits is; None for anything else."""
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        return int(value)
    return None


def members(value: object) -> dict[str, Any]:
    """An object; empty for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """A list; a list of one for anything else but null."""
    return cast("list[Any]", value) if isinstance(value, list) else [] if value is None else [value]


def cache_of(mark: object) -> str:
    """How long a `cache_control` mark asks for, as OpenRouter and others take it from Anthropic; '' for no mark."""
    control = members(mark)
    if control.get("type") != "ephemeral":
        return ""
    ttl = control.get("ttl")
    return "1h" if ttl == "1h" else "5m"
