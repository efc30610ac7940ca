"""Usage of Messages, brought into one normal form (see `core.usage`) and back.

Anthropic counts cached tokens beside `input_tokens`, ours are part of the prompt. What compacting a conversation took
is stated beside the counts of the answer, under `iterations`, and is charged at the same rates: it is added. What an
advisor of another model took has other prices and is not.
"""

from typing import Any

from freehold.core.usage import Usage, service
from freehold.dialects.openai_chat.loose import items, members, number

MOST = 2**53
"""A larger count is no measurement."""


def normal(raw: object) -> Usage | None:
    """The normal form of a usage object; None where it is none."""
    usage = members(raw)
    if not usage:
        return None
    extra = [i for i in map(members, items(usage.get("iterations"))) if i.get("type") == "compaction"]
    counts = [_counts(one) for one in (usage, *extra)]
    plain, output, read, write, long = (sum(column) for column in zip(*counts, strict=True))
    reasoning = _count(members(usage.get("output_tokens_details")).get("thinking_tokens"))
    region = usage.get("inference_geo")
    return Usage(
        input_tokens=plain + read + write,
        output_tokens=max(output, reasoning),
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=min(long, write),
        reasoning_tokens=reasoning,
        searches=_count(members(usage.get("server_tool_use")).get("web_search_requests")),
        service=service(usage.get("service_tier")),
        region=region if isinstance(region, str) and region != "not_available" else "",
    )


def _counts(usage: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """Input beside the cache, output, cache read, cache written, and of that for an hour."""
    by_time = members(usage.get("cache_creation"))
    long = _count(by_time.get("ephemeral_1h_input_tokens"))
    write = _count(usage.get("cache_creation_input_tokens"))
    write = write or long + _count(by_time.get("ephemeral_5m_input_tokens"))
    read = _count(usage.get("cache_read_input_tokens"))
    return _count(usage.get("input_tokens")), _count(usage.get("output_tokens")), read, write, long


def _count(value: object) -> int:
    count = number(value) or 0
    return count if 0 < count < MOST else 0


def usage_json(usage: Usage | None) -> dict[str, Any]:
    """Usage in Anthropic's form."""
    if usage is None:
        usage = Usage()
    read, write = usage.cache_read_tokens, usage.cache_write_tokens
    said: dict[str, Any] = {
        "input_tokens": max(usage.input_tokens - read - write, 0),
        "cache_creation_input_tokens": write,
        "cache_read_input_tokens": read,
        "output_tokens": usage.output_tokens,
    }
    if write:
        long = min(usage.cache_write_1h_tokens, write)
        said["cache_creation"] = {"ephemeral_5m_input_tokens": write - long, "ephemeral_1h_input_tokens": long}
    if usage.reasoning_tokens:
        said["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.searches:
        said["server_tool_use"] = {"web_search_requests": usage.searches, "web_fetch_requests": 0}
    return said
