"""An agency moves from one hub to another: nothing is lost, nothing doubled, and each id stays with its hub."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import AsyncConnector, Connector, Delivery, HubRole, HubState, Receipt
from edoc_connector.edxml import Document, Organization, StaffInfo, StatusCode
from edoc_connector.errors import ConfigError, HubUnavailable, OutcomeUnknown
from edoc_connector.mockhub import Fault
from edoc_connector.store import CONFIRM, DeliveryState, OutgoingState, ReceiptState
from edoc_connector.testing import RECIPIENT, sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker.jobs import AgencyJobs, Job

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Moving, Office

ROUNDS = 8  # of both sides, after which everything has come to rest


def ours(number: str) -> Document:
    """A document of H29.05 to G22."""
    return sample_document(number=number)


def theirs(number: str) -> Document:
    """A document of G22 to H29.05."""
    document = sample_document(number=number)
    sender = RECIPIENT.model_copy(update={"id": "G22"})
    return sample_document(number=number, sender=sender, recipients=(document.sender,))


def names_of(hub: RunningHub) -> list[str]:
    """The numbers of the documents that a hub took, in order."""
    found = [packet.packet.notation or "" for packet in hub.packets() if packet.packet.message_type == "edoc"]
    return sorted(one.partition("/")[0] for one in found)


def take_one(connector: Connector) -> Receipt:
    """Take a packet that came in, and leave the loop without handling it."""
    return next(connector.receive())


def state_of(connector: Connector, name: str) -> HubState:
    """Where an agency stands with a hub."""
    return next(state for state in connector.hubs() if state.name == name)


def come_to_rest(handle: Handle, *connectors: Connector) -> dict[str, list[str]]:
    """Let both sides work until nothing is left; the ids of the documents that each application was handed."""
    handled: dict[str, list[str]] = {connector.context.agency: [] for connector in connectors}
    for _ in range(ROUNDS):
        for connector in connectors:
            handled[connector.context.agency] += [one.id for one in handle(connector) if one.kind != "take_back"]
            connector.flush()
    return handled


def test_documents_in_every_state_when_the_hub_is_switched(
    moving: Moving, handle: Handle, hub: RunningHub, new_hub: RunningHub
) -> None:
    """Sent, unknown, queued, offered, downloaded, unconfirmed: each is finished where it is, and new ones go over."""
    here, there = moving("H29.05"), moving("G22")
    earlier = here.send(ours("1"))
    for receipt in there.receive():
        with receipt:
            receipt.accept()
    handle(here)
    assert here.delivery(earlier.id).recipient("G22").status is StatusCode.ACCEPTED

    offered, downloaded = there.send(theirs("11")), there.send(theirs("12"))
    in_hand = take_one(here)  # both are downloaded, and wait
    unconfirmed = there.send(theirs("13"))
    hub.faults.add(Fault(kind="error", path="/updateStatus", status=503, count=3))
    handle(here)
    assert in_hand.id in {offered.id, downloaded.id}
    listed = there.send(theirs("14"))
    sent = here.send(ours("2"))
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    with pytest.raises(OutcomeUnknown):
        here.send(ours("3"))
    hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))
    with pytest.raises(OutcomeUnknown):
        here.send(ours("4"))
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503))
    with pytest.raises(HubUnavailable):
        here.send(ours("5"))
    queued = here.queue(ours("6"))

    here.switch_hub("new", by="an-lê")
    there.switch_hub("new")
    after = here.send(ours("7"))
    answer = there.send(theirs("15"))
    recall = here.recall(earlier.id, reason="Ban hành nhầm", staff=StaffInfo(staff="Lê C"))
    assert all((here.delivery(one.id).hub_doc_id or "").endswith("@new") for one in (after, recall))
    handed: list[str] = []
    for _ in range(ROUNDS):
        for receipt in there.receive():
            with receipt:
                handed.append(receipt.id)
                if receipt.kind == "recall":
                    receipt.agree_change()
        there.flush()
        handle(here)
        here.flush()
        here.reconcile()
        there.reconcile()

    deliveries = {one.id: one for one in here.deliveries()}
    assert {one.state for one in deliveries.values()} == {DeliveryState.SENT}
    assert len(handed) == len(set(handed)) == 7  # the recall and 2 to 7
    assert names_of(hub) == sorted({"1", "2", "3", "11", "12", "13", "14"})
    assert names_of(new_hub) == sorted(["1", "15", "4", "5", "6", "7"])  # 1 is the recall
    assert here.delivery(sent.id).recipient("G22").status is StatusCode.ARRIVED
    assert here.delivery(queued.id).recipient("G22").status is StatusCode.ARRIVED
    assert here.delivery(recall.id).recipient("G22").status is StatusCode.CHANGE_AGREED
    assert here.delivery(earlier.id).recipient("G22").withdrawn
    received = {one.id: one for one in here.receipts(kind="new")}
    assert set(received) == {one.id for one in (offered, downloaded, unconfirmed, listed, answer)}
    assert {one.state for one in received.values()} == {ReceiptState.CONFIRMED}
    for delivery in (offered, downloaded, unconfirmed, listed, answer):
        assert there.delivery(delivery.id).recipient("H29.05").status is StatusCode.ARRIVED
    old = state_of(here, "hub")
    assert (old.role, old.open.keeps_hub, old.open.unanswered) == (HubRole.DRAIN, False, 0)
    assert not old.is_drained  # something came a moment ago


def test_an_unknown_outcome_is_settled_at_its_own_hub(
    moving: Moving, hub: RunningHub, new_hub: RunningHub, handle: Handle
) -> None:
    """While the old hub is away, what it may have is not sent by the new one; a person's word is needed for that."""
    here = moving("H29.05", limits={"grace": 0.0, "backoff": 0.0, "pause_cap": 0.0})
    moving("G22")
    for number in ("1", "2"):
        hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))
        with pytest.raises(OutcomeUnknown):
            here.send(ours(number))
    hub.stop()
    here.switch_hub("new")
    for _ in range(4):
        here.flush()
        here.reconcile()
    documents = {one.code.partition("/")[0]: one for one in here.deliveries()}
    assert {one.state for one in documents.values()} == {DeliveryState.UNKNOWN}
    assert new_hub.packets() == []
    assert state_of(here, "hub").open.undecided_documents == 2
    here.settle(documents["1"].id, arrived=False)
    here.flush()
    assert here.delivery(documents["1"].id).hub_doc_id == "1@new"
    hub.start()
    for _ in range(4):
        here.flush()
        here.reconcile()
    assert here.delivery(documents["2"].id).hub_doc_id == "2@new"
    assert names_of(hub) == []
    assert names_of(new_hub) == ["1", "2"]


