"""An interaction: what was asked and what was answered, word for word. The record has only digests of it."""

from typing import Literal

from msgspec import Struct

from freehold.core.events import Choice


class Body(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The words of one inference, kept where its route collects.

    `id`, `at` (UTC nanoseconds), `route`, `episode`, `subject` and `deployment` are those of the inference. `request`
    is the body as the caller sent it, in `dialect`; `answer` is the first choice, whole.
    """

    id: str
    at: int
    route: str
    dialect: str
    request: bytes
    answer: Choice
    episode: str | None = None
    subject: str | None = None
    deployment: str | None = None


class Consent(Struct, frozen=True, kw_only=True):
    """Whether a subject lets its data be used for a purpose. `at`: UTC nanoseconds; the newest one counts."""

    subject: str
    purpose: Literal["training"]
    allowed: bool
    at: int
