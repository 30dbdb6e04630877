"""The worker, its polls and the circuit breaker: each condition is made, found, mended and gone."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from edoc_connector.connector import CheckOutcome
from edoc_connector.errors import EdocError
from edoc_connector.mockhub import Fault
from edoc_connector.store._sql import TABLES
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.checks.conftest import Find
    from tests.connector.conftest import Fails, Office

PASS, FAIL = CheckOutcome.PASS, CheckOutcome.FAIL


def test_a_breaker_that_is_open(office: Office, hub: RunningHub, find: Find, fails: Fails) -> None:
    """CHK-HUB-PAUSED is raised from the first refusal until something got through (faults, rows 8 and 10)."""
    connector = office("H29.05")
    jobs = AgencyJobs(connector)
    hub.faults.add(Fault(kind="error", status=503, path="/sendEdoc", count=None))
    assert find(connector, "CHK-HUB-PAUSED") is PASS
    fails(EdocError, lambda: connector.send(sample_document()))
    assert jobs.transmit()
    assert find(connector, "CHK-HUB-PAUSED") is FAIL
    (result,) = (one for one in connector.checks() if one.code == "CHK-HUB-PAUSED")
    error = connector.context.breaker.read().error
    assert error is not None
    assert error.en in result.text.en  # with nothing queued, nothing else would say what the hub met
    assert error.vi in result.text.vi
    hub.faults.clear()
    jobs.poll(only_due=False)
    connector.flush()
    assert find(connector, "CHK-HUB-PAUSED") is PASS


def test_polls_that_fail(office: Office, hub: RunningHub, find: Find) -> None:
    """CHK-POLL is raised by three in a row, and gone after one that came."""
    connector = office("H29.05")
    jobs = AgencyJobs(connector)
    jobs.recover()
    hub.stop()
    for outcome in (PASS, PASS, FAIL):
        assert jobs.poll(only_due=False)
        assert find(connector, "CHK-POLL") is outcome
    hub.start()
    assert jobs.poll(only_due=False)
    assert find(connector, "CHK-POLL") is PASS


def test_a_worker_that_is_gone(office: Office, hub: RunningHub, find: Find) -> None:
    """CHK-WORKER is raised where a poll was due and nobody took it; where no worker ever was, there is none to miss."""
    connector = office("H29.05", checks={"worker_silence": 0.5})
    assert find(connector, "CHK-WORKER") is PASS
    jobs = AgencyJobs(connector)
    jobs.recover()
    time.sleep(0.6)
    assert find(connector, "CHK-WORKER") is FAIL
    assert jobs.poll()
    assert find(connector, "CHK-WORKER") is PASS


@pytest.mark.parametrize("ahead", ["next_at", "lease_until", "all"])
def test_a_worker_that_is_gone_after_a_clock_was_ahead(office: Office, hub: RunningHub, find: Find, ahead: str) -> None:
    """CHK-WORKER is not silent for as long as a clock was ahead: two days here (faults, row 34)."""
    connector = office("H29.05")
    jobs = AgencyJobs(connector)
    jobs.recover()
    columns = ["next_at", "lease_until"] if ahead == "all" else [ahead]
    future = connector.context.store.clock() + timedelta(days=2)
    with connector.context.store.transaction("test") as tx:
        values = dict.fromkeys([*columns, "updated_at"], future)
        tx.connection.execute(update(TABLES["jobs"]).where(TABLES["jobs"].c.job == "poll").values(values))
    assert find(connector, "CHK-WORKER") is FAIL
    jobs.recover()
    assert jobs.poll()
    assert find(connector, "CHK-WORKER") is PASS


def test_what_a_dead_worker_left(office: Office, hub: RunningHub, find: Find) -> None:
    """CHK-LEASES is raised where a lease ran out and nobody took the row; a worker's look ends it (doctor, backlog)."""
    connector = office("H29.05", checks={"worker_silence": 60})
    connector.queue(sample_document())
    store, now = connector.context.store, connector.context.store.clock()

    def leave(span: timedelta) -> None:
        table = TABLES["deliveries"]
        with store.transaction() as tx:
            tx.connection.execute(
                update(table).values(
                    state="sending", lease_owner="gone", lease_until=now - span, fence=table.c.fence + 1
                )
            )

    leave(timedelta(seconds=30))
    assert find(connector, "CHK-LEASES") is PASS
    leave(timedelta(minutes=5))
    assert find(connector, "CHK-LEASES") is FAIL
    AgencyJobs(connector).recover()
    assert find(connector, "CHK-LEASES") is PASS
