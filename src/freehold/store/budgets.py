"""Budgets, shared by all nodes in SQL: atomic leases, and what was spent of them."""

from collections.abc import Mapping

from sqlalchemy import Connection, select, update

from freehold.store.database import Database
from freehold.store.schema import budgets, leases


class SqlBudgets:
    """The port `BudgetStore`, and what recovery needs. Amounts are nano-dollars.

    Each change locks the one row of its key and period, so that leases of many nodes are given one after the other.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def lease(self, *, key: str, period: int, limit: int, need: int, want: int, node: str) -> int:
        with self._database.write() as connection:
            spent, leased, _, _ = self._lock(connection, key, period, node)
            granted = min(max(need, want), limit - spent - leased)
            if granted < need or granted <= 0:
                return 0
            _add(connection, key, period, node, spent=0, leased=granted)
            return granted

    def settle(self, *, key: str, period: int, node: str, spent: int, returned: int) -> None:
        """Move `spent` of this node's lease to spent and give `returned` back.

        What was spent beyond the lease (a provider charged more than the dearest guess) counts as spent all the same.
        """
        with self._database.write() as connection:
            _, _, _, held = self._lock(connection, key, period, node)
            _add(connection, key, period, node, spent=spent, leased=-min(spent + returned, held))

    def spent(self, *, key: str, period: int) -> int:
        with self._database.read() as connection:
            chosen = select(budgets.c.spent).where(budgets.c.key == key, budgets.c.period == period)
            return connection.scalar(chosen) or 0

    def outstanding(self, node: str) -> dict[tuple[str, int], int]:
        """What `node` has drawn and neither spent nor returned, by key and period."""
        chosen = select(leases.c.key, leases.c.period, leases.c.leased)
        with self._database.read() as connection:
            rows = connection.execute(chosen.where(leases.c.node == node, leases.c.leased > 0)).all()
        return {(key, period): leased for key, period, leased in rows}

    def reconcile(self, node: str, spent: Mapping[tuple[str, int], int]) -> None:
        """Close the leases of a process that is dead: its node must be running nowhere.

        `spent` is everything that the node ever spent, by key and period, as its ledger tells. What it had not yet
        settled becomes spent, the rest of its leases returns. Doing it again changes nothing.
        """
        for key, period in sorted(spent.keys() | self.outstanding(node).keys()):
            with self._database.write() as connection:
                _, _, known, held = self._lock(connection, key, period, node)
                late = max(spent.get((key, period), 0) - known, 0)
                _add(connection, key, period, node, spent=late, leased=-held)

    def _lock(self, connection: Connection, key: str, period: int, node: str) -> tuple[int, int, int, int]:
        """Spent and leased by everybody, then by `node`; nobody else changes them until the transaction ends."""
        nothing = {"key": key, "period": period, "spent": 0, "leased": 0}
        connection.execute(self._database.insert(budgets).values(nothing).on_conflict_do_nothing())
        shared = select(budgets.c.spent, budgets.c.leased).where(budgets.c.key == key, budgets.c.period == period)
        all_spent, all_leased = connection.execute(shared.with_for_update()).one()
        connection.execute(self._database.insert(leases).values(nothing | {"node": node}).on_conflict_do_nothing())
        own = select(leases.c.spent, leases.c.leased).where(
            leases.c.key == key, leases.c.period == period, leases.c.node == node
        )
        own_spent, own_leased = connection.execute(own).one()
        return all_spent, all_leased, own_spent, own_leased


def _add(connection: Connection, key: str, period: int, node: str, *, spent: int, leased: int) -> None:
    connection.execute(
        update(budgets)
        .where(budgets.c.key == key, budgets.c.period == period)
        .values(spent=budgets.c.spent + spent, leased=budgets.c.leased + leased)
    )
    connection.execute(
        update(leases)
        .where(leases.c.key == key, leases.c.period == period, leases.c.node == node)
        .values(spent=leases.c.spent + spent, leased=leases.c.leased + leased)
    )
