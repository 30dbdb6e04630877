"""Reconciliation of messages with an unknown outcome: look each up at the hub, then settle or postpone it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..._core import Text
from ...errors import EdocError, StoreError
from ...store import (
    CONFIRM,
    DELIVERIES,
    OUTGOING,
    DeliveryRow,
    DeliveryState,
    OutgoingRow,
    OutgoingState,
    StateMachine,
    Tx,
)
from .._context import ConnectorContext
from .._retry import Undecided
from ..outbound import Dispatcher, expire_due

_STATE_WORDS = {
    DeliveryState.SENT: ("the hub has it", "trục đã có"),
    DeliveryState.READY: ("the hub does not have it; it will be sent again", "trục chưa có; sẽ gửi lại"),
    DeliveryState.FAILED: ("it was sent again and refused for good", "đã gửi lại và bị từ chối"),
    DeliveryState.SENDING: ("another worker is at it", "tiến trình khác đang xử lý"),
}
_UNDECIDED_CODE = Undecided.__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A message whose outcome was unknown, and where it stands now.

    Args:
        document_id: the document it is about.
        what: ``document``, the code of a status, or ``confirm`` for a confirmation.
        state: its state now: ``sent``, ``ready``, ``failed`` or still ``unknown``.
        text: what was found out, or why not.
        text_vi: the same in Vietnamese.
        next_attempt_at: when the hub is asked again, UTC; None where it is settled, or a person must decide.
        recipient: whom a status goes to; None of a document or a confirmation.
    """

    document_id: str
    what: str
    state: str
    text: str
    text_vi: str
    next_attempt_at: datetime | None = None
    recipient: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """The result of asking about unknown outcomes.

    Args:
        settled: those that the hub told about.
        waiting: those to be asked about again later, by themselves.
        undecided: those that the hub cannot tell about; a person finds out and calls `Connector.settle`.
        refused: statuses and confirmations that the hub refused; `Connector.resend` sends them again.
    """

    settled: tuple[Unsettled, ...] = ()
    waiting: tuple[Unsettled, ...] = ()
    undecided: tuple[Unsettled, ...] = ()
    refused: tuple[Unsettled, ...] = ()


def reconcile(context: ConnectorContext, outbox: Dispatcher) -> Reconciled:
    """Ask the hub about every message whose outcome is unknown.

    Raises:
        StoreError: the store cannot be read or written.
    """
    outbox.recover()
    expire_due(context)
    results: dict[str, list[Unsettled]] = {"settled": [], "waiting": [], "undecided": []}
    with context.store.snapshot() as tx:
        keys = [(machine, row.id) for machine, row in _find_unknown(tx, context.agency)]
    for machine, key in keys:
        error = outbox.look_up_message(machine, key)
        if isinstance(error, StoreError):
            raise error
        with context.store.snapshot() as tx:
            outcome, unsettled = _classify(tx, machine, key, error)
        results[outcome].append(unsettled)
    outbox.look_for_late_refusals(older_than=timedelta(0))
    with context.store.snapshot() as tx:
        refused = tx.outgoing.list_refused(context.agency)
    results["refused"] = [_describe_refused(row, document_id) for row, document_id in refused]
    return Reconciled(**{outcome: tuple(messages) for outcome, messages in results.items()})


def name_message(row: OutgoingRow) -> str:
    """Name a status by its code, and a confirmation by what it is."""
    return CONFIRM if row.kind == CONFIRM else row.code


def _describe_refused(row: OutgoingRow, document_id: str) -> Unsettled:
    return Unsettled(
        document_id=document_id or row.hub_doc_id or "",
        what=name_message(row),
        state=row.state,
        text=row.error_text or "",
        text_vi=row.error_vi or "",
        recipient=row.recipient,
    )


def find_undecided_statuses(
    tx: Tx, agency: str, document_id: str, *, what: str | None = None, recipient: str | None = None
) -> list[OutgoingRow]:
    """Find the statuses about a document whose outcome is unknown.

    Args:
        tx: the transaction.
        agency: who sent them.
        document_id: the document they are about, sent or received.
        what: only those of this code.
        recipient: only those to this organisation.
    """
    delivery_ids = [row.id for row in tx.deliveries.find_all(agency, document_id=document_id)]
    receipt_ids = [row.id for row in tx.receipts.find_all(agency, document_id=document_id)]
    rows = tx.outgoing.list_about(
        agency, delivery_ids=delivery_ids, receipt_ids=receipt_ids, state=OutgoingState.UNKNOWN
    )
    return [row for row in rows if what in (None, row.code) and recipient in (None, row.recipient)]


def settle_statuses(tx: Tx, matching_rows: Sequence[OutgoingRow], *, arrived: bool) -> None:
    """Settle statuses whose outcome is unknown, by a person's word.

    Args:
        tx: the transaction.
        matching_rows: they.
        arrived: whether the hub has them.
    """
    for row in matching_rows:
        times: dict[str, Any] = {"sent_at": tx.now} if arrived else {"next_attempt_at": tx.now}
        state = OutgoingState.SENT if arrived else OutgoingState.READY
        tx.outgoing.move(row, state, detail=Text("a person decided", "do người phụ trách quyết định"), **times)


def _find_unknown(tx: Tx, agency: str) -> list[tuple[StateMachine, DeliveryRow | OutgoingRow]]:
    delivery_rows = tx.deliveries.find_all(agency, state=DeliveryState.UNKNOWN)
    statuses = tx.outgoing.find_all(agency, state=OutgoingState.UNKNOWN)
    # Oldest first: a status waits for the one before it.
    return [(DELIVERIES, row) for row in reversed(delivery_rows)] + [(OUTGOING, row) for row in reversed(statuses)]


def _classify(tx: Tx, machine: StateMachine, key: int, error: EdocError | None) -> tuple[str, Unsettled]:
    row: DeliveryRow | OutgoingRow
    row = tx.deliveries.get_by_id(key) if machine is DELIVERIES else tx.outgoing.get_by_id(key)
    document_id = row.document_id if isinstance(row, DeliveryRow) else _find_document_id(tx, row)
    what = "document" if isinstance(row, DeliveryRow) else row.code
    recipient = None if isinstance(row, DeliveryRow) else row.recipient
    if row.state != DeliveryState.UNKNOWN:
        en, vi = _STATE_WORDS[DeliveryState(row.state)]
        return "settled", Unsettled(
            document_id=document_id, what=what, state=row.state, text=en, text_vi=vi, recipient=recipient
        )
    undecided = row.error_code == _UNDECIDED_CODE
    return "undecided" if undecided else "waiting", Unsettled(
        document_id=document_id,
        what=what,
        state=row.state,
        text=row.error_text or (error.message if error else ""),
        text_vi=row.error_vi or (error.vi if error else ""),
        next_attempt_at=None if undecided else row.next_attempt_at,
        recipient=recipient,
    )


def _find_document_id(tx: Tx, row: OutgoingRow) -> str:
    if row.receipt_id is not None:
        return tx.receipts.get_by_id(row.receipt_id).document_id or ""
    return tx.deliveries.get_by_id(row.delivery_id).document_id if row.delivery_id is not None else ""
