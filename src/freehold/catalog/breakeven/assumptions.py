"""What a break-even rests on beside traffic and speed: each figure with its span, unit and source.

The spans are what we hold to be plausible, not statistics; every figure can be given another value.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from freehold.catalog.fit.accelerators import Accelerator


class Assumption(Struct, frozen=True, kw_only=True):
    """A figure with the span in which it may lie. `low` and `high` are equal where somebody said exactly."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    source: str


Values = Mapping[str, float]
"""A value for each assumption, by name."""

OWN = "given"
_TABLE = """
years|4|3|5|years|assumed: large clouds write servers off over 4 to 6 years
residual|0.1|0|0.25|share of the price|assumed: what accelerators bring after that time
capital|0.08|0.04|0.12|a year|assumed: what the money would earn or cost elsewhere
maintenance|0.05|0.02|0.1|of the price a year|assumed: support contracts and repairs
server|5000|2500|12000|USD for each accelerator|assumed: chassis, processors, memory, network
power_price|0.13|0.07|0.3|USD a kWh|EIA, commercial average of the USA 2024: 0.128; households in Germany: 0.3 and more
pue|1.4|1.1|1.6|ratio|Uptime Institute survey 2024: 1.56 on average; the largest clouds: 1.1
server_power|0.5|0.3|0.82|of the accelerators' watts|DGX H100: 10.2 kW with 8 x 700 W, which is 0.82 at most
idle|0.15|0.08|0.3|of the watts|assumed: an accelerator that holds a model and waits
space|150|0|190|USD for a kW a month|CBRE, North America 2024: 184 for colocation, without energy; 0 in an own room
carbon|473|30|700|g CO2 a kWh|Ember, world average 2024: 473; hydro and nuclear below 50, coal above 700
wage|90|60|150|USD an hour|assumed: an engineer with all costs
staff_api|1|0|4|hours a month|assumed: keys, limits, upgrades
staff_rented|12|5|40|hours a month|assumed: engine, models, monitoring
staff_owned|20|8|60|hours a month|assumed: as rented, and hardware
staff_replica|1|0.25|3|hours a month for each replica|assumed
spare|1|0|1|replicas|one that stands by while another is repaired
api_fall|0.15|0|0.4|a year|assumed: prices of the same model fall as hardware does
rent_fall|0.12|0|0.25|a year|the H100's rent fell by more than half from 2023 to 2025
power_rise|0.02|0|0.06|a year|assumed
"""


def _known() -> tuple[Assumption, ...]:
    rows = [line.split("|") for line in _TABLE.strip().splitlines()]
    return tuple(
        Assumption(name=name, value=float(value), low=float(low), high=float(high), unit=unit, source=source)
        for name, value, low, high, unit, source in rows
    )


KNOWN = _known()


def assumptions(card: Accelerator, given: Values) -> tuple[Assumption, ...]:
    """Every assumption for a kind of accelerator; what is `given` has no span. ValueError for what is missing."""
    found = [*KNOWN, *_hardware(card)]
    names = [one.name for one in found]
    wrong = [name for name in given if name not in (*names, *HARDWARE)]
    if wrong:
        raise ValueError(f"there is no assumption {wrong[0]}; there are {', '.join(sorted({*names, *HARDWARE}))}")
    for name, unit in HARDWARE.items():
        if name not in names and name in given:
            found.append(Assumption(name=name, value=0, low=0, high=0, unit=unit, source=OWN))
        elif name not in names:
            raise ValueError(f"{name} ({unit}) is not known for {card.name}; say it with --set {name}=VALUE")
    told = tuple(
        replace(one, value=given[one.name], low=given[one.name], high=given[one.name], source=OWN)
        if one.name in given
        else one
        for one in found
    )
    for one in told:
        _checked(one)
    return told


HARDWARE = {"buy": "USD for an accelerator", "rent": "USD for an accelerator an hour", "watts": "watts at most"}
SHARES = frozenset({"residual", "idle", "api_fall", "rent_fall"})


def _checked(one: Assumption) -> None:
    least = 0.25 if one.name == "years" else 1.0 if one.name == "pue" else 0.0
    most = 0.95 if one.name in SHARES else float("inf")
    if not least <= one.value <= most:
        raise ValueError(f"{one.name} = {one.value:g} cannot be: it is {least:g} at least and {most:g} at most")


def _hardware(card: Accelerator) -> list[Assumption]:
    found: list[Assumption] = []
    with Path(__file__).with_name("prices.csv").open(newline="", encoding="utf-8") as file:
        row = next((row for row in csv.DictReader(file) if row["name"] == card.name), None)
    for name in ("buy", "rent") if row is not None else ():
        assert row is not None
        found.append(
            Assumption(
                name=name,
                value=float(row[name]),
                low=float(row[f"{name}_low"]),
                high=float(row[f"{name}_high"]),
                unit=HARDWARE[name],
                source=row[f"{name}_source"],
            )
        )
    if card.watts is not None:
        watts = card.watts
        found.append(
            Assumption(
                name="watts", value=watts, low=watts * 0.6, high=watts, unit=HARDWARE["watts"], source=card.source
            )
        )
    return found
