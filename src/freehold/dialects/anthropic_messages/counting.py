"""Counting the tokens of a request of Messages (docs.claude.com/en/api/messages-count-tokens)."""

import msgspec

from freehold.core.request import Request
from freehold.dialects.anthropic_messages.request import written
from freehold.dialects.quirks import Quirks

PATH = "/count_tokens"
COUNTED = frozenset({
    "model", "messages", "system", "tools", "tool_choice", "thinking", "cache_control", "output_config",
    "output_format", "context_management", "mcp_servers", "speed",
})  # fmt: skip
"""What has tokens, or a say in how many; anything else is refused there."""


def encode_count(request: Request, model: str, quirks: Quirks) -> bytes:
    """The body that asks a provider to count."""
    fields = {name: raw for name, raw in request.fields.items() if name in COUNTED}
    return b"{%b}" % b",".join(written(fields, model=model, quirks=quirks))


def counted(body: bytes) -> int | None:
    """The count in an answer; None where there is none."""
    try:
        value = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        return msgspec.json.decode(value.get("input_tokens", b"null"), type=int)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
