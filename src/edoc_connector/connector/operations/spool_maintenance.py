"""The spool's upkeep: packets whose time is over, files without a row, rows without a file."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, and_, exists, or_, select, update

from ...edxml import StatusCode
from ...errors import EdocError, NotFound, StoreError
from ...store import Change, DeliveryState, OutgoingState, ReceiptState, Tx, audit_log, outgoing, receipts
from ...store._sql.engine import driver_errors
from ...store.audit_log import Note
from ...store.spool import hash_of, owner_of, tag_of
from ...store.state_machine import DELIVERIES, MACHINES, OUTGOING, RECEIPTS, Machine
from ...store.transitions import table_of
from .._context import Session
from ..inbound.status_intake import TAKE_BACK_KIND

log = logging.getLogger("edoc_connector.connector.upkeep")

ORPHANS = "orphans"
_YOUNG = 3600.0  # seconds; a younger file may be one whose row is about to be written
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)  # nothing is older, whatever age is asked for
_NAME = re.compile(r"[0-9a-f]{32}\.edxml")

# What is finished: nobody will send it, hand it out or answer it any more.
_FINISHED = {
    DELIVERIES: (DeliveryState.SENT, DeliveryState.FAILED),
    RECEIPTS: (ReceiptState.CONFIRMED, ReceiptState.DUPLICATE, ReceiptState.QUARANTINED),
    OUTGOING: (OutgoingState.SENT, OutgoingState.FAILED),
}

_ASK = ("recall", "update", "replace")  # answered by 15 or 16, for which the packet that asks is read once more


@dataclass(frozen=True, slots=True)
class _Kept:
    """A row that has a packet."""

    machine: Machine
    key: int
    state: str
    file: str
    sha256: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What pruning removed, or would remove.

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
    """Where spool and store do not agree.

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


def prune(session: Session, older_than: timedelta, *, dry_run: bool = True) -> Pruned:
    """Remove the bytes of packets that are finished for so long; rows, timelines and the evidence stay.

    Not finished are requests that were not answered, and what was set aside without the hub being told: it was not
    handled, and `Connector.recheck` may yet hand it out.

    Args:
        session: the store.
        older_than: age since a row last changed.
        dry_run: count only.

    Raises:
        StoreError: the store or the spool will not have it; what was removed before that is noted.
    """
    count = size = 0
    with session.store.reading() as tx:
        before = tx.now - min(older_than, tx.now - _FIRST)
        old = [row for machine in MACHINES for row in _finished(tx, session.agency, machine, before)]
    for row in old:
        path = session.store.spool.path(row.file)
        there = path.stat().st_size if path.exists() else 0
        if not dry_run and not _removed(session, row, before):
            continue
        size += there
        count += 1
    if not dry_run:
        _remove_leftovers(session)
    return Pruned(packets=count, size=size, dry_run=dry_run)


def fsck(session: Session, *, repair: bool = False, deep: bool = False) -> list[SpoolFault]:
    """Hold spool and store against each other.

    Args:
        session: the store, and the hub that may give a packet once more.
        repair: set orphans aside, remove old drafts, put lost packets back where an orphan or the hub has them.
        deep: read every file and compare its hash.

    Raises:
        StoreError: the store or the spool cannot be read.
    """
    with session.store.reading() as tx:
        named = set(_named(tx))
        rows = [row for machine in MACHINES for row in _kept_rows(tx, session.agency, machine)]
        pruned = audit_log.pruned_files(tx.connection)
        ours = {tag_of(agency) for agency in {session.agency, *_agencies(tx)}}
    with driver_errors():
        orphans = _orphans(session.store.spool.root, named | pruned, ours)
        drafts = [path for path in (session.store.spool.root / "tmp").iterdir() if _old(path)]
    faults = [fault for row in rows if row.file not in pruned
              if (fault := _check(session, row, orphans, repair=repair, deep=deep)) is not None]  # fmt: skip
    faults += [_orphan(session, path, repair=repair) for path in orphans if path.exists() and _old(path)]
    return faults + [_draft(path, repair=repair) for path in drafts]


# -- pruning


