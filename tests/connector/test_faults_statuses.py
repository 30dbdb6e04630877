"""Statuses that come in twice, out of order or about nothing we know, and ours when something breaks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import Connector
from edoc_connector.edxml import ResponseFor, Severity, StatusCode
from edoc_connector.errors import ConfigError, HubUnavailable, NotFound, StoreError
from edoc_connector.mockhub import Fault
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office, SettingsOf

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)


def test_a_status_that_came_twice_counts_once(
    office: Office, hub: RunningHub, handle: Handle, status: Callable[..., None]
) -> None:
    """The same status twice is one entry (faults, row 19)."""
    sender = office("H29.05")
    delivery = sender.send(sample_document())
    status()
    status()
    handle(sender)
    assert sender.delivery(delivery.id).recipient("G22").out_of_order == 0
    assert {receipt.state for receipt in sender.receipts()} == {ReceiptState.DUPLICATE, ReceiptState.CONFIRMED}


def test_a_status_out_of_order_is_flagged(
    office: Office, hub: RunningHub, handle: Handle, status: Callable[..., None]
) -> None:
    """It is recorded and flagged, never dropped (business rules)."""
    sender = office("H29.05")
    delivery = sender.send(sample_document())
    status(code="06")
    handle(sender)
    state = sender.delivery(delivery.id).recipient("G22")
    assert (state.status, state.out_of_order) == (StatusCode.COMPLETED, 1)


def test_a_status_without_our_id_is_found_by_its_number(
    office: Office, hub: RunningHub, handle: Handle, status: Callable[..., None]
) -> None:
    """A partner's status that names only number and date still counts (edXML, "Seen in the wild")."""
    sender = office("H29.05")
    delivery = sender.send(sample_document())
    about: dict[str, Any] = {"organ_id": "H29.05", "code": delivery.code, "issued_on": delivery.issued_on}
    status(response_for=ResponseFor(document_id="khac", **about))
    handle(sender)
    assert sender.delivery(delivery.id).recipient("G22").status is StatusCode.ARRIVED


@pytest.mark.parametrize("recipients", ["asked", "not asked"])
def test_an_answer_that_names_the_document_itself(
    office: Office, hub: RunningHub, recipients: str, handle: Handle, status: Callable[..., None]
) -> None:
    """A partner may answer a recall by naming the document; an answer to nothing is only flagged (business rules)."""
    sender = office("H29.05")
    delivery = sender.send(sample_document())
    status()
    handle(sender)
    if recipients == "asked":
        recall = sender.recall(delivery.id, reason="Ban hành nhầm")
    status(code="15")
    handle(sender)
    state = sender.delivery(delivery.id).recipient("G22")
    assert state.withdrawn is (recipients == "asked")
    assert state.out_of_order == (0 if recipients == "asked" else 1)
    if recipients == "asked":
        assert sender.delivery(recall.id).recipient("G22").status is StatusCode.CHANGE_AGREED


