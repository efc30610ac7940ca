"""Observations: what a source said and when; and the rule that makes one fact of several.

The operator's word counts before the provider's, that before sources that agree, those before a single one. Sources
that differ are flagged; where they differ by more than twice the fact is quarantined: it is shown, and never used.
"""

from collections.abc import Callable, Sequence
from typing import Generic, Literal, TypeVar

from msgspec import Struct

T = TypeVar("T")

Standing = Literal["operator", "provider", "collection"]
"""Who a source is: whoever runs this gateway, who serves or made the model, or somebody who collects such facts."""

Basis = Literal["operator", "provider", "agreed", "single", "quarantined", "unknown"]

PRICES_DIFFER = 1.02
LIMITS_DIFFER = 1.03
QUARANTINED = 2.0


class Source(Struct, frozen=True, kw_only=True):
    """Where facts come from. `seen_at` is the ISO date of the copy that was read."""

    name: str
    version: str
    seen_at: str
    licence: str
    standing: Standing = "collection"


class Observation(Struct, Generic[T], frozen=True, kw_only=True):
    """What a source said. Dates are ISO, in UTC; the value holds from `valid_from` until before `valid_to`.

    `reason` is what the operator gave for it.
    """

    value: T
    source: str
    seen_at: str
    standing: Standing = "collection"
    valid_from: str | None = None
    valid_to: str | None = None
    reason: str = ""

    def holds(self, on: str) -> bool:
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on < self.valid_to)


class Fact(Struct, Generic[T], frozen=True, kw_only=True):
    """What we hold to be so. `value` is None where it is unknown or in quarantine; `flags` say what is not in order."""

    value: T | None
    basis: Basis
    flags: tuple[str, ...] = ()
    observations: tuple[Observation[T], ...] = ()


Apart = Callable[[T, T], float]
"""How far two values are apart: 1 is the same, 2 is twice."""


def ratio(a: int | float, b: int | float) -> float:
    """The larger over the smaller."""
    low, high = sorted((a, b))
    return high / low if low > 0 else (1.0 if low == high else float("inf"))


def settle(observations: Sequence[Observation[T]], on: str, apart: Apart[T], tolerance: float) -> Fact[T]:
    """The fact on a day. Among equals the newest counts, and of sources that agree the largest group."""
    holding = tuple(sorted((o for o in observations if o.holds(on)), key=lambda o: o.seen_at, reverse=True))
    if not holding:
        return Fact(value=None, basis="unknown")
    decided = next((o for o in holding if o.standing == "operator"), None)
    if decided is not None:
        return Fact(value=decided.value, basis="operator", observations=holding)
    groups = [[o for o in holding if apart(o.value, one.value) <= tolerance] for one in holding]
    best = max(groups, key=lambda group: (any(o.standing == "provider" for o in group), len(group)))
    chosen = next((o for o in best if o.standing == "provider"), best[0])
    flags = tuple(_differs(o, chosen, gap) for o in holding if (gap := apart(o.value, chosen.value)) > tolerance)
    if any(apart(o.value, chosen.value) > QUARANTINED for o in holding):
        return Fact(value=None, basis="quarantined", flags=flags, observations=holding)
    basis: Basis = "provider" if chosen.standing == "provider" else "agreed" if len(best) > 1 else "single"
    return Fact(value=chosen.value, basis=basis, flags=flags, observations=holding)


def _differs(other: Observation[T], chosen: Observation[T], gap: float) -> str:
    how = f"{gap:.2f} times" if gap != float("inf") else "beyond measure"
    return f"{other.source} ({other.seen_at}) is {how} apart from {chosen.source} ({chosen.seen_at})"
