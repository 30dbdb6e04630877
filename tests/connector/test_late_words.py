"""A later word corrects an earlier one: row 39 of docs/faults.md (business rules, "Who may say what")."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.client import HubClient
from edoc_connector.connector import Connector
from edoc_connector.connector.outbound.packet_builder import build_form
from edoc_connector.edxml import Organization, ResponseFor, StatusCode, StatusMessage, write
from edoc_connector.errors import OutcomeUnknown
from edoc_connector.hubs import MessageType, Outcome, SentState
from edoc_connector.mockhub import Fault
from edoc_connector.store import DeliveryState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker.jobs import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.conftest import Ahead, Handle, Office

DIALECTS: dict[str, dict[str, Any]] = {
    "vxp": {},
    "lgsp": {"dialect": "lgsp"},
    "edocservice": {"dialect": "edocservice"},
}
G22 = Organization(id="G22", name="Văn phòng Chính phủ")


def refuse_behind(connector: Connector) -> None:
    """Give up a packet that waits, as a bridge or the recipient's system does: the hub lists it as failed."""
    with HubClient(connector.settings.dialect(), connector.settings.client_settings()) as client:
        (waiting,) = client.list_waiting()
        client.confirm(waiting.doc_id, Outcome.FAIL)


def test_row_39_a_refusal_after_it_was_sent(office: Office, hub: RunningHub, handle: Handle) -> None:
    """The hub lists `fail` for a document that is sent: shown at its recipient, in both languages, once (row 39)."""
    sender, recipient = office("H29.05"), office("G22")
    sent = sender.send(sample_document())
    assert sender.delivery(sent.id).recipient("G22").refused_at is None
    refuse_behind(recipient)
    for _ in range(2):
        sender.reconcile()
    delivery = sender.delivery(sent.id)
    found = delivery.recipient("G22")
    assert delivery.state is DeliveryState.SENT
    assert found.refused_at is not None
    assert "did not bring it to G22: fail" in (found.refusal or "")
    assert "không chuyển được tới G22" in (found.refusal_vi or "")
    assert [entry.to for entry in delivery.timeline].count("refused_later") == 1
    story = sender.explain(sent.id)
    assert any("send it another way" in step for step in story.next)
    assert any("gửi cách khác" in step for step in story.next_vi)


def test_the_recipients_status_corrects_a_refusal(
    office: Office, hub: RunningHub, handle: Handle, tmp_path: Path
) -> None:
    """A status of the recipient that comes later is the later word: nothing is refused any more (row 39)."""
    sender, recipient = office("H29.05"), office("G22")
    sent = sender.send(sample_document())
    refuse_behind(recipient)
    sender.reconcile()
    _say(recipient, tmp_path, sent.id, "03")
    handle(sender)
    found = sender.delivery(sent.id).recipient("G22")
    assert (found.status, found.refused_at, found.refusal) == (StatusCode.ACCEPTED, None, None)
    sender.reconcile()
    assert sender.delivery(sent.id).recipient("G22").refused_at is None


def test_a_worker_finds_refusals_by_itself(office: Office, hub: RunningHub, ahead: Ahead) -> None:
    """A worker asks what became of documents that a recipient is silent about for a quarter of an hour (row 39)."""
    sender, recipient = office("H29.05"), office("G22")
    sent = sender.send(sample_document())
    refuse_behind(recipient)
    jobs = AgencyJobs(sender)
    jobs.recover()
    jobs.poll(only_due=False)
    assert sender.delivery(sent.id).recipient("G22").refused_at is None
    ahead(sender, 16 * 60)
    jobs.poll(only_due=False)
    assert sender.delivery(sent.id).recipient("G22").refused_at is not None


def test_a_hub_that_does_not_say_is_asked_again(office: Office, hub: RunningHub) -> None:
    """A question about what was sent that fails is no refusal and stops nothing (row 39)."""
    sender, recipient = office("H29.05"), office("G22")
    sent = sender.send(sample_document())
    refuse_behind(recipient)
    hub.faults.add(Fault(kind="answer", path="/getSentEdocList", body="<html>", media_type="text/html"))
    sender.reconcile()
    assert sender.delivery(sent.id).recipient("G22").refused_at is None
    hub.faults.clear()
    sender.reconcile()
    assert sender.delivery(sent.id).recipient("G22").refused_at is not None


@pytest.mark.parametrize("dialect", ["lgsp", "edocservice"])
def test_hubs_without_a_list_are_not_asked(office: Office, hub: RunningHub, dialect: str) -> None:
    """Hubs without a list of what was sent tell no late refusal, and are not asked."""
    sender = office("H29.05", hub=_hub(hub, dialect))
    sender.send(sample_document())
    assert next(iter(sender.outbox.outboxes)).late_refusals.find() == 0


