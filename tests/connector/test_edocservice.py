"""Documents over a provincial eDoc hub, from a connector's point of view: a whole life, and the hub's traps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import Connector
from edoc_connector.edxml import Organization, StaffInfo, StatusCode
from edoc_connector.errors import EdocError
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

in_place_or_taken_out = pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])


def holds(counter: bool, check: Callable[[], None]) -> None:
    """A check holds with its counter-measure, and does not without: a trap that catches nobody is none."""
    if counter:
        check()
        return
    with pytest.raises((AssertionError, EdocError)):
        check()


@pytest.fixture
def edoc(hub: RunningHub, office: Office) -> Callable[..., Connector]:
    """Opens the connector of an agency that is at the provincial hub, under a base path."""

    def make(agency: str, **sections: Any) -> Connector:
        given = {"dialect": "edocservice", "endpoint": f"{hub.url}/tich-hop/EdocService", **sections.pop("hub", {})}
        return office(agency, hub=given, **sections)

    return make


def test_a_document_lives_on_an_edoc_hub(edoc: Any, handle: Handle, hub: RunningHub) -> None:
    """send → poll → confirm → 01 03 04 05 06, then a recall that is agreed to."""
    sender, receiver = edoc("H29.05"), edoc("G22")
    delivery = sender.send(sample_document())
    assert (delivery.state, delivery.hub_doc_id) == (DeliveryState.SENT, "1")
    (receipt,) = handle(receiver)
    assert (receipt.sender, receipt.verification.status) == ("H29.05", "VALID")
    assert [one.name for one in receipt.attachments] == ["cong-van.pdf"]
    receipt.accept("Đã vào sổ số 12")
    receipt.assign("Phòng Văn thư", staff=StaffInfo(staff="Trần Thị B"))
    receipt.processing()
    receipt.complete()
    assert receiver.receipt(delivery.id).state is ReceiptState.CONFIRMED
    assert handle(sender) == []
    assert sender.delivery(delivery.id).recipient("G22").status is StatusCode.COMPLETED
    recalled = sender.send(sample_document(number="7817"))
    (second,) = handle(receiver)
    second.accept()
    recall = sender.recall(recalled.id, reason="Ban hành nhầm", staff=StaffInfo(staff="Lê C"))
    (asked,) = handle(receiver)
    asked.agree_change()
    assert receiver.receipt(recalled.id).withdrawn
    handle(sender)
    assert sender.delivery(recall.id).recipient("G22").status is StatusCode.CHANGE_AGREED
    assert sender.delivery(recalled.id).recipient("G22").withdrawn
    assert sender.sync_directory() == 1


def test_between_an_edoc_hub_and_the_national_one(edoc: Any, office: Office, handle: Handle) -> None:
    """An agency at the provincial hub and one at the national one write to each other, with statuses both ways."""
    province, ministry = edoc("H29.05"), office("G22")
    sent = province.send(sample_document())
    (receipt,) = handle(ministry)
    receipt.accept()
    handle(province)
    assert province.delivery(sent.id).recipient("G22").status is StatusCode.ACCEPTED
    sender, recipient = receipt.document.recipients[0], receipt.document.sender
    answer = ministry.send(sample_document(sender=Organization(id="G22", name=sender.name), recipients=(recipient,)))
    (back,) = handle(province)
    back.reject("Sai nơi nhận")
    handle(ministry)
    assert ministry.delivery(answer.id).recipient("H29.05").status is StatusCode.REJECTED
