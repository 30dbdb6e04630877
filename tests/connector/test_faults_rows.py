"""Rows of "what happens when something breaks" that need more than one fault; and that every row has its test."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import Connector
from edoc_connector.connector.inbound.duplicates import DuplicateChecker
from edoc_connector.edxml import Organization, StatusCode, read
from edoc_connector.errors import HubUnavailable, PacketError, ProtocolError, SigningError, StoreError
from edoc_connector.hubs import MessageType
from edoc_connector.mockhub import Fault
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.store._sql import TABLES
from edoc_connector.store.deliveries import Deliveries
from edoc_connector.store.receipts import Receipts
from edoc_connector.testing import RECIPIENT, sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys, authority

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office, SettingsOf


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings, for either database."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


def test_every_row_has_its_test() -> None:
    """Each row of the page is named by a test's function or id (faults)."""
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    named = {int(number) for number in re.findall(r"row_(\d\d)", text)}
    page = (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")
    assert named == {int(number) for number in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}


def test_row_01_killed_before_the_outbox_commit(
    office: Office, hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent, the caller saw no success, and the same call later starts afresh (faults, row 1)."""
    sender = office("H29.05")

    def dying(*args: object, **kwargs: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Deliveries, "add", dying)
        with pytest.raises(SystemExit):
            sender.send(sample_document())
    assert (sender.deliveries(), hub.packets()) == ([], [])
    assert list((tmp_path / "H29.05" / "spool").rglob("*.edxml")) == []
    assert sender.send(sample_document()).state is DeliveryState.SENT


@contextmanager
def swapped(hub: Any, wrong: dict[str, str]) -> Iterator[None]:
    """The hub gives, for the n-th packet, the body of another one, until the block ends."""
    contents = {packet.packet.id: packet.path.read_bytes() for packet in hub.packets()}
    for one, other in wrong.items():
        hub.hub.get_path(_named(hub, one)).write_bytes(contents[other])
    try:
        yield
    finally:
        for one in wrong:
            hub.hub.get_path(_named(hub, one)).write_bytes(contents[one])


def _named(hub: Any, packet_id: str) -> Any:
    return next(packet.packet for packet in hub.packets() if packet.packet.id == packet_id)


def test_row_16_another_body_of_the_same_sender(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Two docIds, one body: what was mixed up is asked for again, and neither document is lost (faults, row 16)."""
    sender, receiver = office("H29.05"), office("G22")
    for number in ("1", "2"):
        sender.send(sample_document(number=number, subject=f"Văn bản {number}"))
    first, second = (packet.packet.id for packet in hub.packets())
    with swapped(hub, {second: first}):
        new, _ = receiver.inbox.poll_offers(MessageType.EDOC)
        receiver.inbox.intake.fetch([new[1]])  # the second docId brings the first document
    assert sorted(one.subject for one in handle(receiver)) == ["Văn bản 1", "Văn bản 2"]
    assert [packet.receipts[0].state for packet in hub.packets()[:2]] == ["done", "done"]


def test_row_16_a_body_that_is_here_already(
    office: Office, hub: RunningHub, handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong body that looks like a duplicate is not believed before the hub gave it twice (faults, row 16)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document(number="1", subject="Văn bản 1"))
    handle(receiver)
    sender.send(sample_document(number="2", subject="Văn bản 2"))
    hub.faults.add(Fault(kind="wrong-body", path="/downloadEdoc"))
    assert [one.subject for one in handle(receiver)] == ["Văn bản 2"]
    assert {one.state for one in receiver.receipts()} == {ReceiptState.CONFIRMED}


def test_row_16_bodies_that_changed_places_in_a_ring(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A look that brings what is here under a third docId is followed to that one: none is lost (faults, row 16)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document(number="1", subject="Văn bản 1"))
    assert len(handle(receiver)) == 1
    for number in ("2", "3"):
        sender.send(sample_document(number=number, subject=f"Văn bản {number}"))
    known, second, third = (one.packet.id for one in hub.packets() if one.packet.message_type == "edoc")
    new, _ = receiver.inbox.poll_offers(MessageType.EDOC)
    with swapped(hub, {second: third}):
        receiver.inbox.intake.fetch([new[0]])  # the second docId brings the third document
    bodies = [next(packet for packet in hub.packets() if packet.packet.id == known).path.read_bytes()]
    hub.tamper = lambda data: bodies.pop() if bodies else data
    receiver.inbox.intake.fetch([new[1]])  # and the third one the first, which is here
    assert sorted(one.subject for one in handle(receiver)) == ["Văn bản 2", "Văn bản 3"]
    assert not bodies


def test_row_16_a_hub_that_fails_at_the_second_look(
    office: Office, hub: RunningHub, handle: Handle, fails: Fails, tmp_path: Path
) -> None:
    """Nothing is concluded and nothing confirmed before the hub answered; it is fetched later (faults, row 16)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document(number="1", subject="Văn bản 1"))
    handle(receiver)
    sender.send(sample_document(number="2", subject="Văn bản 2"))
    hub.faults.add(Fault(kind="wrong-body", path="/downloadEdoc"))
    hub.faults.add(Fault(kind="error", path="/downloadEdoc", status=503))
    fails(HubUnavailable, lambda: handle(receiver))
    assert [one.state for packet in hub.packets()[2:] for one in packet.receipts if one.recipient == "G22"] == [
        "initial"
    ]
    assert [one.subject for one in handle(receiver)] == ["Văn bản 2"]
    assert receiver.fsck() == []


def test_row_16_a_second_look_that_failed_before_the_store_did(
    office: Office, hub: RunningHub, handle: Handle, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was discarded to be downloaded again is not entered, though the store failed on the others (faults)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document(number="1"))
    handle(receiver)
    hub.offer(hub.packets()[0].path.read_bytes(), sender="H29.05", to="G22")
    sender.send(sample_document(number="2"))
    looks, entered = iter([HubUnavailable("busy", vi="bận")]), iter([StoreError("away", vi="mất")])
    look, taken_in = DuplicateChecker.select_packet, Receipts.mark_downloaded

    def failing_look(*args: Any) -> Any:
        for error in looks:
            raise error
        return look(*args)

    def failing_store(*args: Any) -> None:
        for error in entered:
            raise error
        taken_in(*args)

    monkeypatch.setattr(DuplicateChecker, "select_packet", failing_look)
    monkeypatch.setattr(Receipts, "mark_downloaded", failing_store)
    keys = receiver.inbox.poll_offers(MessageType.EDOC)[0]
    arrivals = [receiver.inbox.intake.download(row) for row in receiver.inbox.intake.claim(keys)]
    assert [type(error) for error in receiver.inbox.intake.store_packets(arrivals)] == [HubUnavailable]
    assert receiver.fsck() == []
    assert len(handle(receiver)) == 1
    assert {one.state for one in receiver.receipts()} == {ReceiptState.CONFIRMED, ReceiptState.DUPLICATE}
    assert receiver.fsck() == []


def test_row_16_a_status_with_another_ones_body(office: Office, hub: RunningHub, handle: Handle) -> None:
    """The same holds for statuses: none is dropped as a duplicate of another (faults, row 16)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    (receipt,) = handle(receiver)
    handle(sender)
    receipt.accept()
    hub.faults.add(Fault(kind="wrong-body", path="/downloadEdoc"))
    handle(sender)
    handle(sender)
    assert sender.deliveries()[0].recipient("G22").status is StatusCode.ACCEPTED


@pytest.mark.parametrize("kind", ["new", "take_back"])
@pytest.mark.parametrize("second", ["given", "odd first"])
def test_row_16_a_status_in_place_of_what_was_announced(
    office: Office, hub: RunningHub, handle: Handle, kind: str, second: str
) -> None:
    """A status of another kind or sender than announced is no reason to confirm: what was announced comes (row 16)."""
    sender, receiver, third = office("H29.05"), office("G22"), office("H30")
    sender.send(sample_document())
    handle(receiver)
    receiver.send(sample_document(sender=RECIPIENT, recipients=(Organization(id="H30", name="UBND tỉnh"),)))
    handle(third)
    other = next(packet for packet in hub.packets() if packet.packet.sender == "H30")
    hub.hub.storage.set_state(other.receipts[0].id, "done", other.events[-1])  # it comes in another one's place only
    status = other.path.read_bytes()
    bodies = [status, b"maintenance"] if second == "odd first" else [status]
    hub.tamper = lambda data: bodies.pop(0) if bodies else data
    if kind == "new":
        sender.send(sample_document(number="2"))
    else:
        sender.take_back(sample_document().id, reason="gửi nhầm")
    received = []
    for _ in range(20):
        with contextlib.suppress(PacketError):
            received += handle(receiver)
        if received:
            break
        time.sleep(0.1)
    assert [one.kind for one in received] == [kind]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", ["document", "status"])
def test_row_16_two_bodies_that_are_here_already(office: Office, hub: RunningHub, handle: Handle, kind: str) -> None:
    """A second look that brings another known body proves nothing: none is believed, and what is right comes (row 16).

    Of statuses the first one contradicts the announcement too, and the second one does not.
    """
    sender, receiver, third = office("H29.05"), office("G22"), office("H30")
    both = (RECIPIENT, Organization(id="H30", name="UBND tỉnh"))
    sender.send(sample_document(number="1", recipients=both))
    sender.send(sample_document(number="2", recipients=both))
    first, second = (packet.path.read_bytes() for packet in hub.packets())
    receipts = [*handle(receiver), *handle(third)]
    handle(sender)
    if kind == "document":
        bodies, reader = [first, second], receiver
        sender.send(sample_document(number="3"))
    else:
        statuses = {one.packet.sender: one.path.read_bytes() for one in hub.packets()[2:]}
        bodies, reader = [statuses["H30"], statuses["G22"]], sender
        receipts[0].accept()
    hub.tamper = lambda data: bodies.pop(0) if bodies else data
    for _ in range(20):
        with contextlib.suppress(ProtocolError):
            receipts += handle(reader)
        if not bodies and all(one.receipts[0].state == "done" for one in hub.packets()):
            break
        time.sleep(0.1)
    assert (len(receipts), bodies) == (5 if kind == "document" else 4, [])
    assert receipts[0].document.id in {one.id for one in sender.deliveries()}
    reported = sender.delivery(receipts[0].document.id).recipient("G22").status
    assert reported is (StatusCode.ACCEPTED if kind == "status" else StatusCode.ARRIVED)


@pytest.mark.parametrize("beside", ["before it is stored", "in one batch"])
@pytest.mark.parametrize("kind", ["document", "status"])
def test_row_16_a_look_that_brings_what_comes_at_the_same_time(
    office: Office, hub: RunningHub, handle: Handle, monkeypatch: pytest.MonkeyPatch, kind: str, beside: str
) -> None:
    """What a look brings may be a third packet's body, whose own docId is read meanwhile: it is looked at again too."""
    sender, receiver = office("H29.05"), office("G22")
    reader, message_type = (receiver, MessageType.EDOC) if kind == "document" else (sender, MessageType.STATUS)
    for number in ("1", "2", "3"):
        sender.send(sample_document(number=number))
        if kind == "status" or number == "1":
            handle(receiver)
        if number == "1":
            handle(sender)
    known, _, third = (one.path.read_bytes() for one in hub.packets() if one.packet.message_type == message_type)
    keys = reader.inbox.poll_offers(message_type)[0]
    bodies, select = [known, third], DuplicateChecker.select_packet
    twin = office(reader.context.agency)

    def select_slowly(*args: Any) -> Any:
        selected = select(*args)
        if beside == "before it is stored":
            twin.inbox.intake.fetch(keys[1:])
        return selected

    monkeypatch.setattr(DuplicateChecker, "select_packet", select_slowly)
    hub.tamper = lambda data: bodies.pop(0) if bodies else data
    intake, rows = reader.inbox.intake, reader.inbox.intake.claim(keys if beside == "in one batch" else keys[:1])
    bodies, given = [], bodies
    arrivals = [intake.download(row) for row in rows[1:]]
    bodies = given
    assert intake.store_packets([intake.download(rows[0]), *arrivals]) == []
    assert len(handle(reader)) == (2 if kind == "document" else 0)
    handle(sender)
    assert [one.recipient("G22").status for one in sender.deliveries()] == [StatusCode.ARRIVED] * 3
    assert all(copy.state == "done" for one in hub.packets() for copy in one.receipts)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_row_16_another_body_at_every_look(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A hub that never gives the same twice is looked at so often only; later the status comes (faults, row 16)."""
    sender, receiver, third = office("H29.05"), office("G22"), office("H30")
    both = (RECIPIENT, Organization(id="H30", name="UBND tỉnh"))
    for number in ("1", "2"):
        sender.send(sample_document(number=number, recipients=both))
    for one in (receiver, third):
        handle(one)
    statuses = [one.packet for one in hub.packets() if one.packet.message_type == MessageType.STATUS]
    bodies = [hub.hub.get_path(one).read_bytes() for one in statuses if one.sender == "H30"]
    key = sender.inbox.poll_offers(MessageType.STATUS)[0][0]
    downloads: list[bytes] = []

    def alternate(data: bytes) -> bytes:
        downloads.append(data)
        return bodies[len(downloads) % 2]

    hub.tamper = alternate
    (error,) = sender.inbox.intake.fetch([key]).errors
    assert "different packets" in error.message
    assert len(downloads) == 10
    hub.tamper = None
    for _ in range(30):
        handle(sender)
        time.sleep(0.1)
        if all(one.recipient("G22").status is StatusCode.ARRIVED for one in sender.deliveries()):
            break
    else:
        pytest.fail("a status never came")


def test_row_20_other_bytes_under_a_confirmed_doc_id(
    office: Office, hub: RunningHub, handle: Handle, caplog: pytest.LogCaptureFixture
) -> None:
    """The first is kept and counts, the second is set aside once, with an alarm (faults, row 20)."""
    sender, receiver = office("H29.05"), office("G22", receive={"policy": "any"})
    sender.send(sample_document())
    handle(receiver)
    packet = hub.packets()[0]
    hub.tamper = lambda data: data.replace("V/v kết nối".encode(), "V/v ngắt nối".encode())
    for _ in range(2):
        hub.hub.storage.set_state(packet.receipts[0].id, "initial", packet.events[-1])
        assert handle(receiver) == []
    first, second = sorted(receiver.receipts(), key=lambda one: one.key)
    assert (first.state, first.document.subject) == (ReceiptState.CONFIRMED, sample_document().subject)
    assert (second.state, "another packet" in (second.error or "")) == (ReceiptState.QUARANTINED, True)
    assert "V/v ngắt nối" in second.document.subject
    assert [one.state for one in hub.packets()[0].receipts] == ["done"]
    assert "is set aside" in caplog.text


def test_row_20_the_same_bytes_under_a_confirmed_doc_id(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Compared by hash, the same packet is confirmed again and nothing else (faults, rows 18 and 20)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(receiver)
    packet = hub.packets()[0]
    hub.hub.storage.set_state(packet.receipts[0].id, "initial", packet.events[-1])
    hub.faults.add(Fault(kind="error", path="/downloadEdoc", status=503))
    with pytest.raises(HubUnavailable):
        handle(receiver)
    assert handle(receiver) == []
    assert ([one.state for one in hub.packets()[0].receipts], len(receiver.receipts())) == (["done"], 1)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_row_22_a_clock_off_by_ten_minutes(
    office: Office, hub: RunningHub, minutes: int, handle: Handle, caplog: pytest.LogCaptureFixture
) -> None:
    """The offset is learnt from the hub's Date once it refuses our time, and said in the log (faults, row 22)."""
    sender, receiver = office("H29.05"), office("G22")
    hub.clock_tolerance = timedelta(minutes=5)
    hub.clock_offset = timedelta(minutes=minutes)
    assert sender.send(sample_document()).state is DeliveryState.SENT
    assert len(handle(receiver)) == 1
    assert "Set this machine's clock" in caplog.text
    assert abs(sender.context.hub.time.offset - hub.clock_offset) < timedelta(seconds=10)


def test_row_22_a_clock_that_was_ahead(office: Office, hub: RunningHub, fails: Fails) -> None:
    """What a wrong clock wrote far into the future does not hold the queue up (faults, row 22)."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503))
    fails(HubUnavailable, lambda: sender.send(sample_document()))
    with sender.context.store.transaction() as tx:
        far = tx.now + timedelta(days=400)
        tx.connection.execute(TABLES["deliveries"].update().values(next_attempt_at=far))
    sender.outbox.dispatch_due()
    assert sender.deliveries()[0].state is DeliveryState.SENT


def test_row_23_a_receipt_that_cannot_be_kept(
    office: Office, hub: RunningHub, handle: Handle, monkeypatch: pytest.MonkeyPatch, fails: Fails
) -> None:
    """A flush to the disk that fails: nothing confirmed, no torn row; it goes on with space (faults, row 23)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        fails(StoreError, lambda: handle(receiver))
    assert [one.state for one in hub.packets()[0].receipts] == ["initial"]
    assert {one.state for one in receiver.receipts()} == {ReceiptState.LISTED}
    assert len(handle(receiver)) == 1


def test_row_25_a_wrong_password_is_not_tried_twice(
    office: Office, hub: RunningHub, tmp_path: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three wrong PINs lock a token: a password that was refused is not offered again (faults, row 25)."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    (tmp_path / "H29.05").mkdir()
    keys.write_p12(tmp_path / "H29.05" / "key.p12", password="right")
    monkeypatch.setenv("EDOC_TEST_PIN", "wrong")
    sender = office("H29.05", signing={"key": "p12:key.p12", "secret": "env:EDOC_TEST_PIN"})
    fails(SigningError, lambda: sender.send(sample_document()), "password is wrong")
    monkeypatch.setenv("EDOC_TEST_PIN", "right")
    fails(SigningError, lambda: sender.send(sample_document()), "not tried again")
    assert (sender.deliveries(), hub.packets()) == ([], [])
    again = office("H29.05", signing={"key": "p12:key.p12", "secret": "env:EDOC_TEST_PIN"})
    assert again.send(sample_document()).state is DeliveryState.SENT


def test_row_25_our_certificate_expires_while_we_run(
    settings: SettingsOf, hub: RunningHub, handle: Handle, fails: Fails
) -> None:
    """Before it sends, it fails; statuses stay queued until there is a good key (faults, row 25)."""
    now = [datetime.now(UTC)]
    signer = agency_keys("Văn phòng Chính phủ", organ_id="G22").signer(clock=lambda: now[0])
    ours = sample_document(sender=RECIPIENT, recipients=(sample_document().sender,))
    with Connector.open(settings("G22"), signer=signer) as office, Connector.open(settings("H29.05")) as sender:
        sender.send(sample_document())
        assert office.send(ours).state is DeliveryState.SENT
        now[0] += timedelta(days=400)
        fails(
            SigningError,
            lambda: office.send(sample_document(sender=RECIPIENT, recipients=ours.recipients, number="2")),
            "expired",
        )
        (receipt,) = handle(office)
        assert [len(office.deliveries()), receipt.status] == [1, "01"]
        handle(sender)
        assert sender.deliveries()[0].recipient("G22").status is None
        now[0] -= timedelta(days=400)
        assert office.flush().sent == 1


def test_row_25_a_senders_expired_certificate(
    office: Office, hub: RunningHub, settings: SettingsOf, handle: Handle
) -> None:
    """It is judged at the time the packet came, however often it is looked at later (faults, row 25)."""
    begin = datetime.now(UTC)
    expired = authority("Expired").agency("Sở Nội vụ", organ_id="H29.05", not_after=begin - timedelta(hours=1))
    signer = expired.signer(clock=lambda: begin - timedelta(hours=2))
    receiver = office("G22", receive={"policy": "any"})
    with Connector.open(settings("H29.05"), signer=signer) as sender:
        sender.send(sample_document())
    (receipt,) = handle(receiver)
    assert "SIG-EXPIRED" in [one.code for one in receipt.verification.findings]
    assert receipt.verification.judged_at == receipt.received_at
    with receiver.context.store.transaction() as tx:  # as if it had come a while ago
        tx.connection.execute(TABLES["receipts"].update().values(created_at=begin - timedelta(hours=3)))
    again = receiver.receipt(receipt.id).verification
    assert (again.status, "SIG-EXPIRED" in [one.code for one in again.findings]) == ("VALID", False)


def test_duplicates_keep_both_bytes(office: Office, hub: RunningHub, handle: Handle, tmp_path: Path) -> None:
    """A document that came twice has one effect, and both packets stay in the spool (faults, row 19)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(receiver)
    hub.offer(hub.packets()[0].path.read_bytes(), sender="H29.05", to="G22")
    assert handle(receiver) == []
    kept = [
        read(path).message.subject
        for path in (tmp_path / "G22" / "spool").rglob("*.edxml")
        if b"Attach" in path.read_bytes()
    ]
    assert kept.count(sample_document().subject) == 2
