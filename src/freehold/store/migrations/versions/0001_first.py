"""The first tables: keys, budgets, inferences."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
    )
    op.create_table(
        "generations",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_generations"),
    )
    op.create_table(
        "budgets",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("period", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("leased", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", "period", name="pk_budgets"),
    )
    op.create_table(
        "leases",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("period", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("leased", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", "period", "node", name="pk_leases"),
    )
    op.create_index("ix_leases_node", "leases", ["node"])
    op.create_table(
        "cursors",
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("position", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("node", name="pk_cursors"),
    )
    _inferences()


def _inferences() -> None:
    op.create_table(
        "inferences",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("dialect", sa.Text, nullable=False),
        sa.Column("deployment", sa.Text),
        sa.Column("key", sa.Text),
        sa.Column("team", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("finish", sa.Text),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cache_read_tokens", sa.BigInteger),
        sa.Column("cost", sa.BigInteger),
        sa.Column("ttft", sa.BigInteger),
        sa.Column("duration", sa.BigInteger, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inferences"),
    )
    for columns in (["at"], ["deployment", "at"], ["route", "at"], ["key", "at"]):
        op.create_index("_".join(["ix_inferences", *columns]), "inferences", columns)


def downgrade() -> None:
    for table in ("inferences", "cursors", "leases", "budgets", "generations", "keys"):
        op.drop_table(table)
