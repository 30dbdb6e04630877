"""Webhooks: events told to other software, signed, from the store, until they arrive."""

from .endpoints import add_webhook, describe_webhooks, list_failures, remove_webhook, replay_webhook
from .sender import WebhookSender
from .signature import sign_message

__all__ = [
    "WebhookSender",
    "add_webhook",
    "describe_webhooks",
    "list_failures",
    "remove_webhook",
    "replay_webhook",
    "sign_message",
]
