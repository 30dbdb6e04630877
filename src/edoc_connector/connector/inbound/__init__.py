"""Packets on their way from the hub into the store, and from there to the application."""

from .authority import AuthorityFinding, read_findings
from .inbox import Inbox, ReceivedStatus
from .prefetch import ReceiveInterruption
from .receipt import Receipt, attach_observation, detach_observation, observe_handling
from .receive_loop import ReceiveLoop
from .status_sweep import StatusSweep

__all__ = [
    "AuthorityFinding",
    "Inbox",
    "Receipt",
    "ReceiveInterruption",
    "ReceiveLoop",
    "ReceivedStatus",
    "StatusSweep",
    "attach_observation",
    "detach_observation",
    "observe_handling",
    "read_findings",
]
