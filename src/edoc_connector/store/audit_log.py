"""The evidence: an append-only log, chained by hashes, one chain per agency.

An entry is canonical JSON (`as_canonical_json`). Its *digest* is the SHA-256 of those bytes; its *hash* is the SHA-256
of the hash before it and the digest, both in hex, joined by a line feed. The first entry follows `GENESIS`. So a chain
can be checked without showing every entry: for those of other documents the digest alone is enough.

Events are recorded while a transaction runs (`AuditEvent`), gathered when it ends (`gather_entries`), and written as
the last act before the commit, in it (`append_entries`): the log and all that it tells are on the disk together, or
neither is. Writing last also keeps the lock on the chain short, and no transaction waits for a row while it holds it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    Table,
    and_,
    bindparam,
    insert,
    or_,
    select,
    text,
)

from .._core import Text
from ..evidence import GENESIS, as_canonical_json, compute_chain_hash, compute_digest
from ._sql import TABLES, CompiledStatement, Row
from .state_machine import StateMachine

if TYPE_CHECKING:
    from .transaction import Tx

_SEPARATOR = " ‖ "
_MAX_CHARACTERS = 950  # characters of each language: an entry has room for both, and for the cause
_CHAIN_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('edoc evidence ' || :agency, 0))"
_BATCH_ROWS = 500

EVIDENCE_TABLE = TABLES["evidence"]
PRUNED_TABLE = TABLES["pruned"]

# Made once: every transaction that changes something needs them.
_HEAD_QUERY = (
    select(EVIDENCE_TABLE.c.sequence, EVIDENCE_TABLE.c.hash)
    .where(EVIDENCE_TABLE.c.agency == bindparam("agency"))
    .order_by(EVIDENCE_TABLE.c.sequence.desc())
    .limit(1)
)
_SELECT_HEAD = CompiledStatement(_HEAD_QUERY)
_INSERT_ENTRIES = CompiledStatement(insert(EVIDENCE_TABLE))

# Columns that identify a row in an entry, as it stands when the transaction ends.
_IDENTITY_COLUMNS: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "delivery": (TABLES["deliveries"], ("document_id", "hub_doc_id", "sha256")),
    "receipt": (TABLES["receipts"], ("document_id", "sender", "hub_doc_id", "message_type", "sha256", "verification")),
    "outgoing": (
        TABLES["outgoing"],
        ("kind", "code", "recipient", "receipt_id", "delivery_id", "hub_doc_id", "sha256"),
    ),
}


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An event to write to the evidence when the transaction ends.

    Args:
        kind: ``change`` (a state or status), ``offer`` (what the hub announced), ``answer`` (what the hub said) or
            ``packet`` (bytes kept, found altered or removed).
        subject: ``delivery``, ``receipt`` or ``outgoing``; empty for the agency as a whole.
        subject_id: the row it is about.
        actor: who did it.
        details: further values, JSON.
        agency: code of the agency that has the chain; looked up where there is a row.
    """

    kind: str
    subject: str
    subject_id: int
    actor: str
    details: Mapping[str, Any] = field(default_factory=dict)
    agency: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An event, and the identity of its row when the transaction ended.

    Args:
        agency: code of the agency that has the chain.
        event: what was noted.
        identity: the row's values.
        at: the transaction's time, UTC.
    """

    agency: str
    event: AuditEvent
    identity: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLink:
    """One link of a chain.

    Args:
        sequence: its number, from 1.
        kind: as of `AuditEvent`.
        entry: the entry's canonical JSON.
        digest: SHA-256 of it, hex.
        hash: hash of the chain up to here, hex.
    """

    sequence: int
    kind: str
    entry: str
    digest: str
    hash: str


def join_languages(words: Text | str) -> str:
    """Join a text in both languages, each cut to 950 characters, into the one text that an entry holds of it.

    Entries are as they were when the timeline had one column for both: one form for evidence of every age.
    """
    if isinstance(words, str):
        return words
    return _SEPARATOR.join(part.replace(_SEPARATOR, " | ")[:_MAX_CHARACTERS] for part in (words.en, words.vi))


def get_identity_columns(subject: str) -> tuple[str, ...]:
    """Get the columns that identify a subject's rows in an entry; moves return them, so that nobody need look again."""
    return ("id", "agency", *_IDENTITY_COLUMNS[subject][1])


