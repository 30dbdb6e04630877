"""Packets that act on a document of ours: recall, update, replacement."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid5

from ...edxml import Business, BusinessType, Document, Organization, ReceiverChange, Replacement, StaffInfo
from .packet_builder import compute_fingerprint

# Ids of change packets follow from what they change, so that the same call made twice is one delivery.
_CHANGE_ID_NAMESPACE = UUID("6f4c1f1e-6a55-5d0c-9f0e-2d1d3f6a7b10")


def build_recall(
    original: Document,
    *,
    reason: str,
    round_number: int,
    recipients: Sequence[Organization] | None = None,
    staff: StaffInfo | None = None,
) -> Document:
    """A packet that recalls a document (BussinessDocType 1).

    Args:
        original: the document.
        reason: why.
        round_number: how many recalls of it were answered before.
        recipients: whom to ask; everybody who got it where they are left out.
        staff: the officer in charge.
    """
    business = Business(type=BusinessType.RECALL, document_id=original.id, reason=reason, staff=staff)
    return original.model_copy(
        update={
            "id": _derive_id("recall", original.id, str(round_number)),
            "business": business,
            "recipients": tuple(recipients or original.recipients),
            "trace": (),
            "attachments": (),
        }
    )


def build_update(
    document: Document,
    *,
    document_id: str,
    reason: str,
    content_changed: bool,
    receivers: Sequence[ReceiverChange],
    staff: StaffInfo | None = None,
) -> Document:
    """A packet that updates a document (BussinessDocType 2).

    Args:
        document: the document as it is now.
        document_id: the one it updates.
        reason: why.
        content_changed: whether the content changed.
        receivers: recipients added and removed.
        staff: the officer in charge.
    """
    business = Business(
        type=BusinessType.UPDATE,
        document_id=document_id,
        reason=reason,
        content_changed=content_changed,
        receivers_changed=bool(receivers),
        receivers=tuple(receivers),
        staff=staff,
    )
    return _with_business(document, business, taken_ids={document_id})


def build_replacement(
    document: Document, *, replaces: Sequence[Replacement], reason: str, staff: StaffInfo | None = None
) -> Document:
    """A packet that replaces documents (BussinessDocType 3).

    Args:
        document: the new document.
        replaces: the documents it replaces, and who held them.
        reason: why.
        staff: the officer in charge.
    """
    business = Business(type=BusinessType.REPLACE, reason=reason, replaces=tuple(replaces), staff=staff)
    return _with_business(document, business, taken_ids={replacement.document_id for replacement in replaces})


def _with_business(document: Document, business: Business, *, taken_ids: set[str]) -> Document:
    """The document with its request; with an id of its own where it has the one of the document it acts on."""
    request = document.model_copy(update={"business": business})
    if document.id not in taken_ids:
        return request
    return request.model_copy(update={"id": _derive_id(str(business.type), document.id, compute_fingerprint(request))})


def _derive_id(*parts: str) -> str:
    return str(uuid5(_CHANGE_ID_NAMESPACE, "\n".join(parts)))
