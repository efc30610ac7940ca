"""A small model on a card whose steps are easy to count, and traffic of one's own."""

import random
from collections.abc import Sequence

from freehold.catalog.book import catalog
from freehold.catalog.breakeven.assumptions import assumptions
from freehold.catalog.breakeven.capacity import Capacity
from freehold.catalog.breakeven.costs import Asks, Costs
from freehold.catalog.breakeven.replica import Pace, Replica, Tuning, replica
from freehold.catalog.breakeven.serving import Level, Served
from freehold.catalog.breakeven.traffic import Asked, Traffic, observed
from freehold.catalog.fit.accelerators import Accelerator, accelerator
from freehold.catalog.fit.candidate import candidate
from freehold.catalog.fit.machine import named
from freehold.core.money import NANO

LEVEL = Level(first_s=2.0, token_s=0.1, part=0.95)
PACE = Pace(first=0.01, weights=0.008, share=1.0, context=1e-8, prompt=0.0001)
TUNING = Tuning(sequences=64, chunk=500)


def small(room: int | None = None) -> Replica:
    """Gemma 4 26B A4B on one H100, with its own caches."""
    gemma = candidate(catalog().models["gemma-4-26b-a4b"])
    found = replica(gemma, named("H100 SXM"), longest=8192, prompt=1000, context=1200)
    return (
        found
        if room is None
        else Replica(
            option=found.option,
            devices=1,
            layers=found.layers,
            room=room,
            paces=found.paces,
            watts=found.watts,
        )
    )


def h100() -> Accelerator:
    found = accelerator("H100 SXM")
    assert found is not None
    return found


def asked(count: int, *, rate: float = 2.0, seed: int = 0) -> list[Asked]:
    """So many requests at a mean rate a second, of all lengths."""
    drawn = random.Random(seed)
    at = 0.0
    found: list[Asked] = []
    for _ in range(count):
        at += drawn.expovariate(rate)
        found.append(Asked(at, int(drawn.lognormvariate(6, 1)) + 1, int(drawn.lognormvariate(4, 1)) + 1))
    return found


def traffic(count: int = 400, *, rate: float = 2.0) -> Traffic:
    return observed("made up", asked(count, rate=rate))


NONE = Served(ok=True, first_s=(), token_s=(), busy_s=0, end_s=0, read=0, reused=0, written=0, elsewhere=())


def taking(most: Sequence[float] = (2.0, 4.5, 10.0, 22.0), alone: float = 0.4) -> Capacity:
    """Replicas that take so many times the traffic."""
    beyond = tuple((part, part, part) for part in (0.0, 0.0, 0.01, 0.03, 0.3, 0.5, 0.65, 0.8, 0.9))
    return Capacity(most=tuple(most), alone=alone, beyond=beyond, trickle=NONE)


def costs(dollars: float = 10_000, *, capacity: Capacity | None = None, devices: int = 1, **given: float) -> Costs:
    """The options where the API takes so many dollars a month."""
    values = {one.name: one.value for one in assumptions(h100(), given)}
    asks = Asks(input=round(dollars * 0.6 * NANO), output=round(dollars * 0.4 * NANO))
    return Costs(values=values, asks=asks, capacity=capacity or taking(), devices=devices)
