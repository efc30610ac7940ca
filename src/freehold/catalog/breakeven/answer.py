"""Break-even: where own hardware becomes cheaper than an API, how sure that is, and on what it depends."""

import random
from collections.abc import Callable, Sequence
from math import exp, log

from msgspec import Struct
from msgspec.structs import replace

from freehold.catalog.breakeven.assumptions import Assumption
from freehold.catalog.breakeven.capacity import Capacity, at_pace, capacity
from freehold.catalog.breakeven.costs import Asks, Costs, Spent
from freehold.catalog.breakeven.replica import Replica
from freehold.catalog.breakeven.serving import Level
from freehold.catalog.breakeven.traffic import Traffic
from freehold.catalog.fit.choice import Option
from freehold.core.money import MILLION

MOST_REPLICAS = 128
DRAWS = 500
BAND = (0.1, 0.9)
"""The band holds 80 of 100 draws."""

Kind = str
OPTIONS = ("api", "rented", "owned", "burst")


class Crossing(Struct, frozen=True, kw_only=True):
    """From `times` today's traffic on an option is cheaper than the API for the first time, from `for_good` on always:
    in between a further replica may make it dearer again (None: not within `MOST_REPLICAS`).

    `load` is the part of what the replicas can take at the service level, `busy` of the time in which they work.
    """

    times: float
    tokens: float
    replicas: int
    load: float
    busy: float
    for_good: float | None


class Band(Struct, frozen=True, kw_only=True):
    """Between `low` and `high` times today's traffic lies the crossing in 80 of 100 draws; None: it never comes."""

    low: float | None
    middle: float | None
    high: float | None
    never: float


class Swing(Struct, frozen=True, kw_only=True):
    """The crossing (of owned hardware, in times today's traffic; None: never) where one figure is at its ends."""

    name: str
    low: float
    high: float
    at_low: float | None
    at_high: float | None


class Monthly(Struct, frozen=True, kw_only=True):
    """An option's month at today's traffic; nano-dollars, in all and for a million tokens."""

    spent: Spent
    total: int
    per_million: int


class Point(Struct, frozen=True, kw_only=True):
    """Nano-dollars a month at `times` today's traffic."""

    times: float
    api: int
    rented: int
    owned: int
    burst: int


class Summary(Struct, frozen=True, kw_only=True):
    """What was observed of the traffic, and what a month has of it."""

    source: str
    requests: int
    span_s: float
    input: int
    output: int
    cached: int
    requests_a_month: float
    tokens_a_month: float


class Serving(Struct, frozen=True, kw_only=True):
    """What replicas do: `replicas` is the least number that reaches the service level (0: none does), and `takes` how
    many times today's traffic they take. Times in seconds of requests that meet no other, at the level's part."""

    option: Option
    devices: int
    replicas: int
    takes: float
    takes_low: float
    takes_high: float
    first_s: float
    token_s: float


class Report(Struct, frozen=True, kw_only=True):
    """The answer. `options`, `crossings` and `bands` by option; `reachable`: whether the service level can be met."""

    traffic: Summary
    model: str
    hardware: str
    api: str
    level: Level
    serving: Serving
    reachable: bool
    options: dict[Kind, Monthly]
    crossings: dict[Kind, Crossing | None]
    bands: dict[Kind, Band]
    swings: tuple[Swing, ...]
    curve: tuple[Point, ...]
    assumptions: tuple[Assumption, ...]
    notes: tuple[str, ...]


Told = Callable[[str], None]


