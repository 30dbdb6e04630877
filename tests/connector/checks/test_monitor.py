"""The monitor: what begins and what ends is logged once."""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import CHECKS, CheckMonitor

if TYPE_CHECKING:
    from tests.connector.conftest import Office

    from edoc_connector.testing.hub import RunningHub


def _list_changes(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, int]]:
    found = [
        (record.__dict__["edoc_fields"]["check"], record.__dict__["edoc_fields"]["change"], record.levelno)
        for record in caplog.records
        if "edoc_fields" in record.__dict__
    ]
    caplog.clear()
    return found


def test_a_condition_is_logged_when_it_begins_and_when_it_ends(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once each, however often it is looked at, with its cure (alarms, point 8)."""
    monitor = CheckMonitor(office("G22").check_subject, slow_interval=3600.0)
    monitor.run()
    assert _list_changes(caplog) == []
    secret = tmp_path / "G22" / "secret"
    secret.chmod(0o644)
    monitor.run()
    assert "G22: CHK-SECRET-MODES: other users of this machine can read 1 files with secrets" in caplog.text
    assert "chmod 600 it" in caplog.text
    monitor.run()
    assert _list_changes(caplog) == [("CHK-SECRET-MODES", "raised", logging.WARNING)]
    secret.chmod(0o600)
    monitor.run()
    monitor.run()
    assert "cleared: files with secrets are closed to others" in caplog.text
    assert _list_changes(caplog) == [("CHK-SECRET-MODES", "cleared", logging.WARNING)]


def test_what_cannot_be_looked_at_has_not_ended(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A condition that lasts stays raised while the store does not answer."""
    connector = office("G22", checks={"worker_silence": 0.000001})
    monitor = CheckMonitor(connector.check_subject, slow_interval=3600.0)
    with connector.context.store.transaction() as tx:
        tx.schedule.ensure_job("G22", "poll", first_at=tx.now)
    monitor.run()
    assert _list_changes(caplog) == [("CHK-WORKER", "raised", logging.ERROR)]
    with closing(sqlite3.connect(tmp_path / "G22" / "edoc.db")) as database, database:
        database.execute("ALTER TABLE jobs RENAME TO elsewhere")
    monitor.run()
    assert _list_changes(caplog) == [("CHK-STORE-DOWN", "raised", logging.ERROR)]
    assert {result.code for result in monitor.results if result.is_raised} == {"CHK-WORKER", "CHK-STORE-DOWN"}


def test_what_reads_every_file_is_looked_at_seldom(office: Office) -> None:
    """The first look is at everything; the next ones leave slow checks out until their time has come."""
    slow = [check.code for check in CHECKS if check.is_slow]
    assert slow
    connector = office("G22")
    monitor = CheckMonitor(connector.check_subject, slow_interval=3600.0)
    first = {result.code: result for result in monitor.run()}
    second = {result.code: result for result in monitor.run()}
    assert len(first) == len(second) == len([check for check in CHECKS if not check.is_remote])
    assert all(second[code] is first[code] for code in slow)
    assert second["CHK-SPOOL"] is not first["CHK-SPOOL"]


def test_the_hub_is_called_seldom_and_not_at_the_start(office: Office, hub: RunningHub) -> None:
    """What calls the hub is looked at once its interval has passed, and shows in the results from then on."""
    connector = office("G22")
    monitor = CheckMonitor(connector.check_subject, slow_interval=0.2)
    before = len(hub.requests())
    assert not {result.code for result in monitor.run()} & {check.code for check in CHECKS if check.is_remote}
    assert len(hub.requests()) == before
    time.sleep(0.25)
    assert {result.code for result in monitor.run()} == {check.code for check in CHECKS}
    assert len(hub.requests()) > before
