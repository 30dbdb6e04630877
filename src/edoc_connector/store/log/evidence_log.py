"""Reading of the evidence: entries about a row, the log's tree, its checkpoints, and a walk over all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, bindparam, func, insert, or_, select

from ..._core import Text
from ...errors import ArchiveMissing, ArchiveRefused, EvidenceError
from ...evidence import (
    GENESIS,
    HASH_SIZE,
    CompactRange,
    KeptCheckpoint,
    LogEntry,
    SignedCheckpoint,
    TileNode,
    TreeReader,
    compute_chain_hash,
    compute_digest,
    hash_leaf,
    parse_entry,
    read_checkpoint,
    unpack_entry,
)
from ...signing import read_certificates
from .._sql import TABLES, CompiledStatement
from .archives import ArchivedEntries, ArchiveRecord, missing_archive_error
from .linking import (
    ENTRIES,
    HAS_RUN,
    LEAF,
    LOGS,
    RUNS,
    StoredTiles,
    build_leaves_query,
    find_shared_run,
    list_unlinked,
    open_tree,
    read_leaf_hashes,
    read_origin,
    read_size,
)

if TYPE_CHECKING:
    from ..transaction import Tx

CHECKPOINTS = TABLES["evidence_checkpoints"]
_SELECT_OPENED_AT = CompiledStatement(select(LOGS.c.opened_at).where(LOGS.c.agency == bindparam("agency")))
_SELECT_LAST_CHECKPOINT = CompiledStatement(
    select(*[CHECKPOINTS.c.size, CHECKPOINTS.c.at])
    .where(CHECKPOINTS.c.agency == bindparam("agency"))
    .order_by(CHECKPOINTS.c.size.desc())
    .limit(1)
)
_BATCH_ROWS = 512
_COLUMNS = (ENTRIES, LEAF.label("leaf"))
_ROWS = build_leaves_query(*_COLUMNS)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it is in the database.

    Args:
        leaf: its place in the log, from 0; None until it is linked.
        canonical: its canonical bytes; none where they are in the file of an archive that is not there.
        missing: that archive.
    """

    leaf: int | None
    canonical: bytes
    missing: ArchiveRecord | None = None

    def parse(self) -> LogEntry:
        """Parse what it says.

        Raises:
            EvidenceError: it was changed to no entry, or is not there.
        """
        return parse_entry(self.canonical)


@dataclass(frozen=True, slots=True)
class LogFault:
    """Something in the database that no log has.

    Args:
        number: the entry's number, from 1; 0 for the log as a whole.
        words: what is wrong.
    """

    number: int
    words: Text


