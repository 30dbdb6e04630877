"""Places of the evidence as runs: one row for entries that came one after the other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# A run ends where either number does not go on by one; a place that is missing stays missing.
_MOVE = """
INSERT INTO evidence_runs (agency, first_leaf, first_entry, entries)
SELECT agency, min(leaf), min(entry_id), count(*) FROM (
    SELECT agency, leaf, entry_id, sum(begins) OVER (PARTITION BY agency ORDER BY leaf) AS run FROM (
        SELECT agency, leaf, entry_id, CASE WHEN leaf = 1 + lag(leaf) OVER places AND entry_id = 1 + lag(entry_id)
        OVER places THEN 0 ELSE 1 END AS begins
        FROM evidence_leaves WINDOW places AS (PARTITION BY agency ORDER BY leaf)
    ) AS steps
) AS numbered GROUP BY agency, run ORDER BY agency, run
"""


def upgrade() -> None:
    """Make the table of runs and its guards, move the places into it, and drop theirs."""
    op.create_table(
        "evidence_runs",
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("first_leaf", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_entry", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.CheckConstraint("entries > 0", name=op.f("ck_evidence_runs_entries")),
        sa.PrimaryKeyConstraint("agency", "first_leaf", name=op.f("pk_evidence_runs")),
        sa.UniqueConstraint("first_entry", name=op.f("uq_evidence_runs_first_entry")),
    )
    op.execute(_MOVE)
    op.drop_table("evidence_leaves")
    _guard()


def _guard() -> None:
    refusal = "'the evidence is append-only'"
    if op.get_context().dialect.name == "postgresql":
        for name, events, each in (
            ("append_only", "UPDATE OR DELETE", "ROW"),
            ("no_truncate", "TRUNCATE", "STATEMENT"),
        ):
            op.execute(
                f"CREATE TRIGGER evidence_runs_{name} BEFORE {events} ON evidence_runs "
                f"FOR EACH {each} EXECUTE FUNCTION edoc_refuse({refusal})"
            )
        return
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER evidence_runs_no_{event.lower()} BEFORE {event} ON evidence_runs "
            f"BEGIN SELECT RAISE(ABORT, {refusal}); END"
        )
