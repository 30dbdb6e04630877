"""Indexes, so that a call costs the same however many rows there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = {
    "deliveries": (("agency", "state", "id"), ("agency", "hub_doc_id"), ("agency", "code")),
    "delivery_recipients": (("organ_id", "delivery_id"),),
    "receipts": (("agency", "state", "id"), ("agency", "business", "id"), ("agency", "fingerprint")),
    "outgoing": (("receipt_id",), ("delivery_id",), ("agency", "hub_doc_id")),
}
LEASES = {"lease_owner": ["lease_owner"], "lease_until": ["agency", "lease_until"]}


def upgrade() -> None:
    """Make them."""
    for table, indexes in COLUMNS.items():
        for columns in indexes:
            op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))
    for table in ("deliveries", "receipts", "outgoing"):
        for name, held in LEASES.items():
            _partial(f"ix_{table}_{name}", table, held, f"{name} IS NOT NULL")
    news = ["agency", "noticed_at", "business", "state", "id"]
    _partial("ix_receipts_news", "receipts", news, "noticed_at IS NULL AND business IS NULL")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
