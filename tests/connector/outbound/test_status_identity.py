"""A status is ``sent`` only where the hub has that very status, however little its list says (faults, rows 30, 31)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal
from unittest.mock import patch

import pytest

from edoc_connector.client import HubClient
from edoc_connector.connector import Connector, Receipt
from edoc_connector.edxml import Document
from edoc_connector.errors import OutcomeUnknown
from edoc_connector.hubs import MessageType
from edoc_connector.mockhub import Fault
from edoc_connector.store import STATUS
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

ID = sample_document().id
Listed = Literal["hub", "document", "none"]
Received = tuple[Connector, Receipt]
EXISTS = '{"status": "FAIL", "ErrorCode": "25", "ErrorDesc": "ExistDoc", "DocId": ""}'
SENDER_DOC_IDS: list[Listed] = ["hub", "document", "none"]


@pytest.fixture
def received(office: Office, hub: RunningHub, handle: Handle) -> Received:
    """A receiver that got a document, and whose status 01 the hub has."""
    office("H29.05").send(sample_document())
    receiver = office("G22")
    (receipt,) = handle(receiver)
    return receiver, receipt


def _list_states(receiver: Connector) -> dict[str, str]:
    with receiver.context.store.snapshot() as tx:
        return {row.code: row.state for row in tx.outgoing.find_all("G22", kind=STATUS)}


def _list_at_hub(hub: RunningHub) -> list[str]:
    return [one.packet.status for one in hub.packets() if one.packet.status]


def _cut(hub: RunningHub, kind: str) -> None:
    hub.faults.add(Fault(kind=f"drop-{kind}-accepting", path="/sendEdoc"))


def _flush(receiver: Connector, times: int = 4) -> None:
    for _ in range(times):
        receiver.flush()


@pytest.mark.parametrize("listed", SENDER_DOC_IDS)
def test_row_30_a_cut_status_is_not_settled_by_another_of_its_document(
    received: Received, hub: RunningHub, listed: Listed
) -> None:
    """03 never reached the hub; its list shows 01 of the same document, with or without an id (faults, row 30)."""
    receiver, receipt = received
    hub.hub.config = replace(hub.hub.config, sender_doc_id=listed)
    _cut(hub, "before")
    receipt.accept()
    _flush(receiver)
    assert _list_at_hub(hub) == ["01", "03"]
    assert _list_states(receiver) == {"01": "sent", "03": "sent"}


@pytest.mark.parametrize("listed", SENDER_DOC_IDS)
def test_row_30_each_status_that_arrived_is_known_and_none_is_sent_twice(
    received: Received, hub: RunningHub, listed: Listed
) -> None:
    """Answers lost one after the other; then one that never arrived: what was found before is no answer to that."""
    receiver, receipt = received
    hub.hub.config = replace(hub.hub.config, sender_doc_id=listed)
    for kind, say in (("after", receipt.accept), ("after", receipt.processing), ("before", receipt.complete)):
        _cut(hub, kind)
        say()
        _flush(receiver)
    assert _list_at_hub(hub) == ["01", "03", "05", "06"]
    assert set(_list_states(receiver).values()) == {"sent"}
    assert receiver.reconcile().undecided == ()


def test_row_30_what_cannot_be_told_apart_stays_open(
    received: Received, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list without ids, and a hub that does not tell which row is 01: a person decides about 03 (faults, row 30)."""
    receiver, receipt = received
    hub.hub.config = replace(hub.hub.config, sender_doc_id="none")
    real = HubClient.sent_state

    def without_question(self: HubClient, message_type: MessageType, *, doc_id: str | None = None, **since: Any) -> Any:
        return () if doc_id is not None else real(self, message_type, **since)

    monkeypatch.setattr(HubClient, "sent_state", without_question)
    _cut(hub, "before")
    receipt.accept()
    _flush(receiver)
    assert _list_at_hub(hub) == ["01"]
    assert _list_states(receiver) == {"01": "sent", "03": "unknown"}
    (open_status,) = receiver.reconcile().undecided
    assert (open_status.document_id, open_status.what) == (ID, "03")
    receiver.settle(ID, arrived=False)
    _flush(receiver, 1)
    assert _list_at_hub(hub) == ["01", "03"]


