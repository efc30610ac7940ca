"""Hints: what a request says that changes no answer, only what it costs or what is told beside it.

Where a provider's dialect has no place for one it is named like any loss, but no strict request is refused for it.
"""

from freehold.core.prompt import Prompt
from freehold.core.request import CallPart, MediaPart, ResultPart, TextPart

CACHE = "cache marks"
MANY = "cache marks beyond four"
HOUR = "cache mark for an hour after one for five minutes"
SUMMARY = "thinking.summary"
SUBJECT = "subject (sent as its digest)"
HINTS = frozenset({CACHE, MANY, HOUR, SUMMARY, SUBJECT})


def marked(prompt: Prompt) -> bool:
    """Whether any part of a prompt, or a tool, is marked for caching."""
    return any(tool.cache for tool in prompt.tools) or any(
        isinstance(part, TextPart | MediaPart | CallPart | ResultPart)
        and (part.cache or (isinstance(part, ResultPart) and any(medium.cache for medium in part.media)))
        for message in prompt.messages
        for part in message.parts
    )
