"""A column for packets that were set aside and are downloaded once more by themselves.

Until now a packet that never came was asked for again only while the hub's list showed it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

RECEIPTS = sa.table(
    "receipts",
    sa.column("agency"),
    sa.column("state", sa.String),
    sa.column("spool_file"),
    sa.column("error_code"),
    sa.column("next_attempt_at"),
    sa.column("refetch", sa.Boolean),
)


def upgrade() -> None:
    """Add the column and its index; what never came, for a known reason, is asked for again."""
    op.add_column("receipts", sa.Column("refetch", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_receipts_refetch",
        "receipts",
        ["agency", "next_attempt_at"],
        sqlite_where=RECEIPTS.c.refetch,
        postgresql_where=RECEIPTS.c.refetch,
    )
    never_came = (
        RECEIPTS.c.state == "quarantined",
        RECEIPTS.c.spool_file.is_(None),
        RECEIPTS.c.error_code.is_not(None),
    )
    op.execute(sa.update(RECEIPTS).where(*never_came).values(refetch=sa.true()))
