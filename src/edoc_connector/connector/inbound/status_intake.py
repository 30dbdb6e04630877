"""Intake of status packets: enter each in its delivery, or as a request to take a document back.

A status out of order, about a document nobody knows, or of somebody who may not say it, is recorded and flagged, never
dropped (business rules).
"""

from __future__ import annotations

from typing import Any

from ..._core import Text, get_logger
from ...edxml import Message, StatusMessage
from ...errors import NotFound
from ...store import (
    CHANGE_BY_ANSWER,
    DONE,
    NOT_OURS,
    TAKE_BACK_CODE,
    Change,
    DeliveryRow,
    Identity,
    ReceiptRow,
    ReceiptState,
    RecipientRow,
    Tx,
    can_take_back,
    describe_code,
)
from .._change_rules import KIND_NAMES_VI, TAKE_BACK_KIND, WITHDRAWING_KINDS
from ..naming import find_same_code
from .claims import JudgedPacket
from .quarantine import set_aside

log = get_logger("edoc_connector.connector.statuses")


def apply_status(tx: Tx, row: ReceiptRow, message: StatusMessage, values: dict[str, Any], judged: JudgedPacket) -> None:
    """Enter a status that was downloaded; a request to take a document back waits for the application instead.

    Args:
        tx: the transaction.
        row: the receipt of the status packet.
        message: what it says.
        values: the facts of the packet, for its row.
        judged: what was decided about it; where it does not count it moves nothing.
    """
    values = values | _name_subject(judged)
    if tx.receipts.find_counted_status(row, values["fingerprint"]) is not None:
        stored_row = tx.receipts.move(row, ReceiptState.DUPLICATE, **values)
    elif message.code != TAKE_BACK_CODE and judged.delivery is None and Identity(tx).read().is_restoring:
        _set_aside_unknown(tx, row, message, values)
        return
    elif not judged.ruling.counts:
        stored_row = _keep_uncounted(tx, row, message, values, judged)
    elif message.code == TAKE_BACK_CODE:
        stored_row = _record_take_back(tx, row, message, values, judged)
    else:
        detail = _record_report(tx, message, judged)
        stored_row = tx.receipts.move(row, ReceiptState.HANDLED, detail=detail, **values)
    if stored_row.state not in _UNCONFIRMED_STATES:
        tx.outgoing.enqueue_confirmation(stored_row, DONE, is_first=True)


_UNCONFIRMED_STATES = frozenset({ReceiptState.WAITING, ReceiptState.QUARANTINED})
"""States of a status that the hub is not told of yet: somebody has to see it first."""


def require_target(row: ReceiptRow, message: Message, judged: JudgedPacket) -> None:
    """Require that the document that a packet asks to give back is here, where it is such a request.

    Raises:
        NotFound: it is not, or several fit what the request says.
    """
    if isinstance(message, StatusMessage) and message.code == TAKE_BACK_CODE and not judged.targets:
        response_for = message.response_for
        named = " ".join(part for part in (response_for.document_id, response_for.code) if part) or "?"
        raise NotFound(
            f"docId {row.hub_doc_id}: {message.sender.id} asks for a document back that is not here, or not one alone: "
            f"{named}. Ask the sender which one is meant; when it has come, call recheck().",
            vi=f"docId {row.hub_doc_id}: {message.sender.id} yêu cầu lấy lại văn bản không có ở đây, hoặc có nhiều văn "
            f"bản phù hợp: {named}. Hãy hỏi nơi gửi; khi văn bản đã đến thì gọi recheck().",
        )


def _name_subject(judged: JudgedPacket) -> dict[str, Any]:
    """Name the document that was found, by the id under which it is here, as columns of the status's row."""
    subject = judged.delivery or next(iter(judged.targets), None)
    return {"document_id": subject.document_id} if subject is not None else {}


def _set_aside_unknown(tx: Tx, row: ReceiptRow, message: StatusMessage, values: dict[str, Any]) -> None:
    """Set a status aside whose document a restored store does not know: it was sent after the backup.

    The hub is not told, so that it keeps the status; once the document is known, it is taken in.
    """
    response_for = message.response_for
    named = f"{response_for.document_id or ''} {response_for.code or ''}".strip()
    log.warning(
        "docId %s: status %s about %s, which the restored store does not know", row.hub_doc_id, message.code, named
    )
    detail = Text(
        f"{message.code} about {named}, which this store does not know: it was sent after the backup that the store is "
        "restored from. Send that document again with the same id, and the status is taken in; see `edoc restored`.",
        f"trạng thái {message.code} về {named} mà kho không có: văn bản được gửi sau bản sao lưu đã khôi phục. Hãy gửi "
        "lại đúng văn bản đó với cùng mã để tiếp nhận trạng thái; xem `edoc restored`.",
    )
    columns = {"error_code": NOT_OURS, "error_text": detail.en, "error_vi": detail.vi, "took_effect": False}
    tx.receipts.move(row, ReceiptState.QUARANTINED, detail=detail, **values | columns)


