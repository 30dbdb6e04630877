"""Bad input: one typed error that names what to do, nothing stored is lost, and the same call later succeeds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.edxml import Attachment, StatusCode
from edoc_connector.errors import (
    AttachmentError,
    AuthenticationRejected,
    DocumentIdConflict,
    NotSent,
    OutcomeUnknown,
    ProtocolError,
    StatusNotAllowed,
    StoreError,
    UnknownRecipient,
    UnknownSender,
    VerificationFailed,
)
from edoc_connector.mockhub import Fault
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.testing import RECIPIENT, sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office


def test_row_09_an_unknown_recipient(office: Office, hub: RunningHub, fails: Fails) -> None:
    """Refused for good → failed, with the reason; once registered, the same call succeeds (faults, row 9)."""
    sender = office("H29.05")
    document = sample_document(recipients=(RECIPIENT.model_copy(update={"id": "G99"}),))
    error = fails(UnknownRecipient, lambda: sender.send(document), "directory")
    (delivery,) = sender.deliveries(state=DeliveryState.FAILED)
    assert (delivery.last_error, delivery.last_error_vi) == (error.message, error.vi)
    assert sender.flush().sent == 0
    hub.add_agency("G99", "x", "Mới")
    assert sender.send(document).state is DeliveryState.SENT
    assert sender.delivery(document.id).last_error is None


def test_row_10_a_wrong_secret(office: Office, hub: RunningHub, tmp_path: Path, fails: Fails) -> None:
    """Our secret is wrong → the queue is kept, and leaves once it is right (faults, row 10)."""
    good = office("H29.05")
    (tmp_path / "H29.05" / "secret").write_text("wrong")
    bad = office("H29.05")
    document = sample_document()
    fails(AuthenticationRejected, lambda: bad.send(document), "secret")
    assert bad.delivery(document.id).state is DeliveryState.READY
    fails(AuthenticationRejected, lambda: list(bad.receive()))
    assert good.send(document).state is DeliveryState.SENT
    assert len(hub.packets()) == 1


def test_row_10_an_agency_that_is_not_registered(office: Office, hub: RunningHub, fails: Fails) -> None:
    """The hub refuses us, not the packet: the queue is kept (faults, row 10)."""
    sender = office("H29.05")
    hub.hub.storage.mark_agency("H29.05", deleted=True, at=hub.hub.now())
    fails(UnknownSender, lambda: sender.send(sample_document()))
    hub.add_agency("H29.05", "secret-H29.05", "Sở Nội vụ")
    assert sender.flush().sent == 1


def test_row_34_a_clock_off_by_days(office: Office, hub: RunningHub, caplog: pytest.LogCaptureFixture) -> None:
    """An offset of more than a day is learnt too, with an alarm, and unlearnt once the clock is right (faults, 34)."""
    sender = office("H29.05")
    hub.clock_tolerance = timedelta(minutes=5)
    hub.clock_offset = timedelta(days=2)
    assert sender.send(sample_document()).state is DeliveryState.SENT
    (alarm,) = (record for record in caplog.records if "clock is +172" in record.message)
    assert alarm.levelname == "CRITICAL"
    hub.clock_offset = timedelta()
    assert sender.send(sample_document(number="2")).state is DeliveryState.SENT
    assert sender.context.hub.time.offset == timedelta()


def test_row_22_a_date_that_helps_nothing(office: Office, hub: RunningHub, fails: Fails) -> None:
    """A clear error that tells the hub's time; the queue is kept, and the offset is not (faults, row 22)."""
    sender = office("H29.05")
    hub.clock_tolerance = timedelta(seconds=-1)  # so that no time is right
    hub.clock_offset = timedelta(days=2)
    fails(AuthenticationRejected, lambda: sender.send(sample_document()), r"clock \(NTP\)")
    assert sender.deliveries()[0].state is DeliveryState.READY
    assert sender.context.hub.time.offset == timedelta()
    hub.clock_offset = timedelta()
    hub.clock_tolerance = timedelta(minutes=5)
    assert sender.send(sample_document()).state is DeliveryState.SENT


