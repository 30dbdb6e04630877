"""Deliveries, receipts and the reports about them, kept in a database and a spool folder."""

from ._sql import as_store_error, translate_driver_errors
from .audit_log import GENESIS, AuditEvent, ChainLink, as_canonical_json, compute_chain_hash, compute_digest
from .deliveries import NewDelivery, require_same_document
from .directory import DirectoryEntry
from .leases import Lease, OverdueLimits, PendingWork
from .migrate import upgrade
from .packets import TAKE_BACK_KIND, PacketRow
from .procrastinate import (
    APPLICATION_TASKS,
    FETCH,
    HANDLE,
    HUB_TASKS,
    REPORT,
    TELL,
    TRANSMIT,
    Task,
    TaskQueue,
    format_queue_name,
)
from .receipts import Offer
from .rows import (
    CONFIRM,
    DONE,
    EDOC,
    FAIL,
    STATUS,
    DeliveryRow,
    DirectoryRow,
    JobRow,
    OutgoingRow,
    QueuedRow,
    ReceiptRow,
    RecipientRow,
    TimelineRow,
)
from .schedule import JOBS_TABLE
from .spool import Altered, Spool, SpoolFile, compute_owner_tag, compute_sha256, parse_owner_tag
from .state_machine import (
    DELIVERIES,
    MACHINES,
    OUTGOING,
    RECEIPTS,
    DeliveryState,
    OutgoingState,
    ReceiptState,
    StateMachine,
    Transition,
)
from .status_rules import (
    CHANGE_BY_ANSWER,
    TAKE_BACK_CODE,
    Change,
    can_take_back,
    describe_code,
    list_allowed_codes,
    require_allowed_code,
    require_take_back,
)
from .store import Store
from .transaction import Tx
from .transitions import LeaseLost

__all__ = [
    "APPLICATION_TASKS",
    "CHANGE_BY_ANSWER",
    "CONFIRM",
    "DELIVERIES",
    "DONE",
    "EDOC",
    "FAIL",
    "FETCH",
    "GENESIS",
    "HANDLE",
    "HUB_TASKS",
    "JOBS_TABLE",
    "MACHINES",
    "OUTGOING",
    "RECEIPTS",
    "REPORT",
    "STATUS",
    "TAKE_BACK_CODE",
    "TAKE_BACK_KIND",
    "TELL",
    "TRANSMIT",
    "Altered",
    "AuditEvent",
    "ChainLink",
    "Change",
    "DeliveryRow",
    "DeliveryState",
    "DirectoryEntry",
    "DirectoryRow",
    "JobRow",
    "Lease",
    "LeaseLost",
    "NewDelivery",
    "Offer",
    "OutgoingRow",
    "OutgoingState",
    "OverdueLimits",
    "PacketRow",
    "PendingWork",
    "QueuedRow",
    "ReceiptRow",
    "ReceiptState",
    "RecipientRow",
    "Spool",
    "SpoolFile",
    "StateMachine",
    "Store",
    "Task",
    "TaskQueue",
    "TimelineRow",
    "Transition",
    "Tx",
    "as_canonical_json",
    "as_store_error",
    "can_take_back",
    "compute_chain_hash",
    "compute_digest",
    "compute_owner_tag",
    "compute_sha256",
    "describe_code",
    "format_queue_name",
    "list_allowed_codes",
    "parse_owner_tag",
    "require_allowed_code",
    "require_same_document",
    "require_take_back",
    "translate_driver_errors",
    "upgrade",
]
