"""Results: the lines of the files that a batch makes, as OpenAI writes them
(platform.openai.com/docs/api-reference/batch/request-output)."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from freehold.core.batch import LineClaim
from freehold.gateway.batches.captured import Said

PREFIX = "batch_req_"


class Response(Struct, frozen=True, kw_only=True):
    status_code: int
    request_id: str
    body: Raw


class Result(Struct, frozen=True, kw_only=True):
    """One line. `error` is there where nothing was answered, not even an error."""

    id: str
    custom_id: str
    response: Response | None = None
    error: dict[str, str] | None = None


_encode = msgspec.json.Encoder().encode
decode: Any = msgspec.json.Decoder(Result).decode


def _line(result: Result) -> bytes:
    return _encode(result) + b"\n"


def answered(custom_id: str, said: Said) -> bytes:
    """The line of what was said, an answer or an error."""
    response = Response(status_code=said.status, request_id=said.request_id, body=said.body)
    return _line(Result(id=PREFIX + said.claim.inference, custom_id=custom_id, response=response))


def interrupted(custom_id: str, claim: LineClaim, how: str) -> bytes:
    """The line of a request that was sent by a process that died before it kept the answer. It is not sent again."""
    message = (
        f"The gateway ended while this request was under way ({how}); it was not sent a second time. "
        f"Its record is the inference {claim.inference}."
    )
    error = {"code": "interrupted", "message": message}
    return _line(Result(id=PREFIX + claim.inference, custom_id=custom_id, error=error))


def unsent(batch: str, number: int, custom_id: str, *, cancelled: bool) -> bytes:
    """The line of a request that was never sent."""
    if cancelled:
        error = {"code": "batch_cancelled", "message": "The batch was cancelled before this request was sent."}
    else:
        error = {"code": "batch_expired", "message": "This request could not be executed before the batch expired."}
    return _line(Result(id=f"{PREFIX}{batch.removeprefix('batch_')}_{number}", custom_id=custom_id, error=error))


def inference(line: bytes) -> str:
    """The id of the inference that a line is the result of; '' where it is no result."""
    try:
        result: Result = decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return result.id.removeprefix(PREFIX)


def good(line: bytes) -> bool:
    """Whether the line of a result is an answer."""
    result: Result = decode(line)
    return result.error is None and result.response is not None and result.response.status_code == 200
