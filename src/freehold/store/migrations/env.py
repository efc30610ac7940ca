"""Runs revisions on the connection that `Database.open` hands over, inside its transaction."""

from alembic import context

from freehold.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
