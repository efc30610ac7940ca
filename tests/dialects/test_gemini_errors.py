"""Errors of Gemini, read and written in Google's shape."""

import json
from typing import Any

import pytest
from gemini_world import valid_response

from freehold.core.errors import (
    Broken,
    CredentialRefused,
    Forbidden,
    FreeholdError,
    Internal,
    InvalidRequest,
    NoneHealthy,
    Overloaded,
    Rejected,
    Throttled,
    TimedOut,
    Unauthenticated,
    UnknownModel,
)
from freehold.dialects.gemini_generate.dialect import GEMINI_GENERATE


def google(code: int, status: str, message: str = "no", *details: dict[str, Any]) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "status": status, "details": details}}).encode()


def detail(kind: str, **more: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **more}


KEY = google(400, "INVALID_ARGUMENT", "API key not valid.", detail("ErrorInfo", reason="API_KEY_INVALID"))
QUOTA = google(429, "RESOURCE_EXHAUSTED", "quota", detail("QuotaFailure"), detail("RetryInfo", retryDelay="31.5s"))
PLACE = google(400, "FAILED_PRECONDITION", "User location is not supported for the API use.")


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable", "wait"),
    [
        (400, google(400, "INVALID_ARGUMENT"), Rejected, False, None),
        (400, KEY, CredentialRefused, False, None),
        (400, PLACE, CredentialRefused, False, None),
        (401, google(401, "UNAUTHENTICATED"), CredentialRefused, False, None),
        (403, google(403, "PERMISSION_DENIED"), CredentialRefused, False, None),
        (404, google(404, "NOT_FOUND"), Rejected, False, None),
        (429, QUOTA, Throttled, True, 31.5),
        (500, google(500, "INTERNAL"), Broken, True, None),
        (503, google(503, "UNAVAILABLE"), Overloaded, True, None),
        (504, google(504, "DEADLINE_EXCEEDED"), TimedOut, True, None),
        (429, b"[" + QUOTA + b"]", Throttled, True, 31.5),
        (502, b"<html>", Broken, True, None),
    ],
)
def test_every_error_of_google_is_told_apart_with_the_time_that_it_names(
    status: int, body: bytes, kind: type[FreeholdError], retryable: bool, wait: float | None
) -> None:
    error = GEMINI_GENERATE.decode_error(status, {}, body, provider="gemini")
    assert (type(error), error.retryable, error.retry_after) == (kind, retryable, wait)


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (InvalidRequest("x", param="contents"), 400, "INVALID_ARGUMENT"),
        (Unauthenticated("x"), 401, "UNAUTHENTICATED"),
        (Forbidden("x"), 403, "PERMISSION_DENIED"),
        (UnknownModel("x"), 404, "NOT_FOUND"),
        (Throttled("x", retry_after=2), 429, "RESOURCE_EXHAUSTED"),
        (Internal("x"), 500, "INTERNAL"),
        (NoneHealthy("x", retry_after=0), 503, "UNAVAILABLE"),
        (TimedOut("x"), 504, "DEADLINE_EXCEEDED"),
    ],
)
def test_every_error_of_ours_has_googles_shape_and_word(error: FreeholdError, code: int, status: str) -> None:
    error.request_id = "r-1"
    told = json.loads(GEMINI_GENERATE.encode_error(error))["error"]
    assert (told["code"], told["message"], told["status"]) == (code, "x", status)
    details = {d["@type"].rpartition(".")[2]: d for d in told["details"]}
    assert details["ErrorInfo"]["reason"] == error.code.upper()
    assert details["RequestInfo"]["requestId"] == "r-1"
    assert ("BadRequest" in details) == (error.param is not None)
    wait = details.get("RetryInfo", {}).get("retryDelay")
    assert wait == (None if error.retry_after is None else f"{error.retry_after}s")
    again = GEMINI_GENERATE.decode_error(code, {}, GEMINI_GENERATE.encode_error(error), provider="p")
    assert again.retry_after == (error.retry_after if code == 429 or code == 503 else None)  # noqa: PLR1714


def test_the_sdk_reads_our_errors() -> None:
    errors = pytest.importorskip("google.genai.errors")
    told = json.loads(GEMINI_GENERATE.encode_error(Throttled("slow", retry_after=2)))
    error = errors.APIError(429, told, None)
    assert (error.code, error.status, error.message) == (429, "RESOURCE_EXHAUSTED", "slow")


def test_what_google_rejected_passes_as_it_was_said_and_what_others_rejected_is_told_in_googles_shape() -> None:
    body = google(400, "INVALID_ARGUMENT", "bad")
    assert GEMINI_GENERATE.encode_error(Rejected("p: bad", body=body)) == body
    foreign = GEMINI_GENERATE.encode_error(Rejected("p: bad", body=b'{"error":{"message":"bad","type":"x"}}'))
    assert json.loads(foreign)["error"]["status"] == "INVALID_ARGUMENT"


def test_the_judge_refuses_what_is_no_response() -> None:
    pydantic = pytest.importorskip("pydantic")
    pytest.importorskip("google.genai")
    with pytest.raises(pydantic.ValidationError):
        valid_response({"candidates": [{"made_up": 1}]})
