"""Settings of an agency at a mock hub, with limits that let a test fail soon."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from .._core import write_private
from ..config import Settings
from .choices import choose
from .hub import RunningHub

DialectName = Literal["vxp", "lgsp", "edocservice"]
_BASES: Final[dict[DialectName, str]] = {"vxp": "", "lgsp": "", "edocservice": "/EdocService"}
_LIMITS: Final = {"grace": 0.0, "backoff": 0.0}
_HTTP: Final = {"attempts": 1, "connect": 2.0, "read": 5.0, "total": 10.0}


def make_settings(
    hub: RunningHub,
    code: str,
    folder: Path,
    /,
    *,
    dialect: DialectName = "vxp",
    name: str = "",
    **sections: dict[str, Any],
) -> Settings:
    """Make the settings of an agency, and register it at the hub where it is not.

    Args:
        hub: the mock hub.
        code: code of the agency.
        folder: where its store and its secret go.
        dialect: in which it speaks to the hub.
        name: its name.
        **sections: sections of ``edoc.toml`` that are laid over these.

    Raises:
        ValueError: there is no such dialect.
    """
    base = choose(_BASES, dialect, what="dialect")
    known = hub.hub.storage.find_agency(code)
    title = name or (known.name if known else f"Cơ quan {code}")
    if known is None:
        hub.add_agency(code, f"secret-{code}", title)
    folder.mkdir(parents=True, exist_ok=True)
    write_private(folder / "secret", hub.hub.secrets[known.system_id if known else code])
    values: dict[str, dict[str, Any]] = {
        "agency": {"id": code, "name": title},
        "hub": {
            "dialect": dialect,
            "endpoint": hub.url + base,
            "system_id": known.system_id if known and dialect != "edocservice" else code,
            "secret": "file:secret",
        },
        "http": dict(_HTTP),
        "limits": dict(_LIMITS),
    }
    for section, given in sections.items():
        values[section] = values.get(section, {}) | given
    return Settings.of(values, folder=folder)
