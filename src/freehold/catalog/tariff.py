"""Tariffs: prices as a function of time and use, and the bill of one request.

`core/money.cost` with one flat `Price` stays what the gateway computes for each request; a tariff says which price
that is at an instant, and bills what a flat price cannot: long prompts, batches, hours, regions.
"""

from collections.abc import Iterable
from hashlib import sha256

import msgspec
from msgspec import Struct

from freehold.core.money import MILLION, Price
from freehold.core.usage import Usage

PARTS = 10_000
"""A region's multiplier is in parts of this: 11,000 is a tenth more."""

MINUTE = 60 * 1_000_000_000
DAY = 24 * 60


class Rates(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Nano-dollars for a million tokens of each kind.

    A kind of input that is None is billed as plain input, a kind of output as plain output; `cache_write_1h`, a write
    that lives for an hour, as a cache write.
    """

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    reasoning: int | None = None


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


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One row of a price list: it holds for a service, for prompts of more than `above` tokens, at certain hours.

    `service` is 'standard', 'batch', 'flex', 'priority' or a provider's own name such as 'fast'.
    """

    rates: Rates
    service: str = "standard"
    above: int = 0
    hours: tuple[Hours, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the row, hex: a record that keeps it says which price it was billed at."""
        return sha256(msgspec.json.encode(self)).hexdigest()


class Tariff(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The price list of an offer. `regions` multiply every rate, in parts of `PARTS`."""

    rows: tuple[Row, ...]
    regions: dict[str, int] = {}

    def row(self, prompt_tokens: int, at: int, service: str = "standard") -> Row | None:
        """The row for a prompt at an instant: that of the longest prompt reached, one with hours before one without.

        None where the service has no price: it is unknown, not the standard one.
        """
        fits = [
            row
            for row in self.rows
            if row.service == service
            and (row.above < prompt_tokens or not row.above)
            and (not row.hours or any(h.hold(at) for h in row.hours))
        ]
        return max(fits, key=lambda row: (row.above, bool(row.hours)), default=None)

    def price(self, at: int, prompt_tokens: int = 0) -> Price | None:
        """The flat price at an instant, for the gateway's own sums."""
        row = self.row(prompt_tokens, at)
        if row is None:
            return None
        r = row.rates
        return Price(input=r.input, output=r.output, cache_read=r.cache_read, cache_write=r.cache_write)


class Use(Struct, frozen=True, kw_only=True):
    """What one request used: the provider's count, and what the count alone does not say.

    The audio counts and `cache_write_1h_tokens` are parts of the counts in `usage`, not additions to them.
    """

    usage: Usage
    service: str = "standard"
    region: str = ""
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0


class Bill(Struct, frozen=True, kw_only=True):
    """What a request costs, in nano-dollars, and the digest of the row it was billed at."""

    amount: int
    row: str


def bill(use: Use, tariff: Tariff, at: int) -> Bill | None:
    """The bill of a request that began at `at` (UTC nanoseconds); None where its price is not known.

    Every token is billed once: counts that overlap, or that say more than the whole, are cut in the order cache read,
    cache write, audio. The sum is rounded half to even once.
    """
    row = tariff.row(use.usage.input_tokens, at, use.service)
    if row is None:
        return None
    total = sum(tokens * rate for tokens, rate in _parts(use, row.rates))
    scaled = total * tariff.regions.get(use.region, PARTS)
    return Bill(amount=_rounded(scaled, MILLION * PARTS), row=row.digest)


def _parts(use: Use, rates: Rates) -> Iterable[tuple[int, int]]:
    """Tokens with the rate of each kind; the tokens add up to the input and the output."""
    counted = use.usage
    written = rates.input if rates.cache_write is None else rates.cache_write
    short = counted.cache_write_tokens - use.cache_write_1h_tokens
    yield from _cut(
        counted.input_tokens,
        rates.input,
        (counted.cache_read_tokens, rates.cache_read),
        (use.cache_write_1h_tokens, written if rates.cache_write_1h is None else rates.cache_write_1h),
        (short, written),
        (use.input_audio_tokens, rates.input_audio),
    )
    yield from _cut(
        counted.output_tokens,
        rates.output,
        (use.output_audio_tokens, rates.output_audio),
        (counted.reasoning_tokens, rates.reasoning),
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
