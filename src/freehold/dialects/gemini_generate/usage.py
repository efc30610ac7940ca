"""Usage of Gemini, brought into one normal form (see `core.usage`) and back.

Gemini counts thoughts beside the candidates, and what its own tools added to the prompt beside the prompt; ours are
parts of output and input. Cached tokens are part of the prompt in both
(ai.google.dev/api/generate-content#UsageMetadata).
"""

from typing import Any

from msgspec import Struct

from freehold.core.usage import Usage, service
from freehold.dialects.openai_chat.loose import items, members, number

MOST = 2**53
"""A larger count is no measurement."""
_TRAFFIC = {"ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority"}


class Counts(Struct, rename="camel", gc=False):
    """`usageMetadata` as it comes: counts so far, those that are nothing left out."""

    prompt_token_count: Any = None
    candidates_token_count: Any = None
    thoughts_token_count: Any = None
    tool_use_prompt_token_count: Any = None
    cached_content_token_count: Any = None
    total_token_count: Any = None
    prompt_tokens_details: Any = None
    candidates_tokens_details: Any = None
    service_tier: Any = None
    traffic_type: Any = None


def normal(said: Counts, searches: int = 0) -> Usage | None:
    """The normal form; None where nothing was counted yet. `searches` are those that the answer tells of."""
    prompt, total = _count(said.prompt_token_count), _count(said.total_token_count)
    if not (prompt or total):
        return None
    tools, thoughts = _count(said.tool_use_prompt_token_count), _count(said.thoughts_token_count)
    cached = _count(said.cached_content_token_count)
    heard, seen = _media(said.prompt_tokens_details)
    spoken, drawn = _media(said.candidates_tokens_details)
    return Usage(
        input_tokens=max(prompt + tools, cached),
        output_tokens=_count(said.candidates_token_count) + thoughts,
        cache_read_tokens=cached,
        input_audio_tokens=heard,
        input_image_tokens=seen,
        output_audio_tokens=spoken,
        output_image_tokens=drawn,
        reasoning_tokens=thoughts,
        searches=searches,
        service=_service(said),
    )


def _service(said: Counts) -> str:
    traffic = said.traffic_type
    if said.service_tier is None and traffic is None:
        return ""
    return service(said.service_tier or (_TRAFFIC.get(traffic, traffic) if isinstance(traffic, str) else None))


def _media(details: object) -> tuple[int, int]:
    """The tokens of sound, and of images."""
    heard = seen = 0
    for detail in items(details):
        one = members(detail)
        modality = one.get("modality")
        if modality == "AUDIO":
            heard += _count(one.get("tokenCount"))
        elif modality == "IMAGE":
            seen += _count(one.get("tokenCount"))
    return heard, seen


def _count(value: object) -> int:
    count = value if type(value) is int else number(value) or 0
    return count if 0 < count < MOST else 0


def usage_json(usage: Usage) -> dict[str, Any]:
    """Usage in Gemini's form."""
    told: dict[str, Any] = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": max(usage.output_tokens - usage.reasoning_tokens, 0),
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    if usage.reasoning_tokens:
        told["thoughtsTokenCount"] = usage.reasoning_tokens
    if usage.cache_read_tokens:
        told["cachedContentTokenCount"] = usage.cache_read_tokens
    return told