def _removed(session: Session, row: _Kept, before: datetime) -> bool:
    """Remove a packet, unless its row is not finished any more, or another run was there first.

    First the word, then the deed: a crash in between leaves a file, and the next run removes it. Whoever read the row
    before, to go on with it, is fenced off.
    """
    table = table_of(row.machine)
    same = [table.c.id == row.key, table.c.fence == row.fence, table.c.spool_file == row.file]
    still = update(table).where(*same, *_no_longer_needed(row.machine, before))
    with session.transaction() as tx:
        if tx.connection.execute(still.values(fence=row.fence + 1)).rowcount != 1:
            return False
        audit_log.mark_pruned(tx.connection, agency=session.agency, spool_file=row.file, sha256=row.sha256, at=tx.now)
        tx.notes.append(Note("packet", row.machine.subject, row.key, tx.actor, {"removed": "prune"}))
    session.store.spool.discard(row.file)
    return True


def _finished(tx: Tx, agency: str, machine: Machine, before: datetime) -> list[_Kept]:
    return list(_kept_rows(tx, agency, machine, *_no_longer_needed(machine, before)))


def _no_longer_needed(machine: Machine, before: datetime) -> list[ColumnElement[bool]]:
    table = table_of(machine)
    where: list[ColumnElement[bool]] = [
        table.c.state.in_([str(state) for state in _FINISHED[machine]]),
        table.c.updated_at < before,
        ~exists().where(audit_log.P.c.spool_file == table.c.spool_file),
    ]
    if machine is not OUTGOING:
        O = outgoing.T  # noqa: E741, N806  a table
        about = O.c.delivery_id if machine is DELIVERIES else O.c.receipt_id
        open_ = [str(state) for state in OutgoingState if state not in _FINISHED[OUTGOING]]
        where.append(~exists().where(and_(about == table.c.id, O.c.state.in_(open_))))
    if machine is RECEIPTS:
        where += _nobody_waits()
    return where


def _nobody_waits() -> list[ColumnElement[bool]]:
    """Neither the sender for our answer, nor we for a person who looks at what was set aside here."""
    R, O = receipts.T, outgoing.T  # noqa: E741, N806  tables
    about = R.alias("about")
    asks_back = exists().where(
        R.c.business == TAKE_BACK_KIND, about.c.agency == R.c.agency, about.c.document_id == R.c.document_id,
        about.c.sender == R.c.sender, about.c.change == Change.ASKED,
    )  # fmt: skip
    told = exists().where(O.c.receipt_id == R.c.id, O.c.kind == outgoing.CONFIRM)
    return [
        R.c.change.is_distinct_from(Change.ASKED),
        or_(
            R.c.state != ReceiptState.CONFIRMED,
            R.c.business.is_(None),
            R.c.business.not_in(_ASK),
            R.c.last_code != StatusCode.ARRIVED,
        ),
        ~asks_back,
        or_(R.c.state != ReceiptState.QUARANTINED, told),
    ]


def _kept_rows(tx: Tx, agency: str, machine: Machine, *where: ColumnElement[bool]) -> Iterator[_Kept]:
    table = table_of(machine)
    query = select(table.c.id, table.c.state, table.c.spool_file, table.c.sha256, table.c.fence)
    query = query.where(table.c.agency == agency, table.c.spool_file.is_not(None), *where).order_by(table.c.id)
    for found in tx.connection.execute(query):
        yield _Kept(machine, *found)


def _remove_leftovers(session: Session) -> None:
    """Files that were noted as removed, and are still there: a crash came in between."""
    with session.store.reading() as tx:
        pruned = audit_log.pruned_files(tx.connection)
    with driver_errors():
        for path in _files(session.store.spool.root):
            if path.name in pruned:
                path.unlink()


# -- checking


def _named(tx: Tx) -> Iterator[str]:
    """Every packet that a row of any agency names: agencies may share a spool."""
    for machine in MACHINES:
        table = table_of(machine)
        yield from tx.connection.execute(select(table.c.spool_file).where(table.c.spool_file.is_not(None))).scalars()


def _agencies(tx: Tx) -> Iterator[str]:
    """Whose packets this database names."""
    for machine in MACHINES:
        yield from tx.connection.execute(select(table_of(machine).c.agency).distinct()).scalars()


def _orphans(root: Path, known: Collection[str], ours: Collection[str]) -> list[Path]:
    """Files that no row names, without those that a row of another database may name: others may share the folder."""
    files = [path for path in _files(root) if path.name not in known]
    strangers = {owner for path in files if (owner := owner_of(path.name)) is not None and owner not in ours}
    if not strangers:
        return files
    log.info("%s is shared with agencies whose rows are in other databases; their files are left alone", root)
    return [path for path in files if owner_of(path.name) in ours]


def _files(root: Path) -> Iterator[Path]:
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and len(folder.name) == 2:
            yield from (path for path in sorted(folder.iterdir()) if _NAME.fullmatch(path.name))


def _old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > _YOUNG


