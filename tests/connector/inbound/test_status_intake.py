"""A document that is given back before the application handled it (business rules, 13 and 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edoc_connector.errors import StatusNotAllowed
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)


def test_it_is_handled_and_confirmed_without_a_status(office: Office, hub: RunningHub, handle: Handle) -> None:
    """After 15 it takes no further code, and is handled like any other (business rules, "Allowed order")."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    with pytest.raises(ValueError, match="away"), next(receiver.receive()):
        raise ValueError("the register is away")
    sender.take_back(delivery.id, reason="Gửi nhầm")
    for receipt in receiver.receive():
        if receipt.kind == "take_back":
            with receipt:
                receipt.agree_change()
    (document,) = handle(receiver)
    assert (document.id, document.withdrawn) == (delivery.id, True)
    with pytest.raises(StatusNotAllowed, match="withdrawn"):
        document.accept()
    receiver.flush()
    assert receiver.receipt(delivery.id).state is ReceiptState.CONFIRMED
    assert [packet.packet.status for packet in hub.packets()] == ["", "13", "15"]
