"""The evidence: an append-only log, chained by hashes, one chain per agency.

An entry is canonical JSON (`canonical`). Its *digest* is the SHA-256 of those bytes; its *hash* is the SHA-256 of the
hash before it and the digest, both in hex, joined by a line feed. The first entry follows `GENESIS`. So a chain can be
checked without showing every entry: for those of other documents the digest alone is enough.

Entries are noted while a transaction runs (`Note`), gathered when it ends (`gathered`), and written as the last act
before the commit, in it (`append`): what the log tells and the log itself are on the disk together, or neither is.
Writing last also keeps the lock on the chain short, and no transaction waits for a row while it holds that lock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    insert,
    or_,
    select,
    text,
)

from ._sql import schema
from ._sql.compiled import Hot, Row
from ._sql.schema import UtcTime, metadata

GENESIS = "0" * 64
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('edoc evidence ' || :agency, 0))"
_BATCH = 500

evidence = Table(
    "evidence",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("agency", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("kind", String(16), nullable=False),
    # What it is about; both empty where it is about the agency's chain as a whole.
    Column("subject", String(16)),
    Column("subject_id", Integer),
    Column("entry", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("agency", "sequence"),
    Index(None, "subject", "subject_id"),
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

E = evidence
P = pruned

# Made once: every transaction that changes something needs them.
_LAST = select(E.c.sequence, E.c.hash).where(E.c.agency == bindparam("whose")).order_by(E.c.sequence.desc()).limit(1)
_HEAD = Hot(_LAST)
_INSERT = Hot(insert(E))

# What identifies a row in an entry, as it stands when the transaction ends.
_IDENTITY: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "delivery": (schema.deliveries, ("document_id", "hub_doc_id", "sha256")),
    "receipt": (schema.receipts, ("document_id", "sender", "hub_doc_id", "message_type", "sha256", "verification")),
    "outgoing": (
        schema.outgoing,
        ("kind", "code", "recipient", "receipt_id", "delivery_id", "hub_doc_id", "sha256"),
    ),
}


@dataclass(frozen=True, slots=True)
class Note:
    """Something to write to the evidence when the transaction ends.

    Args:
        kind: ``change`` (a state or status), ``offer`` (what the hub announced), ``answer`` (what the hub said) or
            ``packet`` (bytes kept, found altered or removed).
        subject: ``delivery``, ``receipt`` or ``outgoing``; empty for the agency as a whole.
        key: the row it is about.
        actor: who did it.
        said: further values, JSON.
        agency: whose chain; looked up where there is a row.
    """

    kind: str
    subject: str
    key: int
    actor: str
    said: Mapping[str, Any] = field(default_factory=dict)
    agency: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Something noted, and what identified the row when its transaction ended.

    Args:
        agency: whose chain.
        note: what was noted.
        identity: the row's values.
        at: the transaction's time, UTC.
    """

    agency: str
    note: Note
    identity: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One link of a chain.

    Args:
        sequence: its number, from 1.
        kind: as `Note`.
        entry: the entry's canonical JSON.
        digest: SHA-256 of it, hex.
        hash: hash of the chain up to here, hex.
    """

    sequence: int
    kind: str
    entry: str
    digest: str
    hash: str


def canonical(entry: Mapping[str, Any]) -> str:
    """JSON with sorted keys, no spaces, and letters as they are: one text for one value."""
    return json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest_of(entry: str) -> str:
    """SHA-256 of an entry's text, hex."""
    return hashlib.sha256(entry.encode()).hexdigest()


def chained(previous: str, digest: str) -> str:
    """The hash of a chain after an entry.

    Args:
        previous: the hash before it; `GENESIS` for the first.
        digest: the entry's digest.
    """
    return hashlib.sha256(f"{previous}\n{digest}".encode()).hexdigest()


def identity_of(subject: str) -> tuple[str, ...]:
    """The columns that identify a subject's rows in an entry; moves return them, so that nobody need look again."""
    return ("id", "agency", *_IDENTITY[subject][1])


def gathered(
    connection: Connection, notes: Sequence[Note], known: Mapping[tuple[str, int], Row], *, at: datetime
) -> list[Entry]:
    """What a transaction noted, ready to be appended; to be called when it has done everything else.

    Args:
        connection: the transaction's.
        notes: in the order they were made.
        known: the rows that it changed, by subject and key, with the columns `identity_of` at least, as they are now.
        at: the transaction's time, UTC.
    """
    missing = {(note.subject, note.key) for note in notes if note.subject} - known.keys()
    rows = {**known, **_looked_up(connection, missing)} if missing else known
    entries = []
    for note in notes:
        row = rows.get((note.subject, note.key))
        if row is None:
            entries.append(Entry(note.agency or "", note, {}, at))
            continue
        names = _IDENTITY[note.subject][1]
        values = {("what" if name == "kind" else name): row[name] for name in names if row[name] is not None}
        entries.append(Entry(str(row["agency"]), note, values, at))
    return entries


