"""An agency with a watched folder at a mock hub, and another agency there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.folder.office import OURS, SETTLE, THEIRS, Office

from edoc_connector.config import Settings
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.office import MockOffice

OpenOffice = Callable[..., Office]


@pytest.fixture
def open_office(mock_hub: RunningHub, edoc_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[OpenOffice]:
    """Open an agency with a watched folder, with settings of the section ``[watch_folder]``."""
    with ExitStack() as stack:

        def open_it(**section: Any) -> Office:
            root = tmp_path / "share"
            root.mkdir(exist_ok=True)
            partner = MockOffice(mock_hub, THEIRS, "Văn phòng Chính phủ")
            settings = edoc_settings(
                OURS,
                name="Sở Nội vụ",
                watch_folder={"path": str(root), "settle": SETTLE} | section,
            )
            office = Office(settings, root, partner)
            stack.callback(lambda: office.close())
            return office

        yield open_it


@pytest.fixture
def office(open_office: OpenOffice) -> Office:
    """An agency with a watched folder as it is without further settings."""
    return open_office()
