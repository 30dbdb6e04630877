"""Documents on their way into the store: built and signed once, and the same document twice is one delivery."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..._core import join_languages
from ...edxml import BusinessType, Document, ResponseFor, StaffInfo, StatusCode, StatusMessage, read
from ...errors import DocumentError, NotFound, StatusNotAllowed
from ...store import (
    TAKE_BACK_CODE,
    DeliveryRow,
    DeliveryState,
    NewDelivery,
    SpoolFile,
    Tx,
    can_take_back,
    require_same_document,
    require_take_back,
)
from .._context import ConnectorContext
from ..delivery import KIND_BY_TYPE
from ..inbound.intake import WITHDRAWING_TYPES, select_target_ids
from ..operations.spool_maintenance import has_packet
from . import correcting
from .packet_builder import build_packet, check_message, compute_fingerprint

_HEAD_START = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Submission:
    """A delivery that is in the store.

    Args:
        row: the delivery.
        is_new: whether it was stored just now, and is the caller's to send.
    """

    row: DeliveryRow
    is_new: bool = False


def submit(context: ConnectorContext, document: Document) -> Submission:
    """The delivery of a document: a new one, or the one that is there.

    A delivery that failed is ``ready`` again: its caller sends it once more. One that the hub refused, and certainly
    never took, may be corrected: the document takes its place under the same id.

    Raises:
        DocumentError: the document breaks rules of the standard, or is not ours.
        AttachmentError: a file to attach is gone or empty.
        DocumentIdConflict: another document was stored under its id.
        SigningError: the key cannot be used.
        StoreError: the store could not do it.
    """
    checked_at = context.store.clock()
    check_message(document, at=checked_at)
    _require_own_sender(context, document)
    content_hash = compute_fingerprint(document)
    with context.store.snapshot() as tx:
        existing = tx.deliveries.find_by_document_id(context.agency, document.id)
        can_correct = (
            existing is not None and existing.fingerprint != content_hash and correcting.is_correctable(tx, existing)
        )
    if existing is not None and can_correct:
        return Submission(_submit_correction(context, existing, document, content_hash))
    if existing is not None:
        same_delivery = require_same_document(existing, content_hash)
        if same_delivery.state != DeliveryState.FAILED or has_packet(
            context, same_delivery.spool_file, same_delivery.sha256
        ):
            return Submission(_reset_failed(context, same_delivery))
    file = build_packet(context, document, at=checked_at, already_checked=True)
    if existing is not None:
        return Submission(_replace_lost_packet(context, existing, file, content_hash))
    return _add_delivery(context, document, content_hash, file)


def _add_delivery(context: ConnectorContext, document: Document, content_hash: str, file: SpoolFile) -> Submission:
    """A new delivery, whose caller has a head start: only after that it counts as one that waits to be sent."""
    new_delivery = _build_new_delivery(context, document, content_hash, file)
    row = None
    try:
        with context.transaction() as tx:
            row = tx.deliveries.add(new_delivery, due_at=tx.now + _HEAD_START)
            is_ours = row.spool_file == file.name
            if is_ours:
                _record_request(tx, context, document)
    finally:
        # Nothing was stored, or another worker stored the same document first.
        if row is None or row.spool_file != file.name:
            context.store.spool.discard(file.name)
    return Submission(row, is_new=is_ours)


def resubmit(context: ConnectorContext, row: DeliveryRow, read_document: Callable[[], Document]) -> Submission:
    """A delivery whose caller sends it once more.

    Args:
        context: who we are.
        row: the delivery.
        read_document: says what it holds; called only where its packet is gone or was altered.

    Raises:
        EdocError: as for `stored`.
    """
    if row.state != DeliveryState.FAILED or has_packet(context, row.spool_file, row.sha256):
        return Submission(_reset_failed(context, row))
    rebuilt = read_document()
    return Submission(
        _replace_lost_packet(
            context, row, build_packet(context, rebuilt, at=context.store.clock()), compute_fingerprint(rebuilt)
        )
    )


def build_no_recipient_error(document_id: str) -> NotFound:
    """The error for a request that names no recipient."""
    return NotFound(
        f"no recipient of {document_id} was named: name some, or leave recipients out to ask everybody.",
        vi=f"Chưa nêu nơi nhận nào của {document_id}: hãy nêu nơi nhận, hoặc bỏ tham số recipients để hỏi tất cả.",
    )


def require_delivery(tx: Tx, context: ConnectorContext, document_id: str) -> DeliveryRow:
    """The delivery of a document.

    Raises:
        NotFound: there is none.
    """
    row = tx.deliveries.find_by_document_id(context.agency, document_id)
    if row is None:
        raise NotFound(
            f"no document was sent under the id {document_id}: look for it with deliveries().",
            vi=f"Chưa gửi văn bản nào có mã định danh {document_id}: hãy tra bằng deliveries().",
        )
    return row


def read_original(context: ConnectorContext, row: DeliveryRow) -> Document:
    """The document of a delivery, from the packet that was sent.

    Raises:
        NotFound: the packet is gone from the spool, or was removed when its time was over; says what can be done.
        StoreError: it was changed.
    """
    try:
        path = context.require_packet(row.spool_file, row.sha256)
    except NotFound as error:
        raise NotFound(
            f"{error.message} A recall is made from it: ask with take_back(), which needs no packet, or send a "
            "replacement with replace().",
            vi=f"{error.vi} Yêu cầu thu hồi được lập từ gói tin đó: hãy dùng take_back() (lấy lại), không cần gói tin, "
            "hoặc gửi văn bản thay thế bằng replace().",
        ) from error
    message = read(path).message
    if not isinstance(message, Document):
        raise TypeError(f"not a document: {type(message).__name__}")
    return message


def require_sent(row: DeliveryRow) -> None:
    """Raise unless the hub has a document: before that there is nothing to recall, update or take back.

    Raises:
        StatusNotAllowed: says where it stands.
    """
    if row.state == DeliveryState.SENT:
        return
    raise StatusNotAllowed(
        f"the document {row.document_id} is {row.state}, not sent: send it first, or let it be.",
        vi=f"Văn bản {row.document_id} đang ở trạng thái {row.state}, chưa gửi xong: hãy gửi trước hoặc bỏ qua.",
    )


def request_take_back(
    context: ConnectorContext,
    document_id: str,
    *,
    organ_ids: Collection[str] | None,
    reason: str,
    staff: StaffInfo | None,
) -> None:
    """Queue the request to give a document back (13) to its recipients.

    Args:
        context: who we are.
        document_id: the document.
        organ_ids: the recipients to ask; where they are left out, all who may still be asked.
        reason: why.
        staff: the officer.

    Raises:
        NotFound: there is no such delivery, a code is none of its recipients, or none is named.
        StatusNotAllowed: a recipient cannot be asked any more, or none can.
        DocumentError: the reason is missing.
    """
    with context.transaction(staff.staff if staff is not None else None) as tx:
        row = require_delivery(tx, context, document_id)
        tx.deliveries.lock_delivery(row.id)
        require_sent(row)
        message = _build_take_back(context, row, reason, staff, at=tx.now)
        check_message(message, at=tx.now)
        asked_ids = _select_asked_ids(tx, row, organ_ids)
        for organ_id in asked_ids:
            text = message.model_dump_json()
            tx.outgoing.enqueue_status(
                agency=row.agency,
                code=TAKE_BACK_CODE,
                recipient=organ_id,
                message=text,
                delivery_id=row.id,
            )
        tx.deliveries.record_request(row, asked_ids, request=TAKE_BACK_CODE, detail=reason)


def _build_take_back(
    context: ConnectorContext, row: DeliveryRow, reason: str, staff: StaffInfo | None, *, at: datetime
) -> StatusMessage:
    response_for = ResponseFor(organ_id=row.agency, code=row.code, document_id=row.document_id, issued_on=row.issued_on)
    return StatusMessage(
        sender=context.organization,
        response_for=response_for,
        code=StatusCode.TAKE_BACK,
        description=reason,
        timestamp=at.replace(microsecond=0),
        staff=staff,
    )


def _select_asked_ids(tx: Tx, row: DeliveryRow, organ_ids: Collection[str] | None) -> list[str]:
    if organ_ids is not None and not organ_ids:
        raise build_no_recipient_error(row.document_id)
    recipients_by_id = {recipient.organ_id: recipient for recipient in tx.deliveries.load_recipients([row.id])[row.id]}
    unknown_ids = sorted(set(organ_ids or ()) - set(recipients_by_id))
    if unknown_ids:
        raise NotFound(
            f"{unknown_ids[0]} is no recipient of {row.document_id}; its recipients are {', '.join(recipients_by_id)}.",
            vi=f"{unknown_ids[0]} không phải nơi nhận của {row.document_id}; các nơi nhận: "
            f"{', '.join(recipients_by_id)}.",
        )
    chosen_recipients = (
        [recipients_by_id[organ_id] for organ_id in dict.fromkeys(organ_ids)]
        if organ_ids is not None
        else list(recipients_by_id.values())
    )
    askable_recipients = [
        recipient for recipient in chosen_recipients if can_take_back(recipient.last_code, change=recipient.change)
    ]
    for recipient in chosen_recipients if organ_ids is not None or not askable_recipients else askable_recipients:
        require_take_back(recipient.organ_id, recipient.last_code, change=recipient.change)
    return [recipient.organ_id for recipient in askable_recipients]


def _reset_failed(context: ConnectorContext, row: DeliveryRow) -> DeliveryRow:
    if row.state != DeliveryState.FAILED:
        return row
    with context.transaction() as tx:
        current = tx.deliveries.get_by_id(row.id)
        if current.state == DeliveryState.FAILED:
            tx.deliveries.move(current, DeliveryState.READY, next_attempt_at=tx.now)
        return tx.deliveries.get_by_id(row.id)


def _replace_lost_packet(
    context: ConnectorContext, row: DeliveryRow, file: SpoolFile, content_hash: str
) -> DeliveryRow:
    """A delivery that failed and whose packet is gone or was altered, ready again with a packet built anew.

    The bytes are others than those that may have left once; the DocumentId is the same, and the content but for the
    reason that a recall gives, so a receiver that has it drops it.
    """
    is_committed = False
    try:
        with context.transaction() as tx:
            values = {"spool_file": file.name, "sha256": file.sha256, "size": file.size, "fingerprint": content_hash}
            detail = join_languages("its packet was gone; built anew", "gói tin đã mất, đã tạo lại")
            tx.deliveries.move(row, DeliveryState.READY, detail=detail, next_attempt_at=tx.now, **values)
            ready_row = tx.deliveries.get_by_id(row.id)
        is_committed = True
        return ready_row
    finally:
        if not is_committed:
            context.store.spool.discard(file.name)


def _submit_correction(
    context: ConnectorContext, existing: DeliveryRow, document: Document, content_hash: str
) -> DeliveryRow:
    """A delivery that the hub refused, ready again with the document as it is now."""
    file = build_packet(context, document, at=context.store.clock(), already_checked=True)
    corrected_row = None
    try:
        with context.transaction() as tx:
            refused_file = correcting.apply_correction(
                tx, existing.id, document, _build_new_delivery(context, document, content_hash, file)
            )
            if refused_file is not None:
                _record_request(tx, context, document)
            corrected_row = tx.deliveries.get_by_id(existing.id)
    finally:
        if corrected_row is None:
            context.store.spool.discard(file.name)
    # Only now: had the commit failed, nobody could tell which of the two the row names.
    context.store.spool.discard(refused_file or file.name)
    return _reset_failed(context, corrected_row)


def _build_new_delivery(
    context: ConnectorContext, document: Document, content_hash: str, file: SpoolFile
) -> NewDelivery:
    if document.issued_on is None:
        raise ValueError("a document without a date passed the rules")
    return NewDelivery(
        agency=context.agency,
        document_id=document.id,
        business=KIND_BY_TYPE[document.business.type or BusinessType.NEW],
        targets=select_target_ids(document),
        code=document.code,
        subject=document.subject,
        issued_on=document.issued_on,
        spool_file=file.name,
        sha256=file.sha256,
        size=file.size,
        fingerprint=content_hash,
        recipients=tuple((recipient.id, recipient.name) for recipient in document.recipients),
    )


def _record_request(tx: Tx, context: ConnectorContext, document: Document) -> None:
    """A recall or a replacement asks those recipients of the documents acted on that it goes to."""
    kind = document.business.type
    if kind not in WITHDRAWING_TYPES:
        return
    recipient_ids = {recipient.id for recipient in document.recipients}
    for document_id in select_target_ids(document):
        target = tx.deliveries.find_by_document_id(context.agency, document_id)
        if target is not None:
            holder_ids = [recipient.organ_id for recipient in tx.deliveries.load_recipients([target.id])[target.id]]
            asked_ids = [organ_id for organ_id in holder_ids if organ_id in recipient_ids]
            tx.deliveries.record_request(
                target, asked_ids, request=KIND_BY_TYPE[kind], detail=document.business.reason or ""
            )


def _require_own_sender(context: ConnectorContext, document: Document) -> None:
    if document.sender.id == context.agency:
        return
    raise DocumentError(
        f"the document is of {document.sender.id}, this connector sends for {context.agency}: set the sender to it.",
        vi=f"Văn bản có đơn vị gửi {document.sender.id}, kết nối này gửi thay cho {context.agency}: "
        "hãy sửa đơn vị gửi.",
        problems=(),
    )
