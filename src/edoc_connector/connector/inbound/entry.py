"""Entry of packets that are in the spool and verified: as a document, as a status, or set aside.

What a packet says takes effect here, in one transaction: as it comes, or once a person lets in one that was set aside.
"""

from __future__ import annotations

from ..._core import Text
from ...config import LimitSettings
from ...edxml import Document, StatusMessage
from ...store import DONE, FAIL, Change, ReceiptRow, ReceiptState, Tx
from .._change_rules import KIND_BY_TYPE, KIND_NAMES_VI, WITHDRAWING_TYPES
from .._context import ConnectorContext
from .admission import VerifiedPacket
from .authority import Effect, as_authority_columns, build_refusal
from .claims import JudgedPacket, build_columns, judge_verified
from .duplicates import find_receipt_with_same_id
from .id_conflicts import build_conflict_error, confirm_authority, displace, gives_way
from .quarantine import quarantine
from .status_intake import apply_status, require_target


def enter_packet(tx: Tx, context: ConnectorContext, row: ReceiptRow, verified: VerifiedPacket) -> None:
    """Enter a packet that came: a status in the delivery it is about, a document in the receipts."""
    message = verified.message
    judged = judge_verified(tx, context, row, verified)
    if isinstance(message, StatusMessage):
        apply_status(tx, row, message, build_columns(verified, judged), judged)
    else:
        _enter_document(tx, row, verified, message, judged, limits=context.limits)


def admit_quarantined(tx: Tx, context: ConnectorContext, row: ReceiptRow, verified: VerifiedPacket) -> None:
    """Take in a packet that was set aside, as if it had come just now.

    Raises:
        DocumentIdConflict: another document came under its id that is attested as well.
        VerificationFailed: what it says may not count.
        NotFound: it asks for a document back that is not here.
    """
    message = verified.message
    copy = find_receipt_with_same_id(tx, row, message) if isinstance(message, Document) else None
    judged = judge_verified(tx, context, row, verified)
    if judged.ruling.effect is Effect.SET_ASIDE:
        raise build_refusal(row.hub_doc_id, judged.ruling)
    if copy is not None and not verified.has_content_of(copy) and not gives_way(copy, judged.ruling):
        raise build_conflict_error(copy.document_id or "")
    require_target(row, message, judged)
    if copy is None and row.was_admitted:
        # The application failed on it; what it asks for was entered when it first came.
        tx.receipts.move(row, ReceiptState.WAITING, refetch=False, **build_columns(verified, judged))
        return
    enter_packet(tx, context, tx.receipts.move(row, ReceiptState.LISTED, refetch=False), verified)
    admitted = tx.receipts.get_by_id(row.id)
    if admitted.state == ReceiptState.HANDLED and tx.outgoing.has_queued_confirmation(admitted, FAIL):
        # A hub that was told so may take no other word, and the application is not to wait for that.
        tx.receipts.move(admitted, ReceiptState.CONFIRMED, detail=Text("it was told fail", "trục đã được báo fail"))


def _enter_document(
    tx: Tx,
    row: ReceiptRow,
    verified: VerifiedPacket,
    document: Document,
    judged: JudgedPacket,
    *,
    limits: LimitSettings,
) -> None:
    """Store a document: as a duplicate, set aside, or waiting for the application in the place of another one or none.

    Args:
        tx: the transaction.
        row: its receipt.
        verified: the packet.
        document: what it says.
        judged: what was decided about it.
        limits: the intervals after which one that is set aside is looked at again.
    """
    copy, values = find_receipt_with_same_id(tx, row, document), build_columns(verified, judged)
    if copy is not None and not verified.states_id and not verified.has_content_of(copy):
        # nobody gave the two one id: number and date are the same, and they are two documents
        copy, values = None, values | {"document_id": row.hub_doc_id}
    if copy is not None and verified.has_content_of(copy):
        detail = Text(f"as docId {copy.hub_doc_id}", f"là docId {copy.hub_doc_id}")
        duplicate = tx.receipts.move(row, ReceiptState.DUPLICATE, detail=detail, **values)
        tx.outgoing.enqueue_confirmation(duplicate, DONE, is_first=True)
        confirm_authority(tx, copy, duplicate, judged.ruling)
    elif not judged.ruling.counts:
        quarantine(tx, row, build_refusal(row.hub_doc_id, judged.ruling), values, limits=limits)
    elif copy is not None and not gives_way(copy, judged.ruling):
        quarantine(tx, row, build_conflict_error(document.id), values, limits=limits)
    else:
        if copy is not None:
            values |= as_authority_columns(displace(tx, copy, row, judged.ruling))
        tx.receipts.move(row, ReceiptState.WAITING, **values)
        _mark_change_asked(tx, document, judged)


def _mark_change_asked(tx: Tx, document: Document, judged: JudgedPacket) -> None:
    if document.business.type not in WITHDRAWING_TYPES:
        return
    kind = KIND_BY_TYPE[document.business.type]
    reason = document.business.reason or ""
    detail = Text(f"{kind} asked for: {reason}", f"nơi gửi yêu cầu {KIND_NAMES_VI[kind]}: {reason}")
    for target in judged.targets:
        tx.receipts.lock_receipt(target.id)
        tx.receipts.record_note(target, detail=detail, said_with=judged.ruling.authority, change=Change.ASKED)
