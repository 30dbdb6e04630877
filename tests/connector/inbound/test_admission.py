"""What a receipt says is what was signed, and a status about a document of ours can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edoc_connector.errors import NotFound
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office


def test_a_document_is_known_by_the_id_that_was_signed(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A seal compares texts in NFC (seal, "Canonical values"): another spelling of the id is no other document."""
    office("H29.05").send(sample_document(notation="KH-UBND"))
    receiver = office("G22")
    assert len(handle(receiver)) == 1
    packet = hub.packets()[0].path.read_bytes()
    again = packet.replace(b"KH-UBND", "\u212aH-UBND".encode())
    assert again != packet
    hub.offer(again, sender="H29.05", to="G22")
    assert handle(receiver) == []
    assert {one.id for one in receiver.receipts()} == {sample_document(notation="KH-UBND").id}
    assert ReceiptState.WAITING not in {one.state for one in receiver.receipts()}


def test_a_status_about_a_document_of_ours_can_be_read(office: Office, handle: Handle) -> None:
    """It has no document that came to us; what it says is there all the same."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(receiver)
    list(sender.receive())
    (status,) = sender.receipts()
    assert status.status_message.code == "01"
    assert status.attachments == ()
    with pytest.raises(NotFound, match="see status_message"):
        _ = status.document
