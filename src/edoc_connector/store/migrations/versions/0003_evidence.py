"""The evidence, chained by hashes and append-only, and the packets whose bytes were removed on purpose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables and the guards of the first."""
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=16), nullable=True),
        sa.Column("subject_id", sa.Integer(), nullable=True),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sa.UniqueConstraint("agency", "sequence", name=op.f("uq_evidence_agency_sequence")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_evidence_subject_subject_id"), "evidence", ["subject", "subject_id"], unique=False)
    op.create_table(
        "pruned",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("spool_file", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pruned")),
        sa.UniqueConstraint("spool_file", name=op.f("uq_pruned_spool_file")),
        sqlite_autoincrement=True,
    )
    guard = _guard_postgresql if op.get_context().dialect.name == "postgresql" else _guard_sqlite
    guard()


def _guard_sqlite() -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER evidence_no_{event.lower()} BEFORE {event} ON evidence "
            "BEGIN SELECT RAISE(ABORT, 'the evidence is append-only'); END"
        )


def _guard_postgresql() -> None:
    # edoc_refuse is made by revision 0001. TRUNCATE removes rows without a row trigger being asked.
    op.execute(
        "CREATE TRIGGER evidence_append_only BEFORE UPDATE OR DELETE ON evidence "
        "FOR EACH ROW EXECUTE FUNCTION edoc_refuse('the evidence is append-only')"
    )
    op.execute(
        "CREATE TRIGGER evidence_no_truncate BEFORE TRUNCATE ON evidence "
        "FOR EACH STATEMENT EXECUTE FUNCTION edoc_refuse('the evidence is append-only')"
    )
