"""pytest plugin, loaded wherever the library is installed: it imports nothing heavy until a fixture is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edoc_connector.config import Settings
    from edoc_connector.mockhub import Inspection
    from edoc_connector.testing.hub import RunningHub
    from edoc_connector.testing.office import MockOffice

pytest.register_assert_rewrite("edoc_connector.testing.hub_contract")  # it is imported by tests, and shows values then


@pytest.fixture
def mock_hub(tmp_path: Path) -> Iterator[RunningHub]:
    """Run a mock hub without agencies, its data in the test's own directory. Needs the extra ``mockhub``."""
    # imported here: only a test that asks for a hub pays for it
    from edoc_connector.mockhub import MockHubConfig
    from edoc_connector.testing.hub import RunningHub

    with RunningHub(MockHubConfig(data=tmp_path / "mock-hub", inspector=_inspect_packet)) as hub:
        yield hub


@pytest.fixture
def edoc_office(mock_hub: RunningHub) -> Callable[..., MockOffice]:
    """Play another agency at the mock hub: ``edoc_office("G22").send(…)``, ``.accept(id)``, ``.recall(id)``."""
    from edoc_connector.testing.office import MockOffice

    return partial(MockOffice, mock_hub)


@pytest.fixture
def edoc_settings(mock_hub: RunningHub, tmp_path: Path) -> Callable[..., Settings]:
    """Make settings of an agency at the mock hub: ``edoc_settings("H29.05", dialect="lgsp")``. Fast limits."""
    from edoc_connector.testing.settings import make_settings

    def make(code: str, **options: Any) -> Settings:
        return make_settings(mock_hub, code, tmp_path / code, **options)

    return make


def _inspect_packet(path: Path) -> Inspection:
    """Inspect a packet for the hub's page; only a test that opens it loads what reads packets."""
    from edoc_connector.testing.inspection import inspect_packet

    return inspect_packet(path)
