"""Doubts: why a new figure should not be believed at once, seen beside the one that it replaces.

A doubt is a short text for people. Changes of twice and less pass: they are told, and nobody has to do anything.
"""

from collections.abc import Iterable, Mapping
from itertools import combinations

from msgspec.structs import asdict

from freehold.catalog.book import implausible
from freehold.catalog.diff import LIMITS, label
from freehold.catalog.observation import QUARANTINED, ratio
from freehold.catalog.schema import Model, Sighting
from freehold.core.money import Price, dollars
from freehold.core.tariff import PARTS, Row, Tariff

JUMP = QUARANTINED
"""A price or limit that changes by more than that many times is doubted."""

NEW_RATE = 100.0
"""A rate that nobody told before is doubted where it is that many times off what was billed for it until now."""

NEW_SERVICE = 10.0
"""A service that nobody told before is doubted where it is that many times off the standard one."""

REGION = 1.5
WEIGHTS = 1.1
"""Weights do not change: a figure about them that changes by more than that many times is doubted."""

BUILT = ("parameters", "active_parameters", "kv_bytes_per_token", "kv_bytes_per_sequence")
FIXED = ("licence", "open_weights", "repository", "attention")
"""Facts of a model that do not change either: once known, another value is doubted."""

FALLS_BACK = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "input_audio": "input",
    "input_image": "input",
    "output_audio": "output",
    "output_image": "output",
    "reasoning": "output",
}
"""What a kind of token is billed as where its own rate is not told; a search is not billed as anything else."""

Figures = Mapping[str, int | None]
Rows = tuple[Row, ...]


def of_tariff(old: Tariff, new: Tariff) -> Iterable[str]:
    """Doubts about a price list that replaces another."""
    yield from _of_rows(old.rows, new.rows)
    for change in new.later:
        yield from (f"later {doubt}" for doubt in _of_rows(old.rows_at(change.since), change.rows))
    for region in sorted(old.regions.keys() | new.regions.keys()):
        parts = old.regions.get(region, PARTS), new.regions.get(region, PARTS)
        if ratio(*parts) > REGION:
            yield f"the price in {region} was {parts[0] / PARTS:g} of the plain one and is {parts[1] / PARTS:g}"
    if (wrong := implausible(new)) is not None and implausible(old) is None:
        yield wrong


def of_rates(old: Price, new: Price) -> Iterable[str]:
    """Doubts about the rates of one row that replace others."""
    before: Figures = asdict(old)
    after: Figures = asdict(new)
    for name in before:
        yield from _of_rate(name, before, after)
    for a, b in combinations(before, 2):
        if before[a] != before[b] and (after[a], after[b]) == (before[b], before[a]):
            yield f"{a} and {b} have changed places"


def _of_rate(name: str, before: Figures, after: Figures) -> Iterable[str]:
    """A rate beside what was billed for such tokens until now."""
    was, is_ = before[name], after[name]
    then, now = _billed(before, name), _billed(after, name)
    if then is None or now is None or (was is None and is_ is None):
        return
    gap = ratio(then, now)
    if was is None:
        if gap > NEW_RATE:
            yield f"{name} is told for the first time, {_times(gap)} off what was billed for it"
    elif gap > JUMP:
        untold = " and is not told any more, so that it costs " if is_ is None else " and is "
        yield f"{name} was {dollars(was)}/M{untold}{dollars(now)}/M, {_times(gap)}"


def _billed(rates: Figures, name: str) -> int | None:
    """What a kind of token costs, by its own rate or by another's."""
    amount = rates[name]
    return _billed(rates, FALLS_BACK[name]) if amount is None and name in FALLS_BACK else amount


def of_limits(old: Sighting | Model, new: Sighting | Model) -> Iterable[str]:
    """Doubts about context and longest prompt and answer."""
    for name in LIMITS:
        was, is_ = getattr(old, name), getattr(new, name)
        if was is not None and is_ is not None and (gap := ratio(was, is_)) > JUMP:
            yield f"{name} was {was:,} and is {is_:,}, {_times(gap)}"


def of_model(old: Model, new: Model) -> Iterable[str]:
    """Doubts about the facts of a model that replace others."""
    yield from of_limits(old, new)
    for name in FIXED:
        was, is_ = getattr(old, name), getattr(new, name)
        if was not in {None, ()} and was != is_:
            yield f"{name} was {was} and is {is_}" if name != "attention" else "its attention layers are others"
    figures = {name: (getattr(old, name), getattr(new, name)) for name in BUILT}
    figures |= {f"the size in {name}": (size, new.weights_gb.get(name)) for name, size in old.weights_gb.items()}
    for name, (was, is_) in figures.items():
        if was is not None and is_ is not None and (gap := ratio(was, is_)) > WEIGHTS:
            yield f"{name} was {was:,} and is {is_:,}, {_times(gap)}"


def _of_rows(old: Rows, new: Rows) -> Iterable[str]:
    for row in {(row.service, row.above, row.hours): row for row in (*old, *new)}.values():
        before, after = _serving(old, row), _serving(new, row)
        if before is not None and after is not None:
            yield from (f"{label(row)} {doubt}" for doubt in of_rates(before.rates, after.rates))
        elif before is None:
            yield from _of_service(row, _serving(new, Row(rates=row.rates)))


def _serving(rows: Rows, like: Row) -> Row | None:
    """The row that bills what `like` is for: itself, or else that of a shorter prompt, or of any hour."""
    fits = [
        row for row in rows if row.service == like.service and row.above <= like.above and row.hours in {like.hours, ()}
    ]
    return max(fits, key=lambda row: (row.above, bool(row.hours)), default=None)


def _of_service(row: Row, standard: Row | None) -> Iterable[str]:
    if standard is not None:
        for name, gap in (
            ("input", ratio(row.rates.input, standard.rates.input)),
            ("output", ratio(row.rates.output, standard.rates.output)),
        ):
            if gap > NEW_SERVICE:
                yield f"{label(row)} is new, and its {name} {_times(gap)} off the standard one"


def _times(gap: float) -> str:
    return f"{gap:.3g} times" if gap != float("inf") else "from or to nothing"
