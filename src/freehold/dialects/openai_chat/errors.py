"""Errors of OpenAI-compatible providers, read in one function; and our errors in OpenAI's shape."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
from msgspec import Struct

from freehold.core.errors import (
    Broken,
    ContextRejected,
    CredentialRefused,
    FreeholdError,
    Overloaded,
    ProviderError,
    Rejected,
    Throttled,
    TimedOut,
)
from freehold.core.ports import Headers
from freehold.dialects.contexts import CODE, openai_words, rejected
from freehold.dialects.openai_chat.loose import items, members

LONGEST = 2000
LONGEST_WAIT = 7 * 24 * 3600.0
QUOTA = frozenset({
    "insufficient_quota", "billing_hard_limit_reached", "insufficient_balance", "quota_exceeded", "credits_exhausted",
    "payment_required",
})  # fmt: skip
BLOCKED = frozenset({
    "content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation", "safety",
    "prompt_blocked", "data_inspection_failed",
})  # fmt: skip
BAD_KEY = frozenset({"invalid_api_key", "api_key_invalid", "authentication_error", "invalid_authentication"})
STATUSES = {
    "invalid_request_error": 400,
    "bad_request": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "timeout_error": 504,
    "overloaded_error": 503,
    "unavailable": 503,
    "engine_overloaded": 503,
}
"""The status that a type or code stands for, where an error came without one."""


class Said(Struct, frozen=True, kw_only=True):
    """What an error body says. `code` and `type` are in lower case; `status` and `wait` (seconds) where it has them."""

    message: str = ""
    code: str = ""
    type: str = ""
    param: str | None = None
    status: int | None = None
    wait: float | None = None


def said(body: bytes) -> Said:
    """What a body says, whichever of the usual shapes it has: OpenAI's, a bare message, FastAPI's `detail`, a list."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = body[:LONGEST].decode("utf-8", "replace").strip()
        return Said(message="an HTML page" if text[:1] == "<" else text)
    first = next(iter(items(value)), None)  # Google sends a list of errors
    outer = members(first)
    if not outer:
        return Said(message=_text(first))
    inner = next(iter(items(outer.get("error") or outer.get("errors") or outer.get("base_resp"))), outer)
    return _said(members(inner) or {**outer, "message": inner})


def _said(error: dict[str, Any]) -> Said:
    message = _first(error, "message", "detail", "msg", "error_msg", "status_msg", "Message", "title")
    behind = members(error.get("metadata")).get("raw")
    text = _text(message) + (f" ({_text(behind)})" if behind else "")
    code, kind, param = _first(error, "code", "error_code"), error.get("type"), error.get("param")
    return Said(
        message=text[:LONGEST],
        code="" if code is None else _text(code).lower(),
        type=kind.lower() if isinstance(kind, str) else "",
        param=param if isinstance(param, str) else None,
        status=_status(error),
        wait=_wait(error),
    )


def _first(error: dict[str, Any], *names: str) -> Any:
    return next((v for n in names if (v := error.get(n)) is not None and v != ""), None)


def _text(value: object) -> str:
    if value is None or value == {}:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text[:LONGEST]


def _status(error: dict[str, Any]) -> int | None:
    for name in ("status", "status_code", "statusCode", "code"):
        value = error.get(name)
        if isinstance(value, str) and len(value) == 3 and value.isdecimal():
            value = int(value)
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    return None


def _wait(error: dict[str, Any]) -> float | None:
    """Seconds that an error asks to wait: a member, or Google's RetryInfo among its details ("31s")."""
    found: Any = error.get("retry_after")
    for detail in items(error.get("details")):
        found = found or members(detail).get("retryDelay")
    return seconds(found.removesuffix("s") if isinstance(found, str) else found)


def seconds(value: object) -> float | None:
    """A number of seconds, bounded; None where it is none."""
    if isinstance(value, str) and value.isascii() and value.replace(".", "", 1).isdecimal():
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(min(max(value, 0), LONGEST_WAIT))


