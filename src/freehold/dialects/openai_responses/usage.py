"""Usage of Responses, brought into one normal form (see `core.usage`) and back."""

from typing import Any

from msgspec.structs import replace

from freehold.core.usage import Usage, service
from freehold.dialects.openai_chat.loose import items, members, number
from freehold.dialects.openai_chat.usage import MOST
from freehold.dialects.openai_chat.usage import normal as counted
from freehold.dialects.quirks import Quirks


def normal(response: dict[str, Any], quirks: Quirks) -> Usage | None:
    """The usage that a response states; None where it states none."""
    raw = members(response.get("usage"))
    usage = counted(raw, quirks)
    if usage is None:
        return None
    write = usage.cache_write_tokens or _count(members(raw.get("input_tokens_details")).get("cache_write_tokens"))
    return replace(
        usage,
        input_tokens=max(usage.input_tokens, usage.cache_read_tokens + write),
        cache_write_tokens=write,
        searches=usage.searches or _searches(response),
        service=usage.service or service(response.get("service_tier")),
    )


def _searches(response: dict[str, Any]) -> int:
    """Searches of the web: as they are stated, else as they are among the items."""
    stated = members(members(response.get("tool_usage")).get("web_search")).get("num_requests")
    if stated is not None:
        return _count(stated)
    return sum(members(item).get("type") == "web_search_call" for item in items(response.get("output")))


def _count(value: object) -> int:
    count = number(value) or 0
    return count if 0 < count < MOST else 0


def usage_json(usage: Usage) -> dict[str, Any]:
    """Usage in the form of Responses."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