def test_calling_send_again_asks_the_hub_that_may_have_it(moving: Moving, hub: RunningHub, new_hub: RunningHub) -> None:
    """The same document sent once more after the switch: the old hub has it, so the new one gets nothing."""
    here = moving("H29.05")
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    with pytest.raises(OutcomeUnknown):
        here.send(ours("1"))
    here.switch_hub("new")
    delivery = here.send(ours("1"))
    assert delivery.state is DeliveryState.SENT
    assert not (delivery.hub_doc_id or "").endswith("@new")
    assert new_hub.packets() == []


def test_one_document_that_both_hubs_offer(
    moving: Moving, office: Office, handle: Handle, hub: RunningHub, new_hub: RunningHub
) -> None:
    """It is handed to the application once, and confirmed at both hubs."""
    sender, here = moving("G22"), moving("H29.05")
    sender.send(theirs("1"))
    (packet,) = hub.packets()
    new_hub.offer(packet.path.read_bytes(), sender="G22", to="H29.05")
    assert come_to_rest(handle, here)["H29.05"] == [packet.packet.document_id]
    states = {one.hub_doc_id.endswith("@new"): one.state for one in here.receipts()}
    assert states == {False: ReceiptState.CONFIRMED, True: ReceiptState.DUPLICATE}
    with here.context.store.snapshot() as tx:
        confirmations = tx.outgoing.find_all("H29.05", kind=CONFIRM)
    assert {(one.hub, one.state) for one in confirmations} == {
        ("hub", OutgoingState.SENT),
        ("new", OutgoingState.SENT),
    }


