"""A routing decision: its recorded inputs, its order, its exclusions. Recomputing it from here gives the same."""

from typing import Literal

from msgspec import Struct

from freehold.core.label import PUBLIC, Label
from freehold.core.request import Need


class Health(Struct, frozen=True, kw_only=True):
    """What recent calls say of one deployment. None: not measured yet. `open`: its circuit breaker rejects calls."""

    open: bool = False
    error_rate: float = 0.0
    ttft_ms: float | None = None
    tokens_per_second: float | None = None


WELL = Health()


class Inputs(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything a plan is computed from, beside the settings named by `settings` (their digest).

    `candidates` are deployment ids; `health` has only those that differ from a healthy unmeasured one; `allowed` are
    the key's model and route patterns (None: all); `draw` in [0, 1) decides by weights, the same for all turns of a
    conversation; `cohort` in [0, 1) is its place in a rollout (None: the route has none). `service` is the one that the
    caller asks for; `at`: prices are those of this instant, in UTC nanoseconds (0: none depends on it). `issuer`: the
    provider account that issued the newest seal in the conversation (None: it has none, or nobody knows).
    """

    settings: str
    asked: str
    candidates: tuple[str, ...]
    needs: tuple[Need, ...] = ()
    prompt_tokens: int = 0
    output_tokens: int = 0
    allowed: tuple[str, ...] | None = None
    label: Label = PUBLIC
    budgeted: bool = False
    health: dict[str, Health] = {}
    draw: float = 0.0
    cohort: float | None = None
    service: str = ""
    at: int = 0
    issuer: str | None = None


Ground = Literal["ability", "context", "key", "label", "price", "health", "rollout"]


class Exclusion(Struct, frozen=True):
    """A deployment that is not in the plan, on which ground, and why in words."""

    deployment: str
    ground: Ground
    reason: str


class Decision(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The plan: deployment ids in the order in which they are tried, `why` for the first, and what was left out."""

    inputs: Inputs
    order: tuple[str, ...]
    why: str = ""
    excluded: tuple[Exclusion, ...] = ()
