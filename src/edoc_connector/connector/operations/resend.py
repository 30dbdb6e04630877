"""Sending again what the hub refused once, or lost, by a person's word: a document, a confirmation, a status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..._core import Text
from ...errors import NotFound
from ...store import (
    CONFIRM,
    DELIVERIES,
    OUTGOING,
    DeliveryRow,
    DeliveryState,
    OutgoingRow,
    OutgoingState,
    Tx,
)
from .._context import ConnectorContext
from .._retry import NO_ERROR
from ..outbound import Dispatcher, SentFinding, requeue_failed
from .reconcile import Unsettled, name_message

DOCUMENT = "document"

_AT_HUB = Text("the hub has it: nothing was sent", "trục đã có: không gửi gì")
_TOLD_APART = Text(
    "the hub has packets that may be this one or another: nothing was sent; look there",
    "trục có gói tin có thể là gói này hoặc gói khác: không gửi gì; hãy tra trên trục",
)
_ON_ITS_WAY = Text("it is on its way already", "đang trên đường gửi")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is to be sent again, and by whose word."""

    document_id: str
    what: str | None
    by: str | None

    def describe(self, why: Text) -> Text:
        return Text(f"sent again by a person's word: {why.en}", f"gửi lại theo yêu cầu của người phụ trách: {why.vi}")


def resend(
    context: ConnectorContext, outbox: Dispatcher, document_id: str, *, what: str | None, by: str | None
) -> tuple[Unsettled, ...]:
    """Send again what was refused, or what is named and the hub lost.

    Raises:
        NotFound: nothing is known of that document, or it has no such message.
        EdocError: the hub was asked and did not say; nothing was sent.
    """
    request = _Request(document_id=document_id, what=what, by=by)
    outbox.recover()
    with context.store.snapshot() as tx:
        delivery = tx.deliveries.find_by_document_id(context.agency, document_id)
        messages = _select_messages(tx, context.agency, request)
    results: list[Unsettled] = []
    if delivery is not None and what in (None, DOCUMENT):
        results.append(_resend_delivery(context, outbox, delivery, request))
    results += [_resend_message(context, outbox, row, request) for row in messages]
    if not results and what is not None:
        raise _build_not_found_error(document_id, what)
    return tuple(results)


def _select_messages(tx: Tx, agency: str, request: _Request) -> list[OutgoingRow]:
    """Select the statuses and confirmations about a document: the refused ones, or the one that is named."""
    subjects = _find_subjects(tx, agency, request.document_id)
    if request.what is None:
        return tx.outgoing.list_refused_about(agency, **subjects)
    rows = tx.outgoing.list_about(agency, **subjects)
    return [row for row in rows if request.what in (row.kind, row.code) and request.what != DOCUMENT]


def _find_subjects(tx: Tx, agency: str, document_id: str) -> dict[str, list[int]]:
    """Find the deliveries and receipts of a document, by the names that `Outgoing.list_about` has for them."""
    delivery = tx.deliveries.find_by_document_id(agency, document_id)
    receipts = tx.receipts.find_all(agency, document_id=document_id)
    receipts += tx.receipts.list_by_any_id(agency, document_id)
    if delivery is None and not receipts:
        raise _build_not_found_error(document_id)
    return {
        "delivery_ids": [] if delivery is None else [delivery.id],
        "receipt_ids": [receipt.id for receipt in receipts],
    }


def _resend_delivery(context: ConnectorContext, outbox: Dispatcher, row: DeliveryRow, request: _Request) -> Unsettled:
    if row.state == DeliveryState.FAILED:
        words = _requeue_failed(context, row, request)
    elif row.state == DeliveryState.SENT:
        words = _requeue_lost(context, outbox, row, request)
    elif row.state == DeliveryState.UNKNOWN:
        words = Text("the hub is asked first", "hỏi trục trước")
    else:
        words = _ON_ITS_WAY
    error = outbox.send_again(DELIVERIES, row.id) if words is not _AT_HUB and words is not _TOLD_APART else None
    with context.store.snapshot() as tx:
        state = tx.deliveries.get_by_id(row.id).state
    if error is not None:
        words = Text(error.message, error.vi)
    return _build_result(row.document_id, DOCUMENT, state, words)


