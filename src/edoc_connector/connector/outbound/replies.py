"""Replies to received packets: statuses, checked against the status rules and queued with the change they report."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..._core import Text
from ...edxml import DocumentName, ResponseFor, StaffInfo, StatusCode, StatusMessage
from ...errors import NotFound, StatusNotAllowed
from ...store import CHANGE_BY_ANSWER, ReceiptRow, ReceiptState, Tx, describe_code, require_allowed_code
from .._change_rules import KIND_NAMES_VI, NEW_KIND, TAKE_BACK_KIND, WITHDRAWING_KINDS
from .._context import ConnectorContext
from ..naming import find_agency_codes, find_document_of, find_same_code, match_receipts
from .ack_sender import must_report

ANSWERABLE_STATES = frozenset({ReceiptState.HANDLED, ReceiptState.CONFIRMED})

_TOLD_BY_HUB = Text(
    f"{describe_code(StatusCode.ARRIVED)}: the hub tells the sender when the packet is confirmed",
    f"{describe_code(StatusCode.ARRIVED, vi=True)}: trục tự báo nơi gửi khi gói tin được xác nhận",
)


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

    @property
    def is_answer(self) -> bool:
        """Whether it answers a request: 15 or 16."""
        return self.code in CHANGE_BY_ANSWER


@dataclass(frozen=True, slots=True)
class _ReplyState:
    """The state of the document that a status is about.

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
        """Raise unless the status may be sent now."""
        require_allowed_code(
            reply.code, self.last_code, change=self.change, is_change_packet=not self.has_separate_request
        )

    def with_reply(self, reply: StatusReply) -> _ReplyState:
        """Compute the state after a status."""
        if self.has_separate_request and reply.is_answer:
            return replace(self, change=CHANGE_BY_ANSWER[reply.code])
        return replace(self, last_code=reply.code)


def build_reply_message(
    context: ConnectorContext, receipt: ReceiptRow, reply: StatusReply, *, at: datetime
) -> StatusMessage:
    """Build the status message about a receipt (edXML, "Status packet")."""
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
        vi=f"Gói tin {row.hub_doc_id} đang ở tình trạng {row.state}: "
        "hãy xử lý trước (with receipt: …) rồi mới trả lời.",
    )


def lock_replies(tx: Tx, row: ReceiptRow) -> None:
    """Wait until nobody else answers a packet, or enters a request about it: what may be said is looked up first."""
    subject_receipt = _find_subject_receipt(tx, row) if row.business == TAKE_BACK_KIND else row
    if subject_receipt is not None:
        tx.receipts.lock_receipt(subject_receipt.id)


def enqueue_reply(tx: Tx, context: ConnectorContext, row: ReceiptRow, reply: StatusReply) -> ReceiptRow:
    """Check a status against the order, note it and queue it, in the caller's transaction, which called `lock_replies`.

    An answer is entered with `record_answer` too.

    Args:
        tx: the transaction.
        context: who we are.
        row: the receipt that is answered.
        reply: the status.

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
    return current if current.id == row.id else tx.receipts.get_by_id(row.id)


def record_answer(tx: Tx, row: ReceiptRow, reply: StatusReply, *, targets: Collection[DocumentName]) -> ReceiptRow:
    """Note an answer (15, 16) where the request came in, and at the documents that a recall or replacement acts on.

    Args:
        tx: the transaction, in which `enqueue_reply` queued it.
        row: the receipt that is answered.
        reply: the answer.
        targets: the documents acted on; none but for a recall or a replacement.

    Returns:
        The receipt after it.
    """
    words = describe_code(reply.code), describe_code(reply.code, vi=True)
    if row.business == TAKE_BACK_KIND:
        tx.receipts.record_note(row, detail=Text(*words), last_code=reply.code)
    for name in targets:
        target = _find_target(tx, row, name)
        if target is not None:
            tx.receipts.lock_receipt(target.id)
            kind = row.business or ""
            detail = Text(f"{kind}: {words[0]}", f"{KIND_NAMES_VI[kind]}: {words[1]}")
            tx.receipts.record_note(target, detail=detail, change=CHANGE_BY_ANSWER[reply.code])
    return tx.receipts.get_by_id(row.id)


def _enqueue_status(tx: Tx, context: ConnectorContext, receipt: ReceiptRow, reply: StatusReply) -> Text:
    """Queue a status, and return its description; 01 is not queued where the hub tells it with the confirmation."""
    at_hub = context.near_hub(receipt.hub)
    if reply.code == StatusCode.ARRIVED and at_hub.capabilities.confirms_arrival:
        return _TOLD_BY_HUB
    tx.outgoing.enqueue_status(
        agency=receipt.agency,
        code=reply.code,
        recipient=receipt.sender or "",
        message=build_reply_message(context, receipt, reply, at=tx.now).model_dump_json(),
        receipt_id=receipt.id,
        hub=receipt.hub,
        is_tied=must_report(at_hub, reply.code),
    )
    en, vi = describe_code(reply.code), describe_code(reply.code, vi=True)
    return Text(f"{en} {reply.description or ''}".strip(), f"{vi} {reply.description or ''}".strip())


def find_open_requests(tx: Tx, row: ReceiptRow) -> list[ReceiptRow]:
    """Find the recalls and replacements of a document's sender that wait for an answer, newest first."""
    return tx.receipts.find_all(
        row.agency,
        business=WITHDRAWING_KINDS,
        sender=find_agency_codes(tx, row.agency, row.sender or ""),
        state=ANSWERABLE_STATES,
        last_code=StatusCode.ARRIVED,
    )


def _find_reply_state(tx: Tx, row: ReceiptRow) -> _ReplyState:
    if row.business != TAKE_BACK_KIND:
        return _ReplyState(row, row.business == NEW_KIND, row.last_code, row.change)
    subject_receipt = _find_subject_receipt(tx, row)
    if subject_receipt is None:
        raise NotFound(
            f"the document {row.document_id} did not come to us.", vi=f"Không có văn bản đến {row.document_id}."
        )
    return _ReplyState(subject_receipt, True, subject_receipt.last_code, subject_receipt.change)


def _find_target(tx: Tx, row: ReceiptRow, name: DocumentName) -> ReceiptRow | None:
    """Find the document of its sender that a packet names."""
    rows = match_receipts(tx, row.agency, name, row.sender or "").rows
    code = find_same_code(tx, row.agency, row.sender or "", [copy.sender for copy in rows])
    return next((copy for copy in rows if copy.sender == code), None)


def _find_subject_receipt(tx: Tx, row: ReceiptRow) -> ReceiptRow | None:
    """Find the receipt of the document that a status is about."""
    return find_document_of(tx, row.agency, row.document_id or "", row.sender)
