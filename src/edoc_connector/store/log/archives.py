"""Archives of the log: which entries were moved to files, and what a file still has of them.

Of an entry that was moved the database keeps its whole hash, its place and the columns it is found by; its bytes are
empty. A row of ``evidence_archives`` says where they went; like all of the evidence it is only ever added. Triggers let
bytes be emptied where such a row covers the entry, and filled again where one says that it was put back; nothing else
changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from ...errors import ArchiveMissing, ArchiveRefused
from ...evidence import ArchiveReader, open_archive, pack_entry, unpack_entry
from .._sql import TABLES, Row
from .linking import ENTRIES, LEAF, build_leaves_query, get_leaf_hash

if TYPE_CHECKING:
    from ..transaction import Tx

ARCHIVES = TABLES["evidence_archives"]
_BATCH_ROWS = 512
_ROWS = build_leaves_query(ENTRIES, LEAF.label("leaf"))
_KEYS = build_leaves_query(ENTRIES.c.id, ENTRIES.c.leaf_hash, ENTRIES.c.stored, LEAF.label("leaf"))
_EMPTY = update(ENTRIES).where(ENTRIES.c.id == bindparam("key")).values(stored=b"", leaf_hash=bindparam("hash"))
_REFILL = update(ENTRIES).where(ENTRIES.c.id == bindparam("key")).values(stored=bindparam("stored"))


@dataclass(frozen=True, slots=True)
class ArchiveRecord:
    """A row about an archive.

    Args:
        first: place of its first entry, from 0.
        end: place behind its last.
        file: its name, without a folder.
        sha256: of the file, hex.
        at: when its entries were moved, or put back, UTC.
        actor: who did it.
        restored: whether they were put back.
    """

    first: int
    end: int
    file: str
    sha256: str
    at: datetime
    actor: str
    restored: bool

    def covers(self, leaf: int) -> bool:
        """Tell whether an entry is of its range."""
        return self.first <= leaf < self.end


@dataclass(slots=True, eq=False)
class EvidenceArchives:
    """Moves entries out of the database, and back.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def list_newest(self, agency: str) -> list[ArchiveRecord]:
        """List the newest row about each archive of a log, in the order of the log."""
        return _list_newest(self._tx.connection, agency)

    def list_active(self, agency: str) -> list[ArchiveRecord]:
        """List the archives whose entries were not put back, in the order of the log."""
        return [one for one in self.list_newest(agency) if not one.restored]

    def record(self, agency: str, archive: ArchiveReader, sha256: str, *, minutes: str = "", restored: bool) -> None:
        """Record that the entries of an archive are moved, or put back, here and in the log.

        Args:
            agency: whose log it is.
            archive: the archive.
            sha256: of its file, hex.
            minutes: SHA-256 of the minutes, hex.
            restored: whether they are put back.
        """
        facts = archive.facts
        values = {"first_leaf": facts.first, "end_leaf": facts.end, "file": archive.path.name, "sha256": sha256}
        self._tx.connection.execute(
            insert(ARCHIVES).values(agency=agency, **values, at=self._tx.now, actor=self._tx.actor, restored=restored)
        )
        told = {"file": archive.path.name, "archive": sha256, "first": facts.first + 1, "last": facts.end}
        told |= {"minutes": minutes} if minutes else {}
        self._tx.audit_log.record("unarchived" if restored else "archived", None, 0, told, agency=agency)

    def read_rows(self, agency: str, first: int, end: int) -> Iterator[RowMapping]:
        """Read entries by their places, as their rows with ``leaf`` are."""
        for begin in range(first, end, _BATCH_ROWS):
            values = {"agency": agency, "first": begin, "last": min(begin + _BATCH_ROWS, end) - 1}
            yield from self._tx.connection.execute(_ROWS, values).mappings()

    def empty(self, agency: str, leaves: Collection[int]) -> int:
        """Empty the bytes of entries by their places, and return how many still had some."""
        rows = self._find_keys(agency, leaves)
        full = [
            {"key": int(row["id"]), "hash": get_leaf_hash(row)}
            for row in rows
            if len(row["stored"]) and int(row["leaf"]) in leaves
        ]
        if full:
            self._tx.connection.execute(_EMPTY, full)
        return len(full)

    def list_hashes(self, agency: str, first: int, end: int) -> Iterator[bytes]:
        """List the hashes of entries by their places."""
        for begin in range(first, end, _BATCH_ROWS):
            values = {"agency": agency, "first": begin, "last": min(begin + _BATCH_ROWS, end) - 1}
            yield from map(get_leaf_hash, self._tx.connection.execute(_KEYS, values).mappings())

    def refill(self, agency: str, bodies: Mapping[int, bytes]) -> int:
        """Fill entries with their canonical bytes, by their places, and return how many had none."""
        rows = [row for row in self._find_keys(agency, bodies) if not len(row["stored"]) and int(row["leaf"]) in bodies]
        if rows:
            values = [{"key": int(row["id"]), "stored": pack_entry(bodies[int(row["leaf"])])} for row in rows]
            self._tx.connection.execute(_REFILL, values)
        return len(rows)

    def _find_keys(self, agency: str, leaves: Collection[int]) -> list[Row]:
        values = {"agency": agency, "first": min(leaves), "last": max(leaves)}
        return list(self._tx.connection.execute(_KEYS, values).mappings())


