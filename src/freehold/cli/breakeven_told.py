"""A break-even for people: the answer first, then the table, the plot, what it depends on, and what was assumed."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from freehold.catalog.breakeven.answer import OPTIONS, Band, Crossing, Report, Swing
from freehold.catalog.breakeven.assumptions import OWN
from freehold.catalog.breakeven.plot import NAMES, characters, count, money
from freehold.core.money import NANO

SWINGS = 10
BAR = 24
APPROXIMATED = (
    "Simulated with continuous batching: prompts in chunks between steps, caches in the memory that weights leave,\n"
    "requests to the replica with the least to do, the service level held in the busiest stretch. Speeds of batches\n"
    "are derived from the calibrated speed of one sequence, not measured: measure before you buy. More traffic is the\n"
    "same traffic, faster. Whether the open model is good enough is another question: `freehold swap` answers it."
)


def told(found: Report) -> RenderableType:
    """The whole answer."""
    parts: list[RenderableType] = [*_head(found), "", _table(found), "", *_crossings(found)]
    if found.curve:
        parts += ["", *(Text.from_markup(line) for line in characters(found))]
    parts += ["", *_swings(found), "", "Assumed (another value with --set NAME=VALUE):", _assumed(found), ""]
    parts += [escape(note) for note in found.notes]
    parts.append(APPROXIMATED)
    return Group(*parts)


def _head(found: Report) -> Iterator[str]:
    t, s, level = found.traffic, found.serving, found.level
    cached = f", {t.cached / t.input:.0%} of prompts cached" if t.cached else ""
    yield escape(
        f"Traffic: {t.source}, {t.requests:,} requests in {_span(t.span_s)} with {t.input / t.requests:,.0f} + "
        f"{t.output / t.requests:,.0f} tokens on average{cached}; a month has {count(t.requests_a_month)} requests, "
        f"{count(t.tokens_a_month)} tokens"
    )
    yield escape(f"API: {found.api}")
    yield escape(f"Own: {found.model}, {found.hardware} for each replica, {s.option.engine}")
    asked = f"{level.part:.0%} with the first token in {level.first_s:g} s, then one every {level.token_s * 1000:g} ms"
    if found.reachable:
        yield (
            f"Service level: {asked}. {_replicas(s.replicas)} {_times(s.takes)} of this traffic "
            f"({_times(s.takes_low)} to {_times(s.takes_high)} as its speed lies in the interval)"
        )
    else:
        yield (
            f"[red]The service level cannot be met[/red]: {asked}; without any queue it is {s.first_s:.2g} s and "
            f"{s.token_s * 1000:.0f} ms. Faster hardware, a smaller model, or other --first-token and --token-time"
        )


def _table(found: Report) -> Table:
    table = Table(
        "a month of this traffic", "in all", "per 1M tokens", "replicas", "of which", box=None, pad_edge=False
    )
    for name in OPTIONS:
        option = found.options.get(name)
        if option is None:
            table.add_row(NAMES[name], "cannot", "", "", "")
            continue
        spent = option.spent
        count_ = f"{spent.replicas} + {spent.spare}" if spent.spare else str(spent.replicas or "")
        parts = ", ".join(f"{part} {money(amount / NANO)}" for part, amount in spent.parts.items() if amount)
        sent = f"; {spent.elsewhere:.0%} over the API" if name == "burst" else ""
        table.add_row(
            NAMES[name], money(option.total / NANO), f"${option.per_million / NANO:.3f}", count_, parts + sent
        )
    return table


def _crossings(found: Report) -> Iterator[str]:
    for kind in ("owned", "rented"):
        crossed, band = found.crossings[kind], found.bands[kind]
        yield f"[bold]{NAMES[kind].capitalize()}[/bold] {_crossed(crossed)}. {_band(band)}"
    owned = found.options.get("owned")
    if owned is not None:
        tokens, kwh, grams = found.traffic.tokens_a_month / 1e6, owned.spent.kwh, owned.spent.carbon
        yield (
            f"Own hardware for this traffic: {kwh:,.0f} kWh and {grams / 1000:,.0f} kg CO2 a month ({kwh / tokens:.3g} "
            f"kWh, {grams / tokens:.3g} g per 1M tokens); of the API it is not known"
        )


def _crossed(crossed: Crossing | None) -> str:
    if crossed is None:
        return "never becomes cheaper than the API, whatever the traffic"
    good = (
        ""
        if crossed.for_good == crossed.times
        else f", for good from {_times(crossed.for_good)} on"
        if crossed.for_good
        else ", and may lose again with each further replica"
    )
    return (
        f"is cheaper than the API from {count(crossed.tokens)} tokens a month on ({_times(crossed.times)} this "
        f"traffic){good}; there {_used(crossed.replicas)} used to {crossed.load:.0%} of what they can take"
    )


def _band(band: Band) -> str:
    if band.low is None:
        return f"In {band.never:.0%} of {'all ' if band.never == 1 else ''}draws of the assumptions it never does"
    end = "never" if band.high is None else _times(band.high)
    return f"80 % band: {_times(band.low)} to {end}; never in {band.never:.0%} of draws"


def _swings(found: Report) -> Iterator[RenderableType]:
    """A tornado: how far each figure moves the crossing."""
    moved = [s for s in found.swings if s.at_low != s.at_high][:SWINGS]
    if not moved:
        yield "No single assumption within its span changes whether own hardware becomes cheaper."
        return
    ends = [end for s in moved for end in (s.at_low, s.at_high) if end is not None]
    low, high = min(ends), max(ends)
    yield "What moves the crossing of own hardware (times this traffic):"
    table = Table("", "from", "to", "crossing", "", box=None, pad_edge=False)
    for swing in moved:
        at = f"{_end(swing.at_low)} to {_end(swing.at_high)}"
        table.add_row(swing.name, f"{swing.low:g}", f"{swing.high:g}", at, _bar(swing, low, high))
    yield table


def _end(times: float | None) -> str:
    return "never" if times is None else _times(times)


def _bar(swing: Swing, low: float, high: float) -> str:
    """From its least to its largest crossing, on a common straight scale; '▸' where it leaves the scale for ever."""
    ends = [
        BAR if at is None else round((at - low) / max(high - low, 1e-12) * (BAR - 1))
        for at in (swing.at_low, swing.at_high)
    ]
    left, right = min(ends), max(ends)
    return " " * left + "█" * (min(right, BAR - 1) - left + 1) + ("▸" if right == BAR else "")


def _assumed(found: Report) -> Table:
    table = Table("", "value", "span", "unit", "source", box=None, pad_edge=False)
    for one in found.assumptions:
        span = "" if one.source == OWN else f"{one.low:g} to {one.high:g}"
        table.add_row(one.name, f"{one.value:g}", span, one.unit, escape(one.source))
    return table


def _used(number: int) -> str:
    return "one replica is" if number == 1 else f"{number} replicas are"


def _replicas(number: int) -> str:
    return "One replica takes" if number == 1 else f"It takes {number} replicas together, which take"


def _times(times: float | None) -> str:
    if times is None:
        return "never"
    return f"{float(f'{times:.3g}'):,g}x" if times else "none"


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