def test_two_hubs_use_one_id_for_two_packets(
    office: Office, hub: RunningHub, new_hub: RunningHub, handle: Handle
) -> None:
    """Both number from 1; each packet is downloaded from, confirmed to and reported at its own hub."""

    def at(running: RunningHub, role: str) -> dict[str, Any]:
        values = {"dialect": "edocservice", "endpoint": f"{running.url}/EdocService", "role": role}
        return values | {"system_id": "H29.05", "secret": "file:secret"}

    sender_old = office("G22", hub=at(hub, "active") | {"system_id": "G22"})
    sender_old.send(theirs("1"))
    sender_new = office("H30", hub=at(new_hub, "active") | {"system_id": "H30"})
    other = Organization(id="H30", name="UBND tỉnh")
    sender_new.send(sample_document(number="2", sender=other, recipients=theirs("1").recipients))
    here = office("H29.05", hub=at(hub, "drain"), hubs={"new": at(new_hub, "active")})
    for receipt in here.receive():
        with receipt:
            receipt.accept()
    here.flush()
    found = {one.hub_doc_id: (one.sender, one.state) for one in here.receipts(kind="new")}
    assert found == {"1": ("G22", ReceiptState.CONFIRMED), "1@new": ("H30", ReceiptState.CONFIRMED)}
    handle(sender_old)
    handle(sender_new)
    assert sender_old.deliveries()[0].recipient("H29.05").status is StatusCode.ACCEPTED
    assert sender_new.deliveries()[0].recipient("H29.05").status is StatusCode.ACCEPTED
    assert here.receipt("1@new").sender == "H30"


def test_a_status_told_by_docid_goes_to_the_hub_of_the_document(
    office: Office, hub: RunningHub, new_hub: RunningHub
) -> None:
    """A hub that is told 01 to 06 by a call is told them after the switch, and the new one, by packets, is not."""
    old = {"dialect": "lgsp", "endpoint": f"{hub.url}/apithunghiem", "statuses_by_update": True}
    new = {"endpoint": new_hub.url, "system_id": "H29.05", "secret": "file:secret", "role": "drain"}
    office("G22").send(theirs("1"))
    here = office("H29.05", hub=old, hubs={"new": new})
    for receipt in here.receive():
        with receipt:
            here.switch_hub("new")
            receipt.accept()
    here.flush()
    with here.context.store.snapshot() as tx:
        statuses = tx.outgoing.find_all("H29.05", kind="status")
    assert {(one.hub, one.is_tied, one.state) for one in statuses} == {("hub", True, OutgoingState.SENT)}
    assert new_hub.packets() == []
    told = [event.what for packet in hub.packets() for event in packet.events]
    assert [what for what in told if what.startswith("told")] == ["told 01", "told 03"]


@pytest.mark.parametrize("after", [False, True], ids=["before the hub", "after the hub"])
def test_a_process_that_is_killed_in_the_middle(
    moving: Moving,
    handle: Handle,
    hub: RunningHub,
    new_hub: RunningHub,
    kill_in: Callable[..., None],
    ahead: Callable[[Connector, float], Connector],
    after: bool,
) -> None:
    """Whoever takes over after the switch asks the hub to which the dead process was sending."""
    here = moving("H29.05")
    kill_in("send", after=after)
    with pytest.raises(SystemExit):
        here.send(ours("1"))
    second = ahead(moving("H29.05"), 1000.0)
    second.switch_hub("new")
    for _ in range(4):
        second.flush()
        second.reconcile()
    assert (names_of(hub), names_of(new_hub)) == ((["1"], []) if after else ([], ["1"]))
    assert second.deliveries()[0].state is DeliveryState.SENT


def test_nothing_is_sent_while_no_hub_sends(moving: Moving, hub: RunningHub, new_hub: RunningHub) -> None:
    """Between `drain` and `switch` documents are stored and wait; another process, open before, keeps to that too."""
    here, other = moving("H29.05"), moving("H29.05")
    here.drain_hub("hub", by="an-lê")
    delivery = other.send(ours("1"))
    assert delivery.state is DeliveryState.READY
    assert any("edoc hub switch" in step for step in here.explain(delivery.id).next)
    assert (hub.packets(), new_hub.packets()) == ([], [])
    here.switch_hub("new", by="an-lê")
    other.flush()
    assert other.delivery(delivery.id).hub_doc_id == "1@new"
    with here.context.store.snapshot() as tx:
        decided = [fact for fact in tx.evidence_log.list_facts("H29.05") if fact["kind"] == "hubs"]
    assert [fact["hubs"] for fact in decided] == [
        {"hub": "drain", "new": "drain"},
        {"hub": "drain", "new": "active"},
    ]
    assert {fact["actor"] for fact in decided} == {"an-lê"}


