"""Send and receive documents for an agency: the connector, blocking and asynchronous, and its results."""

from .._core import Page
from ..store import Authority, Change, DeliveryState, ReceiptState
from ._context import ConnectorContext
from ._retry import NO_ERROR, as_error_columns, compute_next_attempt, compute_next_probe, decide_retry
from .async_connector import AsyncConnector
from .async_receipt import AsyncReceipt
from .checks import (
    CHECKS,
    OPEN_COUNTS,
    Check,
    CheckMonitor,
    CheckOutcome,
    CheckResult,
    CheckSeverity,
    Subject,
    find_last_end,
    measure_free_space,
    measure_queue_age,
)
from .connector import Connector
from .delivery import Delivery, RecipientState, TimelineEntry
from .handlers import HandlerRegistration, Handlers
from .holdings import OtherStore, release_leases
from .hub_access import BreakerReading, BreakerState, HubBreaker
from .inbound import AuthorityFinding, Receipt
from .lists import DeliveryFilters, ReceiptFilters
from .operations import (
    Checked,
    Event,
    OtherStoreSigns,
    Problem,
    Pruned,
    Reconciled,
    RestoreReport,
    Rewritten,
    SpoolFault,
    Story,
    Unsettled,
    check_pack,
)
from .outbound import Flushed

__all__ = [
    "CHECKS",
    "NO_ERROR",
    "OPEN_COUNTS",
    "AsyncConnector",
    "AsyncReceipt",
    "Authority",
    "AuthorityFinding",
    "BreakerReading",
    "BreakerState",
    "Change",
    "Check",
    "CheckMonitor",
    "CheckOutcome",
    "CheckResult",
    "CheckSeverity",
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
    "HubBreaker",
    "OtherStore",
    "OtherStoreSigns",
    "Page",
    "Problem",
    "Pruned",
    "Receipt",
    "ReceiptFilters",
    "ReceiptState",
    "RecipientState",
    "Reconciled",
    "RestoreReport",
    "Rewritten",
    "SpoolFault",
    "Story",
    "Subject",
    "TimelineEntry",
    "Unsettled",
    "as_error_columns",
    "check_pack",
    "compute_next_attempt",
    "compute_next_probe",
    "decide_retry",
    "find_last_end",
    "measure_free_space",
    "measure_queue_age",
    "release_leases",
]
