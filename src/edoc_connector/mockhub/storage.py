"""The hub's memory, in SQLite: agencies, packets, a receipt per recipient, and events.

The standard library's sqlite3 and plain SQL: the hub needs a few statements on one small file and must share nothing
with the store it is used to test. One connection behind a lock serves the worker threads.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from edoc_connector._core import protect_database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS agencies (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, old_code TEXT NOT NULL, name TEXT NOT NULL, mail TEXT NOT NULL,
    parent TEXT NOT NULL, system_id TEXT NOT NULL, locked INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL, modified TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS packets (
    id TEXT PRIMARY KEY, system_id TEXT NOT NULL, sender TEXT NOT NULL, message_type TEXT NOT NULL,
    identity TEXT NOT NULL UNIQUE, document_id TEXT NOT NULL, business TEXT NOT NULL, title TEXT NOT NULL,
    notation TEXT NOT NULL, status TEXT NOT NULL, size INTEGER NOT NULL, sent TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS receipts (
    id TEXT PRIMARY KEY, packet_id TEXT NOT NULL REFERENCES packets, recipient TEXT NOT NULL,
    state TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS receipts_by_packet ON receipts (packet_id);
CREATE INDEX IF NOT EXISTS receipts_by_recipient ON receipts (recipient, state);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, packet_id TEXT NOT NULL REFERENCES packets, receipt_id TEXT NOT NULL, at TEXT NOT NULL,
    actor TEXT NOT NULL, what TEXT NOT NULL
);
"""

