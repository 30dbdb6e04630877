"""Packets come in while others are handled, and answers leave in batches (issue, "receive() prefetches …")."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text

from edoc_connector.client import HubClient
from edoc_connector.connector import Connector
from edoc_connector.connector.inbound import prefetch
from edoc_connector.connector.inbound.intake import Intake
from edoc_connector.errors import EdocError, StoreError
from edoc_connector.hubs import MessageType
from edoc_connector.mockhub import Fault
from edoc_connector.store import ReceiptState
from edoc_connector.store.receipts import Receipts
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

Waiting = Callable[[int], list[str]]
OURS = ("edoc-prefetch", "edoc-download", "edoc-sender")


@pytest.fixture
def waiting(office: Office, hub: RunningHub) -> Waiting:
    """Has so many documents wait at the hub; their ids, in order."""

    def send(count: int) -> list[str]:
        sender = office("H29.05")
        return [sender.send(sample_document(number=str(number))).id for number in range(count)]

    return send


def running() -> list[str]:
    """The background threads that have not ended."""
    return [one.name for one in threading.enumerate() if one.name.startswith(OURS)]


def states(connector: Connector) -> list[str]:
    """The states of all packets that came in, oldest first."""
    return [str(receipt.state) for receipt in reversed(connector.receipts())]


def fail(connector: Connector) -> None:
    """Receive, with an application that fails."""
    for receipt in connector.receive():
        with receipt:
            raise ZeroDivisionError


def steal(connector: Connector, hub_doc_id: str, table: str = "receipts") -> None:
    """Take a row away from whoever holds it, as another worker would."""
    engine = create_engine(connector.settings.store_url())
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET fence = fence + 1 WHERE hub_doc_id = :id"), {"id": hub_doc_id})
    engine.dispose()


def test_packets_come_in_order_and_once(office: Office, waiting: Waiting) -> None:
    """However many are brought in at a time, they are handed out in the hub's order (issue, "order … as before")."""
    ids = waiting(11)
    receiver = office("G22")
    handed = []
    for receipt in receiver.receive():
        with receipt:
            handed.append(receipt.id)
            assert receipt.document.id == receipt.id
    assert handed == ids
    assert set(states(receiver)) == {"confirmed"}
    assert running() == []


def test_leaving_the_loop_leaves_the_rest_waiting(office: Office, waiting: Waiting) -> None:
    """No thread stays behind, no attempt is counted, and the next call hands out the others (issue, "leaving …")."""
    ids = waiting(14)
    receiver = office("G22")
    for receipt in receiver.receive():
        with receipt:
            break
    gc.collect()
    assert running() == []
    assert states(receiver)[0] == "confirmed"
    assert set(states(receiver)[1:]) <= {"listed", "waiting"}
    with pytest.raises(ZeroDivisionError):
        fail(receiver)
    gc.collect()
    assert running() == []
    left = []
    for receipt in receiver.receive():
        with receipt:
            left.append(receipt.id)
    assert left == ids[1:]


def test_a_packet_that_was_not_asked_for_waits(office: Office, waiting: Waiting) -> None:
    """What was claimed with the end of the one before it is free for others at once (issue, "finds the rest …")."""
    ids = waiting(3)
    receiver = office("G22")
    loop: Any = receiver.receive()
    with next(loop):
        pass
    assert states(receiver)[1] == "handling"
    loop.close()
    assert states(receiver)[1] == "waiting"
    assert [one.id for one in office("G22").receive()] == ids[1:]


