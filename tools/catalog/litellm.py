"""litellm's price map as sightings."""

import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from freehold.catalog.schema import Sighting
from freehold.core.money import Price
from freehold.core.tariff import PARTS, Hours, Row, Tariff

SERVICES = {
    "batches": "batch",
    "flex": "flex",
    "priority": "priority",
    "balanced": "balanced",
    "ultrafast": "ultrafast",
}
FIELDS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_reasoning_token": "reasoning",
}
PRICE = re.compile(
    rf"^({'|'.join(sorted(FIELDS, key=len, reverse=True))})(?:_above_(\d+)k_tokens)?(?:_({'|'.join(SERVICES)}))?$"
)
MODES = {"embedding", "rerank"}


def rate(dollars: float) -> int:
    """Nano-dollars for a million tokens, of dollars for one."""
    return int((Decimal(repr(dollars)) * 10**15).to_integral_value(rounding=ROUND_HALF_EVEN))


def rates(fields: Mapping[str, float], mode: str) -> Price | None:
    """The rates of one row; None where what it costs is not said. Nothing but an embedding's answer costs zero."""
    known = {name: rate(value) for name, value in fields.items() if value}
    if mode in MODES and "input" in known:
        known.setdefault("output", 0)
    return Price(**known) if {"input", "output"} <= known.keys() else None


def tariff(entry: Mapping[str, Any]) -> Tariff | None:
    """The price list of an entry; None where it has no whole one."""
    mode = entry["mode"]
    found: dict[tuple[str, int], dict[str, float]] = {}
    for key, value in entry.items():
        if (match := PRICE.match(key)) and isinstance(value, int | float):
            where = (SERVICES.get(match[3], "standard"), int(match[2] or 0) * 1000)
            found.setdefault(where, {})[FIELDS[match[1]]] = value
    for tier in entry.get("tiered_pricing") or ():
        known = {FIELDS[k]: v for k, v in tier.items() if k in FIELDS}
        found[("standard", int(tier.get("range", (0,))[0]))] = known
    if entry.get("input_cost_per_request"):
        return None  # a fee for each request is not among the rates
    rows = [Row(service=s, above=a, rates=r) for (s, a), f in sorted(found.items()) if (r := rates(f, mode))]
    if not any(row.service == "standard" and not row.above for row in rows):
        return None
    off = entry.get("off_peak_pricing")
    cheap = rates({FIELDS[k]: v for k, v in off.items() if k in FIELDS}, mode) if off else None
    if off and cheap:
        rows.append(Row(rates=cheap, hours=tuple(hours(off))))
    regions = {
        name: int(Decimal(repr(entry[key])) * PARTS)
        for name in ("eu", "us")
        if (key := f"regional_processing_uplift_multiplier_{name}") in entry
    }
    return Tariff(rows=tuple(rows), regions=regions)


def hours(off: Mapping[str, Any]) -> Iterator[Hours]:
    ahead = 8 * 60 if off.get("weekday_timezone") == "Asia/Shanghai" else 0
    for window in off["windows"]:
        texts = window["hours_utc"]
        spans = tuple(span(text) for text in ([texts] if isinstance(texts, str) else texts))
        yield Hours(spans=spans, weekdays=tuple(window["weekdays"]), calendar_offset=ahead)


def span(text: str) -> tuple[int, int]:
    """'10:00-00:00' as minutes of the day; midnight at the end is the day's end."""
    start, end = (int(hour) * 60 + int(minute) for hour, minute in (part.split(":") for part in text.split("-")))
    return start, end or 24 * 60


def sighting(entry: Mapping[str, Any]) -> Sighting:
    def said(key: str) -> bool | None:
        return entry.get(key)

    return Sighting(
        source="litellm",
        tariff=tariff(entry),
        max_input=_count(entry.get("max_input_tokens")),
        max_output=_count(entry.get("max_output_tokens")),
        tools=said("supports_function_calling"),
        json=said("supports_response_schema"),
        reasoning=said("supports_reasoning"),
        vision=said("supports_vision"),
        ends=entry.get("deprecation_date"),
    )


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and value > 0 else None
