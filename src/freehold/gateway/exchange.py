"""One request on its way through the gateway: everything known about it so far."""

from collections.abc import Mapping

from msgspec import Raw, Struct

from freehold.core.decision import Decision
from freehold.core.deployment import Deployment
from freehold.core.inference import Call, Inference, Purpose
from freehold.core.label import PUBLIC, Label
from freehold.core.ports import Headers
from freehold.core.principal import Key
from freehold.core.request import Request
from freehold.core.usage import Usage
from freehold.dialects.dialect import Dialect
from freehold.gateway.world import World
from freehold.governance.budget import Reservation


class Ask(Struct, frozen=True, kw_only=True):
    """What a caller handed in. `credential` is the value of its authorization header.

    What we ask ourselves, for another `purpose` than a caller, needs no credential: it is charged to `key`. `of` is
    the inference that it copies.
    """

    dialect: Dialect
    body: bytes
    credential: bytes | None = None
    headers: Mapping[bytes, bytes] = {}
    purpose: Purpose = "caller"
    key: Key | None = None
    of: str | None = None


class Exchange:
    """The state of one inference. `at` is UTC nanoseconds."""

    __slots__ = (
        "answered_by",
        "ask",
        "at",
        "calls",
        "cost",
        "decision",
        "decision_json",
        "episode",
        "first_content",
        "head",
        "id",
        "inference",
        "key",
        "label",
        "limit_headers",
        "request",
        "reservation",
        "reserved_tokens",
        "route",
        "usage",
        "warnings",
        "world",
    )

    def __init__(self, id_: str, at: int, ask: Ask, world: World) -> None:
        self.id = id_
        self.at = at
        self.ask = ask
        self.world = world
        self.key: Key | None = None
        self.label: Label = PUBLIC
        self.request: Request | None = None
        self.route = ""
        self.episode: str | None = None
        self.decision: Decision | None = None
        self.decision_json: Raw | None = None
        self.reservation: Reservation | None = None
        self.reserved_tokens = 0
        self.calls: list[Call] = []
        self.answered_by: Deployment | None = None
        self.head: Headers = {}
        self.first_content: int | None = None
        self.usage: Usage | None = None
        self.cost: int | None = None
        self.warnings: tuple[str, ...] = ()
        self.inference: Inference | None = None  # the record, once it is written
        self.limit_headers: tuple[tuple[str, str], ...] = ()
