"""Deliveries, receipts and what was said about them, kept in a database and a spool folder."""

from . import audit_log, deliveries, directory, outgoing, receipts, schedule, timeline
from .migrate import upgrade
from .spool import Altered, Spool, SpoolFile
from .state_machine import DeliveryState, OutgoingState, ReceiptState
from .status_rules import Change
from .store import Store
from .transitions import Lease, LeaseLost, Tx

__all__ = [
    "Altered",
    "Change",
    "DeliveryState",
    "Lease",
    "LeaseLost",
    "OutgoingState",
    "ReceiptState",
    "Spool",
    "SpoolFile",
    "Store",
    "Tx",
    "audit_log",
    "deliveries",
    "directory",
    "outgoing",
    "receipts",
    "schedule",
    "timeline",
    "upgrade",
]
