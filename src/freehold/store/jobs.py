"""Workers and the progress of jobs, kept in SQL. The jobs themselves are DBOS's to keep.

A worker holds a lease by beating. One whose lease ran out is fenced, in one transaction: from then on its own beats and
checks say so, and whoever fenced it may give its jobs to others.
"""

from collections.abc import Sequence

from sqlalchemy import select, update

from freehold.store.database import Database
from freehold.store.schema import progress, workers


class SqlWorkers:
    """Times are UTC nanoseconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def join(self, id: str, *, host: str, pid: int, now: int) -> None:
        """Begin a lease under a fresh id."""
        with self._database.write() as connection:
            connection.execute(
                self._database.insert(workers).values(
                    id=id, host=host, pid=pid, started_at=now, beat_at=now, fenced=False
                )
            )

    def beat(self, id: str, now: int) -> bool:
        """Prolong the lease; False where it is lost."""
        with self._database.write() as connection:
            held = connection.execute(
                update(workers).where(workers.c.id == id, workers.c.fenced.is_(False)).values(beat_at=now)
            )
            return held.rowcount == 1

    def holds(self, id: str) -> bool:
        """Whether the worker may still act."""
        with self._database.read() as connection:
            return connection.scalar(select(workers.c.fenced).where(workers.c.id == id)) is False

    def others(self, id: str) -> Sequence[tuple[str, str, int, int]]:
        """Every other worker that is not fenced: id, host, pid, last beat."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(workers.c.id, workers.c.host, workers.c.pid, workers.c.beat_at).where(
                    workers.c.id != id, workers.c.fenced.is_(False)
                )
            )
            return [(row.id, row.host, row.pid, row.beat_at) for row in rows]

    def fence(self, id: str, *, beat_at: int) -> bool:
        """Take the lease away, unless it was prolonged since `beat_at` or somebody else was first."""
        with self._database.write() as connection:
            taken = connection.execute(
                update(workers)
                .where(workers.c.id == id, workers.c.fenced.is_(False), workers.c.beat_at == beat_at)
                .values(fenced=True)
            )
            return taken.rowcount == 1

    def leave(self, id: str) -> None:
        """Give the lease back."""
        with self._database.write() as connection:
            connection.execute(update(workers).where(workers.c.id == id).values(fenced=True))


class SqlProgress:
    """How far each job is; a later word replaces an earlier one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, job: str, *, share: float, text: str, at: int) -> None:
        values = {"share": share, "text": text, "at": at}
        with self._database.write() as connection:
            connection.execute(
                self._database.insert(progress)
                .values(job=job, **values)
                .on_conflict_do_update(index_elements=["job"], set_=values)
            )

    def get(self, jobs: Sequence[str]) -> dict[str, tuple[float, str, int]]:
        """(share, text, at) of those jobs that have said something."""
        with self._database.read() as connection:
            rows = connection.execute(select(progress).where(progress.c.job.in_(jobs)))
            return {row.job: (row.share, row.text, row.at) for row in rows}
