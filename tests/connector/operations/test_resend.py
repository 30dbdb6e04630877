"""Nothing refused once is forgotten, and what the hub lost can be sent again (faults, rows 29 and 36)."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector, Receipt
from edoc_connector.errors import EdocError, NotFound
from edoc_connector.mockhub import Fault
from edoc_connector.store import OUTGOING, STATUS, DeliveryState, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

ID = sample_document().id
NO = '{"status": "FAIL", "ErrorCode": "26", "ErrorDesc": "NoDoc"}'
LOCKED = '{"status": "FAIL", "ErrorCode": "22", "ErrorDesc": "refused", "DocId": ""}'
NOTHING = "Nothing is open."


def _refuse(hub: RunningHub, path: str, body: str) -> None:
    hub.faults.add(Fault(kind="answer", path=path, body=body, media_type="application/json"))


def _forget(hub: RunningHub, status: str) -> None:
    """Let the hub lose a packet, as one that was restored from yesterday."""
    with sqlite3.connect(hub.hub.config.data / "hub.sqlite3") as database:
        ids = [row[0] for row in database.execute("SELECT id FROM packets WHERE status = ?", (status,))]
        for packet_id in ids:
            database.execute("DELETE FROM receipts WHERE packet_id = ?", (packet_id,))
            database.execute("DELETE FROM packets WHERE id = ?", (packet_id,))
    database.close()


def _list_at_hub(hub: RunningHub) -> list[str]:
    return [one.packet.status for one in hub.packets()]


@pytest.fixture
def refused_confirmation(office: Office, hub: RunningHub, handle: Handle) -> Connector:
    """A receiver whose confirmation the hub refused once."""
    office("H29.05").send(sample_document())
    receiver = office("G22")
    _refuse(hub, "/updateStatus", NO)
    handle(receiver)
    receiver.flush()
    return receiver


@pytest.fixture
def refused_status(office: Office, hub: RunningHub, handle: Handle) -> tuple[Connector, Receipt]:
    """A receiver whose status 01 the hub refused once."""
    office("H29.05").send(sample_document())
    receiver = office("G22")
    _refuse(hub, "/sendEdoc", LOCKED)
    (receipt,) = handle(receiver)
    receiver.flush()
    return receiver, receipt


def test_row_29_a_refused_confirmation_is_open(refused_confirmation: Connector) -> None:
    """`explain` and `reconcile` show it, in both languages (faults, row 29)."""
    story = refused_confirmation.explain(ID)
    assert NOTHING not in story.next
    assert any("confirmation done was refused" in step and "edoc resend" in step for step in story.next)
    assert any("Trục từ chối xác nhận đã nhận (done)" in step for step in story.next_vi)
    (refused,) = refused_confirmation.reconcile().refused
    assert (refused.document_id, refused.what, refused.state) == (ID, "confirm", "failed")


def test_row_29_what_is_listed_and_not_confirmed_is_confirmed_again(
    refused_confirmation: Connector, hub: RunningHub, handle: Handle
) -> None:
    """The hub lists the packet: it is told once more, and nothing is open any more (faults, row 29)."""
    assert handle(refused_confirmation) == []
    refused_confirmation.flush()
    assert [packet.state for packet in hub.packets()[0].receipts] == ["done"]
    assert refused_confirmation.receipt(ID).state is ReceiptState.CONFIRMED
    assert refused_confirmation.reconcile().refused == ()
    assert refused_confirmation.explain(ID).next == (NOTHING,)


def test_row_29_a_refused_confirmation_of_a_status_is_open(office: Office, hub: RunningHub, handle: Handle) -> None:
    """The document that the status is about shows it, and its id sends the confirmation again (faults, row 29)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(receiver)
    receiver.flush()
    _refuse(hub, "/updateStatus", NO)
    handle(sender)
    sender.flush()
    assert any("confirmation done was refused" in step for step in sender.explain(ID).next)
    assert [one.what for one in sender.reconcile().refused] == ["confirm"]
    assert [(one.what, one.state) for one in sender.resend(ID, what="confirm")] == [("confirm", "sent")]
    assert sender.explain(ID).next == (NOTHING,)


