"""A document and its statuses between two agencies, over a real hub (business rules)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edoc_connector.edxml import SEAL_NAME, BusinessType, StaffInfo, StatusCode
from edoc_connector.errors import DocumentError, DocumentIdConflict, NotFound, StatusNotAllowed, StoreError
from edoc_connector.store import Change, DeliveryState, ReceiptState
from edoc_connector.testing import RECIPIENT, sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Ahead, Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)


@pytest.mark.parametrize("key_kind", ["p256", "rsa"])
def test_a_document_crosses_and_every_status_comes_back(office: Office, handle: Handle) -> None:
    """send → 01 → 03 → 04 → 05 → 06 (business rules, "Allowed order for one receiver")."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    assert (delivery.state, delivery.hub_doc_id is not None, delivery.last_error) == (DeliveryState.SENT, True, None)
    (receipt,) = handle(receiver)
    assert (receipt.kind, receipt.sender, receipt.state) == ("new", "H29.05", ReceiptState.HANDLED)
    assert receipt.document.subject == sample_document().subject
    assert [one.name for one in receipt.attachments] == ["cong-van.pdf"]
    assert SEAL_NAME not in [one.name for one in receipt.document.attachments]
    assert (receipt.verification.status, receipt.verification.method) == ("VALID", "seal")
    receipt.accept("Đã vào sổ số 12")
    receipt.assign("Phòng Văn thư", staff=StaffInfo(staff="Trần Thị B"))
    receipt.processing()
    receipt.complete()
    assert handle(sender) == []
    after = sender.delivery(delivery.id)
    assert after.recipient("G22").status is StatusCode.COMPLETED
    codes = [(entry.actor, entry.to) for entry in after.timeline if entry.recipient == "G22"]
    assert codes == [("G22", code) for code in ("01", "03", "04", "05", "06")]
    assert all(entry.time.tzinfo is not None for entry in after.timeline)
    assert [entry.to for entry in after.timeline[:3]] == ["ready", "sending", "sent"]
    assert receiver.receipt(delivery.id).state is ReceiptState.CONFIRMED
    assert [r.status for r in sender.receipts(kind="status")] == [None] * 5


def test_a_document_is_rejected_with_a_reason(office: Office, handle: Handle) -> None:
    """send → 02 with reason; nothing follows it (business rules)."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    (receipt,) = handle(receiver)
    with pytest.raises(DocumentError, match="reason"):
        receipt.reject("")
    receipt.reject("Sai nơi nhận")
    assert handle(sender) == []
    state = sender.delivery(delivery.id).recipient("G22")
    assert (state.status, state.description) == (StatusCode.REJECTED, "Sai nơi nhận")
    with pytest.raises(StatusNotAllowed, match="02 rejected"):
        receipt.accept()
    with pytest.raises(StatusNotAllowed, match="cannot be taken back from G22"):
        sender.take_back(delivery.id, reason="nhầm", recipients=["G22"])


def test_a_recall_is_agreed_to(office: Office, handle: Handle) -> None:
    """recall → 15; the document is withdrawn and takes no further code (business rules)."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    (receipt,) = handle(receiver)
    receipt.accept()
    recall = sender.recall(delivery.id, reason="Ban hành nhầm", staff=StaffInfo(staff="Lê C"))
    assert (recall.business, recall.targets) == (BusinessType.RECALL, (delivery.id,))
    assert sender.recall(delivery.id, reason="Ban hành nhầm").id == recall.id
    (asked,) = handle(receiver)
    assert (asked.kind, asked.document.business.document_id) == ("recall", delivery.id)
    assert receiver.receipt(delivery.id).change_requested
    asked.agree_change()
    original = receiver.receipt(delivery.id)
    assert (original.withdrawn, original.change_requested) == (True, False)
    with pytest.raises(StatusNotAllowed, match="withdrawn; allowed: none"):
        original.complete()
    assert handle(sender) == []
    assert sender.delivery(recall.id).recipient("G22").status is StatusCode.CHANGE_AGREED
    target = sender.delivery(delivery.id).recipient("G22")
    assert (target.status, target.withdrawn, target.out_of_order) == (StatusCode.ACCEPTED, True, 0)
    again = sender.recall(delivery.id, reason="Lần nữa")
    assert again.id != recall.id


