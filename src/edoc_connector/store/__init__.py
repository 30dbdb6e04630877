"""Deliveries, receipts and what was said about them, kept in a database and a spool folder."""

from . import deliveries, directory, evidence, jobs, outgoing, receipts, timeline
from .base import Store, utc_now
from .migrate import upgrade
from .moves import Lease, LeaseLost, Tx
from .order import Change
from .spool import Altered, Spool, SpoolFile
from .states import DeliveryState, OutgoingState, ReceiptState

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
    "deliveries",
    "directory",
    "evidence",
    "jobs",
    "outgoing",
    "receipts",
    "timeline",
    "upgrade",
    "utc_now",
]