def test_row_21_a_tampered_packet(
    office: Office,
    hub: RunningHub,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    handle: Handle,
    fails: Fails,
    built: Callable[[Path, str], bytes],
) -> None:
    """Set aside, the hub told fail, the next ones proceed; sent again as it was, it comes in (faults, row 21)."""
    sender, receiver = office("H29.05"), office("G22")
    hub.tamper = lambda data: data.replace("V/v kết nối".encode(), "V/v ngắt nối".encode())
    sender.send(sample_document())
    sender.send(sample_document(number="7817", subject="V/v khác"))
    (other,) = handle(receiver)
    assert other.subject == "V/v khác"
    assert [receipt.state for receipt in hub.packets()[0].receipts] == ["initial"]
    assert handle(receiver) == []  # the same once more, an interval later
    (aside,) = receiver.receipts(state=ReceiptState.QUARANTINED)
    assert "Subject" in (aside.error or "")
    assert "Không tiếp nhận" in (aside.error_vi or "")
    assert (aside.verification.status, aside.document.subject[:12]) == ("INVALID", "V/v ngắt nối")
    assert "set aside" in caplog.text
    assert [receipt.state for receipt in hub.packets()[0].receipts] == ["fail"]
    fails(VerificationFailed, lambda: receiver.recheck(aside.hub_doc_id), "Subject")
    hub.tamper = None
    hub.offer(built(tmp_path / "H29.05", "V/v kết nối"), sender="H29.05", to="G22")
    (receipt,) = handle(receiver)
    assert receipt.document.subject.startswith("V/v kết nối")
    fails(DocumentIdConflict, lambda: office("G22", receive={"policy": "any"}).recheck(aside.hub_doc_id))


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_a_policy_that_was_too_strict(
    office: Office, hub: RunningHub, caplog: pytest.LogCaptureFixture, handle: Handle, fails: Fails
) -> None:
    """What was set aside is judged again by the settings of today (DESIGN, "quarantined with its bytes")."""
    sender, receiver = office("H29.05", signing={"key": None}), office("G22")
    sender.send(sample_document())
    for _ in range(2):
        assert handle(receiver) == []
    (aside,) = receiver.receipts(state=ReceiptState.QUARANTINED)
    document = sample_document()
    assert (aside.id, aside.sender, aside.code) == (document.id, "H29.05", document.code)
    assert (aside.kind, aside.subject) == ("new", document.subject)
    assert receiver.receipt(document.id).hub_doc_id == aside.hub_doc_id
    fails(StatusNotAllowed, receiver.receipt(document.id).accept, "quarantined")
    for name in (document.id, aside.hub_doc_id):
        told = receiver.explain(name)
        assert f"Received {document.code} from H29.05 (not verified): {document.subject}" in told.text()
        assert f"Văn bản đến {document.code} từ H29.05 (chưa xác minh)" in told.text(vi=True)
    lenient = office("G22", receive={"policy": "any"})
    assert lenient.recheck(aside.hub_doc_id).state is ReceiptState.WAITING
    fails(StoreError, lambda: lenient.recheck(aside.hub_doc_id), "may not go from waiting")
    caplog.clear()
    (receipt,) = handle(lenient)
    # the hub was told fail, and has no packet any more that it could be told done of
    assert "not sent" not in caplog.text
    assert lenient.flush().errors == ()
    assert lenient.receipt(receipt.id).state is ReceiptState.CONFIRMED
    assert "keeps to that" in lenient.explain(receipt.id).text()
    assert "giữ nguyên như vậy" in lenient.explain(receipt.id).text(vi=True)
    assert "not verified" not in lenient.explain(receipt.id).text()
    assert "policy is any" in caplog.text
    assert receipt.verification.status == "UNSIGNED"


