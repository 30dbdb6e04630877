"""Agencies: taking over the hub's directory and a list of our own, looking agencies up, and judging recipients."""

from .book import Agencies
from .messages import describe_ended, describe_unknown
from .own_list import LineProblem
from .recipients import address_document, replace_with_heirs
from .records import AgencyHistory, AgencyImport, AgencyRecord, AgencySync, RecipientCheck, RecipientKind

__all__ = [
    "Agencies",
    "AgencyHistory",
    "AgencyImport",
    "AgencyRecord",
    "AgencySync",
    "LineProblem",
    "RecipientCheck",
    "RecipientKind",
    "address_document",
    "describe_ended",
    "describe_unknown",
    "replace_with_heirs",
]
