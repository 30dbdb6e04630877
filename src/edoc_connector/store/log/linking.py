"""Writing of the evidence: entries are inserted with what they tell, and get their places in the log's tree.

On SQLite, where there is one writer at a time, both happen in one transaction. On a server a transaction inserts its
entries and nothing else; it is linked behind the commit, many at a time, in a transaction of its own. That one holds
the log's lock, and is not waited for until it is on the disk: links that a crash takes back are made again, since no
head is shown to anybody before what it is over is on the disk (`EvidenceLog.save_checkpoint`).

A log that cannot be linked stops nobody: its entries wait, and the log is told about it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    text,
)

from ..._core import ForkAware, get_logger, make_lock, watch_forks
from ...errors import EvidenceError, StoreError
from ...evidence import (
    HASH_SIZE,
    TILE_WIDTH,
    CompactRange,
    LogEntry,
    TileNode,
    TreeReader,
    build_origin,
    format_entry,
    hash_leaf,
    make_log_id,
    open_log,
    pack_entry,
    unpack_entry,
)
from .._sql import TABLES, CompiledStatement, ConnectionSource, Row, split_keys, translate_driver_errors

log = get_logger("edoc_connector.store.evidence")

LINK_SECONDS = 1.0
"""A process that writes links what it wrote so long ago, with the next transaction that it ends."""
LINK_TRANSACTIONS = 64
"""A process links at the latest when it ended so many transactions."""
LINK_BATCH = 1024
"""Entries that are linked in one transaction."""
SYSTEM_ACTOR = "edoc"
_KEPT_HASH_BYTES = 4
"""Of a leaf's hash on a server: enough to notice that an entry is damaged. Whoever changes one can change both."""

LOGS, ENTRIES, RUNS = TABLES["evidence_logs"], TABLES["evidence_entries"], TABLES["evidence_runs"]
UNLINKED, TILES = TABLES["evidence_unlinked"], TABLES["evidence_tiles"]
LEAF = RUNS.c.first_leaf + ENTRIES.c.id - RUNS.c.first_entry
"""The leaf of an entry, where it is joined with its run."""

_EARLIER_RUNS = RUNS.alias("earlier")
# No two runs have an entry in common, so the last one that begins at or before an entry is its own or none.
HAS_RUN = and_(
    RUNS.c.first_entry
    == select(func.max(_EARLIER_RUNS.c.first_entry))
    .where(_EARLIER_RUNS.c.first_entry <= ENTRIES.c.id)
    .correlate(ENTRIES)
    .scalar_subquery(),
    ENTRIES.c.id < RUNS.c.first_entry + RUNS.c.entries,
)
"""The condition that a run is an entry's."""
IN_RUN = ENTRIES.c.id.between(RUNS.c.first_entry, RUNS.c.first_entry + RUNS.c.entries - 1)
"""The condition that an entry is of a run, for a join that begins with runs."""

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('edoc evidence ' || :agency, 0))"
_UNFLUSHED = "SET LOCAL synchronous_commit = off"


def build_leaves_query(*columns: ColumnElement[Any] | Table) -> Select[Any]:
    """Build the query for entries by their leaves, with the values ``agency``, ``first`` and ``last``, in order."""
    begins = (
        select(func.max(_EARLIER_RUNS.c.first_leaf))
        .where(_EARLIER_RUNS.c.agency == bindparam("agency"), _EARLIER_RUNS.c.first_leaf <= bindparam("first"))
        .scalar_subquery()
    )
    return (
        select(*columns)
        .join_from(RUNS, ENTRIES, IN_RUN)
        .where(
            RUNS.c.agency == bindparam("agency"),
            RUNS.c.first_leaf >= func.coalesce(begins, 0),
            RUNS.c.first_leaf <= bindparam("last"),
            LEAF.between(bindparam("first"), bindparam("last")),
        )
        .order_by(RUNS.c.first_leaf, ENTRIES.c.id)
    )


