"""Who asks: a key, its scopes and its limits."""

from typing import Literal

from msgspec import Struct

Period = Literal["total", "day", "month"]


class Budget(Struct, frozen=True, kw_only=True):
    """At most `limit` nano-dollars in a period (UTC days and months)."""

    limit: int
    period: Period = "total"


class Key(Struct, frozen=True, kw_only=True):
    """A credential and what it may do. `digest` is SHA-256 of the secret; the secret itself is never stored.

    `routes` and `models` are shell-style patterns (None: all); rates are per minute (None: unlimited); times are UTC
    nanoseconds. After a rotation the `previous` digest is good until `previous_until`.
    """

    id: str
    digest: bytes
    name: str
    created_at: int
    team: str | None = None
    routes: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    budget: Budget | None = None
    admin: bool = False
    expires_at: int | None = None
    revoked_at: int | None = None
    previous: bytes | None = None
    previous_until: int | None = None
