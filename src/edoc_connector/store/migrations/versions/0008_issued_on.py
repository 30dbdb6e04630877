"""Indexes for documents that are named by their code and date, and the time that a status gives itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.add_column("timeline", sa.Column("stated_at", sa.DateTime(timezone=True), nullable=True))
    for table in ("deliveries", "receipts"):
        op.create_index(op.f(f"ix_{table}_agency_issued_on"), table, ["agency", "issued_on"])
