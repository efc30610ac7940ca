"""Batches, kept in SQL: where each stands, who works on it, and which of its lines were sent and answered.

Whoever works on a batch holds it for a while and prolongs that with every step. A step checks the hold in the same
transaction, so that one who lost it changes nothing any more.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, delete, select, update

from freehold.core.batch import UNDER_WAY, Batch, Hold, LineClaim, LineResult
from freehold.core.errors import Changed
from freehold.core.ids import Ids
from freehold.store.database import Database
from freehold.store.schema import batch_lines, batches

INLINE = "msgbatch_"
"""How the ids of those begin whose requests came in the request that made them."""
_decode = msgspec.json.Decoder(Batch).decode


class SqlBatches:
    """The port `Batches`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, batch: Batch) -> None:
        values = _values(batch) | {"id": batch.id, "owner": batch.owner, "home": batch.home, "input": batch.input_file}
        with self._database.write() as connection:
            connection.execute(self._database.insert(batches).values(**values, holder="", held_until=0, epoch=0))

    def get(self, id: str) -> Batch | None:
        with self._database.read() as connection:
            text = connection.scalar(select(batches.c.record).where(batches.c.id == id))
        return None if text is None else _decode(text)

    def page(self, owner: str | None, *, after: str | None, most: int, inline: bool = False) -> Sequence[Batch]:
        kind = batches.c.id.startswith(INLINE, autoescape=True)
        chosen = select(batches.c.record).where(kind if inline else ~kind).order_by(batches.c.id.desc()).limit(most)
        if owner is not None:
            chosen = chosen.where(batches.c.owner == owner)
        if after is not None:
            chosen = chosen.where(batches.c.id < after)
        with self._database.read() as connection:
            return [_decode(text) for text in connection.scalars(chosen)]

    def using(self, file: str) -> str | None:
        chosen = select(batches.c.id).where(batches.c.input == file, batches.c.status.in_(UNDER_WAY))
        with self._database.read() as connection:
            return connection.scalar(chosen)

    def change(self, id: str, changed: Callable[[Batch], Batch]) -> Batch | None:
        with self._database.write() as connection:
            text = connection.scalar(select(batches.c.record).where(batches.c.id == id).with_for_update())
            return None if text is None else self._put(connection, changed(_decode(text)))

    # holding

    def take(self, holder: str, *, home: str, now: int, until: int, most: int) -> Sequence[tuple[Batch, Hold]]:
        free = (batches.c.home == home, batches.c.status.in_(UNDER_WAY), batches.c.held_until <= now)
        chosen = select(batches.c.id, batches.c.epoch, batches.c.record).where(*free).order_by(batches.c.id)
        with self._database.read() as connection:  # mostly there is none, and a writer would hold up others
            if connection.execute(chosen.limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            rows = connection.execute(chosen.limit(most).with_for_update()).all()
            for row in rows:
                held = {"holder": holder, "held_until": until, "epoch": row.epoch + 1}
                connection.execute(update(batches).where(batches.c.id == row.id).values(held))
        return [(_decode(row.record), Hold(row.id, holder, row.epoch + 1)) for row in rows]

    def release(self, holder: str) -> None:
        with self._database.write() as connection:
            free = update(batches).where(batches.c.holder == holder, batches.c.status.in_(UNDER_WAY))
            connection.execute(free.values(held_until=0))

    def move(self, hold: Hold, changed: Callable[[Batch], Batch], *, until: int) -> Batch:
        with self._database.write() as connection:
            return self._put(connection, changed(self._held(connection, hold, until)))

    def advance(
        self, hold: Hold, *, done: Sequence[LineResult], again: Sequence[int], more: int, ids: Ids, until: int
    ) -> tuple[Batch, Sequence[LineClaim]]:
        with self._database.write() as connection:
            batch = self._held(connection, hold, until)
            good = bad = 0
            for one in done:
                there = (batch_lines.c.batch == hold.batch, batch_lines.c.number == one.number)
                result = {"epoch": one.epoch, "offset": one.offset, "length": one.length, "good": one.good}
                first = update(batch_lines).where(*there, batch_lines.c.offset.is_(None)).values(result)
                if connection.execute(first).rowcount:
                    good, bad = good + one.good, bad + (not one.good)
            sent, claims = batch.next, list[LineClaim]()
            if batch.status == "in_progress":
                sent = min(batch.next + more, batch.total)
                claims = [LineClaim(n, ids(), hold.epoch) for n in (*again, *range(batch.next, sent))]
                self._claim(connection, hold, claims)
            moved = replace(batch, next=sent, completed=batch.completed + good, failed=batch.failed + bad)
            return (self._put(connection, moved) if moved != batch else batch), claims

    def unfinished(self, id: str) -> Sequence[LineClaim]:
        wanted = (batch_lines.c.number, batch_lines.c.inference, batch_lines.c.epoch)
        chosen = select(*wanted).where(batch_lines.c.batch == id, batch_lines.c.offset.is_(None))
        with self._database.read() as connection:
            return [LineClaim(*row) for row in connection.execute(chosen.order_by(batch_lines.c.number))]

    def finished(self, id: str) -> Sequence[LineResult]:
        c = batch_lines.c
        chosen = select(c.number, c.epoch, c.offset, c.length, c.good).where(c.batch == id, c.offset.is_not(None))
        with self._database.read() as connection:
            return [LineResult(*row) for row in connection.execute(chosen.order_by(c.number))]

    def close(self, hold: Hold, changed: Callable[[Batch], Batch]) -> Batch:
        with self._database.write() as connection:
            over = self._put(connection, changed(self._held(connection, hold, 0)))
            connection.execute(delete(batch_lines).where(batch_lines.c.batch == hold.batch))
            return over

    def _held(self, connection: Connection, hold: Hold, until: int) -> Batch:
        """The batch, held until then; Changed where the hold is lost."""
        mine = (batches.c.id == hold.batch, batches.c.holder == hold.holder, batches.c.epoch == hold.epoch)
        text = connection.scalar(select(batches.c.record).where(*mine).with_for_update())
        if text is None:
            raise Changed(f"Another process works on the batch {hold.batch} now")
        connection.execute(update(batches).where(*mine).values(held_until=until))
        return _decode(text)

    def _claim(self, connection: Connection, hold: Hold, claims: Sequence[LineClaim]) -> None:
        if claims:
            rows = [
                {"batch": hold.batch, "number": c.number, "inference": c.inference, "epoch": c.epoch} for c in claims
            ]
            insert = self._database.insert(batch_lines)
            anew = {"inference": insert.excluded.inference, "epoch": insert.excluded.epoch}
            connection.execute(insert.on_conflict_do_update(index_elements=["batch", "number"], set_=anew), rows)

    def _put(self, connection: Connection, batch: Batch) -> Batch:
        connection.execute(update(batches).where(batches.c.id == batch.id).values(_values(batch)))
        return batch


def _values(batch: Batch) -> dict[str, Any]:
    return {"status": batch.status, "record": msgspec.json.encode(batch).decode()}
