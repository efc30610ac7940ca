"""What a month costs: over an API, on rented and on owned hardware, and on owned hardware with an API for the rest.

An average month of the years that hardware is kept, at the traffic of today times a multiple. Money is a sum of parts
in nano-dollars; each part is rounded once.
"""

from math import log1p

from msgspec import Struct

from freehold.catalog.breakeven.assumptions import Values
from freehold.catalog.breakeven.capacity import Capacity
from freehold.core.money import NANO

HOURS = 365.25 * 24 / 12
"""Hours of an average month."""

Parts = dict[str, int]


class Spent(Struct, frozen=True, kw_only=True):
    """A month: nano-dollars by part, replicas that serve and stand by, energy in kWh (accelerators with their servers
    and cooling; of an API it is not known) and grams of CO2."""

    parts: Parts
    replicas: int = 0
    spare: int = 0
    kwh: float = 0.0
    carbon: float = 0.0
    elsewhere: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.parts.values())


class Asks(Struct, frozen=True, kw_only=True):
    """What an API asks for a month of today's traffic, in nano-dollars: for prompts, and for answers."""

    input: int
    output: int

    @property
    def total(self) -> int:
        return self.input + self.output


class Costs(Struct, frozen=True, kw_only=True):
    """The four options for one traffic, replica and set of values."""

    values: Values
    asks: Asks
    capacity: Capacity
    devices: int

    def api(self, times: float) -> Spent:
        """Everything over the API."""
        path = average(-self.values["api_fall"], self.values["years"])
        return Spent(
            parts={
                "input": _nano(self.asks.input / NANO * times * path),
                "output": _nano(self.asks.output / NANO * times * path),
                "staff": self._staff("staff_api", 0),
            },
            elsewhere=1.0,
        )

    def rented(self, times: float) -> Spent | None:
        """Rented accelerators that run all the time; None where no number reaches the service level."""
        count = self.capacity.needed(times)
        if count is None:
            return None
        v = self.values
        hours = count * self.devices * HOURS
        kwh = self._kwh(times, count, 0)
        return Spent(
            parts={
                "rent": _nano(hours * v["rent"] * average(-v["rent_fall"], v["years"])),
                "staff": self._staff("staff_rented", count),
            },
            replicas=count,
            kwh=kwh,
            carbon=kwh * v["carbon"],
        )

    def owned(self, times: float, count: int | None = None) -> Spent | None:
        """Bought accelerators, with spare ones; `count` replicas, or as many as it takes. None as for `rented`."""
        needed = self.capacity.needed(times) if count is None else count
        if needed is None:
            return None
        return self._own(times, needed, round(self.values["spare"]), self.capacity.busy(times, needed))

    def burst(self, times: float) -> Spent | None:
        """The cheapest number of bought replicas, without spare ones, with the API for what they cannot take in time.

        As many as take everything, with their spare ones, are one way to do it: nothing goes over the API then.
        """
        needed, owned = self.capacity.needed(times), self.owned(times)
        if needed is None or owned is None:
            return None
        ways = [owned, *(self.mixed(times, count) for count in _counts(needed))]
        return min(ways, key=lambda spent: spent.total)

    def mixed(self, times: float, count: int) -> Spent:
        """So many bought replicas, and the API for the rest."""
        api = self.api(times)
        if count == 0:
            return api
        requests, input_, output = self.capacity.elsewhere(times, count)
        own = self._own(times, count, 0, self.capacity.busy(times * (1 - input_), count))
        rest = {
            "input": _nano(api.parts["input"] / NANO * input_),
            "output": _nano(api.parts["output"] / NANO * output),
        }
        return Spent(
            parts=own.parts | rest,
            replicas=count,
            kwh=own.kwh,
            carbon=own.carbon,
            elsewhere=requests,
        )

    def _own(self, times: float, count: int, spare: int, busy: float) -> Spent:
        v = self.values
        machines = (count + spare) * self.devices
        price = machines * (v["buy"] + v["server"])
        kilowatts = machines * v["watts"] * (1 + v["server_power"]) / 1000
        kwh = self._kwh(times, count, spare, busy)
        return Spent(
            parts={
                "hardware": _nano(price * (1 - v["residual"]) / (v["years"] * 12)),
                "capital": _nano(price * (1 + v["residual"]) / 2 * v["capital"] / 12),
                "maintenance": _nano(price * v["maintenance"] / 12),
                "space": _nano(kilowatts * v["space"]),
                "power": _nano(kwh * v["power_price"] * average(v["power_rise"], v["years"])),
                "staff": self._staff("staff_owned", count + spare),
            },
            replicas=count,
            spare=spare,
            kwh=kwh,
            carbon=kwh * v["carbon"],
        )

    def _kwh(self, times: float, count: int, spare: int, busy: float | None = None) -> float:
        v = self.values
        working = self.capacity.busy(times, count) if busy is None else busy
        kilowatts = self.devices * v["watts"] * (1 + v["server_power"]) / 1000 * v["pue"] * HOURS
        return kilowatts * (count * (v["idle"] + (1 - v["idle"]) * working) + spare * v["idle"])

    def _staff(self, kind: str, replicas: int) -> int:
        return _nano((self.values[kind] + replicas * self.values["staff_replica"]) * self.values["wage"])


def average(change: float, years: float) -> float:
    """The mean over some years of what is 1 now and changes by this part each year."""
    if abs(change) < 1e-9:
        return 1.0
    rate = log1p(change)
    return ((1 + change) ** years - 1) / (rate * years)


def _counts(needed: int) -> list[int]:
    """Numbers of replicas to try: all of few, every so many of a lot, and none."""
    step = max(needed // 16, 1)
    return [*range(0, needed, step), needed]


def _nano(dollars: float) -> int:
    return round(dollars * NANO)
