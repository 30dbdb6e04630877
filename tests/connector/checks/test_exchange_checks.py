"""What is queued, late, undecided, refused or set aside: each condition is made, found, mended and gone."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from edoc_connector._core import Text
from edoc_connector.client import HubClient
from edoc_connector.connector import CheckOutcome
from edoc_connector.connector.checks.exchange_checks import find_latest_start
from edoc_connector.errors import EdocError, OutcomeUnknown
from edoc_connector.hubs import Outcome
from edoc_connector.mockhub import Fault
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.checks.conftest import Find
    from tests.connector.conftest import Ahead, Fails, Handle, Office

on_both = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

PASS, WARN, FAIL = CheckOutcome.PASS, CheckOutcome.WARN, CheckOutcome.FAIL
DAY = 86400
NO = '{"status": "FAIL", "ErrorCode": "26", "ErrorDesc": "NoDoc"}'
LOCKED = '{"status": "FAIL", "ErrorCode": "22", "ErrorDesc": "refused", "DocId": ""}'


def _refuse(hub: RunningHub, path: str, body: str) -> None:
    hub.faults.add(Fault(kind="answer", path=path, body=body, media_type="application/json"))


@on_both
def test_a_queue_that_does_not_move(office: Office, hub: RunningHub, find: Find, fails: Fails) -> None:
    """CHK-QUEUE-AGE is raised once a message has waited for longer than `[checks] queue_age`."""
    sender = office("H29.05", checks={"queue_age": 0.3})
    assert find(sender, "CHK-QUEUE-AGE") is PASS
    hub.stop()
    fails(EdocError, lambda: sender.send(sample_document()))
    time.sleep(0.4)
    assert find(sender, "CHK-QUEUE-AGE") is WARN
    hub.start()
    sender.flush()
    assert find(sender, "CHK-QUEUE-AGE") is PASS


@on_both
def test_a_document_that_is_late(office: Office, hub: RunningHub, find: Find, fails: Fails, ahead: Ahead) -> None:
    """CHK-LATE is raised where a document was not sent on its day or the next morning (Decision 28/2018/QĐ-TTg)."""
    sender = office("H29.05")
    hub.stop()
    fails(EdocError, lambda: sender.send(sample_document()))
    assert find(sender, "CHK-LATE") is PASS
    ahead(sender, 2 * DAY)
    assert find(sender, "CHK-LATE") is FAIL
    hub.start()
    ahead(sender, -2 * DAY)
    sender.flush()
    ahead(sender, 2 * DAY)
    assert find(sender, "CHK-LATE") is PASS


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (datetime(2026, 11, 20, 4, 59, tzinfo=UTC), datetime(2026, 11, 18, 17, tzinfo=UTC)),
        (datetime(2026, 11, 20, 5, 0, tzinfo=UTC), datetime(2026, 11, 19, 17, tzinfo=UTC)),
        (datetime(2026, 11, 19, 17, 0, tzinfo=UTC), datetime(2026, 11, 18, 17, tzinfo=UTC)),
    ],
)
def test_the_next_morning_ends_at_noon_in_vietnam(now: datetime, start: datetime) -> None:
    """A document of yesterday is late from twelve o'clock in Vietnam on (Decree 30/2020/NĐ-CP, Annex VI)."""
    assert find_latest_start(now) == start


@on_both
def test_a_recipient_that_reports_nothing(office: Office, hub: RunningHub, find: Find, handle: Handle) -> None:
    """CHK-UNDELIVERED is raised until 01 comes (business rules, "Who owes what")."""
    sender = office("H29.05", limits={"arrival_within": 0.2})
    sender.send(sample_document())
    time.sleep(0.3)
    assert find(sender, "CHK-UNDELIVERED") is WARN
    receiver = office("G22")
    handle(receiver)
    receiver.flush()
    handle(sender)
    assert find(sender, "CHK-UNDELIVERED") is PASS


@on_both
def test_a_deadline_that_is_over(office: Office, hub: RunningHub, find: Find, handle: Handle, ahead: Ahead) -> None:
    """CHK-EXPIRED is raised where a deadline ran out, until every recipient reports."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document(), deadline=timedelta(hours=1))
    sender.reconcile()
    assert find(sender, "CHK-EXPIRED") is PASS
    ahead(sender, 2 * 3600)
    sender.reconcile()
    assert find(sender, "CHK-EXPIRED") is FAIL
    handle(receiver)
    receiver.flush()
    handle(sender)
    assert find(sender, "CHK-EXPIRED") is PASS


@on_both
def test_a_document_that_the_hub_did_not_bring(office: Office, hub: RunningHub, find: Find, handle: Handle) -> None:
    """CHK-REFUSED-LATER is raised where the hub refused what it had taken, until the recipient reports (row 39)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    with HubClient(receiver.settings.dialect(), receiver.settings.client_settings()) as client:
        client.confirm(client.list_waiting()[0].doc_id, Outcome.PROCESSING)
    sender.reconcile()
    assert find(sender, "CHK-REFUSED-LATER") is PASS
    with sender.context.store.transaction() as tx:
        (row,) = tx.deliveries.find_all("H29.05")
        assert tx.recipients.record_late_refusal(row, "G22", words=Text("fail", "lỗi"))
        assert not tx.recipients.record_late_refusal(row, "G22", words=Text("fail", "lỗi"))
        assert not tx.recipients.record_late_refusal(row, "H30", words=Text("fail", "lỗi"))
    assert find(sender, "CHK-REFUSED-LATER") is FAIL
    handle(receiver)
    receiver.flush()
    handle(sender)
    assert find(sender, "CHK-REFUSED-LATER") is PASS


