"""Several hubs of one agency: the hub of each row, and which hub sends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, which say of what is here that it is at the only hub that there was, and the table."""
    for table in ("deliveries", "receipts", "outgoing"):
        op.add_column(table, sa.Column("hub", sa.String(32), nullable=False, server_default="hub"))
    op.add_column("outgoing", sa.Column("is_tied", sa.Boolean(), nullable=False, server_default=sa.false()))
    if op.get_context().dialect.name == "postgresql":  # SQLite holds no text to a length
        op.alter_column("jobs", "job", type_=sa.String(64), existing_type=sa.String(16), existing_nullable=False)
    op.create_table(
        "hub_roles",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(64), nullable=False),
        sa.Column("hub", sa.String(32), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_roles")),
        sa.UniqueConstraint("agency", "hub", name=op.f("uq_hub_roles_agency_hub")),
        sa.CheckConstraint("role IN ('active', 'drain')", name=op.f("ck_hub_roles_role")),
        sqlite_autoincrement=True,
    )
