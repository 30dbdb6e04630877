"""Packets on their way from the hub into the store, and from there to the application."""

from .inbox import Inbox, ReceivedStatus
from .receipt import Receipt
from .receive_loop import ReceiveLoop

__all__ = ["Inbox", "Receipt", "ReceiveLoop", "ReceivedStatus"]
