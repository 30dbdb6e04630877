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

from ..._core import LONE_HUB
from ..state_machine import DELIVERIES, OUTGOING, RECEIPTS, StateMachine
from .compact_types import HexDigest, MicrosecondTime, NumberedName, PackedText, ServerNumberedName
from .compiled import StoredDate, UtcTime

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING_CONVENTION)

# A server's rows and indexes are what costs, so indexes there leave out what no query looks for in them. A query names
# the rows in the words of its index: a plan that is made before the values are known does not find it otherwise.
UNCONFIRMED = "state <> 'confirmed'"
UNUSUAL_KIND = "(business IS NULL OR business <> 'new')"
OF_STATUSES = "message_type = 'status'"
OF_OUR_STATUSES = "kind = 'status'"

_ABOUT_A_ROW = text("subject_id IS NOT NULL")
SUBJECTS = ("delivery", "receipt", "outgoing")
"""What a row of a timeline or an entry of the evidence can be about; the timeline keeps their numbers, from 1."""


def build_enum_check(column: str, states: type[StrEnum]) -> CheckConstraint:
    """Build the constraint that a column holds one of an enumeration's values."""
    values = ", ".join(f"'{state.value}'" for state in states)
    return CheckConstraint(f"{column} IN ({values})", name=column)


def _build_id_column() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


def _build_hub_column() -> Column[str]:
    """Build the column with the name of the hub that a row is at: that which has it, or may have it."""
    return Column("hub", String(32), nullable=False, server_default=LONE_HUB)


def _build_lease_indexes(table: str) -> list[Index]:
    """Build indexes of claimed rows only: a handful, however many rows there are."""
    conditions = {name: text(f"{name} IS NOT NULL") for name in ("lease_owner", "lease_until")}
    columns = {"lease_owner": ("lease_owner",), "lease_until": ("agency", "lease_until")}
    return [
        Index(f"ix_{table}_{name}", *columns[name], sqlite_where=where, postgresql_where=where)
        for name, where in conditions.items()
    ]