def test_row_29_a_refused_confirmation_backs_off(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A hub that refuses it each time is not told at every poll (faults, row 29)."""
    office("H29.05").send(sample_document())
    receiver = office("G22", limits={"backoff": 600.0})
    for _ in range(5):
        _refuse(hub, "/updateStatus", NO)
    for _ in range(4):
        handle(receiver)
    with receiver.context.store.snapshot() as tx:
        ((row, _),) = tx.outgoing.list_refused("G22")
    assert row.attempts == 1


def test_row_29_a_refused_status_is_sent_again_by_a_person(
    refused_status: tuple[Connector, Receipt], hub: RunningHub
) -> None:
    """It is open until somebody says so, and the timeline names who (faults, row 29)."""
    receiver, _ = refused_status
    assert NOTHING not in receiver.explain(ID).next
    assert [one.what for one in receiver.reconcile().refused] == ["01"]
    (sent,) = receiver.resend(ID, by="Văn thư A")
    assert (sent.what, sent.state) == ("01", "sent")
    assert _list_at_hub(hub) == ["", "01"]
    assert receiver.explain(ID).next == (NOTHING,)
    assert receiver.resend(ID, by="Văn thư A") == ()
    assert _list_at_hub(hub) == ["", "01"]
    with receiver.context.store.snapshot() as tx:
        (row,) = tx.outgoing.find_all("G22", kind=STATUS)
        entries = tx.timeline.load_timelines(OUTGOING, [row.id])[row.id]
    (asked,) = [entry for entry in entries if entry.actor == "Văn thư A"]
    assert "sent again by a person's word" in asked.text.en
    assert "gửi lại theo yêu cầu" in asked.text.vi


def test_row_29_a_refused_status_with_a_later_one_is_closed(
    refused_status: tuple[Connector, Receipt], hub: RunningHub
) -> None:
    """03 got through after the refused 01: 01 is not sent behind it, and nothing is open (faults, row 29)."""
    receiver, receipt = refused_status
    receipt.accept()
    assert receiver.explain(ID).next == (NOTHING,)
    assert receiver.reconcile().refused == ()
    assert receiver.resend(ID) == ()
    assert _list_at_hub(hub) == ["", "03"]


def test_row_36_a_document_that_the_hub_lost_is_sent_again(office: Office, hub: RunningHub) -> None:
    """The hub is asked first; what it has is not sent, what it lost is (faults, row 36)."""
    sender = office("H29.05")
    sender.send(sample_document())
    (kept,) = sender.resend(ID)
    assert (kept.state, kept.text) == ("sent", "the hub has it: nothing was sent")
    assert len(hub.packets()) == 1
    _forget(hub, "")
    assert hub.packets() == []
    (sent,) = sender.resend(ID, by="Văn thư A")
    assert sent.state == "sent"
    assert len(hub.packets()) == 1
    assert sender.delivery(ID).hub_doc_id == hub.packets()[0].packet.id
    assert "the hub was asked and has it no more" in sender.explain(ID).text()
    assert "Văn thư A" in [entry.actor for entry in sender.delivery(ID).timeline]


def test_row_36_nothing_is_sent_unless_the_hub_tells(office: Office, hub: RunningHub, fails: Fails) -> None:
    """A hub that cannot be asked, or does not tell: an error, and the document stays `sent` (faults, row 36)."""
    sender = office("H29.05")
    sender.send(sample_document())
    _forget(hub, "")
    hub.faults.add(Fault(kind="error", path="/getSentEdocList", status=503))
    fails(EdocError, lambda: sender.resend(ID))
    hub.hub.config = replace(hub.hub.config, recent_sent=False)
    fails(EdocError, lambda: sender.resend(ID))
    assert sender.delivery(ID).state is DeliveryState.SENT
    assert hub.packets() == []


def test_row_36_a_status_that_the_hub_lost_is_sent_again(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A status by its code, only where the hub has it no more (faults, row 36)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    (receipt,) = handle(receiver)
    receipt.accept()
    (kept,) = receiver.resend(ID, what="03")
    assert kept.text == "the hub has it: nothing was sent"
    _forget(hub, "03")
    (sent,) = receiver.resend(ID, what="03")
    assert (sent.what, sent.state) == ("03", "sent")
    assert _list_at_hub(hub) == ["", "01", "03"]


def test_a_refused_document_is_sent_again_by_its_id(office: Office, hub: RunningHub, fails: Fails) -> None:
    """A document that failed, without the document at hand; and nothing where nothing is known (faults, row 29)."""
    sender = office("H29.05")
    _refuse(hub, "/sendEdoc", LOCKED)
    fails(EdocError, lambda: sender.send(sample_document()))
    assert sender.delivery(ID).state is DeliveryState.FAILED
    (sent,) = sender.resend(ID, by="Văn thư A")
    assert sent.state == "sent"
    fails(NotFound, lambda: sender.resend("unknown"))
    fails(NotFound, lambda: sender.resend(ID, what="05"))
