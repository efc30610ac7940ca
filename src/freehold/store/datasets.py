"""Datasets, listed in SQL: which there are, what state they are in, and which inferences each was made from.

What they contain is in their folders; a row lost here can be made again from there.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct
from sqlalchemy import select, update

from freehold.core.errors import StoreFailed
from freehold.store.database import Database
from freehold.store.schema import dataset_inferences, datasets

BATCH = 500

State = Literal["active", "quarantined"]


class Listed(Struct, frozen=True, kw_only=True):
    """One dataset. `digest`: SHA-256 of its examples in hex; `at`: UTC nanoseconds; `folder`: its name on disk.

    quarantined: something in it was erased, or may no longer be used; `reason` says what.
    """

    digest: str
    name: str
    at: int
    examples: int
    folder: str
    state: State = "active"
    reason: str = ""


class SqlDatasets:
    """The list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, listed: Listed, inferences: Sequence[str]) -> None:
        """List a dataset made from these inferences; one that is already there stays as it is."""
        insert = self._database.insert
        values = {field: getattr(listed, field) for field in Listed.__struct_fields__}
        with self._database.write() as connection:
            connection.execute(insert(datasets).values(**values).on_conflict_do_nothing())
            for some in _batches(sorted(set(inferences))):
                rows = [{"dataset": listed.digest, "inference": one} for one in some]
                connection.execute(insert(dataset_inferences).on_conflict_do_nothing(), rows)

    def all(self) -> Sequence[Listed]:
        """The newest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(datasets).order_by(datasets.c.at.desc(), datasets.c.digest)).mappings()
            return [Listed(**row) for row in rows]

    def find(self, reference: str) -> Listed | None:
        """By `name@digest`, by `name` (the newest of it) or by digest; a digest may be cut to 6 signs or more.

        StoreFailed where a cut digest fits several.
        """
        name, at, digest = reference.partition("@")
        found = [one for one in self.all() if _fits(one, name, digest if at else None)]
        if len(found) > 1 and found[0].name != reference:
            names = ", ".join(f"{one.name}@{one.digest[:12]}" for one in found)
            raise StoreFailed(f"{reference!r} may be any of {names}. Write more of its digest")
        return found[0] if found else None

    def made_from(self, inferences: Sequence[str]) -> Sequence[Listed]:
        """Those that contain any of these inferences, the newest first."""
        digests: set[str] = set()
        with self._database.read() as connection:
            for some in _batches(inferences):
                chosen = select(dataset_inferences.c.dataset).where(dataset_inferences.c.inference.in_(some))
                digests.update(connection.scalars(chosen.distinct()))
        return [one for one in self.all() if one.digest in digests]

    def inferences(self, digest: str) -> Sequence[str]:
        """What a dataset was made from."""
        chosen = select(dataset_inferences.c.inference).where(dataset_inferences.c.dataset == digest)
        with self._database.read() as connection:
            return connection.scalars(chosen.order_by(dataset_inferences.c.inference)).all()

    def mark(self, digest: str, state: State, reason: str) -> None:
        with self._database.write() as connection:
            connection.execute(update(datasets).where(datasets.c.digest == digest).values(state=state, reason=reason))


def _fits(one: Listed, name: str, digest: str | None) -> bool:
    if digest is not None:
        return one.name == name and len(digest) >= 6 and one.digest.startswith(digest)
    return one.name == name or (len(name) >= 6 and one.digest.startswith(name))


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]
