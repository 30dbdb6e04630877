"""The first tables: deliveries, receipts, outgoing messages, the timeline and the directory."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Copies of the tables in `store.state_machine` as they were: a released revision never changes.
MOVES: dict[str, tuple[str, ...]] = {
    "deliveries": (
        ">ready",
        "ready>sending",
        "sending>sent",
        "sending>ready",
        "sending>unknown",
        "sending>failed",
        "unknown>sent",
        "unknown>ready",
        "failed>ready",
    ),
    "receipts": (
        ">listed",
        "listed>waiting",
        "listed>handled",
        "listed>duplicate",
        "listed>quarantined",
        "waiting>handling",
        "handling>waiting",
        "handling>handled",
        "handled>confirmed",
        "quarantined>waiting",
        "quarantined>listed",
    ),
    "outgoing": (
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
    ),
}


def upgrade() -> None:
    """Make everything."""
    _deliveries()
    _delivery_recipients()
    _delivery_targets()
    _receipts()
    _outgoing()
    _timeline()
    _directory()
    guard = _guard_postgresql if op.get_context().dialect.name == "postgresql" else _guard_sqlite
    guard()


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("business", sa.String(length=16), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("spool_file", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("hub_doc_id", sa.Text(), nullable=True),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_text", sa.Text(), nullable=True),
        sa.Column("error_vi", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('ready', 'sending', 'unknown', 'sent', 'failed')", name=op.f("ck_deliveries_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("agency", "document_id", name=op.f("uq_deliveries_agency_document_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_deliveries_agency_state_next_attempt_at"),
        "deliveries",
        ["agency", "state", "next_attempt_at"],
        unique=False,
    )


def _delivery_recipients() -> None:
    op.create_table(
        "delivery_recipients",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("organ_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_code", sa.Text(), nullable=True),
        sa.Column("last_description", sa.Text(), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("change", sa.String(length=16), nullable=True),
        sa.Column("out_of_order", sa.Integer(), nullable=False),
        sa.CheckConstraint("change IN ('asked', 'agreed', 'refused')", name=op.f("ck_delivery_recipients_change")),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_delivery_recipients_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_recipients")),
        sa.UniqueConstraint("delivery_id", "organ_id", name=op.f("uq_delivery_recipients_delivery_id_organ_id")),
        sqlite_autoincrement=True,
    )


def _delivery_targets() -> None:
    op.create_table(
        "delivery_targets",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_delivery_targets_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_targets")),
        sa.UniqueConstraint("delivery_id", "document_id", name=op.f("uq_delivery_targets_delivery_id_document_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_delivery_targets_document_id"), "delivery_targets", ["document_id"], unique=False)


def _receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("hub_doc_id", sa.Text(), nullable=False),
        sa.Column("message_type", sa.String(length=16), nullable=False),
        sa.Column("sender", sa.Text(), nullable=True),
        sa.Column("document_id", sa.Text(), nullable=True),
        sa.Column("business", sa.String(length=16), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("spool_file", sa.String(length=64), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("verification", sa.String(length=16), nullable=True),
        sa.Column("verification_text", sa.Text(), nullable=True),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("last_code", sa.Text(), nullable=True),
        sa.Column("change", sa.String(length=16), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_text", sa.Text(), nullable=True),
        sa.Column("error_vi", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("change IN ('asked', 'agreed', 'refused')", name=op.f("ck_receipts_change")),
        sa.CheckConstraint(
            "state IN ('listed', 'waiting', 'handling', 'handled', 'confirmed', 'duplicate', 'quarantined')",
            name=op.f("ck_receipts_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
        sa.UniqueConstraint("agency", "hub_doc_id", name=op.f("uq_receipts_agency_hub_doc_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_receipts_agency_document_id"), "receipts", ["agency", "document_id"], unique=False)
    op.create_index(
        op.f("ix_receipts_agency_state_next_attempt_at"),
        "receipts",
        ["agency", "state", "next_attempt_at"],
        unique=False,
    )
    op.create_index(
        "uq_receipts_effect",
        "receipts",
        ["agency", "sender", "document_id"],
        unique=True,
        sqlite_where=sa.text("message_type = 'edoc' AND state IN ('waiting', 'handling', 'handled', 'confirmed')"),
        postgresql_where=sa.text("message_type = 'edoc' AND state IN ('waiting', 'handling', 'handled', 'confirmed')"),
    )


def _outgoing() -> None:
    op.create_table(
        "outgoing",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("receipt_id", sa.Integer(), nullable=True),
        sa.Column("delivery_id", sa.Integer(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("code", sa.String(length=8), nullable=False),
        sa.Column("hub_doc_id", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("spool_file", sa.String(length=64), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_text", sa.Text(), nullable=True),
        sa.Column("error_vi", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind = 'status' OR hub_doc_id IS NOT NULL", name=op.f("ck_outgoing_confirms_what")),
        sa.CheckConstraint("kind IN ('confirm', 'status')", name=op.f("ck_outgoing_kind")),
        sa.CheckConstraint(
            "state IN ('ready', 'sending', 'unknown', 'sent', 'failed')", name=op.f("ck_outgoing_state")
        ),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_outgoing_delivery_id")),
        sa.ForeignKeyConstraint(["receipt_id"], ["receipts.id"], name=op.f("fk_outgoing_receipt_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_outgoing_agency_state_next_attempt_at"),
        "outgoing",
        ["agency", "state", "next_attempt_at"],
        unique=False,
    )
    op.create_index(op.f("ix_outgoing_lane"), "outgoing", ["lane"], unique=False)


def _timeline() -> None:
    op.create_table(
        "timeline",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(length=16), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.CheckConstraint("subject IN ('delivery', 'receipt', 'outgoing')", name=op.f("ck_timeline_subject")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_timeline_subject_subject_id"), "timeline", ["subject", "subject_id"], unique=False)


def _directory() -> None:
    op.create_table(
        "directory",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("other_code", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(create_constraint=True, name="active"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory")),
        sa.UniqueConstraint("agency", "code", name=op.f("uq_directory_agency_code")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_directory_agency_other_code"), "directory", ["agency", "other_code"], unique=False)


def _allowed(table: str, old: str, new: str) -> str:
    pairs = ", ".join(f"'{pair}'" for pair in MOVES[table])
    return f"{old} || '>' || {new} IN ({pairs})"


def _guard_sqlite() -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER timeline_no_{event.lower()} BEFORE {event} ON timeline "
            "BEGIN SELECT RAISE(ABORT, 'the timeline is append-only'); END"
        )
    for table in MOVES:
        op.execute(
            f"CREATE TRIGGER {table}_moves BEFORE UPDATE OF state ON {table} "
            f"WHEN OLD.state <> NEW.state AND NOT ({_allowed(table, 'OLD.state', 'NEW.state')}) "
            "BEGIN SELECT RAISE(ABORT, 'no such move'); END"
        )
        op.execute(
            f"CREATE TRIGGER {table}_first BEFORE INSERT ON {table} "
            f"WHEN NOT ({_allowed(table, chr(39) * 2, 'NEW.state')}) "
            "BEGIN SELECT RAISE(ABORT, 'no such first state'); END"
        )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION edoc_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'check_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER timeline_append_only BEFORE UPDATE OR DELETE ON timeline "
        "FOR EACH ROW EXECUTE FUNCTION edoc_refuse('the timeline is append-only')"
    )
    for table in MOVES:
        op.execute(
            f"CREATE TRIGGER {table}_moves BEFORE UPDATE OF state ON {table} FOR EACH ROW "
            f"WHEN (OLD.state <> NEW.state AND NOT ({_allowed(table, 'OLD.state', 'NEW.state')})) "
            "EXECUTE FUNCTION edoc_refuse('no such move')"
        )
        op.execute(
            f"CREATE TRIGGER {table}_first BEFORE INSERT ON {table} FOR EACH ROW "
            f"WHEN (NOT ({_allowed(table, chr(39) * 2, 'NEW.state')})) "
            "EXECUTE FUNCTION edoc_refuse('no such first state')"
        )
