"""Send and receive documents for an agency: the connector, blocking and asynchronous, and its results."""

from .._core import Page
from ..store import Authority, Change, DeliveryState, ReceiptState
from ._context import ConnectorContext
from ._retry import NO_ERROR, as_error_columns, compute_next_attempt, decide_retry
from .async_connector import AsyncConnector
from .async_receipt import AsyncReceipt
from .connector import Connector
from .delivery import Delivery, RecipientState, TimelineEntry
from .handlers import HandlerRegistration, Handlers
from .inbound import AuthorityFinding, Receipt
from .lists import DeliveryFilters, ReceiptFilters
from .operations import (
    Checked,
    Event,
    Problem,
    Pruned,
    Reconciled,
    Rewritten,
    SpoolFault,
    Story,
    Unsettled,
    check_pack,
)
from .outbound import Flushed

__all__ = [
    "NO_ERROR",
    "AsyncConnector",
    "AsyncReceipt",
    "Authority",
    "AuthorityFinding",
    "Change",
    "Checked",
    "Connector",
    "ConnectorContext",
    "Delivery",
    "DeliveryFilters",
    "DeliveryState",
    "Event",
    "Flushed",
    "HandlerRegistration",
    "Handlers",
    "Page",
    "Problem",
    "Pruned",
    "Receipt",
    "ReceiptFilters",
    "ReceiptState",
    "RecipientState",
    "Reconciled",
    "Rewritten",
    "SpoolFault",
    "Story",
    "TimelineEntry",
    "Unsettled",
    "as_error_columns",
    "check_pack",
    "compute_next_attempt",
    "decide_retry",
]