def gather_entries(
    connection: Connection, events: Sequence[AuditEvent], changed_rows: Mapping[tuple[str, int], Row], *, at: datetime
) -> list[AuditEntry]:
    """Gather a transaction's events, ready to be appended, when it has done everything else.

    Args:
        connection: the transaction's.
        events: in the order they were made.
        changed_rows: the rows that it changed, by subject and key, as they are now, with the columns of
            `get_identity_columns` at least.
        at: the transaction's time, UTC.
    """
    missing = {(event.subject, event.subject_id) for event in events if event.subject} - changed_rows.keys()
    rows = {**changed_rows, **_load_identities(connection, missing)} if missing else changed_rows
    entries = []
    for event in events:
        row = rows.get((event.subject, event.subject_id))
        if row is None:
            entries.append(AuditEntry(event.agency or "", event, {}, at))
            continue
        names = _IDENTITY_COLUMNS[event.subject][1]
        values = {("what" if name == "kind" else name): row[name] for name in names if row[name] is not None}
        entries.append(AuditEntry(str(row["agency"]), event, values, at))
    return entries


def append_entries(connection: Connection, entries: Sequence[AuditEntry]) -> None:
    """Append gathered entries, as the last act before the commit.

    Args:
        connection: the transaction's.
        entries: in order.
    """
    by_agency: dict[str, list[AuditEntry]] = {}
    for entry in entries:
        by_agency.setdefault(entry.agency, []).append(entry)
    for agency in sorted(by_agency):  # one order for everybody, so that two transactions never wait for each other
        _append_to_chain(connection, agency, by_agency[agency])


def read_chain_head(connection: Connection, agency: str) -> tuple[int, str]:
    """Read the last sequence number and hash of a chain; 0 and `GENESIS` where it is empty."""
    found = _SELECT_HEAD.fetch_all(connection, {"agency": agency})
    return (int(found[0]["sequence"]), str(found[0]["hash"])) if found else (0, GENESIS)


