"""Databases to test on: SQLite always, PostgreSQL where FREEHOLD_TEST_POSTGRES_URL names one.

Each test gets an empty database of its own; on PostgreSQL that is a schema.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url

from freehold.store.database import Database

POSTGRES = "FREEHOLD_TEST_POSTGRES_URL"


@contextmanager
def empty(kind: str, folder: Path) -> Generator[str]:
    """The URL of a database with nothing in it."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'store.db'}"
        return
    server = os.environ.get(POSTGRES)
    if not server:
        pytest.skip(f"{POSTGRES} is not set")
    url, schema = make_url(server).set(drivername="postgresql+psycopg"), f"freehold_{uuid4().hex}"
    outside = create_engine(url)
    with outside.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    yield url.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
    with outside.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    outside.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    with empty(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def database(url: str) -> Generator[Database]:
    opened = Database.open(url)
    yield opened
    opened.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def behind(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Database | None]:
    """What stands behind a store under contract; None: memory."""
    if request.param == "memory":
        yield None
        return
    with empty(request.param, tmp_path) as found:
        opened = Database.open(found)
        yield opened
        opened.close()
