"""The sections of an agency's hubs: which of several stands for `[hub]`, and their addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .sections import HubSettings


def choose_hub(values: dict[str, Any]) -> dict[str, Any]:
    """Take the hub that sends, of those of ``[hubs.NAME]``, for ``[hub]`` where there is none; else the first."""
    hubs = values.get("hubs")
    if values.get("hub") is not None or not isinstance(hubs, Mapping) or not hubs:
        return values
    sections = [section for section in hubs.values() if isinstance(section, Mapping | HubSettings)]
    active = [one for one in sections if _get_role(one) == "active"]
    return {**values, "hub": next(iter([*active, *sections]), None)}


def _get_role(section: Mapping[str, Any] | HubSettings) -> object:
    return section.role if isinstance(section, HubSettings) else section.get("role", "active")


def get_endpoint(hub: HubSettings) -> str:
    """Get the address of a hub; empty where its dialect has none of that name."""
    return str((hub.model_extra or {}).get("endpoint", ""))


def get_login_url(hub: HubSettings) -> str:
    """Get the address at which an authenticator logs in; empty for none."""
    given = {} if hub.auth is None else hub.auth.model_extra or {}
    return str(given.get("token_url") or given.get("login_url") or "")
