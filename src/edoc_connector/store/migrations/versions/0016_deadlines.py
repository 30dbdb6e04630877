"""Deadlines of what is sent, refusals that came after it was sent, and an index of what nobody answered yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_TIMES = {"deliveries": ("deadline", "deadline_due", "expired_at"), "delivery_recipients": ("refused_at",)}
_INDEXED = (("deliveries", "deadline_due"), ("deliveries", "expired_at"), ("delivery_recipients", "refused_at"))
_UNANSWERED = "last_code = '01' AND business = 'new'"


def upgrade() -> None:
    """Add the columns, empty, and indexes of the few rows that have them."""
    for table, columns in _TIMES.items():
        for column in columns:
            op.add_column(table, sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    for column in ("refusal", "refusal_vi"):
        op.add_column("delivery_recipients", sa.Column(column, sa.Text(), nullable=True))
    for table, column in _INDEXED:
        _create_partial_index(f"ix_{table}_{column}", table, column, f"{column} IS NOT NULL")
    _create_partial_index("ix_receipts_unanswered", "receipts", "created_at", _UNANSWERED)


def _create_partial_index(name: str, table: str, column: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, ["agency", column], sqlite_where=where, postgresql_where=where)
