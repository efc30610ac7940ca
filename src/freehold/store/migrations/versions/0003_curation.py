"""What is learned from: feedback, consents, datasets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("inference", sa.Text),
        sa.Column("episode", sa.Text),
        sa.Column("over", sa.Text),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    for column in ("inference", "episode", "over", "at"):
        op.create_index(f"ix_feedback_{column}", "feedback", [column])
    op.create_table(
        "consents",
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("allowed", sa.Boolean, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("subject", "purpose", name="pk_consents"),
    )
    op.create_table(
        "datasets",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("examples", sa.BigInteger, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_datasets"),
    )
    op.create_index("ix_datasets_name_at", "datasets", ["name", "at"])
    op.create_table(
        "dataset_inferences",
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("inference", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("dataset", "inference", name="pk_dataset_inferences"),
    )
    op.create_index("ix_dataset_inferences_inference", "dataset_inferences", ["inference"])


def downgrade() -> None:
    for table in ("dataset_inferences", "datasets", "consents", "feedback"):
        op.drop_table(table)
