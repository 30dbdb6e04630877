"""Tables of the store; `migrations` makes them, and a test holds the two to each other."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from ..state_machine import DELIVERIES, OUTGOING, RECEIPTS, StateMachine
from .compiled import StoredDate, UtcTime

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING_CONVENTION)

_ABOUT_A_ROW = text("subject_id IS NOT NULL")


def build_enum_check(column: str, states: type[StrEnum]) -> CheckConstraint:
    """Build the constraint that a column holds one of an enumeration's values."""
    values = ", ".join(f"'{state.value}'" for state in states)
    return CheckConstraint(f"{column} IN ({values})", name=column)


def _build_id_column() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


def _build_lease_indexes(table: str) -> list[Index]:
    """Build indexes of claimed rows only: a handful, however many rows there are."""
    conditions = {name: text(f"{name} IS NOT NULL") for name in ("lease_owner", "lease_until")}
    columns = {"lease_owner": ("lease_owner",), "lease_until": ("agency", "lease_until")}
    return [
        Index(f"ix_{table}_{name}", *columns[name], sqlite_where=where, postgresql_where=where)
        for name, where in conditions.items()
    ]


def _build_queue_columns(machine: StateMachine) -> list[Column[object] | CheckConstraint]:
    """Build the columns of rows that are claimed and worked off: state, attempts, last error, lease."""
    columns: list[Column[object] | CheckConstraint] = [
        Column("state", String(16), nullable=False),
        Column("attempts", Integer, nullable=False, default=0),
        Column("next_attempt_at", UtcTime, nullable=False),
        Column("error_code", String(64)),
        Column("error_text", Text),
        Column("error_vi", Text),
        Column("lease_owner", String(128)),
        Column("lease_until", UtcTime),
        Column("fence", Integer, nullable=False, default=0),
        Column("created_at", UtcTime, nullable=False),
        Column("updated_at", UtcTime, nullable=False),
        build_enum_check("state", machine.states),
    ]
    return columns


