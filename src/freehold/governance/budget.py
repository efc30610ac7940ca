"""Budgets: money is reserved before a call, settled after it, and never overspent, by many processes at once.

A node draws leases from the shared store and spends from them in memory, so that a request costs no database. Every
number of a lease has one writing side, which is why there is no lock on the hot path: `used`, `settled` and
`surrendered` belong to the thread that serves requests; `granted`, `flushed` and `returned` to whoever talks to the
store, one at a time. Amounts are nano-dollars, times UTC nanoseconds.
"""

from datetime import UTC, datetime, timedelta
from threading import Lock

from msgspec import Struct

from freehold.core.errors import BudgetExceeded
from freehold.core.money import NANO, dollars
from freehold.core.ports import BudgetStore
from freehold.core.principal import Budget, Key, Period

FOREVER = 2**63
PARTS = 64  # a lease is about this part of the limit: what idle nodes may hold back, against how often one is drawn
LATE = 300 * NANO  # how long after a period's end its lease is kept for whatever still comes


class _Lease:
    """What this node drew for a key and a period. Only sums that grow, so that each can be read at any moment.

    granted: drawn from the store; used: reserved now, or settled; surrendered: to go back, not for use any more.
    """

    __slots__ = (
        "ends",
        "flushed",
        "granted",
        "key",
        "period",
        "returned",
        "seen",
        "settled",
        "start",
        "surrendered",
        "used",
    )

    def __init__(self, key: str, period: Period, start: int, ends: int) -> None:
        self.key = key
        self.period = period
        self.start = start
        self.ends = ends
        self.granted = self.used = self.settled = self.surrendered = self.flushed = self.returned = 0
        self.seen = -1

    @property
    def free(self) -> int:
        return self.granted - self.surrendered - self.used


class Reservation(Struct, eq=False):
    """Money set aside for one request. Settle it once, however the request ends."""

    _lease: _Lease | None
    amount: int

    def settle(self, actual: int) -> None:
        """Replace what was reserved by what it cost, also if that is more. A second time changes nothing."""
        lease = self._lease
        if lease is not None:
            self._lease = None
            lease.used += actual - self.amount
            lease.settled += actual


UNBUDGETED = Reservation(None, 0)


