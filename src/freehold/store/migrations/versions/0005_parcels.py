"""Folders on their way between machines."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "parcels",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_parcels"),
    )
    op.create_table(
        "parcel_parts",
        sa.Column("parcel", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("parcel", "number", name="pk_parcel_parts"),
    )


def downgrade() -> None:
    op.drop_table("parcel_parts")
    op.drop_table("parcels")
