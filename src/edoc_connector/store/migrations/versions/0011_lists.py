"""Indexes for pages of lists, the newest first, and what they need of a delivery beside each recipient."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEXES = {
    "deliveries": (("agency", "created_at", "id"), ("agency", "state", "created_at", "id")),
    "delivery_recipients": (("agency", "organ_id", "created_at", "delivery_id"),),
    "receipts": (
        ("agency", "created_at", "id"),
        ("agency", "state", "created_at", "id"),
        ("agency", "business", "created_at", "id"),
        ("agency", "sender", "created_at", "id"),
    ),
}
_REPLACED = {"delivery_recipients": ("organ_id", "delivery_id"), "receipts": ("agency", "business", "id")}
_SHOWN_WITHOUT_STATUSES = "(business IS NOT NULL OR state IN ('listed', 'quarantined'))"


def upgrade() -> None:
    """Copy agency and time to the recipients, and make the indexes."""
    op.add_column("delivery_recipients", sa.Column("agency", sa.String(64), nullable=True))
    op.add_column("delivery_recipients", sa.Column("created_at", sa.DateTime(timezone=True), nullable=True))
    delivery = "FROM deliveries WHERE deliveries.id = delivery_recipients.delivery_id"
    op.execute(
        "UPDATE delivery_recipients SET "  # noqa: S608  constants
        f"agency = (SELECT deliveries.agency {delivery}), created_at = (SELECT deliveries.created_at {delivery})"
    )
    for table, columns in _REPLACED.items():
        op.drop_index(_name_index(table, columns), table)
    for table, indexes in _INDEXES.items():
        for columns in indexes:
            op.create_index(_name_index(table, columns), table, list(columns))
    op.drop_index(_name_index("deliveries", ("agency", "code")), "deliveries")
    for table in ("deliveries", "receipts"):
        name = _name_index(table, ("agency", "code"))
        op.create_index(name, table, ["agency", "code"], postgresql_ops={"code": "text_pattern_ops"})
    shown = sa.text(_SHOWN_WITHOUT_STATUSES)
    op.create_index(
        "ix_receipts_documents",
        "receipts",
        ["agency", "created_at", "id"],
        sqlite_where=shown,
        postgresql_where=shown,
    )


def _name_index(table: str, columns: tuple[str, ...]) -> str:
    return op.f(f"ix_{table}_{'_'.join(columns)}")
