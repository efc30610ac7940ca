"""A figure of the bench: what was measured, what it must be, and the same of direct access and the naive proxy."""

from typing import Literal

from msgspec import Struct


class Figure(Struct, frozen=True, kw_only=True):
    """One row. `must` is a lower bound for a rate (`better` high), an upper one for a cost (`better` low).

    `doubt`: why the figure does not show what it should, as measured this time; then it is not judged.
    """

    name: str
    unit: str
    value: float
    better: Literal["high", "low"]
    must: float | None = None
    direct: float | None = None
    naive: float | None = None
    doubt: str | None = None

    @property
    def reached(self) -> bool | None:
        """None where nothing is asked, or where the figure is in doubt."""
        if self.must is None or self.doubt is not None:
            return None
        return self.value >= self.must if self.better == "high" else self.value <= self.must

    @property
    def ratio(self) -> float | None:
        """How many times better than the naive proxy; None where there is nothing to compare."""
        if not self.naive or not self.value:
            return None
        return self.value / self.naive if self.better == "high" else self.naive / self.value
