"""Documents, statuses and confirmations on their way from the store to the hub."""

from .change_requests import request_take_back, submit_recall, submit_replacement, submit_update
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
from .sent_copies import SentFinding
from .submission import Submission, is_correctable, requeue_failed, require_delivery, submit

__all__ = [
    "Flushed",
    "Outbox",
    "SentFinding",
    "StatusReply",
    "Submission",
    "build_reply_message",
    "check_message",
    "enqueue_reply",
    "find_open_requests",
    "is_correctable",
    "lock_replies",
    "record_answer",
    "request_take_back",
    "requeue_failed",
    "require_allowed",
    "require_delivery",
    "require_handled",
    "submit",
    "submit_recall",
    "submit_replacement",
    "submit_update",
]
