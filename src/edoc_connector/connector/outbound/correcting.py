"""A document that the hub refused, corrected: another takes its place under the same id, which an office cannot change.

Only what the hub certainly never took may be replaced. That is read from the timeline, which nobody can alter: every
time the delivery failed the hub had refused the packet for what is in it (`REFUSED` follows the move), it was never
``unknown`` nor ``sent``, and no recipient ever said anything about it.
"""

from __future__ import annotations

from ..._core.text import both
from ...edxml import Document
from ...errors import EdocError, PacketRefused, UnknownRecipient
from ...store import DeliveryState, Tx, audit_log, deliveries, transitions
from ...store import timeline as timelines
from ...store.audit_log import Note
from ...store.deliveries import NewDelivery
from ...store.rows import DeliveryRow
from ...store.state_machine import DELIVERIES
from .._retry import columns

REFUSED = "refused"

# The hub looked at the packet and said no to it. Any other end leaves room for doubt, a duplicate most of all.
_REFUSALS = (PacketRefused, UnknownRecipient)
_WITHDRAWING = ("recall", "replace")


def note_refusal(tx: Tx, row: DeliveryRow, error: EdocError) -> None:
    """Enter in the timeline of a delivery that failed now that the hub refused what is in the packet, if it did."""
    if isinstance(error, _REFUSALS):
        detail = both(
            "the hub refused what is in the packet: the document can be corrected and sent under the same id",
            "trục từ chối nội dung gói tin: có thể sửa văn bản rồi gửi lại với cùng mã định danh",
        )
        transitions.record(tx, DELIVERIES, row.id, old=DeliveryState.FAILED, new=REFUSED, detail=detail)


def correctable(tx: Tx, row: DeliveryRow) -> bool:
    """Whether another document may take the place of this one: the hub certainly never took it."""
    if row.state != DeliveryState.FAILED or row.hub_doc_id or row.sent_at:
        return False
    entered = [entry.new for entry in timelines.of(tx, DELIVERIES, [row.id])[row.id]]
    if {DeliveryState.UNKNOWN, DeliveryState.SENT} & set(entered):
        return False
    refusals = entered.count(REFUSED)
    heard = any(one.last_code or one.change for one in deliveries.recipients(tx, [row.id])[row.id])
    return not heard and refusals > 0 and refusals == entered.count(DeliveryState.FAILED)


def corrected(tx: Tx, key: int, document: Document, new: NewDelivery) -> str | None:
    """Make the delivery with this key ``ready`` with the document as it is now.

    Returns:
        The spool name of the refused packet, to be removed after the transaction; None where another worker made the
        same correction first.

    Raises:
        DocumentIdConflict: the hub may have the document that is there, or it asks somebody for something that the new
            one does not.
    """
    transitions.alone(tx, f"delivery {key}")
    row = deliveries.by_key(tx, key)
    if not correctable(tx, row) or _drops(tx, row, document, new):
        deliveries.same(row, new.fingerprint)
        return None
    if row.fingerprint == new.fingerprint:
        return None
    before = ", ".join(one.organ_id for one in deliveries.recipients(tx, [key])[key])
    detail = both(
        f"corrected; the refused packet, to {before}, had the SHA-256 {row.sha256}",
        f"văn bản đã được sửa; gói tin bị từ chối (gửi {before}) có SHA-256 {row.sha256}",
    )
    deliveries.corrected(tx, row, new, detail=detail, **columns(None))
    # The bytes go once this is on the disk; if that is missed, the next pruning finds them noted here.
    if audit_log.pruned_at(tx.connection, row.spool_file) is None:
        audit_log.mark_pruned(
            tx.connection, agency=row.agency, spool_file=row.spool_file, sha256=row.sha256, at=tx.now
        )  # fmt: skip
    said = {"removed": "corrected", "sha256": row.sha256, "replaced_by": new.sha256}
    tx.notes.append(Note("packet", DELIVERIES.subject, key, tx.actor, said))
    return row.spool_file


def _drops(tx: Tx, row: DeliveryRow, document: Document, new: NewDelivery) -> bool:
    """Whether somebody who was asked to give a document back would not be asked any more: that stays in its row."""
    if row.business not in _WITHDRAWING:
        return False
    if new.business != row.business:
        return True
    to = {one.id for one in document.recipients}
    for document_id in deliveries.targets(tx, [row.id])[row.id]:
        target = deliveries.get(tx, row.agency, document_id)
        if target is None:
            continue
        holders = {one.organ_id for one in deliveries.recipients(tx, [target.id])[target.id]}
        asked = holders & {one.organ_id for one in deliveries.recipients(tx, [row.id])[row.id]}
        if asked and (document_id not in new.targets or not asked <= to):
            return True
    return False