@dataclass(slots=True, eq=False)
class ArchivedEntries:
    """Reads entries wherever their bytes are: in the database, or in the file of an archive.

    Args:
        connection: the database.
        agency: whose log it is.
        folder: where files of archives are; None where the settings name none.
    """

    _connection: Connection
    _agency: str
    _folder: Path | None
    _records: Sequence[ArchiveRecord] | None = None
    _readers: dict[str, ArchiveReader] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> ArchivedEntries:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def read(self, row: RowMapping) -> bytes:
        """Read the canonical bytes of an entry.

        Args:
            row: the entry's, with ``leaf``.

        Raises:
            ArchiveMissing: they are in a file that is not there.
            ArchiveRefused: the file has others, or is damaged.
            EvidenceError: what is stored is no entry, or nothing is, and no archive has it.
        """
        record = self.find_record(row)
        if record is None:
            return unpack_entry(bytes(row["stored"]))
        archive, index = self._open_archive(record), int(row["leaf"])
        leaf = archive.read_leaf(index)
        if leaf.canonical is None or leaf.leaf_hash != bytes(row["leaf_hash"]):
            raise ArchiveRefused(
                f"entry {index + 1} in {archive.path} is not the one that was archived: the file was changed. Take "
                "another copy of it.",
                vi=f"mục {index + 1} trong {archive.path} không phải mục đã lưu trữ: tệp đã bị sửa đổi. Hãy dùng bản "
                "sao khác.",
            )
        return leaf.canonical

    def find_record(self, row: RowMapping) -> ArchiveRecord | None:
        """Find the archive that an entry was moved to; None where it was not."""
        if len(row["stored"]) or row["leaf"] is None:
            return None
        if self._records is None:
            newest = _list_newest(self._connection, self._agency)
            self._records = sorted(newest, key=lambda one: one.restored)  # one being put back may still be needed
        return next((one for one in self._records if one.covers(int(row["leaf"]))), None)

    def _open_archive(self, record: ArchiveRecord) -> ArchiveReader:
        if record.file not in self._readers:
            path = self._folder / record.file if self._folder is not None else None
            if path is None or not path.is_file():
                raise missing_archive_error(record, self._folder)
            archive = self._open.enter_context(open_archive(path))
            if (archive.facts.first, archive.facts.end) != (record.first, record.end):
                raise ArchiveRefused(
                    f"{path} has other entries than {record.first + 1} to {record.end}: it is not the file that was "
                    "written. Take another copy of it.",
                    vi=f"{path} không chứa đúng các mục {record.first + 1} đến {record.end}: không phải tệp đã ghi. "
                    "Hãy dùng bản sao khác.",
                )
            self._readers[record.file] = archive
        return self._readers[record.file]


def missing_archive_error(record: ArchiveRecord, folder: Path | None) -> ArchiveMissing:
    """Build the error for entries whose file is not there."""
    where = "[evidence] archives names no folder" if folder is None else f"it is not in {folder}"
    where_vi = "[evidence] archives chưa chỉ thư mục" if folder is None else f"tệp không có trong {folder}"
    return ArchiveMissing(
        f"entries {record.first + 1} to {record.end} of the evidence were moved to {record.file} on "
        f"{record.at:%Y-%m-%d}, and {where}: put that file there.",
        vi=f"các mục {record.first + 1} đến {record.end} của nhật ký bằng chứng đã chuyển sang tệp {record.file} ngày "
        f"{record.at:%d/%m/%Y}, {where_vi}: hãy đặt tệp đó vào thư mục.",
    )


def _list_newest(connection: Connection, agency: str) -> list[ArchiveRecord]:
    """List the newest row about each archive of a log, in the order of the log."""
    newest: dict[tuple[int, int], ArchiveRecord] = {}
    query = select(ARCHIVES).where(ARCHIVES.c.agency == agency).order_by(ARCHIVES.c.id)
    for row in connection.execute(query).mappings():
        one = ArchiveRecord(
            first=int(row["first_leaf"]), end=int(row["end_leaf"]), file=row["file"], sha256=row["sha256"],
            at=row["at"], actor=row["actor"], restored=bool(row["restored"]),
        )  # fmt: skip
        newest[one.first, one.end] = one
    return sorted(newest.values(), key=lambda one: one.first)
