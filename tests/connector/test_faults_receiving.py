"""What happens when something breaks while we receive (faults, rows 14 to 21)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from random import Random
from string import ascii_letters, digits
from typing import TYPE_CHECKING

import pytest

from edoc_connector.config import LimitSettings
from edoc_connector.connector import BreakerState
from edoc_connector.errors import EdocError, NotFound, PacketError, StoreError
from edoc_connector.mockhub import Fault
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.conftest import Ahead, Fails, Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

LEASE = LimitSettings().lease


@pytest.mark.parametrize("step", ["fetch", "confirm"], ids=["row_14-fetch", "row_17-confirm"])
def test_killed_while_receiving(
    office: Office,
    hub: RunningHub,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    handle: Handle,
    kill_in: Callable[..., None],
    ahead: Ahead,
) -> None:
    """No partial packet, fetched again; handled once, confirmed after restart (faults, rows 14 and 17)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    kill_in(step, after=False)
    with pytest.raises(SystemExit):
        handle(receiver)
    other = ahead(office("G22"), LEASE + 1)
    assert len(handle(other)) == (1 if step == "fetch" else 0)
    other.flush()
    (receipt,) = other.receipts()
    assert receipt.state is ReceiptState.CONFIRMED
    assert [one.state for one in hub.packets()[0].receipts] == ["done"]


def test_row_17_killed_while_handling(office: Office, hub: RunningHub, handle: Handle, ahead: Ahead) -> None:
    """An application that died in the middle gets the packet again when the lease has run out (faults, row 17)."""
    sender, dying = office("H29.05"), office("G22")
    sender.send(sample_document())
    receipt = next(dying.receive())
    receipt.__enter__()
    dying.context.lease_keeper.stop()
    other = ahead(office("G22"), LEASE + 1)
    assert len(handle(other)) == 1
    with pytest.raises(StoreError, match="another one took it over"):
        receipt.__exit__(None, None, None)
    assert [one.status for one in other.receipts()] == ["01"]


