"""Status packets that come in, entered where they belong: in our deliveries, or in a receipt that is to be taken back.

A status out of order, or about a document nobody knows, is recorded and flagged, never dropped (business rules).
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from ..._core.text import both
from ...edxml import StatusMessage
from ...store import Change, ReceiptState, Tx, deliveries, directory, outgoing, receipts
from ...store.rows import DeliveryRow, ReceiptRow
from ...store.status_rules import ANSWERS, TAKE_BACK, describe, may_take_back
from ..delivery import KINDS_VI

log = logging.getLogger("edoc_connector.connector.statuses")

TAKE_BACK_KIND = "take_back"


def apply_status(tx: Tx, row: ReceiptRow, message: StatusMessage, values: dict[str, Any]) -> None:
    """Enter a status that was downloaded; a request to take a document back waits for the application instead.

    Args:
        tx: the transaction.
        row: the receipt of the status packet.
        message: what it says.
        values: the facts of the packet, for its row.
    """
    if _seen(tx, row, values["fingerprint"]):
        after = receipts.move(tx, row, ReceiptState.DUPLICATE, **values)
    elif message.code == TAKE_BACK:
        after = _take_back(tx, row, message, values)
    else:
        detail = _report(tx, row, message)
        after = receipts.move(tx, row, ReceiptState.HANDLED, detail=detail, **values)
    if after.state != ReceiptState.WAITING:
        outgoing.confirm(tx, after, outgoing.DONE, first=True)


def _seen(tx: Tx, row: ReceiptRow, fingerprint: str) -> bool:
    T = receipts.T  # noqa: N806  a table
    same = [T.c.fingerprint == fingerprint, T.c.message_type == receipts.STATUS, T.c.id != row.id]
    return bool(receipts.find(tx, row.agency, *same, limit=1))


def _report(tx: Tx, row: ReceiptRow, message: StatusMessage) -> str:
    """Enter a status in the delivery it is about; what was done, in words."""
    delivery = meant(tx, row.agency, message)
    code = str(message.code)
    if delivery is None:
        about = message.response_for
        log.warning("status %s about a document we did not send: %s %s", code, about.document_id, about.code)
        return both(
            f"{code} about a document that we did not send (flagged)",
            f"trạng thái {code} về văn bản không do đơn vị gửi (đã đánh dấu)",
        )
    at = message.timestamp or tx.now
    in_order = deliveries.report(
        tx, delivery, message.sender.id, code, at=at, description=message.description, name=message.sender.name
    )
    _answer(tx, delivery, message, at)
    order = ("", "") if in_order else (" (out of order)", " (không đúng thứ tự)")
    other = _of_another(tx, row, message.sender.id)
    return both(
        f"{describe(code)} of {message.sender.id} on {delivery.document_id}{order[0]}{other[0]}",
        f"{describe(code, vi=True)} của {message.sender.id} về {delivery.document_id}{order[1]}{other[1]}",
    )


def _of_another(tx: Tx, row: ReceiptRow, sender: str) -> tuple[str, str]:
    """Words for a status whose sender is not whom the hub announced; a hub may do that for an honest reason."""
    known = directory.lookup(tx, row.agency, row.offered_by) if row.offered_by else None
    codes = {row.offered_by, known.code, known.other_code} if known is not None else {row.offered_by}
    if not row.offered_by or sender in codes:
        return "", ""
    log.warning("docId %s: a status of %s, which the hub announced as of %s", row.hub_doc_id, sender, row.offered_by)
    return f" (the hub announced {row.offered_by}; flagged)", f" (trục báo nơi gửi là {row.offered_by}; đã đánh dấu)"


def _answer(tx: Tx, delivery: DeliveryRow, message: StatusMessage, at: datetime) -> None:
    """An answer (15, 16) counts for the packet that asks and for the document it acts on, whichever it names."""
    code, organ_id = str(message.code), message.sender.id
    if code not in ANSWERS:
        return
    if delivery.business in ("recall", "replace"):
        detail = both(f"answer to the {delivery.business}", f"trả lời yêu cầu {KINDS_VI[delivery.business]}")
        for document_id in deliveries.targets(tx, [delivery.id])[delivery.id]:
            target = deliveries.get(tx, delivery.agency, document_id)
            if target is not None:
                deliveries.answered(tx, target, organ_id, code, detail=detail)
        return
    for change in deliveries.changes_to(tx, delivery.agency, delivery.document_id):
        asked = deliveries.recipient(tx, change.id, organ_id)
        if asked is not None and asked.last_code in (None, "01"):
            deliveries.report(tx, change, organ_id, code, at=at, description=message.description)
            return


def meant(tx: Tx, agency: str, message: StatusMessage) -> DeliveryRow | None:
    """The delivery that a status is about: by DocumentId, else by number, notation and date where only one fits."""
    about = message.response_for
    found = deliveries.get(tx, agency, about.document_id) if about.document_id else None
    if found is not None or not about.code:
        return found
    T = deliveries.T  # noqa: N806  a table
    where = [T.c.code == about.code, T.c.business == "new"]
    if about.issued_on is not None:
        where.append(T.c.issued_on == about.issued_on)
    near = deliveries.find(tx, agency, *where, limit=2)
    return near[0] if len(near) == 1 else None


def _take_back(tx: Tx, row: ReceiptRow, message: StatusMessage, values: dict[str, Any]) -> ReceiptRow:
    about = message.response_for
    target = receipts.effective(tx, row.agency, about.document_id or "", message.sender.id)
    if target is not None:
        receipts.alone(tx, target.id)
        target = receipts.by_key(tx, target.id)
    if target is None or not may_take_back(target.last_code, change=target.change):
        why = "a document that did not come" if target is None else f"a document at {target.last_code}"
        why_vi = "văn bản chưa đến" if target is None else f"văn bản đang ở trạng thái {target.last_code}"
        log.warning("%s asks to take back %s: %s", message.sender.id, why, about.document_id)
        after = receipts.move(
            tx,
            row,
            ReceiptState.HANDLED,
            detail=both(f"13 about {why} (flagged)", f"yêu cầu 13 về {why_vi} (đã đánh dấu)"),
            **values,
        )
        if target is not None:
            receipts.said(tx, target, detail=_too_late(message, target))
        return after
    after = receipts.move(tx, row, ReceiptState.WAITING, **values | {"business": TAKE_BACK_KIND})
    reason = message.description or ""
    detail = both(f"taking back asked for: {reason}", f"nơi gửi yêu cầu lấy lại: {reason}")
    receipts.said(tx, target, detail=detail, change=Change.ASKED)
    return after


def _too_late(message: StatusMessage, target: ReceiptRow) -> str:
    """What the document's own story says of a request that needs no answer any more."""
    where = [describe(target.last_code or "", vi=vi) for vi in (False, True)]
    if target.change is not None:
        where = ["asked for already", "đã có yêu cầu thay đổi"]
    reason = message.description or ""
    return both(
        f"taking back asked for too late ({where[0]}; flagged, not to be answered): {reason}",
        f"nơi gửi yêu cầu lấy lại quá muộn ({where[1]}; đã đánh dấu, không phải trả lời): {reason}",
    )
