"""Archiving of the evidence: old entries go to files with their proofs, and come back.

A file is whole on the disk, and its proofs were checked, before a row in the database says so; only then are the bytes
of its entries emptied, a few at a time. Whatever interrupts that, every entry is in one of the two places, and the next
run goes on.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..._core import make_private_folder, open_atomic, sync_folder
from ...edxml import VIETNAM
from ...errors import ArchiveRefused, ConfigError, InvalidQuery, StoreError
from ...evidence import (
    MAX_ARCHIVE_ENTRIES,
    ArchivedLeaf,
    ArchiveFacts,
    ArchiveReader,
    ArchiveWriter,
    build_folder_name,
    open_archive,
    parse_entry,
    read_checkpoint,
    unpack_entry,
)
from ...store import ArchiveRecord, LegalHolds, StoredCheckpoint, Tx, get_leaf_hash, translate_driver_errors
from .._context import ConnectorContext
from .archive_minutes import ArchiveMinutes
from .evidence_pack import find_document_rows

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

_BATCH_ENTRIES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedEvidence:
    """The result of archiving the evidence: what was moved to files, or would be.

    Args:
        files: the files that were written.
        entries: how many entries.
        size: their bytes in the database.
        held: entries that are old enough, and stay for a legal hold.
        dry_run: whether nothing was done.
        minutes: the minutes, in both languages; empty where nothing was moved. They are in the files too, and their
            hash is in the evidence.
    """

    files: tuple[Path, ...]
    entries: int
    size: int
    held: int
    dry_run: bool
    minutes: str = ""


@dataclass(frozen=True, slots=True)
class _Range:
    """Entries that one file takes."""

    first: int
    end: int
    entries: int
    size: int
    held: int


_Held = frozenset[tuple[str, int]]


def archive_evidence(
    context: ConnectorContext, before: date, *, dry_run: bool = True, by: str | None = None
) -> ArchivedEvidence:
    """Move entries from before a day to files in the folder of the settings.

    Args:
        context: the store and the folder.
        before: the day, in Vietnam; or a time with its zone.
        dry_run: count only.
        by: who does it, for the minutes.

    Raises:
        ConfigError: the settings name no folder.
        InvalidQuery: the time has no zone.
        SigningError: the key cannot be used for the checkpoint.
        EvidenceError: the log is not as it was written; nothing was moved.
        StoreError: the store or the folder cannot be written; what was moved before that can be read.
    """
    folder, limit = _require_folder(context), _parse_limit(before)
    if not dry_run:
        _finish_emptying(context, folder)
    ranges = _find_ranges(context, limit)
    files, minutes = list[Path](), list[str]()
    for one in ranges if not dry_run else ():
        path, text = _move_range(context, folder, one, limit, by or context.agency)
        files.append(path)
        minutes.append(text)
    return ArchivedEvidence(
        files=tuple(files),
        entries=sum(one.entries for one in ranges),
        size=sum(one.size for one in ranges),
        held=sum(one.held for one in ranges),
        dry_run=dry_run,
        minutes="\n".join(minutes),
    )


def restore_evidence(context: ConnectorContext, file: Path, *, by: str | None = None) -> int:
    """Put the entries of an archive back into the database, and return how many were not there.

    Args:
        context: the store.
        file: the archive, wherever it is.
        by: who does it, for the evidence.

    Raises:
        ArchiveRefused: it is no archive, of another log, not the file that was written, damaged, or not what was moved
            out of this database.
        StoreError: the store cannot be written; calling again goes on.
    """
    restored = 0
    with open_archive(file) as archive:
        record = _require_own(context, archive)
        archive.require_proven()
        _require_same_hashes(context, archive)
        if not record.restored:  # else another run was interrupted, or it is all there
            with context.store.transaction(by) as tx:
                tx.evidence_archives.record(context.agency, archive, record.sha256, restored=True)
        for chunk in _iter_chunks(archive):
            bodies = {leaf.index: leaf.canonical for leaf in chunk if leaf.canonical is not None}
            with context.store.transaction(by) as tx:
                restored += tx.evidence_archives.refill(context.agency, bodies)
    return restored


def _require_folder(context: ConnectorContext) -> Path:
    if context.store.archives is None:
        raise ConfigError(
            'there is no folder for archives of the evidence: write archives = "FOLDER" into [evidence], on a disk '
            "that is backed up; it is where the files are read from later.",
            vi='chưa có thư mục cho tệp lưu trữ bằng chứng: hãy ghi archives = "THƯ-MỤC" vào mục [evidence], trên ổ '
            "đĩa có sao lưu; sau này các tệp được đọc từ đó.",
        )
    return context.store.archives


def _parse_limit(before: date) -> datetime:
    limit = before if isinstance(before, datetime) else datetime.combine(before, time(), VIETNAM)
    if limit.tzinfo is None:
        raise InvalidQuery(
            f"{before} has no time zone: give a day, or a time with its zone.",
            vi=f"{before} thiếu múi giờ: hãy ghi ngày, hoặc thời điểm kèm múi giờ.",
        )
    return limit


# -- choosing


def _find_ranges(context: ConnectorContext, limit: datetime) -> list[_Range]:
    """Find the entries that are old enough and in no archive, as ranges that fit into a file each."""
    context.store.link_evidence(context.agency)
    found = []
    with context.store.snapshot() as tx:
        held = _list_held(context, tx)
        for first, end in _list_gaps(tx.evidence_archives.list_active(context.agency), _read_size(context, tx)):
            while first < end and (one := _measure_range(context, tx, held, limit, first, end)) is not None:
                found += [one] if one.entries else []
                first = one.end
    return found


def _read_size(context: ConnectorContext, tx: Tx) -> int:
    return tx.evidence_log.read_size(context.agency)


def _list_held(context: ConnectorContext, tx: Tx) -> _Held:
    """List the rows that legal holds are about: entries about them stay."""
    rows = set[tuple[str, int]]()
    for hold in LegalHolds(tx).list_open(context.agency):
        subjects = find_document_rows(tx, context.agency, hold.document_id).subjects
        rows |= {(subject, key) for subject, keys in subjects.items() for key in keys}
    return frozenset(rows)


def _list_gaps(active: Sequence[ArchiveRecord], size: int) -> Iterator[tuple[int, int]]:
    """List the ranges of a log that are in no archive."""
    begin = 0
    for record in active:
        if begin < record.first:
            yield begin, record.first
        begin = max(begin, record.end)
    if begin < size:
        yield begin, size


def _measure_range(
    context: ConnectorContext, tx: Tx, held: _Held, limit: datetime, first: int, end: int
) -> _Range | None:
    """Measure the entries from a place on that are old enough; None where the first one is not."""
    place, entries, size, held_count = first, 0, 0, 0
    last = min(end, first + MAX_ARCHIVE_ENTRIES)
    for row in tx.evidence_archives.read_rows(context.agency, first, last):
        if parse_entry(unpack_entry(bytes(row["stored"]))).at >= limit:
            break
        if int(row["leaf"]) != place:
            break  # a place is missing: fsck says so, and nothing behind it is moved
        place += 1
        if _is_held(row, held):
            held_count += 1
        else:
            entries, size = entries + 1, size + len(row["stored"])
    return _Range(first, place, entries, size, held_count) if place > first else None


def _is_held(row: RowMapping, held: _Held) -> bool:
    return (row["subject"], row["subject_id"]) in held


# -- moving


def _move_range(context: ConnectorContext, folder: Path, one: _Range, limit: datetime, by: str) -> tuple[Path, str]:
    """Write the file of a range, enter it in the evidence, and empty its entries; returns the file and the minutes."""
    context.checkpoints.keep()
    path, minutes = _write_archive(context, folder, one, limit, by)
    with open_archive(path) as archive:
        archive.require_proven()
        _require_same_hashes(context, archive)
        with context.store.transaction(by) as tx:
            tx.advisory_lock(f"evidence archive {context.agency}")
            active = tx.evidence_archives.list_active(context.agency)
            if any(record.first < one.end and one.first < record.end for record in active):
                raise StoreError(
                    "another program archived these entries a moment ago; nothing was moved here.",
                    vi="chương trình khác vừa lưu trữ các mục này; lần chạy này không chuyển gì.",
                )
            digest = hashlib.sha256(minutes.encode()).hexdigest()
            tx.evidence_archives.record(context.agency, archive, _hash_file(path), minutes=digest, restored=False)
        _empty_entries(context, archive)
    return path, minutes


def _write_archive(context: ConnectorContext, folder: Path, one: _Range, limit: datetime, by: str) -> tuple[Path, str]:
    with translate_driver_errors(), context.store.snapshot() as tx:
        head, held = tx.evidence_log.list_newest_checkpoints(context.agency, 1)[0], _list_held(context, tx)
        origin = read_checkpoint(head.signed).origin
        name = f"{build_folder_name(origin)}-{one.first + 1}-{one.end}-{head.size}.zip"
        made_at = context.store.clock()
        minutes = ArchiveMinutes(
            agency=context.agency, at=made_at, by=by, before=limit, first=one.first + 1, last=one.end,
            entries=one.entries, file=name, head=read_checkpoint(head.signed),
            held=sorted({hold.document_id for hold in LegalHolds(tx).list_open(context.agency)}),
        ).format()  # fmt: skip
        make_private_folder(folder)
        with (
            open_atomic(folder / name, durable=True) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            writer = ArchiveWriter(archive)
            entries = 0
            for row in tx.evidence_archives.read_rows(context.agency, one.first, one.end):
                canonical = None if _is_held(row, held) else unpack_entry(bytes(row["stored"]))
                writer.add(ArchivedLeaf(int(row["leaf"]), get_leaf_hash(row), canonical))
                entries += canonical is not None
            facts = _build_facts(tx, context.agency, head, one, entries=entries, limit=limit, at=made_at, by=by)
            writer.finish(facts, head.signed, certificates=head.pem, minutes=minutes)
        sync_folder(folder)
    return folder / name, minutes


def _build_facts(
    tx: Tx, agency: str, head: StoredCheckpoint, one: _Range, *, entries: int, limit: datetime, at: datetime, by: str
) -> ArchiveFacts:
    tree = tx.evidence_log.open_tree(agency, head.size)
    return ArchiveFacts(
        origin=read_checkpoint(head.signed).origin,
        agency=agency,
        first=one.first,
        end=one.end,
        entries=entries,
        before=limit.isoformat(),
        made_at=at.isoformat(),
        by=by,
        signed=bool(head.pem),
        peaks=tuple(tree.load_range(one.first).peaks),
        proof=tuple(tree.prove_consistency(one.end)),
    )


def _empty_entries(context: ConnectorContext, archive: ArchiveReader) -> None:
    for chunk in _iter_chunks(archive):
        leaves = {leaf.index for leaf in chunk if leaf.canonical is not None}
        with context.store.transaction() as tx:
            tx.evidence_archives.empty(context.agency, leaves)


def _finish_emptying(context: ConnectorContext, folder: Path) -> None:
    """Empty what an interrupted run left: the newest archive may have entries that are still in the database too."""
    with context.store.snapshot() as tx:
        records = tx.evidence_archives.list_active(context.agency)
    newest = max(records, key=lambda record: record.at, default=None)
    if newest is not None and (folder / newest.file).is_file():
        with open_archive(folder / newest.file) as archive:
            _require_own(context, archive)
            _require_same_hashes(context, archive)
            _empty_entries(context, archive)


def _iter_chunks(archive: ArchiveReader) -> Iterator[list[ArchivedLeaf]]:
    """Iterate over the entries of an archive that it has the bytes of, some at a time."""
    leaves = (leaf for leaf in archive.read_leaves() if leaf.canonical is not None)
    while chunk := list(islice(leaves, _BATCH_ENTRIES)):
        yield chunk


# -- comparing


def _require_own(context: ConnectorContext, archive: ArchiveReader) -> ArchiveRecord:
    """Require that a file is the one that this database's entries were moved to."""
    with context.store.snapshot() as tx:
        origin = tx.evidence_log.read_origin(context.agency)
        records = tx.evidence_archives.list_newest(context.agency)
    facts = archive.facts
    if facts.origin != origin:
        raise ArchiveRefused(
            f"{archive.path} is of another log ({facts.origin}) than this store's ({origin}).",
            vi=f"{archive.path} thuộc nhật ký khác ({facts.origin}), không phải của kho này ({origin}).",
        )
    record = next((one for one in records if (one.first, one.end) == (facts.first, facts.end)), None)
    if record is None:
        raise ArchiveRefused(
            f"entries {facts.first + 1} to {facts.end} were not moved out of this store: there is nothing to take from "
            f"{archive.path}.",
            vi=f"các mục {facts.first + 1} đến {facts.end} không bị chuyển khỏi kho này: không có gì để lấy từ "
            f"{archive.path}.",
        )
    if record.sha256 != _hash_file(archive.path):
        raise ArchiveRefused(
            f"{archive.path} is not the file that was written: its SHA-256 is another. Take another copy of it.",
            vi=f"{archive.path} không phải tệp đã ghi: SHA-256 khác. Hãy dùng bản sao khác.",
        )
    return record


def _require_same_hashes(context: ConnectorContext, archive: ArchiveReader) -> None:
    facts = archive.facts
    with context.store.snapshot() as tx:
        stored = tx.evidence_archives.list_hashes(context.agency, facts.first, facts.end)
        for leaf in archive.read_leaves():
            if next(stored, None) != leaf.leaf_hash:
                raise ArchiveRefused(
                    f"entry {leaf.index + 1} in {archive.path} is not the one of this store; nothing was moved. Run "
                    "edoc fsck.",
                    vi=f"mục {leaf.index + 1} trong {archive.path} khác với mục trong kho; chưa chuyển gì. Hãy chạy "
                    "edoc fsck.",
                )


def _hash_file(path: Path) -> str:
    with translate_driver_errors(), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
