"""Connectors of several agencies in one program without a worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import open_connectors


@pytest.fixture
def agencies(postgres_url: str, tmp_path: Path) -> list[Settings]:
    """Three agencies of one store on a server, with the fewest connections that it may have."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secret").chmod(0o600)

    def describe(code: str) -> dict[str, Any]:
        return {
            "agency": {"id": code, "name": code},
            "hub": {"endpoint": "http://127.0.0.1:9", "system_id": code, "secret": "file:secret"},
            "receive": {"policy": "any"},
            "store": {"url": postgres_url, "connections": 3},
        }

    return [Settings.of(describe(f"H29.{number}"), folder=tmp_path) for number in range(3)]


def test_they_share_what_one_has(
    agencies: list[Settings], count_connections: Callable[[], int], plain_http: None
) -> None:
    """Those of one store have its connections together, and close them together; each works for itself."""
    with open_connectors(agencies) as connectors:
        for connector in connectors:
            assert list(connector.iter_deliveries()) == []
        assert [connector.context.agency for connector in connectors] == ["H29.0", "H29.1", "H29.2"]
        assert count_connections() <= 3
        engines = {id(connector.context.store._engine) for connector in connectors}
        assert len(engines) == 1
    assert count_connections() == 0


def test_a_single_one_shares_with_nobody(
    agencies: list[Settings], count_connections: Callable[[], int], plain_http: None
) -> None:
    """One agency is opened as `Connector` opens it."""
    with open_connectors(agencies[:1]) as (connector,):
        assert list(connector.iter_deliveries()) == []
    assert count_connections() == 0
