"""Counting the tokens of a request of Responses (platform.openai.com/docs/api-reference/responses/input-tokens)."""

from typing import Any

import msgspec
from msgspec.structs import replace

from freehold.core.request import Request
from freehold.dialects.openai_chat.loose import members, number
from freehold.dialects.openai_responses.request import encode
from freehold.dialects.quirks import Quirks

PATH = "/input_tokens"
COUNTED = frozenset({
    "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "truncation",
    "previous_response_id", "conversation",
})  # fmt: skip
"""What has tokens, or a say in how many; anything else is refused there."""


def encode_count(request: Request, model: str, quirks: Quirks) -> bytes:
    """The body that asks a provider to count."""
    fields = {name: raw for name, raw in request.fields.items() if name in COUNTED}
    return encode(replace(request, fields=fields), model=model, quirks=quirks)


def counted(body: bytes) -> int | None:
    """The count in an answer; None where there is none."""
    return number(_object(body).get("input_tokens"))


def is_error(body: bytes) -> bool:
    """Whether something is wrong with the request, and not only that nothing is served at this path."""
    error = members(_object(body).get("error"))
    return error.get("type") == "invalid_request_error" and bool(error.get("param") or error.get("code"))


def told(count: int) -> dict[str, Any]:
    """A count as clients of this dialect read it."""
    return {"object": "response.input_tokens", "input_tokens": count}


def _object(body: bytes) -> dict[str, Any]:
    try:
        return members(msgspec.json.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
