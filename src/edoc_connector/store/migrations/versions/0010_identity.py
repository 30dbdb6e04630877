"""Which store this is: a name of its own, and how often it was restored."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and give the store its name."""
    op.create_table(
        "store_identity",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("store", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("snapshot_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_store_identity")),
        sqlite_autoincrement=True,
    )
    now = datetime.now(UTC)
    if op.get_context().dialect.name == "sqlite":  # as the library writes times there
        now_text = now.replace(tzinfo=None).isoformat(" ", "microseconds")
    else:
        now_text = now.isoformat()
    values = f"(1, '{uuid4().hex}', 1, '{now_text}')"
    op.execute(f"INSERT INTO store_identity (id, store, epoch, created_at) VALUES {values}")  # noqa: S608  ours
