"""The desk: pages on which people send, receive and answer documents (extra ``web``).

Names load their modules on first use: people are administered without a web server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import build_app
    from .people import add_person, list_people, remove_person, set_password, set_role
    from .roles import PERMISSIONS, Act, Role
    from .server import Desk

_HOME_OF = {
    "PERMISSIONS": "roles",
    "Act": "roles",
    "Desk": "server",
    "Role": "roles",
    "add_person": "people",
    "build_app": "app",
    "list_people": "people",
    "remove_person": "people",
    "set_password": "people",
    "set_role": "people",
}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "PERMISSIONS",
    "Act",
    "Desk",
    "Role",
    "add_person",
    "build_app",
    "list_people",
    "remove_person",
    "set_password",
    "set_role",
]