_INSERT_ENTRIES = CompiledStatement(insert(ENTRIES))
_INSERT_ENTRY = CompiledStatement(insert(ENTRIES).returning(ENTRIES.c.id))
_INSERT_RUNS = CompiledStatement(insert(RUNS))
_INSERT_TILES = CompiledStatement(insert(TILES))
_SELECT_LAST_RUN = CompiledStatement(
    select(RUNS.c.first_leaf, RUNS.c.first_entry, RUNS.c.entries)
    .where(RUNS.c.agency == bindparam("agency"))
    .order_by(RUNS.c.first_leaf.desc())
    .limit(1)
)
_SELECT_LAST_ENTRY = CompiledStatement(select(func.max(ENTRIES.c.id).label("id")))
_SELECT_LOG = CompiledStatement(select(LOGS.c.origin).where(LOGS.c.agency == bindparam("agency")))
_SELECT_TILE = CompiledStatement(
    select(TILES.c.hash)
    .where(
        TILES.c.agency == bindparam("agency"),
        TILES.c.level == bindparam("level"),
        TILES.c.number.between(bindparam("first"), bindparam("last")),
    )
    .order_by(TILES.c.number)
)
_SELECT_LEAVES = CompiledStatement(build_leaves_query(ENTRIES.c.id, ENTRIES.c.leaf_hash, ENTRIES.c.stored))
# On SQLite entries are committed in the order of their numbers; on a server a queue knows those without a place.
_BEHIND_LAST = CompiledStatement(
    select(ENTRIES.c.id, ENTRIES.c.leaf_hash, ENTRIES.c.stored)
    .where(ENTRIES.c.id > bindparam("floor"), ENTRIES.c.agency == bindparam("agency"))
    .order_by(ENTRIES.c.id)
    .limit(LINK_BATCH)
)
_IN_QUEUE = CompiledStatement(
    select(ENTRIES.c.id, ENTRIES.c.leaf_hash, ENTRIES.c.stored)
    .join_from(UNLINKED, ENTRIES, ENTRIES.c.id == UNLINKED.c.entry_id)
    .where(UNLINKED.c.agency == bindparam("agency"))
    .order_by(ENTRIES.c.id)
    .limit(LINK_BATCH)
)


@dataclass(frozen=True, slots=True)
class StoredTiles:
    """The hashes of a log's tree in the database.

    Args:
        connection: the database.
        agency: whose log it is.
    """

    connection: Connection
    agency: str

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """Read a tile; see `evidence.TileSource`."""
        first = index * TILE_WIDTH
        if level == 0:
            return b"".join(self.read_leaf_hashes(first, first + width))
        values = {"agency": self.agency, "level": level, "first": first, "last": first + width - 1}
        return b"".join(bytes(row["hash"]) for row in _SELECT_TILE.fetch_all(self.connection, values))

    def read_leaf_hashes(self, first: int, end: int) -> list[bytes]:
        """Read the hashes of leaves; see the function of that name."""
        return read_leaf_hashes(self.connection, self.agency, first, end)


def read_leaf_hashes(connection: Connection, agency: str, first: int, end: int) -> list[bytes]:
    """Read the hashes of leaves; fewer where some are missing.

    Args:
        connection: the database.
        agency: whose log it is.
        first: number of the first leaf.
        end: number behind the last.

    Raises:
        EvidenceError: an entry was changed.
    """
    values = {"agency": agency, "first": first, "last": end - 1}
    return list(map(get_leaf_hash, _SELECT_LEAVES.fetch_all(connection, values)))


def get_leaf_hash(row: Row) -> bytes:
    """Get the hash of an entry's leaf: as it is stored, or computed where only its first bytes are.

    Args:
        row: the entry's, with ``id``, ``leaf_hash`` and ``stored``.

    Raises:
        EvidenceError: the entry was changed.
    """
    kept = bytes(row["leaf_hash"])
    if len(kept) == HASH_SIZE:
        return kept
    computed = hash_leaf(unpack_entry(bytes(row["stored"])))
    if not computed.startswith(kept):
        raise EvidenceError(
            f"the entry of row {row['id']} of the evidence was changed; run edoc fsck.",
            vi=f"mục bằng chứng ở dòng {row['id']} đã bị sửa đổi; hãy chạy edoc fsck.",
        )
    return computed


def read_size(connection: Connection, agency: str) -> int:
    """Read how many entries of a log have a place."""
    return _read_end(connection, agency)[0]


def open_tree(connection: Connection, agency: str, size: int | None = None) -> TreeReader:
    """Open the tree of a log."""
    return TreeReader(StoredTiles(connection, agency), read_size(connection, agency) if size is None else size)


def read_origin(connection: Connection, agency: str) -> str | None:
    """Read the name of a log; None before its first entry."""
    found = _SELECT_LOG.fetch_first(connection, {"agency": agency})
    return None if found is None else str(found["origin"])


def add_log(connection: Connection, agency: str, *, at: datetime) -> str:
    """Add an agency's log, without entries, and return its name."""
    origin = build_origin(agency, make_log_id())
    connection.execute(insert(LOGS).values(agency=agency, origin=origin, opened_at=at))
    return origin


def build_row(entry: LogEntry) -> dict[str, Any]:
    """Build the row of an entry.

    Raises:
        EvidenceError: it is too large.
    """
    return build_stored_row(format_entry(entry), entry.agency, entry.subject, entry.subject_id)


def build_stored_row(canonical: bytes, agency: str, subject: str, subject_id: int) -> dict[str, Any]:
    """Build the row of an entry from its canonical bytes."""
    return {
        "agency": agency,
        "subject": subject or None,
        "subject_id": subject_id if subject else None,
        "leaf_hash": hash_leaf(canonical),
        "stored": pack_entry(canonical),
    }


