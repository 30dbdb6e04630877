"""Rows and indexes on a server take fewer bytes.

Subjects are numbers, hashes bytes, and indexes leave out what nobody looks for.

Entries keep the first bytes of their hash while their own are in the database, and the whole hash once they are moved
out; the guard lets the hash become whole then. Hashes of before stay as they are.

SQLite takes half the bytes already, and stays as it is.
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

SUBJECTS = ("delivery", "receipt", "outgoing")
_NUMBER = "CASE subject " + " ".join(f"WHEN '{name}' THEN {number}" for number, name in enumerate(SUBJECTS, 1)) + " END"
DIGESTS = {
    "deliveries": ("sha256", "fingerprint"),
    "receipts": ("sha256", "fingerprint"),
    "outgoing": ("sha256",),
}
# Another text is kept behind a zero byte, or two where one would make it as long as a hash.
_BYTES = (
    "CASE WHEN {name} ~ '^[0-9a-f]{{64}}$' THEN decode({name}, 'hex') "
    "ELSE CASE WHEN octet_length({name}) = 31 THEN '\\x0000'::bytea ELSE '\\x00'::bytea END "
    "|| convert_to({name}, 'UTF8') END"
)
# Table, columns, and what is left in their index.
PARTIAL_INDEXES = (
    ("receipts", ("agency", "state", "created_at", "id"), "state <> 'confirmed'"),
    ("receipts", ("agency", "business", "created_at", "id"), "(business IS NULL OR business <> 'new')"),
    ("receipts", ("agency", "fingerprint"), "message_type = 'status'"),
    ("outgoing", ("delivery_id",), "delivery_id IS NOT NULL"),
    ("outgoing", ("agency", "hub_doc_id"), "kind = 'status'"),
    ("outgoing", ("agency", "recipient", "sent_at"), "recipient IS NOT NULL"),
)
# Their keys only grow, so a page that is full stays as it is.
FULL_INDEXES = ("pk_evidence_entries", "pk_timeline")
REFUSAL = "'the evidence is append-only'"
# As of revision 0022, but for the hash.
_IS_MOVE = """
NEW.id = OLD.id AND NEW.agency = OLD.agency
AND (NEW.leaf_hash = OLD.leaf_hash OR (
    length(NEW.stored) = 0 AND length(NEW.leaf_hash) = 32
    AND substr(NEW.leaf_hash, 1, length(OLD.leaf_hash)) = OLD.leaf_hash
))
AND NEW.subject IS NOT DISTINCT FROM OLD.subject AND NEW.subject_id IS NOT DISTINCT FROM OLD.subject_id
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
    """Number the subjects of entries, make hashes bytes and indexes anew, and let a hash become whole."""
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute(f"ALTER TABLE evidence_entries ALTER COLUMN subject TYPE SMALLINT USING {_NUMBER}")
    op.execute(
        "CREATE OR REPLACE FUNCTION edoc_guard_entry() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF TG_OP = 'UPDATE' AND {_IS_MOVE} THEN RETURN NEW; END IF; "
        f"RAISE EXCEPTION '%', {REFUSAL} USING ERRCODE = 'check_violation'; END $$"
    )
    for table, columns, _ in PARTIAL_INDEXES:
        op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table)
    for table, names in DIGESTS.items():
        changes = ", ".join(f"ALTER COLUMN {name} TYPE BYTEA USING {_BYTES.format(name=name)}" for name in names)
        op.execute(f"ALTER TABLE {table} {changes}")
    for table, columns, where in PARTIAL_INDEXES:
        name = f"ix_{table}_{'_'.join(columns)}"
        op.execute(f"CREATE INDEX {name} ON {table} ({', '.join(columns)}) WHERE {where}")
    for name in FULL_INDEXES:
        op.execute(f"ALTER INDEX {name} SET (fillfactor = 100)")
