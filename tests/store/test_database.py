"""The database opens at the newest schema, for many processes at once, or says why not."""

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from freehold.core.errors import StoreFailed
from freehold.core.principal import Key
from freehold.store.database import Database, newest
from freehold.store.keys import SqlKeys
from freehold.store.schema import metadata

KEY = Key(id="k", digest=b"d", name="ci", created_at=1)


def test_the_tables_of_the_code_are_those_that_the_migrations_make(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_what_was_written_is_there_after_opening_again(url: str) -> None:
    first = Database.open(url)
    SqlKeys(first).put(KEY)
    first.close()

    second = Database.open(url)
    assert SqlKeys(second).all() == [KEY]
    second.close()


def open_and_count(url: str) -> int:
    database = Database.open(url)
    found = len(SqlKeys(database).all())
    database.close()
    return found


def test_many_processes_may_open_a_new_database_at_once(url: str) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        assert list(processes.map(open_and_count, [url] * 8)) == [0] * 8


def test_a_database_written_by_a_newer_freehold_is_refused(url: str) -> None:
    newer = Database.open(url)
    with newer.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    newer.close()

    with pytest.raises(StoreFailed, match=r"newer Freehold \(schema 9999; this one knows up to \d{4}\)"):
        Database.open(url)


def test_a_failed_write_leaves_nothing(database: Database) -> None:
    def write_and_fail() -> None:
        with database.write() as connection:
            connection.execute(text("INSERT INTO cursors (node, position) VALUES ('n', '1')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()

    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM cursors")) == 0


def test_a_failure_of_the_database_names_it(database: Database) -> None:
    with pytest.raises(StoreFailed, match=r"^The store (sqlite|postgresql).* failed: .*nowhere"), database.read() as c:
        c.execute(text("SELECT * FROM nowhere"))


def test_sqlite_writes_ahead_and_waits_for_other_writers(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "store.db")
    with database.read() as connection:
        pragmas = [connection.scalar(text(f"PRAGMA {p}")) for p in ("journal_mode", "busy_timeout", "foreign_keys")]
    database.close()

    assert pragmas == ["wal", 10_000, 1]


def test_a_path_may_be_text(tmp_path: Path) -> None:
    path = tmp_path / "a 100%.db"
    database = Database.open(str(path))
    SqlKeys(database).put(KEY)
    database.close()

    assert path.exists()


def test_a_file_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.db"
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 100)

    with pytest.raises(StoreFailed, match=r"photo\.db failed: file is not a database"):
        Database.open(path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match=r"absent/store\.db failed: unable to open database file"):
        Database.open(tmp_path / "absent" / "store.db")


@pytest.mark.parametrize("memory", ["sqlite://", "sqlite:///:memory:"])
def test_a_store_in_memory_is_refused_since_each_thread_would_have_its_own(memory: str) -> None:
    with pytest.raises(StoreFailed, match="needs a file"):
        Database.open(memory)


def test_other_databases_are_refused_with_what_is_possible() -> None:
    with pytest.raises(StoreFailed, match="'mysql' is not a store: write a path for SQLite, or postgresql://"):
        Database.open("mysql://root@localhost/x")


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(StoreFailed) as caught:
        Database.open("postgres://ann:geheim@127.0.0.1:1/x")

    assert "postgresql+psycopg://ann:***@127.0.0.1:1/x failed" in caught.value.message
    assert "geheim" not in caught.value.message


def test_a_database_at_the_newest_schema_opens_without_alembic(tmp_path: Path) -> None:
    url = tmp_path / "store.db"
    Database.open(url).close()
    script = (
        "import sys; from pathlib import Path; from freehold.store.database import Database; "
        f"Database.open(Path({str(url)!r})).close(); print('alembic' in sys.modules)"
    )

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert said.stdout == "False\n"


def test_the_newest_revision_is_the_last_file_of_the_migrations(database: Database) -> None:
    with database.read() as connection:
        assert MigrationContext.configure(connection).get_current_heads() == (newest(),)
