"""Statuses that are at the hub, though the answer with the hub's id never came (VXP interface, "Settling a send")."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector, Receipt
from edoc_connector.mockhub import Fault
from edoc_connector.store import STATUS, OutgoingState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

ID = sample_document().id


@pytest.fixture
def lost(office: Office, hub: RunningHub, handle: Handle) -> tuple[Connector, Receipt]:
    """A receiver whose status 01 arrived, but not the hub's answer."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    hub.faults.add(Fault(kind="error", path="/getSentEdocList", status=503))
    (receipt,) = handle(receiver)
    return receiver, receipt


def _statuses(receiver: Connector) -> list[tuple[str, str, str | None]]:
    with receiver.context.store.snapshot() as tx:
        rows = tx.outgoing.find_all("G22", kind=STATUS)
    return [(row.code, row.state, row.hub_doc_id) for row in reversed(rows)]


def _at_hub(hub: RunningHub) -> dict[str, str]:
    return {one.packet.status: one.packet.id for one in hub.packets() if one.packet.status}


def test_a_duplicate_gets_its_id(lost: tuple[Connector, Receipt], hub: RunningHub) -> None:
    """Sent again and refused as a duplicate, a status is bound to the hub's packet: nothing else is taken for it."""
    receiver, receipt = lost
    receiver.settle(ID, arrived=False)
    receipt.accept()
    assert receiver.flush().errors == ()
    there = _at_hub(hub)
    assert _statuses(receiver) == [("01", "sent", there["01"]), ("03", "sent", there["03"])]
    story = receiver.explain(ID)
    assert story.next == ("Nothing is open.",)
    assert "status 01 arrived to H29.05 taken by the hub" in story.text()
    assert receiver.reconcile().undecided == ()


def test_one_without_an_id_is_not_taken_for_the_next(lost: tuple[Connector, Receipt], hub: RunningHub) -> None:
    """A person said that 01 arrived; a 03 that the hub never got is not settled by the hub's 01: a person decides."""
    receiver, receipt = lost
    receiver.settle(ID, arrived=True)
    hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))
    receipt.accept()
    receiver.flush()
    assert set(_at_hub(hub)) == {"01"}
    assert _statuses(receiver)[1][:2] == ("03", OutgoingState.UNKNOWN)
    (open_,) = receiver.reconcile().undecided
    assert (open_.document_id, open_.what) == (ID, "03")
    receiver.settle(ID, arrived=False)
    receiver.flush()
    assert set(_at_hub(hub)) == {"01", "03"}
