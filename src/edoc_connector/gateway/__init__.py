"""The gateway: the connector over HTTP, for software that is not written in Python (extra ``gateway``).

Names load their modules on first use: keys and webhooks are administered without FastAPI.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._core import parse_address

if TYPE_CHECKING:
    from .app import build_app, describe_interface
    from .keys import KeyReport, NewKey, add_key, list_keys, revoke_key, rotate_key
    from .offices import Office, Offices
    from .problems import ALL_TYPES, PROBLEM_TYPES, ProblemType
    from .server import Gateway, is_exposed
    from .webhooks import (
        WebhookSender,
        add_webhook,
        describe_webhooks,
        list_failures,
        remove_webhook,
        replay_webhook,
        sign_message,
    )

_HOMES = {
    "app": ("build_app", "describe_interface"),
    "keys": ("KeyReport", "NewKey", "add_key", "list_keys", "revoke_key", "rotate_key"),
    "offices": ("Office", "Offices"),
    "problems": ("ALL_TYPES", "PROBLEM_TYPES", "ProblemType"),
    "server": ("Gateway", "is_exposed"),
    "webhooks": (
        "WebhookSender",
        "add_webhook",
        "describe_webhooks",
        "list_failures",
        "remove_webhook",
        "replay_webhook",
        "sign_message",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ALL_TYPES",
    "PROBLEM_TYPES",
    "Gateway",
    "KeyReport",
    "NewKey",
    "Office",
    "Offices",
    "ProblemType",
    "WebhookSender",
    "add_key",
    "add_webhook",
    "build_app",
    "describe_interface",
    "describe_webhooks",
    "is_exposed",
    "list_failures",
    "list_keys",
    "parse_address",
    "remove_webhook",
    "replay_webhook",
    "revoke_key",
    "rotate_key",
    "sign_message",
]
