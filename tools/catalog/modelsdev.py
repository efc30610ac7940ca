"""models.dev's catalog as sightings."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from freehold.catalog.schema import Sighting
from freehold.core.money import Price
from freehold.core.tariff import Row, Tariff

FIELDS = {
    "input": "input",
    "output": "output",
    "cache_read": "cache_read",
    "cache_write": "cache_write",
    "input_audio": "input_audio",
    "output_audio": "output_audio",
    "reasoning": "reasoning",
}


def rates(cost: Mapping[str, Any]) -> Price | None:
    """The price, of dollars for a million tokens; None where what it costs is not said. Zero is unknown."""
    known = {
        field: int((Decimal(repr(cost[key])) * 10**9).to_integral_value(rounding=ROUND_HALF_EVEN))
        for key, field in FIELDS.items()
        if cost.get(key)
    }
    return Price(**known) if {"input", "output"} <= known.keys() else None


def table(value: Any) -> dict[str, Any]:
    return value or {}


def tariff(offer: Mapping[str, Any]) -> Tariff | None:
    cost = table(offer.get("cost"))
    base = rates(cost)
    if base is None or cost.get("request"):
        return None
    rows = [Row(rates=base)]
    for tier in cost.get("tiers", ()):
        longer = rates(tier)
        if longer is not None:
            rows.append(Row(rates=longer, above=int(tier["tier"]["size"])))
    modes = table(table(offer.get("experimental")).get("modes"))
    for name, mode in sorted(modes.items()):
        quick = rates(table(mode.get("cost")))
        if quick is not None:
            rows.append(Row(rates=quick, service=name))
    return Tariff(rows=tuple(rows))


def sighting(offer: Mapping[str, Any]) -> Sighting:
    limit = offer["limit"]
    return Sighting(
        source="models.dev",
        tariff=tariff(offer),
        context=limit.get("context") or None,
        max_input=limit.get("input") or None,
        max_output=limit.get("output") or None,
        tools=offer.get("tool_call"),
        json=offer.get("structured_output"),
        reasoning=offer.get("reasoning"),
        vision="image" in offer["modalities"]["input"],
    )
