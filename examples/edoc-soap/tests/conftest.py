"""A hub, and two agencies of it with stores of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import edoc_connector as edoc
from edoc_connector.testing import agency_keys
from soap_hub import SoapHub

AGENCIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}


@pytest.fixture
def hub() -> Iterator[SoapHub]:
    """A hub with both agencies."""
    with SoapHub({code: f"token-{code}" for code in AGENCIES}) as hub:
        yield hub


@pytest.fixture
def office(hub: SoapHub, tmp_path: Path) -> Iterator[Callable[[str], edoc.Connector]]:
    """Opens the connector of an agency: the dialect is found by its name in the configuration."""
    with ExitStack() as stack:

        def make(code: str) -> edoc.Connector:
            folder = tmp_path / code
            folder.mkdir(exist_ok=True)
            token = folder / "token"
            token.write_text(f"token-{code}")
            token.chmod(0o600)
            keys = agency_keys(AGENCIES[code], organ_id=code, kind="p256")
            values: dict[str, Any] = {
                "agency": {"id": code, "name": AGENCIES[code]},
                "hub": {"dialect": "edoc-soap", "endpoint": hub.url, "system_id": code, "secret": "file:token"},
                "http": {"attempts": 1, "connect": 2.0, "read": 5.0, "total": 10.0},
                "signing": {"key": keys.write_pem(folder / "key.pem")},
                "receive": {"policy": "trusted", "trust": [str(keys.write_root(folder / "root.pem"))]},
                "limits": {"grace": 0.0, "backoff": 0.0},
            }
            return stack.enter_context(edoc.Connector.open(edoc.Settings.of(values, folder=folder)))

        yield make
