"""Errors of Responses: those of providers, read; and ours in the forms that this dialect has for them.

Before an answer begins an error is one of OpenAI's, as everywhere there. In a stream it is an `error` event, and the
response that it ended is told as failed.
"""

from typing import Any

import msgspec

from freehold.core.errors import Broken, CallerError, FreeholdError, ProviderError, Rejected
from freehold.dialects.contexts import CODE, exceeded, rejected
from freehold.dialects.openai_chat.errors import decode_error, encode_error, error_in_answer, said
from freehold.dialects.openai_chat.loose import members

__all__ = ["decode_error", "encode_error", "encode_stream_error", "error_event", "error_in_answer", "failure", "told"]

_WRONG = frozenset({
    "invalid_prompt", "context_length_exceeded", "bio_policy", "cyber_policy", "misalignment_policy_violation",
    "data_residency_mismatch", "vector_store_timeout",
})  # fmt: skip
"""Codes that say that the request itself is at fault; so do all that speak of an image."""


def failure(error: object) -> ProviderError:
    """The error with which a response failed that began well."""
    body = msgspec.json.encode({"error": error})
    heard = said(body)
    if heard.code in _WRONG or "image" in heard.code:
        text = f"The provider answered 400: {heard.message or heard.code}"
        return rejected(text, status=400, body=body, param=heard.param)
    found = error_in_answer(body)
    return found if heard.message or heard.code else Broken("The provider said that its answer failed", body=body)


def told(error: FreeholdError) -> dict[str, Any]:
    """The error as a failed response names it: of the few codes that there are."""
    if error.status == 429 and error.code != "insufficient_quota":
        code = "rate_limit_exceeded"
    else:
        wrong = CODE if exceeded(error) else "invalid_prompt"
        code = wrong if isinstance(error, CallerError | Rejected) else "server_error"
    return {"code": _own_code(error) or code, "message": error.message}


def _own_code(error: FreeholdError) -> str:
    """What a provider's own code was, where it rejected the request."""
    return said(error.body).code if isinstance(error, Rejected) and members(_value(error.body)).get("error") else ""


def _value(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def error_event(error: FreeholdError, sequence: int) -> bytes:
    """The error as an event inside a stream."""
    code = _own_code(error) or error.code
    body = {"type": "error", "sequence_number": sequence, "code": code, "message": error.message, "param": error.param}
    return b"event: error\ndata: %b\n\n" % msgspec.json.encode(body)


def encode_stream_error(error: FreeholdError) -> bytes:
    """The same, where nothing is known of the stream."""
    return error_event(error, 0)
