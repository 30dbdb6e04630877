"""The agencies that a command of the gateway is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError
from ..configuration import load_fleet, load_settings

if TYPE_CHECKING:
    from ...config import Settings
    from ...gateway import Office, Offices


def require_gateway() -> None:
    """Check for the extra of the gateway, before anything is started.

    Raises:
        ConfigError: the extra is not installed; the message holds the line that installs it.
    """
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("fastapi", "uvicorn", "python_multipart")):
        raise ConfigError(
            "the gateway needs the extra 'gateway'; install it: pip install 'edoc-connector[gateway]'",
            vi="cổng tích hợp cần gói bổ sung 'gateway'; hãy cài: pip install 'edoc-connector[gateway]'",
        )


def load_agencies(config: Path, codes: Sequence[str] | None) -> tuple[Settings, ...]:
    """Load the settings of some agencies of a configuration; of all where none is named.

    Raises:
        ConfigError: the configuration cannot be used, or has no such agency.
    """

    if not codes:
        return load_fleet(config)
    return tuple(load_settings(config, code) for code in dict.fromkeys(codes))


@contextmanager
def open_offices(config: Path, codes: Sequence[str] | None) -> Iterator[Offices]:
    """Open some agencies of a configuration."""
    require_gateway()
    from ...connector import open_connectors
    from ...gateway import Offices

    with open_connectors(load_agencies(config, codes)) as connectors:
        yield Offices(connectors)


@contextmanager
def open_office(config: Path, code: str | None) -> Iterator[Office]:
    """Open an agency of a configuration, which has to be named where there are several."""
    require_gateway()
    from ...connector import Connector
    from ...gateway import Office

    with Connector(load_settings(config, code)) as connector:
        yield Office(connector)