def decode_error(status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
    """The error that an answer with this status is. Total: every status gives one."""
    return _error(status, said(body), body, headers, provider)


def error_in_answer(body: bytes) -> ProviderError:
    """The error that came in an answer that began with 200. A code that is an HTTP status is believed."""
    told = said(body)
    blocked = told.code in BLOCKED or told.type in BLOCKED
    status = told.status or (400 if blocked else None) or STATUSES.get(told.type) or STATUSES.get(told.code)
    if status is None:
        status = 429 if QUOTA & {told.code, told.type} else 502
    return _error(status, told, body, {}, "The provider")


def complaint(body: bytes, *, whole: bool) -> ProviderError | None:
    """The error that something without choices is, if it is one. A whole answer has to have choices."""
    value = _object(body)
    told = said(body)
    failed = members(value.get("base_resp")).get("status_code") not in (None, 0)
    named = value.get("object") == "error" or value.get("type") == "error" or bool(value.get("errors"))
    if failed or named or (told.message and not value.get("usage")):
        return error_in_answer(body)
    if whole and not value.get("usage"):
        return Broken("The provider sent an answer without choices", body=body)
    return None


def _error(status: int, told: Said, body: bytes, headers: Headers, provider: str) -> ProviderError:
    text = f"{provider} answered {status}: {told.message or 'no reason given'}"
    words = {told.code, told.type}
    if status == 402 or (status in {400, 403, 429} and words & QUOTA):
        return CredentialRefused(f"{text} (the account at {provider} has no credit left)", body=body)
    if status == 429:
        return Throttled(text, retry_after=retry_after(headers, told), body=body)
    blocked = status == 403 and words & BLOCKED
    if status in {401, 407} or (status == 403 and not blocked) or (status == 400 and words & BAD_KEY):
        return CredentialRefused(f"{text} (check the key and rights of {provider})", body=body)
    if status in {408, 504, 522, 524}:
        return TimedOut(text, body=body)
    if status in {409, 425, 503, 529}:
        return Overloaded(text, retry_after=retry_after(headers, told), body=body)
    if 400 <= status < 500:
        return rejected(text, status=status, body=body, param=told.param)
    return Broken(text, retry_after=retry_after(headers, told), body=body)


def retry_after(headers: Headers, told: Said | None = None) -> float | None:
    """Seconds to wait, where the provider names them: `retry-after-ms` (0 says nothing), `retry-after` (RFC 9110
    10.2.3), the body."""
    if millis := seconds(headers.get("retry-after-ms")):
        return millis / 1000
    value = headers.get("retry-after", "").strip()
    wait = seconds(value)
    if wait is None and value:
        wait = _until(value, headers.get("date"))
    return told.wait if wait is None and told is not None else wait


def _until(value: str, date: str | None) -> float | None:
    """Seconds from the answer's own date, or from now, to an HTTP date."""
    try:
        at = parsedate_to_datetime(value)
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return seconds((at - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # no date, or one without a zone
        return None


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
    """{"error": {"message", "type", "param", "code"}}. What a provider rejected passes as it was said; only a
    prompt that is too long gets the code that clients look for."""
    if isinstance(error, Rejected) and (body := _object(error.body)).get("error"):
        told = members(body["error"])
        if not isinstance(error, ContextRejected) or told.get("code") == CODE:
            return error.body
        if told:
            return msgspec.json.encode(body | {"error": told | {"code": CODE}})
    kind = TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    if error.code == "insufficient_quota":
        kind = "insufficient_quota"
    value = {"message": openai_words(error), "type": kind, "param": error.param, "code": error.code}
    return msgspec.json.encode({"error": value})


def _object(body: bytes) -> dict[str, Any]:
    """The object that a body is; empty where it is none."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return members(value)


def encode_stream_error(error: FreeholdError) -> bytes:
    """The error as an event inside a stream that has begun, on one line."""
    body = encode_error(error)
    if b"\n" in body or b"\r" in body:
        body = msgspec.json.encode(msgspec.json.decode(body))
    return b"data: %b\n\n" % body
