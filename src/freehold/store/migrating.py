"""Migrating: bring a database to the newest schema, by Alembic. Loaded only where there is something to migrate, since
it costs a third of a start and 9 MB."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from freehold.core.errors import StoreFailed
from freehold.store.database import MIGRATIONS

ADVISORY_LOCK = 0x66726565686F6C64  # "freehold": one process migrates a PostgreSQL database at a time


def migrate(connection: Connection, name: str) -> None:
    """Apply the revisions that are missing, inside the transaction of `connection`.

    StoreFailed where the database `name` was written by a newer Freehold.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
    found = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := found - known:
        raise StoreFailed(
            f"The store {name} was written by a newer Freehold (schema {', '.join(sorted(unknown))}; "
            f"this one knows up to {scripts.get_current_head()}). Upgrade Freehold, or open another store."
        )
    if found != set(scripts.get_heads()):
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
