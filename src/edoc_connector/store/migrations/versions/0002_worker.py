"""What a worker needs: its jobs, what the hub announced, statuses told to the application, packets it fails on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A copy of the table in `store.state_machine` as it was: a released revision never changes.
RECEIPTS = (
    "listed>waiting",
    "listed>handled",
    "listed>duplicate",
    "listed>quarantined",
    "waiting>handling",
    "handling>waiting",
    "handling>handled",
    "handling>quarantined",
    "handled>confirmed",
    "quarantined>waiting",
    "quarantined>listed",
)


def upgrade() -> None:
    """Add them; statuses that are here already count as told."""
    for name in ("offered_by", "offered_to", "traceback"):
        op.add_column("receipts", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("receipts", sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE receipts SET noticed_at = updated_at WHERE message_type = 'status'")
    _jobs()
    allowed = ", ".join([f"'{pair}'" for pair in (">listed", *RECEIPTS)])
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


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("job", sa.String(length=16), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_text", sa.Text(), nullable=True),
        sa.Column("error_vi", sa.Text(), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("agency", "job", name=op.f("uq_jobs_agency_job")),
        sqlite_autoincrement=True,
    )
