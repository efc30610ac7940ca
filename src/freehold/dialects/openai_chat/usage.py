"""Usage of OpenAI-compatible providers, brought into one normal form (see `core.usage`)."""

from collections.abc import Mapping
from decimal import InvalidOperation
from typing import Any, cast

from freehold.core.money import stated
from freehold.core.usage import Usage, service
from freehold.dialects.openai_chat.loose import members, number
from freehold.dialects.quirks import Quirks

Path = tuple[str, str]
"""A member, and a member of that one; '' where the first is the count itself."""

# Where providers put a count; the first that is there and not zero is it.
INPUT: tuple[Path, ...] = (("prompt_tokens", ""), ("input_tokens", ""))
OUTPUT: tuple[Path, ...] = (("completion_tokens", ""), ("output_tokens", ""))
CACHE_READ: tuple[Path, ...] = (
    ("prompt_tokens_details", "cached_tokens"),
    ("input_tokens_details", "cached_tokens"),
    ("cached_tokens", ""),
    ("num_cached_tokens", ""),
    ("prompt_cache_hit_tokens", ""),
    ("cache_read_input_tokens", ""),
)
CACHE_WRITE: tuple[Path, ...] = (
    ("prompt_tokens_details", "cache_write_tokens"),
    ("prompt_tokens_details", "cache_creation_tokens"),
    ("prompt_tokens_details", "cache_creation_input_tokens"),
    ("cache_creation_input_tokens", ""),
    ("cache_write_tokens", ""),
)
REASONING: tuple[Path, ...] = (
    ("completion_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "reasoning_tokens"),
    ("reasoning_tokens", ""),
)
INPUT_DETAILS, OUTPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details"), "completion_tokens_details"
WRITE_1H: tuple[Path, ...] = (("cache_creation", "ephemeral_1h_input_tokens"),)
INPUT_AUDIO: tuple[Path, ...] = tuple((name, "audio_tokens") for name in INPUT_DETAILS)
INPUT_IMAGE: tuple[Path, ...] = tuple((name, "image_tokens") for name in INPUT_DETAILS)
OUTPUT_AUDIO: tuple[Path, ...] = ((OUTPUT_DETAILS, "audio_tokens"),)
OUTPUT_IMAGE: tuple[Path, ...] = ((OUTPUT_DETAILS, "image_tokens"),)
SEARCHES: tuple[Path, ...] = (
    ("server_tool_use", "web_search_requests"),
    ("server_tool_use_details", "web_search_requests"),
    ("num_search_queries", ""),
)
EVERY = (
    *(INPUT, OUTPUT, CACHE_READ, CACHE_WRITE, REASONING),
    *(WRITE_1H, INPUT_AUDIO, INPUT_IMAGE, OUTPUT_AUDIO, OUTPUT_IMAGE, SEARCHES),
)

TICKS = "cost_in_usd_ticks"

MOST = 2**53
"""A larger count, or cost in nano-dollars, is no measurement."""


def normal(raw: object, quirks: Quirks, tier: object = None) -> Usage | None:
    """The normal form of a usage object; None where it is none. `tier` is the service tier that the answer names.

    Cached tokens beside the prompt instead of in it show by exceeding it. Reasoning outside the completion shows in
    the total, which then exceeds prompt plus completion by what was spent on it (xAI, Gemini), or by exceeding the
    completion (Gemini behind Vercel's gateway).
    """
    usage = members(raw)
    if not usage:
        return None
    names = tuple(usage)
    counts = [0] * len(EVERY)
    for which, outer, inner in _PLACES.get(names) or _places(names):
        if not counts[which]:
            value = members(usage[outer]).get(inner) if inner else usage[outer]
            if value:
                counts[which] = _count(value)
    prompt, completion, read, write, reasoning, hour, audio, image, spoken, drawn, searches = counts
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
        cache_write_1h_tokens=hour,
        input_audio_tokens=audio,
        input_image_tokens=image,
        output_audio_tokens=spoken,
        output_image_tokens=drawn,
        reasoning_tokens=reasoning,
        searches=searches,
        service=service(tier or usage.get("service_tier")),
        stated_cost=_cost(usage) if "cost" in usage or TICKS in usage else None,
    )


_PLACES: dict[tuple[str, ...], tuple[tuple[int, str, str], ...]] = {}
"""Where counts can be, by the names in a usage: a provider always sends the same few. Each is (which of `EVERY`, name,
name within it or ''), the first ones first."""


def _places(names: tuple[str, ...]) -> tuple[tuple[int, str, str], ...]:
    if len(_PLACES) >= 256:
        _PLACES.clear()
    _PLACES[names] = found = tuple(
        (which, outer, inner) for which, paths in enumerate(EVERY) for outer, inner in paths if outer in names
    )
    return found


def _count(value: object) -> int:
    """A count as a number, or as digits in a string; 0 for anything else."""
    if type(value) is int:
        return value if 0 < value < MOST else 0
    if isinstance(value, float):
        value = int(value) if 0 < value < MOST else 0
    count = number(value) or 0
    return count if 0 < count < MOST else 0


def _cost(usage: Mapping[str, Any]) -> int | None:
    """What the provider says it charged: dollars (OpenRouter, Vercel, Avian), a block with a total (Perplexity), or
    ticks of 10^-10 dollars (xAI; zero where its models are served by others)."""
    ticks = _count(usage.get(TICKS))
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
