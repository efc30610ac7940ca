"""Keys, kept in SQL."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import select

from freehold.core.principal import Key
from freehold.store.database import Database
from freehold.store.schema import generations, keys


class SqlKeys:
    """The port `KeyStore`. Read the generation before the keys: then a change in between is seen the next time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def generation(self) -> int:
        with self._database.read() as connection:
            return connection.scalar(select(generations.c.value).where(generations.c.name == keys.name)) or 0

    def all(self) -> Sequence[Key]:
        """Every key there ever was, also the revoked, the oldest first."""
        with self._database.read() as connection:
            documents = connection.scalars(select(keys.c.document)).all()
        found = [msgspec.json.decode(document, type=Key) for document in documents]
        return sorted(found, key=lambda key: (key.created_at, key.id))

    def put(self, key: Key) -> None:
        """Add a key, or replace the one with its id."""
        document = msgspec.json.encode(key).decode()
        insert = self._database.insert
        with self._database.write() as connection:
            connection.execute(
                insert(keys)
                .values(id=key.id, document=document)
                .on_conflict_do_update(index_elements=["id"], set_={"document": document})
            )
            connection.execute(
                insert(generations)
                .values(name=keys.name, value=1)
                .on_conflict_do_update(index_elements=["name"], set_={"value": generations.c.value + 1})
            )
