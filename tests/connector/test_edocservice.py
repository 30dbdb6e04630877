"""Documents over a provincial eDoc hub, from a connector's point of view: a whole life, and the hub's traps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import Connector
from edoc_connector.connector.hub_access.recording_hub import RecordingHubClient
from edoc_connector.connector.inbound import Inbox, claims, intake, read_findings
from edoc_connector.connector.inbound.quarantine import MAX_WRONG_BODIES
from edoc_connector.connector.inbound.status_sweep import StatusSweep
from edoc_connector.connector.naming.document_match import DeliveryMatch
from edoc_connector.connector.outbound import confirmation_gate
from edoc_connector.connector.outbound.confirmation_gate import ConfirmationGate
from edoc_connector.connector.outbound.outbox import Outbox
from edoc_connector.edxml import Business, Organization, StaffInfo, StatusCode
from edoc_connector.errors import (
    AuthenticationRejected,
    DocumentError,
    EdocError,
    HubUnavailable,
    OutcomeUnknown,
    PacketRefused,
)
from edoc_connector.evidence import unpack_entry
from edoc_connector.hubs import Edocservice, MessageType
from edoc_connector.mockhub import EdocserviceTraps, Fault, LgspTraps
from edoc_connector.store import RECEIPTS, DeliveryState, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker.jobs import AgencyJobs, Job

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

in_place_or_taken_out = pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])


def holds(counter: bool, check: Callable[[], None]) -> None:
    """A check holds with its counter-measure, and does not without: a trap that catches nobody is none."""
    if counter:
        check()
        return
    with pytest.raises((AssertionError, EdocError)):
        check()


@pytest.fixture
def edoc(hub: RunningHub, office: Office) -> Callable[..., Connector]:
    """Opens the connector of an agency that is at the provincial hub, under a base path."""

    def make(agency: str, **sections: Any) -> Connector:
        given = {"dialect": "edocservice", "endpoint": f"{hub.url}/tich-hop/EdocService", **sections.pop("hub", {})}
        return office(agency, hub=given, **sections)

    return make


def test_a_document_lives_on_an_edoc_hub(edoc: Any, handle: Handle, hub: RunningHub) -> None:
    """send → poll → confirm → 01 03 04 05 06, then a recall that is agreed to."""
    sender, receiver = edoc("H29.05"), edoc("G22")
    delivery = sender.send(sample_document())
    assert (delivery.state, delivery.hub_doc_id) == (DeliveryState.SENT, "1")
    (receipt,) = handle(receiver)
    assert (receipt.sender, receipt.verification.status) == ("H29.05", "VALID")
    assert [one.name for one in receipt.attachments] == ["cong-van.pdf"]
    receipt.accept("Đã vào sổ số 12")
    receipt.assign("Phòng Văn thư", staff=StaffInfo(staff="Trần Thị B"))
    receipt.processing()
    receipt.complete()
    assert receiver.receipt(delivery.id).state is ReceiptState.CONFIRMED
    assert handle(sender) == []
    assert sender.delivery(delivery.id).recipient("G22").status is StatusCode.COMPLETED
    recalled = sender.send(sample_document(number="7817"))
    (second,) = handle(receiver)
    second.accept()
    recall = sender.recall(recalled.id, reason="Ban hành nhầm", staff=StaffInfo(staff="Lê C"))
    (asked,) = handle(receiver)
    asked.agree_change()
    assert receiver.receipt(recalled.id).withdrawn
    handle(sender)
    assert sender.delivery(recall.id).recipient("G22").status is StatusCode.CHANGE_AGREED
    assert sender.delivery(recalled.id).recipient("G22").withdrawn
    assert sender.sync_directory() == 1


def test_between_an_edoc_hub_and_the_national_one(edoc: Any, office: Office, handle: Handle) -> None:
    """An agency at the provincial hub and one at the national one write to each other, with statuses both ways."""
    province, ministry = edoc("H29.05"), office("G22")
    sent = province.send(sample_document())
    (receipt,) = handle(ministry)
    receipt.accept()
    handle(province)
    assert province.delivery(sent.id).recipient("G22").status is StatusCode.ACCEPTED
    sender, recipient = receipt.document.recipients[0], receipt.document.sender
    answer = ministry.send(sample_document(sender=Organization(id="G22", name=sender.name), recipients=(recipient,)))
    (back,) = handle(province)
    back.reject("Sai nơi nhận")
    handle(ministry)
    assert ministry.delivery(answer.id).recipient("H29.05").status is StatusCode.REJECTED


@in_place_or_taken_out
def test_trap_codes_have_four_parts_at_most(
    edoc: Any, hub: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four parts between dots are taken, five are refused before anything is stored (packet profile)."""
    if not counter:
        _change_profile(monkeypatch, code_pattern="")
    holds_or_raises(counter, lambda: _require_code_forms(edoc, hub))


