"""Money: integers of nano-dollars (10^-9 USD), and a price in them. What a request costs is in `core/tariff`."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from msgspec import Struct

NANO = 1_000_000_000
MILLION = 1_000_000


class Price(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Nano-dollars for a million of each kind: of tokens, and of searches.

    A kind of input that is None is billed as plain input, a kind of output as plain output; `cache_write_1h`, a write
    that lives for an hour, as a cache write. A search that has no price has an unknown one.
    """

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    input_image: int | None = None
    output_image: int | None = None
    reasoning: int | None = None
    search: int | None = None


def nano(dollars: str | int | Decimal) -> int:
    """Nano-dollars for an amount written in dollars, exactly; ValueError where it has more than nine decimals."""
    try:
        scaled = Decimal(dollars) * NANO
    except InvalidOperation:
        raise ValueError(f"{dollars!r} is not an amount of dollars") from None
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError(f"{dollars!r} is not a whole number of nano-dollars (nine decimals at most)")
    return int(scaled)


def stated(dollars: float | str | Decimal) -> int:
    """Nano-dollars for a cost that a provider states as a JSON number, rounded half to even."""
    return int((Decimal(str(dollars)) * NANO).to_integral_value(rounding=ROUND_HALF_EVEN))


def dollars(amount: int) -> str:
    """`amount` nano-dollars for people: '$1.25', '$0.000042'; cents at least, nano-dollars at most."""
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), NANO)
    digits = f"{fraction:09d}".rstrip("0").ljust(2, "0")
    return f"{sign}${whole:,}.{digits}"