def test_words_of_the_hub() -> None:
    """What a hub lists as failed, on either side, is a refusal; any other state is none."""
    assert SentState(receive_status="fail", receive_status_desc="Nhận lỗi").refusal_words == "Nhận lỗi"
    assert SentState(receive_status="done", send_status=" FAIL ", send_status_desc="x").refusal_words == "x"
    assert not any(SentState(receive_status=state).is_refused for state in ("", "initial", "processing", "done"))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_row_39_a_status_made_on_the_hubs_page(
    office: Office, hub: RunningHub, handle: Handle, dialect: str, tmp_path: Path
) -> None:
    """A status that no system of the recipient's wrote, unsigned and with number and date only, finds its document."""
    sender = office("H29.05", hub=_hub(hub, dialect))
    sent = sender.send(sample_document())
    _say(office("G22", hub=_hub(hub, dialect)), tmp_path, None, "03", description="Đã vào sổ")
    handle(sender)
    delivery = sender.delivery(sent.id)
    assert delivery.recipient("G22").status is StatusCode.ACCEPTED
    assert delivery.recipient("G22").description == "Đã vào sổ"
    assert "03" in [entry.to for entry in delivery.timeline]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_refusal_made_on_the_hubs_page(
    office: Office, hub: RunningHub, handle: Handle, dialect: str, tmp_path: Path
) -> None:
    """A 02 made there counts where the hub vouches for its sender; where nobody does it is shown, and flagged."""
    sender = office("H29.05", hub=_hub(hub, dialect))
    sent = sender.send(sample_document())
    _say(office("G22", hub=_hub(hub, dialect)), tmp_path, None, "02", description="Sai nơi nhận")
    handle(sender)
    delivery, is_vouched_for = sender.delivery(sent.id), dialect != "edocservice"
    assert (delivery.recipient("G22").status is StatusCode.REJECTED) is is_vouched_for
    assert any("02" in f"{entry.to} {entry.detail}" for entry in delivery.timeline)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_row_39_a_resend_that_the_hub_knows(office: Office, hub: RunningHub, dialect: str) -> None:
    """A document sent again whose first answer was lost, and that the hub calls a duplicate, is sent and no refusal."""
    sender = office("H29.05", hub=_hub(hub, dialect))
    path = {"vxp": "/sendEdoc", "lgsp": "/v1/sendEdoc", "edocservice": "/EdocService/sendDocument"}[dialect]
    hub.faults.add(Fault(kind="drop-after-accepting", path=path))
    with pytest.raises(OutcomeUnknown):
        sender.send(sample_document())
    (delivery,) = sender.deliveries()
    assert delivery.state is DeliveryState.UNKNOWN
    if dialect == "lgsp":  # it is never sent again by itself; a person says that it did not arrive
        sender.settle(delivery.id, arrived=False)
        sender.flush()
    else:
        sender.reconcile()
    assert sender.delivery(delivery.id).state is DeliveryState.SENT


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_document_to_oneself(office: Office, hub: RunningHub, handle: Handle, dialect: str) -> None:
    """A document that an agency sends to itself comes in once, and its statuses land on the delivery."""
    own = Organization(id="H29.05", name="Sở Nội vụ")
    office_ = office("H29.05", hub=_hub(hub, dialect))
    sent = office_.send(sample_document(recipients=(own,)))
    (receipt,) = handle(office_)
    assert receipt.id == sent.id
    receipt.accept()
    handle(office_)
    assert office_.delivery(sent.id).recipient("H29.05").status is StatusCode.ACCEPTED
    assert len(office_.receipts(statuses=False)) == 1


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_between_two_agencies_of_one_process(
    office: Office, hub: RunningHub, handle: Handle, tmp_path: Path, backend: dict[str, str]
) -> None:
    """Two agencies of one process and one database write to each other, and keep their rows apart."""
    store = {"store": backend or {"url": f"sqlite:///{tmp_path / 'both.db'}"}}
    first, second = office("H29.05", **store), office("G22", **store)
    sent = first.send(sample_document())
    (receipt,) = handle(second)
    receipt.accept()
    handle(first)
    assert first.delivery(sent.id).recipient("G22").status is StatusCode.ACCEPTED
    assert second.deliveries() == []
    assert [one.id for one in first.receipts(statuses=False)] == []


def _hub(hub: RunningHub, dialect: str) -> dict[str, Any]:
    ways = {"vxp": "", "lgsp": "/apithunghiem", "edocservice": "/tich-hop/EdocService"}
    return {"dialect": dialect, "endpoint": f"{hub.url}{ways[dialect]}"}


def _say(connector: Connector, tmp_path: Path, document_id: str | None, code: str, description: str = "") -> None:
    """Send a status as somebody does who has no system of ours: unsigned, by the hub's client alone."""
    document = sample_document()
    message = StatusMessage(
        sender=G22,
        response_for=ResponseFor(
            organ_id="H29.05", code=document.code, document_id=document_id, issued_on=document.issued_on
        ),
        code=code,
        description=description or None,
        timestamp=connector.context.store.clock(),
    )
    path = tmp_path / f"{connector.context.agency}.edxml"
    write(message, path, at=connector.context.store.clock(), form=build_form(connector.context.packet_profile))
    with HubClient(connector.settings.dialect(), connector.settings.client_settings()) as client:
        client.send(path, message_type=MessageType.STATUS, sender="G22", recipients=("H29.05",))
