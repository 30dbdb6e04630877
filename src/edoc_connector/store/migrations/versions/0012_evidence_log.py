"""The evidence as a log with a Merkle tree; the chain of before is moved into it by `store.log`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INSERT_ONLY = ("logs", "entries", "leaves", "tiles", "checkpoints")
_ABOUT_A_ROW = sa.text("subject_id IS NOT NULL")


def upgrade() -> None:
    """Make the tables and their guards."""
    _make_entries()
    _make_places()
    _make_tree()
    guard = _guard_postgresql if op.get_context().dialect.name == "postgresql" else _guard_sqlite
    for table in INSERT_ONLY:
        guard(f"evidence_{table}")


def _make_entries() -> None:
    op.create_table(
        "evidence_logs",
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("agency", name=op.f("pk_evidence_logs")),
    )
    op.create_table(
        "evidence_entries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=16), nullable=True),
        sa.Column("subject_id", sa.Integer(), nullable=True),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("stored", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_entries")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_evidence_entries_subject_id_subject"),
        "evidence_entries",
        ["subject_id", "subject"],
        unique=False,
        sqlite_where=_ABOUT_A_ROW,
        postgresql_where=_ABOUT_A_ROW,
    )


def _make_places() -> None:
    op.create_table(
        "evidence_leaves",
        sa.Column("entry_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_evidence_leaves")),
        sa.UniqueConstraint("agency", "leaf", name=op.f("uq_evidence_leaves_agency_leaf")),
    )
    op.create_table(
        "evidence_unlinked",
        sa.Column("entry_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_evidence_unlinked")),
    )


def _make_tree() -> None:
    op.create_table(
        "evidence_tiles",
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("agency", "level", "number", name=op.f("pk_evidence_tiles")),
    )
    op.create_table(
        "evidence_checkpoints",
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("stamp", sa.LargeBinary(), nullable=True),
        sa.Column("certificates", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("agency", "size", name=op.f("pk_evidence_checkpoints")),
    )


def _guard_sqlite(table: str) -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'the evidence is append-only'); END"
        )


def _guard_postgresql(table: str) -> None:
    # edoc_refuse is made by revision 0001. TRUNCATE removes rows without a row trigger being asked.
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION edoc_refuse('the evidence is append-only')"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION edoc_refuse('the evidence is append-only')"
    )