def insert_links(
    connection: Connection, agency: str, first: int, entry_ids: Sequence[int], nodes: Sequence[TileNode]
) -> None:
    """Insert the places of entries, and the hashes that became whole by them.

    Args:
        connection: the database.
        agency: whose log it is.
        first: number of the first one's leaf.
        entry_ids: the entries, in order.
        nodes: as of `CompactRange.extend`.
    """
    if entry_ids:
        rows = [
            {"agency": agency, "first_leaf": first + place, "first_entry": key, "entries": count}
            for place, key, count in _split_runs(entry_ids)
        ]
        _INSERT_RUNS.execute_many(connection, rows)
    insert_nodes(connection, agency, nodes)


def insert_nodes(connection: Connection, agency: str, nodes: Sequence[TileNode]) -> None:
    """Insert the hashes that became whole."""
    if nodes:
        rows = [{"agency": agency, "level": one.level, "number": one.index, "hash": one.hash} for one in nodes]
        _INSERT_TILES.execute_many(connection, rows)


class EvidenceWriter(ForkAware):
    """Writes the entries of transactions, and links them.

    Args:
        connections: the database, for links behind the commit.
        clock: gives the time that a log is opened at, aware UTC.
        in_commit: whether entries are linked in the transaction that wrote them.
    """

    def __init__(self, connections: ConnectionSource, *, clock: Callable[[], datetime], in_commit: bool) -> None:
        self._connections = connections
        self._clock = clock
        self.in_commit = in_commit
        self._state_lock, self._link_lock = make_lock(), make_lock()
        self._reset()
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Forget what the parent has to link, and how far its trees were."""
        self._reset()

    def _reset(self) -> None:
        self._ranges: dict[str, CompactRange] = {}
        self._waiting: dict[str, int] = {}  # transactions since the last link, by agency
        self._linked_at = 0.0

    # -- in the transaction

    def append(self, connection: Connection, entries: Sequence[LogEntry]) -> Mapping[str, CompactRange]:
        """Append entries, as the last act before the commit.

        Args:
            connection: the transaction's.
            entries: in order.

        Returns:
            What `note_commit` takes when they are on the disk.
        """
        if not entries:
            return {}
        agencies = dict.fromkeys(entry.agency for entry in entries)
        insert_entries(connection, entries, at=self._clock())
        if not self.in_commit:
            return dict.fromkeys(agencies, CompactRange.start())
        return {agency: grown for agency in agencies if (grown := self._try_link(connection, agency)) is not None}

    def note_commit(self, appended: Mapping[str, CompactRange]) -> None:
        """Note that entries are on the disk, and link what has waited long enough; fails for nothing."""
        if not appended:
            return
        if self.in_commit:
            self._ranges.update(appended)
            return
        with self._state_lock:
            for agency in appended:
                self._waiting[agency] = self._waiting.get(agency, 0) + 1
            is_due = (
                sum(self._waiting.values()) >= LINK_TRANSACTIONS or time.monotonic() - self._linked_at >= LINK_SECONDS
            )
        if is_due and self._link_lock.acquire(blocking=False):
            try:
                self._link_waiting()
            finally:
                self._link_lock.release()

    def finish(self) -> None:
        """Link what this process wrote and did not link yet; fails for nothing."""
        if self._waiting:
            with self._link_lock:
                self._link_waiting()

    # -- behind the commit

    def link(self, agency: str) -> int:
        """Link every entry of a log that has no place yet, whoever wrote it, and return how many there were.

        Raises:
            StoreError: the database cannot be written.
            EvidenceError: hashes of the tree are missing.
        """
        linked = 0
        with self._link_lock:
            while count := self._link_batch(agency):
                linked += count
        return linked

    def _link_waiting(self) -> None:
        with self._state_lock:
            agencies, self._waiting, self._linked_at = list(self._waiting), {}, time.monotonic()
        for agency in agencies:
            try:
                while self._link_batch(agency) >= LINK_BATCH:
                    pass
            except (StoreError, EvidenceError) as error:
                _warn_unlinked(agency, error)

    def _link_batch(self, agency: str) -> int:
        with translate_driver_errors():
            connection = self._connections.begin(write=True)
            try:
                if connection.dialect.name == "postgresql":
                    connection.execute(text(_UNFLUSHED))
                    connection.execute(text(_LOCK), {"agency": agency})
                grown, count = self._link_in(connection, agency)
            except BaseException:
                self._connections.rollback(connection)
                raise
            self._connections.commit(connection)
        if grown is not None and self.in_commit:
            self._ranges[agency] = grown
        return count

    def _try_link(self, connection: Connection, agency: str) -> CompactRange | None:
        try:
            return self._link_in(connection, agency)[0]
        except EvidenceError as error:  # nothing was written yet
            _warn_unlinked(agency, error)
            return None

    def _link_in(self, connection: Connection, agency: str) -> tuple[CompactRange | None, int]:
        size, floor = _read_end(connection, agency)
        query, values = (_IN_QUEUE, {}) if connection.dialect.name == "postgresql" else (_BEHIND_LAST, {"floor": floor})
        found = query.fetch_all(connection, {"agency": agency, **values})
        if not found:
            return None, 0
        rows = [(int(row["id"]), get_leaf_hash(row)) for row in found]
        grown = self._load_range(connection, agency, size)
        if size == 0 and (opening := _ensure_open(connection, agency, at=self._clock())) is not None:
            rows.insert(0, opening)
        nodes = grown.extend(leaf_hash for _, leaf_hash in rows)
        keys = [key for key, _ in rows]
        insert_links(connection, agency, size, keys, nodes)
        if connection.dialect.name == "postgresql":
            for chunk in split_keys(keys):
                connection.execute(delete(UNLINKED).where(UNLINKED.c.entry_id.in_(chunk)))
        return grown, len(rows)

    def _load_range(self, connection: Connection, agency: str, size: int) -> CompactRange:
        """Load what the tree grows by; on SQLite that is at hand, unless another process linked since.

        Not so on a server: one that crashes may lose links, and those made anew may have another order.
        """
        known = self._ranges.get(agency)
        if known is not None and known.size == size:
            return known.copy()
        return open_tree(connection, agency, size).load_range() if size else CompactRange.start()


def insert_entries(connection: Connection, entries: Sequence[LogEntry], *, at: datetime) -> None:
    """Insert entries, without places; on SQLite, where they are committed in order, a new log's first one before them.

    Args:
        connection: a transaction.
        entries: in order; there may be none, as of a restore that moved nothing.
        at: the time, if a log is opened.
    """
    if connection.dialect.name == "sqlite":
        for agency in dict.fromkeys(entry.agency for entry in entries):
            _ensure_open(connection, agency, at=at)
    if entries:
        rows = list(map(build_row, entries))
        if connection.dialect.name == "postgresql":
            rows = [{**row, "leaf_hash": row["leaf_hash"][:_KEPT_HASH_BYTES]} for row in rows]
        _INSERT_ENTRIES.execute_many(connection, rows)


def read_last_entry(connection: Connection) -> int:
    """Read the number of the newest entry, of whichever agency, which only grows; 0 without any."""
    (found,) = _SELECT_LAST_ENTRY.fetch_all(connection, {})
    return int(found["id"] or 0)


def _ensure_open(connection: Connection, agency: str, *, at: datetime) -> tuple[int, bytes] | None:
    """Open a log that is not there yet by its first entry; returns that one's number and hash."""
    if read_origin(connection, agency) is not None:
        return None
    origin = add_log(connection, agency, at=at)
    row = build_row(open_log(agency=agency, at=at, actor=SYSTEM_ACTOR, origin=origin))
    (found,) = _INSERT_ENTRY.fetch_all(connection, row)
    return int(found["id"]), bytes(row["leaf_hash"])