Record = TypeVar("Record", "Agency", "Packet", "Receipt", "Event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """An entry of the directory; `version` counts changes of the whole directory."""

    id: int
    code: str
    old_code: str
    name: str
    mail: str
    parent: str
    system_id: str
    locked: int
    deleted: int
    version: int
    modified: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A packet that the hub took; `id` is the DocId its sender got, `identity` what a duplicate would share with it."""

    id: str
    system_id: str
    sender: str
    message_type: str
    identity: str
    document_id: str
    business: str
    title: str
    notation: str
    status: str
    size: int
    sent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A packet for one recipient; `id` is the docId it is offered under."""

    id: str
    packet_id: str
    recipient: str
    state: str
    created: str
    updated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a packet; `receipt_id` is empty where it concerns all recipients."""

    packet_id: str
    receipt_id: str
    at: str
    actor: str
    what: str


class DuplicateError(Exception):
    """A packet with this identity is here already."""


class Storage:
    """The database of a hub.

    Args:
        path: SQLite file, made if missing.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        protect_database(path)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # outlives the process; a test's hub need not outlive the power
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def put_agency(
        self,
        *,
        code: str,
        system_id: str,
        at: datetime,
        old_code: str = "",
        name: str = "",
        mail: str = "",
        parent: str = "",
    ) -> None:
        """Register an agency, or change it; one that was removed is back."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO agencies (code, old_code, name, mail, parent, system_id, version, modified)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (code) DO UPDATE SET old_code = excluded.old_code, name = excluded.name,"
                " mail = excluded.mail, parent = excluded.parent, system_id = excluded.system_id, deleted = 0,"
                " version = excluded.version, modified = excluded.modified",
                (code, old_code, name or code, mail, parent, system_id, self._compute_next_version(), at.isoformat()),
            )

    def mark_agency(self, code: str, *, at: datetime, deleted: bool | None = None, locked: bool | None = None) -> None:
        """Remove an agency from the directory, or lock or unlock it."""
        with self._transaction():
            self._db.execute(
                "UPDATE agencies SET deleted = coalesce(?, deleted), locked = coalesce(?, locked), version = ?,"
                " modified = ? WHERE code = ?",
                (deleted, locked, self._compute_next_version(), at.isoformat(), code),
            )

    def find_agency(self, code: str) -> Agency | None:
        """Find the agency with a code in either form, unless it was removed; no agency has the empty one."""
        found = self._select(
            Agency,
            "SELECT * FROM agencies WHERE ? <> '' AND (code = ? OR old_code = ?) AND NOT deleted ORDER BY code <> ?",
            *[code] * 4,
        )
        return found[0] if found else None

    def list_agencies(self, *, include_removed: bool = False) -> list[Agency]:
        """List the directory by id, with or without the removed ones."""
        return self._select(Agency, "SELECT * FROM agencies WHERE deleted <= ? ORDER BY id", include_removed)

    def add_packet(self, packet: Packet, receipts: Sequence[Receipt], events: Sequence[Event]) -> None:
        """Take a packet, whole or not at all.

        Raises:
            DuplicateError: its identity is here already.
        """
        try:
            with self._transaction():
                self._insert("packets", packet)
                for receipt in receipts:
                    self._insert("receipts", receipt)
                for event in events:
                    self._insert("events", event)
        except sqlite3.IntegrityError as error:
            raise DuplicateError(packet.identity) from error

    def has_packet(self, identity: str) -> bool:
        """Tell whether a packet with this identity is here."""
        return bool(self._select(Packet, "SELECT * FROM packets WHERE identity = ?", identity))

    def find_packet(self, packet_id: str) -> Packet | None:
        """Find a packet by its sender's DocId."""
        found = self._select(Packet, "SELECT * FROM packets WHERE id = ?", packet_id)
        return found[0] if found else None

    def list_packets(
        self, *, system_id: str | None = None, message_type: str | None = None, since: str = ""
    ) -> list[Packet]:
        """List packets in the order they were taken.

        Args:
            system_id: only those that this system sent.
            message_type: only those announced as this.
            since: only those sent at or after this time (ISO 8601, UTC).
        """
        return self._select(
            Packet,
            "SELECT * FROM packets WHERE system_id = coalesce(?, system_id)"
            " AND message_type = coalesce(?, message_type) AND sent >= ? ORDER BY rowid",
            system_id,
            message_type,
            since,
        )

    def find_receipt(self, receipt_id: str) -> Receipt | None:
        """Find a receipt by the docId it is offered under."""
        found = self._select(Receipt, "SELECT * FROM receipts WHERE id = ?", receipt_id)
        return found[0] if found else None

    def list_receipts(self, packet_id: str) -> list[Receipt]:
        """List the receipts of one packet."""
        return self._select(Receipt, "SELECT * FROM receipts WHERE packet_id = ? ORDER BY rowid", packet_id)

    def list_waiting(self, system_id: str, message_type: str) -> list[tuple[Receipt, Packet]]:
        """List the packets that a system has not confirmed yet, oldest first."""
        receipts = self._select(
            Receipt,
            "SELECT receipts.* FROM receipts JOIN agencies ON agencies.code = receipts.recipient"
            " JOIN packets ON packets.id = receipts.packet_id"
            " WHERE agencies.system_id = ? AND packets.message_type = ? AND receipts.state IN ('initial', 'processing')"
            " ORDER BY receipts.rowid",
            system_id,
            message_type,
        )
        return [(receipt, packet) for receipt in receipts if (packet := self.find_packet(receipt.packet_id))]

    def list_received(self, system_id: str, message_type: str) -> list[tuple[Receipt, Packet]]:
        """List the packets that came for a system, confirmed or not, oldest first."""
        receipts = self._select(
            Receipt,
            "SELECT receipts.* FROM receipts JOIN agencies ON agencies.code = receipts.recipient"
            " JOIN packets ON packets.id = receipts.packet_id"
            " WHERE agencies.system_id = ? AND packets.message_type = ? ORDER BY receipts.rowid",
            system_id,
            message_type,
        )
        return [(receipt, packet) for receipt in receipts if (packet := self.find_packet(receipt.packet_id))]

    def add_event(self, event: Event) -> None:
        """Note something that happened to a packet."""
        with self._transaction():
            self._insert("events", event)

    def set_state(self, receipt_id: str, state: str, event: Event) -> None:
        """Move a receipt and note it."""
        with self._transaction():
            self._db.execute("UPDATE receipts SET state = ?, updated = ? WHERE id = ?", (state, event.at, receipt_id))
            self._insert("events", event)

    def list_events(self, packet_id: str) -> list[Event]:
        """List the events of a packet, in order."""
        return self._select(
            Event,
            "SELECT packet_id, receipt_id, at, actor, what FROM events WHERE packet_id = ? ORDER BY id",
            packet_id,
        )

    def _compute_next_version(self) -> int:
        row = self._db.execute("SELECT coalesce(max(version), 0) + 1 FROM agencies").fetchone()
        return int(row[0])

    def _insert(self, table: str, record: Packet | Receipt | Event) -> None:
        names = [item.name for item in fields(record)]
        marks = ", ".join("?" for _ in names)
        self._db.execute(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608  names are our own, values are bound
            [getattr(record, name) for name in names],
        )

    def _select(self, kind: type[Record], sql: str, *parameters: object) -> list[Record]:
        with self._lock:
            rows = self._db.execute(sql, parameters).fetchall()
        return [kind(**dict(row)) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
