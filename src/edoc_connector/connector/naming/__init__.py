"""Names in packets: agencies by the codes of both systems, and documents by their ids in any spelling."""

from .agency_codes import find_agency_codes, find_document_of, find_receipt, find_same_code, is_same_agency
from .document_match import is_named_by, match_delivery, match_receipts, name_response, name_targets
from .stored_directory import StoredDirectory

__all__ = [
    "StoredDirectory",
    "find_agency_codes",
    "find_document_of",
    "find_receipt",
    "find_same_code",
    "is_named_by",
    "is_same_agency",
    "match_delivery",
    "match_receipts",
    "name_response",
    "name_targets",
]
