"""Statuses and confirmations on their way to the hub, a few at a time.

A batch is claimed in one transaction, its packets are built and stored, it goes to the hub in a few threads, and one
transaction writes what became of it. Messages of one lane never stand in one batch: the later one waits for its turn.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ..._core.text import both, spoken
from ...edxml import StatusMessage
from ...errors import DuplicateDocument, EdocError, NotFound
from ...hubs import MessageType, Outcome
from ...store import Altered, OutgoingState, ReceiptState, SpoolFile, Tx, deliveries, outgoing, receipts, transitions
from ...store.audit_log import Note
from ...store.rows import OutgoingRow
from ...store.state_machine import DELIVERIES, OUTGOING
from .._context import Session
from .._retry import columns, fate
from .packet_builder import build

log = logging.getLogger("edoc_connector.connector.outbox")

BATCH = 16  # messages claimed, and noted, in one transaction
THREADS = 4  # messages on the wire at a time

A = TypeVar("A")
B = TypeVar("B")

Settle = Callable[[OutgoingRow], tuple[bool, str | None]]
IdThere = Callable[[OutgoingRow], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a message.

    Args:
        row: the message, claimed.
        doc_id: the hub's id of a status, where it told one; of a confirmation that of the packet.
        error: what it met; None where the hub took it.
        closed: whether that matters to nobody: the hub was told ``fail`` before and takes no ``done`` after it.
        heard: what the hub said.
    """

    row: OutgoingRow
    doc_id: str | None = None
    error: EdocError | None = None
    closed: bool = False
    heard: tuple[dict[str, Any], ...] = ()