def report(
    traffic: Traffic,
    replica: Replica,
    asks: Asks,
    *,
    names: tuple[str, str, str],
    level: Level,
    assumed: Sequence[Assumption],
    hits: float,
    seed: int = 0,
    told: Told = lambda step: None,
) -> Report:
    """Simulate, price and compare. `names` are those of model, hardware and API; `hits` is the part of prompts that is
    cached where the traffic does not tell blocks."""
    told("capacity of replicas")
    middle = capacity(traffic, replica, replica.paces["middle"], level=level, hits=hits)
    slow, fast = (at_pace(middle, traffic, replica, replica.paces[x], level=level, hits=hits) for x in ("low", "high"))
    costs = Costs(values={a.name: a.value for a in assumed}, asks=asks, capacity=middle, devices=replica.devices)
    spread = _Spread(costs, assumed, slow, fast)
    told("crossings")
    crossings = {kind: crossing(costs, kind, traffic.tokens_a_month) for kind in ("rented", "owned")}
    bands = {kind: spread.band(kind, seed) for kind in ("rented", "owned")}
    today = {name: spent for name, spent in options(costs, 1.0).items() if spent is not None}
    return Report(
        traffic=_summary(traffic),
        model=names[0],
        hardware=names[1],
        api=names[2],
        level=level,
        serving=_serving(replica, middle, slow, fast, level),
        reachable=middle.least > 0,
        options={name: _option(spent, traffic.tokens_a_month) for name, spent in today.items()},
        crossings=crossings,
        bands=bands,
        swings=spread.swings(),
        curve=curve(costs, crossings["owned"]),
        assumptions=tuple(assumed),
        notes=traffic.notes,
    )


def options(costs: Costs, times: float) -> dict[Kind, Spent | None]:
    """A month of each option."""
    return {
        "api": costs.api(times),
        "rented": costs.rented(times),
        "owned": costs.owned(times),
        "burst": costs.burst(times),
    }


def first(costs: Costs, kind: Kind) -> float | None:
    """The least multiple of today's traffic at which an option is cheaper than the API; None where there is none.

    With a given number of replicas an option's lead only grows with the traffic, so that it is looked for where each
    number ends, and then between.
    """
    before = 0.0
    for count in range(1, MOST_REPLICAS + 1):
        end = costs.capacity.takes(count)
        if end <= before:
            continue
        if end > 0 and _lead(costs, kind, end) > 0:
            low, high = before, end
            while high > low * 1.001 + 1e-12:
                middle = (low + high) / 2
                low, high = (low, middle) if _lead(costs, kind, middle) > 0 else (middle, high)
            return high
        before = end
    return None


def crossing(costs: Costs, kind: Kind, tokens_a_month: float) -> Crossing | None:
    """Where an option becomes cheaper than the API."""
    times = first(costs, kind)
    if times is None:
        return None
    count = costs.capacity.needed(times) or 1
    last: float | None = times
    for further in range(count, MOST_REPLICAS):
        edge = costs.capacity.takes(further)
        if edge * (1 + 1e-9) > times and _lead(costs, kind, edge * (1 + 1e-9)) <= 0:
            last = None
        elif last is None:
            last = edge
    if last is not None and last != times:
        last = _settled(costs, kind, last)
    return Crossing(
        times=times,
        tokens=times * tokens_a_month,
        replicas=count,
        load=times / costs.capacity.takes(count),
        busy=costs.capacity.busy(times, count),
        for_good=last,
    )


def _settled(costs: Costs, kind: Kind, edge: float) -> float:
    """Within the number of replicas before `edge`: from where on the option leads."""
    count = costs.capacity.needed(edge) or 1
    low, high = costs.capacity.takes(count - 1), edge
    while high > low * 1.001 + 1e-12:
        middle = (low + high) / 2
        low, high = (low, middle) if _lead(costs, kind, middle) > 0 else (middle, high)
    return high


def _lead(costs: Costs, kind: Kind, times: float) -> int:
    """Nano-dollars a month that an option is cheaper than the API."""
    spent = costs.rented(times) if kind == "rented" else costs.owned(times)
    return -1 if spent is None else costs.api(times).total - spent.total


