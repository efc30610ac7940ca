"""Tokens counted by a provider, in one normal form."""

from msgspec import Struct


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens counted by the provider.

    `input_tokens` is the whole prompt; the cache counts are parts of it, not additions to it.
    `output_tokens` is all that was generated; `reasoning_tokens` is the part of it spent on reasoning.
    `stated_cost` is what the provider says it charged, in nano-dollars, where it says so.
    `estimated` is true where the provider did not count and we did.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    stated_cost: int | None = None
    estimated: bool = False
