"""Submission of documents: build and sign each once, and store it as one delivery, however often it is submitted.

A document is checked, and its delivery looked for. A new one is built and stored; a known one is ready again where it
had failed; one that the hub refused may be corrected: the new document takes its place under the same id, which an
office cannot change. The outbox sends what comes of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ..._core import UNOBSERVED, HeldFile, Operation, Text
from ...edxml import BusinessType, Document, read
from ...errors import DocumentError, EdocError, NotFound, PacketRefused, StatusNotAllowed, UnknownRecipient
from ...hubs import MessageType
from ...store import DELIVERIES, DeliveryRow, DeliveryState, NewDelivery, SpoolFile, Tx, require_same_document
from .._change_rules import KIND_BY_TYPE, WITHDRAWING_KINDS, select_target_ids
from .._context import ConnectorContext
from .._fingerprint import compute_fingerprint
from .._retry import NO_ERROR
from ..agencies import address_document
from ..naming import find_same_code
from .deadlines import compute_deadline
from .packet_builder import build_packet, check_message, measure_packet

REFUSED = "refused"

# After which a delivery counts as one that waits for anybody to send it. Who only queues it has none.
_HEAD_START = timedelta(seconds=5)

# The hub looked at the packet and said no to it. Any other end leaves room for doubt, a duplicate most of all.
_REFUSAL_ERRORS = (PacketRefused, UnknownRecipient)


@dataclass(frozen=True, slots=True)
class Submission:
    """A delivery that is in the store.

    Args:
        row: the delivery.
        is_new: whether it was stored just now, and is the caller's to send.
        packet: of a new one whose packet is small, the bytes that were stored.
    """

    row: DeliveryRow
    is_new: bool = False
    packet: HeldFile | None = None


def submit(
    context: ConnectorContext,
    document: Document,
    *,
    deadline: datetime | timedelta | None = None,
    use_successors: bool = False,
    queue: bool = False,
) -> Submission:
    """Store a document as a delivery, or find the one that is there.

    A delivery that failed is ``ready`` again: its caller sends it once more. One that the hub refused, and certainly
    never took, may be corrected.

    Args:
        context: the store and the key.
        document: the document.
        use_successors: whether the heir takes the place of a recipient whose code ended.
        deadline: until when it is to be with every recipient; that of a known delivery is changed.
        queue: whether its caller leaves it to others to send it, who may begin at once.

    Raises:
        InvalidQuery: the deadline is over already, or has no zone.
        DocumentError: the document breaks rules of the standard, or is not ours.
        RecipientEnded: a recipient's code ended, and its heir may not take its place.
        AttachmentError: a file to attach is gone or empty.
        DocumentIdConflict: another document was stored under its id.
        SigningError: the key cannot be used.
        StoreError: the store could not do it.
    """
    observed = context.hub.telemetry.observe(Operation.QUEUE, MessageType.EDOC) if queue else UNOBSERVED
    with observed:
        submission = _store(context, document, deadline, use_successors=use_successors, queue=queue)
        observed.note(document_id=submission.row.document_id)
    return submission


def _store(
    context: ConnectorContext,
    document: Document,
    deadline: datetime | timedelta | None,
    *,
    use_successors: bool,
    queue: bool,
) -> Submission:
    checked_at = context.store.clock()
    due = compute_deadline(context, document, deadline)
    check_message(context, document, at=checked_at)
    _require_own_sender(context, document)
    document, existing, can_correct = _look_up(context, document, use_successors=use_successors)
    fingerprint = compute_fingerprint(document, stored=None if existing is None else existing.fingerprint)
    if existing is None:
        file = build_packet(context, document, at=checked_at, already_checked=True)
        new_delivery = _build_new_delivery(context, document, fingerprint, file, due)
        submission = _add_delivery(context, new_delivery, document, head_start=timedelta() if queue else _HEAD_START)
        return replace(submission, packet=file.held) if submission.is_new else submission
    if can_correct and existing.fingerprint != fingerprint:
        file = build_packet(context, document, at=checked_at, already_checked=True)
        corrected = _build_new_delivery(context, document, fingerprint, file, due)
        return _correct_delivery(context, existing, corrected, document)
    same_delivery = require_same_document(existing, fingerprint)
    if deadline is not None:
        _change_deadline(context, same_delivery, deadline)
    if has_lost_packet(context, same_delivery):
        return rebuild(context, same_delivery, document)
    return resubmit(context, same_delivery)


def _look_up(
    context: ConnectorContext, document: Document, *, use_successors: bool
) -> tuple[Document, DeliveryRow | None, bool]:
    """Look up what the store has of a document: agencies that are there, its delivery, whether that may be corrected.

    Raises:
        RecipientEnded: as for `address_document`.
    """
    with context.store.snapshot() as tx:
        existing = tx.deliveries.find_by_document_id(context.agency, document.id)
        addressed = address_document(tx, context, document, existing=existing, use_successors=use_successors)
        return addressed, existing, existing is not None and is_correctable(tx, existing)


def _change_deadline(context: ConnectorContext, row: DeliveryRow, deadline: datetime | timedelta) -> None:
    """Give a known delivery another deadline; a span counts from when it was stored: a repeated call changes none."""
    moment = row.created_at + deadline if isinstance(deadline, timedelta) else deadline
    if moment != row.deadline:
        with context.store.transaction() as tx:
            tx.deliveries.set_deadline(row, moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What sending a document would do.

    Args:
        document_id: the DocumentId.
        size: bytes of the packet.
        is_signed: whether it is signed.
        largest: most bytes that the hub takes; None where it names no limit.
        known_state: where the delivery stands that the document is already; None for a new one.
    """

    document_id: str
    size: int
    is_signed: bool
    largest: int | None
    known_state: DeliveryState | None


