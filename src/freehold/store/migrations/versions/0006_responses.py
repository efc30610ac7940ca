"""Responses that callers may read again and continue."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "responses",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("previous", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("owner", "id", name="pk_responses"),
    )
    for column in ("expires_at", "node", "subject"):
        op.create_index(f"ix_responses_{column}", "responses", [column])
    op.create_table(
        "response_items",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("response", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("owner", "id", "response", name="pk_response_items"),
    )
    op.create_index("ix_response_items_owner_response", "response_items", ["owner", "response"])


def downgrade() -> None:
    op.drop_table("response_items")
    op.drop_table("responses")
