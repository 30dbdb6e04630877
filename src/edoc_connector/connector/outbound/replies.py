"""Statuses that we send about what came in: checked against the order, and queued with the change they report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..._core import join_languages
from ...edxml import Document, ResponseFor, StaffInfo, StatusCode, StatusMessage
from ...errors import NotFound, StatusNotAllowed
from ...store import CHANGE_BY_ANSWER, TAKE_BACK_KIND, ReceiptRow, ReceiptState, Tx, describe_code, require_allowed_code
from .._context import ConnectorContext
from ..delivery import KIND_NAMES_VI
from ..inbound.intake import select_target_ids

ANSWERABLE_STATES = frozenset({ReceiptState.HANDLED, ReceiptState.CONFIRMED})


@dataclass(frozen=True, slots=True)
class StatusReply:
    """A status that is to be sent.

    Args:
        code: the status code.
        description: words for the sender; the reason where the code needs one.
        staff: the officer.
    """

    code: StatusCode
    description: str | None = None
    staff: StaffInfo | None = None

    @property
    def actor(self) -> str | None:
        """The officer's name, for the timeline."""
        return self.staff.staff if self.staff is not None else None


@dataclass(frozen=True, slots=True)
class _ReplyState:
    """Where the thing that a status is about stands.

    Args:
        receipt: its receipt: the packet's own, or that of the document that a status asks to take back.
        has_separate_request: whether 15 and 16 answer a request that lies beside the codes; else they are codes
            themselves.
        last_code: the last code.
        change: where the request stands.
    """

    receipt: ReceiptRow
    has_separate_request: bool
    last_code: str | None
    change: str | None

    def require_allowed(self, reply: StatusReply) -> None:
        require_allowed_code(
            reply.code, self.last_code, change=self.change, is_change_packet=not self.has_separate_request
        )

    def with_reply(self, reply: StatusReply) -> _ReplyState:
        if self.has_separate_request and reply.code in CHANGE_BY_ANSWER:
            return _ReplyState(self.receipt, self.has_separate_request, self.last_code, CHANGE_BY_ANSWER[reply.code])
        return _ReplyState(self.receipt, self.has_separate_request, reply.code, self.change)


def build_reply_message(
    context: ConnectorContext, receipt: ReceiptRow, reply: StatusReply, *, at: datetime
) -> StatusMessage:
    """The status message about a receipt (edXML, "Status packet")."""
    return StatusMessage(
        sender=context.organization,
        response_for=ResponseFor(
            organ_id=receipt.sender, code=receipt.code, document_id=receipt.document_id, issued_on=receipt.issued_on
        ),
        code=reply.code,
        description=reply.description,
        timestamp=at.replace(microsecond=0),
        staff=reply.staff,
    )


def require_allowed(
    tx: Tx, row: ReceiptRow, reply: StatusReply, *, earlier_replies: Sequence[StatusReply] = ()
) -> None:
    """Raise unless a status may be sent after others that are not stored yet.

    Raises:
        StatusNotAllowed: names the state and what is allowed.
    """
    reply_state = _find_reply_state(tx, row)
    for earlier_reply in earlier_replies:
        reply_state = reply_state.with_reply(earlier_reply)
    reply_state.require_allowed(reply)


def require_handled(row: ReceiptRow) -> None:
    """Raise unless a receipt was handled: only then is there something to report.

    Raises:
        StatusNotAllowed: says to handle it first.
    """
    if row.state in ANSWERABLE_STATES:
        return
    raise StatusNotAllowed(
        f"the packet {row.hub_doc_id} is {row.state}: handle it first (with receipt: …), then answer it.",
        vi=f"Gói tin {row.hub_doc_id} đang ở trạng thái {row.state}: "
        "hãy xử lý trước (with receipt: …) rồi mới trả lời.",
    )


def lock_replies(tx: Tx, row: ReceiptRow) -> None:
    """Wait until nobody else answers a packet, or enters a request about it: what may be said is looked up first."""
    subject_receipt = _find_subject_receipt(tx, row) if row.business == TAKE_BACK_KIND else row
    if subject_receipt is not None:
        tx.receipts.lock_receipt(subject_receipt.id)


