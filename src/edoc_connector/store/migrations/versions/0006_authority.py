"""Who vouches for what comes in, and documents that give way to one that is attested better.

Rows that are here already say nothing of it: their columns stay empty, and count as they did.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS: tuple[tuple[str, sa.Column[Any]], ...] = (
    ("delivery_recipients", sa.Column("authority", sa.String(length=16), nullable=True)),
    ("receipts", sa.Column("authority", sa.String(length=16), nullable=True)),
    ("receipts", sa.Column("authority_findings", sa.Text(), nullable=True)),
    ("receipts", sa.Column("took_effect", sa.Boolean(), nullable=False, server_default=sa.true())),
    ("timeline", sa.Column("authority", sa.String(length=16), nullable=True)),
)

# A copy of the table in `store.state_machine` as it was: a released revision never changes.
RECEIPTS = (
    ">listed",
    "listed>waiting",
    "listed>handled",
    "listed>duplicate",
    "listed>quarantined",
    "waiting>handling",
    "waiting>quarantined",
    "handling>waiting",
    "handling>handled",
    "handling>quarantined",
    "handled>confirmed",
    "handled>quarantined",
    "confirmed>quarantined",
    "quarantined>waiting",
    "quarantined>listed",
)


def upgrade() -> None:
    """Add the columns, and let the moves of today through."""
    for table, column in COLUMNS:
        op.add_column(table, column)
    allowed = ", ".join([f"'{pair}'" for pair in RECEIPTS])
    body = f"OLD.state <> NEW.state AND NOT (OLD.state || '>' || NEW.state IN ({allowed}))"
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TRIGGER receipts_moves ON receipts")
        op.execute(
            "CREATE TRIGGER receipts_moves BEFORE UPDATE OF state ON receipts FOR EACH ROW "
            f"WHEN ({body}) EXECUTE FUNCTION edoc_refuse('no such move')"
        )
    else:
        op.execute("DROP TRIGGER receipts_moves")
        op.execute(
            f"CREATE TRIGGER receipts_moves BEFORE UPDATE OF state ON receipts WHEN {body} "
            "BEGIN SELECT RAISE(ABORT, 'no such move'); END"
        )