def _build_index_of_few(table: str, column: str) -> Index:
    """Build the index of a column that is empty in most rows."""
    where = text(f"{column} IS NOT NULL")
    return Index(f"ix_{table}_{column}", "agency", column, sqlite_where=where, postgresql_where=where)


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
    Column("sha256", HexDigest, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("fingerprint", HexDigest, nullable=False),
    Column("hub_doc_id", Text),
    # How often the hub was asked about an unknown outcome, and did not have the packet.
    Column("asked", Integer, nullable=False, default=0),
    Column("sent_at", UtcTime),
    # Whether the hub certainly never took the packet: each time that it failed, the hub had refused what is in it.
    Column("never_accepted", Boolean, nullable=False, server_default=true()),
    # Whether the outcome of sending was ever unknown.
    Column("was_unknown", Boolean, nullable=False, server_default=false()),
    _build_hub_column(),
    # Until when it is to be with every recipient; when that has to be looked at, empty once it was; and when it was
    # found not to hold.
    Column("deadline", UtcTime),
    Column("deadline_due", UtcTime),
    Column("expired_at", UtcTime),
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
    *(_build_index_of_few(DELIVERIES.table_name, column) for column in ("deadline_due", "expired_at")),
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
    # When the hub was found to have refused the document for this recipient after it took it, and its words.
    Column("refused_at", UtcTime),
    Column("refusal", Text),
    Column("refusal_vi", Text),
    UniqueConstraint("delivery_id", "organ_id"),
    Index(None, "agency", "organ_id", "created_at", "delivery_id"),
    _build_index_of_few("delivery_recipients", "refused_at"),
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
    Column("sha256", HexDigest),
    Column("size", BigInteger),
    Column("fingerprint", HexDigest),
    Column("verification", String(16)),
    Column("verification_text", PackedText),
    Column("verification_vi", PackedText),
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
    Column("authority_findings", PackedText),
    # Whether what it says was let count.
    Column("took_effect", Boolean, nullable=False, server_default=true()),
    _build_hub_column(),
    *_build_queue_columns(RECEIPTS),
    UniqueConstraint("agency", "hub_doc_id"),
    CheckConstraint("change IN ('asked', 'agreed', 'refused')", name="change"),
    Index(None, "agency", "state", "next_attempt_at"),
    Index(None, "agency", "document_id"),
    Index(None, "agency", "state", "id"),
    # Pages of lists, the newest first.
    Index(None, "agency", "created_at", "id"),
    Index(None, "agency", "state", "created_at", "id", postgresql_where=text(UNCONFIRMED)),
    Index(None, "agency", "business", "created_at", "id", postgresql_where=text(UNUSUAL_KIND)),
    Index(None, "agency", "sender", "created_at", "id"),
    Index(None, "agency", "code", postgresql_ops={"code": "text_pattern_ops"}),
    Index(None, "agency", "fingerprint", postgresql_where=text(OF_STATUSES)),
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

# Documents that arrived, and that nobody accepted or rejected yet.
UNANSWERED = "last_code = '01' AND business = 'new'"
Index(
    "ix_receipts_unanswered",
    receipts.c.agency,
    receipts.c.created_at,
    sqlite_where=text(UNANSWERED),
    postgresql_where=text(UNANSWERED),
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
    Column("message", PackedText),
    Column("spool_file", String(64)),
    Column("sha256", HexDigest),
    Column("asked", Integer, nullable=False, default=0),
    Column("sent_at", UtcTime),
    # The hub's id of the recipient's copy of a status, where its list told that and no other.
    Column("copy_doc_id", Text),
    # Whether the outcome of sending was ever unknown.
    Column("was_unknown", Boolean, nullable=False, server_default=false()),
    _build_hub_column(),
    # Whether a status can be told its hub alone: by the docId that only that knows.
    Column("is_tied", Boolean, nullable=False, server_default=false()),
    *_build_queue_columns(OUTGOING),
    CheckConstraint("kind IN ('confirm', 'status')", name="kind"),
    CheckConstraint("kind = 'status' OR hub_doc_id IS NOT NULL", name="confirms_what"),
    Index(None, "agency", "state", "next_attempt_at"),
    Index(None, "lane"),
    Index(None, "receipt_id"),
    Index(None, "delivery_id", postgresql_where=text("delivery_id IS NOT NULL")),
    Index(None, "agency", "hub_doc_id", postgresql_where=text(OF_OUR_STATUSES)),
    Index(None, "agency", "recipient", "sent_at", postgresql_where=text("recipient IS NOT NULL")),
    *_build_lease_indexes(OUTGOING.table_name),
    sqlite_autoincrement=True,
)

timeline = Table(
    "timeline",
    metadata,
    _build_id_column(),
    Column("subject", NumberedName(*SUBJECTS), nullable=False),
    Column("subject_id", Integer, nullable=False),
    Column("at", MicrosecondTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("old", Text),
    Column("new", Text, nullable=False),
    # The organisation it is about, where one recipient of a delivery is meant.
    Column("recipient", Text),
    # The words, in both languages as one text (`rows.join_words`).
    Column("detail", PackedText, nullable=False),
    # Empty where they are one text, or the same in both languages, a person's own.
    Column("detail_vi", PackedText),
    # The time that a status or a request gives itself; `at` is when we learnt of it.
    Column("stated_at", UtcTime),
    # Of a status or a request that came in (`status_rules.Authority`).
    Column("authority", String(16)),
    CheckConstraint("subject IN (1, 2, 3)", name="subject"),
    Index(None, "subject", "subject_id"),
    sqlite_autoincrement=True,
)

# Jobs that a worker does again and again; kept here so that a restart does not do them at once.
jobs = Table(
    "jobs",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("job", String(64), nullable=False),
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

# Which of an agency's hubs sends, and which are only emptied; none as long as the settings alone say so.
hub_roles = Table(
    "hub_roles",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("hub", String(32), nullable=False),
    Column("role", String(16), nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    UniqueConstraint("agency", "hub"),
    CheckConstraint("role IN ('active', 'drain')", name="role"),
    sqlite_autoincrement=True,
)

# Directories of agencies: a hub's, which all agencies of it read, and an agency's own list.
directories = Table(
    "directories",
    metadata,
    _build_id_column(),
    Column("source", Text, nullable=False),
    # When it was last taken over as a whole.
    Column("full_at", UtcTime),
    UniqueConstraint("source"),
    sqlite_autoincrement=True,
)

# Who reads which; what a directory of a lower rank says counts first.
directory_readers = Table(
    "directory_readers",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("directory_id", Integer, ForeignKey("directories.id"), nullable=False),
    UniqueConstraint("agency", "rank"),
    Index(None, "directory_id"),
    sqlite_autoincrement=True,
)

# The full-text index over `folded` is made by the migration: a table of FTS5 on SQLite, a GIN index on PostgreSQL.
agencies = Table(
    "agencies",
    metadata,
    _build_id_column(),
    Column("directory_id", Integer, ForeignKey("directories.id"), nullable=False),
    Column("code", Text, nullable=False),
    Column("other_code", Text),
    Column("name", Text, nullable=False),
    Column("parent", Text),
    Column("email", Text),
    # The hub's own id of it, by which its changes name the agency above.
    Column("hub_id", Text),
    Column("successor", Text),
    Column("valid_from", StoredDate),
    Column("valid_to", StoredDate),
    # Whether the hub listed it when it was last asked.
    Column("active", Boolean(create_constraint=True, name="active"), nullable=False, default=True),
    # Codes and name in small letters without diacritics.
    Column("folded", Text, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    UniqueConstraint("directory_id", "code"),
    Index(None, "directory_id", "other_code"),
    Index(None, "directory_id", "successor"),
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
    Column("subject", ServerNumberedName(*SUBJECTS)),
    Column("subject_id", Integer),
    # On a server its first bytes only, as long as the entry's own are here (`log.linking.get_leaf_hash`).
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("stored", LargeBinary, nullable=False),
    Index(None, "subject_id", "subject", sqlite_where=_ABOUT_A_ROW, postgresql_where=_ABOUT_A_ROW),
    sqlite_autoincrement=True,
)

# The places of entries in their log's tree, given behind the commit of the entries. Those that came one after the other
# are one run: leaf `first_leaf` + n is entry `first_entry` + n. Rows are what costs, on a server above all.
evidence_runs = Table(
    "evidence_runs",
    metadata,
    Column("agency", String(64), primary_key=True),
    Column("first_leaf", BigInteger, primary_key=True, autoincrement=False),
    Column("first_entry", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    UniqueConstraint("first_entry"),
    CheckConstraint("entries > 0", name="entries"),
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

# Where old entries went whose bytes are in the database no more; the newest row about a range counts.
evidence_archives = Table(
    "evidence_archives",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("first_leaf", BigInteger, nullable=False),
    Column("end_leaf", BigInteger, nullable=False),
    Column("file", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    # Whether the entries were put back.
    Column("restored", Boolean(create_constraint=True, name="restored"), nullable=False),
    sqlite_autoincrement=True,
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

# Documents of which nothing may be removed, as long as a hold is not released.
legal_holds = Table(
    "legal_holds",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("document_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", UtcTime, nullable=False),
    Column("released_by", Text),
    Column("released_at", UtcTime),
    Index(None, "agency", "document_id"),
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

# Keys of the gateway's clients, a row for each agency that a key may speak for. The key itself is nowhere.
gateway_keys = Table(
    "gateway_keys",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # From then on it is refused: its successor took over.
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    # To the minute.
    Column("last_used_at", UtcTime),
    UniqueConstraint("agency", "key_id"),
    sqlite_autoincrement=True,
)

# Requests to the gateway that carried an Idempotency-Key, and what they were answered.
gateway_requests = Table(
    "gateway_requests",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("key", String(255), nullable=False),
    Column("digest", String(64), nullable=False),
    # Empty while the request is worked on.
    Column("answer", Text),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("agency", "key"),
    Index(None, "created_at"),
    sqlite_autoincrement=True,
)

# Where the gateway tells of events. Their tables stand behind the timeline's, whose trigger adds the messages.
gateway_webhooks = Table(
    "gateway_webhooks",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("url", Text, nullable=False),
    # References to the secrets that sign, as JSON; never a secret.
    Column("secrets", Text, nullable=False),
    # Names of the events that are wanted, as JSON; empty for all.
    Column("events", Text),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("rests_until", UtcTime),
    # Set where it answered 410: it is told nothing more.
    Column("gone_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("agency", "url"),
    sqlite_autoincrement=True,
)

# Entries of the timeline that an endpoint is to be told of. A trigger adds them, in the transaction of the entry.
gateway_messages = Table(
    "gateway_messages",
    metadata,
    _build_id_column(),
    Column("webhook_id", Integer, ForeignKey("gateway_webhooks.id"), nullable=False),
    Column("timeline_id", Integer, nullable=False),
    # Messages with the same text here are told in their order, each after the one before arrived.
    Column("lane", Text, nullable=False),
    Column("state", String(16), nullable=False, server_default=text("'ready'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # Empty: at once.
    Column("next_attempt_at", UtcTime),
    Column("lease_until", UtcTime),
    Column("error_text", Text),
    Column("error_vi", Text),
    Column("delivered_at", UtcTime),
    CheckConstraint("state IN ('ready', 'delivered', 'failed', 'unwanted')", name="state"),
    UniqueConstraint("webhook_id", "timeline_id"),
    Index(None, "webhook_id", "state", "lane", "timeline_id"),
    sqlite_autoincrement=True,
)

# Documents that came through a watched folder: from which department, and under which name.
folder_items = Table(
    "folder_items",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("document_id", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("taken_at", UtcTime, nullable=False),
    UniqueConstraint("agency", "document_id"),
    sqlite_autoincrement=True,
)

# Up to which entry of the timeline the statuses of an agency's documents were written to its watched folder.
folder_positions = Table(
    "folder_positions",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("position", BigInteger, nullable=False),
    UniqueConstraint("agency"),
    sqlite_autoincrement=True,
)

# Documents in flight that were taken over from an older connector, in batches.
import_batches = Table(
    "import_batches",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("undone_at", UtcTime),
    UniqueConstraint("agency", "name"),
    sqlite_autoincrement=True,
)

# The rows that a batch made. While the batch is undone they stand under a code that is no agency's.
imported_documents = Table(
    "imported_documents",
    metadata,
    _build_id_column(),
    Column("batch_id", Integer, ForeignKey("import_batches.id"), nullable=False),
    # ``delivery`` or ``receipt``, and the key of that row.
    Column("subject", String(16), nullable=False),
    Column("subject_id", Integer, nullable=False),
    Column("register_number", Text),
    CheckConstraint("subject IN ('delivery', 'receipt')", name="subject"),
    UniqueConstraint("subject", "subject_id"),
    Index(None, "batch_id"),
    sqlite_autoincrement=True,
)

# People who work at the desk.
desk_users = Table(
    "desk_users",
    metadata,
    _build_id_column(),
    Column("agency", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("full_name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    # By argon2; empty where only a proxy lets the person in.
    Column("password_hash", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("last_seen_at", UtcTime),
    UniqueConstraint("agency", "name"),
    sqlite_autoincrement=True,
)

# Their sessions, by the hash of the secret that the browser has.
desk_sessions = Table(
    "desk_sessions",
    metadata,
    _build_id_column(),
    Column("user_id", Integer, ForeignKey("desk_users.id"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("last_used_at", UtcTime, nullable=False),
    UniqueConstraint("digest"),
    Index(None, "user_id"),
    sqlite_autoincrement=True,
)

TABLES = metadata.tables

KNOWN_TABLES = (*TABLES, "evidence", "evidence_leaves", "directory")
"""Names of the tables, and of those of earlier revisions, in the order of their foreign keys."""
