"""What a document-management system uses to send documents and to receive them, blocking or awaited."""

from ..store import Change, DeliveryState, ReceiptState
from .aio import AsyncConnector, AsyncReceipt
from .blocking import Connector
from .outbox import Flushed
from .receipt import Receipt
from .views import Delivery, RecipientState, TimelineEntry

__all__ = [
    "AsyncConnector",
    "AsyncReceipt",
    "Change",
    "Connector",
    "Delivery",
    "DeliveryState",
    "Flushed",
    "Receipt",
    "ReceiptState",
    "RecipientState",
    "TimelineEntry",
]
