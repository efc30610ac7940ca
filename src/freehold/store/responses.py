"""Responses, kept in SQL."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select

from freehold.core.stored import StoredResponse
from freehold.store.database import Database
from freehold.store.schema import response_items, responses

_decode = msgspec.json.Decoder(StoredResponse).decode
_value = msgspec.json.Decoder().decode


class SqlResponses:
    """The port `StoredResponses`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, given: Sequence[StoredResponse]) -> None:
        rows = {(one.owner, one.id): one for one in given}  # of one and the same the last one counts
        with self._database.write() as connection:
            for one in rows.values():
                self._drop(connection, one.owner, one.id)
            connection.execute(self._database.insert(responses), [_row(one) for one in rows.values()])
            found = [
                {"owner": one.owner, "id": id_, "response": one.id} for one in rows.values() for id_ in _items(one)
            ]
            if found:
                connection.execute(self._database.insert(response_items), found)

    def get(self, id: str, *, owner: str, now: int) -> StoredResponse | None:
        with self._database.read() as connection:
            return self._one(connection, id, owner, now)

    def chain(self, id: str, *, owner: str, now: int, most: int) -> Sequence[StoredResponse]:
        found: list[StoredResponse] = []
        with self._database.read() as connection:
            following: str | None = id
            while following is not None and len(found) < most:
                one = self._one(connection, following, owner, now)
                if one is None:
                    return ()
                found.append(one)
                following = one.previous
        return found[::-1]

    def with_items(self, ids: Sequence[str], *, owner: str, now: int) -> Sequence[StoredResponse]:
        same = (response_items.c.response == responses.c.id) & (response_items.c.owner == responses.c.owner)
        joined = responses.join(response_items, same)
        there = (responses.c.owner == owner, responses.c.expires_at > now, response_items.c.id.in_(ids))
        chosen = select(responses.c.record).select_from(joined).where(*there).order_by(responses.c.at).distinct()
        with self._database.read() as connection:
            return [_decode(text) for text in connection.scalars(chosen.add_columns(responses.c.at))]

    def remove(self, id: str, *, owner: str) -> bool:
        with self._database.write() as connection:
            self._scrub(connection)
            there = self._drop(connection, owner, id)
        self._settle()
        return there

    def expire(self, now: int) -> int:
        with self._database.write() as connection:
            self._scrub(connection)
            gone = select(responses.c.owner, responses.c.id).where(responses.c.expires_at <= now)
            rows = connection.execute(gone).all()
            for row in rows:
                self._drop(connection, row.owner, row.id)
        if rows:
            self._settle()
        return len(rows)

    def abandoned(self, node: str) -> Sequence[StoredResponse]:
        with self._database.read() as connection:
            return [_decode(t) for t in connection.scalars(select(responses.c.record).where(responses.c.node == node))]

    def _scrub(self, connection: Connection) -> None:
        """What is deleted is overwritten: SQLite would leave its bytes in the file."""
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON")

    def _settle(self) -> None:
        """Bring the write-ahead log into the file and empty it: it holds the pages as they were."""
        with self._database.read() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _one(self, connection: Connection, id: str, owner: str, now: int) -> StoredResponse | None:
        there = (responses.c.owner == owner, responses.c.id == id, responses.c.expires_at > now)
        text = connection.scalar(select(responses.c.record).where(*there))
        return None if text is None else _decode(text)

    def _drop(self, connection: Connection, owner: str, id: str) -> bool:
        mine = (response_items.c.owner == owner, response_items.c.response == id)
        connection.execute(delete(response_items).where(*mine))
        gone = delete(responses).where(responses.c.owner == owner, responses.c.id == id)
        return connection.execute(gone).rowcount > 0


def _row(one: StoredResponse) -> dict[str, Any]:
    return {
        "owner": one.owner,
        "id": one.id,
        "at": one.at,
        "expires_at": one.expires_at,
        "node": one.node,
        "previous": one.previous,
        "subject": one.subject,
        "record": msgspec.json.encode(one).decode(),
    }


def _items(one: StoredResponse) -> list[str]:
    """The ids of the items in its output, each once."""
    output: list[dict[str, Any]] = _value(one.response).get("output") or []
    return list(dict.fromkeys(id_ for item in output if isinstance(id_ := item.get("id"), str) and id_))