def test_a_packet_is_not_passed_over_where_the_one_before_it_fails(
    office: Office, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim was undone with the end of the other: it is handed out next (faults, row 23)."""
    ids = waiting(3)
    receiver = office("G22")
    loop = receiver.receive()
    first = next(loop)

    def full(*arguments: object, **options: object) -> None:
        monkeypatch.undo()
        raise StoreError("the disk is full", vi="đĩa đầy")

    monkeypatch.setattr(Receipts, "claim_next", full)
    with pytest.raises(StoreError, match="full"), first:
        pass
    assert [one.id for one in loop] == ids[1:]


def test_closing_ends_the_threads(office: Office, waiting: Waiting) -> None:
    """A connector that is closed in the middle of the loop leaves nothing running (issue, "no leak")."""
    waiting(12)
    receiver = office("G22")
    loop = receiver.receive()
    with next(loop):
        pass
    receiver.close()
    assert running() == []
    assert len([one for one in office("G22").receive() if one.state is ReceiptState.HANDLING]) == 11


def test_no_further_ahead_than_the_bound(office: Office, waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the application is slow only so many packets are brought in (issue, "bounded in number and bytes")."""
    monkeypatch.setattr(prefetch, "MAX_AHEAD_PACKETS", 1)
    monkeypatch.setattr(prefetch, "DOWNLOAD_THREADS", 2)
    waiting(6)
    receiver = office("G22")
    loop = receiver.receive()
    first = next(loop)
    assert states(receiver) == ["handling", "waiting", "listed", "listed", "listed", "listed"]
    with first:
        pass
    rest = 0
    for receipt in loop:
        with receipt:
            rest += 1
    assert rest == 5


def test_large_packets_are_brought_in_one_at_a_time(
    office: Office, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one is not kept waiting by those behind it (issue, "bounded in number and bytes")."""
    monkeypatch.setattr(prefetch, "DOWNLOAD_THREADS", 1)
    monkeypatch.setattr(prefetch, "ROUND_BYTES", 1)
    rounds: list[int] = []
    real = Intake.store_packets

    def enter(self: Intake, arrivals: Any) -> Any:
        rounds.append(len(arrivals))
        return real(self, arrivals)

    monkeypatch.setattr(Intake, "store_packets", enter)
    waiting(4)
    assert len(list(office("G22").receive())) == 4
    assert rounds == [1, 1, 1, 1]


def test_one_failed_download_keeps_no_other_back(
    office: Office, hub: RunningHub, waiting: Waiting, handle: Handle, fails: Fails
) -> None:
    """The others are handed out, the error comes at the end, and the next call brings the missing one (row 15)."""
    waiting(6)
    hub.faults.add(Fault(kind="html", path="/downloadEdoc"))
    receiver = office("G22")
    fails(EdocError, lambda: handle(receiver))
    assert sorted(states(receiver)) == ["confirmed"] * 5 + ["listed"]
    assert len(handle(receiver)) == 1


def test_the_same_document_twice_in_one_list(office: Office, hub: RunningHub, waiting: Waiting, handle: Handle) -> None:
    """Two docIds with one document: one receipt, one duplicate, and the hub is told of both (faults, row 19)."""
    waiting(2)
    first = hub.packets()[0].path.read_bytes()
    hub.offer(first, sender="H29.05", to="G22")
    receiver = office("G22")
    assert len(handle(receiver)) == 2
    assert states(receiver) == ["confirmed", "confirmed", "duplicate"]
    told = [one.state for packet in hub.packets() for one in packet.receipts if one.recipient == "G22"]
    assert told == ["done"] * 3


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_a_packet_that_was_taken_over_keeps_no_other_back(
    office: Office, hub: RunningHub, waiting: Waiting, handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in one transaction with it is entered all the same (faults, row 7)."""
    waiting(4)
    receiver = office("G22")
    stolen = hub.packets()[1].receipts[0].id
    real = Intake.download

    def brought(self: Intake, row: Any, **options: Any) -> Any:
        if row.hub_doc_id == stolen:
            steal(receiver, stolen)
        return real(self, row, **options)

    monkeypatch.setattr(Intake, "download", brought)
    assert len(handle(receiver)) == 3
    assert states(receiver) == ["confirmed", "listed", "confirmed", "confirmed"]


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_a_confirmation_that_was_taken_over_keeps_no_other_back(
    office: Office, hub: RunningHub, waiting: Waiting, handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its batch are noted all the same (faults, row 7)."""
    waiting(3)
    receiver = office("G22")
    stolen = hub.packets()[0].receipts[0].id
    real = HubClient.confirm

    def confirm(self: HubClient, doc_id: str, *arguments: Any, **options: Any) -> Any:
        if doc_id == stolen:
            steal(receiver, stolen, "outgoing")
        return real(self, doc_id, *arguments, **options)

    monkeypatch.setattr(HubClient, "confirm", confirm)
    assert len(handle(receiver)) == 3
    assert states(receiver) == ["handled", "confirmed", "confirmed"]


def test_a_confirmation_that_crossed_the_list_is_not_looked_at_again(
    office: Office, hub: RunningHub, waiting: Waiting, handle: Handle
) -> None:
    """A list that the hub made before it was told says nothing new (faults, row 19)."""
    waiting(1)
    receiver = office("G22")
    listed = receiver.context.hub.list_waiting(MessageType.EDOC)
    asked_at = receiver.context.store.clock()
    assert len(handle(receiver)) == 1
    assert receiver.inbox._record_offers(listed, asked_at) == ([], [])
    later = asked_at + timedelta(hours=1)
    assert receiver.inbox._record_offers(listed, later) == ([], [receiver.receipts()[0].key])
