"""What `recheck` does with each kind of packet that was set aside (docs/configuration.md, [packets]; worker.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector, Handlers
from edoc_connector.errors import EdocError
from edoc_connector.mockhub import Fault
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker.jobs import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

SMALL = {"elements": 10}


def aside(connector: Connector) -> list[str]:
    """The hub's ids of the packets that are set aside, oldest first."""
    return [one.hub_doc_id for one in reversed(connector.receipts(state=ReceiptState.QUARANTINED))]


def test_a_status_is_entered_in_its_delivery(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A status that is read after all counts, and the application is told of it (business rules, "Who owes what")."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    handle(receiver)[0].accept()
    handle(office("H29.05", packets=SMALL))
    first, second = aside(sender)
    assert sender.recheck(first).kind == "status"
    assert sender.recheck(second).state in (ReceiptState.HANDLED, ReceiptState.CONFIRMED)
    assert handle(sender) == []
    recipient = sender.delivery(delivery.id).recipient("G22")
    assert (recipient.status, recipient.out_of_order) == ("03", 0)
    told = []
    handlers = Handlers()
    handlers.on_status(lambda _, status: told.append(str(status.code)))
    units = AgencyJobs(sender, handlers)
    while units.tell():
        pass
    assert told == ["01", "03"]


def test_a_recall_asks_its_document(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A recall that is read after all shows at the document that an answer is due (business rules, 15 and 16)."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    handle(receiver)
    sender.recall(delivery.id, reason="Ban hành nhầm")
    handle(office("G22", packets=SMALL))
    (recall,) = aside(receiver)
    assert receiver.recheck(recall).state is ReceiptState.WAITING
    assert receiver.receipt(delivery.id).change_requested
    (receipt,) = handle(receiver)
    receipt.agree_change()
    assert receiver.receipt(delivery.id).withdrawn


def test_a_document_that_came_once_more_is_a_duplicate(office: Office, hub: RunningHub, handle: Handle) -> None:
    """What is here by now is no conflict (faults, row 19)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(office("G22", packets=SMALL, limits={"grace": 3600.0}))
    hub.offer(hub.packets()[0].path.read_bytes(), sender="H29.05", to="G22")
    assert len(handle(receiver)) == 1
    (first,) = aside(receiver)
    receiver.recheck(first)
    assert receiver.receipt(first).state is ReceiptState.DUPLICATE
    assert handle(receiver) == []


def unfetched(office: Office, hub: RunningHub, handle: Handle) -> tuple[Connector, str]:
    """A receiver that set a packet aside after too many downloads, and the hub's id of it; the hub works again."""
    office("H29.05").send(sample_document())
    receiver = office("G22", worker={"tries": 2})
    page = hub.faults.add(Fault(kind="html", path="/downloadEdoc", count=None))
    for _ in range(2):
        with pytest.raises(EdocError):
            handle(receiver)
    units = AgencyJobs(receiver)
    units.recover()
    assert units.fetch()
    hub.faults.remove(page)
    assert handle(receiver) == []
    return receiver, aside(receiver)[0]


def test_what_never_came_is_asked_for_again(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A packet that was set aside after too many downloads is downloaded by the next receive (faults, row 11)."""
    receiver, doc_id = unfetched(office, hub, handle)
    assert receiver.recheck(doc_id).state is ReceiptState.LISTED
    assert len(handle(receiver)) == 1


def test_what_never_came_is_asked_for_again_by_itself(office: Office, hub: RunningHub, handle: Handle) -> None:
    """While the hub offers it, it is tried afresh after the longest wait (faults, row 11; docs/faults.md)."""
    unfetched(office, hub, handle)
    patient = office("G22", limits={"backoff_cap": 0.001})
    assert len(handle(patient)) == 1
