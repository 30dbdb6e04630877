"""The log of evidence: what is recorded for it, its places in the log's tree, and what it tells."""

from .archives import ArchivedEntries, ArchiveRecord, EvidenceArchives, missing_archive_error
from .audit_log import PRUNED_TABLE, AuditEvent, AuditLog, gather_entries, get_identity_columns, join_languages
from .chain_move import move_chains, move_rest
from .evidence_log import EvidenceLog, LogFault, StoredCheckpoint, StoredEntry
from .linking import (
    LINK_SECONDS,
    LINK_TRANSACTIONS,
    EvidenceWriter,
    get_leaf_hash,
    insert_entries,
    read_last_entry,
)

__all__ = [
    "LINK_SECONDS",
    "LINK_TRANSACTIONS",
    "PRUNED_TABLE",
    "ArchiveRecord",
    "ArchivedEntries",
    "AuditEvent",
    "AuditLog",
    "EvidenceArchives",
    "EvidenceLog",
    "EvidenceWriter",
    "LogFault",
    "StoredCheckpoint",
    "StoredEntry",
    "gather_entries",
    "get_identity_columns",
    "get_leaf_hash",
    "insert_entries",
    "join_languages",
    "missing_archive_error",
    "move_chains",
    "move_rest",
    "read_last_entry",
]
