"""Money: integers of nano-dollars (10^-9 USD), and the price of tokens."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from msgspec import Struct

from freehold.core.usage import Usage

NANO = 1_000_000_000
MILLION = 1_000_000


class Price(Struct, frozen=True, kw_only=True):
    """What a deployment charges: nano-dollars for a million tokens of each kind.

    A cached kind that is None is billed as plain input.
    """

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None


def cost(usage: Usage, price: Price) -> int:
    """Nano-dollars for `usage`; each token is billed once, the sum is rounded half to even once.

    Cached tokens are parts of `input_tokens`, reasoning tokens are part of `output_tokens` (see `Usage`).
    """
    read, write = usage.cache_read_tokens, usage.cache_write_tokens
    plain = max(usage.input_tokens - read - write, 0)
    total = plain * price.input + usage.output_tokens * price.output
    if read:
        total += read * (price.input if price.cache_read is None else price.cache_read)
    if write:
        total += write * (price.input if price.cache_write is None else price.cache_write)
    quotient, rest = divmod(total, MILLION)
    half = MILLION // 2
    return quotient + (rest > half or (rest == half and quotient & 1))


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
