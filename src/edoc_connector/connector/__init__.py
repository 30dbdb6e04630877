"""Send and receive documents for an agency: the connector, blocking and asynchronous, and its results."""

from .._core import Page
from ..store import Authority, Change, DeliveryState, HubHoldings, HubRole, ReceiptState
from ._channels import HubChannel
from ._context import ConnectorContext
from ._opening import SharedResources
from ._retry import NO_ERROR, as_error_columns, compute_next_attempt, compute_next_probe, decide_retry
from .agencies import (
    AgencyHistory,
    AgencyImport,
    AgencyRecord,
    AgencySync,
    LineProblem,
    RecipientCheck,
    RecipientKind,
    describe_ended,
    describe_unknown,
)
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
    run_checks,
)
from .connector import Connector, open_connectors
from .delivery import Delivery, RecipientState, TimelineEntry
from .handlers import HandlerRegistration, Handlers
from .holdings import OtherStore, release_leases
from .hub_access import BreakerReading, BreakerState, HubBreaker
from .inbound import AuthorityFinding, Receipt, observe_handling
from .lists import DeliveryFilters, ReceiptFilters
from .operations import (
    ArchivedEvidence,
    Checked,
    Event,
    HubState,
    LegalHold,
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
from .outbound import ARRIVAL_TIME, Flushed, Preview, SendResult, expire_due
from .registers import IncomingEntry, OutgoingEntry, Register, RegisterDirection
from .takeover import COLUMNS as IN_FLIGHT_COLUMNS
from .takeover import Imported, ImportFileError, ImportState, ImportUndone, InFlight, InFlightRecipient, name_batch

__all__ = [
    "ARRIVAL_TIME",
    "CHECKS",
    "IN_FLIGHT_COLUMNS",
    "NO_ERROR",
    "OPEN_COUNTS",
    "AgencyHistory",
    "AgencyImport",
    "AgencyRecord",
    "AgencySync",
    "ArchivedEvidence",
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
    "HubChannel",
    "HubHoldings",
    "HubRole",
    "HubState",
    "ImportFileError",
    "ImportState",
    "ImportUndone",
    "Imported",
    "InFlight",
    "InFlightRecipient",
    "IncomingEntry",
    "LegalHold",
    "LineProblem",
    "OtherStore",
    "OtherStoreSigns",
    "OutgoingEntry",
    "Page",
    "Preview",
    "Problem",
    "Pruned",
    "Receipt",
    "ReceiptFilters",
    "ReceiptState",
    "RecipientCheck",
    "RecipientKind",
    "RecipientState",
    "Reconciled",
    "Register",
    "RegisterDirection",
    "RestoreReport",
    "Rewritten",
    "SendResult",
    "SharedResources",
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
    "describe_ended",
    "describe_unknown",
    "expire_due",
    "find_last_end",
    "measure_free_space",
    "measure_queue_age",
    "name_batch",
    "observe_handling",
    "open_connectors",
    "release_leases",
    "run_checks",
]