def test_row_30_statuses_about_two_documents_of_one_number(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Two documents with one number and notation: a status about one is none about the other (faults, row 30)."""
    sender, receiver = office("H29.05"), office("G22")
    hub.hub.config = replace(hub.hub.config, sender_doc_id="none")
    first = sender.send(sample_document())
    sender.recall(first.id, reason="Sai số")
    _cut(hub, "before")
    assert len(handle(receiver)) == 2
    _flush(receiver)
    assert _list_at_hub(hub) == ["01", "01"]


@pytest.mark.parametrize("taken_by", ["status", "document"])
def test_row_31_an_id_that_is_another_packets_is_not_bound_to_a_status(
    received: Received, hub: RunningHub, monkeypatch: pytest.MonkeyPatch, taken_by: str
) -> None:
    """03 is answered with the DocId of 01, or of a document of ours: that is not believed (faults, row 31)."""
    receiver, receipt = received
    with receiver.context.store.snapshot() as tx:
        (first,) = tx.outgoing.find_all("G22", kind=STATUS)
    doc_id = first.hub_doc_id if taken_by == "status" else receiver.send(_make_document()).hub_doc_id
    real = HubClient.send

    def confused(self: HubClient, *args: Any, **kwargs: Any) -> object:
        monkeypatch.setattr(HubClient, "send", real)
        return replace(real(self, *args, **kwargs), doc_id=doc_id or "")

    monkeypatch.setattr(HubClient, "send", confused)
    receipt.accept()
    assert _list_states(receiver)["03"] == "unknown"
    _flush(receiver, 1)
    there = {one.packet.status: one.packet.id for one in hub.packets() if one.packet.status}
    with receiver.context.store.snapshot() as tx:
        bound = {row.code: row.hub_doc_id for row in tx.outgoing.find_all("G22", kind=STATUS)}
    assert bound == there


def test_row_31_an_id_that_is_a_status_is_not_bound_to_a_document(
    received: Received, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other way round: the hub answers a document with the DocId of a status of ours (faults, row 31)."""
    receiver, _ = received
    with receiver.context.store.snapshot() as tx:
        (first,) = tx.outgoing.find_all("G22", kind=STATUS)
    real = HubClient.send

    def confused(self: HubClient, *args: Any, **kwargs: Any) -> object:
        monkeypatch.setattr(HubClient, "send", real)
        return replace(real(self, *args, **kwargs), doc_id=first.hub_doc_id or "")

    monkeypatch.setattr(HubClient, "send", confused)
    with pytest.raises(OutcomeUnknown, match="belongs to another"):
        receiver.send(_make_document())
    _flush(receiver, 1)
    (delivery,) = receiver.deliveries()
    assert delivery.hub_doc_id == hub.packets()[-1].packet.id


@contextmanager
def _answering(doc_id: Callable[[], str]) -> Iterator[None]:
    """The hub takes what is sent, and answers with another packet's DocId, until the block ends."""
    real = HubClient.send
    with patch.object(HubClient, "send", lambda *args, **more: replace(real(*args, **more), doc_id=doc_id())):
        yield


def test_row_31_the_id_of_a_document_goes_to_its_owner_once_that_learns_it(office: Office, hub: RunningHub) -> None:
    """A DocId was told for the wrong document before its own one knew it: it moves to its owner (faults, row 31)."""
    sender = office("H29.05")
    _cut(hub, "after")
    with pytest.raises(OutcomeUnknown):
        sender.send(sample_document())
    first = hub.packets()[0].packet.id
    with _answering(lambda: first):
        second = sender.send(sample_document(number="2"))
    _flush(sender)
    assert {one.id: one.hub_doc_id for one in sender.deliveries()} == {ID: first, second.id: None}
    assert {one.state for one in sender.deliveries()} == {"sent"}
    assert len(hub.packets()) == 2
    assert "another packet's" in " ".join(entry.detail for entry in sender.delivery(second.id).timeline)


def test_row_31_the_id_of_a_status_goes_to_its_owner_once_that_learns_it(
    received: Received, office: Office, hub: RunningHub, handle: Handle
) -> None:
    """The same of statuses: 03 about one document has the DocId of 03 about another, till the list tells (row 31)."""
    receiver, first = received
    office("H29.05").send(sample_document(number="2"))
    (second,) = handle(receiver)
    _cut(hub, "after")
    first.accept()
    first_id = hub.packets()[-1].packet.id
    with _answering(lambda: first_id):
        second.accept()
    _flush(receiver)
    assert _list_at_hub(hub) == ["01", "01", "03", "03"]
    with receiver.context.store.snapshot() as tx:
        later, earlier = tx.outgoing.find_all("G22", kind=STATUS, code="03")
    assert (earlier.hub_doc_id, later.hub_doc_id) == (first_id, None)
    assert (earlier.state, later.state) == ("sent", "sent")


def test_row_31_an_id_that_the_wrong_kind_has_goes_to_its_owner(received: Received, hub: RunningHub) -> None:
    """A status was answered with the DocId of a document whose own answer was lost: it moves too (faults, row 31)."""
    receiver, receipt = received
    _cut(hub, "after")
    with pytest.raises(OutcomeUnknown):
        receiver.send(_make_document())
    doc_id = hub.packets()[-1].packet.id
    with _answering(lambda: doc_id):
        receipt.accept()
    _flush(receiver)
    assert [one.hub_doc_id for one in receiver.deliveries()] == [doc_id]
    with receiver.context.store.snapshot() as tx:
        (status,) = tx.outgoing.find_all("G22", kind=STATUS, code="03")
    assert (status.hub_doc_id, status.state) == (None, "sent")


def test_a_duplicate_that_may_be_another_status_stays_open(received: Received, hub: RunningHub) -> None:
    """A hub that says "exists" to 03 because it has 01 has not got 03: that is never ``sent`` (faults, row 30)."""
    receiver, receipt = received
    hub.hub.config = replace(hub.hub.config, sender_doc_id="none")
    hub.faults.add(Fault(kind="answer", path="/sendEdoc", body=EXISTS, media_type="application/json"))
    receipt.accept()
    assert _list_states(receiver)["03"] == "failed"
    receipt.processing()
    hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))
    hub.faults.add(Fault(kind="answer", path="/sendEdoc", body=EXISTS, media_type="application/json"))
    receipt.complete()
    receiver.flush()
    assert _list_at_hub(hub) == ["01", "05"]
    assert _list_states(receiver)["06"] != "sent"


def _make_document() -> Document:
    """A document of the receiver's own."""
    document = sample_document()
    return document.model_copy(update={"sender": document.recipients[0], "recipients": (document.sender,)})
