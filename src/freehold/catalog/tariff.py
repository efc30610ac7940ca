"""Where tariffs were; they are in `core/tariff` now."""

from freehold.core.money import Price as Rates
from freehold.core.tariff import PARTS, Hours, Row, Tariff

__all__ = ["PARTS", "Hours", "Rates", "Row", "Tariff"]
