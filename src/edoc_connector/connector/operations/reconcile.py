"""Every message whose outcome is unknown: asked for at the hub, and settled, put off, or left to a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..._core.text import both
from ...errors import EdocError, StoreError
from ...store import DeliveryState, OutgoingState, Tx, deliveries, outgoing, receipts
from ...store.rows import DeliveryRow, OutgoingRow
from ...store.state_machine import DELIVERIES, OUTGOING, Machine
from .._context import Session
from .._retry import Undecided
from ..outbound.outbox import Outbox

_WORDS = {
    DeliveryState.SENT: ("the hub has it", "trục đã có"),
    DeliveryState.READY: ("the hub does not have it; it will be sent again", "trục chưa có; sẽ gửi lại"),
    DeliveryState.FAILED: ("it was sent again and refused for good", "đã gửi lại và bị từ chối"),
    DeliveryState.SENDING: ("another worker is at it", "tiến trình khác đang xử lý"),
}
_ASK_A_PERSON = Undecided.__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A message whose outcome was unknown, and where it stands now.

    Args:
        document_id: the document it is about.
        what: ``document``, or the code of a status.
        state: its state now: ``sent``, ``ready``, ``failed`` or still ``unknown``.
        text: what was found out, or why not.
        text_vi: the same in Vietnamese.
        next_attempt_at: when the hub is asked again, UTC; None where it is settled, or a person must decide.
    """

    document_id: str
    what: str
    state: str
    text: str
    text_vi: str
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What asking about unknown outcomes came to.

    Args:
        settled: those that the hub told about.
        waiting: those to be asked about again later, by themselves.
        undecided: those that the hub cannot tell about; a person finds out and calls `Connector.settle`.
    """

    settled: tuple[Unsettled, ...] = ()
    waiting: tuple[Unsettled, ...] = ()
    undecided: tuple[Unsettled, ...] = ()


def reconcile(session: Session, outbox: Outbox) -> Reconciled:
    """Ask the hub about every message whose outcome is unknown.

    Raises:
        StoreError: the store cannot be read or written.
    """
    outbox.recover()
    found: dict[str, list[Unsettled]] = {"settled": [], "waiting": [], "undecided": []}
    with session.store.reading() as tx:
        keys = [(machine, row.id) for machine, row in _unknown(tx, session.agency)]
    for machine, key in keys:
        error = outbox.ask(machine, key)
        if isinstance(error, StoreError):
            raise error
        with session.store.reading() as tx:
            kind, one = _standing(tx, machine, key, error)
        found[kind].append(one)
    return Reconciled(**{kind: tuple(ones) for kind, ones in found.items()})


def settle_statuses(tx: Tx, agency: str, document_id: str, *, arrived: bool) -> int:
    """Decide what became of the statuses about a document whose outcome is unknown; how many there were.

    Args:
        tx: the transaction.
        agency: who sent them.
        document_id: the document they are about, sent or received.
        arrived: whether the hub has them.
    """
    unknown = outgoing.find(tx, agency, outgoing.T.c.state == OutgoingState.UNKNOWN)
    mine = [row for row in unknown if _document_of(tx, row) == document_id]
    for row in mine:
        when = {"sent_at": tx.now} if arrived else {"next_attempt_at": tx.now}
        state = OutgoingState.SENT if arrived else OutgoingState.READY
        outgoing.move(tx, row, state, detail=both("a person decided", "do người phụ trách quyết định"), **when)
    return len(mine)


def _unknown(tx: Tx, agency: str) -> list[tuple[Machine, DeliveryRow | OutgoingRow]]:
    sent = deliveries.find(tx, agency, deliveries.T.c.state == DeliveryState.UNKNOWN)
    told = outgoing.find(tx, agency, outgoing.T.c.state == OutgoingState.UNKNOWN)
    # Oldest first: a status waits for the one before it.
    return [(DELIVERIES, row) for row in reversed(sent)] + [(OUTGOING, row) for row in reversed(told)]


def _standing(tx: Tx, machine: Machine, key: int, error: EdocError | None) -> tuple[str, Unsettled]:
    row: DeliveryRow | OutgoingRow
    row = deliveries.by_key(tx, key) if machine is DELIVERIES else outgoing.by_key(tx, key)
    document_id = row.document_id if isinstance(row, DeliveryRow) else _document_of(tx, row)
    what = "document" if isinstance(row, DeliveryRow) else row.code
    if row.state != DeliveryState.UNKNOWN:
        en, vi = _WORDS[DeliveryState(row.state)]
        return "settled", Unsettled(document_id=document_id, what=what, state=row.state, text=en, text_vi=vi)
    undecided = row.error_code == _ASK_A_PERSON
    return "undecided" if undecided else "waiting", Unsettled(
        document_id=document_id,
        what=what,
        state=row.state,
        text=row.error_text or (error.message if error else ""),
        text_vi=row.error_vi or (error.vi if error else ""),
        next_attempt_at=None if undecided else row.next_attempt_at,
    )


def _document_of(tx: Tx, row: OutgoingRow) -> str:
    if row.receipt_id is not None:
        return receipts.by_key(tx, row.receipt_id).document_id or ""
    return deliveries.by_key(tx, row.delivery_id).document_id if row.delivery_id is not None else ""