def preview(context: ConnectorContext, document: Document, *, use_successors: bool = False) -> Preview:
    """Do what `submit` does before anything is stored: check a document, look for its delivery, build and sign it.

    Raises:
        EdocError: as for `submit`.
    """
    checked_at = context.store.clock()
    check_message(context, document, at=checked_at)
    _require_own_sender(context, document)
    document, existing, can_correct = _look_up(context, document, use_successors=use_successors)
    if existing is not None and not can_correct:
        require_same_document(existing, compute_fingerprint(document, stored=existing.fingerprint))
    size, is_signed = measure_packet(context, document, at=checked_at)
    return Preview(
        document_id=document.id,
        size=size,
        is_signed=is_signed,
        largest=context.packet_profile.max_packet,
        known_state=None if existing is None else DeliveryState(existing.state),
    )


# -- a new delivery


def _add_delivery(
    context: ConnectorContext, new_delivery: NewDelivery, document: Document, *, head_start: timedelta
) -> Submission:
    """Store a delivery whose caller has a head start: only after that it counts as one that waits to be sent."""
    row = None
    try:
        with context.store.transaction() as tx:
            row = tx.deliveries.add(new_delivery, due_at=tx.now + head_start)
            is_ours = row.spool_file == new_delivery.spool_file
            if is_ours:
                _record_request(tx, context, document)
    finally:
        # Nothing was stored, or another worker stored the same document first.
        if row is None or row.spool_file != new_delivery.spool_file:
            context.store.spool.delete_file(new_delivery.spool_file)
    return Submission(row, is_new=is_ours)


def _build_new_delivery(
    context: ConnectorContext, document: Document, fingerprint: str, file: SpoolFile, deadline: datetime | None
) -> NewDelivery:
    if document.issued_on is None:
        raise ValueError("a document without a date passed the rules")
    business = document.business.type or BusinessType.NEW
    return NewDelivery(
        agency=context.agency,
        document_id=document.id,
        business=KIND_BY_TYPE[business],
        targets=() if business is BusinessType.NEW else select_target_ids(document),
        code=document.code,
        subject=document.subject,
        issued_on=document.issued_on,
        spool_file=file.name,
        sha256=file.sha256,
        size=file.size,
        fingerprint=fingerprint,
        recipients=tuple((recipient.id, recipient.name) for recipient in document.recipients),
        hub=context.hub_name,
        deadline=deadline,
        deadline_due=deadline,
    )


def _record_request(tx: Tx, context: ConnectorContext, document: Document) -> None:
    """Enter the request of a recall or a replacement at those recipients of the documents acted on that it goes to."""
    kind = KIND_BY_TYPE[document.business.type or BusinessType.NEW]
    if kind not in WITHDRAWING_KINDS:
        return
    recipient_ids = {recipient.id for recipient in document.recipients}
    for document_id in select_target_ids(document):
        target = tx.deliveries.find_by_document_id(context.agency, document_id)
        if target is not None:
            held_by = _list_recipient_ids(tx, target)
            asked_ids = _list_asked_recipients(tx, context, held_by, recipient_ids)
            tx.recipients.record_request(target, asked_ids, request=kind, detail=document.business.reason or "")


def _list_asked_recipients(
    tx: Tx, context: ConnectorContext, held_by: Sequence[str], recipient_ids: Collection[str]
) -> list[str]:
    """List the recipients of a document that are asked, by their own codes or those of their heirs."""
    found = {find_same_code(tx, context.agency, recipient_id, held_by) for recipient_id in recipient_ids}
    return [organ_id for organ_id in held_by if organ_id in found]