@on_both
def test_a_document_that_nobody_answers(
    office: Office, hub: RunningHub, find: Find, handle: Handle, ahead: Ahead
) -> None:
    """CHK-UNANSWERED is raised where nobody accepted or rejected a document for `limits.unanswered_after`."""
    office("H29.05").send(sample_document())
    receiver = office("G22")
    (receipt,) = handle(receiver)
    assert find(receiver, "CHK-UNANSWERED") is PASS
    ahead(receiver, 11 * DAY)
    assert find(receiver, "CHK-UNANSWERED") is WARN
    receiver.receipt(receipt.id).accept()
    assert find(receiver, "CHK-UNANSWERED") is PASS


@on_both
def test_an_outcome_that_only_a_person_can_tell(office: Office, hub: RunningHub, find: Find, fails: Fails) -> None:
    """CHK-UNDECIDED is raised until a person settles it; one that is asked about by itself is none (faults, row 32)."""
    sender = office("H29.05")
    hub.hub.config = replace(hub.hub.config, recent_sent=False)
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    assert find(sender, "CHK-UNDECIDED") is PASS
    sender.reconcile()
    assert find(sender, "CHK-UNDECIDED") is FAIL
    sender.settle(sample_document().id, arrived=True)
    assert find(sender, "CHK-UNDECIDED") is PASS


@on_both
def test_a_packet_that_is_set_aside(office: Office, hub: RunningHub, find: Find, handle: Handle) -> None:
    """CHK-QUARANTINED is raised until the packet is let in; not before it was downloaded twice (faults, row 28)."""
    office("H29.05").send(sample_document())
    strict = office("G22", packets={"elements": 10}, limits={"grace": 0.0})
    while not strict.receipts() or find(strict, "CHK-QUARANTINED") is PASS:
        handle(strict)
    (aside,) = strict.receipts()
    office("G22").recheck(aside.hub_doc_id)
    assert find(strict, "CHK-QUARANTINED") is PASS


@on_both
def test_a_document_that_was_refused(office: Office, hub: RunningHub, find: Find, fails: Fails) -> None:
    """CHK-REFUSED-DOCUMENTS is raised until the document is sent after all (faults, row 9)."""
    sender = office("H29.05")
    _refuse(hub, "/sendEdoc", LOCKED)
    fails(EdocError, lambda: sender.send(sample_document()))
    assert find(sender, "CHK-REFUSED-DOCUMENTS") is WARN
    sender.send(sample_document())
    assert find(sender, "CHK-REFUSED-DOCUMENTS") is PASS


@on_both
def test_a_confirmation_that_was_refused(office: Office, hub: RunningHub, find: Find, handle: Handle) -> None:
    """CHK-REFUSED-CONFIRMATIONS is raised until it is sent again (faults, row 29)."""
    office("H29.05").send(sample_document())
    receiver = office("G22")
    _refuse(hub, "/updateStatus", NO)
    handle(receiver)
    receiver.flush()
    assert find(receiver, "CHK-REFUSED-CONFIRMATIONS") is WARN
    assert find(receiver, "CHK-REFUSED-STATUSES") is PASS
    receiver.resend(sample_document().id)
    assert find(receiver, "CHK-REFUSED-CONFIRMATIONS") is PASS


@on_both
def test_a_status_that_was_refused(office: Office, hub: RunningHub, find: Find, handle: Handle) -> None:
    """CHK-REFUSED-STATUSES is raised until it is sent again (faults, row 29)."""
    office("H29.05").send(sample_document())
    receiver = office("G22")
    _refuse(hub, "/sendEdoc", LOCKED)
    handle(receiver)
    receiver.flush()
    assert find(receiver, "CHK-REFUSED-STATUSES") is WARN
    assert find(receiver, "CHK-REFUSED-CONFIRMATIONS") is PASS
    receiver.resend(sample_document().id)
    assert find(receiver, "CHK-REFUSED-STATUSES") is PASS
