"""Packets on their way from the hub into the store, and from there to the application."""

from .inbox import Inbox, ReceivedStatus
from .prefetch import ReceiveInterruption
from .receipt import Receipt
from .receive_loop import ReceiveLoop

__all__ = ["Inbox", "Receipt", "ReceiveInterruption", "ReceiveLoop", "ReceivedStatus"]
