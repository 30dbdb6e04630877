"""Events: which entries of the timeline are told to other software, and in which words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from ..connector import DeliveryState, ReceiptState
from ..store import ChangeRow
from .addresses import encode_delivery_id, format_delivery_href, format_receipt_href
from .models import EventName, EventOut

_DELIVERY_STATES = frozenset(DeliveryState) - {DeliveryState.SENDING}


def _came_in(change: ChangeRow) -> bool:
    """Whether a document, or a request about one, waits for the first time, or was let in after all."""
    entry = change.entry
    is_new = entry.new == ReceiptState.WAITING and entry.old != ReceiptState.HANDLING
    return entry.subject == "receipt" and is_new and change.kind is not None


def _was_set_aside(change: ChangeRow) -> bool:
    entry = change.entry
    return entry.subject == "receipt" and entry.new == ReceiptState.QUARANTINED != entry.old


def _moved(change: ChangeRow) -> bool:
    return change.entry.subject == "delivery" and change.entry.new in _DELIVERY_STATES


def _was_reported(change: ChangeRow) -> bool:
    """Whether a recipient sent a status."""
    entry = change.entry
    return entry.subject == "delivery" and entry.recipient is not None and entry.actor == entry.recipient


EVENTS: Mapping[EventName, Callable[[ChangeRow], bool]] = {
    "document.received": _came_in,
    "document.quarantined": _was_set_aside,
    "delivery.changed": _moved,
    "status.received": _was_reported,
}
"""The events by name, and which entries each stands for; no entry is two of them."""


def find_event(change: ChangeRow) -> EventName | None:
    """Find the name of the event that an entry of the timeline is; None where it is none."""
    return next((name for name, matches in EVENTS.items() if matches(change)), None)


def build_event(change: ChangeRow, name: EventName) -> EventOut:
    """Build the event of an entry: always the same for the same entry."""
    entry, is_delivery = change.entry, change.entry.subject == "delivery"
    document_id = change.document_id
    is_report = name == "status.received"
    href = format_delivery_href(change.agency, document_id or "") if is_delivery else ""
    return EventOut(
        id=entry.id,
        type=name,
        time=entry.at,
        agency=change.agency,
        document_id=document_id,
        delivery_id=encode_delivery_id(document_id or "") if is_delivery else None,
        receipt_id=None if is_delivery else entry.subject_id,
        kind=change.kind,
        partner=entry.recipient if is_delivery else change.partner,
        previous=entry.old,
        state=None if is_report else entry.new,
        status=entry.new if is_report else None,
        authority=entry.authority,
        detail=entry.text.en,
        detail_vi=entry.text.vi,
        href=href or format_receipt_href(change.agency, entry.subject_id),
    )


def compute_message_id(store: str, change: ChangeRow) -> str:
    """Compute the id of the message about an entry: the same at every try, and for every endpoint.

    Args:
        store: name of the store.
        change: the entry; its time tells it from one that had its number before a restore.
    """
    text = f"{store}\n{change.entry.id}\n{change.entry.at.isoformat()}"
    return "msg_" + hashlib.sha256(text.encode()).hexdigest()[:32]
