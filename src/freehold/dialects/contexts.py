"""A prompt that does not fit a model: how providers say so, and how their clients know it.

Clients shorten a conversation when they hear it in the words of their own dialect, so each gets them.
"""

import re

from freehold.core.errors import ContextExceeded, ContextRejected, FreeholdError, Rejected

CODE = "context_length_exceeded"
_SAID = re.compile(
    r"context_length_exceeded|context_window_exceeded|exceed_context_size|too_many_(?:prompt_)?tokens"
    r"|(?:maximum|max) (?:context|prompt) length|(?:exceed|longer than|too large for)[^.]{0,60}context"
    r"|context (?:length|window|size|limit)[^.]{0,40}exceed"
    r"|(?:prompt|input) (?:is )?too long|total length of all messages is too long|too many (?:input )?tokens"
    r"|input token count[^.]{0,40} exceeds|reduce the length of the (?:messages|prompt|input)",
    re.I,
)
_STATUSES = frozenset({400, 413, 422})


def rejected(message: str, *, status: int, body: bytes = b"", param: str | None = None) -> Rejected:
    """What a provider rejected with this status; ContextRejected where the prompt does not fit its model."""
    said = f"{message} {body[:4000].decode('utf-8', 'replace')}"
    kind = ContextRejected if status in _STATUSES and _SAID.search(said) else Rejected
    return kind(message, upstream_status=status, body=body, param=param)


def exceeded(error: FreeholdError) -> bool:
    """Whether the prompt is too long, for all that could serve it or for the one that was asked."""
    return isinstance(error, ContextExceeded | ContextRejected)


def openai_words(error: FreeholdError) -> str:
    """As OpenAI says it (platform.openai.com/docs/guides/error-codes)."""
    if not isinstance(error, ContextExceeded) or not error.most:
        return error.message
    return (
        f"This model's maximum context length is {error.most} tokens. However, you requested about {error.tokens} "
        f"tokens. Please reduce the length of the messages or completion. {error.message}"
    )


def anthropic_words(error: FreeholdError) -> str:
    """As Anthropic says it, which Claude Code looks for before it compacts (docs.claude.com/en/api/errors)."""
    if isinstance(error, ContextExceeded) and error.most:
        return f"prompt is too long: {error.tokens} tokens > {error.most} maximum. {error.message}"
    return f"prompt is too long: {error.message}" if exceeded(error) else error.message


def gemini_words(error: FreeholdError) -> str:
    """As Google says it (ai.google.dev/gemini-api/docs/troubleshooting)."""
    if isinstance(error, ContextExceeded) and error.most:
        return (
            f"The input token count ({error.tokens}) exceeds the maximum number of tokens allowed ({error.most}). "
            f"{error.message}"
        )
    if exceeded(error):
        return f"The input token count exceeds the maximum number of tokens allowed. {error.message}"
    return error.message