def list_unlinked(connection: Connection, agency: str) -> set[int]:
    """List the entries of an agency that have no place in its log, by the numbers of their rows."""
    has_place = exists().where(HAS_RUN)
    query = select(ENTRIES.c.id).where(ENTRIES.c.agency == agency, ~has_place)
    return set(connection.execute(query).scalars())


def find_shared_run(connection: Connection) -> int | None:
    """Find a run that begins with an entry of another one, and return that entry's number; None where there is none."""
    behind = func.lag(RUNS.c.first_entry + RUNS.c.entries).over(order_by=RUNS.c.first_entry)
    ends = select(RUNS.c.first_entry, behind.label("behind")).subquery()
    found = connection.scalar(select(func.min(ends.c.first_entry)).where(ends.c.first_entry < ends.c.behind))
    return None if found is None else int(found)


def _read_end(connection: Connection, agency: str) -> tuple[int, int]:
    """Read the size of a log, and the number of its last entry."""
    found = _SELECT_LAST_RUN.fetch_first(connection, {"agency": agency})
    if found is None:
        return 0, 0
    return int(found["first_leaf"]) + int(found["entries"]), int(found["first_entry"]) + int(found["entries"]) - 1


def _split_runs(entry_ids: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Split entries into runs without a gap: the place of each run's first, its number, and how many there are."""
    begin = 0
    for place in range(1, len(entry_ids) + 1):
        if place == len(entry_ids) or entry_ids[place] != entry_ids[place - 1] + 1:
            yield begin, entry_ids[begin], place - begin
            begin = place


def _warn_unlinked(agency: str, error: Exception) -> None:
    log.warning("entries of the evidence of %s wait for their place in the log: %s", agency, error)