def test_a_take_back_that_comes_too_late(office: Office, hub: RunningHub, handle: Handle) -> None:
    """13 after 06 is recorded and flagged, and nothing waits for it (business rules)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    (receipt,) = handle(receiver)
    receipt.accept()
    sender.take_back(receipt.id, reason="Gửi nhầm")
    receipt.complete()
    assert handle(receiver) == []
    (late,) = receiver.receipts(kind="status")
    assert late.state is ReceiptState.CONFIRMED
    assert (late.status_message.code, late.code, late.issued_on) == ("13", receipt.code, receipt.issued_on)
    assert {finding.severity for finding in late.findings} <= {Severity.INFO}
    assert "taking back asked for too late (06 completed" in receiver.explain(receipt.id).text()
    assert "quá muộn (06 Hoàn thành" in receiver.explain(receipt.id).text(vi=True)
    assert "Nothing is open" in receiver.explain(receipt.id).text()
    assert "G22 has to answer" in sender.explain(receipt.id).text()
    handle(sender)
    assert "G22 reported 06 completed" in sender.explain(receipt.id).text()
    assert "G22 đã báo 06 Hoàn thành" in sender.explain(receipt.id).text(vi=True)
    sender.recall(receipt.id, reason="Gửi nhầm")
    assert "G22 has to answer" in sender.explain(receipt.id).text()


@pytest.mark.parametrize(
    ("code", "state", "level"),
    [("03", ReceiptState.CONFIRMED, logging.WARNING), ("13", ReceiptState.QUARANTINED, logging.ERROR)],
)
def test_a_status_about_nothing_we_know_is_kept(
    office: Office,
    hub: RunningHub,
    caplog: pytest.LogCaptureFixture,
    code: str,
    state: ReceiptState,
    level: int,
    handle: Handle,
    fails: Fails,
    status: Callable[..., None],
) -> None:
    """Recorded and flagged; confirmed, but for a request that nobody has seen, which is set aside (business rules)."""
    sender = office("H29.05")
    status(code=code, description="?")
    assert handle(sender) == []
    (kept,) = sender.receipts(kind="status")
    assert kept.state is state
    with sender.context.store.snapshot() as tx:
        assert (tx.receipts.get_by_id(kept.key).confirmed_at is None) == (state is ReceiptState.QUARANTINED)
    fails(NotFound, lambda: kept.document, "did not come to us")
    assert kept.sender == "G22"
    assert level in [record.levelno for record in caplog.records]


def test_a_lost_answer_to_a_status(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A status whose answer was lost is asked for, and not sent twice (faults, row 4)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    (receipt,) = handle(receiver)
    receipt.accept()
    receiver.flush()
    receiver.flush()
    assert [packet.packet.status for packet in hub.packets()] == ["", "01", "03"]


def test_a_lost_status_is_sent_again(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A status that the hub does not have is sent again, before those behind it (faults, row 4)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))
    (receipt,) = handle(receiver)
    receipt.accept()
    for _ in range(3):
        receiver.flush()
    assert [packet.packet.status for packet in hub.packets()] == ["", "01", "03"]


def test_a_status_that_is_refused_for_good(office: Office, hub: RunningHub, handle: Handle) -> None:
    """It fails visibly, with the hub's words, and does not hold up the others (faults, row 9)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    hub.lock("H29.05")
    (receipt,) = handle(receiver)
    assert receiver.flush().sent == 0
    hub.lock("H29.05", locked=False)
    receipt.accept()
    assert [packet.packet.status for packet in hub.packets()] == ["", "03"]


def test_settings_that_cannot_work(settings: SettingsOf, fails: Fails) -> None:
    """What cannot work is refused when the connector opens, and nothing stays open (issue, "typed error")."""
    fails(StoreError, lambda: Connector.open(settings("G22", store={"url": "nonsense://x"})))
    fails(ConfigError, lambda: Connector.open(settings("G22", hub={"secret": "env:EDOC_TEST_NOT_SET"})))


def test_the_bytes_that_were_built_are_the_bytes_that_are_sent(
    office: Office, hub: RunningHub, tmp_path: Path, fails: Fails, built: Callable[[Path, str], bytes]
) -> None:
    """Built and signed once; trying again transmits the same bytes (faults, row 3)."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503))
    fails(HubUnavailable, lambda: sender.send(sample_document()))
    before = built(tmp_path / "H29.05", "V/v kết nối")
    sender.send(sample_document())
    assert built(tmp_path / "H29.05", "V/v kết nối") == before
    assert len(list((tmp_path / "H29.05" / "spool").rglob("*.edxml"))) == 1


def test_a_status_of_another_than_the_hub_announced_is_flagged(
    office: Office, hub: RunningHub, handle: Handle, status: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """It moves nothing; timelines and log say so (business rules, "and the hub's own word for the sender")."""
    sender = office("H29.05")
    sender.send(sample_document())
    status()
    packet = hub.packets()[-1].path.read_bytes()
    hub.offer(packet.replace(b">01<", b">03<"), sender="H30", to="H29.05", message_type="status")
    handle(sender)
    assert "status 03 of G22 does not count" in caplog.text
    (delivery,) = sender.deliveries()
    assert (delivery.recipient("G22").status, delivery.recipient("G22").out_of_order) == ("01", 0)
    newest = sender.receipts(kind="status", limit=1)[0]
    assert (newest.authority, newest.took_effect, newest.state) == ("contradicted", False, ReceiptState.CONFIRMED)
    for document_id in (newest.hub_doc_id, delivery.id):
        assert "the hub announced H30" in sender.explain(document_id).text().replace("The hub", "the hub")
        assert "Trục báo nơi gửi là H30" in sender.explain(document_id).text(vi=True)
