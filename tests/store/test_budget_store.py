"""The contract of `BudgetStore`, for each store that fulfils it, and leases drawn by many at once."""

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Protocol

import pytest

from freehold.core.ports import BudgetStore
from freehold.store.budgets import SqlBudgets
from freehold.store.database import Database
from freehold.store.memory import MemoryBudgets


class Recoverable(BudgetStore, Protocol):
    def outstanding(self, node: str) -> dict[tuple[str, int], int]: ...

    def reconcile(self, node: str, spent: Mapping[tuple[str, int], int]) -> None: ...


@pytest.fixture
def store(behind: Database | None) -> Recoverable:
    return SqlBudgets(behind) if behind else MemoryBudgets()


def draw(store: BudgetStore, need: int, want: int, *, node: str = "a", period: int = 0, limit: int = 100) -> int:
    return store.lease(key="k", period=period, limit=limit, need=need, want=want, node=node)


def settle(store: BudgetStore, spent: int, returned: int, *, node: str = "a", period: int = 0) -> None:
    store.settle(key="k", period=period, node=node, spent=spent, returned=returned)


def test_a_lease_is_what_is_wanted_while_that_fits(store: Recoverable) -> None:
    assert draw(store, 10, 60) == 60
    assert draw(store, 10, 60, node="b") == 40
    assert draw(store, 1, 60) == 0
    assert store.outstanding("a") == {("k", 0): 60}
    assert store.outstanding("b") == {("k", 0): 40}


def test_less_than_needed_is_never_leased(store: Recoverable) -> None:
    assert draw(store, 95, 95) == 95
    assert draw(store, 6, 10) == 0
    assert draw(store, 5, 10) == 5


def test_what_is_settled_stays_spent_and_what_is_returned_can_be_drawn_again(store: Recoverable) -> None:
    draw(store, 100, 100)
    settle(store, 30, 50)

    assert store.spent(key="k", period=0) == 30
    assert store.outstanding("a") == {("k", 0): 20}
    assert draw(store, 1, 100, node="b") == 50


def test_spending_beyond_the_lease_counts_and_leaves_less_for_everybody(store: Recoverable) -> None:
    draw(store, 10, 10)
    settle(store, 25, 0)

    assert store.spent(key="k", period=0) == 25
    assert store.outstanding("a") == {}
    assert draw(store, 1, 100, node="b") == 75


def test_keys_and_periods_are_apart(store: Recoverable) -> None:
    draw(store, 100, 100)
    settle(store, 100, 0)

    assert draw(store, 100, 100, period=86_400_000_000_000) == 100
    assert store.lease(key="other", period=0, limit=7, need=7, want=7, node="a") == 7
    assert store.spent(key="other", period=0) == 0


def test_a_lowered_limit_stops_new_leases(store: Recoverable) -> None:
    draw(store, 80, 80)

    assert draw(store, 1, 1, limit=50) == 0


def test_a_dead_node_is_reconciled_with_what_its_ledger_says_it_spent(store: Recoverable) -> None:
    draw(store, 60, 60)
    draw(store, 10, 10, period=5)
    draw(store, 40, 40, node="b")
    settle(store, 10, 0)
    for _ in range(2):  # the second time changes nothing
        store.reconcile("a", {("k", 0): 25})

        assert store.spent(key="k", period=0) == 25
        assert store.spent(key="k", period=5) == 0
        assert store.outstanding("a") == {}
        assert store.outstanding("b") == {("k", 0): 40}
    assert draw(store, 1, 100, node="c") == 35


def test_reconciling_never_lowers_what_was_settled(store: Recoverable) -> None:
    draw(store, 60, 60)
    settle(store, 50, 0)
    store.reconcile("a", {})

    assert store.spent(key="k", period=0) == 50
    assert draw(store, 1, 100) == 50


def spend_all(store: BudgetStore, node: str) -> int:
    """Draw, spend and return until nothing is left."""
    spent = 0
    while granted := draw(store, 7, 50, node=node, limit=2_000):
        used = granted * 2 // 3
        settle(store, used, granted - used, node=node)
        spent += used
    return spent


def spend_all_of(url: str, node: str) -> int:
    database = Database.open(url)
    try:
        return spend_all(SqlBudgets(database), node)
    finally:
        database.close()


def test_many_threads_never_overspend(store: Recoverable) -> None:
    with ThreadPoolExecutor(8) as threads:
        spent = sum(threads.map(partial(spend_all, store), "abcdefgh"))

    assert store.spent(key="k", period=0) == spent
    assert 2_000 - 7 < spent <= 2_000


def test_many_processes_never_overspend(url: str) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        spent = sum(processes.map(partial(spend_all_of, url), "abcd"))

    database = Database.open(url)
    assert SqlBudgets(database).spent(key="k", period=0) == spent
    assert [SqlBudgets(database).outstanding(node) for node in "abcd"] == [{}] * 4
    database.close()
    assert 2_000 - 7 < spent <= 2_000
