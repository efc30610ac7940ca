"""Overrides: what the operator decided about an offer, whatever the sources say."""

from typing import Annotated

from msgspec import Meta, Struct

from freehold.core.money import Price
from freehold.core.tariff import Tariff, flat


class Override(Struct, frozen=True, kw_only=True):
    """Facts of an offer that count before every source, and why. `date`: ISO, when it was decided. None: as before."""

    date: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
    reason: Annotated[str, Meta(min_length=1)]
    price: Price | None = None
    context_window: Annotated[int, Meta(ge=1)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None

    @property
    def tariff(self) -> Tariff | None:
        """The price as a price list with one row: it holds at every hour, for prompts of every length."""
        return None if self.price is None else flat(self.price)
