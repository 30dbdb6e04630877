"""Maintenance of the spool: prune finished packets, find orphans, restore lost files."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..._core import get_logger
from ...errors import EdocError
from ...store import (
    DELIVERIES,
    RECEIPTS,
    DeliveryState,
    PacketRow,
    compute_owner_tag,
    compute_sha256,
    parse_owner_tag,
    translate_driver_errors,
)
from .._context import ConnectorContext

log = get_logger("edoc_connector.connector.upkeep")

ORPHANS_FOLDER = "orphans"
_MIN_AGE_SECONDS = 3600.0  # seconds; a younger file may be one whose row is about to be written
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # nothing is older, whatever age is asked for
_SPOOL_NAME = re.compile(r"[0-9a-f]{32}\.edxml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """The result of pruning: what was removed, or would be.

    Args:
        packets: how many packets.
        size: their bytes.
        dry_run: whether nothing was done.
    """

    packets: int
    size: int
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFault:
    """A disagreement of spool and store.

    Args:
        kind: ``orphan`` (a file that no row names), ``draft`` (what a crash left half written), ``missing`` (a row's
            file is gone), ``altered`` (its bytes are not those that were stored).
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


def prune(context: ConnectorContext, older_than: timedelta, *, dry_run: bool = True) -> Pruned:
    """Remove the bytes of packets that are finished for so long; rows, timelines and the evidence stay.

    Not finished are requests that were not answered, and what was set aside without the hub being told: it was not
    handled, and `Connector.recheck` may yet hand it out.

    Args:
        context: the store.
        older_than: age since a row last changed.
        dry_run: count only.

    Raises:
        StoreError: the store or the spool will not have it; what was removed before that is noted.
    """
    count = size = 0
    with context.store.snapshot() as tx:
        changed_before = tx.now - min(older_than, tx.now - _EPOCH)
        finished_rows = tx.packets.list_finished(context.agency, changed_before)
    for row in finished_rows:
        path = context.store.spool.locate(row.file)
        file_size = path.stat().st_size if path.exists() else 0
        if not dry_run and not _remove_packet(context, row, changed_before):
            continue
        size += file_size
        count += 1
    if not dry_run:
        _remove_leftovers(context)
    return Pruned(packets=count, size=size, dry_run=dry_run)


def fsck(context: ConnectorContext, *, repair: bool = False, deep: bool = False) -> list[SpoolFault]:
    """Compare spool and store.

    Args:
        context: the store, and the hub that may give a packet once more.
        repair: set orphans aside, remove old drafts, put lost packets back where an orphan or the hub has them.
        deep: read every file and compare its hash.

    Raises:
        StoreError: the store or the spool cannot be read.
    """
    with context.store.snapshot() as tx:
        named_files = tx.packets.list_named_files()
        rows = tx.packets.list_rows(context.agency)
        pruned = tx.audit_log.list_pruned_files()
        own_tags = {compute_owner_tag(agency) for agency in {context.agency, *tx.packets.list_agencies()}}
    with translate_driver_errors():
        orphans = _find_orphans(context.store.spool.root, named_files | pruned, own_tags)
        drafts = [path for path in (context.store.spool.root / "tmp").iterdir() if _is_old(path)]
    faults = [fault for row in rows if row.file not in pruned
              if (fault := _check_packet(context, row, orphans, repair=repair, deep=deep)) is not None]  # fmt: skip
    faults += [_handle_orphan(context, path, repair=repair) for path in orphans if path.exists() and _is_old(path)]
    return faults + [_handle_draft(path, repair=repair) for path in drafts]


# -- pruning


def _remove_packet(context: ConnectorContext, row: PacketRow, changed_before: datetime) -> bool:
    """Remove a packet, unless its row is not finished any more, or another run was there first.

    First the word, then the deed: a crash in between leaves a file, and the next run removes it. Whoever read the row
    before, to go on with it, is fenced off.
    """
    with context.store.transaction() as tx:
        if not tx.packets.fence_off_finished(row, changed_before):
            return False
        tx.audit_log.mark_pruned(agency=context.agency, spool_file=row.file, sha256=row.sha256, at=tx.now)
        tx.audit_log.record("packet", row.machine, row.key, {"removed": "prune"})
    context.store.spool.discard(row.file)
    return True


def _remove_leftovers(context: ConnectorContext) -> None:
    """Remove files that were noted as removed and are still there: a crash came in between."""
    with context.store.snapshot() as tx:
        pruned = tx.audit_log.list_pruned_files()
    with translate_driver_errors():
        for path in _list_files(context.store.spool.root):
            if path.name in pruned:
                path.unlink()


# -- checking