def test_a_recall_is_answered_on_the_document_itself(office: Office, handle: Handle) -> None:
    """Whichever receipt the application has at hand, the answer goes to the packet that asks (business rules, 16)."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    handle(receiver)
    recall = sender.recall(delivery.id, reason="Ban hành nhầm")
    handle(receiver)
    with pytest.raises(DocumentError, match="reason"):
        receiver.receipt(delivery.id).refuse_change(" ")
    receiver.receipt(delivery.id).refuse_change("Đã thi hành")
    assert handle(sender) == []
    assert sender.delivery(recall.id).recipient("G22").status is StatusCode.CHANGE_REFUSED
    assert sender.delivery(delivery.id).recipient("G22").change is Change.REFUSED


def test_taking_back_is_refused(office: Office, handle: Handle) -> None:
    """take-back → 16; the document goes on as before (business rules, 13)."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    (receipt,) = handle(receiver)
    receipt.accept()
    with pytest.raises(DocumentError, match="reason"):
        sender.take_back(delivery.id, reason="")
    asked = sender.take_back(delivery.id, reason="Gửi nhầm", staff=StaffInfo(staff="Lê C"))
    assert asked.recipient("G22").change is Change.ASKED
    with pytest.raises(StatusNotAllowed, match="take-back requested"):
        sender.take_back(delivery.id, reason="Gửi nhầm")
    (request,) = handle(receiver)
    assert (request.kind, request.id, request.business) == ("take_back", delivery.id, None)
    assert request.status_message.description == "Gửi nhầm"
    assert request.document.subject == sample_document().subject
    assert [one.name for one in request.attachments] == ["cong-van.pdf"]
    request.refuse_change("Đã thi hành")
    with pytest.raises(StatusNotAllowed):
        request.agree_change()
    receiver.receipt(delivery.id).complete()
    assert handle(sender) == []
    state = sender.delivery(delivery.id).recipient("G22")
    assert (state.change, state.status, state.out_of_order) == (Change.REFUSED, StatusCode.COMPLETED, 0)


def test_taking_back_is_agreed_to(office: Office, handle: Handle) -> None:
    """take-back → 15 before 03, answered on the document's own receipt (business rules, 13)."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    handle(receiver)
    sender.take_back(delivery.id, reason="Gửi nhầm", recipients=["G22"])
    handle(receiver)
    receiver.receipt(delivery.id).agree_change("Đồng ý")
    assert handle(sender) == []
    assert sender.delivery(delivery.id).recipient("G22").withdrawn
    with pytest.raises(NotFound, match="X1 is no recipient"):
        sender.take_back(delivery.id, reason="x", recipients=["X1"])


def test_an_update_and_a_replacement(office: Office, handle: Handle) -> None:
    """Packets of type 2 and 3 carry a document of their own and are answered by 15 or 16 (business rules)."""
    sender, receiver = office("H29.05"), office("G22")
    first = sender.send(sample_document())
    handle(receiver)
    update = sender.update(sample_document(subject="V/v đính chính"), updates=first.id, reason="Sai số liệu")
    assert update.id != first.id
    assert (
        sender.update(sample_document(subject="V/v đính chính"), updates=first.id, reason="Sai số liệu").id == update.id
    )
    replacement = sender.replace(sample_document(number="7817"), replaces=first.id, reason="Thay thế")
    by_kind = {receipt.kind: receipt for receipt in handle(receiver)}
    assert by_kind["update"].document.business.content_changed is True
    (replaced,) = by_kind["replace"].document.business.replaces
    assert (replaced.document_id, replaced.organ_ids) == (first.id, ("G22",))
    by_kind["update"].agree_change()
    assert not receiver.receipt(first.id).withdrawn
    by_kind["replace"].agree_change()
    assert receiver.receipt(first.id).withdrawn
    assert handle(sender) == []
    assert sender.delivery(update.id).recipient("G22").status is StatusCode.CHANGE_AGREED
    assert sender.delivery(replacement.id).recipient("G22").status is StatusCode.CHANGE_AGREED
    assert sender.delivery(first.id).recipient("G22").withdrawn


def test_the_same_document_twice_is_one_delivery(office: Office, hub: RunningHub) -> None:
    """The same document is sent once; another one under its id is refused (DESIGN, "send")."""
    sender = office("H29.05")
    first = sender.send(sample_document())
    assert sender.send(sample_document()) == first
    assert len(hub.packets()) == 1
    with pytest.raises(DocumentIdConflict):
        sender.send(sample_document(subject="Khác"))
    assert sender.deliveries() == [first]
    assert sender.deliveries(state=DeliveryState.FAILED) == []
    assert sender.deliveries(recipient="G22", limit=5) == [first]
    assert sender.deliveries(recipient="H30") == []
    with pytest.raises(KeyError):
        first.recipient("H30")


def test_a_block_that_raises_leaves_the_packet_waiting(office: Office, handle: Handle) -> None:
    """Leaves normally → confirmed; raises → stays waiting, offered again (DESIGN, "What a DMS developer writes")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())

    def fail() -> None:
        for receipt in receiver.receive():
            with receipt:
                receipt.accept()
                raise ValueError("the database of the application is down")

    with pytest.raises(ValueError, match="is down"):
        fail()
    (waiting,) = receiver.receipts(state=ReceiptState.WAITING)
    assert waiting.status is None
    (receipt,) = handle(receiver)
    assert receipt.status == "01"
    assert handle(receiver) == []


