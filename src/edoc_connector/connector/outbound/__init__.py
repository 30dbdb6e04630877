"""Documents, statuses and confirmations on their way from the store to the hub."""

from .change_requests import request_take_back, submit_recall, submit_replacement, submit_update
from .confirmation_gate import ConfirmationGate
from .deadlines import expire_due, list_missing
from .dispatcher import Dispatcher
from .late_refusals import ARRIVAL_TIME, LateRefusals
from .outbox import Flushed, Outbox
from .packet_builder import check_message
from .replies import (
    StatusReply,
    build_reply_message,
    enqueue_reply,
    find_open_requests,
    lock_replies,
    record_answer,
    require_allowed,
    require_handled,
)
from .send_batch import SendBatch, SendBatches, SendResult, send_each, send_each_async
from .sent_copies import SentFinding
from .submission import Preview, Submission, is_correctable, preview, requeue_failed, require_delivery, submit

__all__ = [
    "ARRIVAL_TIME",
    "ConfirmationGate",
    "Dispatcher",
    "Flushed",
    "LateRefusals",
    "Outbox",
    "Preview",
    "SendBatch",
    "SendBatches",
    "SendResult",
    "SentFinding",
    "StatusReply",
    "Submission",
    "build_reply_message",
    "check_message",
    "enqueue_reply",
    "expire_due",
    "find_open_requests",
    "is_correctable",
    "list_missing",
    "lock_replies",
    "preview",
    "record_answer",
    "request_take_back",
    "requeue_failed",
    "require_allowed",
    "require_delivery",
    "require_handled",
    "send_each",
    "send_each_async",
    "submit",
    "submit_recall",
    "submit_replacement",
    "submit_update",
]
