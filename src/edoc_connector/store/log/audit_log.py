"""What is recorded for the evidence while a transaction runs, and the packets that were removed on purpose.

Events are recorded while a transaction runs (`AuditEvent`), gathered into entries when it ends (`gather_entries`), and
written as the last act before the commit, in it (`linking`): the log and all that it tells are on the disk
together, or neither is. `evidence_log` reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, Table, bindparam, insert, select

from ..._core import Text
from ...evidence import LogEntry, LogEvent, group_events
from .._sql import TABLES, Row
from ..state_machine import StateMachine

if TYPE_CHECKING:
    from ..transaction import Tx

_SEPARATOR = " ‖ "
_MAX_CHARACTERS = 950  # characters of each language: an entry has room for both, and for the cause

PRUNED_TABLE = TABLES["pruned"]

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
) -> list[LogEntry]:
    """Gather a transaction's events into entries, ready to be appended, when it has done everything else.

    Args:
        connection: the transaction's.
        events: in the order they were made.
        changed_rows: the rows that it changed, by subject and key, as they are now, with the columns of
            `get_identity_columns` at least.
        at: the transaction's time, UTC.
    """
    missing = {(event.subject, event.subject_id) for event in events if event.subject} - changed_rows.keys()
    rows = {**changed_rows, **_load_identities(connection, missing)} if missing else changed_rows
    by_agency: dict[str, list[tuple[str, int, LogEvent]]] = {}
    identities: dict[tuple[str, int], Mapping[str, Any]] = {}
    for event in events:
        key = (event.subject, event.subject_id)
        row = rows.get(key)
        if row is not None and key not in identities:
            identities[key] = _build_identity(event.subject, row)
        agency = event.agency or "" if row is None else str(row["agency"])
        told = (event.subject, event.subject_id, LogEvent(event.kind, event.actor, event.details))
        by_agency.setdefault(agency, []).append(told)
    return [
        entry for agency, told in by_agency.items() for entry in group_events(told, identities, agency=agency, at=at)
    ]


@dataclass(slots=True, eq=False)
class AuditLog:
    """Notes what is to be added to the evidence, and what was removed.

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


def _build_identity(subject: str, row: Row) -> Mapping[str, Any]:
    names = _IDENTITY_COLUMNS[subject][1]
    return {("what" if name == "kind" else name): row[name] for name in names if row[name] is not None}


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
