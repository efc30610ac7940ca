"""Tariffs: prices as a function of time and use, and the bill of one request.

A tariff is what a deployment asks: rows for services, long prompts and hours. `Tariff.bill` is the one place where a
usage becomes money.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from hashlib import sha256

import msgspec
from msgspec import Struct

from freehold.core.money import MILLION, Price
from freehold.core.usage import STANDARD, Usage

PARTS = 10_000
"""A region's multiplier is in parts of this: 11,000 is a tenth more."""

MINUTE = 60 * 1_000_000_000
DAY = 24 * 60
FOREVER = 2**63 - 1


class Hours(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Spans of the day at which a price holds.

    `spans` are minutes of the UTC day, from and until (1,440 is midnight at its end); `weekdays` are ISO days, 1 is
    Monday, counted on a calendar that is `calendar_offset` minutes ahead of UTC.
    """

    spans: tuple[tuple[int, int], ...]
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    calendar_offset: int = 0

    def hold(self, at: int) -> bool:
        """Whether `at`, in UTC nanoseconds, lies in one of the spans."""
        minutes = at // MINUTE
        day = (minutes + self.calendar_offset) // DAY
        weekday = (day + 3) % 7 + 1  # 1970-01-01 was a Thursday
        return weekday in self.weekdays and any(start <= minutes % DAY < end for start, end in self.spans)

    def edges(self) -> Iterable[int]:
        """Minutes of the UTC day, below 1,440, at which they can begin or end."""
        yield from (edge % DAY for span in self.spans for edge in span)
        yield -self.calendar_offset % DAY


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One row of a price list: it holds for a service, for prompts of more than `above` tokens, at certain hours.

    `service` is 'standard', 'batch', 'flex', 'priority' or a provider's own name such as 'fast'.
    """

    rates: Price
    service: str = STANDARD
    above: int = 0
    hours: tuple[Hours, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the row, hex: a record that keeps it says which price it was billed at."""
        return sha256(msgspec.json.encode(self)).hexdigest()

    def hold(self, prompt_tokens: int, at: int) -> bool:
        """Whether it is for prompts of this length and for this instant."""
        return (self.above < prompt_tokens or not self.above) and (
            not self.hours or any(hours.hold(at) for hours in self.hours)
        )


class Later(Struct, frozen=True, kw_only=True):
    """What a price list becomes at an instant, in UTC nanoseconds. No rows: from then on the price is unknown."""

    since: int
    rows: tuple[Row, ...] = ()


class Bill(Struct, frozen=True, gc=False):
    """What a request costs, in nano-dollars, and the digest of the row it was billed at."""

    amount: int
    row: str


Biller = Callable[..., Bill | None]
"""(usage, at, asked='') -> the bill."""


class Tariff(Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """A price list. `regions` multiply the sum, in parts of `PARTS`; `region` is that of the deployment, if it has one.

    `later` are changes that are known ahead, in the order of their instants.
    """

    rows: tuple[Row, ...]
    regions: dict[str, int] = {}
    region: str = ""
    later: tuple[Later, ...] = ()

    def rows_at(self, at: int) -> tuple[Row, ...]:
        """The rows of an instant."""
        return next((change.rows for change in reversed(self.later) if at >= change.since), self.rows)

    def row(self, prompt_tokens: int, at: int, service: str = STANDARD) -> Row | None:
        """The row for a prompt at an instant: that of the longest prompt reached, one with hours before one without.

        None where the service has no price: it is unknown, not the standard one.
        """
        return next(
            (r for r in _ranked(self.rows_at(at)) if r.service == service and r.hold(prompt_tokens, at)),
            None,
        )

    def price(self, at: int, prompt_tokens: int = 0) -> Price | None:
        """What the standard service asks at an instant."""
        row = self.row(prompt_tokens, at)
        return None if row is None else row.rates

    @cached_property
    def bill(self) -> Biller:
        """(usage, at, asked) -> the bill of a request that began at `at` (UTC nanoseconds); None where it is unknown.

        The service is that which the answer names, else the one `asked` for, else the standard one. Every token is
        billed once: counts that overlap, or that say more than the whole, are cut in the order free, cache read,
        cache write, audio, image, reasoning. The sum is rounded half to even once. Compiled once for a tariff.
        """
        first = _period(self, self.rows)
        if not self.later:
            return first
        periods = [(change.since, _period(self, change.rows)) for change in reversed(self.later)]

        def dated(usage: Usage, at: int, asked: str = "") -> Bill | None:
            for since, period in periods:
                if at >= since:
                    return period(usage, at, asked)
            return first(usage, at, asked)

        return dated

    def span(self, at: int) -> tuple[int, int]:
        """From when until when it asks the same as at this instant, in UTC nanoseconds; the whole of time is 0 to
        FOREVER."""
        since, until = 0, FOREVER
        for change in self.later:
            if change.since <= at:
                since = change.since
            else:
                until = min(until, change.since)
        minute, day = at // MINUTE, at // MINUTE // DAY * DAY
        minutes = {edge for row in self.rows_at(at) for hours in row.hours for edge in hours.edges()}
        for edge in (day + shift + m for m in minutes for shift in (-DAY, 0, DAY)):
            if edge <= minute:
                since = max(since, edge * MINUTE)
            else:
                until = min(until, edge * MINUTE)
        return since, until

    def most(self, input_tokens: int, output_tokens: int, *, asked: str = "", kinds: Iterable[str] = ()) -> int:
        """Nano-dollars that so many tokens can cost at most: at any hour, now or later, however they are cached.

        `kinds` are names of further rates that may apply, such as 'input_audio' or 'cache_write_1h'. What is
        served at the standard service although another was asked for is counted in; searches are not.
        """
        extra = frozenset(kinds)
        most = 0
        for row in (*self.rows, *(row for change in self.later for row in change.rows)):
            if row.service in {STANDARD, asked or STANDARD} and (row.above < input_tokens or not row.above):
                prompt = _dearest(row.rates, ("input", "cache_read", "cache_write"), extra & INPUT_KINDS)
                output = _dearest(row.rates, ("output", "reasoning"), extra & OUTPUT_KINDS)
                most = max(most, input_tokens * prompt + output_tokens * output)
        dearest = max((PARTS, *self.regions.values()))
        return -(-most * dearest // (MILLION * PARTS))


INPUT_KINDS = frozenset({"cache_write_1h", "input_audio", "input_image"})
OUTPUT_KINDS = frozenset({"output_audio", "output_image"})


def flat(price: Price) -> Tariff:
    """The price list of a price that is always the same."""
    return Tariff(rows=(Row(rates=price),))


def _dearest(price: Price, always: Iterable[str], extra: Iterable[str]) -> int:
    return max(rate for kind in (*always, *extra) if (rate := getattr(price, kind)) is not None)


def _ranked(rows: Iterable[Row]) -> list[Row]:
    """The rows, so that the first which holds is the one that counts."""
    return sorted(rows, key=lambda row: (row.above, bool(row.hours)), reverse=True)


Sum = Callable[[Usage], int | None]
"""Tokens times their rates; None where something was used that has no known price."""


def _period(tariff: Tariff, rows: tuple[Row, ...]) -> Biller:
    """The bills of a price list, without what it becomes later."""
    lanes: dict[str, list[tuple[Row, Sum, str]]] = {}
    for row in _ranked(rows):
        lanes.setdefault(row.service, []).append((row, _sum(row.rates), row.digest))
    regions, region = tariff.regions, tariff.region

    def listed(usage: Usage, at: int, asked: str = "") -> Bill | None:
        tokens = usage.input_tokens
        for row, sum_, digest in lanes.get(usage.service or asked or STANDARD, ()):
            if row.hold(tokens, at):
                total = sum_(usage)
                if total is None:
                    return None
                scaled = total * regions.get(usage.region or region, PARTS)
                return Bill(_rounded(scaled, MILLION * PARTS), digest)
        return None

    standard = [row for row in rows if row.service == STANDARD]
    if len(standard) == 1 and not (standard[0].above or standard[0].hours or regions):
        return _steady(standard[0], listed)
    return listed


def _steady(row: Row, listed: Biller) -> Biller:
    """The bills of one row for all prompts at all hours: what nearly every request is billed by."""
    sum_, digest, half = _sum(row.rates), row.digest, MILLION // 2

    def steady(usage: Usage, at: int, asked: str = "") -> Bill | None:
        service = usage.service or asked
        if service and service != STANDARD:
            return listed(usage, at, asked)
        total = sum_(usage)
        if total is None:
            return None
        quotient, rest = divmod(total, MILLION)
        return Bill(quotient + (rest > half or (rest == half and quotient & 1)), digest)

    return steady


def _sum(price: Price) -> Sum:
    plain, output = price.input, price.output
    read_more = (plain if price.cache_read is None else price.cache_read) - plain
    write_more = (plain if price.cache_write is None else price.cache_write) - plain

    def every(usage: Usage) -> int | None:
        if usage.searches and price.search is None:
            return None
        tokens = sum(tokens * rate for tokens, rate in _parts(usage, price))
        return tokens + usage.searches * (price.search or 0)

    inputs, outputs = (price.input_audio, price.input_image), (price.output_audio, price.output_image, price.reasoning)
    if any(rate not in {None, plain} for rate in inputs) or any(rate not in {None, output} for rate in outputs):
        return every

    def few(usage: Usage) -> int | None:
        """The same where only caching has rates of its own."""
        whole, read, write = usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens
        free = usage.free_input_tokens or usage.free_output_tokens
        if usage.searches or usage.cache_write_1h_tokens or read + write > whole or free:
            return every(usage)
        total = whole * plain + usage.output_tokens * output
        if read:
            total += read * read_more
        if write:
            total += write * write_more
        return total

    return few


def _parts(usage: Usage, rates: Price) -> Iterable[tuple[int, int]]:
    """Tokens with the rate of each kind; the tokens add up to the input and the output."""
    written = rates.input if rates.cache_write is None else rates.cache_write
    hour = usage.cache_write_1h_tokens
    yield from _cut(
        usage.input_tokens,
        rates.input,
        (usage.free_input_tokens, 0),
        (usage.cache_read_tokens, rates.cache_read),
        (hour, written if rates.cache_write_1h is None else rates.cache_write_1h),
        (usage.cache_write_tokens - hour, written),
        (usage.input_audio_tokens, rates.input_audio),
        (usage.input_image_tokens, rates.input_image),
    )
    yield from _cut(
        usage.output_tokens,
        rates.output,
        (usage.free_output_tokens, 0),
        (usage.output_audio_tokens, rates.output_audio),
        (usage.output_image_tokens, rates.output_image),
        (usage.reasoning_tokens, rates.reasoning),
    )


def _cut(whole: int, plain: int, *kinds: tuple[int, int | None]) -> Iterable[tuple[int, int]]:
    left = max(whole, 0)
    for tokens, rate in kinds:
        taken = min(max(tokens, 0), left)
        left -= taken
        yield taken, plain if rate is None else rate
    yield left, plain


def _rounded(amount: int, unit: int) -> int:
    quotient, rest = divmod(amount, unit)
    return quotient + (2 * rest > unit or (2 * rest == unit and quotient & 1))
