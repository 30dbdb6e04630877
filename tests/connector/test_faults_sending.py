"""What happens when something breaks while we send (faults, rows 1 to 13 and 22 to 25)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from edoc_connector.client import HubClient, client
from edoc_connector.client.transport import parse_answer_headers
from edoc_connector.config import LimitSettings
from edoc_connector.connector.outbound import submission
from edoc_connector.connector.outbound.outbox import Outbox
from edoc_connector.connector.outbound.packet_builder import build_packet
from edoc_connector.edxml import Replacement, StatusCode
from edoc_connector.errors import (
    DuplicateDocument,
    EdocError,
    HubUnavailable,
    NotFound,
    OutcomeUnknown,
    ProtocolError,
    SigningError,
    StatusNotAllowed,
    StoreError,
)
from edoc_connector.mockhub import Fault
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.store.work import Leases
from edoc_connector.testing import RECIPIENT, sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Ahead, Fails, Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

LEASE = LimitSettings().lease


@pytest.mark.parametrize("after", [False, True], ids=["row_03-during-the-upload", "row_06-after-the-answer"])
def test_killed_while_sending(
    office: Office,
    hub: RunningHub,
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
    kill_in: Callable[..., None],
    ahead: Ahead,
) -> None:
    """The outcome is unknown, the hub is asked, the same bytes go again only if it has none (faults, rows 3 and 6)."""
    sender = office("H29.05")
    kill_in("send", after=after)
    with pytest.raises(SystemExit):
        sender.send(sample_document())
    assert sender.deliveries()[0].state is DeliveryState.SENDING
    other = ahead(office("H29.05"), LEASE + 1)
    other.flush()
    other.flush()
    (delivery,) = other.deliveries()
    assert delivery.state is DeliveryState.SENT
    (packet,) = hub.packets()
    assert delivery.hub_doc_id == packet.packet.id
    assert "unknown" in [entry.to for entry in delivery.timeline]


def test_row_02_killed_before_sending(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """SystemExit after the commit, sent after restart (faults, row 2)."""
    sender = office("H29.05")
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "send", lambda self, submission: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            sender.send(sample_document())
    assert office("H29.05").flush().sent == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(kind="drop-after-accepting", path="/sendEdoc"), id="row_04-dropped"),
        pytest.param(Fault(kind="error", path="/sendEdoc", status=500, accepted=True), id="row_05-error-500"),
        pytest.param(Fault(kind="truncated", path="/sendEdoc"), id="row_12-truncated"),
        pytest.param(Fault(kind="empty", path="/sendEdoc"), id="row_12-empty"),
    ],
)
def test_a_lost_answer(office: Office, hub: RunningHub, fault: Fault, fails: Fails) -> None:
    """`unknown`; the hub is asked; it has the packet, and it is not sent again (faults, rows 4, 5 and 12)."""
    sender = office("H29.05")
    hub.faults.add(fault)
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    assert sender.deliveries()[0].state is DeliveryState.UNKNOWN
    delivery = sender.send(sample_document())
    assert delivery.state is DeliveryState.SENT
    (packet,) = hub.packets()
    assert delivery.hub_doc_id == packet.packet.id


def test_row_04_a_lost_request(office: Office, hub: RunningHub, fails: Fails, ahead: Ahead) -> None:
    """The hub is asked twice, a grace period apart, before the same bytes go again (faults, row 4)."""
    sender = office("H29.05", limits={"grace": 60.0})
    hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()), "grace period")
    fails(OutcomeUnknown, lambda: sender.send(sample_document()), "grace period")
    assert hub.packets() == []
    ahead(sender, 61.0)
    assert sender.send(sample_document()).state is DeliveryState.SENT
    assert len(hub.packets()) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "br"])
def test_an_odd_encoding_of_the_answer_settles(
    encoding: str, office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A send whose answer a proxy marks with an odd Content-Encoding is sent, once: the hub's ledger tells."""
    marked = iter([True])

    def mark(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
        return parse_answer_headers(raw) | (
            {"content-encoding": encoding} if encoding == "utf-8" or next(marked, False) else {}
        )

    sender = office("H29.05")
    sender.directory()
    monkeypatch.setattr(client, "parse_answer_headers", mark)
    with suppress(EdocError):
        sender.send(sample_document())
    assert sender.send(sample_document()).state is DeliveryState.SENT
    assert len(hub.packets()) == 1


def test_a_hub_that_cannot_be_asked(office: Office, hub: RunningHub, fails: Fails) -> None:
    """An unknown outcome that the hub will not settle stays unknown until a person decides (VXP interface)."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    hub.faults.add(Fault(kind="error", path="/getSentEdocList", status=503))
    fails(HubUnavailable, lambda: sender.send(sample_document()))
    hub.hub.config = hub.hub.config.__class__(data=hub.hub.config.data, recent_sent=False)
    fails(OutcomeUnknown, lambda: sender.send(sample_document()), r"settle\(\)")
    (delivery,) = sender.deliveries(state=DeliveryState.UNKNOWN)
    assert sender.settle(delivery.id, arrived=True).state is DeliveryState.SENT
    fails(StoreError, lambda: sender.settle(delivery.id, arrived=False), "may not go from sent")


def test_a_person_decides_that_it_did_not_arrive(office: Office, hub: RunningHub, fails: Fails) -> None:
    """Then the same bytes go again, and the hub's "I have it" counts as sent (VXP interface, "Settling a send")."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    assert sender.settle(sample_document().id, arrived=False).state is DeliveryState.READY
    assert sender.send(sample_document()).state is DeliveryState.SENT
    assert len(hub.packets()) == 1


def test_a_duplicate_that_is_not_ours_to_tell(office: Office, hub: RunningHub, tmp_path: Path) -> None:
    """A store that was lost: the hub has the document, lists it as ours, and its id is recovered (faults, row 6)."""
    with office("H29.05") as lost:
        lost.send(sample_document())
    fresh = office("H29.05", store={"url": "sqlite:///other.db", "spool": "other"})
    assert fresh.send(sample_document()).state is DeliveryState.SENT
    assert fresh.deliveries()[0].hub_doc_id == hub.packets()[0].packet.id


def test_a_duplicate_that_the_hub_does_not_list(office: Office, hub: RunningHub, fails: Fails) -> None:
    """Refused as a duplicate of something that is not ours: failed, and said so (faults, row 9)."""
    with office("H29.05") as lost:
        lost.send(sample_document())
    fresh = office("H29.05", store={"url": "sqlite:///other.db", "spool": "other"})
    hub.faults.add(Fault(kind="error", path="/getSentEdocList", status=503))
    fails(DuplicateDocument, lambda: fresh.send(sample_document()))
    assert fresh.deliveries()[0].state is DeliveryState.UNKNOWN
    fresh.close()
    third = office("H29.05", store={"url": "sqlite:///third.db", "spool": "third"})
    fails(DuplicateDocument, lambda: third.send(sample_document(subject="Khác hẳn")))
    assert third.deliveries()[0].state is DeliveryState.FAILED


@pytest.mark.parametrize("status", [404, 405])
def test_row_10_a_wrong_address(office: Office, hub: RunningHub, fails: Fails, status: int) -> None:
    """Where there is no such call nothing was taken: the queue is kept, and no outcome is unknown (faults, row 10)."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=status))
    fails(ProtocolError, lambda: sender.send(sample_document()), "endpoint")
    assert sender.deliveries()[0].state is DeliveryState.READY
    delivery = sender.send(sample_document())
    assert delivery.state is DeliveryState.SENT
    assert "unknown" not in [entry.to for entry in delivery.timeline]


@pytest.mark.parametrize("status", [503, 429])
def test_row_08_a_busy_hub(office: Office, hub: RunningHub, fails: Fails, status: int) -> None:
    """Back-off, Retry-After obeyed, no attempt lost (faults, row 8)."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=status, retry_after="100"))
    fails(HubUnavailable, lambda: sender.send(sample_document()))
    (delivery,) = sender.deliveries()
    assert (delivery.state, delivery.attempts) == (DeliveryState.READY, 1)
    assert delivery.next_attempt_at is not None
    assert timedelta(seconds=90) < delivery.next_attempt_at - delivery.created_at < timedelta(seconds=110)
    list(sender.receive())
    assert sender.deliveries()[0].state is DeliveryState.READY
    assert sender.flush().sent == 1


def test_row_13_an_answer_with_the_id_of_another_packet(
    office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch, fails: Fails
) -> None:
    """A DocId that is already another's is not bound; the hub is asked (faults, row 13)."""
    sender = office("H29.05")
    first = sender.send(sample_document())
    assert first.hub_doc_id is not None
    doc_id = first.hub_doc_id
    real = HubClient.send

    def confused(self: HubClient, *args: Any, **kwargs: Any) -> object:
        result = real(self, *args, **kwargs)
        return type(result)(doc_id=doc_id)

    with monkeypatch.context() as patch:
        patch.setattr(HubClient, "send", confused)
        fails(OutcomeUnknown, lambda: sender.send(sample_document(number="2")), "belongs to another")
    assert sender.send(sample_document(number="2")).hub_doc_id == hub.packets()[1].packet.id


def test_a_spool_file_that_was_changed(office: Office, hub: RunningHub, tmp_path: Path, fails: Fails) -> None:
    """Bytes that are not the ones stored are not sent (faults, row 3)."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503))
    fails(HubUnavailable, lambda: sender.send(sample_document()))
    (packet,) = (tmp_path / "H29.05" / "spool").rglob("*.edxml")
    packet.write_bytes(packet.read_bytes() + b" ")
    fails(StoreError, lambda: sender.send(sample_document()), "not the one that was stored")
    assert sender.deliveries()[0].state is DeliveryState.FAILED
    packet.unlink()
    assert sender.send(sample_document()).state is DeliveryState.SENT
    assert "built anew" in " ".join(entry.detail for entry in sender.deliveries()[0].timeline)


def test_a_spool_file_that_is_gone(office: Office, hub: RunningHub, tmp_path: Path, fails: Fails) -> None:
    """Refused with what to do; sent again by its caller, the packet is built anew (faults, "spool file deleted")."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503))
    fails(HubUnavailable, lambda: sender.send(sample_document()))
    (packet,) = (tmp_path / "H29.05" / "spool").rglob("*.edxml")
    packet.unlink()
    fails(NotFound, lambda: sender.send(sample_document()), "gone from the spool")
    assert sender.deliveries()[0].state is DeliveryState.FAILED
    assert sender.send(sample_document()).state is DeliveryState.SENT


def test_row_25_a_key_that_cannot_be_used(
    office: Office, hub: RunningHub, tmp_path: Path, handle: Handle, fails: Fails
) -> None:
    """It fails before sending; statuses stay queued until the key is back (faults, row 25)."""
    key = tmp_path / "not-there-yet.pem"
    sender, receiver = office("H29.05"), office("G22", signing={"key": f"pem:{key}"})
    fails(
        SigningError, lambda: receiver.send(sample_document(sender=RECIPIENT, recipients=(sample_document().sender,)))
    )
    assert receiver.deliveries() == []
    sender.send(sample_document())
    (receipt,) = handle(receiver)
    assert receiver.receipt(receipt.id).state is ReceiptState.CONFIRMED
    handle(sender)
    assert sender.deliveries()[0].recipient("G22").status is None
    key.write_bytes((tmp_path / "G22" / "key.pem").read_bytes())
    assert receiver.flush().sent == 1
    handle(sender)
    assert sender.deliveries()[0].recipient("G22").status is StatusCode.ARRIVED


def test_row_23_a_full_disk(office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch, fails: Fails) -> None:
    """An error to the caller, nothing stored, and it goes on when there is space (faults, row 23)."""
    sender = office("H29.05")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        fails(StoreError, lambda: sender.send(sample_document()), "disk of the store is full")
    assert sender.deliveries() == []
    assert sender.send(sample_document()).state is DeliveryState.SENT


def test_row_07_a_delivery_in_other_hands_is_left_alone(
    office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch, kill_in: Callable[..., None]
) -> None:
    """While a worker's lease runs, nobody else sends what it holds (faults, row 7)."""
    sender = office("H29.05")
    kill_in("send", after=False)
    with pytest.raises(SystemExit):
        sender.send(sample_document())
    assert office("H29.05").flush().sent == 0
    assert office("H29.05").send(sample_document()).state is DeliveryState.SENDING
    assert hub.packets() == []


def test_two_workers_store_the_same_document(
    office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One delivery, and one packet in the spool (DESIGN, "send")."""
    sender, other = office("H29.05"), office("H29.05")
    real = build_packet

    def late(*args: Any, **kwargs: Any) -> object:
        monkeypatch.setattr(submission, "build_packet", real)
        other.send(sample_document())
        return real(*args, **kwargs)

    monkeypatch.setattr(submission, "build_packet", late)
    assert sender.send(sample_document()).state is DeliveryState.SENT
    assert len(hub.packets()) == 1
    assert len(list((tmp_path / "H29.05" / "spool").rglob("*.edxml"))) == 1


def test_a_hub_out_of_reach_is_not_tried_at_every_step(office: Office, hub: RunningHub) -> None:
    """Sending pauses after the first failure, and the queue is kept (faults, row 10)."""
    sender, receiver = office("H29.05"), office("G22", limits={"backoff": 60.0})
    sender.send(sample_document())
    with next(receiver.receive()) as receipt:
        hub.stop()
    port = urlsplit(hub.url).port
    with socket.create_server(("127.0.0.1", port)) as listener:  # where the hub was: would see an attempt
        listener.setblocking(False)
        receipt.accept()
        receipt.complete()
        with pytest.raises(BlockingIOError):
            listener.accept()
    hub.start()
    assert receiver.flush().sent == 4


def test_a_store_that_fails_after_the_effect(
    office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch, handle: Handle
) -> None:
    """What the application did stands; what is queued waits for a store that works (faults, row 23)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())

    def broken(self: Outbox, *, only_due: bool) -> None:
        raise StoreError("the disk of the store is full", vi="Đĩa đầy")

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "flush", broken)
        (receipt,) = handle(receiver)
    assert receiver.receipt(receipt.id).state is ReceiptState.HANDLED
    receiver.flush()
    assert receiver.receipt(receipt.id).state is ReceiptState.CONFIRMED


