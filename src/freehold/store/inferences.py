"""Inferences in SQL: a projection of the ledger that people can query, and that can be made anew from it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct
from sqlalchemy import ColumnElement, Connection, Executable, and_, case, cast, func, select, text, true
from sqlalchemy.sql.elements import KeyedColumnElement
from sqlalchemy.types import BigInteger

from freehold.core.errors import StoreFailed
from freehold.core.events import OutcomeKind
from freehold.core.inference import Inference
from freehold.core.usage import Usage
from freehold.store.database import Database
from freehold.store.schema import cursors, inferences

Entry = tuple[str, bytes | Inference | None]
"""A position in the ledger, as text, and the record that ends there; None: a record of something else."""

LARGEST = 2**53  # a column holds no more, whatever a provider claims, so that sums stay in 64 bits; the record does


BATCH = 500
"""Ids in one statement: a database has a limit."""


class Total(Struct, frozen=True, kw_only=True):
    """What one deployment or route did. `cost` in nano-dollars, without the `unpriced`; latencies in nanoseconds,
    nearest rank, over what was answered (None: nothing was)."""

    name: str | None
    count: int
    answered: int
    input_tokens: int
    output_tokens: int
    cost: int
    unpriced: int
    p50: int | None
    p95: int | None


class Totals(Struct, frozen=True, kw_only=True):
    """The largest first. The deployment None: no deployment was reached."""

    deployments: tuple[Total, ...]
    routes: tuple[Total, ...]


class SqlInferences:
    """The port `Records`, and the queries behind the command line and the console."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self, node: str) -> str:
        """How far the ledger of `node` has been projected; '' before its beginning."""
        with self._database.read() as connection:
            return connection.scalar(select(cursors.c.position).where(cursors.c.node == node)) or ""

    def project(self, node: str, after: str, entries: Iterable[Entry]) -> str:
        """Add what follows the position `after` in the ledger of `node`, and say where to go on reading.

        One transaction: hand in some thousand entries at a time. Where another process has moved on since `after` was
        read, nothing is added, and the answer is its position. A record that is already there stays as it is.
        StoreFailed where a record cannot be read.
        """
        rows: list[dict[str, Any]] = []
        last = after
        for position, record in entries:
            if record is not None:
                rows.append(_row(position, record))
            last = position
        begin = self._database.insert(cursors).values(node=node, position="").on_conflict_do_nothing()
        with self._database.write() as connection:
            connection.execute(begin)
            cursor = select(cursors.c.position).where(cursors.c.node == node)
            reached = connection.execute(cursor.with_for_update()).scalar_one()
            if reached != after:
                return reached
            if rows:
                self._add(connection, rows)
            connection.execute(cursors.update().where(cursors.c.node == node).values(position=last))
        return last

    def clear(self) -> None:
        """Forget everything, so that `project` begins again from every ledger's beginning."""
        with self._database.write() as connection:
            connection.execute(cursors.delete())
            connection.execute(inferences.delete())

    def get(self, id: str) -> Inference | None:
        with self._database.read() as connection:
            record = connection.scalar(select(inferences.c.record).where(inferences.c.id == id))
        return None if record is None else _decode(record)

    def many(self, ids: Sequence[str]) -> dict[str, Inference]:
        """Those of these ids that are there."""
        found: dict[str, Inference] = {}
        with self._database.read() as connection:
            for start in range(0, len(ids), BATCH):
                chosen = select(inferences.c.record).where(inferences.c.id.in_(ids[start : start + BATCH]))
                found.update((one.id, one) for one in map(_decode, connection.scalars(chosen)))
        return found

    def ids(self, *, subject: str) -> Sequence[str]:
        """Every inference about a subject."""
        with self._database.read() as connection:
            return connection.scalars(select(inferences.c.id).where(inferences.c.subject == subject)).all()

    def subjects(self, ids: Sequence[str]) -> Sequence[str]:
        """The subjects of these inferences."""
        found: set[str] = set()
        with self._database.read() as connection:
            for start in range(0, len(ids), BATCH):
                some = inferences.c.id.in_(ids[start : start + BATCH])
                found.update(
                    connection.scalars(select(inferences.c.subject).where(some, inferences.c.subject.is_not(None)))
                )
        return sorted(found)

    def latest(self, limit: int) -> Iterator[Inference]:
        """The newest first."""
        return iter(self.query(limit=limit))

    def query(
        self,
        *,
        outcome: OutcomeKind | None = None,
        route: str | None = None,
        deployment: str | None = None,
        key: str | None = None,
        team: str | None = None,
        since: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Inference]:
        """The newest first. `since` (included) and `before` (excluded) are times of acceptance, UTC nanoseconds."""
        columns = inferences.c
        equal: list[tuple[KeyedColumnElement[Any], str | None]] = [
            (columns.outcome, outcome),
            (columns.route, route),
            (columns.deployment, deployment),
            (columns.key, key),
            (columns.team, team),
        ]
        wanted: list[ColumnElement[bool]] = [column == _text(value) for column, value in equal if value is not None]
        if since is not None:
            wanted.append(columns.at >= since)
        if before is not None:
            wanted.append(columns.at < before)
        chosen = select(columns.record).where(and_(true(), *wanted)).order_by(columns.at.desc(), columns.id.desc())
        with self._database.read() as connection:
            records = connection.scalars(chosen.limit(limit)).all()
        return [_decode(record) for record in records]

    def totals(self, since: int = 0) -> Totals:
        """Sums over what was accepted at or after `since` (UTC nanoseconds), by deployment and by route."""
        with self._database.read() as connection:
            by_deployment, by_route = (
                tuple(_total(row) for row in connection.execute(_sums(column, since)).mappings())
                for column in (inferences.c.deployment, inferences.c.route)
            )
        return Totals(deployments=by_deployment, routes=by_route)

    def _add(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(_FROM_JSON, {"rows": msgspec.json.encode(rows).decode()})
        else:
            connection.execute(self._database.insert(inferences).on_conflict_do_nothing(), rows)


# One statement with one parameter: with a statement for each row PostgreSQL would take a third less of them.
_FROM_JSON = text(
    f"INSERT INTO {inferences.name}"
    f" SELECT * FROM json_populate_recordset(CAST(NULL AS {inferences.name}), CAST(:rows AS json))"
    " ON CONFLICT DO NOTHING"
)


class _Columns(Struct, frozen=True, gc=False):
    """The members of a record that have a column; the others are not even decoded."""

    id: str
    at: int
    outcome: OutcomeKind
    route: str
    dialect: str = "openai-chat"
    key: str | None = None
    team: str | None = None
    subject: str | None = None
    stream: bool = False
    calls: tuple[Raw, ...] = ()
    deployment: str | None = None
    status: int = 0
    error: str | None = None
    usage: Usage | None = None
    cost: int | None = None
    ttft: int | None = None
    duration: int = 0
    finish: str | None = None


_columns = msgspec.json.Decoder(_Columns)
_inference = msgspec.json.Decoder(Inference)
_NO_USAGE = Usage()


def _row(position: str, record: bytes | Inference) -> dict[str, Any]:
    data = msgspec.json.encode(record) if isinstance(record, Inference) else record
    try:
        said = _columns.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreFailed(f"The ledger's record that ends at {position} is no inference: {error}") from error
    used = said.usage or _NO_USAGE
    counted = said.usage is not None
    return {
        "id": said.id,
        "at": said.at,
        "outcome": said.outcome,
        "route": _text(said.route),
        "dialect": said.dialect,
        "deployment": said.deployment,
        "key": said.key,
        "team": said.team,
        "subject": _text(said.subject) if said.subject else None,
        "status": said.status,
        "error": said.error,
        "finish": _text(said.finish) if said.finish else None,
        "stream": said.stream,
        "calls": len(said.calls),
        "input_tokens": min(used.input_tokens, LARGEST) if counted else None,
        "output_tokens": min(used.output_tokens, LARGEST) if counted else None,
        "cache_read_tokens": min(used.cache_read_tokens, LARGEST) if counted else None,
        "cost": None if said.cost is None else min(said.cost, LARGEST),
        "ttft": said.ttft,
        "duration": said.duration,
        "record": data.decode(),
    }


def _text(said: str) -> str:
    """Text from outside as a column holds it: PostgreSQL refuses NUL."""
    return said.replace("\0", "\ufffd") if "\0" in said else said


def _decode(record: str) -> Inference:
    return _inference.decode(record)


def _sums(group: KeyedColumnElement[Any], since: int) -> Executable:
    """One row for each value of `group`. Ranks stand in for percentiles, which SQLite does not have."""
    columns = inferences.c
    answered = columns.outcome == "answered"
    ranked = (
        select(
            group.label("name"),
            columns.input_tokens,
            columns.output_tokens,
            columns.cost,
            columns.duration,
            case((answered, 1), else_=0).label("answered"),
            func.row_number().over(partition_by=(group, answered), order_by=columns.duration).label("rank"),
            func.count().over(partition_by=(group, answered)).label("of"),
        )
        .where(columns.at >= since)
        .subquery()
    )
    row = ranked.c

    def percentile(percent: int) -> ColumnElement[int]:
        reached = and_(row.answered == 1, row.rank * 100 >= row.of * percent)
        return func.min(case((reached, row.duration))).label(f"p{percent}")

    def total(column: KeyedColumnElement[Any]) -> ColumnElement[int]:
        return cast(func.coalesce(func.sum(column), 0), BigInteger).label(column.key)

    count = func.count().label("count")
    unpriced = (func.count() - func.count(row.cost)).label("unpriced")
    sums = (total(row.answered), total(row.input_tokens), total(row.output_tokens), total(row.cost), unpriced)
    return (
        select(row.name, count, *sums, percentile(50), percentile(95))
        .group_by(row.name)
        .order_by(count.desc(), row.name)
    )


def _total(row: Any) -> Total:
    return Total(**row)
