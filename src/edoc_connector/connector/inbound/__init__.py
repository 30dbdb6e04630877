"""Packets on their way from the hub into the store, and from there to the application."""

from .authority import AUTHORITY_NAMES, AuthorityFinding, read_findings
from .inbox import Inbox, ReceivedStatus
from .receipt import Receipt
from .receive_loop import ReceiveLoop

__all__ = [
    "AUTHORITY_NAMES",
    "AuthorityFinding",
    "Inbox",
    "Receipt",
    "ReceiveLoop",
    "ReceivedStatus",
    "read_findings",
]
