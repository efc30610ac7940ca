"""Traffic: when how many tokens were asked for, at its true pace, and how much of it a month has."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

MONTH = 365.25 / 12 * 86_400
"""Seconds of an average month."""

STRETCH = 2_000
"""Requests that are simulated together at most."""


class Asked(Struct, frozen=True, gc=False):
    """A request: seconds from the start, tokens of prompt (one at least) and answer, and of the prompt those cached.

    `blocks` are ids of the prompt's prefix in blocks of `BLOCK` tokens, where the source knows them; `cost` in
    nano-dollars is what it did cost, where that was recorded.
    """

    at: float
    input: int
    output: int
    cached: int = 0
    blocks: tuple[int, ...] = ()
    cost: int | None = None


class Traffic(Struct, frozen=True, kw_only=True):
    """Requests in stretches: each in the order and at the pace in which they came, beginning at 0.

    `times` is how often all of them together come in an average month; `span` in seconds is what was observed.
    """

    source: str
    stretches: tuple[tuple[Asked, ...], ...]
    times: float
    span: float
    notes: tuple[str, ...] = ()

    @property
    def every(self) -> Iterable[Asked]:
        return (one for stretch in self.stretches for one in stretch)

    @property
    def peak(self) -> tuple[Asked, ...]:
        """The stretch with the most tokens a second."""
        return max(self.stretches, key=lambda s: sum(a.input + a.output for a in s) / max(s[-1].at, 1e-6))

    @property
    def requests(self) -> int:
        return sum(len(stretch) for stretch in self.stretches)

    @property
    def input(self) -> int:
        return sum(one.input for one in self.every)

    @property
    def output(self) -> int:
        return sum(one.output for one in self.every)

    @property
    def cached(self) -> int:
        return sum(one.cached for one in self.every)

    @property
    def tokens_a_month(self) -> float:
        return (self.input + self.output) * self.times


def observed(source: str, found: Sequence[Asked], notes: tuple[str, ...] = ()) -> Traffic:
    """The traffic of one unbroken observation. ValueError where there are fewer than two requests or no time passed."""
    ordered = sorted(found, key=lambda one: one.at)
    if len(ordered) < 2 or ordered[-1].at <= ordered[0].at:
        raise ValueError(f"{source} has {len(ordered)} requests with tokens; it takes two at least, at different times")
    span = (ordered[-1].at - ordered[0].at) * len(ordered) / (len(ordered) - 1)
    parts = -(-len(ordered) // STRETCH)
    size = -(-len(ordered) // parts)
    stretches = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    return Traffic(
        source=source,
        stretches=tuple(begun(stretch) for stretch in stretches),
        times=MONTH / span,
        span=span,
        notes=notes,
    )


def begun(stretch: Sequence[Asked]) -> tuple[Asked, ...]:
    """The same, beginning at 0."""
    start = stretch[0].at
    return tuple(Asked(a.at - start, a.input, a.output, a.cached, a.blocks, a.cost) for a in stretch)
