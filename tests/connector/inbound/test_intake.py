"""Packets that could not be entered together are entered one by one (faults, rows 19 and 23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.errors import StoreError
from edoc_connector.hubs import MessageType
from edoc_connector.mockhub import Fault
from edoc_connector.store import ReceiptState
from edoc_connector.store.receipts import Receipts
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings, for either database."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


def test_a_double_that_could_not_be_looked_at_twice(
    office: Office, hub: RunningHub, handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes were given up for another download; no row may name them then (faults, rows 19 and 23)."""
    sender, receiver = office("H29.05"), office("G22")
    for number in ("1", "2"):
        sender.send(sample_document(number=number))
    hub.offer(hub.packets()[0].path.read_bytes(), sender="H29.05", to="G22")
    inbox = receiver.inbox
    first, *others = sorted(inbox.poll_offers(MessageType.EDOC)[0])
    inbox.intake.fetch([first])
    arrivals = [inbox.intake.download(row) for row in inbox.intake.claim(others)]
    hub.faults.add(Fault(kind="error", path="/downloadEdoc", status=503))
    real = Receipts.mark_downloaded

    def once(*_: Any) -> None:
        monkeypatch.setattr(Receipts, "mark_downloaded", real)
        raise StoreError("the disk is full.", vi="Đĩa đầy.")

    monkeypatch.setattr(Receipts, "mark_downloaded", once)
    assert len(inbox.intake.store_packets(arrivals)) == 1
    assert receiver.fsck() == []
    handle(receiver)
    assert sorted(one.state for one in receiver.receipts()) == ["confirmed", "confirmed", "duplicate"]
    assert receiver.fsck(deep=True) == []
    assert not receiver.receipts(state=ReceiptState.LISTED)
