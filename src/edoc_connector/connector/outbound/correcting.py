"""A document that the hub refused, corrected: another takes its place under the same id, which an office cannot change.

Only what the hub certainly never took may be replaced. That is read from the timeline, which nobody can alter: every
time the delivery failed the hub had refused the packet for what is in it (`REFUSED` follows the move), it was never
``unknown`` nor ``sent``, and no recipient ever said anything about it.
"""

from __future__ import annotations

from ..._core import join_languages
from ...edxml import Document
from ...errors import EdocError, PacketRefused, UnknownRecipient
from ...store import DELIVERIES, DeliveryRow, DeliveryState, NewDelivery, Tx, require_same_document
from .._retry import as_error_columns

REFUSED = "refused"

# The hub looked at the packet and said no to it. Any other end leaves room for doubt, a duplicate most of all.
_REFUSAL_ERRORS = (PacketRefused, UnknownRecipient)
_WITHDRAWING_KINDS = ("recall", "replace")


def record_refusal(tx: Tx, row: DeliveryRow, error: EdocError) -> None:
    """Enter in the timeline of a delivery that failed now that the hub refused what is in the packet, if it did."""
    if isinstance(error, _REFUSAL_ERRORS):
        detail = join_languages(
            "the hub refused what is in the packet: the document can be corrected and sent under the same id",
            "trục từ chối nội dung gói tin: có thể sửa văn bản rồi gửi lại với cùng mã định danh",
        )
        tx.timeline.record_change(DELIVERIES, row.id, old=DeliveryState.FAILED, new=REFUSED, detail=detail)


def is_correctable(tx: Tx, row: DeliveryRow) -> bool:
    """Whether another document may take the place of this one: the hub certainly never took it."""
    if row.state != DeliveryState.FAILED or row.hub_doc_id or row.sent_at:
        return False
    entered_states = [entry.new for entry in tx.timeline.load_timelines(DELIVERIES, [row.id])[row.id]]
    if {DeliveryState.UNKNOWN, DeliveryState.SENT} & set(entered_states):
        return False
    refusals = entered_states.count(REFUSED)
    has_replies = any(
        recipient.last_code or recipient.change for recipient in tx.deliveries.load_recipients([row.id])[row.id]
    )
    return not has_replies and refusals > 0 and refusals == entered_states.count(DeliveryState.FAILED)


def apply_correction(tx: Tx, key: int, document: Document, new_delivery: NewDelivery) -> str | None:
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
    refused_recipients = ", ".join(recipient.organ_id for recipient in tx.deliveries.load_recipients([key])[key])
    detail = join_languages(
        f"corrected; the refused packet, to {refused_recipients}, had the SHA-256 {row.sha256}",
        f"văn bản đã được sửa; gói tin bị từ chối (gửi {refused_recipients}) có SHA-256 {row.sha256}",
    )
    tx.deliveries.replace_failed_document(row, new_delivery, detail=detail, **as_error_columns(None))
    # The bytes go once this is on the disk; if that is missed, the next pruning finds them noted here.
    if tx.audit_log.find_pruned_at(row.spool_file) is None:
        tx.audit_log.mark_pruned(agency=row.agency, spool_file=row.spool_file, sha256=row.sha256, at=tx.now
        )  # fmt: skip
    packet_note = {"removed": "corrected", "sha256": row.sha256, "replaced_by": new_delivery.sha256}
    tx.audit_log.record("packet", DELIVERIES, key, packet_note)
    return row.spool_file


def _is_request_dropped(tx: Tx, row: DeliveryRow, document: Document, new_delivery: NewDelivery) -> bool:
    """Whether somebody who was asked to give a document back would not be asked any more: that stays in its row."""
    if row.business not in _WITHDRAWING_KINDS:
        return False
    if new_delivery.business != row.business:
        return True
    recipient_ids = {recipient.id for recipient in document.recipients}
    for document_id in tx.deliveries.load_targets([row.id])[row.id]:
        target = tx.deliveries.find_by_document_id(row.agency, document_id)
        if target is None:
            continue
        holder_ids = {recipient.organ_id for recipient in tx.deliveries.load_recipients([target.id])[target.id]}
        asked_ids = holder_ids & {recipient.organ_id for recipient in tx.deliveries.load_recipients([row.id])[row.id]}
        if asked_ids and (document_id not in new_delivery.targets or not asked_ids <= recipient_ids):
            return True
    return False
