"""Errors: every answer that is one has one meaning, and every error of ours has OpenAI's shape."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import (
    Broken,
    CallerError,
    CredentialRefused,
    FreeholdError,
    OperatorError,
    Overloaded,
    ProviderError,
    Rejected,
    Throttled,
    TimedOut,
)
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT

fuzz = settings(max_examples=300, deadline=None, derandomize=True, database=None)


def leaves(kind: type[FreeholdError]) -> Iterator[type[FreeholdError]]:
    below = kind.__subclasses__()
    for child in below:
        yield from leaves(child)
    if not below:
        yield kind


ALL = sorted((k for k in leaves(FreeholdError) if k.__module__ == FreeholdError.__module__), key=lambda k: k.__name__)


def decode(status: int, body: bytes = b"", **headers: str) -> ProviderError:
    return OPENAI_CHAT.decode_error(status, {k.replace("_", "-"): v for k, v in headers.items()}, body, provider="acme")


# what providers say

CLASSES = {
    400: (Rejected, False),
    401: (CredentialRefused, False),
    402: (CredentialRefused, False),
    403: (CredentialRefused, False),
    404: (Rejected, False),
    405: (Rejected, False),
    407: (CredentialRefused, False),
    408: (TimedOut, True),
    409: (Overloaded, True),
    413: (Rejected, False),
    415: (Rejected, False),
    422: (Rejected, False),
    425: (Overloaded, True),
    429: (Throttled, True),
    451: (Rejected, False),
    500: (Broken, True),
    501: (Broken, True),
    502: (Broken, True),
    503: (Overloaded, True),
    504: (TimedOut, True),
    520: (Broken, True),
    522: (TimedOut, True),
    524: (TimedOut, True),
    529: (Overloaded, True),
    599: (Broken, True),
    302: (Broken, True),
    100: (Broken, True),
}


@pytest.mark.parametrize(("status", "meaning"), CLASSES.items())
def test_a_status_has_one_meaning(status: int, meaning: tuple[type[ProviderError], bool]) -> None:
    error = decode(status, b'{"error":{"message":"because","param":"n"}}')

    assert (type(error), error.retryable) == meaning
    assert error.message.startswith(f"acme answered {status}: because")
    assert error.body == b'{"error":{"message":"because","param":"n"}}'
    if isinstance(error, Rejected):
        assert (error.status, error.param) == (status, "n")


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, {"code": "insufficient_quota"}, CredentialRefused),
        (429, {"type": "insufficient_quota"}, CredentialRefused),
        (403, {"code": "insufficient_balance"}, CredentialRefused),
        (429, {"code": "RateLimitReached"}, Throttled),
        (403, {"code": "content_filter"}, Rejected),
        (403, {"type": "moderation"}, Rejected),
        (400, {"code": "invalid_api_key"}, CredentialRefused),
        (400, {"code": "content_filter"}, Rejected),
    ],
)
def test_a_code_says_what_a_status_leaves_open(status: int, error: dict[str, str], kind: type[ProviderError]) -> None:
    assert type(decode(status, json.dumps({"error": {"message": "x", **error}}).encode())) is kind


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"because"}}', "because"),
        (b'{"error":"because"}', "because"),
        (b'{"error":{"message":"","detail":"because"}}', "because"),
        (b'{"message":"because"}', "because"),
        (b'{"Message":"because"}', "because"),
        (b'{"detail":"because"}', "because"),
        (b'{"detail":[{"loc":["body","n"],"msg":"because"}]}', '[{"loc":["body","n"],"msg":"because"}]'),
        (b'{"object":"error","message":{"detail":"because"}}', '{"detail":"because"}'),
        (b'[{"error":{"code":400,"message":"because","status":"INVALID_ARGUMENT"}}]', "because"),
        (b'{"errors":[{"code":"x","message":"because"}],"trace":"1"}', "because"),
        (b'{"error":["because"]}', "because"),
        (b'{"error":{"message":"Provider returned error","metadata":{"raw":"because"}}}',
         "Provider returned error (because)"),
        (b'{"base_resp":{"status_code":1,"status_msg":"because"}}', "because"),
        (b'"because"', "because"),
        (b"because\n", "because"),
        (b"\n<!DOCTYPE html><html>secret</html>", "an HTML page"),
        (b"", "no reason given"),
        (b"{}", "no reason given"),
        (b"[]", "no reason given"),
        (b"null", "no reason given"),
        (b'{"error":{}}', "no reason given"),
        (b'{"error":null}', "no reason given"),
    ],
)  # fmt: skip
def test_the_reason_is_found_in_every_usual_shape(body: bytes, said: str) -> None:
    assert decode(418, body).message == f"acme answered 418: {said}"


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, b"", None),
        ({"retry_after": "7"}, b"", 7.0),
        ({"retry_after": "0.5"}, b"", 0.5),
        ({"retry_after_ms": "1500", "retry_after": "2"}, b"", 1.5),
        ({"retry_after_ms": "0", "retry_after": "1"}, b"", 1.0),
        ({"retry_after": "Tue, 24 Nov 2026 10:00:30 GMT", "date": "Tue, 24 Nov 2026 10:00:00 GMT"}, b"", 30.0),
        ({"retry_after": "Tue, 24 Nov 2026 09:00:00 GMT", "date": "Tue, 24 Nov 2026 10:00:00 GMT"}, b"", 0.0),
        ({"retry_after": "Tue, 24 Nov 2026 10:00:00 -0000", "date": "Tue, 24 Nov 2026 10:00:00 GMT"}, b"", None),
        ({"retry_after": "Tue, 24 Nov 2026 10:00:00 GMT", "date": "yesterday"}, b"", None),
        ({"retry_after": "soon"}, b"", None),
        ({"retry_after": "²"}, b"", None),
        ({"retry_after": "-3"}, b"", None),
        ({"retry_after": "9" * 400}, b"", 7 * 24 * 3600.0),
        ({"retry_after_ms": "nan", "retry_after": "inf"}, b"", None),
        ({}, b'{"error":{"message":"x","retry_after":3}}', 3.0),
        ({}, b'{"error":{"message":"x","retry_after":true}}', None),
        ({"retry_after": "5"}, b'{"error":{"message":"x","retry_after":3}}', 5.0),
        ({}, b'[{"error":{"message":"x","details":[{"@type":"a"},{"@type":"b","retryDelay":"31s"}]}}]', 31.0),
    ],
)
def test_the_time_to_wait_is_the_one_that_is_named(headers: dict[str, str], body: bytes, seconds: float | None) -> None:
    assert decode(429, body, **headers).retry_after == seconds
    assert decode(503, body, **headers).retry_after == seconds


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["error", "errors", "message", "detail", "details", "code", "type", "param", "metadata", "raw",
                         "status", "retry_after", "retryDelay", "base_resp"]),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip
bodies = st.binary(max_size=40) | json_values.map(lambda v: json.dumps(v).encode()) | st.just(b"[" * 10_000)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text(max_size=12) | st.integers().map(str)
)


@fuzz
@given(status=st.integers(100, 599), body=bodies, headers=headers)
def test_every_answer_is_one_error(status: int, body: bytes, headers: dict[str, str]) -> None:
    error = OPENAI_CHAT.decode_error(status, headers, body, provider="acme")

    assert isinstance(error, ProviderError)
    assert error.message.startswith(f"acme answered {status}: ")
    assert error.retry_after is None or 0 <= error.retry_after <= 7 * 24 * 3600
    assert error.body == body
    told = json.loads(OPENAI_CHAT.encode_error(error))
    assert told["error"]


# what we say


def made(kind: type[FreeholdError]) -> FreeholdError:
    return kind("what is wrong and the way out")


@pytest.mark.parametrize("kind", ALL)
def test_every_error_of_ours_is_told_in_the_shape_of_openai(kind: type[FreeholdError]) -> None:
    error = made(kind)
    told = json.loads(OPENAI_CHAT.encode_error(error))
    streamed = OPENAI_CHAT.encode_stream_error(error)

    types = {
        400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
        405: "invalid_request_error", 408: "invalid_request_error", 413: "invalid_request_error",
        415: "invalid_request_error", 431: "invalid_request_error", 429: "rate_limit_error", 500: "server_error",
        502: "upstream_error", 503: "overloaded_error", 504: "timeout_error",
    }  # fmt: skip
    wanted = (
        "insufficient_quota" if error.code == "insufficient_quota" else types.get(error.status, "invalid_request_error")
    )
    assert told == {"error": {"message": error.message, "type": wanted, "param": None, "code": error.code}}
    assert streamed.startswith(b"data: ")
    assert streamed.endswith(b"\n\n")
    assert json.loads(streamed.removeprefix(b"data: ")) == told


def test_the_tree_is_whole() -> None:
    branches = (CallerError, ProviderError, OperatorError)

    assert len(ALL) > 20
    assert all(issubclass(kind, branches) for kind in ALL)
    assert len({kind.code for kind in ALL}) == len(ALL) - 1  # the plan and a provider can find a prompt too long


def test_what_a_provider_rejected_passes_as_it_was_said() -> None:
    body = b'{"error": {"message":"bad n","type":"invalid_request_error","param":"n","code":null,"more":[1]}}'

    assert OPENAI_CHAT.encode_error(decode(400, body)) == body
    assert OPENAI_CHAT.encode_stream_error(decode(400, body)) == b"data: " + body + b"\n\n"


@pytest.mark.parametrize("body", [b'{"error":', b"{}", b'{"error":null}', b'{"detail":"bad"}', b"bad", b'["bad"]', b""])
def test_a_rejection_of_another_shape_is_told_in_ours(body: bytes) -> None:
    error = decode(422, body)
    told = json.loads(OPENAI_CHAT.encode_error(error))["error"]

    assert told["message"] == error.message
    assert (told["type"], told["code"]) == ("invalid_request_error", "provider_rejected")


def test_a_refused_credential_is_the_operators_and_its_words_are_not_passed_on_as_the_callers() -> None:
    body = b'{"error":{"message":"Incorrect API key provided: sk-12","code":"invalid_api_key"}}'
    told = json.loads(OPENAI_CHAT.encode_error(decode(401, body)))["error"]

    assert (told["code"], told["type"]) == ("provider_credential_refused", "upstream_error")


def test_an_error_in_a_stream_stays_on_one_line() -> None:
    body = b'{\n  "error": {"message": "bad\\nthing"}\n}'
    frame = OPENAI_CHAT.encode_stream_error(decode(400, body))

    assert frame.count(b"\n") == 2
    assert json.loads(frame.removeprefix(b"data: ")) == json.loads(body)
