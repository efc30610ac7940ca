"""Usage of Converse, brought into one normal form (see `core.usage`) and back (docs.aws.amazon.com,
API_runtime_TokenUsage).

Bedrock counts cached tokens beside `inputTokens`, ours are part of the prompt. Older answers name them `...Count`.
"""

from typing import Any

from freehold.core.usage import Usage, service
from freehold.dialects.openai_chat.loose import items, members, number

MOST = 2**53
"""A larger count is no measurement."""


def normal(raw: object, tier: object) -> Usage | None:
    """The normal form of a usage object and the service tier beside it; None where it is none."""
    usage = members(raw)
    if not usage:
        return None
    read = _count(usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    details = [members(one) for one in items(usage.get("cacheDetails"))]
    written = sum(_count(one, "inputTokens") for one in details)
    write = _count(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount") or written
    long = sum(_count(one, "inputTokens") for one in details if one.get("ttl") == "1h")
    return Usage(
        input_tokens=_count(usage, "inputTokens") + read + write,
        output_tokens=_count(usage, "outputTokens"),
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=min(long, write),
        service=service(members(tier).get("type")),
    )


def _count(usage: dict[str, Any], *names: str) -> int:
    """The first of these counts that is one."""
    for name in names:
        count = number(usage.get(name)) or 0
        if 0 < count < MOST:
            return count
    return 0


def usage_json(usage: Usage | None) -> dict[str, Any]:
    """Usage in Converse's form."""
    if usage is None:
        usage = Usage()
    read, write = usage.cache_read_tokens, usage.cache_write_tokens
    said: dict[str, Any] = {
        "inputTokens": max(usage.input_tokens - read - write, 0),
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": write,
    }
    if write:
        long = min(usage.cache_write_1h_tokens, write)
        counts = {"1h": long, "5m": write - long}
        said["cacheDetails"] = [{"ttl": ttl, "inputTokens": count} for ttl, count in counts.items() if count]
    return said
