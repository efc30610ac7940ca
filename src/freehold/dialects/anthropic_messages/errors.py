"""Errors of Messages: those of providers, read; and ours in Anthropic's shape (docs.claude.com/en/api/errors)."""

from typing import Any

import msgspec

from freehold.core.errors import CredentialRefused, FreeholdError, ProviderError, Rejected
from freehold.core.ports import Headers
from freehold.dialects.contexts import anthropic_words
from freehold.dialects.openai_chat.errors import decode_error as decode_any
from freehold.dialects.openai_chat.errors import error_in_answer
from freehold.dialects.openai_chat.loose import members

__all__ = ["decode_error", "encode_error", "encode_stream_error", "error_in_answer", "is_error"]

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_NO_CREDIT = ("credit balance is too low", "out of extra usage")


def decode_error(status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
    """The error that an answer with this status is. Total: every status gives one.

    An account without credit is told by the message alone, under 400: the owner's to mend, not the caller's.
    """
    error = decode_any(status, headers, body, provider=provider)
    if isinstance(error, Rejected) and any(words in error.message for words in _NO_CREDIT):
        return CredentialRefused(f"{error.message} (the account at {provider} has no credit left)", body=body)
    return error


def encode_error(error: FreeholdError) -> bytes:
    """{"type": "error", "error": {"type", "message"}, "request_id"}. What a provider that speaks this dialect rejected
    passes as it was said."""
    if isinstance(error, Rejected) and is_error(error.body):
        return error.body
    kind = TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    value = {
        "type": "error",
        "error": {"type": kind, "message": anthropic_words(error)},
        "request_id": error.request_id or None,
    }
    return msgspec.json.encode(value)


def encode_stream_error(error: FreeholdError) -> bytes:
    """The error as an event inside a stream that has begun, on one line."""
    body = encode_error(error)
    if b"\n" in body or b"\r" in body:
        body = msgspec.json.encode(msgspec.json.decode(body))
    return b"event: error\ndata: %b\n\n" % body


def is_error(body: bytes) -> bool:
    """Whether a body is an error of this dialect."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    said = members(value)
    return said.get("type") == "error" and isinstance(members(said.get("error")).get("type"), str)