def _requeue_failed(context: ConnectorContext, row: DeliveryRow, request: _Request) -> Text:
    words = Text("the hub had refused it", "trục đã từ chối trước đó")
    context.store.require_packet(row.spool_file, row.sha256)
    with context.store.transaction(request.by) as tx:
        requeue_failed(tx, row, cause=request.describe(words))
    return words


def _requeue_lost(context: ConnectorContext, outbox: Dispatcher, row: DeliveryRow, request: _Request) -> Text:
    """Make a delivery ready again that the hub took once, if it has it no more."""
    found = _judge(outbox.find_at_hub(row))
    if found is not None:
        return found
    words = Text("the hub was asked and has it no more", "đã hỏi lại, trục không còn gói tin")
    context.store.require_packet(row.spool_file, row.sha256)
    with context.store.transaction(request.by) as tx:
        context.for_hub(row.hub).hub.record_exchanges(tx, DELIVERIES, row.id)
        values: dict[str, Any] = {"next_attempt_at": tx.now, "asked": 0, "was_unknown": True, **NO_ERROR}
        tx.deliveries.move(row, DeliveryState.READY, cause=request.describe(words), **values)
    return words


def _resend_message(context: ConnectorContext, outbox: Dispatcher, row: OutgoingRow, request: _Request) -> Unsettled:
    words = _requeue_message(context, outbox, row, request)
    error = outbox.send_again(OUTGOING, row.id) if words is not _AT_HUB and words is not _TOLD_APART else None
    with context.store.snapshot() as tx:
        state = tx.outgoing.get_by_id(row.id).state
    if error is not None:
        words = Text(error.message, error.vi)
    return _build_result(request.document_id, name_message(row), state, words)


def _requeue_message(context: ConnectorContext, outbox: Dispatcher, row: OutgoingRow, request: _Request) -> Text:
    if row.state not in (OutgoingState.SENT, OutgoingState.FAILED):
        return _ON_ITS_WAY
    words = Text("the hub had refused it", "trục đã từ chối trước đó")
    if row.state == OutgoingState.SENT and row.kind != CONFIRM:  # confirming again is harmless
        found = _judge(outbox.find_at_hub(row))
        if found is not None:
            return found
        words = Text("the hub was asked and has it no more", "đã hỏi lại, trục không còn gói tin")
    with context.store.transaction(request.by) as tx:
        context.near_hub(row.hub).hub.record_exchanges(tx, OUTGOING, row.id)
        values: dict[str, Any] = {"next_attempt_at": tx.now, "asked": 0, **NO_ERROR}
        values |= {"was_unknown": True} if row.state == OutgoingState.SENT else {}
        tx.outgoing.move(row, OutgoingState.READY, cause=request.describe(words), **values)
    return words


def _judge(finding: SentFinding) -> Text | None:
    """Judge what the hub has; None where it does not have the message."""
    if finding.is_ambiguous:
        return _TOLD_APART
    return _AT_HUB if finding.is_found else None


def _build_result(document_id: str, what: str, state: str, words: Text) -> Unsettled:
    return Unsettled(document_id=document_id, what=what, state=state, text=words.en, text_vi=words.vi)


def _build_not_found_error(document_id: str, what: str = "") -> NotFound:
    if what:
        return NotFound(
            f"nothing that is called {what} was told about {document_id}: see explain().",
            vi=f"Không có thông báo {what} nào về văn bản {document_id}: xem explain().",
        )
    return NotFound(
        f"nothing is known of a document {document_id}: look for it with deliveries() and receipts().",
        vi=f"Không có thông tin nào về văn bản {document_id}: hãy tra bằng deliveries() và receipts().",
    )