# -- a delivery that failed


def has_lost_packet(context: ConnectorContext, row: DeliveryRow) -> bool:
    """Whether a delivery failed and its packet is gone or was altered: it has to be built anew, by `rebuild`."""
    return row.state == DeliveryState.FAILED and not context.store.spool.has(row.spool_file, row.sha256)


def resubmit(context: ConnectorContext, row: DeliveryRow) -> Submission:
    """Make a delivery that failed ``ready`` again; any other one is left as it is."""
    if row.state != DeliveryState.FAILED:
        return Submission(row)
    with context.store.transaction() as tx:
        current = tx.deliveries.get_by_id(row.id)
        if current.state == DeliveryState.FAILED:
            tx.deliveries.move(current, DeliveryState.READY, next_attempt_at=tx.now)
        return Submission(tx.deliveries.get_by_id(row.id))


def requeue_failed(tx: Tx, row: DeliveryRow, *, cause: Text) -> None:
    """Make a delivery that failed ``ready`` again by a person's word.

    Raises:
        LeaseLost: somebody else moved it.
    """
    tx.deliveries.move(row, DeliveryState.READY, cause=cause, next_attempt_at=tx.now)


def rebuild(context: ConnectorContext, row: DeliveryRow, document: Document) -> Submission:
    """Make a delivery that failed, and lost its packet, ``ready`` again with a packet built anew.

    The bytes are others than those that may have left once; the DocumentId is the same, and the content but for the
    reason that a recall gives, so a receiver that has it drops it.

    Raises:
        EdocError: as for `submit`.
    """
    file = build_packet(context, document, at=context.store.clock())
    is_committed = False
    try:
        with context.store.transaction() as tx:
            values: dict[str, Any] = {"spool_file": file.name, "sha256": file.sha256, "size": file.size}
            values |= {"fingerprint": compute_fingerprint(document), "next_attempt_at": tx.now}
            detail = Text("its packet was gone; built anew", "gói tin đã mất, đã tạo lại")
            tx.deliveries.move(row, DeliveryState.READY, detail=detail, **values)
            ready_row = tx.deliveries.get_by_id(row.id)
        is_committed = True
    finally:
        if not is_committed:
            context.store.spool.delete_file(file.name)
    return Submission(ready_row)


# -- a document that the hub refused, corrected


def is_correctable(tx: Tx, row: DeliveryRow) -> bool:
    """Whether another document may take the place of this one: the hub certainly never took it.

    Every time the delivery failed the hub had refused the packet for what is in it (`DeliveryRow.never_accepted`), it
    was never ``unknown`` nor ``sent``, and no recipient ever said anything about it.
    """
    if row.state != DeliveryState.FAILED or not row.never_accepted or row.hub_doc_id or row.sent_at:
        return False
    return not any(recipient.last_code or recipient.change for recipient in tx.recipients.load([row.id])[row.id])


def is_refused_by_hub(error: EdocError) -> bool:
    """Tell whether the hub refused what is in the packet."""
    return isinstance(error, _REFUSAL_ERRORS)


def record_refusal(tx: Tx, row: DeliveryRow) -> None:
    """Enter in the timeline of a delivery that failed now that the hub refused what is in the packet."""
    detail = Text(
        "the hub refused what is in the packet: the document can be corrected and sent under the same id",
        "trục từ chối nội dung gói tin: có thể sửa văn bản rồi gửi lại với cùng mã văn bản",
    )
    tx.timeline.record_change(DELIVERIES, row.id, old=DeliveryState.FAILED, new=REFUSED, detail=detail)


def _correct_delivery(
    context: ConnectorContext, existing: DeliveryRow, new_delivery: NewDelivery, document: Document
) -> Submission:
    """Put the document as it is now in the place of one that the hub refused."""
    corrected_row = None
    try:
        with context.store.transaction() as tx:
            refused_file = _apply_correction(tx, existing.id, document, new_delivery)
            if refused_file is not None:
                _record_request(tx, context, document)
            corrected_row = tx.deliveries.get_by_id(existing.id)
    finally:
        if corrected_row is None:
            context.store.spool.delete_file(new_delivery.spool_file)
    # Only now: had the commit failed, nobody could tell which of the two the row names.
    context.store.spool.delete_file(refused_file or new_delivery.spool_file)
    return resubmit(context, corrected_row)