class Budgets:
    """The leases of one node.

    `reserve`, `settle` and `surrender` are for the thread that serves requests. `refill`, `flush` and `close` wait
    for the store: call them in other threads.
    """

    def __init__(self, store: BudgetStore, *, node: str) -> None:
        self._store = store
        self._node = node
        self._leases: dict[str, _Lease] = {}
        self._past: list[_Lease] = []
        self._drawing = Lock()

    def reserve(self, key: Key | None, amount: int, now: int) -> Reservation | None:
        """Set `amount` aside, the price at the dearest candidate. None: the lease is too small, `refill` it first."""
        if key is None or key.budget is None:
            return UNBUDGETED
        lease = self._leases.get(key.id)
        if lease is None or now >= lease.ends or lease.period != key.budget.period:
            return None
        if amount and lease.granted - lease.surrendered - lease.used < amount:
            return None
        lease.used += amount
        return Reservation(lease, amount)

    def settle(self, reservation: Reservation, actual: int) -> None:
        """Replace what was reserved by what it cost (0 where nothing was spent)."""
        reservation.settle(actual)

    def refill(self, key: Key, amount: int, now: int) -> None:
        """Draw from the store so that `amount` can be reserved; others may be faster, so try `reserve` in a loop.

        BudgetExceeded where not even `amount` is left, StoreFailed where the store cannot say.
        """
        budget = key.budget
        if budget is None:
            return
        with self._drawing:
            lease = self._current(key.id, budget, now)
            need = amount - lease.free
            if not amount or need <= 0:
                return
            self._write(lease, lease.settled, lease.surrendered - lease.returned)
            want = max(need, budget.limit // PARTS)
            granted = self._store.lease(
                key=key.id, period=lease.start, limit=budget.limit, need=need, want=want, node=self._node
            )
            if not granted:
                spent = self._store.spent(key=key.id, period=lease.start)
                raise _exceeded(key, budget, lease.ends, spent=spent, amount=amount)
            lease.granted += granted

    def surrender(self) -> None:
        """Give up what leases that were not used since the last call hold, for other nodes; `flush` returns it.

        Call it every half minute or so.
        """
        for lease in list(self._leases.values()):
            free = lease.free
            if lease.used == lease.seen and free > 0:
                lease.surrendered += free
            lease.seen = lease.used

    def flush(self, now: int) -> None:
        """Write what was settled and surrendered since the last time to the store. Call it every second or so.

        After StoreFailed nothing is lost: the next flush writes it.
        """
        with self._drawing:
            for lease in [*self._leases.values(), *self._past]:
                if now >= lease.ends + LATE:
                    self._leave(lease)
                else:
                    self._write(lease, lease.settled, lease.surrendered - lease.returned)

    def close(self) -> None:
        """Write everything and return the rest; what is still reserved stays leased until the node is reconciled."""
        with self._drawing:
            for lease in [*self._leases.values(), *self._past]:
                self._leave(lease)

    def _current(self, id: str, budget: Budget, now: int) -> _Lease:
        lease = self._leases.get(id)
        if lease is not None:
            if lease.period == budget.period and now < lease.ends:
                return lease
            lease.ends = min(lease.ends, now)
            self._past.append(lease)
        start, ends = period(budget.period, now)
        lease = self._leases[id] = _Lease(id, budget.period, start, ends)
        return lease

    def _leave(self, lease: _Lease) -> None:
        """Write a lease that nobody reserves from any more, return all but what is held, forget it if nothing is."""
        settled = lease.settled  # read before `used`, which changes first: so `held` is never too small
        held = lease.used - settled
        self._write(lease, settled, lease.granted - lease.returned - settled - held)
        if held == 0:
            if lease in self._past:
                self._past.remove(lease)
            else:
                del self._leases[lease.key]

    def _write(self, lease: _Lease, settled: int, returned: int) -> None:
        spent, returned = settled - lease.flushed, max(returned, 0)
        if not spent and not returned:
            return
        self._store.settle(key=lease.key, period=lease.start, node=self._node, spent=spent, returned=returned)
        over = spent + returned - (lease.granted - lease.flushed - lease.returned)
        lease.flushed += spent
        lease.returned += returned
        lease.granted += max(over, 0)  # more than was leased: the store took it, which is a grant after the fact


def period(kind: Period, now: int) -> tuple[int, int]:
    """When the period around `now` starts and ends (UTC nanoseconds); (0, `FOREVER`) for the total."""
    if kind == "total":
        return 0, FOREVER
    today = datetime.fromtimestamp(now // NANO, UTC).replace(hour=0, minute=0, second=0)
    if kind == "day":
        start, end = today, today + timedelta(days=1)
    else:
        start = today.replace(day=1)
        end = (start + timedelta(days=32)).replace(day=1)
    return int(start.timestamp()) * NANO, int(end.timestamp()) * NANO


def _exceeded(key: Key, budget: Budget, ends: int, *, spent: int, amount: int) -> BudgetExceeded:
    if budget.period == "total":
        reset = "It never resets"
    else:
        reset = f"It resets at {datetime.fromtimestamp(ends // NANO, UTC):%Y-%m-%d %H:%M} UTC"
    per = {"total": "", "day": " a day", "month": " a month"}[budget.period]
    return BudgetExceeded(
        f"Key '{key.name}' ({key.id}) has spent {dollars(spent)} of its budget of {dollars(budget.limit)}{per}, and "
        f"this request may cost {dollars(amount)} more (requests under way count too). {reset}. Lower max_tokens, use "
        "a cheaper model, or ask for a larger budget."
    )
