"""Marks for caching, as Anthropic takes them: at most four, and none for an hour after one for five minutes
(docs.claude.com/en/docs/build-with-claude/prompt-caching)."""

from collections.abc import Callable, Iterator
from typing import Any

from freehold.dialects.hints import HOUR, MANY

MOST = 4


def bounded(body: dict[str, Any], lose: Callable[[str], None]) -> None:
    """Take away the marks that are too many, in place: the first stays, for what is shared, and the last three."""
    marked = [block for block in _blocks(body) if "cache_control" in block]
    if len(marked) > MOST:
        lose(MANY)
        for block in marked[1 : 1 - MOST]:
            del block["cache_control"]
        marked = [marked[0], *marked[1 - MOST :]]
    short = False
    for block in marked:
        mark = block["cache_control"]
        if short and mark.get("ttl") == "1h":
            lose(HOUR)
            del mark["ttl"]
        short = short or mark.get("ttl") != "1h"


def _blocks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All that can be marked, in the order in which a prompt is put together: tools, system, messages."""
    yield from body.get("tools", ())
    yield from body.get("system", ())
    for turn in body["messages"]:
        yield from turn["content"]