def test_an_empty_hub_is_said_to_be_empty(
    moving: Moving, handle: Handle, ahead: Callable[[Connector, float], Connector]
) -> None:
    """Only one that is emptied, that answered, and where nothing was open for as long as the settings say."""
    here = moving("H29.05", limits={"drained_after": 3600.0})
    moving("G22").send(theirs("1"))
    here.switch_hub("new")
    handle(here)
    assert not state_of(here, "hub").is_drained
    later = ahead(here, 4000.0)
    assert not state_of(later, "hub").is_drained  # it was not asked since
    handle(later)
    assert state_of(later, "hub").is_drained
    assert not state_of(later, "new").is_drained  # it sends
    moving("G22").send(theirs("2"))
    take_one(later)
    assert state_of(later, "hub").open.unhandled == 1
    assert not state_of(later, "hub").is_drained


def test_hubs_that_cannot_be_switched(moving: Moving, office: Office) -> None:
    """An unknown hub is refused in both languages, and so is the only one."""
    with pytest.raises(ConfigError) as caught:
        moving("H29.05").switch_hub("nowhere")
    assert "nowhere" in caught.value.message
    assert caught.value.vi
    with pytest.raises(ConfigError):
        office("G22").drain_hub("hub")


def test_a_worker_polls_each_hub(moving: Moving, hub: RunningHub, new_hub: RunningHub) -> None:
    """Each hub has a poll, a breaker and a pause of its own: one that is away stops nothing of the other."""
    here = moving("H29.05", active="new")
    sender = moving("G22", active="new")
    hub.stop()
    sender.send(theirs("1"))
    jobs = AgencyJobs(here)
    jobs.recover()
    assert jobs.run(Job.POLL)
    assert jobs.read_schedule()["poll"].failures == 1
    assert jobs.read_schedule()["poll@new"].failures == 0
    breakers = jobs.read_breakers()
    assert (breakers["hub"].state.allows_work, breakers["new"].state.allows_work) == (False, True)
    assert jobs.run(Job.FETCH)
    assert here.receipts()[0].state is ReceiptState.WAITING
    assert jobs.find_open_until() is None
    here.queue(ours("7"))
    assert jobs.run(Job.TRANSMIT)
    assert {one.state for one in here.deliveries()} == {DeliveryState.SENT}


def test_a_delivery_names_its_hub(moving: Moving, handle: Handle) -> None:
    """`explain` says at which hub a document is, and the evidence has the hub with every answer."""
    here = moving("H29.05", active="new")
    delivery: Delivery = here.send(ours("1"))
    story = here.explain(delivery.id)
    assert "Its hub is new." in story.next
    assert "Thuộc trục new." in story.next_vi
    with here.context.store.snapshot() as tx:
        facts = tx.evidence_log.list_facts_about("H29.05", {"delivery": [1]})
    assert {fact["hub"] for fact in facts if fact["kind"] == "answer"} == {"new"}
    assert here.context.store.clock() - state_of(here, "new").quiet_since < timedelta(minutes=5)


def test_a_status_of_which_the_new_hub_knows_nothing_goes_home(
    moving: Moving, hub: RunningHub, new_hub: RunningHub, handle: Handle
) -> None:
    """A provincial hub refuses statuses about documents that it never had: they go to the hub that has the document."""
    sender, here = moving("G22"), moving("H29.05")
    sent = sender.send(theirs("1"))
    (receipt,) = handle(here)
    here.switch_hub("new")
    receipt.accept()
    here.flush()
    with here.context.store.snapshot() as tx:
        (status,) = tx.outgoing.find_all("H29.05", kind="status", code="03")
    assert (status.hub, status.is_tied, status.state) == ("hub", True, OutgoingState.SENT)
    assert any("it goes to the hub hub, which has the document" in one.text for one in here.explain(sent.id).events)
    assert new_hub.packets() == []
    handle(sender)
    assert sender.delivery(sent.id).recipient("H29.05").status is StatusCode.ACCEPTED


@pytest.mark.anyio
async def test_hubs_are_switched_by_coroutines(moving: Moving) -> None:
    """`AsyncConnector` has the same calls, awaited."""
    async with AsyncConnector(moving("H29.05").settings) as connector:
        assert [state.role for state in await connector.hubs()] == [HubRole.ACTIVE, HubRole.DRAIN]
        assert [state.role for state in await connector.drain_hub("hub")] == [HubRole.DRAIN, HubRole.DRAIN]
        assert [state.role for state in await connector.switch_hub("new")] == [HubRole.DRAIN, HubRole.ACTIVE]
