"""The database: SQLite by default, PostgreSQL by URL; opened at the newest schema or not at all."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from freehold.core.errors import StoreFailed

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_MS = 10_000


class Database:
    """A connection pool at the schema of this code. Safe to share among threads; every process opens its own.

    Everything that fails in the database is raised as `StoreFailed`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(write=True)

    @classmethod
    def open(cls, where: str | Path) -> "Database":
        """Open a file of SQLite (a path, or 'sqlite:///path') or a PostgreSQL ('postgresql://user@host/name').

        Missing tables and revisions are applied first, by one process at a time. StoreFailed where it cannot be
        reached, or was written by a newer Freehold.
        """
        url = _url(where)
        try:
            engine = create_engine(url, pool_pre_ping=url.get_backend_name() == "postgresql")
        except ImportError as error:
            raise StoreFailed("PostgreSQL needs its driver: install freehold[postgres]") from error
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        database = cls(engine)
        try:
            database._migrate()
        except BaseException:
            engine.dispose()
            raise
        return database

    @property
    def name(self) -> str:
        """Where it is, without a password."""
        return self.engine.url.render_as_string()

    @contextmanager
    def read(self) -> Generator[Connection]:
        """One consistent view, of several statements where there are several."""
        with self._failing(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """One transaction, committed at the end unless something was raised.

        On SQLite it is alone from its first statement on; on PostgreSQL lock rows with `with_for_update`.
        """
        with self._failing(), self._writer.begin() as connection:
            yield connection

    def insert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """An insert of this dialect, which can say what happens on a conflict."""
        return import_module(f"sqlalchemy.dialects.{self.engine.dialect.name}").insert(table)  # the other costs 2 MB

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _failing(self) -> Generator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise StoreFailed(f"The store {self.name} failed: {str(cause).strip()}") from error

    def _migrate(self) -> None:
        """Bring the schema up to this code's. A database that has it needs no Alembic, which is loaded only here."""
        if self._revision() != newest():
            migrating = import_module("freehold.store.migrating")
            with self.write() as connection:
                migrating.migrate(connection, self.name)

    def _revision(self) -> str | None:
        """The schema that a database has; None where it is new."""
        with self._failing(), self.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.scalar(text("SELECT version_num FROM alembic_version"))


def newest() -> str:
    """The newest revision of the schema: each is a file whose name begins with it."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))[:4]


def _url(where: str | Path) -> URL:
    if isinstance(where, Path) or "://" not in where:
        url = URL.create("sqlite", database=str(where))
    else:
        try:
            url = make_url(where)
        except (ArgumentError, ValueError):
            raise StoreFailed("The store's URL cannot be read: write postgresql://user:password@host/name") from None
    match url.drivername:
        case "sqlite":
            if url.database in {None, "", ":memory:"}:
                raise StoreFailed("SQLite needs a file: write a path, or sqlite:///path")
            return url
        case "postgres" | "postgresql" | "postgresql+psycopg":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise StoreFailed(f"'{other}' is not a store: write a path for SQLite, or postgresql://user@host/name")


def _prepare_sqlite(engine: Engine) -> None:
    """WAL, a patient writer, foreign keys; and transactions that begin where we say, which the driver hides."""

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    def begun(connection: Connection) -> None:
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
