"""Packets on their way from the hub into the store, and from there to the application."""

from .authority import AuthorityFinding, read_findings
from .inbox import Inbox, ReceivedStatus
from .receipt import Receipt
from .receive_loop import ReceiveLoop

__all__ = [
    "AuthorityFinding",
    "Inbox",
    "Receipt",
    "ReceiveLoop",
    "ReceivedStatus",
    "read_findings",
]