def enqueue_reply(
    tx: Tx, context: ConnectorContext, row: ReceiptRow, reply: StatusReply, *, read_document: Callable[[], Document]
) -> ReceiptRow:
    """Check a status against the order, note it and queue it, in the caller's transaction, which called `alone`.

    Args:
        tx: the transaction.
        context: who we are.
        row: the receipt that is answered.
        reply: the status.
        read_document: reads the receipt's document; called only for answers to a recall or a replacement.

    Returns:
        The receipt after it.

    Raises:
        StatusNotAllowed: the code may not be sent now.
    """
    reply_state = _find_reply_state(tx, row)
    reply_state.require_allowed(reply)
    subject_receipt, next_state = reply_state.receipt, reply_state.with_reply(reply)
    detail = _enqueue_status(tx, context, subject_receipt, reply)
    current = tx.receipts.record_note(
        subject_receipt, detail=detail, last_code=next_state.last_code, change=next_state.change
    )
    if reply.code in CHANGE_BY_ANSWER:
        _record_answer(tx, row, reply, read_document)
    elif subject_receipt.id == row.id:
        return current
    return tx.receipts.get_by_id(row.id)


def _enqueue_status(tx: Tx, context: ConnectorContext, receipt: ReceiptRow, reply: StatusReply) -> str:
    """Queue a status; what was said, in words."""
    tx.outgoing.enqueue_status(
        agency=receipt.agency,
        code=reply.code,
        recipient=receipt.sender or "",
        message=build_reply_message(context, receipt, reply, at=tx.now).model_dump_json(),
        receipt_id=receipt.id,
    )
    en, vi = describe_code(reply.code), describe_code(reply.code, vi=True)
    return join_languages(f"{en} {reply.description or ''}".strip(), f"{vi} {reply.description or ''}".strip())


def find_open_requests(tx: Tx, row: ReceiptRow) -> list[ReceiptRow]:
    """The recalls and replacements of a document's sender that wait for an answer, newest first."""
    return tx.receipts.find_all(
        row.agency,
        business=["recall", "replace"],
        sender=row.sender,
        state=ANSWERABLE_STATES,
        last_code=StatusCode.ARRIVED,
    )


def _find_reply_state(tx: Tx, row: ReceiptRow) -> _ReplyState:
    if row.business != TAKE_BACK_KIND:
        return _ReplyState(row, row.business == "new", row.last_code, row.change)
    subject_receipt = _find_subject_receipt(tx, row)
    if subject_receipt is None:
        raise NotFound(
            f"the document {row.document_id} did not come to us.", vi=f"Không có văn bản đến {row.document_id}."
        )
    return _ReplyState(subject_receipt, True, subject_receipt.last_code, subject_receipt.change)


def _find_subject_receipt(tx: Tx, row: ReceiptRow) -> ReceiptRow | None:
    """The document that a status is about."""
    return tx.receipts.find_effective(row.agency, row.document_id or "", row.sender)


def _record_answer(tx: Tx, row: ReceiptRow, reply: StatusReply, read_document: Callable[[], Document]) -> None:
    """An answer is noted where the request came in, and for a recall or replacement at the documents it acts on."""
    words = describe_code(reply.code), describe_code(reply.code, vi=True)
    if row.business == TAKE_BACK_KIND:
        tx.receipts.record_note(row, detail=join_languages(*words), last_code=reply.code)
    if row.business not in ("recall", "replace"):
        return
    for document_id in select_target_ids(read_document()):
        target = tx.receipts.find_effective(row.agency, document_id, row.sender)
        if target is not None:
            tx.receipts.lock_receipt(target.id)
            detail = join_languages(f"{row.business}: {words[0]}", f"{KIND_NAMES_VI[row.business]}: {words[1]}")
            tx.receipts.record_note(target, detail=detail, change=CHANGE_BY_ANSWER[reply.code])
