"""What is queued is stored and signed without the hub, and a worker sends it (in other software, point 1)."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector
from edoc_connector.edxml import Organization, StatusCode, read
from edoc_connector.errors import DocumentError, DocumentIdConflict, NotSent, UnknownRecipient
from edoc_connector.signing import VerifyPolicy, verify
from edoc_connector.store import DeliveryState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office, SettingsOf

NOBODY = Organization(id="H99.99", name="Không có")


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A machine without a network, and the addresses that something wanted to connect to; the stores are files."""
    addresses: list[object] = []

    def refuse(_: socket.socket, address: object) -> None:
        addresses.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    return addresses


def _packets(folder: Path) -> list[Path]:
    return sorted((folder / "spool").rglob("*.edxml"))


def test_a_queued_document_is_stored_and_signed_and_nothing_is_connected_to(
    office: Office, connected: list[object], tmp_path: Path, fails: Fails
) -> None:
    """`queue` stores the packet, signed, `ready`; no connection is opened (in other software, point 1)."""
    sender = office("H29.05")
    delivery = sender.queue(sample_document())
    assert (delivery.state, delivery.attempts, delivery.last_error) == (DeliveryState.READY, 0, None)
    (path,) = _packets(tmp_path / "H29.05")
    assert read(path).message.id == delivery.id
    assert verify(read(path), VerifyPolicy()).status == "VALID"
    assert delivery.next_attempt_at == delivery.created_at
    assert connected == []
    fails(NotSent, lambda: sender.send(sample_document()))
    assert connected


def test_a_worker_sends_a_queued_document_at_once(office: Office, handle: Handle) -> None:
    """A queued document has no head start: the next look of a worker sends it (in other software, point 1)."""
    sender = office("H29.05")
    queued = sender.queue(sample_document())
    assert AgencyJobs(sender).transmit()
    assert sender.delivery(queued.id).state is DeliveryState.SENT
    (receipt,) = handle(office("G22"))
    assert receipt.document.id == queued.id


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_queueing_twice_and_sending_is_one_delivery(office: Office, hub: RunningHub, fails: Fails) -> None:
    """`send` is `queue` and the dispatch: the rules for duplicates are the same (in other software, point 1)."""
    sender = office("H29.05")
    first = sender.queue(sample_document())
    assert sender.queue(sample_document()).created_at == first.created_at
    fails(DocumentIdConflict, lambda: sender.queue(sample_document(id=first.id, subject="V/v việc khác")))
    assert sender.send(sample_document()).state is DeliveryState.SENT
    assert sender.queue(sample_document()).state is DeliveryState.SENT
    assert len(hub.packets()) == 1
    assert len(sender.deliveries()) == 1


def test_a_document_that_breaks_rules_is_not_queued(office: Office, connected: list[object], fails: Fails) -> None:
    """The standard's rules are checked before anything is stored, as by `send` (in other software, point 1)."""
    sender = office("H29.05")
    fails(DocumentError, lambda: sender.queue(sample_document(subject="")))
    assert sender.deliveries() == []
    assert connected == []


def test_a_refused_document_is_corrected_by_queueing_it(office: Office, fails: Fails) -> None:
    """The corrected document takes the place of the refused one, `ready` (faults, row 9)."""
    sender = office("H29.05")
    fails(UnknownRecipient, lambda: sender.send(sample_document(recipients=[NOBODY])))
    corrected = sender.queue(sample_document())
    assert corrected.state is DeliveryState.READY
    assert AgencyJobs(sender).transmit()
    assert sender.delivery(corrected.id).state is DeliveryState.SENT


def test_requests_about_sent_documents_can_be_queued(office: Office, handle: Handle, hub: RunningHub) -> None:
    """Recall, update, replacement and taking back with ``queue`` wait for a worker (in other software, point 1)."""
    sender, receiver = office("H29.05"), office("G22")
    sent = sender.send(sample_document())
    other = sender.send(sample_document(number="7817"))
    handle(receiver)
    before = len(hub.packets())
    queued = [
        sender.recall(sent.id, reason="Ban hành nhầm", queue=True),
        sender.update(sample_document(), updates=sent.id, reason="Sửa nơi nhận", queue=True),
        sender.replace(sample_document(number="7818"), replaces=sent.id, reason="Thay thế", queue=True),
    ]
    assert [one.state for one in queued] == [DeliveryState.READY] * 3
    assert sender.take_back(other.id, reason="Gửi nhầm", queue=True).recipient("G22").change is not None
    assert len(hub.packets()) == before
    sender.flush()
    assert sorted(receipt.kind for receipt in handle(receiver)) == ["recall", "replace", "take_back", "update"]


def test_statuses_can_be_queued(office: Office, handle: Handle, hub: RunningHub) -> None:
    """`accept`, in a web request, does not wait for the hub; the next work sends it (in other software, point 1)."""
    sender, receiver = office("H29.05"), office("G22")
    sent = sender.send(sample_document())
    (receipt,) = handle(receiver)
    receiver.flush()
    hub.stop()
    for answer in (receipt.accept, receipt.assign, receipt.processing, receipt.complete):
        answer(queue=True)
    assert receipt.status == StatusCode.COMPLETED
    assert receiver.context.breaker.try_to_close()
    hub.start()
    receiver.flush()
    handle(sender)
    assert sender.delivery(sent.id).recipient("G22").status is StatusCode.COMPLETED


def test_a_queued_document_outlives_its_connector(settings: SettingsOf, office: Office) -> None:
    """What was queued is in the store, wherever the caller goes; another one sends it (in other software, point 1)."""
    with Connector.open(settings("H29.05")) as web:
        queued = web.queue(sample_document())
    worker = office("H29.05")
    assert worker.flush().sent == 1
    assert worker.delivery(queued.id).state is DeliveryState.SENT
