"""The one setting: ``EDOC``, a dictionary as for `Settings`, or ``EDOC_CONFIG``, the path of an ``edoc.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from ...config import Settings
from ...errors import ConfigError

NAMES = ("EDOC", "EDOC_CONFIG")


def load_agencies() -> tuple[Settings, ...]:
    """Load the settings of every agency.

    Relative paths in ``EDOC`` start from ``BASE_DIR`` where the project has one, else from the working directory; in a
    file, from its folder.

    Raises:
        ConfigError: neither setting is there, or both, or the settings cannot be used.
    """
    values, path = (getattr(django_settings, name, None) for name in NAMES)
    if (values is None) == (path is None):
        raise ConfigError(
            "set EDOC, a dictionary of sections, or EDOC_CONFIG, the path of an edoc.toml: one of them.",
            vi="Hãy đặt EDOC (từ điển các mục) hoặc EDOC_CONFIG (đường dẫn tới edoc.toml): chỉ một trong hai.",
        )
    if path is not None:
        return Settings.fleet(path)
    return (_build_settings(values),)


def _build_settings(values: object) -> Settings:
    if isinstance(values, Settings):
        return values
    if not isinstance(values, Mapping):
        raise ConfigError(
            'EDOC is to be a dictionary of sections: {"agency": {"id": …}, "hub": {…}}.',
            vi='EDOC phải là từ điển các mục: {"agency": {"id": …}, "hub": {…}}.',
        )
    folder: Any = getattr(django_settings, "BASE_DIR", None)
    return Settings.of(values, folder=None if folder is None else Path(folder))
