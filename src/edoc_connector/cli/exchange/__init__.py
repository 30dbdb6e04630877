"""Commands that exchange documents, over a hub and the store."""

from .connection import open_connector
from .delivery_report import describe_delivery, print_timeline
from .directory import directory
from .documents import deliveries, receipts, show
from .explain import explain
from .hub import hub_commands
from .recall import recall, take_back
from .receive import receive, recheck
from .send import send
from .status import status

__all__ = [
    "deliveries",
    "describe_delivery",
    "directory",
    "explain",
    "hub_commands",
    "open_connector",
    "print_timeline",
    "recall",
    "receipts",
    "receive",
    "recheck",
    "send",
    "show",
    "status",
    "take_back",
]
