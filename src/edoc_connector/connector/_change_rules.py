"""Rules of change packets: their kinds, the documents they act on, and which of them withdraw or ask for an answer."""

from __future__ import annotations

from ..edxml import BusinessType, Document
from ..store import TAKE_BACK_KIND

__all__ = [
    "ANSWERED_KINDS",
    "KIND_BY_TYPE",
    "KIND_NAMES_VI",
    "NEW_KIND",
    "TAKE_BACK_KIND",
    "TYPE_BY_KIND",
    "WITHDRAWING_KINDS",
    "WITHDRAWING_TYPES",
    "select_target_ids",
]

# The kinds as the store has them.
KIND_BY_TYPE = {
    BusinessType.NEW: "new",
    BusinessType.RECALL: "recall",
    BusinessType.UPDATE: "update",
    BusinessType.REPLACE: "replace",
}
TYPE_BY_KIND = {kind: business_type for business_type, kind in KIND_BY_TYPE.items()}
KIND_NAMES_VI = {"new": "văn bản mới", "recall": "thu hồi", "update": "cập nhật", "replace": "thay thế"}
NEW_KIND = KIND_BY_TYPE[BusinessType.NEW]

WITHDRAWING_TYPES = frozenset(business_type for business_type in BusinessType if business_type.withdraws)
WITHDRAWING_KINDS = frozenset(KIND_BY_TYPE[business_type] for business_type in WITHDRAWING_TYPES)
ANSWERED_KINDS = frozenset(kind for business_type, kind in KIND_BY_TYPE.items() if business_type.asks_answer)


def select_target_ids(document: Document) -> tuple[str, ...]:
    """Select the documents that a recall, an update or a replacement acts on, by DocumentId.

    The standard names them in the business part, or in the traces (edXML, "TraceHeaderList").
    """
    business = document.business
    if business.type in (None, BusinessType.NEW):
        return ()
    target_ids = [business.document_id, *(reference.document_id for reference in business.replaces)]
    if not any(target_ids):
        target_ids = [reference.document_id for reference in document.responses_for]
    return tuple(dict.fromkeys(reference for reference in target_ids if reference))
