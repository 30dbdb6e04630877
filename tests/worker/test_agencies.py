"""One worker for several agencies (docs/worker.md, "Your code")."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from edoc_connector.connector import Delivery, Handlers, Receipt
from edoc_connector.edxml import Organization, StatusMessage
from edoc_connector.testing import RECIPIENT, sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Worker

if TYPE_CHECKING:
    from tests.worker.conftest import Office, SettingsOf

HOME = Organization(id="H29.05", name="Sở Nội vụ")


def test_a_handler_knows_whose_packet_it_is(office: Office, settings: SettingsOf, hub: RunningHub) -> None:
    """A document for two of our agencies is registered for each, and each status is the right sender's (worker.md)."""
    saved, told = [], []
    handlers = Handlers()

    @handlers.on_receipt
    def register(receipt: Receipt) -> None:
        if (receipt.agency, receipt.sender, receipt.id) not in saved:
            saved.append((receipt.agency, receipt.sender, receipt.id))
        receipt.accept()

    @handlers.on_status
    def note(delivery: Delivery, status: StatusMessage) -> None:
        told.append((delivery.agency, str(status.sender.id)))

    document = sample_document(recipients=(RECIPIENT, HOME))
    with ExitStack() as stack:
        ours = [settings(code, worker={"poll": 0.001}) for code in ("H29.05", "G22")]
        worker = stack.enter_context(Worker(ours, handlers=handlers))
        office("H29.05").send(document)
        for _ in range(6):
            worker.run_once(rounds=10)
    assert sorted(saved) == [("G22", "H29.05", document.id), ("H29.05", "H29.05", document.id)]
    assert ("H29.05", "G22") in told
    assert {agency for agency, _ in told} == {"H29.05"}
