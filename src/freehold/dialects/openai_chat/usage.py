"""Usage of OpenAI-compatible providers, brought into one normal form (see `core.usage`)."""

from collections.abc import Mapping
from decimal import InvalidOperation
from typing import Any, cast

from freehold.core.money import stated
from freehold.core.usage import Usage
from freehold.dialects.openai_chat.loose import members, number
from freehold.dialects.quirks import Quirks

Path = tuple[str, ...]

# Where providers put a count; the first that is there and not zero is it.
INPUT: tuple[Path, ...] = (("prompt_tokens",), ("input_tokens",))
OUTPUT: tuple[Path, ...] = (("completion_tokens",), ("output_tokens",))
CACHE_READ: tuple[Path, ...] = (
    ("prompt_tokens_details", "cached_tokens"),
    ("input_tokens_details", "cached_tokens"),
    ("cached_tokens",),
    ("num_cached_tokens",),
    ("prompt_cache_hit_tokens",),
    ("cache_read_input_tokens",),
)
CACHE_WRITE: tuple[Path, ...] = (
    ("prompt_tokens_details", "cache_write_tokens"),
    ("prompt_tokens_details", "cache_creation_tokens"),
    ("prompt_tokens_details", "cache_creation_input_tokens"),
    ("cache_creation_input_tokens",),
    ("cache_write_tokens",),
)
REASONING: tuple[Path, ...] = (
    ("completion_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "reasoning_tokens"),
    ("reasoning_tokens",),
)

MOST = 2**53
"""A larger count, or cost in nano-dollars, is no measurement."""


def normal(raw: object, quirks: Quirks) -> Usage | None:
    """The normal form of a usage object; None where it is none.

    Cached tokens beside the prompt instead of in it show by exceeding it. Reasoning outside the completion shows in
    the total, which then exceeds prompt plus completion by what was spent on it (xAI, Gemini), or by exceeding the
    completion (Gemini behind Vercel's gateway).
    """
    usage = members(raw)
    if not usage:
        return None
    names = tuple(usage)
    places = _PLACES.get(names) or _places(names)
    prompt, completion, read, write, reasoning = [_first(usage, paths) if paths else 0 for paths in places]
    beyond = _count(usage.get("total_tokens")) - prompt - completion
    if quirks.cached_outside or read > prompt:
        prompt += read
        beyond -= read
    if quirks.reasoning != "inside" and beyond > 0 and reasoning in {0, beyond}:
        reasoning = beyond
        completion += beyond
    elif quirks.reasoning == "outside" or (quirks.reasoning == "shown" and reasoning > completion):
        completion += reasoning
    return Usage(
        input_tokens=max(prompt, read + write),
        output_tokens=max(completion, reasoning),
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
        stated_cost=_cost(usage),
    )


_PLACES: dict[tuple[str, ...], tuple[tuple[Path, ...], ...]] = {}
"""Where the counts can be, by the names in a usage: a provider always sends the same few."""


def _places(names: tuple[str, ...]) -> tuple[tuple[Path, ...], ...]:
    if len(_PLACES) >= 256:
        _PLACES.clear()
    every = (INPUT, OUTPUT, CACHE_READ, CACHE_WRITE, REASONING)
    _PLACES[names] = found = tuple(tuple(path for path in paths if path[0] in names) for paths in every)
    return found


def _first(usage: Mapping[str, Any], paths: tuple[Path, ...]) -> int:
    for path in paths:
        value: Any = usage.get(path[0])
        if len(path) > 1:
            value = members(value).get(path[1])
        if value and (count := _count(value)):
            return count
    return 0


def _count(value: object) -> int:
    """A count as a number, or as digits in a string; 0 for anything else."""
    if isinstance(value, float):
        value = int(value) if 0 < value < MOST else 0
    count = number(value) or 0
    return count if 0 < count < MOST else 0


def _cost(usage: Mapping[str, Any]) -> int | None:
    """What the provider says it charged: dollars (OpenRouter, Vercel, Avian), a block with a total (Perplexity), or
    ticks of 10^-10 dollars (xAI; zero where its models are served by others)."""
    ticks = _count(usage.get("cost_in_usd_ticks"))
    if ticks:
        whole, rest = divmod(ticks, 10)
        return whole + (rest > 5 or (rest == 5 and whole & 1))
    cost: object = usage.get("cost")
    if isinstance(cost, dict):
        cost = members(cast("object", cost)).get("total_cost")
    if isinstance(cost, bool) or not isinstance(cost, int | float | str):
        return None
    try:
        nano = stated(cost)
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return nano if 0 <= nano < MOST else None
