"""Admission: what is asked before any deployment is considered, as a list of steps.

A step takes what was asked and gives it back, the same or changed (a stricter label, a redacted request), or raises the
CallerError that the caller gets. The list is built when settings or keys load; the order is the order of the list, so
that the cheap and the strict come first. Money is reserved later, when the plan tells the dearest candidate.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from freehold.core.errors import Forbidden
from freehold.core.label import PUBLIC, Label
from freehold.core.principal import Key
from freehold.core.request import Request
from freehold.governance.keys import Keyring
from freehold.governance.limits import Limits


class Asked(Struct, frozen=True, kw_only=True):
    """A request and who asks (None: nobody, on an open gateway). `at`: UTC nanoseconds. `label`: what is known of
    its content so far."""

    request: Request
    key: Key | None
    at: int
    label: Label = PUBLIC


Step = Callable[[Asked], Asked]


def admit(steps: Sequence[Step], asked: Asked) -> Asked:
    """What may be planned for; the CallerError of the first step that says no."""
    for step in steps:
        asked = step(asked)
    return asked


def scopes(keyring: Keyring) -> Step:
    """Forbidden where the key may not ask for this name. Which models may serve it is the plan's to check."""

    def step(asked: Asked) -> Asked:
        key = asked.key
        if key is None or key.routes is None or keyring.allows(key, asked.request.model):
            return asked
        allowed = ", ".join(key.routes) or "nothing"
        raise Forbidden(
            f"Key '{key.name}' ({key.id}) may not ask for '{asked.request.model}', only for: {allowed}. Ask for one of "
            "these, or use another key.",
            param="model",
        )

    return step


def rates(limits: Limits) -> Step:
    """RateLimited where the key's requests or tokens a minute are used up."""

    def step(asked: Asked) -> Asked:
        if asked.key is not None:
            limits.take(asked.key, expected(asked.request), asked.at)
        return asked

    return step


def expected(request: Request) -> int:
    """The tokens that a request counts for until its usage is known: its prompt, and all it may generate."""
    return request.prompt_tokens + (request.max_output_tokens or 0) * request.choices
