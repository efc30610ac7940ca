"""Responses that are kept, so that a caller can read them again and continue them."""

from typing import Literal

from msgspec import Raw, Struct

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]


class StoredResponse(Struct, frozen=True, kw_only=True):
    """One response as its caller got it, and what was said to it.

    `owner` is the id of the key that asked ('' where the door was open): nobody else ever sees it. `at` and
    `expires_at` are UTC nanoseconds. `account` is the provider account that answered, `held`: it keeps the response
    itself under this id. `previous` is the id of the response that this one continues; `input` are the items that came
    beyond it, `response` the answer, both in the dialect of Responses. `node` is the process that works on it, '' once
    that is over. `background`: nobody waited for it.
    """

    id: str
    owner: str
    at: int
    expires_at: int
    status: Status = "completed"
    account: str = ""
    held: bool = False
    previous: str | None = None
    subject: str | None = None
    background: bool = False
    node: str = ""
    input: Raw = Raw(b"[]")
    response: Raw = Raw(b"{}")
