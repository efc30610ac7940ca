"""How much of the traffic replicas can take at the service level, and what would go elsewhere beyond it.

Traffic is made more by letting the same requests come faster. The level must hold in the stretch with the most tokens a
second; what goes elsewhere is counted over stretches of all of it.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import ceil, exp, log

from msgspec import Struct
from msgspec.structs import replace

from freehold.catalog.breakeven.replica import SEQUENCES, Pace, Replica, tuned
from freehold.catalog.breakeven.serving import Level, Served, serve
from freehold.catalog.breakeven.traffic import Asked, Traffic

COUNTS = (1, 2, 4, 8)
"""Replicas that are simulated together; between and beyond, each is taken to bring what it does in the next smaller."""

LEAST, MOST = 1e-6, 1e9
LONG = 20
REPEATED = 6_000
"""Requests that are played at most to see whether the level holds."""

EXACT = 1.03
"""The multiple of the traffic is found to this ratio."""

TRIED = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
STRETCHES = 4


class Capacity(Struct, frozen=True, kw_only=True):
    """What replicas of one model take of a traffic, in multiples of it as it is.

    `most`: by number of replicas of `COUNTS`, 0 where the service level cannot be reached. `alone`: seconds of work
    that the traffic makes in a second where no two requests meet; `trickle` is what comes of them then. `beyond`: the
    parts of requests, input and output tokens that go elsewhere, at `TRIED` times what fits.
    """

    most: tuple[float, ...]
    alone: float
    beyond: tuple[tuple[float, float, float], ...]
    trickle: Served

    def takes(self, count: int) -> float:
        """Multiples of the traffic that so many replicas take."""
        if count < 1:
            return 0.0
        known = max(n for n, c in enumerate(COUNTS) if c <= count)
        return self.most[known] * count / COUNTS[known]

    @property
    def least(self) -> int:
        """Replicas that it takes for any traffic at all: requests that come together need several. 0: none can."""
        return next((count for count, most in zip(COUNTS, self.most, strict=True) if most), 0)

    def needed(self, times: float) -> int | None:
        """Replicas for so many times the traffic; None where no number is enough."""
        if not self.least:
            return None
        count = 1
        while self.takes(count) < times:
            count *= 2
        low = count // 2
        while count - low > 1:
            middle = (low + count) // 2
            low, count = (low, middle) if self.takes(middle) >= times else (middle, count)
        return count

    def busy(self, times: float, count: int) -> float:
        """The part of the time that replicas work, at most: as if no two requests met, and never above all of it."""
        return min(times * self.alone / count, 1.0) if count else 0.0

    def elsewhere(self, times: float, count: int) -> tuple[float, float, float]:
        """Parts of requests, input and output that go elsewhere with so many replicas; no fewer at more traffic."""
        room = self.takes(count)
        if not room:
            return 1.0, 1.0, 1.0
        ratio = times / room
        if ratio >= TRIED[-1]:
            stays = [(1 - part) * TRIED[-1] / ratio for part in self.beyond[-1]]
            return 1 - stays[0], 1 - stays[1], 1 - stays[2]
        after = bisect_left(TRIED, ratio)
        if after == 0:
            share = ratio / TRIED[0]
            return self._between((0.0, 0.0, 0.0), self.beyond[0], share)
        share = (ratio - TRIED[after - 1]) / (TRIED[after] - TRIED[after - 1])
        return self._between(self.beyond[after - 1], self.beyond[after], share)

    @staticmethod
    def _between(
        one: tuple[float, float, float], other: tuple[float, float, float], share: float
    ) -> tuple[float, float, float]:
        a, b, c = (x + (y - x) * share for x, y in zip(one, other, strict=True))
        return a, b, c


def capacity(traffic: Traffic, replica: Replica, pace: Pace, *, level: Level, hits: float) -> Capacity:
    """Simulate until it is known."""
    play = _Play(traffic, replica, pace, level, hits)
    trickle = play.trickle()
    alone = trickle.busy_s / len(traffic.peak) * traffic.requests / _seconds(traffic)
    most: list[float] = []
    for count in COUNTS:
        start = most[-1] * count / COUNTS[len(most) - 1] if most and most[-1] else play.guess(trickle) * count
        found = play.most(count, start) if trickle.ok else 0.0
        most.append(max(found, most[-1] if most else 0.0))
    beyond = [(1.0, 1.0, 1.0)] * len(TRIED)
    known = Capacity(most=tuple(most), alone=alone, beyond=tuple(beyond), trickle=trickle)
    if known.least:
        room = known.takes(known.least)
        step = max(len(traffic.stretches) // STRETCHES, 1)
        some = traffic.stretches[::step][:STRETCHES]
        beyond = [_sent([(s, play(s, known.least, room * ratio, burst=True)) for s in some]) for ratio in TRIED]
    return replace(known, beyond=_rising(beyond))


def at_pace(known: Capacity, traffic: Traffic, replica: Replica, pace: Pace, *, level: Level, hits: float) -> Capacity:
    """The capacity at another pace: the least replicas are simulated, more of them gain as much as those `known`."""
    play = _Play(traffic, replica, pace, level, hits)
    trickle = play.trickle()
    count = known.least or 1
    found = play.most(count, play.guess(trickle) * count) if trickle.ok else 0.0
    gains = [most / known.takes(count) if known.least else float(n) for most, n in zip(known.most, COUNTS, strict=True)]
    return Capacity(
        most=tuple(found * gain for gain in gains),
        alone=trickle.busy_s / len(traffic.peak) * traffic.requests / _seconds(traffic),
        beyond=known.beyond,
        trickle=trickle,
    )


class _Play:
    """Simulations of one traffic on one kind of replica."""

    def __init__(self, traffic: Traffic, replica: Replica, pace: Pace, level: Level, hits: float) -> None:
        self._peak = traffic.peak
        self._replica = replica
        self._pace = pace
        self._level = level
        self._hits = hits
        context = (traffic.input + traffic.output / 2) / traffic.requests
        self._setting = tuned(pace, context=context, token_s=level.token_s, most=SEQUENCES[replica.option.engine])
        crowd = self(self._peak, 1, MOST, patient=True)
        self._bound = max(self._peak[-1].at, 1e-6) / crowd.busy_s

    def __call__(
        self, requests: Sequence[Asked], count: int, times: float, *, burst: bool = False, patient: bool = False
    ) -> Served:
        return serve(
            requests,
            self._replica,
            self._pace,
            self._setting,
            self._level,
            count=count,
            times=times,
            hits=self._hits,
            burst=burst,
            patient=patient,
        )

    def trickle(self) -> Served:
        """One after the other, so that no two requests meet."""
        pace, peak = self._pace, self._peak
        longest = max(a.input * pace.prompt + a.output * pace.step(1, a.input + a.output) for a in peak)
        apart = [replace(one, at=number * 2 * longest) for number, one in enumerate(peak)]
        return self(apart, 1, 1.0, patient=True)

    def guess(self, trickle: Served) -> float:
        """So many times the traffic that one replica would work all the time, were no two requests together."""
        return max(self._peak[-1].at, 1e-6) / trickle.busy_s

    def most(self, count: int, start: float) -> float:
        """The largest multiple at which the level holds. The peak is played again and again for `LONG` times the first
        token's limit, since a short rush is over before it is late; and no more than what replicas can do at all."""

        def holds(times: float) -> bool:
            again = ceil(LONG * self._level.first_s * times / max(self._peak[-1].at, 1e-6))
            again = min(max(again, 1), max(REPEATED // len(self._peak), 1))
            return self(repeated(self._peak, again), count, times).ok

        return _most(holds, start, count * self._bound)


def repeated(requests: Sequence[Asked], times: int) -> Sequence[Asked]:
    """The same, so many times one after the other; prefixes are shared within one time, not between them."""
    if times == 1:
        return requests
    span = requests[-1].at * len(requests) / (len(requests) - 1)
    apart = max((block for a in requests for block in a.blocks), default=0) + 1
    return [
        replace(a, at=a.at + n * span, blocks=tuple(block + n * apart for block in a.blocks))
        for n in range(times)
        for a in requests
    ]


def _seconds(traffic: Traffic) -> float:
    """Seconds in which the requests came, at the mean rate of the traffic."""
    return 365.25 / 12 * 86_400 / traffic.times


def _most(holds: Callable[[float], bool], start: float, bound: float) -> float:
    """The largest multiple up to `bound` at which `holds`, found from `start`; 0 where none is found above `LEAST`."""
    low = high = min(start, bound)
    if holds(low):
        while low < bound and holds(high := min(high * 2, bound)):
            low = high
        if low >= bound:
            return bound
    else:
        while low > LEAST and not holds(low := low / 2):
            high = low
        if low <= LEAST:
            return 0.0
    while high / low > EXACT:
        middle = exp((log(low) + log(high)) / 2)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _sent(played: Sequence[tuple[Sequence[Asked], Served]]) -> tuple[float, float, float]:
    """The parts of requests, input and output that went elsewhere."""
    gone = [[stretch[n] for n in served.elsewhere] for stretch, served in played]
    count = sum(len(stretch) for stretch, _ in played)
    input_ = sum(a.input for stretch, _ in played for a in stretch)
    output = sum(a.output for stretch, _ in played for a in stretch)
    return (
        sum(len(part) for part in gone) / count,
        sum(a.input for part in gone for a in part) / input_,
        sum(a.output for part in gone for a in part) / max(output, 1),
    )


def _rising(parts: Sequence[tuple[float, float, float]]) -> tuple[tuple[float, float, float], ...]:
    """Each at least as large as the one before: more traffic never sends less elsewhere."""
    found: list[tuple[float, float, float]] = []
    for part in parts:
        last = found[-1] if found else (0.0, 0.0, 0.0)
        found.append((max(part[0], last[0]), max(part[1], last[1]), max(part[2], last[2])))
    return tuple(found)