def test_row_24_leases_that_cannot_be_renewed(
    office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A renewal that fails is logged and tried again (faults, row 24)."""
    sender, receiver = office("H29.05"), office("G22", limits={"lease": 0.9})
    sender.send(sample_document())

    def broken(*args: object) -> None:
        raise StoreError("locked", vi="bị khóa")

    with next(receiver.receive()), monkeypatch.context() as patch:
        patch.setattr(Leases, "renew", broken)
        until = time.monotonic() + 60.0
        while "leases were not renewed" not in caplog.text and time.monotonic() < until:
            time.sleep(0.05)
    assert "leases were not renewed" in caplog.text
    assert receiver.receipts()[0].state is ReceiptState.CONFIRMED


def test_row_09_a_take_back_that_is_refused_for_good(office: Office, hub: RunningHub) -> None:
    """The delivery's timeline tells it (faults, row 9)."""
    sender = office("H29.05")
    delivery = sender.send(sample_document())
    hub.lock("G22")
    after = sender.take_back(delivery.id, reason="Gửi nhầm")
    assert "failed for good" in after.timeline[-1].detail
    assert after.timeline[-1].recipient == "G22"


def test_what_was_not_sent_is_not_recalled(office: Office, hub: RunningHub, fails: Fails) -> None:
    """Before the hub has it there is nothing to recall, and the error says so (issue, "names what to do")."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503))
    fails(HubUnavailable, lambda: sender.send(sample_document()))
    document_id = sample_document().id
    for call in (sender.recall, sender.take_back):
        fails(StatusNotAllowed, partial(call, document_id, reason="x"), "not sent")
    fails(StatusNotAllowed, lambda: sender.update(sample_document(), updates=document_id, reason="x"))


def test_a_replacement_of_something_older_than_the_store(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A document that another system sent can be replaced too, by saying who held it (edXML, type 3)."""
    sender, receiver = office("H29.05"), office("G22")
    older = Replacement(document_id="H29.05,2020/01/02,1/SNV", organ_ids=("G22",))
    sender.replace(sample_document(), replaces=[older], reason="Thay thế")
    (receipt,) = handle(receiver)
    receipt.agree_change()
    handle(sender)
    assert sender.deliveries()[0].recipient("G22").status is StatusCode.CHANGE_AGREED
