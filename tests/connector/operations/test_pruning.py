"""What `edoc prune` may take, on either database (evidence, "How long"; issue, "Retention")."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.config import WorkerSettings
from edoc_connector.connector import Connector, Handlers
from edoc_connector.connector.operations import spool_maintenance
from edoc_connector.errors import NotFound
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker.jobs import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

ID = sample_document().id
NOW = timedelta(0)


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings, for either database."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


def recall(sender: Connector) -> str:
    """Recall the sample document."""
    return sender.recall(ID, reason="Nhầm số").id


def update(sender: Connector) -> str:
    """Update it."""
    return sender.update(sample_document(subject="Sửa"), updates=ID, reason="Nhầm trích yếu").id


def replace(sender: Connector) -> str:
    """Replace it."""
    return sender.replace(sample_document(number="9"), replaces=ID, reason="Nhầm").id


def take_back(sender: Connector) -> str:
    """Ask for it back."""
    sender.take_back(ID, reason="Gửi nhầm")
    return ID


@pytest.mark.parametrize("ask", [recall, update, replace, take_back])
def test_a_request_can_be_answered_after_pruning(
    office: Office, hub: RunningHub, handle: Handle, ask: Callable[[Connector], str], fails: Fails
) -> None:
    """What asks for an answer keeps its bytes until it has one, and what it asks about too (business rules, 15, 16)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(receiver)
    asked = ask(sender)
    (request,) = handle(receiver)
    receiver.flush()
    receiver.prune(NOW, dry_run=False)
    assert request.load().document.id == asked
    assert receiver.fsck() == []
    receiver.receipt(asked).agree_change()
    list(sender.receive())
    (recipient,) = sender.delivery(ID).recipients
    assert recipient.withdrawn is (ask is not update)
    assert receiver.prune(NOW, dry_run=False).packets
    fails(NotFound, lambda: receiver.receipts(kind=request.kind)[0].load(), "was removed on")


def test_what_the_application_failed_on_is_kept(office: Office, hub: RunningHub, fails: Fails) -> None:
    """It was never handled, and the hub was told nothing: a person may still let it in (issue, "Retention")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handlers = Handlers()
    handlers.on_receipt(broken)
    units = AgencyJobs(receiver, handlers)
    units._settings = WorkerSettings(tries=1)
    units.recover()
    while units.poll() or units.fetch() or units.handle():
        pass
    (aside,) = receiver.receipts(state=ReceiptState.QUARANTINED)
    assert receiver.prune(NOW, dry_run=False).packets == 0
    receiver.recheck(aside.hub_doc_id)
    (again,) = receiver.receive()
    assert again.document.subject == sample_document().subject


def broken(_receipt: object) -> None:
    """An application that fails."""
    raise RuntimeError("broken")


def test_what_was_refused_is_finished(office: Office, hub: RunningHub, handle: Handle, fails: Fails) -> None:
    """The hub was told fail: after its time it goes, and whoever asks for it is told so (issue, "Retention")."""
    receiver = office("G22")
    bad = hub.offer(b"nonsense", sender="H29.05", to="G22")
    handle(receiver)
    assert receiver.prune(NOW, dry_run=False).packets == 0
    handle(receiver)  # the same once more, an interval later
    receiver.flush()
    assert receiver.prune(NOW, dry_run=False).packets == 1
    fails(NotFound, lambda: receiver.recheck(bad), "was removed on")


def test_a_document_that_was_pruned_can_be_asked_back(
    office: Office, hub: RunningHub, handle: Handle, fails: Fails
) -> None:
    """It cannot be recalled, and the error says what can be done instead (evidence, "How long")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(receiver)
    list(sender.receive())
    sender.prune(NOW, dry_run=False)
    fails(NotFound, lambda: sender.recall(ID, reason="x"), r"was removed on .* take_back\(\)")
    take_back(sender)
    (request,) = handle(receiver)
    assert request.kind == "take_back"
    assert replace(sender)


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens when prune has listed what it will remove, and has removed nothing yet."""
    real = spool_maintenance._remove_packet
    left = [happens]

    def removed(*args: Any) -> bool:
        while left:
            left.pop()()
        return real(*args)

    monkeypatch.setattr(spool_maintenance, "_remove_packet", removed)


def test_a_row_that_goes_on_meanwhile_keeps_its_packet(
    office: Office, hub: RunningHub, handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listed as finished, and asked back a moment later: it is looked at again before it goes (issue, "Retention")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(receiver)
    receiver.flush()

    def asked_back() -> None:
        take_back(sender)
        handle(receiver)

    meanwhile(monkeypatch, asked_back)
    receiver.prune(NOW, dry_run=False)
    assert receiver.receipt(ID).document.subject == sample_document().subject
    assert receiver.fsck() == []


def test_two_prunings_at_once(office: Office, hub: RunningHub, handle: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each packet is removed, and counted, by one of them (issue, "Retention")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(receiver)
    receiver.flush()
    there = receiver.prune(NOW).packets
    found: list[int] = []
    meanwhile(monkeypatch, lambda: found.append(office("G22").prune(NOW, dry_run=False).packets))
    assert receiver.prune(NOW, dry_run=False).packets == 0
    assert found == [there]
    assert receiver.fsck() == []


def test_an_age_before_all_times(office: Office, hub: RunningHub) -> None:
    """Nothing is as old as that, and nothing goes wrong either (issue, "Retention")."""
    sender = office("H29.05")
    sender.send(sample_document())
    assert sender.prune(timedelta(days=999_999), dry_run=False).packets == 0
