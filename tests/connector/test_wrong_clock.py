"""A machine whose clock is an hour ahead: what the hub has is recognised all the same (faults, rows 4 and 22)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector
from edoc_connector.errors import OutcomeUnknown
from edoc_connector.mockhub import Fault
from edoc_connector.store import DeliveryState
from edoc_connector.store._sql import TABLES
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

ID = sample_document().id


@pytest.fixture
def hub_behind(hub: RunningHub) -> RunningHub:
    """A hub whose clock is an hour behind ours, and right."""
    hub.clock_tolerance = timedelta(minutes=5)
    hub.clock_offset = timedelta(hours=-1)
    return hub


def settled(connector: Connector, done: Callable[[], bool]) -> None:
    """Ask until it is settled, a bounded number of times."""
    for _ in range(5):
        connector.flush()
    assert done()


def test_row_22_a_document_is_not_sent_twice(office: Office, hub_behind: RunningHub, fails: Fails) -> None:
    """The answer was lost; the hub says when it came by its own clock, which was learnt (faults, rows 4 and 22)."""
    sender = office("H29.05")
    sender.sync_directory()  # the hub refuses our time, and its own is learnt
    hub_behind.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    settled(sender, lambda: sender.delivery(ID).state is DeliveryState.SENT)
    assert len(hub_behind.packets()) == 1
    assert "does not have it" not in sender.explain(ID).text()


def test_row_22_nor_after_a_restart_with_the_right_time(office: Office, hub: RunningHub, fails: Fails) -> None:
    """Somebody set the clock, and restarted: what was stored says an hour too late (faults, rows 4 and 22)."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    with sender.context.store.transaction() as tx:
        tx.connection.execute(TABLES["deliveries"].update().values(created_at=tx.now + timedelta(hours=1)))
    sender.close()
    again = office("H29.05")
    settled(again, lambda: again.delivery(ID).state is DeliveryState.SENT)
    assert len(hub.packets()) == 1
    assert "does not have it" not in again.explain(ID).text()


def test_row_22_a_status_is_not_sent_twice(office: Office, hub_behind: RunningHub, handle: Handle) -> None:
    """Likewise 03, which a hub without an id for it would hand on twice (faults, rows 4 and 22)."""
    office("H29.05").send(sample_document())
    receiver = office("G22")
    (receipt,) = handle(receiver)
    hub_behind.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    receipt.accept()
    settled(receiver, lambda: "does not have it" not in receiver.explain(ID).text())
    assert len(hub_behind.packets()) == 3


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=2)], ids=str)
def test_row_34_a_document_of_a_clock_ahead(office: Office, hub: RunningHub, fails: Fails, ahead: timedelta) -> None:
    """Stored two days ahead, sent hours ago, asked about by the right clock: not sent twice (faults, row 34)."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    hub.clock_offset = timedelta(minutes=-50)  # it took it fifty minutes ago
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    hub.clock_offset = timedelta()
    with sender.context.store.transaction() as tx:
        tx.connection.execute(TABLES["deliveries"].update().values(created_at=tx.now + ahead))
    sender.close()
    again = office("H29.05")
    settled(again, lambda: again.delivery(ID).state is DeliveryState.SENT)
    assert len(hub.packets()) == 1
    assert "does not have it" not in again.explain(ID).text()


def test_row_34_a_hub_that_takes_our_wrong_time(office: Office, hub: RunningHub, fails: Fails) -> None:
    """It never refused our clock, so its own is not learnt; its Date says when it took a packet (faults, row 34)."""
    hub.clock_offset = timedelta(days=-2)
    sender = office("H29.05")
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    settled(sender, lambda: sender.delivery(ID).state is DeliveryState.SENT)
    assert len(hub.packets()) == 1
    assert sender.context.hub.time.offset == timedelta()
