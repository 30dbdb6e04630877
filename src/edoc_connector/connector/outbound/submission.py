"""Documents on their way into the store: built and signed once, and the same document twice is one delivery."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..._core.text import both
from ...edxml import BusinessType, Document, ResponseFor, StaffInfo, StatusCode, StatusMessage, read
from ...errors import DocumentError, NotFound, StatusNotAllowed
from ...store import DeliveryState, SpoolFile, Tx, deliveries, outgoing, status_rules
from ...store.deliveries import NewDelivery
from ...store.rows import DeliveryRow
from .._context import Session
from ..delivery import BUSINESS
from ..inbound.intake import WITHDRAWING, acted_on
from ..operations.spool_maintenance import usable
from . import correcting
from .packet_builder import build, check, fingerprint

_HEAD_START = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Stored:
    """A delivery that is in the store.

    Args:
        row: the delivery.
        new: whether it was stored just now, and is the caller's to send.
    """

    row: DeliveryRow
    new: bool = False


def stored(session: Session, document: Document) -> Stored:
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
    at = session.store.clock()
    check(document, at=at)
    _require_ours(session, document)
    content = fingerprint(document)
    with session.store.reading() as tx:
        known = deliveries.get(tx, session.agency, document.id)
        mended = known is not None and known.fingerprint != content and correcting.correctable(tx, known)
    if known is not None and mended:
        return Stored(_corrected(session, known, document, content))
    if known is not None:
        again = deliveries.same(known, content)
        if again.state != DeliveryState.FAILED or usable(session, again.spool_file, again.sha256):
            return Stored(_once_more(session, again))
    file = build(session, document, at=at, checked=True)
    if known is not None:
        return Stored(_rebuilt(session, known, file, content))
    return _added(session, document, content, file)


def _added(session: Session, document: Document, content: str, file: SpoolFile) -> Stored:
    """A new delivery, whose caller has a head start: only after that it counts as one that waits to be sent."""
    new = _new(session, document, content, file)
    row = None
    try:
        with session.transaction() as tx:
            row = deliveries.add(tx, new, due=tx.now + _HEAD_START)
            ours = row.spool_file == file.name
            if ours:
                _note_request(tx, session, document)
    finally:
        # Nothing was stored, or another worker stored the same document first.
        if row is None or row.spool_file != file.name:
            session.store.spool.discard(file.name)
    return Stored(row, new=ours)


def again(session: Session, row: DeliveryRow, document: Callable[[], Document]) -> Stored:
    """A delivery whose caller sends it once more.

    Args:
        session: who we are.
        row: the delivery.
        document: says what it holds; called only where its packet is gone or was altered.

    Raises:
        EdocError: as for `stored`.
    """
    if row.state != DeliveryState.FAILED or usable(session, row.spool_file, row.sha256):
        return Stored(_once_more(session, row))
    anew = document()
    return Stored(_rebuilt(session, row, build(session, anew, at=session.store.clock()), fingerprint(anew)))


def nobody(document_id: str) -> NotFound:
    """The error for a request that names no recipient."""
    return NotFound(
        f"no recipient of {document_id} was named: name some, or leave recipients out to ask everybody.",
        vi=f"Chưa nêu nơi nhận nào của {document_id}: hãy nêu nơi nhận, hoặc bỏ tham số recipients để hỏi tất cả.",
    )


def delivery_row(tx: Tx, session: Session, document_id: str) -> DeliveryRow:
    """The delivery of a document.

    Raises:
        NotFound: there is none.
    """
    row = deliveries.get(tx, session.agency, document_id)
    if row is None:
        raise NotFound(
            f"no document was sent under the id {document_id}: look for it with deliveries().",
            vi=f"Chưa gửi văn bản nào có mã định danh {document_id}: hãy tra bằng deliveries().",
        )
    return row


def original_of(session: Session, row: DeliveryRow) -> Document:
    """The document of a delivery, from the packet that was sent.

    Raises:
        NotFound: the packet is gone from the spool, or was removed when its time was over; says what can be done.
        StoreError: it was changed.
    """
    try:
        path = session.packet(row.spool_file, row.sha256)
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


def ask_back(
    session: Session, document_id: str, *, organ_ids: Collection[str] | None, reason: str, staff: StaffInfo | None
) -> None:
    """Queue the request to give a document back (13) to its recipients.

    Args:
        session: who we are.
        document_id: the document.
        organ_ids: the recipients to ask; where they are left out, all who may still be asked.
        reason: why.
        staff: the officer.

    Raises:
        NotFound: there is no such delivery, a code is none of its recipients, or none is named.
        StatusNotAllowed: a recipient cannot be asked any more, or none can.
        DocumentError: the reason is missing.
    """
    with session.transaction(staff.staff if staff is not None else None) as tx:
        row = delivery_row(tx, session, document_id)
        deliveries.alone(tx, row.id)
        require_sent(row)
        message = _take_back(session, row, reason, staff, at=tx.now)
        check(message, at=tx.now)
        asked = _whom_to_ask(tx, row, organ_ids)
        for organ_id in asked:
            text = message.model_dump_json()
            outgoing.status(
                tx, agency=row.agency, code=status_rules.TAKE_BACK, recipient=organ_id, message=text, delivery_id=row.id
            )
        deliveries.ask(tx, row, asked, what=status_rules.TAKE_BACK, detail=reason)


def _take_back(
    session: Session, row: DeliveryRow, reason: str, staff: StaffInfo | None, *, at: datetime
) -> StatusMessage:
    about = ResponseFor(organ_id=row.agency, code=row.code, document_id=row.document_id, issued_on=row.issued_on)
    return StatusMessage(
        sender=session.organization,
        response_for=about,
        code=StatusCode.TAKE_BACK,
        description=reason,
        timestamp=at.replace(microsecond=0),
        staff=staff,
    )


def _whom_to_ask(tx: Tx, row: DeliveryRow, organ_ids: Collection[str] | None) -> list[str]:
    if organ_ids is not None and not organ_ids:
        raise nobody(row.document_id)
    known = {one.organ_id: one for one in deliveries.recipients(tx, [row.id])[row.id]}
    strangers = sorted(set(organ_ids or ()) - set(known))
    if strangers:
        raise NotFound(
            f"{strangers[0]} is no recipient of {row.document_id}; its recipients are {', '.join(known)}.",
            vi=f"{strangers[0]} không phải nơi nhận của {row.document_id}; các nơi nhận: {', '.join(known)}.",
        )
    chosen = (
        [known[organ_id] for organ_id in dict.fromkeys(organ_ids)] if organ_ids is not None else list(known.values())
    )
    open_ = [one for one in chosen if status_rules.may_take_back(one.last_code, change=one.change)]
    for one in chosen if organ_ids is not None or not open_ else open_:
        status_rules.require_take_back(one.organ_id, one.last_code, change=one.change)
    return [one.organ_id for one in open_]


def _once_more(session: Session, row: DeliveryRow) -> DeliveryRow:
    if row.state != DeliveryState.FAILED:
        return row
    with session.transaction() as tx:
        known = deliveries.by_key(tx, row.id)
        if known.state == DeliveryState.FAILED:
            deliveries.move(tx, known, DeliveryState.READY, next_attempt_at=tx.now)
        return deliveries.by_key(tx, row.id)


def _rebuilt(session: Session, row: DeliveryRow, file: SpoolFile, content: str) -> DeliveryRow:
    """A delivery that failed and whose packet is gone or was altered, ready again with a packet built anew.

    The bytes are others than those that may have left once; the DocumentId is the same, and the content but for the
    reason that a recall gives, so a receiver that has it drops it.
    """
    done = False
    try:
        with session.transaction() as tx:
            values = {"spool_file": file.name, "sha256": file.sha256, "size": file.size, "fingerprint": content}
            detail = both("its packet was gone; built anew", "gói tin đã mất, đã tạo lại")
            deliveries.move(tx, row, DeliveryState.READY, detail=detail, next_attempt_at=tx.now, **values)
            again = deliveries.by_key(tx, row.id)
        done = True
        return again
    finally:
        if not done:
            session.store.spool.discard(file.name)


def _corrected(session: Session, known: DeliveryRow, document: Document, content: str) -> DeliveryRow:
    """A delivery that the hub refused, ready again with the document as it is now."""
    file = build(session, document, at=session.store.clock(), checked=True)
    now = None
    try:
        with session.transaction() as tx:
            old = correcting.corrected(tx, known.id, document, _new(session, document, content, file))
            if old is not None:
                _note_request(tx, session, document)
            now = deliveries.by_key(tx, known.id)
    finally:
        if now is None:
            session.store.spool.discard(file.name)
    # Only now: had the commit failed, nobody could tell which of the two the row names.
    session.store.spool.discard(old or file.name)
    return _once_more(session, now)


def _new(session: Session, document: Document, content: str, file: SpoolFile) -> NewDelivery:
    if document.issued_on is None:
        raise ValueError("a document without a date passed the rules")
    return NewDelivery(
        agency=session.agency,
        document_id=document.id,
        business=BUSINESS[document.business.type or BusinessType.NEW],
        targets=acted_on(document),
        code=document.code,
        subject=document.subject,
        issued_on=document.issued_on,
        spool_file=file.name,
        sha256=file.sha256,
        size=file.size,
        fingerprint=content,
        recipients=tuple((one.id, one.name) for one in document.recipients),
    )


def _note_request(tx: Tx, session: Session, document: Document) -> None:
    """A recall or a replacement asks those recipients of the documents acted on that it goes to."""
    kind = document.business.type
    if kind not in WITHDRAWING:
        return
    to = {one.id for one in document.recipients}
    for document_id in acted_on(document):
        target = deliveries.get(tx, session.agency, document_id)
        if target is not None:
            held = [one.organ_id for one in deliveries.recipients(tx, [target.id])[target.id]]
            asked = [organ_id for organ_id in held if organ_id in to]
            deliveries.ask(tx, target, asked, what=BUSINESS[kind], detail=document.business.reason or "")


def _require_ours(session: Session, document: Document) -> None:
    if document.sender.id == session.agency:
        return
    raise DocumentError(
        f"the document is of {document.sender.id}, this connector sends for {session.agency}: set the sender to it.",
        vi=f"Văn bản có đơn vị gửi {document.sender.id}, kết nối này gửi thay cho {session.agency}: "
        "hãy sửa đơn vị gửi.",
        problems=(),
    )