def _keep_uncounted(
    tx: Tx, row: ReceiptRow, message: StatusMessage, values: dict[str, Any], judged: JudgedPacket
) -> ReceiptRow:
    """Keep a status that may not count: it is shown, also with the document it is about, and the application not told.

    The way of the hub's listing ends here: it is confirmed, for no later look would find it other.
    """
    code, sender, words = str(message.code), message.sender.id, judged.ruling.words
    log.warning("docId %s: status %s of %s does not count: %s", row.hub_doc_id, code, sender, words.en)
    detail = Text(
        f"{describe_code(code)} of {sender} moves nothing (flagged): {words.en}",
        f"{describe_code(code, vi=True)} của {sender} không có hiệu lực (đã đánh dấu): {words.vi}",
    )
    authority = judged.ruling.authority
    if judged.delivery is not None:
        tx.deliveries.record_note(
            judged.delivery, detail=detail, actor=sender, authority=authority, stated_at=message.timestamp
        )
    for target in judged.targets:
        tx.receipts.record_note(target, detail=detail, said_with=authority, stated_at=message.timestamp)
    return tx.receipts.move(row, ReceiptState.HANDLED, detail=detail, **values | {"noticed_at": tx.now})


def _record_report(tx: Tx, message: StatusMessage, judged: JudgedPacket) -> Text:
    """Enter a status in the delivery it is about; returns what was done, in words."""
    delivery, code = judged.delivery, str(message.code)
    if delivery is None:
        response_for = message.response_for
        log.warning(
            "status %s about a document we did not send: %s %s; if you did, another store is used for the agency",
            code,
            response_for.document_id,
            response_for.code,
        )
        return Text(
            f"{code} about a document that we did not send (flagged)",
            f"trạng thái {code} về văn bản không do đơn vị gửi (đã đánh dấu)",
        )
    in_order = tx.recipients.record_status(
        delivery,
        judged.party,
        code,
        reported_at=message.timestamp,
        description=message.description,
        name=message.sender.name,
        authority=judged.ruling.authority,
    )
    _record_answer(tx, delivery, message, judged)
    order_note = ("", "") if in_order else (" (out of order)", " (không đúng thứ tự)")
    return Text(
        f"{describe_code(code)} of {message.sender.id} on {delivery.document_id}{order_note[0]}",
        f"{describe_code(code, vi=True)} của {message.sender.id} về {delivery.document_id}{order_note[1]}",
    )


def _record_answer(tx: Tx, delivery: DeliveryRow, message: StatusMessage, judged: JudgedPacket) -> None:
    """Enter an answer (15, 16) for the packet that asks and for the document it acts on, whichever it names."""
    code, organ_id, authority = str(message.code), judged.party, judged.ruling.authority
    if code not in CHANGE_BY_ANSWER:
        return
    tx.outgoing.settle_answered(delivery, organ_id)
    if delivery.business in WITHDRAWING_KINDS:
        detail = Text(f"answer to the {delivery.business}", f"trả lời yêu cầu {KIND_NAMES_VI[delivery.business]}")
        for document_id in tx.deliveries.load_targets([delivery.id])[delivery.id]:
            target = tx.deliveries.find_by_document_id(delivery.agency, document_id)
            recipient = None if target is None else _find_recipient(tx, target, organ_id)
            if target is not None and recipient is not None:
                tx.recipients.record_answer(
                    target, recipient.organ_id, code, detail=detail, authority=authority, stated_at=message.timestamp
                )
        return
    for change in tx.deliveries.list_changes_to(delivery.agency, delivery.document_id):
        recipient = _find_recipient(tx, change, organ_id)
        if recipient is not None and recipient.last_code in (None, "01"):
            tx.recipients.record_status(
                change,
                recipient.organ_id,
                code,
                reported_at=message.timestamp,
                description=message.description,
                authority=authority,
            )
            return


def _find_recipient(tx: Tx, delivery: DeliveryRow, organ_id: str) -> RecipientRow | None:
    """Find a recipient by any of its codes: what an heir answers is entered where the ended one stands."""
    recipients = tx.recipients.load([delivery.id])[delivery.id]
    code = find_same_code(tx, delivery.agency, organ_id, [one.organ_id for one in recipients])
    return next((one for one in recipients if one.organ_id == code), None)


def _record_take_back(
    tx: Tx, row: ReceiptRow, message: StatusMessage, values: dict[str, Any], judged: JudgedPacket
) -> ReceiptRow:
    response_for, authority = message.response_for, judged.ruling.authority
    try:
        require_target(row, message, judged)
    except NotFound as error:  # confirmed, it would be gone before anybody saw it
        return set_aside(tx, row, error, values)
    tx.receipts.lock_receipt(judged.targets[0].id)
    target = tx.receipts.get_by_id(judged.targets[0].id)
    if not can_take_back(target.last_code, change=target.change):
        reason_refused, reason_refused_vi = (
            f"a document at {target.last_code}",
            f"văn bản đang ở trạng thái {target.last_code}",
        )
        log.warning("%s asks to take back %s: %s", message.sender.id, reason_refused, response_for.document_id)
        stored_row = tx.receipts.move(
            row,
            ReceiptState.HANDLED,
            detail=Text(f"13 about {reason_refused} (flagged)", f"yêu cầu 13 về {reason_refused_vi} (đã đánh dấu)"),
            **values,
        )
        tx.receipts.record_note(
            target, detail=_describe_late_request(message, target), said_with=authority, stated_at=message.timestamp
        )
        return stored_row
    stored_row = tx.receipts.move(row, ReceiptState.WAITING, **values | {"business": TAKE_BACK_KIND})
    reason = message.description or ""
    detail = Text(f"taking back asked for: {reason}", f"nơi gửi yêu cầu lấy lại: {reason}")
    tx.receipts.record_note(
        target, detail=detail, said_with=authority, stated_at=message.timestamp, change=Change.ASKED
    )
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
