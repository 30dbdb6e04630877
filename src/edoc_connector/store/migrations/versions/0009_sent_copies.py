"""What tells one status from another at the hub, and documents that are sent again after the hub lost them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# A copy of the table in `store.state_machine` as it was: a released revision never changes.
DELIVERIES = (
    ">ready",
    "ready>sending",
    "sending>sent",
    "sending>ready",
    "sending>unknown",
    "sending>failed",
    "unknown>sent",
    "unknown>ready",
    "sent>ready",
    "failed>ready",
)
OUTGOING = sa.table("outgoing", sa.column("state", sa.String), sa.column("asked"), sa.column("was_unknown", sa.Boolean))


def upgrade() -> None:
    """Add the columns and indexes, and let the moves of today through."""
    op.add_column("outgoing", sa.Column("copy_doc_id", sa.Text(), nullable=True))
    op.add_column("outgoing", sa.Column("was_unknown", sa.Boolean(), nullable=False, server_default=sa.false()))
    was_unknown = sa.or_(OUTGOING.c.state == "unknown", OUTGOING.c.asked > 0)
    op.execute(sa.update(OUTGOING).where(was_unknown).values(was_unknown=sa.true()))
    op.create_index(
        op.f("ix_outgoing_agency_recipient_sent_at"), "outgoing", ["agency", "recipient", "sent_at"], unique=False
    )
    op.create_index(op.f("ix_deliveries_agency_sent_at"), "deliveries", ["agency", "sent_at"], unique=False)
    _replace_moves()


def _replace_moves() -> None:
    allowed = ", ".join([f"'{pair}'" for pair in DELIVERIES])
    body = f"OLD.state <> NEW.state AND NOT (OLD.state || '>' || NEW.state IN ({allowed}))"
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TRIGGER deliveries_moves ON deliveries")
        op.execute(
            "CREATE TRIGGER deliveries_moves BEFORE UPDATE OF state ON deliveries FOR EACH ROW "
            f"WHEN ({body}) EXECUTE FUNCTION edoc_refuse('no such move')"
        )
    else:
        op.execute("DROP TRIGGER deliveries_moves")
        op.execute(
            f"CREATE TRIGGER deliveries_moves BEFORE UPDATE OF state ON deliveries WHEN {body} "
            "BEGIN SELECT RAISE(ABORT, 'no such move'); END"
        )