def _apply_correction(tx: Tx, key: int, document: Document, new_delivery: NewDelivery) -> str | None:
    """Make the delivery with this key ``ready`` with the document as it is now.

    Returns:
        The spool name of the refused packet, to be removed after the transaction; None where another worker made the
        same correction first.

    Raises:
        DocumentIdConflict: the hub may have the document that is there, or it asks somebody for something that the new
            one does not.
    """
    tx.advisory_lock(f"delivery {key}")
    row = tx.deliveries.get_by_id(key)
    if not is_correctable(tx, row) or _is_request_dropped(tx, row, document, new_delivery):
        require_same_document(row, new_delivery.fingerprint)
        return None
    if row.fingerprint == new_delivery.fingerprint:
        return None
    refused_recipients = ", ".join(_list_recipient_ids(tx, row))
    detail = Text(
        f"corrected; the refused packet, to {refused_recipients}, had the SHA-256 {row.sha256}",
        f"văn bản đã được sửa; gói tin bị từ chối (gửi {refused_recipients}) có SHA-256 {row.sha256}",
    )
    tx.deliveries.replace_failed_document(row, new_delivery, detail=detail, **NO_ERROR)
    # The bytes go once this is on the disk; if that is missed, the next pruning finds them noted here.
    if tx.audit_log.find_pruned_at(row.spool_file) is None:
        tx.audit_log.mark_pruned(agency=row.agency, spool_file=row.spool_file, sha256=row.sha256, at=tx.now)
    packet_note = {"removed": "corrected", "sha256": row.sha256, "replaced_by": new_delivery.sha256}
    tx.audit_log.record("packet", DELIVERIES, key, packet_note)
    return row.spool_file


def _is_request_dropped(tx: Tx, row: DeliveryRow, document: Document, new_delivery: NewDelivery) -> bool:
    """Whether a correction drops the request to somebody, which stays in the row of the document acted on."""
    if row.business not in WITHDRAWING_KINDS:
        return False
    if new_delivery.business != row.business:
        return True
    recipient_ids = {recipient.id for recipient in document.recipients}
    for document_id in tx.deliveries.load_targets([row.id])[row.id]:
        target = tx.deliveries.find_by_document_id(row.agency, document_id)
        if target is None:
            continue
        asked_ids = {*_list_recipient_ids(tx, target)} & {*_list_recipient_ids(tx, row)}
        if asked_ids and (document_id not in new_delivery.targets or not asked_ids <= recipient_ids):
            return True
    return False


# -- what is in the store


def require_delivery(tx: Tx, context: ConnectorContext, document_id: str) -> DeliveryRow:
    """Find the delivery of a document.

    Raises:
        NotFound: there is none.
    """
    row = tx.deliveries.find_by_document_id(context.agency, document_id)
    if row is None:
        raise NotFound(
            f"no document was sent under the id {document_id}: look for it with deliveries().",
            vi=f"Chưa gửi văn bản nào có mã văn bản {document_id}: hãy tra bằng deliveries().",
        )
    return row


def require_sent(tx: Tx, context: ConnectorContext, document_id: str) -> DeliveryRow:
    """Find the delivery of a document that the hub has: any other cannot be recalled, updated or taken back.

    Raises:
        NotFound: there is none.
        StatusNotAllowed: says where it stands.
    """
    row = require_delivery(tx, context, document_id)
    if row.state == DeliveryState.SENT:
        return row
    raise StatusNotAllowed(
        f"the document {row.document_id} is {row.state}, not sent: send it first, or let it be.",
        vi=f"Văn bản {row.document_id} đang ở tình trạng {row.state}, chưa gửi xong: hãy gửi trước hoặc bỏ qua.",
    )


def read_original(context: ConnectorContext, row: DeliveryRow) -> Document:
    """Read the document of a delivery from the packet that was sent.

    Raises:
        NotFound: the packet is gone from the spool, or was removed when its time was over; says what can be done.
        StoreError: it was changed.
    """
    try:
        path = context.store.require_packet(row.spool_file, row.sha256)
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


def _list_recipient_ids(tx: Tx, row: DeliveryRow) -> list[str]:
    return [recipient.organ_id for recipient in tx.recipients.load([row.id])[row.id]]


def _require_own_sender(context: ConnectorContext, document: Document) -> None:
    if document.sender.id == context.agency:
        return
    raise DocumentError(
        f"the document is of {document.sender.id}, this connector sends for {context.agency}: set the sender to it.",
        vi=f"Văn bản có đơn vị gửi {document.sender.id}, kết nối này gửi thay cho {context.agency}: "
        "hãy sửa đơn vị gửi.",
        problems=(),
    )
