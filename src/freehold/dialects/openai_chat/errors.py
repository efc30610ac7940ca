"""Errors of OpenAI-compatible providers, read in one function; and our errors in OpenAI's shape."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from freehold.core.errors import (
    Broken,
    CallerError,
    CredentialRefused,
    FreeholdError,
    Overloaded,
    ProviderError,
    Rejected,
    Throttled,
    TimedOut,
)
from freehold.core.ports import Headers

LONGEST = 2000
QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance", "quota_exceeded"})
BLOCKED = frozenset({"content_filter", "content_policy_violation", "moderation", "safety", "prompt_blocked"})


class Said:
    """What an error body says, whichever of the usual shapes it has."""

    def __init__(self, body: bytes) -> None:
        self.message, self.code, self.type, self.param = "", "", "", None
        try:
            value: Any = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            text = body[:LONGEST].decode("utf-8", "replace").strip()
            self.message = "an HTML page" if text.lower().startswith(("<!doctype", "<html")) else text
            return
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict):
            outer: dict[str, Any] = value
            inner = outer.get("error", outer)
            self._read(inner if isinstance(inner, dict) else {"message": inner, **outer})
        else:
            self.message = str(value)[:LONGEST]

    def _read(self, error: dict[str, Any]) -> None:
        message = error.get("message") or error.get("detail") or error.get("msg") or error.get("error_msg") or ""
        self.message = (
            message[:LONGEST] if isinstance(message, str) else msgspec.json.encode(message).decode()[:LONGEST]
        )
        code, kind, param = error.get("code"), error.get("type"), error.get("param")
        self.code = "" if code is None else str(code)
        self.type = kind if isinstance(kind, str) else ""
        self.param = param if isinstance(param, str) else None
        self.wait = error.get("retry_after")

    wait: object = None


def decode_error(status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
    """The error that an answer with this status is. Total: every status gives one."""
    said = Said(body)
    return _error(status, said, body, headers, provider)


def error_in_answer(error: bytes) -> ProviderError:
    """The error inside an answer that began with 200. A code that is an HTTP status is believed."""
    body = b'{"error":%b}' % error
    said = Said(body)
    value: Any = msgspec.json.decode(error)
    status = 502
    if isinstance(value, dict):
        for name in ("status", "status_code", "code"):
            number = value.get(name)
            if isinstance(number, int) and 400 <= number <= 599:
                status = number
                break
        else:
            status = 400 if said.type == "invalid_request_error" or said.code in BLOCKED else 502
    return _error(status, said, body, {}, "The provider")


def _error(status: int, said: Said, body: bytes, headers: Headers, provider: str) -> ProviderError:
    text = f"{provider} answered {status}: {said.message or 'no reason given'}"
    blocked = said.code in BLOCKED or said.type in BLOCKED
    if status == 429:
        if QUOTA & {said.code, said.type}:
            return CredentialRefused(f"{text} (the account at {provider} has no credit left)", body=body)
        return Throttled(text, retry_after=retry_after(headers, said), body=body)
    if status in {401, 402, 407} or (status == 403 and not blocked):
        return CredentialRefused(f"{text} (check the key and rights of {provider})", body=body)
    if status in {408, 504, 524}:
        return TimedOut(text, body=body)
    if status in {409, 425, 503, 529}:
        return Overloaded(text, retry_after=retry_after(headers, said), body=body)
    if 400 <= status < 500:
        return Rejected(text, upstream_status=status, body=body, param=said.param)
    return Broken(text, retry_after=retry_after(headers, said), body=body)


def retry_after(headers: Headers, said: Said | None = None) -> float | None:
    """Seconds to wait, where the provider names them: `retry-after-ms`, `retry-after` (RFC 9110 10.2.3), the body."""
    millis = headers.get("retry-after-ms", "")
    if _number(millis):
        return max(float(millis) / 1000, 0.0)
    value = headers.get("retry-after", "")
    if _number(value):
        return max(float(value), 0.0)
    if value:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        date = headers.get("date")
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return max((at - now).total_seconds(), 0.0)
    if said is not None and isinstance(said.wait, int | float) and not isinstance(said.wait, bool):
        return max(float(said.wait), 0.0)
    return None


def _number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "upstream_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def encode_error(error: FreeholdError) -> bytes:
    """{"error": {"message", "type", "param", "code"}}. What a provider rejected passes as it was said."""
    if isinstance(error, Rejected) and error.body.startswith(b"{"):
        return error.body
    kind = TYPES.get(
        error.status, "invalid_request_error" if isinstance(error, CallerError | Rejected) else "server_error"
    )
    if error.code == "insufficient_quota":
        kind = "insufficient_quota"
    value = {"message": error.message, "type": kind, "param": error.param, "code": error.code}
    return msgspec.json.encode({"error": value})


def encode_stream_error(error: FreeholdError) -> bytes:
    """The error as an event inside a stream that has begun."""
    value = {
        "message": error.message,
        "type": TYPES.get(error.status, "server_error"),
        "param": error.param,
        "code": error.code,
    }
    return b"data: %b\n\n" % msgspec.json.encode({"error": value})
