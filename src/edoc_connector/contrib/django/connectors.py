"""The connectors of this process, one per agency, opened when they are first asked for."""

from __future__ import annotations

from typing import Any

from django.core.signals import setting_changed

from ..._core import make_lock
from ...config import Settings
from ...connector import Connector
from ...errors import ConfigError
from .configuration import NAMES, load_agencies

_lock = make_lock()
_connectors: dict[str, Connector] = {}


def get_connector(agency: str = "") -> Connector:
    """Get the connector of this process; it is opened by the first call, and closed when the process ends.

    Threads share it. A process that is forked afterwards (gunicorn with ``--preload``) may go on with it: connections,
    threads and leases are made anew there.

    Args:
        agency: code of the agency; needed only where the settings name several.

    Raises:
        ConfigError: the settings cannot be used, or name no such agency.
        SigningError, StoreError: as for `Connector`.
    """
    with _lock:
        if agency not in _connectors:
            settings = _choose_agency(load_agencies(), agency)
            code = settings.agency.id
            _connectors[code] = _connectors.get(code) or Connector(settings)
            _connectors[agency] = _connectors[code]
        return _connectors[agency]


def close_connectors() -> None:
    """Close the connectors of this process; the next `get_connector` opens anew. For tests, mostly."""
    with _lock:
        opened = {id(connector): connector for connector in _connectors.values()}
        _connectors.clear()
    for connector in opened.values():
        connector.close()


def _choose_agency(agencies: tuple[Settings, ...], code: str) -> Settings:
    chosen = [settings for settings in agencies if code in ("", settings.agency.id)]
    if len(chosen) != 1:
        known = ", ".join(settings.agency.id for settings in agencies)
        raise ConfigError(
            f"get_connector() needs the code of one agency; the settings have: {known}.",
            vi=f"get_connector() cần mã của một đơn vị; cấu hình có: {known}.",
        )
    return chosen[0]


def _forget(*, setting: str, **_: Any) -> None:
    if setting in NAMES:
        close_connectors()


setting_changed.connect(_forget, dispatch_uid="edoc_connector")  # override_settings, in tests
