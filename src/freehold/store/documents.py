"""Documents, kept in SQL: models made here, rollouts, runs. Few, read whole, changed seldom."""

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

import msgspec
from sqlalchemy import Connection, delete, select, update

from freehold.core.errors import Changed
from freehold.store.database import Database
from freehold.store.schema import documents, generations

Kind = Literal["model", "rollout", "evidence", "run", "withdrawn", "terms", "node"]
T = TypeVar("T")


class SqlDocuments(Generic[T]):
    """The documents of one kind, by name. Each write names the version that it was made from: see `put`."""

    def __init__(self, database: Database, kind: Kind, type_: type[T]) -> None:
        self._database = database
        self._kind = kind
        self._decode = msgspec.json.Decoder(type_).decode
        self._mine = documents.c.kind == kind

    def generation(self) -> int:
        """Changes whenever a document of this kind does; one small read."""
        with self._database.read() as connection:
            return connection.scalar(select(generations.c.value).where(generations.c.name == self._kind)) or 0

    def get(self, name: str) -> tuple[T, int] | None:
        """A document and its version."""
        with self._database.read() as connection:
            row = connection.execute(
                select(documents.c.document, documents.c.version).where(self._mine, documents.c.name == name)
            ).first()
        return None if row is None else (self._decode(row.document), row.version)

    def all(self) -> Sequence[T]:
        """Every one, the last changed first."""
        chosen = select(documents.c.document).where(self._mine).order_by(documents.c.at.desc(), documents.c.name)
        with self._database.read() as connection:
            return [self._decode(text) for text in connection.scalars(chosen)]

    def put(self, name: str, document: T, *, version: int, at: int) -> int:
        """Write it over version `version` (0: it is new); the new version. `Changed` where somebody was faster."""
        text = msgspec.json.encode(document).decode()
        values = {"document": text, "version": version + 1, "at": at}
        with self._database.write() as connection:
            if version:
                there = (self._mine, documents.c.name == name, documents.c.version == version)
                written = connection.execute(update(documents).where(*there).values(**values)).rowcount == 1
            else:
                insert = self._database.insert(documents).values(kind=self._kind, name=name, **values)
                added = insert.on_conflict_do_nothing().returning(documents.c.name)
                written = connection.execute(added).first() is not None  # psycopg counts no rows of an insert
            if not written:
                raise Changed(
                    f"The {self._kind} {name} was changed by somebody else meanwhile; look at it and try again"
                )
            self._count(connection)
        return version + 1

    def remove(self, name: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(documents).where(self._mine, documents.c.name == name))
            self._count(connection)

    def _count(self, connection: Connection) -> None:
        connection.execute(
            self._database.insert(generations)
            .values(name=self._kind, value=1)
            .on_conflict_do_update(index_elements=["name"], set_={"value": generations.c.value + 1})
        )