class Reports:
    """Sends statuses and confirmations.

    Args:
        session: the store, the hub and the key.
        settle: asks the hub whether it has a status whose outcome is unknown, and gives its id there.
        id_there: asks for the hub's id of a status that it says it has.
    """

    def __init__(self, session: Session, settle: Settle, id_there: IdThere) -> None:
        self._session = session
        self._settle = settle
        self._id_there = id_there
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """End the threads; nobody waits for one that is at the hub, which may take its time."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def round(
        self, *, due: bool, but: Collection[int] = (), only: int | None = None
    ) -> list[tuple[int, EdocError | None]]:
        """Send the next messages whose turn it is, once each.

        Args:
            due: only what is due by its back-off.
            but: keys of messages to leave out.
            only: the key of the one that is meant.

        Returns:
            The key of each, and what it met.
        """
        keys = None if only is None else [only]
        with self._session.transaction() as tx:
            rows = outgoing.claim(
                tx, self._session.lease, agency=self._session.agency, due=due, limit=BATCH, keys=keys, but=but
            )
        return self.send(rows)

    def send(self, rows: Sequence[OutgoingRow]) -> list[tuple[int, EdocError | None]]:
        """Send messages that are claimed, likewise."""
        if not rows:
            return []
        with self._session.keeper.holding(outgoing.T, [row.id for row in rows]):
            unknown = [row for row in rows if row.state == OutgoingState.UNKNOWN]
            found = [self._caught(row) for row in unknown]
            found += self._sent([row for row in rows if row not in unknown])
        for _, error in found:
            if error is not None:
                log.warning("not sent: %s", error)
        return found

    # -- those that the hub has to be asked about

    def _caught(self, row: OutgoingRow) -> tuple[int, EdocError | None]:
        try:
            return self._asked(row)
        except EdocError as error:
            return row.id, error

    def _asked(self, row: OutgoingRow) -> tuple[int, EdocError | None]:
        self._session.hub.forget_heard()
        settled, doc_id = self._settle(row)
        if settled:
            heard = tuple(self._session.hub.take_heard())
            return self._noted([Told(row=row, doc_id=doc_id, heard=heard)])[0]
        with self._session.transaction() as tx:
            rows = outgoing.claim(tx, self._session.lease, agency=row.agency, due=False, keys=[row.id])
        return self._sent(rows)[0] if rows else (row.id, None)

    # -- a batch

    def _sent(self, rows: Sequence[OutgoingRow]) -> list[tuple[int, EdocError | None]]:
        built, failed = self._built(rows)
        return self._noted([*failed, *self._side_by_side(self._told, built)])

    def _built(self, rows: Sequence[OutgoingRow]) -> tuple[list[OutgoingRow], list[Told]]:
        """The packet of a status is made when it is first sent: a missing key must not undo what it reports."""
        ready = [row for row in rows if row.kind == outgoing.CONFIRM or row.spool_file is not None]
        missing = [row for row in rows if row not in ready]
        packed, failed = [], []
        for row in missing:
            made = self._build(row)
            if isinstance(made, SpoolFile):
                packed.append((row, made))
            else:
                failed.append(Told(row=row, error=made))
        if packed:
            with self._session.transaction() as tx:
                ready += outgoing.packed(tx, packed)
        return ready, failed

    def _build(self, row: OutgoingRow) -> SpoolFile | EdocError:
        message = StatusMessage.model_validate_json(row.message or "")
        try:
            return build(self._session, message, at=self._session.store.clock())
        except EdocError as error:
            return error

    def _told(self, row: OutgoingRow) -> Told:
        """Tell the hub one thing; in any thread."""
        hub = self._session.hub
        hub.forget_heard()
        told = Told(row=row)
        try:
            if row.kind == outgoing.CONFIRM:
                hub.confirm(row.hub_doc_id or "", Outcome(row.code))
                told = Told(row=row, doc_id=row.hub_doc_id)
            else:
                told = Told(row=row, doc_id=self._handed_over(row))
        except EdocError as error:
            told = Told(row=row, error=error, closed=self._closed(row, error))
        return replace(told, heard=tuple(hub.take_heard()))

    def _closed(self, row: OutgoingRow, error: EdocError) -> bool:
        if row.kind != outgoing.CONFIRM or row.code != outgoing.DONE or fate(error).state != OutgoingState.FAILED:
            return False
        T = outgoing.T  # noqa: N806  a table
        failed = [T.c.receipt_id == row.receipt_id, T.c.code == outgoing.FAIL, T.c.state == OutgoingState.SENT]
        with self._session.store.reading() as tx:
            return bool(outgoing.find(tx, row.agency, *failed, limit=1))

    def _handed_over(self, row: OutgoingRow) -> str | None:
        packet = self._packet(row)
        try:
            result = self._session.hub.send(
                packet, message_type=MessageType.STATUS, sender=self._session.agency, recipients=[row.recipient or ""]
            )
        except DuplicateDocument:
            return self._id_there(row)  # the same bytes as before: an earlier attempt arrived
        return result.doc_id

    def _packet(self, row: OutgoingRow) -> Path:
        """The packet of a status; where it is gone or was altered, one that says the same."""
        spool = self._session.store.spool
        try:
            return spool.checked(row.spool_file or "", row.sha256 or "")
        except (NotFound, Altered) as error:
            log.warning("status %s to %s is built anew: %s", row.code, row.recipient, error)
        made = self._build(row)
        if isinstance(made, EdocError):
            raise made
        detail = both("its packet was gone; built anew", "gói tin đã mất, đã tạo lại")
        with self._session.transaction() as tx:
            outgoing.packed(tx, [(row, made)])
            transitions.record(tx, OUTGOING, row.id, old=row.state, new=row.state, detail=detail)
        return spool.path(made.name)

    def _side_by_side(self, work: Callable[[A], B], rows: Sequence[A]) -> list[B]:
        if len(rows) < 2:
            return [work(row) for row in rows]
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="edoc-report")
            pool = self._pool
        return list(pool.map(work, rows))

    # -- what became of it

    def _noted(self, told: Sequence[Told]) -> list[tuple[int, EdocError | None]]:
        """Write it down; where one message is another worker's by now, each is written by itself."""
        if not told:
            return []
        try:
            with self._session.transaction() as tx:
                self._note(tx, told)
        except EdocError as error:
            if len(told) > 1:
                return [found for one in told for found in self._noted([one])]
            return [(told[0].row.id, error)]
        return [(one.row.id, None if one.closed else one.error) for one in told]

    def _note(self, tx: Tx, told: Sequence[Told]) -> None:
        sent: list[Told] = []
        for one in told:
            tx.notes.extend(Note("answer", OUTGOING.subject, one.row.id, tx.actor, said) for said in one.heard)
            if one.closed:
                _close(tx, one.row)
            elif one.error is not None:
                self._failed(tx, one.row, one.error)
            elif one.row.state == OutgoingState.UNKNOWN:
                values: dict[str, Any] = {"sent_at": tx.now, "attempts": one.row.attempts + 1, **columns(None)}
                outgoing.move(tx, one.row, OutgoingState.SENT, hub_doc_id=one.doc_id, **values)
            else:
                sent.append(one)
        outgoing.sent(tx, [(one.row, one.doc_id) for one in sent], values=columns(None))
        confirmed = [one.row for one in sent if one.row.kind == outgoing.CONFIRM]
        if confirmed:
            receipts.confirmed(tx, {row.receipt_id or 0: row.code for row in confirmed})

    def _failed(self, tx: Tx, row: OutgoingRow, error: EdocError) -> None:
        state = OutgoingState(fate(error).state)
        if row.kind == outgoing.CONFIRM and state is not OutgoingState.FAILED:
            state = OutgoingState.READY  # confirming twice is harmless, so an unknown outcome is no reason to ask
        wait = tx.now if state is OutgoingState.UNKNOWN else self._session.next_attempt(row, tx.now, error)
        values = {"attempts": row.attempts + 1, "next_attempt_at": wait, **columns(error)}
        values |= {"asked": 0} if state is OutgoingState.UNKNOWN else {}
        outgoing.move(tx, row, state, detail=spoken(error), **values)
        if state is OutgoingState.FAILED:
            _tell_subject(tx, row, error)


def _close(tx: Tx, row: OutgoingRow) -> None:
    """A packet that was set aside, told ``fail`` and let in later: the hub's part was over then."""
    words = both(
        "it was told fail when the packet was set aside, and keeps to that",
        "trục đã được báo fail khi gói tin bị cách ly và giữ nguyên như vậy",
    )
    outgoing.move(tx, row, OutgoingState.FAILED, detail=words, attempts=row.attempts + 1, **columns(None))
    receipt = receipts.by_key(tx, row.receipt_id or 0)
    if receipt.state == ReceiptState.HANDLED:
        receipts.move(tx, receipt, ReceiptState.CONFIRMED, detail=words)


def _tell_subject(tx: Tx, row: OutgoingRow, error: EdocError) -> None:
    """A message that failed for good is told where people look: at what it was about."""
    kind = "xác nhận" if row.kind == outgoing.CONFIRM else "trạng thái"
    detail = both(
        f"{row.kind} {row.code} failed for good: {error.message}", f"không gửi được {kind} {row.code}: {error.vi}"
    )
    if row.receipt_id is not None:
        receipts.said(tx, receipts.by_key(tx, row.receipt_id), detail=detail)
    elif row.delivery_id is not None:
        state = deliveries.by_key(tx, row.delivery_id).state
        transitions.record(
            tx, DELIVERIES, row.delivery_id, old=state, new=state, detail=detail, recipient=row.recipient
        )
