"""One request answered: the unit of record."""

from typing import Literal

from msgspec import Raw, Struct

from freehold.core.decision import Decision
from freehold.core.events import OutcomeKind
from freehold.core.usage import Usage


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt at one deployment. Times are nanoseconds from the inference's `at`.

    `status` is the provider's HTTP status (0: none came); `error` the code of our error tree.
    """

    deployment: str
    start: int
    first_byte: int | None = None
    end: int = 0
    status: int = 0
    error: str | None = None
    message: str | None = None
    upstream_id: str | None = None


Purpose = Literal["caller", "shadow", "replay", "batch"]
"""Why it was asked: for a caller, as a copy for a candidate in shadow, again, to evaluate, or for a batch."""


class Accepted(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Written before anything is sent: the promise that a record will follow."""

    id: str
    at: int
    route: str
    key: str | None = None
    team: str | None = None
    purpose: Purpose = "caller"


class Inference(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The record of one inference, however it ended.

    `at`: UTC nanoseconds of acceptance; `duration` and `ttft` in nanoseconds; `cost` in nano-dollars (None: price or
    usage unknown); `price`: digest of the price it was computed from; `request`, `response`: SHA-256 of the bodies.
    `episode`: the conversation it belongs to, where the route keeps track; `of`: the inference that it copies, or
    whose answer it gave once more, without a call, where `cache` says so.
    """

    id: str
    at: int
    outcome: OutcomeKind
    route: str
    dialect: str = "openai-chat"
    key: str | None = None
    team: str | None = None
    subject: str | None = None
    episode: str | None = None
    purpose: Purpose = "caller"
    of: str | None = None
    cache: Literal["idempotent"] | None = None
    settings: str = ""
    stream: bool = False
    decision: Decision | Raw | None = None
    calls: tuple[Call, ...] = ()
    deployment: str | None = None
    status: int = 0
    error: str | None = None
    message: str | None = None
    usage: Usage | None = None
    cost: int | None = None
    price: str | None = None
    ttft: int | None = None
    duration: int = 0
    finish: str | None = None
    warnings: tuple[str, ...] = ()
    request: str | None = None
    response: str | None = None
