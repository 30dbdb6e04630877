"""Old entries of the evidence can be moved to files: their bytes are emptied, and filled again, and nothing else."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

REFUSAL = "'the evidence is append-only'"
# Bytes go where an archive covers the entry, and come back where a row says that its entries were put back.
_IS_MOVE = """
NEW.id = OLD.id AND NEW.agency = OLD.agency AND NEW.leaf_hash = OLD.leaf_hash
AND NEW.subject {same} OLD.subject AND NEW.subject_id {same} OLD.subject_id
AND (length(OLD.stored) = 0) <> (length(NEW.stored) = 0)
AND EXISTS (
    SELECT 1 FROM evidence_runs AS run JOIN evidence_archives AS archive ON archive.agency = run.agency
    WHERE run.first_entry = (SELECT max(first_entry) FROM evidence_runs WHERE first_entry <= OLD.id)
    AND run.agency = OLD.agency AND OLD.id < run.first_entry + run.entries
    AND archive.first_leaf <= run.first_leaf + OLD.id - run.first_entry
    AND archive.end_leaf > run.first_leaf + OLD.id - run.first_entry
    AND archive.restored = (length(NEW.stored) > 0)
)
"""


def upgrade() -> None:
    """Make the table of archives and its guards, and let entries be emptied and filled under it."""
    op.create_table(
        "evidence_archives",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("first_leaf", sa.BigInteger(), nullable=False),
        sa.Column("end_leaf", sa.BigInteger(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("restored", sa.Boolean(create_constraint=True, name="restored"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_archives")),
        sqlite_autoincrement=True,
    )
    if op.get_context().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def _guard_sqlite() -> None:
    op.execute("DROP TRIGGER evidence_entries_no_update")
    is_move = _IS_MOVE.format(same="IS")
    op.execute(
        f"CREATE TRIGGER evidence_entries_no_update BEFORE UPDATE ON evidence_entries WHEN NOT ({is_move}) "
        f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
    )
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER evidence_archives_no_{event.lower()} BEFORE {event} ON evidence_archives "
            f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
        )


def _guard_postgresql() -> None:
    is_move = _IS_MOVE.format(same="IS NOT DISTINCT FROM")
    op.execute(
        "CREATE FUNCTION edoc_guard_entry() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF TG_OP = 'UPDATE' AND {is_move} THEN RETURN NEW; END IF; "
        f"RAISE EXCEPTION '%', {REFUSAL} USING ERRCODE = 'check_violation'; END $$"
    )
    op.execute("DROP TRIGGER evidence_entries_append_only ON evidence_entries")
    op.execute(
        "CREATE TRIGGER evidence_entries_append_only BEFORE UPDATE OR DELETE ON evidence_entries "
        "FOR EACH ROW EXECUTE FUNCTION edoc_guard_entry()"
    )
    for name, events, each in (("append_only", "UPDATE OR DELETE", "ROW"), ("no_truncate", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER evidence_archives_{name} BEFORE {events} ON evidence_archives "
            f"FOR EACH {each} EXECUTE FUNCTION edoc_refuse({REFUSAL})"
        )