def _find_orphans(root: Path, named_files: Collection[str], own_tags: Collection[str]) -> list[Path]:
    """Find files that no row names, without those of agencies whose rows are in another database."""
    files = [path for path in _list_files(root) if path.name not in named_files]
    foreign_tags = {
        owner for path in files if (owner := parse_owner_tag(path.name)) is not None and owner not in own_tags
    }
    if not foreign_tags:
        return files
    log.info("%s is shared with agencies whose rows are in other databases; their files are left alone", root)
    return [path for path in files if parse_owner_tag(path.name) in own_tags]


def _list_files(root: Path) -> Iterator[Path]:
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and len(folder.name) == 2:
            yield from (path for path in sorted(folder.iterdir()) if _SPOOL_NAME.fullmatch(path.name))


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > _MIN_AGE_SECONDS


def _check_packet(
    context: ConnectorContext, row: PacketRow, orphans: list[Path], *, repair: bool, deep: bool
) -> SpoolFault | None:
    path = context.store.spool.locate(row.file)
    with translate_driver_errors():
        is_there = path.is_file()
        if is_there and (not deep or compute_sha256(path) == row.sha256):
            return None
    name = f"{row.machine.subject} {row.key} ({row.state}): {path}"
    fault = SpoolFault(kind="altered" if is_there else "missing", what=name, **_advise(row))
    if not repair:
        return fault
    return _restore_packet(context, row, path, orphans, fault)


def _advise(row: PacketRow) -> dict[str, str]:
    if row.machine is DELIVERIES and row.state != DeliveryState.SENT:
        return {"advice": "send the same document again: the packet is built anew",
                "advice_vi": "gửi lại đúng văn bản đó: gói tin sẽ được tạo lại"}  # fmt: skip
    return {"advice": "restore the file from a backup", "advice_vi": "khôi phục tệp từ bản sao lưu"}


def _restore_packet(
    context: ConnectorContext, row: PacketRow, path: Path, orphans: list[Path], fault: SpoolFault
) -> SpoolFault:
    """Bring a lost packet back from an orphan with its hash, or from the hub, which may still have it."""
    with translate_driver_errors():
        for orphan in orphans:
            if orphan.exists() and compute_sha256(orphan) == row.sha256:
                _replace_file(context, orphan, path)
                return _record_repair(context, row, fault, "found among the orphans", "tìm thấy trong tệp mồ côi")
    if row.machine is RECEIPTS and _download_again(context, row, path):
        return _record_repair(context, row, fault, "downloaded from the hub once more", "đã tải lại từ trục")
    return fault


def _download_again(context: ConnectorContext, row: PacketRow, path: Path) -> bool:
    with context.store.snapshot() as tx:
        doc_id = tx.receipts.get_by_id(row.key).hub_doc_id
    context.hub.clear_exchanges()
    with context.store.spool.draft_file() as draft:
        try:
            context.hub.fetch(doc_id, draft)
        except EdocError as error:
            log.warning("docId %s cannot be downloaded again: %s", doc_id, error)
            return False
        downloaded = context.store.spool.keep_draft(draft)
    if downloaded.sha256 != row.sha256:
        context.store.spool.discard(downloaded.name)
        log.warning("docId %s: the hub gives other bytes now", doc_id)
        return False
    _replace_file(context, context.store.spool.locate(downloaded.name), path)
    return True


def _replace_file(context: ConnectorContext, replacement: Path, path: Path) -> None:
    """Put the right bytes in a packet's place, and keep the altered ones, which were all there was until now."""
    with translate_driver_errors():
        path.parent.mkdir(exist_ok=True)
        if path.exists():
            _move_to_orphans(context, path)
        replacement.replace(path)


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
    _move_to_orphans(context, path)
    return replace(
        fault,
        repaired=f"moved to {ORPHANS_FOLDER}",
        repaired_vi=f"đã chuyển vào {ORPHANS_FOLDER}",
        advice="",
        advice_vi="",
    )


def _move_to_orphans(context: ConnectorContext, path: Path) -> None:
    """Move a file to the orphans; nothing is deleted, for it may be all there is of something."""
    folder = context.store.spool.root / ORPHANS_FOLDER
    with translate_driver_errors():
        folder.mkdir(exist_ok=True)
        path.replace(folder / f"{time.time_ns()}-{path.name}")


def _handle_draft(path: Path, *, repair: bool) -> SpoolFault:
    fault = SpoolFault(kind="draft", what=str(path), advice="edoc fsck --repair removes it",
                       advice_vi="edoc fsck --repair sẽ xóa")  # fmt: skip
    if not repair:
        return fault
    path.unlink(missing_ok=True)
    return replace(fault, repaired="removed", repaired_vi="đã xóa", advice="", advice_vi="")
