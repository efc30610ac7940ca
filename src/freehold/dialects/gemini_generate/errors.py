"""Errors of Gemini: those of the provider, read; and ours in Google's shape (google.aip.dev/193,
ai.google.dev/gemini-api/docs/troubleshooting)."""

from typing import Any

import msgspec

from freehold.core.errors import CredentialRefused, FreeholdError, ProviderError, Rejected
from freehold.core.ports import Headers
from freehold.dialects.contexts import gemini_words
from freehold.dialects.openai_chat.errors import decode_error as decode_any
from freehold.dialects.openai_chat.errors import error_in_answer
from freehold.dialects.openai_chat.loose import items, members

__all__ = ["decode_error", "encode_error", "encode_stream_error", "error_in_answer", "is_error", "status_of"]

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_KEY_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "SERVICE_DISABLED", "BILLING_DISABLED"})
_NO_ACCOUNT = ("api key not valid", "api key expired", "user location is not supported", "enable billing")
"""What Google says under 400 of the account that asks, not of what it asks."""
_TYPE = "type.googleapis.com/google.rpc."


def decode_error(status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
    """The error that an answer with this status is. Total: every status gives one."""
    error = decode_any(status, headers, body, provider=provider)
    if isinstance(error, Rejected) and (_reasons(body) & _KEY_REASONS or _of_the_account(error.message)):
        return CredentialRefused(f"{error.message} (check the key and rights of {provider})", body=body)
    return error


def _of_the_account(message: str) -> bool:
    told = message.lower()
    return any(words in told for words in _NO_ACCOUNT)


def _reasons(body: bytes) -> set[str]:
    """The reasons among the details of an error."""
    return {
        reason
        for detail in items(_error(body).get("details"))
        if isinstance(reason := members(detail).get("reason"), str)
    }


def _error(body: bytes) -> dict[str, Any]:
    """The error object in a body; a stream that fails has it in a list."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return members(members(next(iter(items(value)), None)).get("error"))


def is_error(body: bytes) -> bool:
    """Whether a body is an error in Google's shape."""
    return isinstance(_error(body).get("status"), str)


def status_of(error: FreeholdError) -> str:
    """Google's word for a status."""
    return STATUSES.get(error.status, "INVALID_ARGUMENT" if error.status < 500 else "INTERNAL")


def encode_error(error: FreeholdError) -> bytes:
    """{"error": {"code", "message", "status", "details"}}. What a provider that speaks this dialect rejected passes as
    it was said."""
    if isinstance(error, Rejected) and is_error(error.body):
        return error.body
    details: list[dict[str, Any]] = [
        {"@type": f"{_TYPE}ErrorInfo", "reason": error.code.upper(), "domain": "freehold"},
    ]
    if error.param:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]})
    if error.retry_after is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{max(error.retry_after, 0):.9g}s"})
    if error.request_id:
        details.append({"@type": f"{_TYPE}RequestInfo", "requestId": error.request_id})
    told = {"code": error.status, "message": gemini_words(error), "status": status_of(error), "details": details}
    return msgspec.json.encode({"error": told})


def one_line(error: FreeholdError) -> bytes:
    """The error on one line, as a frame of a stream has to be."""
    body = encode_error(error)
    if b"\n" in body or b"\r" in body or body[:1] == b"[":
        body = msgspec.json.encode({"error": _error(body)})
    return body


def encode_stream_error(error: FreeholdError) -> bytes:
    """The error as an event inside a stream that has begun."""
    return b"data: %b\r\n\r\n" % one_line(error)
