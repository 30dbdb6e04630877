"""Intake of status packets: enter each in its delivery, or as a request to take a document back.

A status out of order, or about a document nobody knows, is recorded and flagged, never dropped (business rules).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..._core import Text, get_logger
from ...edxml import StatusMessage
from ...store import (
    CHANGE_BY_ANSWER,
    DONE,
    TAKE_BACK_CODE,
    Change,
    DeliveryRow,
    ReceiptRow,
    ReceiptState,
    Tx,
    can_take_back,
    describe_code,
)
from .._change_rules import KIND_NAMES_VI, NEW_KIND, TAKE_BACK_KIND, WITHDRAWING_KINDS

log = get_logger("edoc_connector.connector.statuses")


def apply_status(tx: Tx, row: ReceiptRow, message: StatusMessage, values: dict[str, Any]) -> None:
    """Enter a status that was downloaded; a request to take a document back waits for the application instead.

    Args:
        tx: the transaction.
        row: the receipt of the status packet.
        message: what it says.
        values: the facts of the packet, for its row.
    """
    if tx.receipts.find_same_status(row, values["fingerprint"]) is not None:
        stored_row = tx.receipts.move(row, ReceiptState.DUPLICATE, **values)
    elif message.code == TAKE_BACK_CODE:
        stored_row = _record_take_back(tx, row, message, values)
    else:
        detail = _record_report(tx, row, message)
        stored_row = tx.receipts.move(row, ReceiptState.HANDLED, detail=detail, **values)
    if stored_row.state != ReceiptState.WAITING:
        tx.outgoing.enqueue_confirmation(stored_row, DONE, is_first=True)


def _record_report(tx: Tx, row: ReceiptRow, message: StatusMessage) -> Text:
    """Enter a status in the delivery it is about; returns what was done, in words."""
    delivery = find_delivery(tx, row.agency, message)
    code = str(message.code)
    if delivery is None:
        response_for = message.response_for
        log.warning(
            "status %s about a document we did not send: %s %s", code, response_for.document_id, response_for.code
        )
        return Text(
            f"{code} about a document that we did not send (flagged)",
            f"trạng thái {code} về văn bản không do đơn vị gửi (đã đánh dấu)",
        )
    at = message.timestamp or tx.now
    in_order = tx.deliveries.record_status(
        delivery, message.sender.id, code, reported_at=at, description=message.description, name=message.sender.name
    )
    _record_answer(tx, delivery, message, at)
    order_note = ("", "") if in_order else (" (out of order)", " (không đúng thứ tự)")
    sender_note = _describe_other_sender(tx, row, message.sender.id)
    return Text(
        f"{describe_code(code)} of {message.sender.id} on {delivery.document_id}{order_note[0]}{sender_note[0]}",
        f"{describe_code(code, vi=True)} của {message.sender.id} về "
        f"{delivery.document_id}{order_note[1]}{sender_note[1]}",
    )


def _describe_other_sender(tx: Tx, row: ReceiptRow, sender: str) -> tuple[str, str]:
    """Describe that the sender is not the one that the hub announced; a hub may do that for an honest reason."""
    entry = tx.directory.find_agency(row.agency, row.offered_by) if row.offered_by else None
    codes = {row.offered_by, entry.code, entry.other_code} if entry is not None else {row.offered_by}
    if not row.offered_by or sender in codes:
        return "", ""
    log.warning("docId %s: a status of %s, which the hub announced as of %s", row.hub_doc_id, sender, row.offered_by)
    return f" (the hub announced {row.offered_by}; flagged)", f" (trục báo nơi gửi là {row.offered_by}; đã đánh dấu)"


def _record_answer(tx: Tx, delivery: DeliveryRow, message: StatusMessage, at: datetime) -> None:
    """Enter an answer (15, 16) for the packet that asks and for the document it acts on, whichever it names."""
    code, organ_id = str(message.code), message.sender.id
    if code not in CHANGE_BY_ANSWER:
        return
    if delivery.business in WITHDRAWING_KINDS:
        detail = Text(f"answer to the {delivery.business}", f"trả lời yêu cầu {KIND_NAMES_VI[delivery.business]}")
        for document_id in tx.deliveries.load_targets([delivery.id])[delivery.id]:
            target = tx.deliveries.find_by_document_id(delivery.agency, document_id)
            if target is not None:
                tx.deliveries.record_answer(target, organ_id, code, detail=detail)
        return
    for change in tx.deliveries.list_changes_to(delivery.agency, delivery.document_id):
        recipient = tx.deliveries.find_recipient(change.id, organ_id)
        if recipient is not None and recipient.last_code in (None, "01"):
            tx.deliveries.record_status(change, organ_id, code, reported_at=at, description=message.description)
            return


def find_delivery(tx: Tx, agency: str, message: StatusMessage) -> DeliveryRow | None:
    """Find the delivery of a status: by DocumentId, else by number, notation and date where only one fits."""
    response_for = message.response_for
    delivery = tx.deliveries.find_by_document_id(agency, response_for.document_id) if response_for.document_id else None
    if delivery is not None or not response_for.code:
        return delivery
    same_code: dict[str, Any] = {"code": response_for.code, "business": NEW_KIND}
    if response_for.issued_on is not None:
        same_code["issued_on"] = response_for.issued_on
    candidates = tx.deliveries.find_all(agency, limit=2, **same_code)
    return candidates[0] if len(candidates) == 1 else None


def _record_take_back(tx: Tx, row: ReceiptRow, message: StatusMessage, values: dict[str, Any]) -> ReceiptRow:
    response_for = message.response_for
    target = tx.receipts.find_effective(row.agency, response_for.document_id or "", message.sender.id)
    if target is not None:
        tx.receipts.lock_receipt(target.id)
        target = tx.receipts.get_by_id(target.id)
    if target is None or not can_take_back(target.last_code, change=target.change):
        reason_refused = "a document that did not come" if target is None else f"a document at {target.last_code}"
        reason_refused_vi = "văn bản chưa đến" if target is None else f"văn bản đang ở trạng thái {target.last_code}"
        log.warning("%s asks to take back %s: %s", message.sender.id, reason_refused, response_for.document_id)
        stored_row = tx.receipts.move(
            row,
            ReceiptState.HANDLED,
            detail=Text(f"13 about {reason_refused} (flagged)", f"yêu cầu 13 về {reason_refused_vi} (đã đánh dấu)"),
            **values,
        )
        if target is not None:
            tx.receipts.record_note(target, detail=_describe_late_request(message, target))
        return stored_row
    stored_row = tx.receipts.move(row, ReceiptState.WAITING, **values | {"business": TAKE_BACK_KIND})
    reason = message.description or ""
    detail = Text(f"taking back asked for: {reason}", f"nơi gửi yêu cầu lấy lại: {reason}")
    tx.receipts.record_note(target, detail=detail, change=Change.ASKED)
    return stored_row


def _describe_late_request(message: StatusMessage, target: ReceiptRow) -> Text:
    """Describe a request that came too late, for the document's own timeline."""
    standing = [describe_code(target.last_code or "", vi=vi) for vi in (False, True)]
    if target.change is not None:
        standing = ["asked for already", "đã có yêu cầu thay đổi"]
    reason = message.description or ""
    return Text(
        f"taking back asked for too late ({standing[0]}; flagged, not to be answered): {reason}",
        f"nơi gửi yêu cầu lấy lại quá muộn ({standing[1]}; đã đánh dấu, không phải trả lời): {reason}",
    )
