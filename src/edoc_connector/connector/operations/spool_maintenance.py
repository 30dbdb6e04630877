"""Maintenance of the spool: prune finished packets, find orphans, restore lost files."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..._core import get_logger, get_path
from ...errors import EdocError, StoreError
from ...store import (
    DELIVERIES,
    ORPHANS_FOLDER,
    RECEIPTS,
    Altered,
    DeliveryState,
    LegalHolds,
    PacketFile,
    PacketRetention,
    PacketRow,
    Spool,
    compute_owner_tag,
    compute_sha256,
    find_damage,
    parse_owner_tag,
    translate_driver_errors,
)
from .._context import ConnectorContext
from .evidence_log_check import check_evidence
from .removal_minutes import RemovalMinutes
from .retention_periods import select_due_rows

log = get_logger("edoc_connector.connector.upkeep")

_MIN_AGE_SECONDS = 3600.0  # seconds; a younger file may be one whose row is about to be written
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # nothing is older, whatever age is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """The result of pruning: what was removed, or would be.

    Args:
        packets: how many packets.
        size: their bytes.
        dry_run: whether nothing was done.
        kept: packets that are old enough, and stay for the table of periods in ``[retention]``.
        minutes: the minutes of what was removed, in both languages; empty where nothing was. Their hash is in the
            evidence.
    """

    packets: int
    size: int
    dry_run: bool
    kept: int = 0
    minutes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """The result of rewriting the spool.

    Args:
        files: how many packets are in it.
        rewritten: how many of them were rewritten.
        key_id: id of the key that all are encrypted with now; None where they are plain.
    """

    files: int
    rewritten: int
    key_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFault:
    """Damage of the database, or a disagreement of spool and store.

    Args:
        kind: ``database`` (it is damaged, by its own check), ``orphan`` (a file that no row names), ``draft`` (what a
            crash left half written), ``missing`` (a row's file is gone), ``altered`` (its bytes are
            not those that were stored), ``evidence`` (the log, or a checkpoint, is not as it was written).
        what: the file, or the row with the hub's id.
        repaired: what was done about it, in English; None where nothing was.
        repaired_vi: the same in Vietnamese.
        advice: what a person can do, where nothing was done.
        advice_vi: the same in Vietnamese.
    """

    kind: str
    what: str
    repaired: str | None = None
    repaired_vi: str | None = None
    advice: str = ""
    advice_vi: str = ""


def prune(context: ConnectorContext, older_than: timedelta, *, dry_run: bool = True, by: str | None = None) -> Pruned:
    """Remove the bytes of packets that are finished for so long; rows, timelines and the evidence stay.

    Not finished are requests that were not answered, and what was set aside without the hub being told: it was not
    handled, and `Connector.recheck` may yet hand it out. Of a document that is held nothing is removed. Where there is
    a table of periods (``[retention]``), nothing goes before its period is over.

    Args:
        context: the store.
        older_than: age since a row last changed.
        dry_run: count only.
        by: who removes, for the minutes.

    Raises:
        StoreError: the store or the spool will not have it; what was removed before that is noted.
    """
    size, removed = 0, list[PacketRow]()
    with context.store.snapshot() as tx:
        changed_before = tx.now - min(older_than, tx.now - _EPOCH)
        finished_rows = PacketRetention(tx).list_finished(context.agency, changed_before)
        due_rows = select_due_rows(context, tx, finished_rows)
    for row in due_rows:
        file_size = context.store.spool.measure_on_disk(row.file)
        if not dry_run and not _remove_packet(context, row, changed_before):
            continue
        size += file_size
        removed.append(row)
    if not dry_run:
        _remove_leftovers(context)
    minutes = _enter_minutes(context, removed, older_than, by or context.agency) if removed and not dry_run else ""
    kept = len(finished_rows) - len(due_rows)
    return Pruned(packets=len(removed), size=size, dry_run=dry_run, kept=kept, minutes=minutes)


def _enter_minutes(context: ConnectorContext, rows: list[PacketRow], older_than: timedelta, by: str) -> str:
    """Make the minutes of a removal, and enter their hash in the evidence."""
    with context.store.transaction(by) as tx:
        minutes = RemovalMinutes(
            agency=context.agency,
            at=tx.now,
            by=by,
            older_than=older_than,
            rows=rows,
            names=PacketRetention(tx).describe_documents(rows),
            held=sorted({hold.document_id for hold in LegalHolds(tx).list_open(context.agency)}),
        ).format()
        facts = {"minutes": hashlib.sha256(minutes.encode()).hexdigest(), "packets": len(rows)}
        tx.audit_log.record("removal", None, 0, facts, agency=context.agency)
    return minutes


def fsck(context: ConnectorContext, *, repair: bool = False, deep: bool = False) -> list[SpoolFault]:
    """Have the database check itself, compare spool and store, and check the evidence against every kept checkpoint.

    Args:
        context: the store, and the hub that may give a packet once more.
        repair: set orphans aside, remove old drafts, put lost packets back where an orphan or the hub has them; nothing
            of it where the database is damaged: what it does not name any more may be all there is.
        deep: read every file and compare its hash; check the database's indexes too.

    Raises:
        StoreError: the store or the spool cannot be read.
    """
    with context.store.snapshot() as tx:
        damage = find_damage(tx.connection, deep=deep)
    if not damage:
        return _compare(context, repair=repair, deep=deep) + _check_log(context)
    faults = [SpoolFault(kind="database", what=line, **_RESTORE_DATABASE) for line in damage]
    try:
        return faults + _compare(context, repair=False, deep=deep)
    except StoreError as error:  # what is damaged stands in the list already
        log.warning("spool and store cannot be compared: %s", error)
        return faults


def compare_spool(context: ConnectorContext) -> list[SpoolFault]:
    """Compare spool and store as `fsck` does, without a check of the database, which may be many agencies'.

    Raises:
        StoreError: the store or the spool cannot be read.
    """
    return _compare(context, repair=False, deep=False)


def _compare(context: ConnectorContext, *, repair: bool, deep: bool) -> list[SpoolFault]:
    with context.store.snapshot() as tx:
        retention = PacketRetention(tx)
        named_files = retention.list_named_files()
        rows = retention.list_rows(context.agency)
        pruned = tx.audit_log.list_pruned_files()
        own_tags = {compute_owner_tag(agency) for agency in {context.agency, *retention.list_agencies()}}
    with translate_driver_errors():
        orphans = _find_orphans(context.store.spool, named_files | pruned, own_tags)
        drafts = [path for path in context.store.spool.list_drafts() if _is_old(path)]
    faults = [fault for row in rows if row.file not in pruned
              if (fault := _check_packet(context, row, orphans, repair=repair, deep=deep)) is not None]  # fmt: skip
    with translate_driver_errors():
        orphan_paths = [path for _, file in orphans if (path := get_path(file)).exists() and _is_old(path)]
    faults += [_handle_orphan(context, path, repair=repair) for path in orphan_paths]
    return faults + [_handle_draft(path, repair=repair) for path in drafts]


def _check_log(context: ConnectorContext) -> list[SpoolFault]:
    return [
        SpoolFault(kind="evidence", what=where, advice=words.en, advice_vi=words.vi)
        for where, words in check_evidence(context)
    ]


def rewrite_spool(context: ConnectorContext) -> Rewritten:
    """Rewrite every packet that is not encrypted as configured; see `Spool.rewrite`."""
    results = [was_rewritten for _, was_rewritten in context.store.spool.rewrite()]
    return Rewritten(files=len(results), rewritten=sum(results), key_id=context.store.spool.key_id)


# -- pruning


def _remove_packet(context: ConnectorContext, row: PacketRow, changed_before: datetime) -> bool:
    """Remove a packet, unless its row is not finished any more, or another run was there first.

    First the word, then the deed: a crash in between leaves a file, and the next run removes it. Whoever read the row
    before, to go on with it, is fenced off.
    """
    with context.store.transaction() as tx:
        if not PacketRetention(tx).fence_off_finished(row, changed_before):
            return False
        tx.audit_log.mark_pruned(agency=context.agency, spool_file=row.file, sha256=row.sha256, at=tx.now)
        tx.audit_log.record("packet", row.machine, row.key, {"removed": "prune"})
    context.store.spool.delete_file(row.file)
    return True


def _remove_leftovers(context: ConnectorContext) -> None:
    """Remove files that were noted as removed and are still there: a crash came in between."""
    with context.store.snapshot() as tx:
        pruned = tx.audit_log.list_pruned_files()
    with translate_driver_errors():
        for name, file in context.store.spool.list_files():
            if name in pruned:
                get_path(file).unlink(missing_ok=True)


# -- checking


def _find_orphans(
    spool: Spool, named_files: Collection[str], own_tags: Collection[str]
) -> list[tuple[str, PacketFile]]:
    """Find files that no row names, without those of agencies whose rows are in another database."""
    files = [(name, file) for name, file in spool.list_files() if name not in named_files]
    foreign_tags = {
        owner for name, _ in files if (owner := parse_owner_tag(name)) is not None and owner not in own_tags
    }
    if not foreign_tags:
        return files
    log.info("%s is shared with agencies whose rows are in other databases; their files are left alone", spool.root)
    return [(name, file) for name, file in files if parse_owner_tag(name) in own_tags]


def _is_old(path: Path) -> bool:
    """Whether a file lies there longer than one in the making would; one that is gone meanwhile does not."""
    try:
        modified_at = path.stat().st_mtime
    except FileNotFoundError:
        return False
    return time.time() - modified_at > _MIN_AGE_SECONDS


def _check_packet(
    context: ConnectorContext, row: PacketRow, orphans: list[tuple[str, PacketFile]], *, repair: bool, deep: bool
) -> SpoolFault | None:
    file = context.store.spool.locate(row.file)
    path = get_path(file)
    with translate_driver_errors():
        is_there = path.is_file()
        if is_there and (not deep or _has_hash(file, row.sha256)):
            return None
    name = f"{row.machine.subject} {row.key} ({row.state}): {path}"
    fault = SpoolFault(kind="altered" if is_there else "missing", what=name, **_advise(row))
    if not repair:
        return fault
    return _restore_packet(context, row, orphans, fault)


_RESTORE_DATABASE = {
    "advice": "stop every program, keep a copy of the file, and restore a backup: edoc restore",
    "advice_vi": "dừng mọi chương trình, giữ lại bản sao của tệp rồi khôi phục bản sao lưu: edoc restore",
}


def _advise(row: PacketRow) -> dict[str, str]:
    if row.machine is DELIVERIES and row.state != DeliveryState.SENT:
        return {"advice": "send the same document again: the packet is built anew",
                "advice_vi": "gửi lại đúng văn bản đó: gói tin sẽ được tạo lại"}  # fmt: skip
    return {"advice": "restore the file from a backup", "advice_vi": "khôi phục tệp từ bản sao lưu"}


def _restore_packet(
    context: ConnectorContext, row: PacketRow, orphans: list[tuple[str, PacketFile]], fault: SpoolFault
) -> SpoolFault:
    """Bring a lost packet back from an orphan with its hash, or from the hub, which may still have it."""
    with translate_driver_errors():
        for _, orphan in orphans:
            if get_path(orphan).exists() and _has_hash(orphan, row.sha256):
                context.store.spool.restore(orphan, row.file)
                return _record_repair(context, row, fault, "found among the orphans", "tìm thấy trong tệp mồ côi")
    if row.machine is RECEIPTS and _download_again(context, row):
        return _record_repair(context, row, fault, "downloaded from the hub once more", "đã tải lại từ trục")
    return fault


def _has_hash(file: PacketFile, sha256: str) -> bool:
    try:
        return compute_sha256(file) == sha256
    except Altered:
        return False


def _download_again(context: ConnectorContext, row: PacketRow) -> bool:
    with context.store.snapshot() as tx:
        receipt = tx.receipts.get_by_id(row.key)
    doc_id, at_hub = receipt.hub_doc_id, context.by_hub.get(receipt.hub)
    if at_hub is None:
        log.warning("docId %s: the settings do not name its hub any more", doc_id)
        return False
    at_hub.hub.clear_exchanges()
    with context.store.spool.draft_file() as draft:
        try:
            at_hub.hub.fetch(doc_id, draft)
        except EdocError as error:
            log.warning("docId %s cannot be downloaded again: %s", doc_id, error)
            return False
        downloaded = context.store.spool.keep_draft(draft)
    if downloaded.sha256 != row.sha256:
        context.store.spool.delete_file(downloaded.name)
        log.warning("docId %s: the hub gives other bytes now", doc_id)
        return False
    with translate_driver_errors():
        context.store.spool.restore(context.store.spool.locate(downloaded.name), row.file)
    return True


def _record_repair(
    context: ConnectorContext, row: PacketRow, fault: SpoolFault, repair_words: str, repair_words_vi: str
) -> SpoolFault:
    with context.store.transaction() as tx:
        tx.audit_log.record("packet", row.machine, row.key, {fault.kind: repair_words})
    return replace(fault, repaired=repair_words, repaired_vi=repair_words_vi, advice="", advice_vi="")


def _handle_orphan(context: ConnectorContext, path: Path, *, repair: bool) -> SpoolFault:
    fault = SpoolFault(kind="orphan", what=str(path), advice="edoc fsck --repair sets it aside",
                       advice_vi="edoc fsck --repair sẽ chuyển tệp sang thư mục riêng")  # fmt: skip
    if not repair:
        return fault
    with translate_driver_errors():
        context.store.spool.set_aside(path)
    return replace(
        fault,
        repaired=f"moved to {ORPHANS_FOLDER}",
        repaired_vi=f"đã chuyển vào {ORPHANS_FOLDER}",
        advice="",
        advice_vi="",
    )


def _handle_draft(path: Path, *, repair: bool) -> SpoolFault:
    fault = SpoolFault(kind="draft", what=str(path), advice="edoc fsck --repair removes it",
                       advice_vi="edoc fsck --repair sẽ xóa")  # fmt: skip
    if not repair:
        return fault
    with translate_driver_errors():
        path.unlink(missing_ok=True)
    return replace(fault, repaired="removed", repaired_vi="đã xóa", advice="", advice_vi="")
