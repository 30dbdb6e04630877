"""What a document-management system uses to send documents and to receive them, blocking or awaited."""

from ..store import Change, DeliveryState, ReceiptState
from .async_connector import AsyncConnector, AsyncReceipt
from .connector import Connector
from .delivery import Delivery, RecipientState, TimelineEntry
from .handlers import Handlers
from .inbound.receipt import Receipt
from .operations.evidence_check import Checked, Problem, check_pack
from .operations.explain import Event, Story
from .operations.reconcile import Reconciled, Unsettled
from .operations.spool_maintenance import Pruned, SpoolFault
from .outbound.outbox import Flushed

__all__ = [
    "AsyncConnector",
    "AsyncReceipt",
    "Change",
    "Checked",
    "Connector",
    "Delivery",
    "DeliveryState",
    "Event",
    "Flushed",
    "Handlers",
    "Problem",
    "Pruned",
    "Receipt",
    "ReceiptState",
    "RecipientState",
    "Reconciled",
    "SpoolFault",
    "Story",
    "TimelineEntry",
    "Unsettled",
    "check_pack",
]