def test_a_status_inside_the_block_is_stored_with_it(office: Office, handle: Handle) -> None:
    """What is said inside the block goes out after 01, in order, or not at all (DESIGN, "receive")."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    for receipt in receiver.receive():
        with receipt:
            receipt.accept()
            with pytest.raises(StatusNotAllowed, match="at 03 accepted"):
                receipt.reject("không")
            receipt.complete()
    assert handle(sender) == []
    state = sender.delivery(delivery.id).recipient("G22")
    assert (state.status, state.out_of_order) == (StatusCode.COMPLETED, 0)


def test_a_packet_is_answered_after_it_was_handled(office: Office) -> None:
    """Nothing is reported about a packet that the application has not taken (DESIGN, "receive")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    for receipt in receiver.receive():
        with pytest.raises(StatusNotAllowed, match="handle it first"):
            receipt.accept()
        with receipt:
            pass
        with pytest.raises(StoreError, match="cannot be handled now"), receipt:
            pass
        assert repr(receipt) == f"<Receipt '{receipt.id}' from H29.05 new handled>"


def test_packets_that_are_not_handled_are_offered_again(office: Office, handle: Handle) -> None:
    """A poll hands out each packet once; what is left out comes with the next one (DESIGN, "receive")."""
    sender, receiver = office("H29.05"), office("G22")
    for number in ("1", "2"):
        sender.send(sample_document(number=number))
    first = list(receiver.receive())
    assert len(first) == 2
    with first[0]:
        pass
    second = handle(receiver)
    assert [receipt.id for receipt in second] == [first[1].id]
    assert handle(receiver) == []


def test_a_receipt_may_be_handled_after_the_poll(office: Office, handle: Handle) -> None:
    """One packet taken with next() is handled outside of the loop (DESIGN, "receive")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    receipt = next(receiver.receive())
    with receipt:
        pass
    receipt.accept()
    assert handle(sender) == []
    assert sender.deliveries()[0].recipient("G22").status is StatusCode.ACCEPTED


def test_two_recipients_stand_apart(office: Office, handle: Handle) -> None:
    """Where the document stands is shown per receiver (business rules, "Who owes what")."""
    sender, first, second = office("H29.05"), office("G22"), office("H30")
    both = (RECIPIENT, RECIPIENT.model_copy(update={"id": "H30", "name": "UBND tỉnh"}))
    delivery = sender.send(sample_document(recipients=both))
    handle(first)[0].accept()
    assert handle(sender) == []
    view = sender.delivery(delivery.id)
    assert [one.status for one in view.recipients] == [StatusCode.ACCEPTED, None]
    handle(second)
    assert handle(sender) == []
    assert sender.delivery(delivery.id).recipient("H30").status is StatusCode.ARRIVED


def test_a_document_nobody_reports_on_is_undelivered(office: Office) -> None:
    """A document with no 01 within the hub's time is shown as undelivered (business rules, "Who owes what")."""
    sender = office("H29.05", limits={"arrival_within": 1e-6})
    assert sender.send(sample_document()).recipient("G22").undelivered


def test_the_hubs_time_is_a_quarter_of_an_hour(office: Office, ahead: Ahead) -> None:
    """A document with no 01 within 15 minutes, unless set, is undelivered (business rules, "Who owes what")."""
    sender = office("H29.05")
    document_id = sender.send(sample_document()).id
    assert not ahead(sender, 14 * 60).delivery(document_id).recipient("G22").undelivered
    assert "UNDELIVERED" not in sender.explain(document_id).text()
    assert ahead(sender, 2 * 60).delivery(document_id).recipient("G22").undelivered
    assert "G22 UNDELIVERED" in sender.explain(document_id).text()


def test_what_is_not_there_is_not_found(office: Office) -> None:
    """An id that names nothing is a typed error that says where to look (issue, "names what to do")."""
    connector = office("H29.05")
    for call in (connector.delivery, connector.receipt, connector.recheck):
        with pytest.raises(NotFound) as caught:
            call("nothing")
        assert caught.value.vi
    with pytest.raises(NotFound):
        connector.recall("nothing", reason="x")
    with pytest.raises(DocumentError, match=r"this connector sends for H29\.05"):
        connector.send(sample_document(sender=RECIPIENT))


def test_the_directory_is_taken_over(office: Office) -> None:
    """The hub's directory with both codes is kept in the store (edXML, "OrganId")."""
    connector = office("H29.05")
    assert connector.sync_directory() == 3
    assert [row.code for row in connector.directory()] == ["G22", "H29.05", "H30"]
