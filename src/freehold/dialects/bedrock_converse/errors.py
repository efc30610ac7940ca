"""Errors of Bedrock: those of the service, read; and ours in its shape (docs.aws.amazon.com,
API_runtime_ConverseStream, "Errors").

An error names itself in the header `x-amzn-errortype`, in `__type` of the body, or in the header of a stream's event.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from freehold.core.errors import (
    Broken,
    CredentialRefused,
    FreeholdError,
    Overloaded,
    ProviderError,
    Rejected,
    Throttled,
    TimedOut,
)
from freehold.core.ports import Headers
from freehold.dialects.bedrock_converse.eventstream import exception
from freehold.dialects.contexts import rejected
from freehold.dialects.openai_chat.errors import Said, retry_after, said
from freehold.dialects.openai_chat.loose import members, word

STATUSES = {
    "validationexception": 400,
    "conflictexception": 400,
    "serializationexception": 400,
    "servicequotaexceededexception": 429,
    "unrecognizedclientexception": 401,
    "invalidsignatureexception": 401,
    "incompletesignature": 401,
    "incompletesignatureexception": 401,
    "missingauthenticationtokenexception": 401,
    "missingauthenticationtoken": 401,
    "expiredtokenexception": 401,
    "requestexpired": 401,
    "optinrequired": 401,
    "accessdeniedexception": 403,
    "resourcenotfoundexception": 404,
    "modeltimeoutexception": 504,
    "throttlingexception": 429,
    "toomanyrequestsexception": 429,
    "modelnotreadyexception": 503,
    "serviceunavailableexception": 503,
    "internalserverexception": 500,
    "internalfailure": 500,
    "modelerrorexception": 502,
    "modelstreamerrorexception": 502,
}
"""The status that an error stands for, whatever the one it came with: a clock that is wrong is told under 403."""
NAMES = {
    400: "validationException",
    429: "throttlingException",
    503: "serviceUnavailableException",
    504: "modelTimeoutException",
}
"""What an error is called inside a stream."""


def kind_of(headers: Headers, body: bytes) -> str:
    """What an error calls itself, in lower case: `ThrottlingException:http://…` and `com.amazon#…` are its long
    forms; '' where it does not say."""
    named = headers.get("x-amzn-errortype") or word(members(_value(body)).get("__type"))
    return named.partition(":")[0].rpartition("#")[2].strip().lower()


def decode_error(status: int, headers: Headers, body: bytes, *, provider: str) -> ProviderError:
    """The error that an answer with this status is. Total: every status gives one."""
    kind = kind_of(headers, body)
    told = said(body)
    return _error(STATUSES.get(kind, status), replace(told, type=kind), headers, body, f"{provider} answered {status}")


def error_in_stream(headers: Headers, payload: bytes) -> ProviderError:
    """The error that a message of a stream is: an exception of the service, or a failure of the stream itself."""
    kind = headers.get(":exception-type") or headers.get(":error-code") or ""
    told = said(payload) if payload else Said(message=headers.get(":error-message", ""))
    value = members(_value(payload))
    original = value.get("originalStatusCode")
    status = STATUSES.get(kind.lower(), 502)
    if isinstance(original, int) and 400 <= original < 500 and status == 502:
        status = original
    return _error(status, replace(told, type=kind.lower()), {}, payload, "The provider answered in its stream")


def _error(status: int, told: Said, headers: Headers, body: bytes, who: str) -> ProviderError:
    text = f"{who}: {told.message or told.type or 'no reason given'}"
    wait = retry_after(headers, told)
    if status == 429:
        return Throttled(text, retry_after=wait, body=body)
    if status in (401, 403):
        return CredentialRefused(f"{text} (check the key, its rights and the clock)", body=body)
    if status in (408, 504):
        return TimedOut(text, body=body)
    if status in (409, 424, 503):
        return Overloaded(text, retry_after=wait, body=body)
    if 400 <= status < 500:
        return rejected(text, status=status, body=body, param=told.param)
    return Broken(text, retry_after=wait, body=body)


def encode_error(error: FreeholdError) -> bytes:
    """{"message", "__type"}. What a provider that speaks this dialect rejected passes as it was said."""
    if isinstance(error, Rejected) and isinstance(members(_value(error.body)).get("message"), str):
        return error.body
    name = NAMES.get(error.status, "validationException" if error.status < 500 else "internalServerException")
    return msgspec.json.encode({"message": error.message, "__type": name[:1].upper() + name[1:]})


def encode_stream_error(error: FreeholdError) -> bytes:
    """The error as the last event of a stream that has begun."""
    name = NAMES.get(error.status, "validationException" if error.status < 500 else "internalServerException")
    return exception(name, msgspec.json.encode({"message": error.message}))


def _value(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
