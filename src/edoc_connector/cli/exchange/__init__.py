"""Commands that exchange documents, over a hub and the store."""

from .agencies import agency_commands
from .connection import open_connector
from .delivery_report import describe_delivery, print_timeline
from .directory import directory
from .document_id import find_any_id
from .documents import deliveries, receipts, show
from .explain import explain
from .hub import hub_commands
from .recall import recall, take_back
from .receive import receive, recheck
from .register import register
from .send import replace, send, update
from .status import status

__all__ = [
    "agency_commands",
    "deliveries",
    "describe_delivery",
    "directory",
    "explain",
    "find_any_id",
    "hub_commands",
    "open_connector",
    "print_timeline",
    "recall",
    "receipts",
    "receive",
    "recheck",
    "register",
    "replace",
    "send",
    "show",
    "status",
    "take_back",
    "update",
]
