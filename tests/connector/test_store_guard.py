"""Two stores for one agency on one machine: the second is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector._store_guard import StoreGuard
from edoc_connector.errors import StoreError
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

HOLDER = """
import sys
from edoc_connector.connector._store_guard import StoreGuard
guard = StoreGuard(agency="G22", hub="https://hub", database=sys.argv[1])
guard.require_alone()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_store(tmp_path: Path) -> dict[str, str]:
    """Another store than the agency's own."""
    return {"url": f"sqlite:///{tmp_path / 'other.db'}", "spool": str(tmp_path / "other-spool")}


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_row_40_two_stores_on_one_machine(
    office: Office, hub: RunningHub, other_store: dict[str, str], fails: Fails, handle: Handle
) -> None:
    """Nothing is handled twice: the second store's connector is refused before it asks the hub (faults, row 40)."""
    office("H29.05").send(sample_document())
    first = office("G22")
    assert len(handle(first)) == 1
    second = office("G22", store=other_store)
    error = fails(StoreError, lambda: handle(second), "with another store")
    assert "postgres@" not in error.message
    assert len(hub.hub.list_waiting("G22", "edoc")) == 0
    assert second.deliveries() == []  # what asks no hub goes on
    first.close()
    assert handle(second) == []


def test_row_40_one_store_in_many_programs(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Several connectors on one store are what it is made for (faults, row 40)."""
    assert [handle(office("G22")) for _ in range(3)] == [[], [], []]


def test_row_40_the_lock_of_another_program(tmp_path: Path, fails: Fails) -> None:
    """The lock is the system's: it ends with the program that holds it (faults, row 40)."""
    one, two = str(tmp_path / "one.db"), str(tmp_path / "two.db")
    command = [sys.executable, "-c", HOLDER, one]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        guard = StoreGuard(agency="G22", hub="https://hub", database=two)
        error = fails(StoreError, guard.require_alone, "one.db")
        assert "one.db" in error.vi
        same = StoreGuard(agency="G22", hub="https://hub", database=one)
        same.require_alone()
        same.release()
        holder.kill()
    guard.require_alone()
    guard.release()


def test_a_folder_of_locks_that_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where somebody else could change the locks, none is believed, and the log says so."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"edoc-connector-{os.geteuid()}").mkdir(mode=0o777)
    (tmp_path / f"edoc-connector-{os.geteuid()}").chmod(0o777)
    StoreGuard(agency="G22", hub="https://hub", database="x").require_alone()
    assert "is not this user's alone" in caplog.text
