"""pytest plugin, loaded wherever the library is installed: it imports nothing heavy until a fixture is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from edoc_connector.testing.hub import RunningHub

pytest.register_assert_rewrite("edoc_connector.testing.hub_contract")  # it is imported by tests, and shows values then


@pytest.fixture
def mock_hub(tmp_path: Path) -> Iterator[RunningHub]:
    """Run a mock hub without agencies, its data in the test's own directory. Needs the extra ``mockhub``."""
    # imported here: only a test that asks for a hub pays for it
    from edoc_connector.mockhub import MockHubConfig
    from edoc_connector.testing.hub import RunningHub

    with RunningHub(MockHubConfig(data=tmp_path / "mock-hub")) as hub:
        yield hub