def _check(session: Session, row: _Kept, orphans: list[Path], *, repair: bool, deep: bool) -> SpoolFault | None:
    path = session.store.spool.path(row.file)
    with driver_errors():
        there = path.is_file()
        if there and (not deep or hash_of(path) == row.sha256):
            return None
    name = f"{row.machine.subject} {row.key} ({row.state}): {path}"
    fault = SpoolFault(kind="altered" if there else "missing", what=name, **_advice(row))
    if not repair:
        return fault
    return _put_back(session, row, path, orphans, fault)


def _advice(row: _Kept) -> dict[str, str]:
    if row.machine is DELIVERIES and row.state != DeliveryState.SENT:
        return {"advice": "send the same document again: the packet is built anew",
                "advice_vi": "gửi lại đúng văn bản đó: gói tin sẽ được tạo lại"}  # fmt: skip
    return {"advice": "restore the file from a backup", "advice_vi": "khôi phục tệp từ bản sao lưu"}


def _put_back(session: Session, row: _Kept, path: Path, orphans: list[Path], fault: SpoolFault) -> SpoolFault:
    """Bring a lost packet back from an orphan with its hash, or from the hub, which may still have it."""
    with driver_errors():
        for orphan in orphans:
            if orphan.exists() and hash_of(orphan) == row.sha256:
                _exchange(session, orphan, path)
                return _repaired(session, row, fault, "found among the orphans", "tìm thấy trong tệp mồ côi")
    if row.machine is RECEIPTS and _fetched(session, row, path):
        return _repaired(session, row, fault, "downloaded from the hub once more", "đã tải lại từ trục")
    return fault


def _fetched(session: Session, row: _Kept, path: Path) -> bool:
    with session.store.reading() as tx:
        doc_id = receipts.by_key(tx, row.key).hub_doc_id
    session.hub.forget_heard()
    with session.store.spool.drafting() as draft:
        try:
            session.hub.fetch(doc_id, draft)
        except EdocError as error:
            log.warning("docId %s cannot be downloaded again: %s", doc_id, error)
            return False
        kept = session.store.spool.keep(draft)
    if kept.sha256 != row.sha256:
        session.store.spool.discard(kept.name)
        log.warning("docId %s: the hub gives other bytes now", doc_id)
        return False
    _exchange(session, session.store.spool.path(kept.name), path)
    return True


def _exchange(session: Session, right: Path, path: Path) -> None:
    """Put the right bytes in a packet's place; those that lie there, altered, are all there was until now."""
    with driver_errors():
        path.parent.mkdir(exist_ok=True)
        if path.exists():
            _set_aside(session, path)
        right.replace(path)


def _repaired(session: Session, row: _Kept, fault: SpoolFault, how: str, how_vi: str) -> SpoolFault:
    with session.transaction() as tx:
        tx.notes.append(Note("packet", row.machine.subject, row.key, tx.actor, {fault.kind: how}))
    return replace(fault, repaired=how, repaired_vi=how_vi, advice="", advice_vi="")


def _orphan(session: Session, path: Path, *, repair: bool) -> SpoolFault:
    fault = SpoolFault(kind="orphan", what=str(path), advice="edoc fsck --repair sets it aside",
                       advice_vi="edoc fsck --repair sẽ chuyển tệp sang thư mục riêng")  # fmt: skip
    if not repair:
        return fault
    _set_aside(session, path)
    return replace(fault, repaired=f"moved to {ORPHANS}", repaired_vi=f"đã chuyển vào {ORPHANS}", advice="",
                   advice_vi="")  # fmt: skip


def _set_aside(session: Session, path: Path) -> None:
    """Nothing is deleted: what nobody names may be all there is of something."""
    folder = session.store.spool.root / ORPHANS
    with driver_errors():
        folder.mkdir(exist_ok=True)
        path.replace(folder / f"{time.time_ns()}-{path.name}")


def _draft(path: Path, *, repair: bool) -> SpoolFault:
    fault = SpoolFault(kind="draft", what=str(path), advice="edoc fsck --repair removes it",
                       advice_vi="edoc fsck --repair sẽ xóa")  # fmt: skip
    if not repair:
        return fault
    path.unlink(missing_ok=True)
    return replace(fault, repaired="removed", repaired_vi="đã xóa", advice="", advice_vi="")


def usable(session: Session, name: str, sha256: str) -> bool:
    """Whether a packet is in the spool with the bytes that were stored."""
    try:
        session.store.spool.checked(name, sha256)
    except (NotFound, StoreError):
        return False
    return True