@dataclass(slots=True, eq=False)
class AuditLog:
    """Reads the evidence, and notes what is to be added to it.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def record(
        self,
        kind: str,
        machine: StateMachine | None,
        row_id: int,
        details: Mapping[str, Any],
        *,
        agency: str | None = None,
    ) -> None:
        """Record an event for the evidence, which is written when the transaction ends.

        Args:
            kind: as of `AuditEvent`.
            machine: what kind of row it is about; None for the agency as a whole.
            row_id: the row.
            details: further values, JSON.
            agency: code of the agency that has the chain; looked up where there is a row.
        """
        subject = machine.subject if machine is not None else ""
        self._tx.audit_events.append(AuditEvent(kind, subject, row_id, self._tx.actor, details, agency))

    def read_chain_head(self, agency: str) -> tuple[int, str]:
        """Read the last sequence number and hash of a chain; 0 and `GENESIS` where it is empty."""
        return read_chain_head(self._tx.connection, agency)

    def list_links_about(self, agency: str, subjects: Mapping[str, Collection[int]]) -> list[ChainLink]:
        """List the entries about some rows, in order.

        Args:
            agency: code of the agency that has the chain.
            subjects: keys by subject.
        """
        conditions = [
            and_(EVIDENCE_TABLE.c.subject == subject, EVIDENCE_TABLE.c.subject_id.in_(sorted(keys)))
            for subject, keys in subjects.items()
        ]
        query = (
            select(EVIDENCE_TABLE)
            .where(EVIDENCE_TABLE.c.agency == agency, or_(*conditions))
            .order_by(EVIDENCE_TABLE.c.sequence)
        )
        return [_as_link(row) for row in self._tx.connection.execute(query).mappings()]

    def read_chain(self, agency: str, *, first_sequence: int = 1) -> Iterator[ChainLink]:
        """Read a chain from some number on, in order and in batches."""
        while True:
            query = (
                select(EVIDENCE_TABLE)
                .where(EVIDENCE_TABLE.c.agency == agency, EVIDENCE_TABLE.c.sequence >= first_sequence)
                .order_by(EVIDENCE_TABLE.c.sequence)
                .limit(_BATCH_ROWS)
            )
            rows = self._tx.connection.execute(query).mappings().all()
            yield from (_as_link(row) for row in rows)
            if len(rows) < _BATCH_ROWS:
                return
            first_sequence = int(rows[-1]["sequence"]) + 1

    def find_chain_break(self, agency: str) -> str | None:
        """Find the first break in a chain.

        Returns:
            Words for it, with the sequence number; None where the chain holds.
        """
        expected, previous = 1, GENESIS
        for link in self.read_chain(agency):
            if link.sequence != expected:
                return f"entry {expected} is missing; {link.sequence} follows"
            if compute_digest(link.entry) != link.digest:
                return f"entry {link.sequence} was changed"
            if compute_chain_hash(previous, link.digest) != link.hash:
                return f"entry {link.sequence} does not follow from the one before it"
            expected, previous = expected + 1, link.hash
        return None

    def mark_pruned(self, *, agency: str, spool_file: str, sha256: str, at: datetime) -> None:
        """Mark a packet as removed on purpose."""
        self._tx.connection.execute(
            insert(PRUNED_TABLE).values(agency=agency, spool_file=spool_file, sha256=sha256, at=at)
        )

    def find_pruned_at(self, spool_file: str) -> datetime | None:
        """Find when a packet was removed on purpose; None where it was not."""
        return self._tx.connection.execute(
            select(PRUNED_TABLE.c.at).where(PRUNED_TABLE.c.spool_file == spool_file)
        ).scalar()

    def list_pruned_files(self) -> set[str]:
        """List the spool names of all packets that were removed on purpose, of every agency."""
        return set(self._tx.connection.execute(select(PRUNED_TABLE.c.spool_file)).scalars())


def _as_link(row: RowMapping) -> ChainLink:
    return ChainLink(**{name: row[name] for name in ("sequence", "kind", "entry", "digest", "hash")})


def _append_to_chain(connection: Connection, agency: str, entries: Sequence[AuditEntry]) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(_CHAIN_LOCK), {"agency": agency})
    sequence, previous = read_chain_head(connection, agency)
    rows = []
    for audit_entry in entries:
        event = audit_entry.event
        sequence += 1
        entry = as_canonical_json(
            _build_entry_values(event, audit_entry.identity, agency=agency, sequence=sequence, at=audit_entry.at)
        )
        digest = compute_digest(entry)
        previous = compute_chain_hash(previous, digest)
        rows.append(
            {
                "agency": agency, "sequence": sequence, "at": audit_entry.at, "kind": event.kind,
                "subject": event.subject or None, "subject_id": event.subject_id if event.subject else None,
                "entry": entry, "digest": digest, "hash": previous,
            }
        )  # fmt: skip
    _INSERT_ENTRIES.execute_many(connection, rows)


def _build_entry_values(
    event: AuditEvent, identity: Mapping[str, Any], *, agency: str, sequence: int, at: datetime
) -> dict[str, Any]:
    entry = {
        **identity,
        **event.details,
        "agency": agency,
        "sequence": sequence,
        "at": at.isoformat(timespec="microseconds"),
        "kind": event.kind,
        "actor": event.actor,
    }
    return entry | ({"subject": event.subject, "subject_id": event.subject_id} if event.subject else {})


@cache
def _build_identity_query(table: Table, names: tuple[str, ...]) -> Select[Any]:
    columns = [table.c.id, table.c.agency, *(table.c[name] for name in names)]
    return select(*columns).where(table.c.id.in_(bindparam("row_ids", expanding=True)))


def _load_identities(connection: Connection, subject_rows: Collection[tuple[str, int]]) -> dict[tuple[str, int], Row]:
    found: dict[tuple[str, int], Row] = {}
    for subject in {subject for subject, _ in subject_rows}:
        keys = sorted(key for other, key in subject_rows if other == subject)
        for row in connection.execute(_build_identity_query(*_IDENTITY_COLUMNS[subject]), {"row_ids": keys}).mappings():
            found[subject, int(row["id"])] = row
    return found
