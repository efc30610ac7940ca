"""Usage of OpenAI-compatible providers, brought into one normal form (see `core.usage`)."""

from typing import Any

from msgspec import Struct

from freehold.core.money import stated
from freehold.core.usage import Usage
from freehold.dialects.quirks import Quirks


class _Prompt(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Completion(Struct, gc=False):
    reasoning_tokens: int | None = None


class RawUsage(Struct, gc=False):
    """The counts in all the places where providers put them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None
    cached_tokens: int | None = None
    num_cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: Any = None
    cost_in_usd_ticks: int | None = None


def normal(raw: RawUsage, quirks: Quirks) -> Usage:
    """The normal form.

    Cached tokens beside the prompt instead of in it show by exceeding it. Reasoning outside the completion (xAI,
    Gemini) shows in the total, which then exceeds prompt plus completion by what was spent on it.
    """
    prompt, completion = raw.prompt_tokens or 0, raw.completion_tokens or 0
    details, spent = raw.prompt_tokens_details, raw.completion_tokens_details
    read = (details.cached_tokens if details is not None else 0) or 0
    read = read or raw.cached_tokens or raw.num_cached_tokens or raw.prompt_cache_hit_tokens or 0
    write = (details.cache_write_tokens if details is not None else 0) or raw.cache_creation_input_tokens or 0
    reasoning = (spent.reasoning_tokens if spent is not None else 0) or raw.reasoning_tokens or 0
    beyond = (raw.total_tokens or 0) - prompt - completion
    if beyond > 0 and reasoning in {0, beyond}:
        completion += beyond
        reasoning = beyond
    if quirks.cached_outside or read > prompt:
        prompt += read
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
        stated_cost=_cost(raw),
    )


def _cost(raw: RawUsage) -> int | None:
    """What the provider says it charged: dollars (OpenRouter, Vercel, Avian), a block with a total (Perplexity), or
    ticks of 10^-10 dollars (xAI)."""
    if raw.cost_in_usd_ticks is not None:
        return (raw.cost_in_usd_ticks + 5) // 10 or None
    cost: object = raw.cost
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    if isinstance(cost, int | float) and not isinstance(cost, bool):
        return stated(cost)
    return None


class GroqUsage(Struct, gc=False):
    """Groq repeats the usage of a stream in a place of its own."""

    usage: RawUsage | None = None
