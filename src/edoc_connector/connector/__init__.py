"""What a document-management system uses to send documents and to receive them, blocking or awaited."""

from ..store import Change, DeliveryState, ReceiptState
from .aio import AsyncConnector, AsyncReceipt
from .blocking import Connector
from .evidence_check import Checked, Problem, check_pack
from .explain import Event, Story
from .handlers import Handlers
from .outbox import Flushed
from .receipt import Receipt
from .reconciling import Reconciled, Unsettled
from .upkeep import Pruned, SpoolFault
from .views import Delivery, RecipientState, TimelineEntry

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
