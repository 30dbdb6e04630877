"""Packets that act on a document of ours: recall, update, replacement."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid5

from ...edxml import Business, BusinessType, Document, Organization, ReceiverChange, Replacement, StaffInfo
from .packet_builder import fingerprint

# Ids of change packets follow from what they change, so that the same call made twice is one delivery.
_NAMESPACE = UUID("6f4c1f1e-6a55-5d0c-9f0e-2d1d3f6a7b10")


def recall_of(
    original: Document,
    *,
    reason: str,
    round_: int,
    recipients: Sequence[Organization] | None = None,
    staff: StaffInfo | None = None,
) -> Document:
    """A packet that recalls a document (BussinessDocType 1).

    Args:
        original: the document.
        reason: why.
        round_: how many recalls of it were answered before.
        recipients: whom to ask; everybody who got it where they are left out.
        staff: the officer in charge.
    """
    business = Business(type=BusinessType.RECALL, document_id=original.id, reason=reason, staff=staff)
    return original.model_copy(
        update={
            "id": _id("recall", original.id, str(round_)),
            "business": business,
            "recipients": tuple(recipients or original.recipients),
            "trace": (),
            "attachments": (),
        }
    )


def update_of(
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
    return _with_business(document, business, taken={document_id})


def replacement_of(
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
    return _with_business(document, business, taken={one.document_id for one in replaces})


def _with_business(document: Document, business: Business, *, taken: set[str]) -> Document:
    """The document with its request; with an id of its own where it has the one of the document it acts on."""
    asking = document.model_copy(update={"business": business})
    if document.id not in taken:
        return asking
    return asking.model_copy(update={"id": _id(str(business.type), document.id, fingerprint(asking))})


def _id(*parts: str) -> str:
    return str(uuid5(_NAMESPACE, "\n".join(parts)))
