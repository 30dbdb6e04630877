"""The hub's memory, in SQLite: agencies, packets, a receipt per recipient, and events.

The standard library's sqlite3 and plain SQL: the hub needs a few statements on one small file and must share nothing
with the store it is used to test. One connection behind a lock serves the worker threads.
"""

from __future__ import annotations

import sqlite3
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edoc_connector._core import protect_database

if TYPE_CHECKING:
    from edoc_connector.mockhub.config import AgencySpec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS agencies (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, old_code TEXT NOT NULL, name TEXT NOT NULL, mail TEXT NOT NULL,
    parent TEXT NOT NULL, system_id TEXT NOT NULL, locked INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL, modified TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS agencies_by_old_code ON agencies (old_code);
CREATE INDEX IF NOT EXISTS agencies_by_system ON agencies (system_id);
CREATE INDEX IF NOT EXISTS agencies_by_version ON agencies (version);
CREATE TABLE IF NOT EXISTS packets (
    id TEXT PRIMARY KEY, system_id TEXT NOT NULL, sender TEXT NOT NULL, message_type TEXT NOT NULL,
    identity TEXT NOT NULL UNIQUE, document_id TEXT NOT NULL, business TEXT NOT NULL, title TEXT NOT NULL,
    notation TEXT NOT NULL, status TEXT NOT NULL, size INTEGER NOT NULL, sent TEXT NOT NULL,
    about TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS receipts (
    id TEXT PRIMARY KEY, packet_id TEXT NOT NULL REFERENCES packets, recipient TEXT NOT NULL,
    state TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS packets_by_document ON packets (document_id);
CREATE INDEX IF NOT EXISTS packets_by_sender ON packets (system_id, message_type, sent);
CREATE INDEX IF NOT EXISTS receipts_by_packet ON receipts (packet_id);
CREATE INDEX IF NOT EXISTS receipts_by_recipient ON receipts (recipient, state);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, packet_id TEXT NOT NULL REFERENCES packets, receipt_id TEXT NOT NULL, at TEXT NOT NULL,
    actor TEXT NOT NULL, what TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_packet ON events (packet_id);
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
    about: str = ""


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


def fold_text(text: str) -> str:
    """Fold a text for a search: no case, no diacritics."""
    plain = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(character for character in plain if not unicodedata.combining(character))


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
        self._db.create_function("fold", 1, fold_text, deterministic=True)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # outlives the process; a test's hub need not outlive the power
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(_SCHEMA)
        if "about" not in {row["name"] for row in self._db.execute("PRAGMA table_info (packets)")}:
            self._db.execute("ALTER TABLE packets ADD COLUMN about TEXT NOT NULL DEFAULT ''")  # a folder of before
        self._db.execute("CREATE INDEX IF NOT EXISTS packets_by_about ON packets (about)")

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
            self._put_agency(code, old_code, name or code, mail, parent, system_id, at)

    def put_agencies(self, specs: Iterable[AgencySpec], *, at: datetime) -> None:
        """Register many agencies, or change them, at once."""
        with self._transaction():
            for spec in specs:
                name, system_id = spec.name or spec.code, spec.system
                self._put_agency(spec.code, spec.old_code, name, spec.mail, spec.parent, system_id, at)

    def _put_agency(
        self, code: str, old_code: str, name: str, mail: str, parent: str, system_id: str, at: datetime
    ) -> None:
        self._db.execute(
            "INSERT INTO agencies (code, old_code, name, mail, parent, system_id, version, modified)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (code) DO UPDATE SET old_code = excluded.old_code, name = excluded.name,"
            " mail = excluded.mail, parent = excluded.parent, system_id = excluded.system_id, deleted = 0,"
            " version = excluded.version, modified = excluded.modified",
            (code, old_code, name, mail, parent, system_id, self._compute_next_version(), at.isoformat()),
        )

    def mark_agency(self, code: str, *, at: datetime, deleted: bool | None = None, locked: bool | None = None) -> None:
        """Remove an agency from the directory, or lock or unlock it."""
        with self._transaction():
            self._db.execute(
                "UPDATE agencies SET deleted = coalesce(?, deleted), locked = coalesce(?, locked), version = ?,"
                " modified = ? WHERE code = ?",
                (deleted, locked, self._compute_next_version(), at.isoformat(), code),
            )

    def remove_agencies(self, codes: Iterable[str], *, at: datetime) -> None:
        """Remove many agencies from the directory at once."""
        with self._transaction():
            for code in codes:
                self._db.execute(
                    "UPDATE agencies SET deleted = 1, version = ?, modified = ? WHERE code = ?",
                    (self._compute_next_version(), at.isoformat(), code),
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
        self, *, system_id: str | None = None, message_type: str | None = None, since: str = "", recipient: str = ""
    ) -> list[Packet]:
        """List packets in the order they were taken.

        Args:
            system_id: only those that this system sent.
            message_type: only those announced as this.
            since: only those sent at or after this time (ISO 8601, UTC).
            recipient: only those for this code.
        """
        conditions = {
            "system_id = ?": system_id,
            "message_type = ?": message_type,
            "sent >= ?": since or None,
            "id IN (SELECT packet_id FROM receipts WHERE recipient = ?)": recipient or None,
        }
        given = {condition: value for condition, value in conditions.items() if value is not None}
        where = f" WHERE {' AND '.join(given)}" if given else ""
        query = f"SELECT * FROM packets{where} ORDER BY rowid"  # noqa: S608  conditions are our own, values are bound
        return self._select(Packet, query, *given.values())

    def list_of_document(self, document_id: str) -> list[Packet]:
        """List the packets with a DocumentId, and those about it, in the order they were taken."""
        return self._select(
            Packet,
            "SELECT * FROM packets WHERE document_id = ? OR about = ? ORDER BY rowid",
            document_id,
            document_id,
        )

    def search_packets(
        self, *, text: str = "", agency: str = "", kind: str = "", state: str = "", limit: int = -1, offset: int = 0
    ) -> tuple[list[Packet], int]:
        """Search packets, the newest first; gives those of one page, and how many there are.

        Args:
            text: stands in title, notation, DocumentId or sender, whatever the case and the diacritics.
            agency: only those from or for this code.
            kind: only ``status``, ``document``, or the BussinessDocType of a change: ``1``, ``2``, ``3``.
            state: only those with a receipt in this state.
            limit: most packets; any number where negative.
            offset: packets to skip.
        """
        condition = (
            " FROM packets WHERE instr(fold(title || ' ' || notation || ' ' || document_id || ' ' || sender), ?)"
            " AND (? IN ('', sender) OR EXISTS (SELECT 1 FROM receipts WHERE packet_id = packets.id AND recipient = ?))"
            " AND ? IN ('', business, CASE WHEN status <> '' THEN 'status' ELSE 'document' END)"
            " AND (? = '' OR EXISTS (SELECT 1 FROM receipts WHERE packet_id = packets.id AND state = ?))"
        )
        given = (fold_text(text.strip()), agency, agency, kind, state, state)
        found = self._select(Packet, f"SELECT *{condition} ORDER BY rowid DESC LIMIT ? OFFSET ?", *given, limit, offset)
        return found, self._count(condition, *given)

    def search_agencies(self, *, text: str = "", limit: int = -1, offset: int = 0) -> tuple[list[Agency], int]:
        """Search the directory by code or name, whatever the case and the diacritics; gives one page, and how many."""
        condition = " FROM agencies WHERE NOT deleted AND instr(fold(code || ' ' || old_code || ' ' || name), ?)"
        given = fold_text(text.strip())
        found = self._select(Agency, f"SELECT *{condition} ORDER BY id LIMIT ? OFFSET ?", given, limit, offset)
        return found, self._count(condition, given)

    def count_waiting(self, code: str) -> int:
        """Count the packets that an agency has not taken."""
        return self._count(" FROM receipts WHERE recipient = ? AND state IN ('initial', 'processing')", code)

    def find_document(self, document_id: str) -> Packet | None:
        """Find the newest document with a DocumentId."""
        found = self._select(
            Packet,
            "SELECT * FROM packets WHERE document_id = ? AND business = '0' ORDER BY rowid DESC LIMIT 1",
            document_id,
        )
        return found[0] if found else None

    def list_about(self, packet: Packet) -> list[Packet]:
        """List the statuses and changes of the document that a packet is about, in the order they were taken."""
        return self._select(
            Packet,
            "SELECT * FROM packets WHERE (document_id = ? OR about = ?) AND id <> ? AND ? <> ''"
            " AND (status <> '' OR business <> '0') ORDER BY rowid",
            packet.document_id,
            packet.document_id,
            packet.id,
            packet.document_id,
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
        return self._list_for(system_id, message_type, " AND receipts.state IN ('initial', 'processing')")

    def list_received(self, system_id: str, message_type: str) -> list[tuple[Receipt, Packet]]:
        """List the packets that came for a system, confirmed or not, oldest first."""
        return self._list_for(system_id, message_type)

    def _list_for(self, system_id: str, message_type: str, condition: str = "") -> list[tuple[Receipt, Packet]]:
        found = (
            " FROM receipts JOIN agencies ON agencies.code = receipts.recipient"
            " JOIN packets ON packets.id = receipts.packet_id"
            f" WHERE agencies.system_id = ? AND packets.message_type = ?{condition} ORDER BY receipts.rowid"
        )
        with self._lock:  # both of the same moment
            receipts = self._select(Receipt, f"SELECT receipts.*{found}", system_id, message_type)
            packets = self._select(Packet, f"SELECT packets.*{found}", system_id, message_type)
        return list(zip(receipts, packets, strict=True))

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

    def _count(self, condition: str, *parameters: object) -> int:
        with self._lock:
            row = self._db.execute(f"SELECT count(*){condition}", parameters).fetchone()
        return int(row[0])

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