deliveries = Table(
    DELIVERIES.table_name,
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("document_id", Text, nullable=False),
    Column("business", String(16), nullable=False),
    Column("code", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("issued_on", StoredDate, nullable=False),
    Column("spool_file", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("hub_doc_id", Text),
    # How often the hub was asked about an unknown outcome, and did not have the packet.
    Column("asked", Integer, nullable=False, default=0),
    Column("sent_at", UtcTime),
    # Whether the hub certainly never took the packet: each time that it failed, the hub had refused what is in it.
    Column("never_accepted", Boolean, nullable=False, server_default=true()),
    # Whether the outcome of sending was ever unknown.
    Column("was_unknown", Boolean, nullable=False, server_default=false()),
    *_build_queue_columns(DELIVERIES),
    UniqueConstraint("agency", "document_id"),
    Index(None, "agency", "state", "next_attempt_at"),
    # There is none of agency and id alone: SQLite would walk along it, through all rows, for whatever is wanted in that
    # order.
    Index(None, "agency", "state", "id"),
    # Pages of lists, the newest first: of all, and of those in a state.
    Index(None, "agency", "created_at", "id"),
    Index(None, "agency", "state", "created_at", "id"),
    Index(None, "agency", "hub_doc_id"),
    # Letter by letter in every collation: lists look for the beginning of a code.
    Index(None, "agency", "code", postgresql_ops={"code": "text_pattern_ops"}),
    Index(None, "agency", "sent_at"),
    # Packets name documents by their code as well, written in many ways; the date narrows them down.
    Index(None, "agency", "issued_on"),
    *_build_lease_indexes(DELIVERIES.table_name),
    sqlite_autoincrement=True,
)

delivery_recipients = Table(
    "delivery_recipients",
    metadata,
    _build_id_column(),
    Column("delivery_id", Integer, ForeignKey("deliveries.id"), nullable=False),
    Column("organ_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("last_code", Text),
    Column("last_description", Text),
    Column("last_at", UtcTime),
    Column("change", String(16)),
    Column("out_of_order", Integer, nullable=False, default=0),
    # Of the last status that counted (`status_rules.Authority`); empty where it came before that was kept.
    Column("authority", String(16)),
    # Those of the delivery, so that one index serves the list of an agency's deliveries to an organisation.
    Column("agency", String(64)),
    Column("created_at", UtcTime),
    UniqueConstraint("delivery_id", "organ_id"),
    Index(None, "agency", "organ_id", "created_at", "delivery_id"),
    CheckConstraint("change IN ('asked', 'agreed', 'refused')", name="change"),
    sqlite_autoincrement=True,
)

# The documents that a recall, an update or a replacement acts on.
delivery_targets = Table(
    "delivery_targets",
    metadata,
    _build_id_column(),
    Column("delivery_id", Integer, ForeignKey("deliveries.id"), nullable=False),
    Column("document_id", Text, nullable=False),
    UniqueConstraint("delivery_id", "document_id"),
    Index(None, "document_id"),
    sqlite_autoincrement=True,
)

receipts = Table(
    RECEIPTS.table_name,
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("hub_doc_id", Text, nullable=False),
    Column("message_type", String(16), nullable=False),
    Column("sender", Text),
    Column("document_id", Text),
    Column("business", String(16)),
    Column("code", Text),
    Column("subject", Text),
    Column("issued_on", StoredDate),
    Column("spool_file", String(64)),
    Column("sha256", String(64)),
    Column("size", BigInteger),
    Column("fingerprint", String(64)),
    Column("verification", String(16)),
    Column("verification_text", Text),
    Column("verification_vi", Text),
    Column("findings", Integer, nullable=False, default=0),
    Column("last_code", Text),
    Column("change", String(16)),
    Column("confirmed_at", UtcTime),
    # Sender and recipients as the hub announces them when it offers the packet; the packet may say something else.
    Column("offered_by", Text),
    Column("offered_to", Text),
    # When the application was told of a status.
    Column("noticed_at", UtcTime),
    # Of the application's own code, where that failed on the packet.
    Column("traceback", Text),
    # Whether it was ever let in, and waited for the application.
    Column("was_admitted", Boolean, nullable=False, server_default=false()),
    # Whether it was set aside and is downloaded once more by itself, when its next attempt is due.
    Column("refetch", Boolean, nullable=False, server_default=false()),
    # Who vouches for its sender (`status_rules.Authority`), and what was found, as JSON; both empty where the packet
    # came before that was kept. The first alone is empty where nobody does.
    Column("authority", String(16)),
    Column("authority_findings", Text),
    # Whether what it says was let count.
    Column("took_effect", Boolean, nullable=False, server_default=true()),
    *_build_queue_columns(RECEIPTS),
    UniqueConstraint("agency", "hub_doc_id"),
    CheckConstraint("change IN ('asked', 'agreed', 'refused')", name="change"),
    Index(None, "agency", "state", "next_attempt_at"),
    Index(None, "agency", "document_id"),
    Index(None, "agency", "state", "id"),
    # Pages of lists, the newest first.
    Index(None, "agency", "created_at", "id"),
    Index(None, "agency", "state", "created_at", "id"),
    Index(None, "agency", "business", "created_at", "id"),
    Index(None, "agency", "sender", "created_at", "id"),
    Index(None, "agency", "code", postgresql_ops={"code": "text_pattern_ops"}),
    Index(None, "agency", "fingerprint"),
    Index(None, "agency", "issued_on"),
    *_build_lease_indexes(RECEIPTS.table_name),
    sqlite_autoincrement=True,
)

# One document of one sender has one effect, whatever two workers believe.
Index(
    "uq_receipts_effect",
    receipts.c.agency,
    receipts.c.sender,
    receipts.c.document_id,
    unique=True,
    sqlite_where=(receipts.c.message_type == "edoc")
    & receipts.c.state.in_(["waiting", "handling", "handled", "confirmed"]),
    postgresql_where=(receipts.c.message_type == "edoc")
    & receipts.c.state.in_(["waiting", "handling", "handled", "confirmed"]),
)

# What a list shows that leaves statuses out: documents, requests, and what is not known or set aside.
SHOWN_WITHOUT_STATUSES = "(business IS NOT NULL OR state IN ('listed', 'quarantined'))"
Index(
    "ix_receipts_documents",
    receipts.c.agency,
    receipts.c.created_at,
    receipts.c.id,
    sqlite_where=text(SHOWN_WITHOUT_STATUSES),
    postgresql_where=text(SHOWN_WITHOUT_STATUSES),
)

# Statuses that the application was not told of yet. The columns that are empty in all of them make SQLite prefer it.
Index(
    "ix_receipts_news",
    receipts.c.agency,
    receipts.c.noticed_at,
    receipts.c.business,
    receipts.c.state,
    receipts.c.id,
    sqlite_where=receipts.c.noticed_at.is_(None) & receipts.c.business.is_(None),
    postgresql_where=receipts.c.noticed_at.is_(None) & receipts.c.business.is_(None),
)

# Packets that are downloaded once more by themselves: few of those that were set aside.
Index(
    "ix_receipts_refetch",
    receipts.c.agency,
    receipts.c.next_attempt_at,
    sqlite_where=receipts.c.refetch,
    postgresql_where=receipts.c.refetch,
)

outgoing = Table(
    OUTGOING.table_name,
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    # Messages of one lane leave in the order they were queued: 03 never overtakes 01.
    Column("lane", Text, nullable=False),
    Column("receipt_id", Integer, ForeignKey("receipts.id")),
    Column("delivery_id", Integer, ForeignKey("deliveries.id")),
    Column("recipient", Text),
    Column("code", String(8), nullable=False),
    Column("hub_doc_id", Text),
    Column("message", Text),
    Column("spool_file", String(64)),
    Column("sha256", String(64)),
    Column("asked", Integer, nullable=False, default=0),
    Column("sent_at", UtcTime),
    # The hub's id of the recipient's copy of a status, where its list told that and no other.
    Column("copy_doc_id", Text),
    # Whether the outcome of sending was ever unknown.
    Column("was_unknown", Boolean, nullable=False, server_default=false()),
    *_build_queue_columns(OUTGOING),
    CheckConstraint("kind IN ('confirm', 'status')", name="kind"),
    CheckConstraint("kind = 'status' OR hub_doc_id IS NOT NULL", name="confirms_what"),
    Index(None, "agency", "state", "next_attempt_at"),
    Index(None, "lane"),
    Index(None, "receipt_id"),
    Index(None, "delivery_id"),
    Index(None, "agency", "hub_doc_id"),
    Index(None, "agency", "recipient", "sent_at"),
    *_build_lease_indexes(OUTGOING.table_name),
    sqlite_autoincrement=True,
)

timeline = Table(
    "timeline",
    metadata,
    _build_id_column(),
    Column("subject", String(16), nullable=False),
    Column("subject_id", Integer, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("old", Text),
    Column("new", Text, nullable=False),
    # The organisation it is about, where one recipient of a delivery is meant.
    Column("recipient", Text),
    Column("detail", Text, nullable=False),
    # Empty where the words are the same in both languages, a person's own.
    Column("detail_vi", Text),
    # The time that a status or a request gives itself; `at` is when we learnt of it.
    Column("stated_at", UtcTime),
    # Of a status or a request that came in (`status_rules.Authority`).
    Column("authority", String(16)),
    CheckConstraint("subject IN ('delivery', 'receipt', 'outgoing')", name="subject"),
    Index(None, "subject", "subject_id"),
    sqlite_autoincrement=True,
)

# Jobs that a worker does again and again; kept here so that a restart does not do them at once.
jobs = Table(
    "jobs",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("job", String(16), nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("failures", Integer, nullable=False, default=0),
    Column("error_code", String(64)),
    Column("error_text", Text),
    Column("error_vi", Text),
    Column("succeeded_at", UtcTime),
    Column("lease_owner", String(128)),
    Column("lease_until", UtcTime),
    Column("fence", Integer, nullable=False, default=0),
    Column("updated_at", UtcTime, nullable=False),
    UniqueConstraint("agency", "job"),
    sqlite_autoincrement=True,
)

directory = Table(
    "directory",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("code", Text, nullable=False),
    Column("other_code", Text),
    Column("name", Text, nullable=False),
    Column("parent", Text),
    Column("email", Text),
    Column("active", Boolean(create_constraint=True, name="active"), nullable=False, default=True),
    Column("updated_at", UtcTime, nullable=False),
    UniqueConstraint("agency", "code"),
    Index(None, "agency", "other_code"),
    sqlite_autoincrement=True,
)

# The logs of what happened (`store.log`), one for each agency. Rows of these tables are only ever added.
evidence_logs = Table(
    "evidence_logs",
    metadata,
    Column("agency", String(64), primary_key=True),
    Column("origin", Text, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
)

evidence_entries = Table(
    "evidence_entries",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    # The row it is about; both empty where it is about the agency as a whole.
    Column("subject", String(16)),
    Column("subject_id", Integer),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("stored", LargeBinary, nullable=False),
    Index(None, "subject_id", "subject", sqlite_where=_ABOUT_A_ROW, postgresql_where=_ABOUT_A_ROW),
    sqlite_autoincrement=True,
)

# The place of each entry in its log's tree, given behind the commit of the entry.
evidence_leaves = Table(
    "evidence_leaves",
    metadata,
    Column("entry_id", Integer, primary_key=True, autoincrement=False),
    Column("agency", String(64), nullable=False),
    Column("leaf", BigInteger, nullable=False),
    UniqueConstraint("agency", "leaf"),
)

# Entries without a place yet; PostgreSQL only, where they are not committed in the order of their numbers. It holds
# numbers and no evidence, and is the one table of the log that rows are taken out of.
evidence_unlinked = Table(
    "evidence_unlinked",
    metadata,
    Column("entry_id", Integer, primary_key=True, autoincrement=False),
    Column("agency", String(64), nullable=False),
)

# Hashes over whole tiles of the trees (`evidence.TileNode`).
evidence_tiles = Table(
    "evidence_tiles",
    metadata,
    Column("agency", String(64), primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

evidence_checkpoints = Table(
    "evidence_checkpoints",
    metadata,
    Column("agency", String(64), primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("stamp", LargeBinary),
    # Certificates of who signed it, PEM, the signer's first.
    Column("certificates", LargeBinary),
)

# Packets whose bytes were removed on purpose, when their time to be kept was over. Their hashes stay in the evidence.
pruned = Table(
    "pruned",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("agency", String(64), nullable=False),
    Column("spool_file", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("spool_file"),
    sqlite_autoincrement=True,
)

# Which store this is: one row, made with the tables.
store_identity = Table(
    "store_identity",
    metadata,
    _build_id_column(),
    Column("store", String(32), nullable=False),
    # Grows by one with each restore: who has the store open notices it.
    Column("epoch", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("restored_at", UtcTime),
    # The time of the backup that it was restored from.
    Column("snapshot_at", UtcTime),
    # When a person found that everything was caught up with; empty as long as a restore is under way.
    Column("finished_at", UtcTime),
    sqlite_autoincrement=True,
)

TABLES = metadata.tables

KNOWN_TABLES = (*TABLES, "evidence")
"""Names of the tables, and of those of earlier revisions, in the order of their foreign keys."""
