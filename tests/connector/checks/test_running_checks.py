"""The worker, its polls and the circuit breaker: each condition is made, found, mended and gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edoc_connector.connector import CheckOutcome
from edoc_connector.errors import EdocError
from edoc_connector.mockhub import Fault
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
