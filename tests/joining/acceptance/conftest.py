"""Two agencies at a mock hub that run the scenarios between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.connector import Connector
from edoc_connector.edxml import Organization
from edoc_connector.joining import AcceptanceRun
from edoc_connector.testing import RunningHub, agency_keys
from edoc_connector.testing.settings import make_settings

Begin = Callable[..., AcceptanceRun]
NAMES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}


@pytest.fixture
def begin(mock_hub: RunningHub, tmp_path: Path) -> Iterator[Begin]:
    """Begins a run of H29.05 with G22, an agency of ours too or a partner; in the same folder it goes on."""
    with ExitStack() as stack:

        def open_office(code: str, dialect: Any) -> Connector:
            folder = tmp_path / code
            folder.mkdir(exist_ok=True)
            keys = agency_keys(NAMES[code], organ_id=code, kind="p256")
            keys.write_root(folder / "ca.pem")
            signing = {"key": keys.write_pem(folder / "key.pem")}
            receive = {"policy": "trusted", "trust": ["ca.pem"], "organisations_others": "report"}
            settings = make_settings(
                mock_hub, code, folder, dialect=dialect, name=NAMES[code], signing=signing, receive=receive
            )
            return stack.enter_context(Connector(settings))

        def make(*, dialect: str = "vxp", remote: bool = False, wait: float = 20.0, locked: str = "") -> AcceptanceRun:
            ours = open_office("H29.05", dialect)
            other = Organization(id="G22", name=NAMES["G22"]) if remote else open_office("G22", dialect)
            return AcceptanceRun(ours, other, tmp_path / "run", wait=wait, pause=0.05, large=300_000, locked=locked)

        yield make
