"""Stores that keep nothing beyond the process: for tests, and for a gateway that should leave no trace."""

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock

from msgspec import Struct

from freehold.core.inference import Inference
from freehold.core.principal import Key


class MemoryKeys:
    """The port `KeyStore`."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._generation = 0

    def generation(self) -> int:
        return self._generation

    def all(self) -> Sequence[Key]:
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))

    def put(self, key: Key) -> None:
        self._keys[key.id] = key
        self._generation += 1


class MemoryRecords:
    """The port `Records`, filled by `add`. `latest` is by time of acceptance."""

    def __init__(self) -> None:
        self._inferences: dict[str, Inference] = {}

    def add(self, inference: Inference) -> None:
        self._inferences.setdefault(inference.id, inference)

    def get(self, id: str) -> Inference | None:
        return self._inferences.get(id)

    def latest(self, limit: int) -> Iterator[Inference]:
        return iter(sorted(self._inferences.values(), key=lambda i: (i.at, i.id), reverse=True)[:limit])


class _Account(Struct):
    spent: int = 0
    leased: int = 0


class MemoryBudgets:
    """The port `BudgetStore`, shared by the nodes of one process."""

    def __init__(self) -> None:
        self._accounts: dict[tuple[str, int, str], _Account] = {}
        self._lock = Lock()

    def lease(self, *, key: str, period: int, limit: int, need: int, want: int, node: str) -> int:
        with self._lock:
            taken = sum(a.spent + a.leased for (k, p, _), a in self._accounts.items() if (k, p) == (key, period))
            granted = min(max(need, want), limit - taken)
            if granted < need or granted <= 0:
                return 0
            self._account(key, period, node).leased += granted
            return granted

    def settle(self, *, key: str, period: int, node: str, spent: int, returned: int) -> None:
        with self._lock:
            account = self._account(key, period, node)
            account.spent += spent
            account.leased -= min(spent + returned, account.leased)

    def spent(self, *, key: str, period: int) -> int:
        with self._lock:
            return sum(a.spent for (k, p, _), a in self._accounts.items() if (k, p) == (key, period))

    def outstanding(self, node: str) -> dict[tuple[str, int], int]:
        with self._lock:
            return {(k, p): a.leased for (k, p, n), a in self._accounts.items() if n == node and a.leased}

    def reconcile(self, node: str, spent: Mapping[tuple[str, int], int]) -> None:
        for key, period in spent.keys() | self.outstanding(node).keys():
            with self._lock:
                account = self._account(key, period, node)
                account.spent = max(account.spent, spent.get((key, period), 0))
                account.leased = 0

    def _account(self, key: str, period: int, node: str) -> _Account:
        return self._accounts.setdefault((key, period, node), _Account())