@dataclass(slots=True, eq=False)
class EvidenceLog:
    """Reads the logs of the evidence, and keeps their checkpoints.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def read_origin(self, agency: str) -> str | None:
        """Read the name of an agency's log; None before its first entry."""
        return read_origin(self._tx.connection, agency)

    def read_opened_at(self, agency: str) -> datetime | None:
        """Read when a log was opened; None before its first entry."""
        row = _SELECT_OPENED_AT.fetch_first(self._tx.connection, {"agency": agency})
        return None if row is None else row["opened_at"]

    def read_size(self, agency: str) -> int:
        """Read how many entries of a log have a place."""
        return read_size(self._tx.connection, agency)

    def list_unlinked(self, agency: str) -> set[int]:
        """List the numbers of the rows of entries that have no place; looks at every entry."""
        return list_unlinked(self._tx.connection, agency)

    def open_tree(self, agency: str, size: int | None = None) -> TreeReader:
        """Open the tree of a log.

        Args:
            agency: whose log it is.
            size: leaves of the tree; all where left out.
        """
        return open_tree(self._tx.connection, agency, size)

    def list_entries_about(self, agency: str, subjects: Mapping[str, Collection[int]]) -> list[StoredEntry]:
        """List the entries about some rows, in order; also those that are not linked yet.

        Args:
            agency: whose log it is.
            subjects: keys by subject.
        """
        conditions = [
            and_(ENTRIES.c.subject == subject, ENTRIES.c.subject_id.in_(sorted(keys)))
            for subject, keys in subjects.items()
        ]
        query = _select_entries().where(ENTRIES.c.agency == agency, or_(*conditions)).order_by(ENTRIES.c.id)
        return self._read_all(agency, self._tx.connection.execute(query).mappings())

    def list_required_about(self, agency: str, subjects: Mapping[str, Collection[int]]) -> list[StoredEntry]:
        """List the entries about some rows as `list_entries_about` does, and require each to be there.

        Raises:
            ArchiveMissing: some are in the file of an archive that is not there.
        """
        entries = self.list_entries_about(agency, subjects)
        missing = next((one.missing for one in entries if one.missing is not None), None)
        if missing is not None:
            raise missing_archive_error(missing, self._tx.archives)
        return entries

    def _read_all(self, agency: str, rows: Iterable[RowMapping]) -> list[StoredEntry]:
        with self._open_archives(agency) as archives:
            return [_as_entry(row, archives) for row in rows]

    def _open_archives(self, agency: str) -> ArchivedEntries:
        return ArchivedEntries(self._tx.connection, agency, self._tx.archives)

    def require_packed(self, agency: str, manifest: str) -> tuple[int, bytes]:
        """Find the entry about a pack by its manifest's hash; its place in the log, and its canonical bytes.

        Raises:
            EvidenceError: there is none, or it has no place.
        """
        where = ENTRIES.c.agency == agency, func.length(ENTRIES.c.stored) > 0
        query = _select_entries().where(*where).order_by(ENTRIES.c.id.desc())
        for row in self._tx.connection.execute(query.limit(_BATCH_ROWS)).mappings():
            canonical = unpack_entry(bytes(row["stored"]))
            if row["subject_id"] is None and row["leaf"] is not None and manifest in canonical.decode():
                return int(row["leaf"]), canonical
        raise EvidenceError(
            "the entry about the pack has no place in the log; run edoc fsck.",
            vi="mục về gói bằng chứng chưa có trong nhật ký; hãy chạy edoc fsck.",
        )

    def list_facts_about(self, agency: str, subjects: Mapping[str, Collection[int]]) -> list[dict[str, Any]]:
        """List what was noted about some rows, in order, as `LogEntry.list_facts` tells it."""
        return [facts for one in self.list_required_about(agency, subjects) for facts in one.parse().list_facts()]

    def read_entries(self, agency: str) -> Iterator[StoredEntry]:
        """Read every entry that has a place, in order and in batches."""
        with self._open_archives(agency) as archives:
            for row in _read_rows(self._tx.connection, agency):
                yield _as_entry(row, archives)

    def list_facts(self, agency: str) -> list[dict[str, Any]]:
        """List everything that was noted, in order; for tests and small logs."""
        order = LEAF.is_(None), LEAF, ENTRIES.c.id
        query = _select_entries().where(ENTRIES.c.agency == agency).order_by(*order)
        rows = self._tx.connection.execute(query).mappings()
        return [facts for one in self._read_all(agency, rows) for facts in one.parse().list_facts()]

    def read_leaf_hashes(self, agency: str, first: int, end: int) -> Iterator[bytes]:
        """Read the hashes of leaves.

        Args:
            agency: whose log it is.
            first: number of the first leaf.
            end: number behind the last.
        """
        for begin in range(first, end, _BATCH_ROWS):
            yield from read_leaf_hashes(self._tx.connection, agency, begin, min(begin + _BATCH_ROWS, end))

    def walk(self, agency: str) -> LogWalk:
        """Walk over a log and judge each entry; iterate over the result for the hashes of the leaves."""
        return LogWalk(self._tx, agency)

    def find_fault(self, agency: str) -> LogFault | None:
        """Find the first entry that is not as it was written, as far as the database itself shows it."""
        walk = self.walk(agency)
        for _ in walk:
            pass
        return walk.fault

    # -- checkpoints

    def save_checkpoint(
        self, agency: str, signed: SignedCheckpoint, *, certificates: Sequence[x509.Certificate] = ()
    ) -> None:
        """Save a checkpoint; when the transaction is over, all that it is over is on the disk too.

        Args:
            agency: whose log it is.
            signed: the checkpoint.
            certificates: of who signed it, then those that lead towards a root.
        """
        pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
        self._tx.connection.execute(
            insert(CHECKPOINTS).values(
                agency=agency,
                size=read_checkpoint(signed).size,
                at=self._tx.now,
                note=signed.note,
                stamp=signed.timestamp,
                certificates=pem or None,
            )
        )

    def find_checkpoint(self, agency: str, size: int) -> SignedCheckpoint | None:
        """Find the checkpoint of a size; None where there is none."""
        query = select(CHECKPOINTS).where(CHECKPOINTS.c.agency == agency, CHECKPOINTS.c.size == size)
        row = self._tx.connection.execute(query).mappings().first()
        return None if row is None else _as_signed(row)

    def read_last_checkpoint(self, agency: str) -> tuple[int, datetime] | None:
        """Read the size and time of the newest checkpoint; None where there is none."""
        row = _SELECT_LAST_CHECKPOINT.fetch_first(self._tx.connection, {"agency": agency})
        return None if row is None else (int(row["size"]), row["at"])

    def list_newest_checkpoints(self, agency: str, limit: int) -> list[StoredCheckpoint]:
        """List the newest checkpoints of an agency."""
        return self._list_checkpoints(agency, CHECKPOINTS.c.size.desc(), limit=limit)

    def find_checkpoint_over(self, agency: str, leaf: int) -> StoredCheckpoint | None:
        """Find the first checkpoint that is over a leaf; None without one."""
        return next(iter(self._list_checkpoints(agency, CHECKPOINTS.c.size, above=leaf, limit=1)), None)

    def list_checkpoints(self, agency: str, *, above: int = -1) -> list[StoredCheckpoint]:
        """List the checkpoints of an agency, the smallest first.

        Args:
            agency: whose log it is.
            above: only those of a larger size.
        """
        return self._list_checkpoints(agency, CHECKPOINTS.c.size, above=above)

    def _list_checkpoints(
        self, agency: str, order: ColumnElement[Any], *, above: int = -1, limit: int | None = None
    ) -> list[StoredCheckpoint]:
        where = CHECKPOINTS.c.agency == agency, CHECKPOINTS.c.size > above
        query = select(CHECKPOINTS).where(*where).order_by(order).limit(limit)
        return [
            StoredCheckpoint(int(row["size"]), _as_signed(row), bytes(row["certificates"] or b""))
            for row in self._tx.connection.execute(query).mappings()
        ]


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint in the database.

    Args:
        size: its size, as the row says.
        signed: the note and its time-stamp.
        pem: certificates of who signed it.
    """

    size: int
    signed: SignedCheckpoint
    pem: bytes

    @property
    def certificates(self) -> list[x509.Certificate]:
        """The certificates of who signed it, as the database has them."""
        return _parse_certificates(self.pem)

    def read(self) -> KeptCheckpoint:
        """Read it.

        Raises:
            EvidenceError: it is none.
        """
        return KeptCheckpoint(read_checkpoint(self.signed), self.signed, f"evidence_checkpoints {self.size}")


class LogWalk:
    """A walk over every entry of a log, which hashes each anew.

    Iterating gives the hashes of the leaves as they are computed from the entries themselves. Afterwards `fault` has
    the first entry that is not as the database itself says, and `missing` how many are in archives that are not there.

    Args:
        tx: the transaction.
        agency: whose log it is.
    """

    def __init__(self, tx: Tx, agency: str) -> None:
        self._connection = tx.connection
        self._agency = agency
        self._tiles = StoredTiles(tx.connection, agency)
        self._chain = _ChainCheck()
        self._archives = ArchivedEntries(tx.connection, agency, tx.archives)
        self._folder = tx.archives
        self.fault: LogFault | None = None
        self.missing = Counter[ArchiveRecord]()

    def __iter__(self) -> Iterator[bytes]:
        with self._archives:
            yield from self._walk()

    def describe_missing(self) -> Iterator[tuple[str, Text]]:
        """Describe each archive that is not there: its name, and how many entries cannot be read without it."""
        for record, count in self.missing.items():
            error = missing_archive_error(record, self._folder)
            yield (
                record.file,
                Text(
                    f"{count} entries could not be read, only their hashes were checked: {error.message}",
                    f"không đọc được {count} mục, chỉ kiểm tra được mã băm: {error.vi}",
                ),
            )

    def _walk(self) -> Iterator[bytes]:
        grown, expected = CompactRange.start(), 0
        for row in _read_rows(self._connection, self._agency):
            if row["leaf"] != expected:
                self._report(
                    expected + 1, f"is missing; {row['leaf'] + 1} follows", f"bị thiếu; tiếp theo là {row['leaf'] + 1}"
                )
                expected = int(row["leaf"])
            leaf_hash = self._check_row(row)
            for node in grown.extend((leaf_hash,)):
                self._check_node(node)
            expected += 1
            yield leaf_hash
        if self.fault is None and (words := self._chain.finish() or self._describe_shared()) is not None:
            self.fault = LogFault(0, words)

    def _describe_shared(self) -> Text | None:
        """Describe entries that have two places."""
        shared = find_shared_run(self._connection)
        if shared is None:
            return None
        return Text(f"the entry of row {shared} has two places", f"mục ở dòng {shared} có hai vị trí")

    def _check_row(self, row: RowMapping) -> bytes:
        number = int(row["leaf"]) + 1
        try:
            canonical = self._archives.read(row)
        except ArchiveMissing:
            record = self._archives.find_record(row)
            self.missing.update([record] if record is not None else [])
            self._chain.stop()
            return bytes(row["leaf_hash"])
        except ArchiveRefused as error:
            self._report(number, f"cannot be read: {error.message}", f"không đọc được: {error.vi}")
            self._chain.stop()
            return bytes(row["leaf_hash"])
        except EvidenceError:
            self._report(number, "was changed", "đã bị sửa đổi")
            return bytes(row["leaf_hash"]).ljust(HASH_SIZE, b"\0")
        leaf_hash = hash_leaf(canonical)
        if not leaf_hash.startswith(bytes(row["leaf_hash"])) or not self._is_filed(row, canonical):
            self._report(number, "was changed", "đã bị sửa đổi")
        return leaf_hash

    def _is_filed(self, row: RowMapping, canonical: bytes) -> bool:
        """Tell whether the columns that an entry is found by are those that it says; follow the chain on the way."""
        try:
            entry = parse_entry(canonical)
        except EvidenceError:
            return False
        if (words := self._chain.follow(entry, canonical)) is not None and self.fault is None:
            self.fault = LogFault(int(row["leaf"]) + 1, words)
        filed = (row["agency"], row["subject"] or "", row["subject_id"] or 0)
        return filed == (entry.agency, entry.subject, entry.subject_id)

    def _check_node(self, node: TileNode) -> None:
        stored = self._tiles.read_tile(node.level, node.index // 16, node.index % 16 + 1)[node.index % 16 * 32 :]
        if stored != node.hash and self.fault is None:
            width = 16**node.level
            first, last = node.index * width + 1, (node.index + 1) * width
            self.fault = LogFault(
                first,
                Text(
                    f"the hash over entries {first} to {last} is not that of these entries",
                    f"mã băm của các mục {first} đến {last} không khớp với nội dung",
                ),
            )

    def _report(self, number: int, words: str, words_vi: str) -> None:
        if self.fault is None:
            self.fault = LogFault(number, Text(f"entry {number} {words}", f"mục {number} {words_vi}"))


class _ChainCheck:
    """Follows the chain of the first form, over the entries that a log began with."""

    def __init__(self) -> None:
        self._sequence, self._hash = 0, GENESIS
        self._is_sealed = self._is_stopped = False

    def stop(self) -> None:
        """Stop following: an entry cannot be read, so nothing can be said of what follows it."""
        self._is_stopped = True

    def follow(self, entry: LogEntry, canonical: bytes) -> Text | None:
        """Follow one entry; words for what is wrong with it."""
        if self._is_stopped:
            return None
        if entry.sequence:
            self._sequence += 1
            self._hash = compute_chain_hash(self._hash, compute_digest(canonical.decode()))
            if entry.sequence != self._sequence or self._is_sealed:
                return Text(
                    f"entry {self._sequence} of the first form is missing", f"thiếu mục {self._sequence} của chuỗi cũ"
                )
            return None
        if self._is_sealed or not self._sequence:
            return None
        self._is_sealed = True
        sealed = entry.list_facts()[0]
        leads_there = (sealed.get("sealed_sequence"), sealed.get("sealed_hash")) == (self._sequence, self._hash)
        if not leads_there or "broken" in sealed:
            broken = f": {sealed['broken']}" if "broken" in sealed else ""
            return Text(
                f"the chain of the first {self._sequence} entries did not lead to its end when it was sealed{broken}",
                f"chuỗi {self._sequence} mục đầu không dẫn tới điểm cuối khi niêm phong{broken}",
            )
        return None

    def finish(self) -> Text | None:
        """Tell what is wrong at the end."""
        if self._sequence and not self._is_sealed and not self._is_stopped:
            return Text("the chain of the first form was not sealed", "chuỗi dạng cũ chưa được niêm phong")
        return None


def _select_entries() -> Select[Any]:
    return select(*_COLUMNS).join_from(ENTRIES, RUNS, HAS_RUN, isouter=True)


def _read_rows(connection: Connection, agency: str) -> Iterator[RowMapping]:
    size = read_size(connection, agency)
    for first in range(0, size, _BATCH_ROWS):
        values = {"agency": agency, "first": first, "last": first + _BATCH_ROWS - 1}
        yield from connection.execute(_ROWS, values).mappings()


def _as_entry(row: RowMapping, archives: ArchivedEntries) -> StoredEntry:
    leaf = None if row["leaf"] is None else int(row["leaf"])
    try:
        return StoredEntry(leaf, archives.read(row))
    except ArchiveMissing:
        return StoredEntry(leaf, b"", archives.find_record(row))


def _as_signed(row: RowMapping) -> SignedCheckpoint:
    return SignedCheckpoint(bytes(row["note"]), None if row["stamp"] is None else bytes(row["stamp"]))


def _parse_certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return read_certificates(pem) if pem else []
    except ValueError:
        return []
