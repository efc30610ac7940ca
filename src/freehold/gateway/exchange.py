"""One request on its way through the gateway: everything known about it so far."""

from collections.abc import Mapping

from msgspec import Raw, Struct

from freehold.core.decision import Decision
from freehold.core.deployment import Deployment
from freehold.core.errors import FreeholdError, NotFetched
from freehold.core.inference import Call, Inference, Purpose
from freehold.core.label import PUBLIC, Label
from freehold.core.ports import Headers
from freehold.core.principal import Key
from freehold.core.request import Request
from freehold.core.seal import Seal
from freehold.core.usage import Usage
from freehold.dialects.dialect import Dialect, Source
from freehold.dialects.openai_responses.history import Past
from freehold.gateway.world import World
from freehold.governance.budget import Reservation


class Ask(Struct, frozen=True, kw_only=True):
    """What a caller handed in. `credential` is the value of its authorization header; `target` its path and query.

    What we ask ourselves, for another `purpose` than a caller, needs no credential: it is charged to `key`. `of` is
    the inference that it copies. `past`: what the account that answered before gets in place of the body. `refusal`:
    what was found wrong with it before the pipeline. `id`: under which it is recorded, where that was chosen before.
    """

    dialect: Dialect
    body: bytes
    target: str = ""
    credential: bytes | None = None
    headers: Mapping[bytes, bytes] = {}
    purpose: Purpose = "caller"
    key: Key | None = None
    of: str | None = None
    past: Past | None = None
    refusal: FreeholdError | None = None
    id: str | None = None


class First(Struct, frozen=True):
    """The inference whose answer is given once more, under its own id and time."""

    id: str
    at: int


class Media(Struct, eq=False):
    """What came of the media that a request has by URL: `inline` as `data:` URLs, and `failed`, by their URL; `notes`
    are for answer and record."""

    inline: dict[str, str] = {}
    failed: dict[str, NotFetched] = {}
    notes: tuple[str, ...] = ()


def upstream_id(head: Headers) -> str | None:
    """The id that a provider gave a request."""
    return head.get("x-request-id") or head.get("request-id")


class Exchange(Struct, eq=False):
    """The state of one inference. `at` is UTC nanoseconds; `inference` is the record, once it is written; `limits` are
    lines for the head of the answer; `source` says where an answer in another dialect comes from; `strict`
    refuses a request that cannot be carried over whole; `first` is the inference that it repeats; `service` is the tier
    that was asked for ('' where none was); `sealed` names the accounts that issued the seals in the request, as far as
    they are known."""

    id: str
    at: int
    ask: Ask
    world: World
    key: Key | None = None
    label: Label = PUBLIC
    request: Request | None = None
    route: str = ""
    episode: str | None = None
    decision: Decision | None = None
    decision_json: Raw | None = None
    reservation: Reservation | None = None
    reserved_tokens: int = 0
    calls: list[Call] = []
    answered_by: Deployment | None = None
    head: Headers = {}
    first_content: int | None = None
    usage: Usage | None = None
    cost: int | None = None
    price: str | None = None
    warnings: tuple[str, ...] = ()
    strict: bool = False
    source: Source | None = None
    inference: Inference | None = None
    limits: str = ""
    first: First | None = None
    service: str = ""
    sealed: Mapping[Seal, str] = {}
    media: Media | None = None
