"""The gateway's own rows: keys of its clients, repeatable requests, webhooks, and the feed of what changed."""

from .changes import ChangeRow, Changes
from .keys import GatewayKeys, KeyRow
from .requests import GatewayRequests, RequestRow
from .webhooks import DueMessage, MessageRow, MessageState, WebhookRow, Webhooks

__all__ = [
    "ChangeRow",
    "Changes",
    "DueMessage",
    "GatewayKeys",
    "GatewayRequests",
    "KeyRow",
    "MessageRow",
    "MessageState",
    "RequestRow",
    "WebhookRow",
    "Webhooks",
]
