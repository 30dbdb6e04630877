"""A mock hub inside a test (Design, "Layers": testing)."""

from __future__ import annotations

import socket

import pytest

from edoc_connector.errors import ConfigError
from edoc_connector.testing.hub import RunningHub


def test_a_port_taken_in_between_is_an_error(mock_hub: RunningHub) -> None:
    """House rules for errors: a hub that cannot come back says why, and leaves no file open."""
    mock_hub.stop()
    with (
        socket.create_server(("127.0.0.1", int(mock_hub.url.rpartition(":")[2]))),
        pytest.raises(ConfigError, match="cannot listen"),
    ):
        mock_hub.start()


def test_an_agency_can_be_added_and_found(mock_hub: RunningHub) -> None:
    """Design, "mock hub": agencies added to a running hub outlive its restart, with their secret."""
    mock_hub.add_agency("G22", "k", "Văn phòng Chính phủ", system_id="SYS")
    mock_hub.stop()
    mock_hub.start()
    agency = mock_hub.hub.storage.find_agency("G22")
    assert agency is not None
    assert (agency.name, agency.system_id) == ("Văn phòng Chính phủ", "SYS")
    assert mock_hub.hub.secrets == {"SYS": "k"}
