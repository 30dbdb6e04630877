"""A machine whose clock was ahead, and is set right: work goes on at once (faults, row 34)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import BreakerState, Connector
from edoc_connector.mockhub import Fault
from edoc_connector.store import HUB_BREAKER, DeliveryState
from edoc_connector.store._sql import TABLES
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Worker
from edoc_connector.worker.jobs import Job

if TYPE_CHECKING:
    from tests.worker.conftest import Office, SectionsOf, WorkerOf

AHEAD = [timedelta(hours=1), timedelta(days=2), timedelta(days=4000)]
SLOW = {"worker": {"poll": 600.0}, "limits": {"backoff": 10.0}}
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
PATIENCE = 120.0


def set_clock(connector: Connector, ahead: timedelta) -> None:
    """Set the clock of a connector's machine."""
    connector.context.store.clock = lambda: datetime.now(UTC) + ahead


def worker_ahead(worker: WorkerOf, agency: str, ahead: timedelta) -> Worker:
    """A worker on a machine whose clock is ahead."""
    one = worker(agency, **SLOW)
    set_clock(one.connectors[0], ahead)
    return one


@pytest.mark.parametrize("ahead", AHEAD, ids=str)
def test_row_34_the_poll_of_a_clock_ahead(worker: WorkerOf, ahead: timedelta) -> None:
    """A worker that is started after the correction polls at once, and then not again (faults, row 34)."""
    worker_ahead(worker, "H29.05", ahead).run_once(rounds=5)
    jobs = worker("H29.05", **SLOW).agency_jobs[0]
    jobs.recover()
    assert jobs.poll()
    jobs.recover()
    assert not jobs.poll()
    succeeded_at = jobs.read_schedule()[Job.POLL].succeeded_at
    assert succeeded_at is not None
    assert abs(succeeded_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_row_34_a_time_of_the_poll_alone(worker: WorkerOf) -> None:
    """A poll waits for its interval at most, however its time came to be there (faults, row 34)."""
    jobs = worker("H29.05", **SLOW).agency_jobs[0]
    jobs.recover()
    assert jobs.poll()
    with jobs.store.transaction() as tx:
        late = {"next_at": tx.now + timedelta(minutes=30), "updated_at": tx.now}
        tx.connection.execute(TABLES["jobs"].update().values(late))
    jobs.recover()
    assert jobs.poll()


@pytest.mark.parametrize("ahead", AHEAD[1:], ids=str)
def test_row_34_a_dead_worker_of_a_clock_ahead(worker: WorkerOf, office: Office, ahead: timedelta) -> None:
    """Nobody waits for the end of a lease that lies days ahead, on a document or on the poll (faults, row 34)."""
    first = worker_ahead(worker, "H29.05", ahead)
    first.agency_jobs[0].recover()
    context = first.connectors[0].context
    with context.store.transaction() as tx:
        assert tx.schedule.claim_job(context.lease, "H29.05", Job.POLL, only_due=False)
    jobs = worker("H29.05", **SLOW).agency_jobs[0]
    jobs.recover()
    assert jobs.poll()


@pytest.mark.parametrize("ahead", AHEAD, ids=str)
def test_row_34_what_a_clock_ahead_left_waiting(
    worker: WorkerOf, office: Office, hub: RunningHub, ahead: timedelta
) -> None:
    """A document's back-off, and the pause of work with the hub, are over at once (faults, row 34)."""
    first = worker_ahead(worker, "H29.05", ahead)
    hub.faults.add(Fault(kind="error", status=503, path="/sendEdoc", count=2))
    with pytest.raises(Exception, match="503"):
        first.connectors[0].send(sample_document())
    set_clock(first.connectors[0], ahead + timedelta(minutes=1))
    first.run_once(rounds=5)
    schedule = first.agency_jobs[0].read_schedule()
    assert schedule[HUB_BREAKER].failures == 1
    second = worker("H29.05", **SLOW)
    second.run_once(rounds=10)
    assert office("H29.05").deliveries()[0].state is DeliveryState.SENT
    assert second.agency_jobs[0].read_breakers()["hub"].state is BreakerState.CLOSED


def test_row_34_a_clock_that_was_behind(worker: WorkerOf, office: Office, hub: RunningHub) -> None:
    """What the right clock wrote lies in the future of one that is behind, and waits for nothing (faults, row 34)."""
    worker("H29.05", **SLOW).run_once(rounds=5)
    behind = worker_ahead(worker, "H29.05", timedelta(days=-2))
    behind.agency_jobs[0].recover()
    assert behind.agency_jobs[0].poll()


@pytest.mark.skipif(not LIBRARIES and "CI" not in os.environ, reason="libfaketime is not installed (apt: faketime)")
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("restarts", [False, True])
def test_row_34_a_process_two_days_ahead(values: SectionsOf, worker: WorkerOf, tmp_path: Path, restarts: bool) -> None:
    """`edoc worker` polls on after its clock is set right, under its feet or before a restart (faults, row 34)."""
    with (tmp_path / "edoc.toml").open("w") as file:
        for name, section in values("H29.05", worker={"poll": 1.0}).items():
            print(f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items()), sep="\n", file=file)
    clock = tmp_path / "clock"
    clock.write_text("+2d")
    watch = worker("H29.05").agency_jobs[0]
    process = start_worker(tmp_path, clock)
    try:
        wait_for_poll(watch.read_schedule, after=datetime.now(UTC) + timedelta(days=1))
        if restarts:
            stop(process)
        clock.write_text("+0d")
        set_right = datetime.now(UTC)
        process = start_worker(tmp_path, clock) if restarts else process
        wait_for_poll(watch.read_schedule, after=set_right, before=set_right + timedelta(days=1))
        first = watch.read_schedule()[Job.POLL].succeeded_at
        assert first is not None
        wait_for_poll(watch.read_schedule, after=first, before=set_right + timedelta(days=1))
    finally:
        stop(process)


def start_worker(folder: Path, clock: Path) -> subprocess.Popen[bytes]:
    """Start `edoc worker` on a clock that a file sets."""
    environment = os.environ | {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return subprocess.Popen([sys.executable, "-m", "edoc_connector", "worker"], cwd=folder, env=environment)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop it; a busy machine may not let it finish in time what it had begun, which its exit code 1 says."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) in {0, 1}


def wait_for_poll(
    read_schedule: Callable[[], dict[str, Any]], *, after: datetime, before: datetime | None = None
) -> None:
    """Wait for a poll that succeeded in a time."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        poll = read_schedule().get(Job.POLL)
        polled_at = poll.succeeded_at if poll is not None else None
        if polled_at is not None and after < polled_at and (before is None or polled_at < before):
            return
        time.sleep(0.1)
    pytest.fail("the worker did not poll")