def test_policy_any_is_warned_of_once(office: Office, hub: RunningHub, caplog: pytest.LogCaptureFixture) -> None:
    """Once per process and configuration, not at every `receive`; another configuration is told of too."""
    receiver = office("G22", receive={"policy": "any"})
    for _ in range(3):
        list(receiver.receive())
    assert caplog.text.count("policy is any") == 1
    list(office("H29.05", receive={"policy": "any"}).receive())
    assert caplog.text.count("policy is any") == 2


def test_a_packet_over_a_limit(
    office: Office, hub: RunningHub, caplog: pytest.LogCaptureFixture, handle: Handle
) -> None:
    """A packet larger than [packets] lets in is set aside with the limit's name, and read once the limit is raised."""
    sender, receiver = office("H29.05"), office("G22", packets={"elements": 20})
    sender.send(sample_document())
    assert handle(receiver) == []
    (aside,) = receiver.receipts(state=ReceiptState.QUARANTINED)
    assert "more than 20 elements" in (aside.error or "")
    assert "set aside" in caplog.text
    assert office("G22").recheck(aside.hub_doc_id).state is ReceiptState.WAITING


@pytest.mark.parametrize("content", [b"", None], ids=["0 bytes", "vanished"])
def test_an_attachment_that_is_not_there(office: Office, tmp_path: Path, content: bytes | None, fails: Fails) -> None:
    """A 0-byte file, or one that vanished, is an error before anything is stored (issue, "bad input")."""
    sender = office("H29.05")
    path = tmp_path / "cong-van.pdf"
    path.write_bytes(b"%PDF")
    document = sample_document(attachments=(Attachment.from_path(path),))
    path.unlink() if content is None else path.write_bytes(content)
    fails(AttachmentError, lambda: sender.send(document), "cong-van.pdf")
    assert sender.deliveries() == []
    assert list((tmp_path / "H29.05" / "spool").rglob("*.edxml")) == []
    path.write_bytes(b"%PDF-1.4")
    assert sender.send(sample_document(attachments=(Attachment.from_path(path),))).state is DeliveryState.SENT


def test_row_11_a_hub_that_answers_with_html(office: Office, hub: RunningHub, handle: Handle, fails: Fails) -> None:
    """HTML with status 200 is a protocol error; neither sent nor received (faults, row 11)."""
    sender, receiver = office("H29.05"), office("G22")
    hub.faults.add(Fault(kind="html", path="/sendEdoc"))
    fails(ProtocolError, lambda: sender.send(sample_document()), "HTML")
    assert sender.deliveries()[0].state is DeliveryState.UNKNOWN
    fails(OutcomeUnknown, lambda: sender.send(sample_document()), "asked once more")
    assert sender.send(sample_document()).state is DeliveryState.SENT
    for path in ("/getReceivedEdocList", "/downloadEdoc"):
        hub.faults.add(Fault(kind="html", path=path))
        fails(ProtocolError, lambda: handle(receiver), "HTML")
        assert receiver.receipts(state=ReceiptState.WAITING) == []
    assert len(handle(receiver)) == 1


def test_a_hub_that_is_down(office: Office, hub: RunningHub, handle: Handle, fails: Fails) -> None:
    """Nothing is lost while the hub is down; what was queued leaves with the next call (faults, rows 2 and 17)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    first = next(receiver.receive())
    hub.stop()
    with first:
        pass
    first.accept()
    fails(NotSent, lambda: sender.send(sample_document(number="2")))
    fails(NotSent, lambda: handle(receiver))
    assert len(receiver.flush().errors) == 1
    hub.start()
    assert receiver.flush().sent == 3
    assert sender.send(sample_document(number="2")).state is DeliveryState.SENT
    handle(sender)
    assert sender.delivery(first.id).recipient("G22").status is StatusCode.ACCEPTED