class _Spread:
    """What becomes of the crossing where figures are otherwise."""

    def __init__(self, costs: Costs, assumed: Sequence[Assumption], slow: Capacity, fast: Capacity) -> None:
        self._costs = costs
        self._assumed = [one for one in assumed if one.low < one.high]
        base = costs.capacity.most[-1]
        self._speeds = (slow.most[-1] / base, fast.most[-1] / base) if base else (1.0, 1.0)

    def band(self, kind: Kind, seed: int) -> Band:
        """Draw every figure within its span (triangular), and the speed within its interval."""
        drawn = random.Random(seed)
        found: list[float] = []
        for _ in range(DRAWS):
            values = dict(self._costs.values)
            for one in self._assumed:
                values[one.name] = drawn.triangular(one.low, one.high, one.value)
            values["spare"] = round(values["spare"])
            found.append(self._first(kind, values, self._speed(drawn.triangular(-1, 1, 0))))
        found.sort()
        low, middle, high = (found[int(part * (len(found) - 1))] for part in (BAND[0], 0.5, BAND[1]))
        return Band(
            low=_finite(low),
            middle=_finite(middle),
            high=_finite(high),
            never=sum(_finite(one) is None for one in found) / len(found),
        )

    def swings(self) -> tuple[Swing, ...]:
        """Each figure at its ends, the others as assumed: the largest swing first."""
        found: list[Swing] = []
        for one in self._assumed:
            at = [self._first("owned", {**self._costs.values, one.name: end}, 1.0) for end in (one.low, one.high)]
            found.append(
                Swing(name=one.name, low=one.low, high=one.high, at_low=_finite(at[0]), at_high=_finite(at[1]))
            )
        at = [self._first("owned", dict(self._costs.values), speed) for speed in self._speeds]
        low, high = self._speeds
        found.append(Swing(name="speed", low=low, high=high, at_low=_finite(at[0]), at_high=_finite(at[1])))
        return tuple(sorted(found, key=lambda s: -_reach(s)))

    def _speed(self, where: float) -> float:
        """Times the middle's capacity, from -1 (the interval's low end) to 1 (its high one)."""
        end = self._speeds[0] if where < 0 else self._speeds[1]
        return exp(log(end) * abs(where)) if end > 0 else 0.0

    def _first(self, kind: Kind, values: dict[str, float], speed: float) -> float:
        known = self._costs.capacity
        if not speed:
            return float("inf")
        scaled = replace(known, most=tuple(most * speed for most in known.most), alone=known.alone / speed)
        return first(replace(self._costs, values=values, capacity=scaled), kind) or float("inf")


def _reach(swing: Swing) -> float:
    if swing.at_low is None or swing.at_high is None:
        return 0.0 if swing.at_low is swing.at_high else float("inf")
    return abs(log(swing.at_high / swing.at_low))


def _finite(times: float) -> float | None:
    return None if times == float("inf") else times


def curve(costs: Costs, crossed: Crossing | None, points: int = 121) -> tuple[Point, ...]:
    """Costs over a range of traffic in which today's and the crossing lie; nothing where no level can be reached."""
    marks = [1.0] if crossed is None else [1.0, crossed.times, crossed.for_good or crossed.times]
    low, high = min(marks) / 10, max(*marks, costs.capacity.takes(costs.capacity.least or 1)) * 10
    found: list[Point] = []
    for n in range(points):
        times = low * (high / low) ** (n / (points - 1))
        every = {name: spent.total for name, spent in options(costs, times).items() if spent is not None}
        if len(every) == len(OPTIONS):
            found.append(Point(times=times, **every))
    return tuple(found)


def _summary(traffic: Traffic) -> Summary:
    return Summary(
        source=traffic.source,
        requests=traffic.requests,
        span_s=traffic.span,
        input=traffic.input,
        output=traffic.output,
        cached=traffic.cached,
        requests_a_month=traffic.requests * traffic.times,
        tokens_a_month=traffic.tokens_a_month,
    )


def _serving(replica: Replica, middle: Capacity, slow: Capacity, fast: Capacity, level: Level) -> Serving:
    return Serving(
        option=replica.option,
        devices=replica.devices,
        replicas=middle.least,
        takes=middle.takes(middle.least),
        takes_low=slow.takes(middle.least),
        takes_high=fast.takes(middle.least),
        first_s=_at(middle.trickle.first_s, level.part),
        token_s=_at(middle.trickle.token_s, level.part),
    )


def _at(ordered: Sequence[float], part: float) -> float:
    return ordered[int(part * (len(ordered) - 1))] if ordered else 0.0


def _option(spent: Spent, tokens: float) -> Monthly:
    return Monthly(spent=spent, total=spent.total, per_million=round(spent.total / tokens * MILLION))
