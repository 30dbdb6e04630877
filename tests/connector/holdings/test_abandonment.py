"""A connector that nobody closed gives its leases back."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office, SettingsOf

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

PROGRAM = """
import sys
from edoc_connector.config import Settings
from edoc_connector.connector import Connector
connector = Connector(Settings.load(sys.argv[1]))
for receipt in connector.receive():
    receipt.__enter__()  # and the program ends
    break
"""


def abandon(connector: Connector) -> None:
    """Take a packet in hand, and forget everything."""
    for receipt in connector.receive():
        receipt.__enter__()
        break


def test_row_37_a_connector_that_is_collected(
    office: Office, settings: SettingsOf, hub: RunningHub, handle: Handle
) -> None:
    """Not closed: at garbage collection its leases end (faults, row 37)."""
    office("H29.05").send(sample_document())
    connector = Connector.open(settings("G22"))
    abandon(connector)
    del connector
    gc.collect()
    receiver = office("G22")
    until = time.monotonic() + 10
    while not (handled := handle(receiver)) and time.monotonic() < until:
        time.sleep(0.05)
    assert [one.id for one in handled] == [sample_document().id]


def test_row_37_a_program_that_ends(
    office: Office, settings: SettingsOf, hub: RunningHub, handle: Handle, tmp_path: Path, backend: dict[str, str]
) -> None:
    """Not closed: at the program's end its leases end (faults, row 37)."""
    office("H29.05").send(sample_document())
    values = settings("G22")
    path = tmp_path / "G22" / "edoc.toml"
    path.write_text(
        f'[agency]\nid = "G22"\nname = "Văn phòng Chính phủ"\n[hub]\nendpoint = "{hub.url}"\nsystem_id = "G22"\n'
        f'secret = "file:secret"\n[receive]\npolicy = "any"\n[store]\nurl = "{values.store_url()}"\n',
        encoding="utf-8",
    )
    subprocess.run([sys.executable, "-c", PROGRAM, path], check=True, timeout=60)
    assert [one.id for one in handle(office("G22"))] == [sample_document().id]