def append(connection: Connection, entries: Sequence[Entry]) -> None:
    """Append what was gathered, as the last act before the commit.

    Args:
        connection: the transaction's.
        entries: in order.
    """
    by_agency: dict[str, list[Entry]] = {}
    for entry in entries:
        by_agency.setdefault(entry.agency, []).append(entry)
    for agency in sorted(by_agency):  # one order for everybody, so that two transactions never wait for each other
        _append(connection, agency, by_agency[agency])


def head(connection: Connection, agency: str) -> tuple[int, str]:
    """The last sequence number and hash of a chain; 0 and `GENESIS` where it is empty."""
    found = _HEAD.first(connection, {"whose": agency})
    return (int(found["sequence"]), str(found["hash"])) if found is not None else (0, GENESIS)


def about(connection: Connection, agency: str, subjects: Mapping[str, Collection[int]]) -> list[Link]:
    """The entries about some rows, in order.

    Args:
        connection: the database.
        agency: whose chain.
        subjects: keys by subject.
    """
    wanted = [and_(E.c.subject == subject, E.c.subject_id.in_(sorted(keys))) for subject, keys in subjects.items()]
    query = select(E).where(E.c.agency == agency, or_(*wanted)).order_by(E.c.sequence)
    return [_link(row) for row in connection.execute(query).mappings()]


def links(connection: Connection, agency: str, *, first: int = 1) -> Iterator[Link]:
    """A chain from some number on, in order, read in batches."""
    while True:
        query = select(E).where(E.c.agency == agency, E.c.sequence >= first).order_by(E.c.sequence).limit(_BATCH)
        rows = connection.execute(query).mappings().all()
        yield from (_link(row) for row in rows)
        if len(rows) < _BATCH:
            return
        first = int(rows[-1]["sequence"]) + 1


def broken(connection: Connection, agency: str) -> str | None:
    """Check a whole chain; what is wrong with it, or None.

    Returns:
        The first thing found, naming the sequence number.
    """
    expected, previous = 1, GENESIS
    for link in links(connection, agency):
        if link.sequence != expected:
            return f"entry {expected} is missing; {link.sequence} follows"
        if digest_of(link.entry) != link.digest:
            return f"entry {link.sequence} was changed"
        if chained(previous, link.digest) != link.hash:
            return f"entry {link.sequence} does not follow from the one before it"
        expected, previous = expected + 1, link.hash
    return None


def mark_pruned(connection: Connection, *, agency: str, spool_file: str, sha256: str, at: datetime) -> None:
    """Note that a packet's bytes are removed on purpose."""
    connection.execute(insert(P).values(agency=agency, spool_file=spool_file, sha256=sha256, at=at))


def pruned_at(connection: Connection, spool_file: str) -> datetime | None:
    """When a packet's bytes were removed on purpose; None where they were not."""
    return connection.execute(select(P.c.at).where(P.c.spool_file == spool_file)).scalar()


def pruned_files(connection: Connection) -> set[str]:
    """The spool names of all packets that were removed on purpose, of every agency."""
    return set(connection.execute(select(P.c.spool_file)).scalars())


def _link(row: RowMapping) -> Link:
    return Link(**{name: row[name] for name in ("sequence", "kind", "entry", "digest", "hash")})


def _append(connection: Connection, agency: str, entries: Sequence[Entry]) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(_LOCK), {"agency": agency})
    sequence, previous = head(connection, agency)
    rows = []
    for one in entries:
        note = one.note
        sequence += 1
        entry = canonical(_entry(note, one.identity, agency=agency, sequence=sequence, at=one.at))
        digest = digest_of(entry)
        previous = chained(previous, digest)
        rows.append(
            {
                "agency": agency, "sequence": sequence, "at": one.at, "kind": note.kind,
                "subject": note.subject or None, "subject_id": note.key if note.subject else None,
                "entry": entry, "digest": digest, "hash": previous,
            }
        )  # fmt: skip
    _INSERT.many(connection, rows)


def _entry(note: Note, identity: Mapping[str, Any], *, agency: str, sequence: int, at: datetime) -> dict[str, Any]:
    entry = {
        **identity,
        **note.said,
        "agency": agency,
        "sequence": sequence,
        "at": at.isoformat(timespec="microseconds"),
        "kind": note.kind,
        "actor": note.actor,
    }
    return entry | ({"subject": note.subject, "subject_id": note.key} if note.subject else {})


@cache
def _identity_query(table: Table, names: tuple[str, ...]) -> Select[Any]:
    columns = [table.c.id, table.c.agency, *(table.c[name] for name in names)]
    return select(*columns).where(table.c.id.in_(bindparam("keys", expanding=True)))


def _looked_up(connection: Connection, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], Row]:
    found: dict[tuple[str, int], Row] = {}
    for subject in {subject for subject, _ in wanted}:
        keys = sorted(key for other, key in wanted if other == subject)
        for row in connection.execute(_identity_query(*_IDENTITY[subject]), {"keys": keys}).mappings():
            found[subject, int(row["id"])] = row
    return found
