"""What a request contains, what a deployment may receive, and the one rule between them."""

from enum import IntEnum

from msgspec import Struct


class Sensitivity(IntEnum):
    """How far content may travel; higher is stricter."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    RESTRICTED = 3


class Label(Struct, frozen=True, kw_only=True):
    """What a request contains. `zones` are where it may go (None: anywhere); `sovereign`: not under foreign law.

    Labels form a lattice: `join` of two is the least label at least as strict as both.
    """

    sensitivity: Sensitivity = Sensitivity.PUBLIC
    categories: frozenset[str] = frozenset()
    zones: frozenset[str] | None = None
    sovereign: bool = False

    def join(self, other: "Label") -> "Label":
        if self.zones is None or other.zones is None:
            zones = self.zones if other.zones is None else other.zones
        else:
            zones = self.zones & other.zones
        return Label(
            sensitivity=max(self.sensitivity, other.sensitivity),
            categories=self.categories | other.categories,
            zones=zones,
            sovereign=self.sovereign or other.sovereign,
        )


class Clearance(Struct, frozen=True, kw_only=True):
    """What a deployment may receive. `refuses` are categories that never go there."""

    ceiling: Sensitivity = Sensitivity.RESTRICTED
    refuses: frozenset[str] = frozenset()
    zone: str | None = None
    sovereign: bool = False


PUBLIC = Label()
ANYTHING = Clearance()


def may_flow(label: Label, clearance: Clearance) -> str | None:
    """Why `label` may not flow to `clearance`, or None where it may."""
    if label is PUBLIC:
        return None
    if label.sensitivity > clearance.ceiling:
        return f"content is {label.sensitivity.name.lower()}, cleared up to {clearance.ceiling.name.lower()}"
    if refused := label.categories & clearance.refuses:
        return f"not cleared for {', '.join(sorted(refused))}"
    if label.zones is not None and clearance.zone not in label.zones:
        return f"zone {clearance.zone or 'unknown'} is not among {', '.join(sorted(label.zones)) or 'none'}"
    if label.sovereign and not clearance.sovereign:
        return "content is sovereign, the deployment is not"
    return None