def test_row_07_a_living_worker_keeps_its_lease(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Handling may take longer than the lease: it is renewed (faults, row 7)."""
    longer = {"lease": 1.5}
    sender, receiver, other = office("H29.05"), office("G22", limits=longer), office("G22", limits=longer)
    sender.send(sample_document())
    with next(receiver.receive()):
        time.sleep(2)
        assert handle(other) == []
    assert receiver.receipts()[0].state is ReceiptState.CONFIRMED


@pytest.mark.parametrize("kind", ["truncated", "drop-after-accepting"])
def test_row_15_a_download_cut_short(office: Office, hub: RunningHub, kind: str, handle: Handle, fails: Fails) -> None:
    """A body shorter than announced is not stored as good and not confirmed (faults, row 15)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    hub.faults.add(Fault(kind=kind, path="/downloadEdoc"))
    fails(EdocError, lambda: handle(receiver))
    (listed,) = receiver.receipts()
    assert (listed.state, bool(listed.error)) == (ReceiptState.LISTED, True)
    fails(NotFound, lambda: listed.document, "not downloaded yet")
    assert [one.state for one in hub.packets()[0].receipts] == ["initial"]
    assert len(handle(receiver)) == 1


def test_row_21_garbage_in_front_of_good_packets(office: Office, hub: RunningHub, handle: Handle, fails: Fails) -> None:
    """Kept, the hub told fail once it came twice, the next ones proceed at once (faults, rows 21 and 28)."""
    sender, receiver = office("H29.05"), office("G22")
    bad = hub.offer(b"1212<edXML/>", sender="H29.05", to="G22")
    sender.send(sample_document())
    assert len(handle(receiver)) == 1
    assert [packet.receipts[0].state for packet in hub.packets()[:2]] == ["initial", "done"]
    assert handle(receiver) == []
    (aside,) = receiver.receipts(state=ReceiptState.QUARANTINED)
    assert aside.hub_doc_id == bad
    fails(PacketError, lambda: receiver.recheck(bad))
    fails(PacketError, lambda: aside.document)
    assert [packet.receipts[0].state for packet in hub.packets()[:2]] == ["fail", "done"]
    assert handle(receiver) == []


def test_row_21_names_that_are_too_long_for_an_index(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Set aside as what cannot be read is, on PostgreSQL too, whose indexes refuse them; the next proceeds (row 21)."""
    sender, receiver = office("H29.05"), office("G22", receive={"policy": "any"})
    sender.send(sample_document(number="1"))
    handle(receiver)
    packet, document_id = hub.packets()[0].path.read_bytes(), sample_document(number="1").id.encode()
    name = "".join(Random(1).choices(ascii_letters + digits, k=9000)).encode()
    for old, new in ((b"H29.05", name), (document_id, name), (b">1<", b">" + name + b"<")):
        assert old in packet
        hub.offer(packet.replace(old, new), sender="H29.05", to="G22")
    sender.send(sample_document(number="2"))
    jobs = AgencyJobs(receiver)
    jobs.recover()
    assert jobs.poll(only_due=False)
    while jobs.fetch():
        pass
    assert receiver.context.breaker.read().state is BreakerState.CLOSED
    assert [one.id for one in handle(receiver)] == [sample_document(number="2").id]
    aside = receiver.receipts(state=ReceiptState.QUARANTINED)
    assert ["1024 bytes" in (one.error or "") for one in aside] == [True] * 3


def test_row_16_another_packets_body(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Detected by ids, set aside and not confirmed; asked for again while the hub offers it (faults, row 16)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    hub.faults.add(Fault(kind="wrong-body", path="/downloadEdoc"))
    assert handle(receiver) == []
    (aside,) = receiver.receipts()
    assert (aside.state, "another sender" in (aside.error or "")) == (ReceiptState.QUARANTINED, True)
    assert [one.state for one in hub.packets()[0].receipts] == ["initial"]
    (receipt,) = handle(receiver)
    assert (receipt.sender, receipt.error) == ("H29.05", None)


def test_row_18_a_lost_answer_to_a_confirmation(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Confirmed again; "already done" is success (faults, row 18)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    hub.faults.add(Fault(kind="drop-after-accepting", path="/updateStatus"))
    (receipt,) = handle(receiver)
    receiver.flush()
    assert receiver.receipt(receipt.id).state is ReceiptState.CONFIRMED


def test_row_19_a_packet_that_is_listed_twice(office: Office, hub: RunningHub, handle: Handle) -> None:
    """The same docId twice is one receipt and one effect, and is confirmed again (faults, row 19)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    hub.faults.add(Fault(kind="duplicate", path="/getReceivedEdocList"))
    assert len(handle(receiver)) == 1
    packet = hub.packets()[0]
    hub.hub.storage.set_state(packet.receipts[0].id, "initial", packet.events[-1])
    assert handle(receiver) == []
    assert [one.state for one in hub.packets()[0].receipts] == ["done"]
    assert len(receiver.receipts()) == 1


def test_row_19_a_document_that_was_sent_twice(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Receivers drop a DocumentId they hold; other content under it is set aside (faults, rows 19 and 20)."""
    sender, receiver = office("H29.05"), office("G22", receive={"policy": "any"})
    sender.send(sample_document())
    assert len(handle(receiver)) == 1
    hub.offer(hub.packets()[0].path.read_bytes(), sender="H29.05", to="G22")
    changed = hub.packets()[0].path.read_bytes().replace("V/v kết nối".encode(), "V/v ngắt nối".encode())
    hub.offer(changed, sender="H29.05", to="G22")
    for _ in range(2):  # other content is downloaded twice before the hub is told
        assert handle(receiver) == []
    states = [receipt.state for receipt in receiver.receipts()]
    assert states == [ReceiptState.QUARANTINED, ReceiptState.DUPLICATE, ReceiptState.CONFIRMED]
    told = {one.state for packet in hub.packets() for one in packet.receipts if one.recipient == "G22"}
    assert told == {"done", "fail"}


def test_two_connectors_receive_at_once(office: Office, hub: RunningHub) -> None:
    """Rows are claimed with a lease: each packet is handled by one of them (DESIGN, "two processes")."""
    sender, one, two = office("H29.05"), office("G22"), office("G22")
    for number in range(4):
        sender.send(sample_document(number=str(number)))
    first, second = one.receive(), two.receive()
    ids = []
    for receipt in (next(first), next(second), next(first), next(second)):
        with receipt:
            ids.append(receipt.id)
    assert len(set(ids)) == 4


def test_row_36_a_hub_that_counts_anew(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A new document under an old docId is a receipt of its own, and the first keeps its story (faults, row 36)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document(number="1"))
    (first,) = handle(receiver)
    doc_id = first.hub_doc_id
    sender.send(sample_document(number="2"))
    reuse_doc_id(hub, doc_id)
    handle(receiver)  # it is offered, and found to be another one
    (second,) = handle(receiver)
    assert (second.hub_doc_id, second.id) == (doc_id, sample_document(number="2").id)
    receiver.flush()
    assert [(one.id, one.state) for one in receiver.receipts()] == [
        (second.id, ReceiptState.CONFIRMED), (first.id, ReceiptState.CONFIRMED)
    ]  # fmt: skip
    assert receiver.receipt(first.id).hub_doc_id.startswith(f"{doc_id}~")
    assert [one.state for packet in hub.packets() for one in packet.receipts if one.id == doc_id] == ["done"]


def test_row_36_an_old_id_that_was_refused(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A new document under the docId of a packet that was set aside is not refused unseen (faults, row 36)."""
    sender, receiver = office("H29.05"), office("G22")
    doc_id = hub.offer(b"<no packet/>", sender="H29.05", to="G22")
    for _ in range(3):
        handle(receiver)
    assert receiver.receipt(doc_id).state is ReceiptState.QUARANTINED
    sender.send(sample_document())
    reuse_doc_id(hub, doc_id)
    handle(receiver)
    assert [one.id for one in handle(receiver)] == [sample_document().id]


def test_row_36_statuses(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A new status under an old docId is entered too (faults, row 36)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    (receipt,) = handle(receiver)
    handle(sender)
    old = next(one.receipts[0].id for one in hub.packets() if one.packet.message_type == "status")
    receipt.accept()
    receiver.flush()
    reuse_doc_id(hub, old, message_type="status")
    for _ in range(2):
        handle(sender)
    assert [one.status for one in sender.delivery(sample_document().id).recipients] == ["03"]


def reuse_doc_id(hub: RunningHub, doc_id: str, *, message_type: str = "edoc") -> None:
    """The hub was restored: the packet that came last has the docId of another one."""
    packets = [one for one in hub.packets() if one.packet.message_type == message_type]
    newest = max(
        (one for packet in packets for one in packet.receipts if one.id != doc_id), key=lambda one: one.created
    )
    with closing(sqlite3.connect(hub.hub.config.data / "hub.sqlite3")) as database, database:
        database.execute("DELETE FROM receipts WHERE id = ?", (doc_id,))
        database.execute("UPDATE receipts SET id = ? WHERE id = ?", (doc_id, newest.id))