def _change_profile(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    real = Edocservice.capabilities.fget  # type: ignore[attr-defined]

    def changed(self: Edocservice) -> Any:
        found = real(self)
        return replace(found, packet=replace(found.packet, **changes))

    monkeypatch.setattr(Edocservice, "capabilities", property(changed))


def _require_code_forms(edoc: Any, hub: RunningHub) -> None:
    hub.add_agency("000.00.05.H29", "secret", "Một đơn vị")
    sender = edoc("H29.05")
    good = sample_document(recipients=(Organization(id="000.00.05.H29", name="Một đơn vị"),))
    assert sender.send(good).state is DeliveryState.SENT
    with pytest.raises(DocumentError) as caught:
        sender.send(sample_document(number="2", recipients=(Organization(id="1.2.3.4.H29", name="Năm phần"),)))
    assert {problem.code for problem in caught.value.problems} == {"HUB-CODE"}


@in_place_or_taken_out
@pytest.mark.parametrize(
    "demand", ["needed_elements", "status_header", "content_from_subject", "needs_paper", "needs_attachment"]
)
def test_packet_profile_of_an_edoc_hub(
    edoc: Any, handle: Handle, demand: str, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the hub demands beyond the standard is written or refused; without, it refuses, or loses the document."""
    if not counter:
        usual = {"needed_elements": (), "status_header": "MessageHeader", "content_from_subject": False}
        real = Edocservice.capabilities.fget  # type: ignore[attr-defined]

        def without(self: Edocservice) -> Any:
            found = real(self)
            changed = {demand: usual.get(demand, False)}
            if demand == "content_from_subject":
                needed = tuple(one for one in found.packet.needed_elements if one != "Content")
                changed["needed_elements"] = needed
            return replace(found, packet=replace(found.packet, **changed))

        monkeypatch.setattr(Edocservice, "capabilities", property(without))
    sender, receiver = edoc("H29.05"), edoc("G22")

    def check() -> None:
        if demand == "needs_attachment":
            with pytest.raises(DocumentError, match="attach"):
                sender.send(sample_document(attachments=()))
            assert sender.deliveries() == []
            return
        delivery = sender.send(sample_document(content=None, business=Business(paper=None)))
        (receipt,) = handle(receiver)
        assert receipt.document.content == receipt.document.subject
        receipt.accept()
        handle(sender)
        assert sender.delivery(delivery.id).recipient("G22").status is StatusCode.ACCEPTED

    holds_or_raises(counter, check)


def holds_or_raises(counter: bool, check: Callable[[], None]) -> None:
    """As `holds`, for a check that expects an error itself."""
    if counter:
        check()
        return
    with pytest.raises((AssertionError, EdocError, ValueError, pytest.fail.Exception)):
        check()


# --- Trap 1. ---


@pytest.fixture
def crossing(edoc: Any, handle: Handle) -> tuple[Connector, Connector, Any]:
    """Two agencies: a document of H29.05 that G22 has and has not answered, and one of G22 that waits for H29.05."""
    ours, theirs = edoc("H29.05"), edoc("G22")
    ours.send(sample_document())
    (received,) = handle(theirs)
    handle(ours)  # their 01
    theirs.send(_answer(number="99"))
    return ours, theirs, received


def _answer(**fields: Any) -> Any:
    """A document from G22 to H29.05."""
    document = sample_document()
    recipient = Organization(id="H29.05", name=document.sender.name)
    sender = Organization(id="G22", name=document.recipients[0].name)
    return sample_document(sender=sender, recipients=(recipient,), **fields)


@in_place_or_taken_out
def test_trap_one_confirmation_confirms_every_waiting_status(
    crossing: Any, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status that arrives while a document is handled is listed and fetched before that document is confirmed (1)."""
    ours, _theirs, received = crossing
    if not counter:
        monkeypatch.setattr(ConfirmationGate, "is_needed", False)

    def check() -> None:
        for receipt in ours.receive():
            with receipt:
                received.accept()  # their 03 reaches the hub after our list of statuses
        assert list(ours.receive()) == []
        assert ours.delivery(received.id).recipient("G22").status is StatusCode.ACCEPTED

    holds(counter, check)


@in_place_or_taken_out
def test_trap_nothing_is_confirmed_while_a_status_fetch_failed(
    crossing: Any, hub: RunningHub, handle: Handle, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as a status that is listed does not come, no confirmation leaves; afterwards both are right (1)."""
    ours, theirs, received = crossing
    received.accept()
    if not counter:
        monkeypatch.setattr(StatusSweep, "__call__", lambda *_, **__: True)
    theirs.send(_answer(number="100"))  # document 3, which comes
    hub.faults.add(Fault(kind="error", path="/EdocService/getDocument", doc_id="2", status=500, count=None))
    before = _count_confirmations(hub, "H29.05")

    def poll() -> None:
        with pytest.raises(HubUnavailable):
            handle(ours)

    def check() -> None:
        poll()
        assert _count_confirmations(hub, "H29.05") == before
        hub.faults.clear()
        handle(ours)
        ours.flush()
        assert ours.delivery(received.id).recipient("G22").status is StatusCode.ACCEPTED
        assert _count_confirmations(hub, "H29.05") > before

    holds_or_raises(counter, check)


def _count_confirmations(hub: RunningHub, agency: str) -> int:
    return sum(call.startswith("confirmReceived") for call in hub.hub.edocservice.list_calls(agency))


@in_place_or_taken_out
def test_trap_a_confirmation_that_failed_is_not_simply_repeated(
    edoc: Any, handle: Handle, hub: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a confirmation leaves once more, statuses are listed once more: no client repeats it itself (1)."""
    if not counter:
        monkeypatch.setattr(RecordingHubClient, "confirm_once", RecordingHubClient.confirm)
    edoc("H29.05").send(sample_document())
    receiver = edoc("G22", http={"attempts": 3, "backoff": 0.0})
    hub.faults.add(Fault(kind="error", path="/EdocService/confirmReceived", status=503))
    handle(receiver)
    receiver.flush()

    def check() -> None:
        calls = hub.hub.edocservice.list_calls("G22")
        assert calls[: calls.index("confirmReceived 1")].count("getPendingDocIds STATUS") == 3

    holds(counter, check)


@in_place_or_taken_out
def test_trap_the_order_of_a_poll(
    crossing: Any, hub: RunningHub, handle: Handle, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statuses are listed and fetched, then documents, then statuses once more, and then all is confirmed (1)."""
    if not counter:
        monkeypatch.setattr(Inbox, "kinds", (MessageType.EDOC, MessageType.STATUS))
    ours, _, received = crossing
    received.accept()
    seen = len(hub.hub.edocservice.list_calls("H29.05"))
    handle(ours)
    calls = [call for call in hub.hub.edocservice.list_calls("H29.05")[seen:] if "send" not in call]

    def check() -> None:
        first = calls.index("confirmReceived 2")
        assert calls[0] == "getPendingDocIds STATUS"
        fetched = [call for call in calls if call.startswith("getDocument")]
        assert fetched == ["getDocument STATUS 2", "getDocument EDOC 2"]
        assert calls[first - 1] == "getPendingDocIds STATUS"
        assert {call.partition(" ")[0] for call in calls[first:]} == {"confirmReceived"}

    holds(counter, check)


@in_place_or_taken_out
def test_trap_what_arrives_between_may_be_lost_and_is_told(
    crossing: Any, handle: Handle, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeline of what was confirmed says that a status of that very moment is confirmed unseen (1)."""
    if not counter:
        monkeypatch.setattr("edoc_connector.connector.outbound.ack_sender.UNSEEN_STATUSES", None)
    ours = crossing[0]
    (receipt,) = handle(ours)
    holds(counter, lambda: _require("unseen" in _read_timeline(ours, receipt)))


@in_place_or_taken_out
def test_a_request_that_comes_before_its_document(
    edoc: Any, handle: Handle, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statuses are brought in first: a request to take a document back that came with it waits for it, and counts."""
    if not counter:
        monkeypatch.setattr(StatusSweep, "_take_up_requests", lambda _: None)
    ours, theirs = edoc("H29.05"), edoc("G22")
    delivery = ours.send(sample_document())
    ours.take_back(delivery.id, reason="Gửi nhầm")
    assert [one.id for one in handle(theirs)] == [delivery.id]

    def check() -> None:
        asked = next(iter(handle(theirs)), None)
        assert asked is not None
        asked.agree_change()
        handle(ours)
        assert ours.delivery(delivery.id).recipient("G22").withdrawn

    holds(counter, check)


def _require(is_so: bool) -> None:
    assert is_so


def _read_timeline(connector: Connector, receipt: Any) -> str:
    with connector.context.store.snapshot() as tx:
        return " ".join(entry.text.en for entry in tx.timeline.load_timelines(RECEIPTS, [receipt.key])[receipt.key])


# --- Trap 2. ---


@in_place_or_taken_out
def test_trap_documents_and_statuses_have_the_same_numbers(
    crossing: Any, handle: Handle, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Document 2 and status 2 wait at a time, and both come: their docIds differ here (2)."""
    ours, _theirs, received = crossing
    if not counter:
        monkeypatch.setattr("edoc_connector.hubs.edocservice.doc_ids.STATUS_PREFIX", "")
    received.accept()

    def check() -> None:
        assert len(handle(ours)) == 1
        assert ours.delivery(received.id).recipient("G22").status is StatusCode.ACCEPTED

    holds_or_raises(counter, check)


def _mix_up(crossing: Any, hub: RunningHub) -> tuple[Connector, Any]:
    """Document 2 and status 2 wait, and the hub gives the status for both."""
    ours, _, received = crossing
    hub.edocservice = EdocserviceTraps(shares_cache=True)
    received.accept()
    return ours, received


@in_place_or_taken_out
def test_trap_a_document_that_comes_as_a_status(
    crossing: Any, handle: Handle, hub: RunningHub, ahead: Any, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another kind than was listed is not confirmed, and fetched again by the next polls until the right one comes (2).

    Nor is the status confirmed that has the number: it would take the document off the hub's list.
    """
    if not counter:
        monkeypatch.setattr(intake, "_is_of_shared_number", lambda *_: False)
        monkeypatch.setattr(ConfirmationGate, "list_wanted", _list_all)
    ours, received = _mix_up(crossing, hub)

    def check() -> None:
        assert handle(ours) == []
        assert ours.delivery(received.id).recipient("G22").status is StatusCode.ACCEPTED
        assert "confirmReceived 2" not in hub.hub.edocservice.list_calls("H29.05")
        hub.hub.edocservice.clear_cache()
        (receipt,) = handle(ahead(ours, 5))
        assert receipt.document.number == "99"
        ours.flush()
        assert "confirmReceived 2" in hub.hub.edocservice.list_calls("H29.05")

    holds(counter, check)


def _list_all(self: ConfirmationGate, **choice: Any) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confirmation_gate, "leave_out_shared_numbers", lambda _tx, _context, rows: rows)
        return _real_list_wanted(self, **choice)


_real_list_wanted = ConfirmationGate.list_wanted


@in_place_or_taken_out
def test_trap_a_status_is_not_confirmed_before_the_document_of_its_number(
    crossing: Any, handle: Handle, hub: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as document 2 did not come, status 2 is not confirmed (2)."""
    if not counter:
        monkeypatch.setattr(ConfirmationGate, "list_wanted", _list_all)
    ours, _ = _mix_up(crossing, hub)
    handle(ours)

    def check() -> None:
        assert "confirmReceived 2" not in hub.hub.edocservice.list_calls("H29.05")

    holds(counter, check)


@in_place_or_taken_out
def test_trap_a_mixed_up_number_is_left_to_a_person(
    crossing: Any, handle: Handle, hub: RunningHub, ahead: Any, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many wrong bodies the document stays in quarantine, unconfirmed, and is asked for no more (2)."""
    if not counter:
        monkeypatch.setattr("edoc_connector.connector.inbound.quarantine.MAX_WRONG_BODIES", 100)
    ours, _ = _mix_up(crossing, hub)
    for _ in range(MAX_WRONG_BODIES + 3):
        handle(ahead(ours, 10))
    (aside,) = [one for one in ours.receipts() if one.hub_doc_id == "2"]

    def check() -> None:
        assert aside.state is ReceiptState.QUARANTINED
        assert hub.hub.edocservice.list_calls("H29.05").count("getDocument EDOC 2") == MAX_WRONG_BODIES

    holds(counter, check)


@in_place_or_taken_out
def test_trap_a_document_for_somebody_else(
    edoc: Any, handle: Handle, hub: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packet that is addressed to others is no packet of ours: set aside, and not confirmed (2)."""
    if not counter:
        monkeypatch.setattr(intake, "_is_of_shared_number", lambda *_: False)
    sender, receiver = edoc("H29.05"), edoc("G22")
    hub.add_agency("H31", "secret-H31", "Nơi khác")
    sender.send(sample_document())
    other = sample_document(number="2", recipients=(Organization(id="H31", name="Nơi khác"),))
    sender.send(other)
    hub.edocservice = EdocserviceTraps(shares_cache=True)
    hub.hub.edocservice._cached[1] = hub.packets()[1].packet.id
    handed_out = handle(receiver)

    def check() -> None:
        assert handed_out == []
        assert [one.state for one in receiver.receipts()] == [ReceiptState.QUARANTINED]
        assert _count_confirmations(hub, "G22") == 0

    holds(counter, check)


# --- Traps 3 and 4. ---


@in_place_or_taken_out
def test_trap_accepted_is_not_delivered(
    edoc: Any, handle: Handle, hub: RunningHub, ahead: Any, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that is lost behind the answer is sent, not delivered: so it says, and no 01 comes in time (3)."""
    hub.edocservice = EdocserviceTraps(forwards=False)
    if not counter:
        monkeypatch.setattr(Outbox, "_describe_taken", lambda _, doc_id: f"docId {doc_id}")
    sender = edoc("H29.05", limits={"arrival_within": 3600})
    delivery = sender.send(sample_document())

    def check() -> None:
        assert delivery.state is DeliveryState.SENT
        assert "does not tell whether it is delivered" in delivery.timeline[-1].detail
        assert handle(edoc("G22")) == []
        assert ahead(sender, 4000).delivery(delivery.id).recipient("G22").undelivered

    holds(counter, check)


@in_place_or_taken_out
def test_trap_a_document_that_the_hub_built_anew(
    edoc: Any, handle: Handle, hub: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DocumentId is the hub's number, no seal holds: a finding says so, and statuses find their document (4)."""
    hub.edocservice = EdocserviceTraps(keeps_packets=False)
    if not counter:
        monkeypatch.setattr(claims, "_is_rebuilt", lambda *_: False)
        monkeypatch.setattr(claims, "match_delivery", lambda *_: DeliveryMatch())
    sender, receiver = edoc("H29.05"), edoc("G22", receive={"policy": "any"})
    delivery = sender.send(sample_document())
    (receipt,) = handle(receiver)
    assert (receipt.id, receipt.verification.status) == ("1", "INVALID")
    receipt.accept()
    handle(sender)

    def check() -> None:
        with receiver.context.store.snapshot() as tx:
            row = tx.receipts.find_by_hub_doc_id("G22", "1")
        assert [finding.code for finding in read_findings(row)] == ["AUTH-INVALID", "HUB-REBUILT"]
        assert sender.delivery(delivery.id).recipient("G22").status is StatusCode.ACCEPTED
        with sender.context.store.snapshot() as tx:
            status = tx.receipts.find_by_hub_doc_id("H29.05", "status-2")
        assert "ID-SPELLING" in [finding.code for finding in read_findings(status)]

    holds(counter, check)


@in_place_or_taken_out
def test_trap_no_seal_holds_on_what_the_hub_built_anew(
    edoc: Any, handle: Handle, hub: RunningHub, counter: bool
) -> None:
    """Under `trusted` such a document is set aside and kept, for a person to let in (4)."""
    hub.edocservice = EdocserviceTraps(keeps_packets=False)
    sender, receiver = edoc("H29.05"), edoc("G22", receive={"policy": "trusted" if counter else "any"})
    sender.send(sample_document())

    def check() -> None:
        assert handle(receiver) == []
        (aside,) = receiver.receipts()
        assert (aside.state, aside.code) == (ReceiptState.QUARANTINED, sample_document().code)

    holds(counter, check)


# --- Trap 5, and outcomes that nobody knows. ---


@in_place_or_taken_out
def test_trap_exists_wants_every_recipient(
    edoc: Any, hub: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a lost answer the hub is asked with all recipients, and the document is not sent again (5)."""
    if not counter:
        real = Edocservice.has_document

        def asks_for_one(self: Edocservice, *, sender: str, recipients: Any, code: str) -> Any:
            return real(self, sender=sender, recipients=recipients[:1], code=code)

        monkeypatch.setattr(Edocservice, "has_document", asks_for_one)
    document = sample_document(
        recipients=(Organization(id="G22", name="Văn phòng"), Organization(id="H30", name="UBND tỉnh"))
    )
    sender = _lose_answer(edoc, hub, document)
    for _ in range(3):
        sender.flush()
    assert sender.delivery(document.id).state is DeliveryState.SENT

    def check() -> None:
        assert _count_sends(hub) == 1

    holds(counter, check)


def _lose_answer(edoc: Any, hub: RunningHub, document: Any) -> Connector:
    hub.faults.add(Fault(kind="drop-after-accepting", path="/EdocService/sendDocument"))
    sender: Connector = edoc("H29.05")
    with pytest.raises(OutcomeUnknown):
        sender.send(document)
    return sender


def _count_sends(hub: RunningHub) -> int:
    return sum(call.startswith("sendDocument") for call in hub.hub.edocservice.list_calls())


@in_place_or_taken_out
def test_exist_doc_after_an_unknown_outcome_means_sent(
    edoc: Any, hub: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that says it has no such document, and then that it exists, has it since the first attempt (ExistDoc)."""

    def says_no(self: Edocservice, **_: Any) -> Any:
        yield from ()
        return False

    monkeypatch.setattr(Edocservice, "has_document", says_no)
    document = sample_document()
    sender = _lose_answer(edoc, hub, document)
    if not counter:

        def fails(self: Outbox, row: Any, error: Any) -> None:
            self._record_delivery_failure(row, error)

        monkeypatch.setattr(Outbox, "_resolve_duplicate_delivery", fails)
    for _ in range(4):
        sender.flush()

    def check() -> None:
        assert sender.delivery(document.id).state is DeliveryState.SENT
        assert _count_sends(hub) == 2

    holds(counter, check)


def test_a_document_that_did_not_arrive_is_sent_again(edoc: Any, handle: Handle, hub: RunningHub) -> None:
    """Where the hub does not have it, it is sent again, once (faults, row 4)."""
    hub.faults.add(Fault(kind="html", path="/EdocService/sendDocument", accepted=False))
    sender, receiver, document = edoc("H29.05"), edoc("G22"), sample_document()
    with pytest.raises(EdocError):
        sender.send(document)
    for _ in range(4):
        sender.flush()
    assert sender.delivery(document.id).state is DeliveryState.SENT
    assert hub.hub.edocservice.list_calls("H29.05").count("checkExistDocument") == 2
    assert _count_sends(hub) == 1  # the first one met the fault in front of the hub
    assert len(handle(receiver)) == 1


def test_a_code_that_two_documents_have_proves_nothing(edoc: Any, handle: Handle, hub: RunningHub) -> None:
    """Where another document of ours has the code and the recipients, the hub's yes may mean that one."""
    sender, receiver = edoc("H29.05"), edoc("G22")
    sender.send(sample_document())
    hub.faults.add(Fault(kind="html", path="/EdocService/sendDocument", accepted=False))
    second = sample_document(id="second-document")
    with pytest.raises(EdocError):
        sender.send(second)
    for _ in range(4):
        sender.flush()
    assert sender.delivery(second.id).state is DeliveryState.SENT
    assert {one.id for one in handle(receiver)} == {sample_document().id, second.id}


@in_place_or_taken_out
def test_exist_trace_is_success(
    edoc: Any, handle: Handle, hub: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status whose answer was lost is sent again, and that the hub has its trace is success (M.UpdateTraces)."""
    if not counter:
        monkeypatch.setattr("edoc_connector.hubs.edocservice.answers._TRACE_CODE", "another")
    sender, receiver = edoc("H29.05"), edoc("G22")
    delivery = sender.send(sample_document())
    (receipt,) = handle(receiver)
    hub.faults.add(Fault(kind="drop-after-accepting", path="/EdocService/sendDocument"))
    receipt.accept()
    for _ in range(3):
        receiver.flush()
    handle(sender)
    assert sender.delivery(delivery.id).recipient("G22").status is StatusCode.ACCEPTED
    with receiver.context.store.snapshot() as tx:
        states = {row.state for row in tx.outgoing.find_all("G22")}
    holds(counter, lambda: _require(states == {"sent"}))


@in_place_or_taken_out
def test_an_inner_failure_is_repeated_once_then_final(
    edoc: Any, hub: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """InternalServer: once more within the call, then refused for good; the queue is not held up."""
    if not counter:
        monkeypatch.setattr("edoc_connector.hubs.edocservice.answers.fails_inside", lambda _: False)
    holds(counter, lambda: _require_one_repeat(edoc, hub))


def _require_one_repeat(edoc: Any, hub: RunningHub) -> None:
    body = '{"docId":0,"status":"Error","code":"9999","errors":[{"code":"InternalServer","description":"x"}]}'
    hub.faults.add(Fault(kind="answer", path="/EdocService/sendDocument", status=200, body=body, count=2))
    sender, document = edoc("H29.05"), sample_document()
    with pytest.raises(PacketRefused):
        sender.send(document)
    assert sender.delivery(document.id).state is DeliveryState.FAILED
    assert sender.send(sample_document(number="2")).state is DeliveryState.SENT


def test_a_status_about_a_document_that_the_hub_does_not_find(edoc: Any, handle: Handle, hub: RunningHub) -> None:
    """M.UpdateStatusDoc is final: the status fails, visible at the document, and nothing else waits for it."""
    sender, receiver = edoc("H29.05"), edoc("G22")
    sender.send(sample_document())
    body = '{"docId":0,"status":"Error","code":"0","errors":[{"code":"M.UpdateStatusDoc","description":"none"}]}'
    (receipt,) = handle(receiver)
    hub.faults.add(Fault(kind="answer", path="/EdocService/sendDocument", status=200, body=body))
    receipt.accept()
    assert "failed for good" in _read_timeline(receiver, receipt)


# --- Tokens. ---

LOGIN = LgspTraps(username="qlvb", password="pass-of-qlvb")


@pytest.fixture
def gated(edoc: Any, hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Connector]:
    """Opens the connector of an agency whose token comes from a login, and is carried bare."""
    monkeypatch.setenv("LOGIN_PASSWORD", LOGIN.password)
    hub.lgsp, hub.edocservice = LOGIN, EdocserviceTraps(token_by_login=True)

    def make(agency: str) -> Connector:
        login = {"kind": "login", "login_url": f"{hub.url}/v1/auth/login", "username": LOGIN.username}
        connector: Connector = edoc(agency, hub={"auth": {**login, "password": "env:LOGIN_PASSWORD", "scheme": ""}})
        return connector

    return make


def test_a_token_that_ends_in_a_poll_loses_nothing(gated: Any, hub: RunningHub) -> None:
    """The token is rotated after each packet: one login each time, and every packet comes, once."""
    sender, receiver = gated("H29.05"), gated("G22")
    for number in ("1", "2", "3"):
        sender.send(sample_document(number=number))
    for receipt in receiver.receive():
        with receipt:
            hub.hub.lgsp.rotate_tokens()
    assert len(receiver.receipts()) == 3
    assert {one.state for one in receiver.receipts()} == {ReceiptState.CONFIRMED}
    assert hub.hub.lgsp.logins <= 1 + 3


def test_a_storm_of_401_makes_no_login_loop(gated: Any, handle: Handle, hub: RunningHub) -> None:
    """Where every call is refused whatever the token is, two logins are made in all, and the queue is kept."""
    sender, receiver = gated("H29.05"), gated("G22")
    sender.send(sample_document())
    before = hub.hub.lgsp.logins
    hub.faults.add(Fault(kind="answer", path="/EdocService/getPendingDocIds", status=401, body="{}", count=None))
    hub.faults.add(Fault(kind="answer", path="/EdocService/sendDocument", status=401, body="{}", count=None))
    queued = sample_document(number="2")
    for _ in range(10):
        with pytest.raises(AuthenticationRejected):
            handle(receiver)
        with pytest.raises(AuthenticationRejected):
            sender.send(queued)
    assert hub.hub.lgsp.logins - before <= 2
    assert sender.delivery(queued.id).state is DeliveryState.READY
    hub.faults.clear()
    assert len(handle(receiver)) == 1


def test_a_login_endpoint_that_is_down(gated: Any, hub: RunningHub) -> None:
    """While the login fails nothing is sent, the queue is kept, and few logins are tried."""
    asked: list[int] = []
    hub.faults.add(Fault(kind="error", path="/v1/auth/login", status=503, count=None))
    sender, document = gated("H29.05"), sample_document()
    for _ in range(10):
        with pytest.raises(EdocError):
            sender.send(document)
        asked.append(_count_sends(hub))
    assert asked[-1] == 0
    assert sender.delivery(document.id).state is DeliveryState.READY
    (_, fault, left) = hub.faults.list_pending()[0]
    assert (fault.path, left) == ("/v1/auth/login", None)


def test_a_token_of_the_agency_that_was_rotated(edoc: Any, hub: RunningHub) -> None:
    """A fixed token that the hub no longer takes pauses the sending; with the new one the queue leaves (row 10)."""
    sender, document = edoc("H29.05"), sample_document()
    hub.add_agency("H29.05", "another-token", "Sở Nội vụ")
    for _ in range(3):
        with pytest.raises(AuthenticationRejected):
            sender.send(document)
    assert sender.delivery(document.id).state is DeliveryState.READY
    hub.add_agency("H29.05", "secret-H29.05", "Sở Nội vụ")
    assert sender.send(document).state is DeliveryState.SENT


def test_no_token_in_the_evidence(edoc: Any, handle: Handle) -> None:
    """What the hub said is evidence; the token stands nowhere in it."""
    sender, receiver = edoc("H29.05"), edoc("G22")
    sender.send(sample_document())
    handle(receiver)[0].accept()
    for connector in (sender, receiver):
        with connector.context.store.snapshot() as tx:
            rows = tx.connection.exec_driver_sql("SELECT stored FROM evidence_entries")
            kept = " ".join(unpack_entry(row[0]).decode() for row in rows)
        assert "docId" in kept
        assert "secret-" not in kept


# --- A worker. ---


def _work(jobs: AgencyJobs, *names: Job) -> None:
    """Do each job until there is nothing to do."""
    for name in names:
        for _ in range(50):
            if not jobs.run(name):
                break
        else:
            raise AssertionError(f"{name} never ends")


def test_a_worker_brings_statuses_in_before_it_confirms(crossing: Any, hub: RunningHub) -> None:
    """Whatever order a worker's jobs run in: its first confirmation leaves after every status came."""
    ours, _, received = crossing
    received.accept()
    handled: list[str] = []
    ours.on_receipt(lambda receipt: handled.append(receipt.id))
    jobs = AgencyJobs(ours)
    jobs.recover()
    before = _count_confirmations(hub, "H29.05")
    assert jobs.poll(only_due=False)
    with ours.context.store.snapshot() as tx:
        (document,) = tx.receipts.list_due_ids("H29.05", MessageType.EDOC)
    assert jobs.fetch(document)  # the document alone: the status is still to come
    _work(jobs, Job.HANDLE)
    assert len(handled) == 1
    assert _count_confirmations(hub, "H29.05") == before
    _work(jobs, Job.REPORT)
    calls = hub.hub.edocservice.list_calls("H29.05")
    assert calls.index("getDocument STATUS 2") < calls.index("confirmReceived 2")
    assert ours.delivery(received.id).recipient("G22").status is StatusCode.ACCEPTED


def test_two_agencies_of_one_process(crossing: Any, handle: Handle, hub: RunningHub) -> None:
    """What one agency confirms takes nothing of another's."""
    ours, theirs, received = crossing
    received.accept()
    handle(theirs)
    theirs.flush()
    handle(ours)
    assert ours.delivery(received.id).recipient("G22").status is StatusCode.ACCEPTED


def test_the_gate_opens_when_a_loop_is_left(edoc: Any, hub: RunningHub) -> None:
    """Who leaves `receive` early does not shut confirmations in, nor who never ends it and calls it again."""
    sender, receiver = edoc("H29.05"), edoc("G22")
    for number in ("1", "2", "3"):
        sender.send(sample_document(number=number))
    for receipt in receiver.receive():
        with receipt:
            break
    receiver.flush()
    assert _count_confirmations(hub, "G22") == 1
    waiting = receiver.receive()
    with next(waiting):
        pass
    receiver.flush()
    assert _count_confirmations(hub, "G22") == 1  # the poll is still at it
    for receipt in receiver.receive():
        with receipt:
            pass
    assert _count_confirmations(hub, "G22") == 3
