"""Budgets are never overspent, by however many nodes, and nothing that was spent is lost."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from freehold.core.errors import BudgetExceeded, StoreFailed
from freehold.core.principal import Budget, Key
from freehold.governance.budget import FOREVER, LATE, UNBUDGETED, Budgets, Reservation, period
from freehold.store.memory import MemoryBudgets

DAY = 86_400_000_000_000
NOW = 1_764_547_200_000_000_000  # 2025-12-01 00:00 UTC
KEY = Key(id="k1", digest=b"", name="ci", created_at=0, budget=Budget(limit=1_000))


def reserve(budgets: Budgets, amount: int, key: Key = KEY, now: int = NOW) -> Reservation:
    """As a request does it: from memory, and from the store where that is too little."""
    while (reservation := budgets.reserve(key, amount, now)) is None:
        budgets.refill(key, amount, now)
    return reservation


def test_money_is_reserved_settled_and_flushed() -> None:
    store = MemoryBudgets()
    budgets = Budgets(store, node="a")
    reservation = reserve(budgets, 100)
    budgets.settle(reservation, 40)
    budgets.flush(NOW)

    assert store.spent(key="k1", period=0) == 40


def test_the_first_request_of_a_key_has_to_draw_a_lease() -> None:
    budgets = Budgets(MemoryBudgets(), node="a")

    assert budgets.reserve(KEY, 1, NOW) is None
    budgets.refill(KEY, 1, NOW)
    assert budgets.reserve(KEY, 1, NOW) is not None


def test_a_lease_serves_many_requests() -> None:
    budgets = Budgets(MemoryBudgets(), node="a")
    rich = replace(KEY, budget=Budget(limit=64_000))
    budgets.refill(rich, 10, NOW)

    assert [budgets.reserve(rich, 10, NOW) is not None for _ in range(101)] == [True] * 100 + [False]


def test_whoever_asks_for_more_than_is_left_hears_what_was_spent_and_when_it_resets() -> None:
    store = MemoryBudgets()
    budgets = Budgets(store, node="a")
    key = replace(KEY, budget=Budget(limit=10_000_000_000, period="month"))
    budgets.settle(reserve(budgets, 9_500_000_000, key), 9_500_000_000)
    with pytest.raises(BudgetExceeded) as caught:
        reserve(budgets, 1_000_000_000, key)

    assert caught.value.message == (
        "Key 'ci' (k1) has spent $9.50 of its budget of $10.00 a month, and this request may cost $1.00 more "
        "(requests under way count too). It resets at 2026-01-01 00:00 UTC. Lower max_tokens, use a cheaper model, "
        "or ask for a larger budget."
    )
    reserve(budgets, 500_000_000, key)  # what fits still passes


def test_what_is_reserved_is_not_there_for_others_and_comes_back_when_it_was_not_spent() -> None:
    store = MemoryBudgets()
    one, other = Budgets(store, node="a"), Budgets(store, node="b")
    held = reserve(one, 1_000)
    with pytest.raises(BudgetExceeded):
        reserve(other, 1)
    one.settle(held, 0)
    one.surrender()
    one.surrender()
    one.flush(NOW)

    assert reserve(other, 1_000).amount == 1_000


def test_a_lease_in_use_is_not_surrendered() -> None:
    budgets = Budgets(MemoryBudgets(), node="a")
    for _ in range(3):
        budgets.settle(reserve(budgets, 10), 1)
        budgets.surrender()

    assert budgets.reserve(KEY, 1, NOW) is not None


def test_surrendered_money_is_not_reserved_again_before_the_store_has_it_back() -> None:
    budgets = Budgets(MemoryBudgets(), node="a")
    budgets.settle(reserve(budgets, 1_000), 0)
    budgets.surrender()
    budgets.surrender()

    assert budgets.reserve(KEY, 1, NOW) is None
    budgets.refill(KEY, 1, NOW)
    assert budgets.reserve(KEY, 1, NOW) is not None


def test_closing_returns_what_is_free_and_keeps_what_a_request_still_holds() -> None:
    store = MemoryBudgets()
    budgets = Budgets(store, node="a")
    budgets.settle(reserve(budgets, 300), 10)
    held = reserve(budgets, 200)
    budgets.close()
    assert (store.spent(key="k1", period=0), store.outstanding("a")) == (10, {("k1", 0): 200})

    budgets.settle(held, 150)
    budgets.close()
    assert (store.spent(key="k1", period=0), store.outstanding("a")) == (160, {})


def test_a_request_that_costs_nothing_passes_when_the_budget_is_used_up() -> None:
    budgets = Budgets(MemoryBudgets(), node="a")
    budgets.settle(reserve(budgets, 1_000), 1_000)

    assert reserve(budgets, 0).amount == 0
    with pytest.raises(BudgetExceeded):
        reserve(budgets, 1)


def test_a_request_that_cost_more_than_reserved_is_counted_in_full() -> None:
    store = MemoryBudgets()
    budgets = Budgets(store, node="a")
    budgets.settle(reserve(budgets, 100), 300)
    budgets.flush(NOW)
    assert store.spent(key="k1", period=0) == 300

    budgets.settle(reserve(budgets, 700), 700)
    with pytest.raises(BudgetExceeded):
        reserve(budgets, 1)
    budgets.close()
    assert (store.spent(key="k1", period=0), store.outstanding("a")) == (1_000, {})


def test_settling_twice_counts_once() -> None:
    store = MemoryBudgets()
    budgets = Budgets(store, node="a")
    reservation = reserve(budgets, 100)
    budgets.settle(reservation, 60)
    budgets.settle(reservation, 60)
    budgets.close()

    assert (store.spent(key="k1", period=0), store.outstanding("a")) == (60, {})


def test_nobody_and_keys_without_a_budget_need_no_money() -> None:
    budgets = Budgets(MemoryBudgets(), node="a")
    free = replace(KEY, budget=None)
    budgets.refill(free, 5, NOW)

    assert budgets.reserve(None, 10**18, NOW) is UNBUDGETED
    assert budgets.reserve(free, 10**18, NOW) is UNBUDGETED
    budgets.settle(UNBUDGETED, 5)


def test_a_new_day_has_a_new_budget_and_late_bills_go_to_the_day_of_the_request() -> None:
    store = MemoryBudgets()
    budgets = Budgets(store, node="a")
    daily = replace(KEY, budget=Budget(limit=1_000, period="day"))
    late = reserve(budgets, 1_000, daily, NOW + DAY - 1)
    assert reserve(budgets, 1_000, daily, NOW + DAY).amount == 1_000
    budgets.flush(NOW + DAY + LATE)
    budgets.settle(late, 900)
    budgets.flush(NOW + DAY + LATE)

    assert store.spent(key="k1", period=NOW) == 900
    assert store.outstanding("a") == {("k1", NOW + DAY): 1_000}


def test_an_idle_lease_of_a_past_day_is_returned() -> None:
    store = MemoryBudgets()
    budgets = Budgets(store, node="a")
    daily = replace(KEY, budget=Budget(limit=64_000, period="day"))
    budgets.settle(reserve(budgets, 10, daily), 10)
    budgets.flush(NOW + DAY + LATE)

    assert (store.spent(key="k1", period=NOW), store.outstanding("a")) == (10, {})


def test_a_budget_whose_period_changes_starts_in_the_new_period_and_leaves_the_old() -> None:
    store = MemoryBudgets()
    budgets = Budgets(store, node="a")
    budgets.settle(reserve(budgets, 1_000), 800)
    monthly = replace(KEY, budget=Budget(limit=500, period="month"))
    assert reserve(budgets, 500, monthly).amount == 500
    budgets.flush(NOW + LATE)

    assert store.spent(key="k1", period=0) == 800
    assert store.outstanding("a") == {("k1", NOW): 500}


class Failing(MemoryBudgets):
    """A store that can be switched off."""

    down = False

    def settle(self, *, key: str, period: int, node: str, spent: int, returned: int) -> None:
        if self.down:
            raise StoreFailed("The store is down")
        super().settle(key=key, period=period, node=node, spent=spent, returned=returned)


def test_what_could_not_be_flushed_is_flushed_later() -> None:
    store = Failing()
    budgets = Budgets(store, node="a")
    budgets.settle(reserve(budgets, 100), 70)
    store.down = True
    with pytest.raises(StoreFailed):
        budgets.flush(NOW)
    store.down = False
    budgets.flush(NOW)
    budgets.flush(NOW)

    assert store.spent(key="k1", period=0) == 70


def test_refills_flushes_and_requests_at_once_neither_lose_nor_overspend() -> None:
    store = MemoryBudgets()
    budgets = Budgets(store, node="a")
    rich = replace(KEY, budget=Budget(limit=200_000))
    spent = 0
    with ThreadPoolExecutor(3) as others:
        try:
            for number in count():
                while (reservation := budgets.reserve(rich, 50, NOW)) is None:
                    others.submit(budgets.refill, rich, 50, NOW).result()
                others.submit(budgets.flush, NOW)
                budgets.settle(reservation, number % 50)
                spent += number % 50
                if number % 7 == 0:
                    budgets.surrender()
        except BudgetExceeded:
            pass
    budgets.close()

    assert 200_000 - 50 < spent <= 200_000
    assert (store.spent(key="k1", period=0), store.outstanding("a")) == (spent, {})


@pytest.mark.parametrize(
    ("kind", "now", "start", "end"),
    [
        ("day", "2025-12-31T23:59:59", "2025-12-31", "2026-01-01"),
        ("month", "2025-12-31T23:59:59", "2025-12-01", "2026-01-01"),
        ("month", "2024-02-29T12:00:00", "2024-02-01", "2024-03-01"),
        ("month", "2026-01-01T00:00:00", "2026-01-01", "2026-02-01"),
    ],
)
def test_periods_are_days_and_months_of_utc(kind: str, now: str, start: str, end: str) -> None:
    at, starts, ends = (
        int(datetime.fromisoformat(t).replace(tzinfo=UTC).timestamp()) * 10**9 for t in (now, start, end)
    )

    assert period(kind, at + 999_999_999) == (starts, ends)  # pyright: ignore[reportArgumentType]
    assert period("total", at) == (0, FOREVER)


class Nodes(RuleBasedStateMachine):
    """Three nodes that serve one key with a budget of 1,000 a day, and what their ledgers say."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryBudgets()
        self.key = replace(KEY, budget=Budget(limit=1_000, period="day"))
        self.now = NOW
        self.nodes = {name: Budgets(self.store, node=name) for name in "abc"}
        self.held: list[tuple[str, int, Reservation]] = []
        self.ledger: Counter[tuple[str, int]] = Counter()

    @rule(node=st.sampled_from("abc"), amount=st.integers(0, 400))
    def ask(self, node: str, amount: int) -> None:
        try:
            reservation = reserve(self.nodes[node], amount, self.key, self.now)
        except BudgetExceeded:
            return
        self.held.append((node, period("day", self.now)[0], reservation))

    @rule(which=st.integers(0, 100), share=st.integers(0, 100))
    def answer(self, which: int, share: int) -> None:
        if self.held:
            self._end(self.held.pop(which % len(self.held)), share)

    def _end(self, held: tuple[str, int, Reservation], share: int) -> None:
        node, start, reservation = held
        actual = reservation.amount * share // 100
        self.nodes[node].settle(reservation, actual)
        self.ledger[node, start] += actual

    @rule(node=st.sampled_from("abc"))
    def flush(self, node: str) -> None:
        self.nodes[node].flush(self.now)

    @rule(node=st.sampled_from("abc"))
    def idle(self, node: str) -> None:
        self.nodes[node].surrender()
        self.nodes[node].surrender()

    @rule(passed=st.integers(1, DAY))
    def wait(self, passed: int) -> None:
        self.now += passed

    @rule(node=st.sampled_from("abc"), share=st.integers(0, 100))
    def crash(self, node: str, share: int) -> None:
        """The process dies; its ledger knows what its requests cost, also those under way."""
        for held in [h for h in self.held if h[0] == node]:
            self.held.remove(held)
            self._end(held, share)
        self.store.reconcile(node, {("k1", start): n for (name, start), n in self.ledger.items() if name == node})
        self.nodes[node] = Budgets(self.store, node=node)

    @invariant()
    def never_overspent(self) -> None:
        for start in {start for _, start in self.ledger}:
            spent = sum(n for (_, s), n in self.ledger.items() if s == start)
            leased = sum(self.store.outstanding(node).get(("k1", start), 0) for node in "abc")
            assert spent <= 1_000
            assert self.store.spent(key="k1", period=start) + leased <= 1_000

    def teardown(self) -> None:
        while self.held:
            self._end(self.held.pop(), 50)
        for budgets in self.nodes.values():
            budgets.close()
        for start in {start for _, start in self.ledger}:
            spent = sum(n for (_, s), n in self.ledger.items() if s == start)
            assert self.store.spent(key="k1", period=start) == spent
        assert [self.store.outstanding(node) for node in "abc"] == [{}] * 3


TestNodes = Nodes.TestCase
TestNodes.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
