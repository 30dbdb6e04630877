"""A store that was restored from a backup: nothing is lost, nothing doubled, and the report says what to do."""

from __future__ import annotations

import os
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.edxml import Document
from edoc_connector.errors import InvalidQuery
from edoc_connector.store import DeliveryState, ReceiptState, restore_backup
from edoc_connector.testing import RECIPIENT, SENDER, sample_document
from edoc_connector.testing.hub import HubPacket, RunningHub
from edoc_connector.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.connector.conftest import Fails, Handle, Office, SettingsOf

COUNT = int(os.environ.get("EDOC_TEST_BACKUP", "30"))  # documents, half of them in either direction

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def partner(office: Office, tmp_path: Path) -> Connector:
    """The agency on the other side, on a store of its own."""
    return office("G22", store={"url": f"sqlite:///{tmp_path / 'G22' / 'edoc.db'}"})


@pytest.fixture
def elsewhere(
    settings: SettingsOf, tmp_path: Path, backend: dict[str, str], request: pytest.FixtureRequest
) -> Iterator[Callable[[Path], Connector]]:
    """Restores a backup of H29.05 on another machine: in other folders, or another database; opens it there."""
    opened: list[Connector] = []

    def restore(archive: Path) -> Connector:
        folder = tmp_path / "elsewhere"
        url = f"sqlite:///{folder / 'edoc.db'}"
        if backend:
            server: PostgresServer = request.getfixturevalue("postgres")
            url = server.create_database()
        changed: dict[str, Any] = {"url": url, "spool": str(folder / "spool")}
        values: Settings = settings("H29.05", store=changed)
        restore_backup(archive, url, spool=folder / "spool")
        opened.append(Connector.open(values))
        return opened[0]

    yield restore
    for connector in opened:
        connector.close()


def of_kind(hub: RunningHub, sender: str, message_type: str) -> list[HubPacket]:
    """The packets of an agency that the hub has."""
    return [one for one in hub.packets() if (one.packet.sender, one.packet.message_type) == (sender, message_type)]


def offer_again(hub: RunningHub, packets: list[HubPacket], to: str) -> None:
    """What the hub's operator does when asked: what was confirmed is offered again."""
    for one in packets:
        for receipt in one.receipts:
            if receipt.recipient == to:
                hub.hub.storage.set_state(receipt.id, "initial", one.events[-1])


def send_all(connector: Connector, documents: list[Document], sent: threading.Semaphore) -> None:
    for document in documents:
        connector.send(document)
        sent.release()


def test_a_backup_while_documents_flow(
    office: Office,
    partner: Connector,
    hub: RunningHub,
    elsewhere: Callable[[Path], Connector],
    tmp_path: Path,
    handle: Handle,
) -> None:
    """Restored elsewhere: 0 lost, 0 doubled after reconcile, and it says what to do (faults, row 35)."""
    machine = office("H29.05")
    going = [sample_document(number=str(number)) for number in range(COUNT // 2)]
    coming = [sample_document(number=str(number), sender=RECIPIENT, recipients=(SENDER,))
              for number in range(COUNT // 2)]  # fmt: skip
    register: Counter[str] = Counter()
    sent = threading.Semaphore(0)

    def receive() -> None:
        while len(register) < len(coming):
            for receipt in machine.receive():
                with receipt:
                    register[receipt.id] += 1

    flows = [
        threading.Thread(target=send_all, args=(machine, going, sent)),
        threading.Thread(target=send_all, args=(partner, coming, threading.Semaphore(0))),
        threading.Thread(target=receive),
    ]
    for flow in flows:
        flow.start()
    for _ in range(COUNT // 4):
        sent.acquire()
    made = machine.backup(tmp_path / "edoc.backup")
    for flow in flows:
        flow.join()
    handle(partner)
    handle(machine)
    machine.flush()
    machine.close()
    assert (made.missing, made.path.stat().st_mode & 0o777) == ((), 0o600)

    restored = elsewhere(made.path)
    report = restored.restored()
    assert report.is_restoring
    assert len(report.advice) >= 3
    for document in going:  # the application sends again whatever it sent
        restored.send(document)
    restored.reconcile()
    restored.reconcile()
    for receipt in restored.receive():
        with receipt:
            register[receipt.id] += 1
    offer_again(hub, of_kind(hub, "G22", "status"), "H29.05")
    handle(restored)
    handle(partner)

    assert {one.state for one in restored.deliveries()} == {DeliveryState.SENT}
    assert Counter(one.packet.document_id for one in of_kind(hub, "H29.05", "edoc")) == {one.id: 1 for one in going}
    assert register == {one.id: 1 for one in coming}
    told = Counter(receipt.id for receipt in partner.receipts(kind="new"))
    assert told == {one.id: 1 for one in going}
    assert len(of_kind(hub, "H29.05", "status")) == len(coming)
    assert [[one.status for one in delivery.recipients] for delivery in restored.deliveries()] == [["01"]] * len(going)
    assert not restored.finish_restore().is_restoring


def test_after_a_restore_what_is_not_confirmed_comes_again(
    office: Office,
    partner: Connector,
    hub: RunningHub,
    elsewhere: Callable[[Path], Connector],
    tmp_path: Path,
    handle: Handle,
) -> None:
    """What waited in the backup comes back if the hub still offers it, else it is set aside and shown (row 35)."""
    machine = office("H29.05")
    for number in ("1", "2"):
        partner.send(sample_document(number=number, sender=RECIPIENT, recipients=(SENDER,)))
    for _ in machine.receive():  # both are here, none is handled
        break
    made = machine.backup(tmp_path / "edoc.backup")
    first = next(iter(machine.receive()))
    with first:
        pass
    machine.flush()
    machine.close()
    restored = elsewhere(made.path)
    (again,) = handle(restored)
    assert again.id != first.id
    report = restored.restored()
    assert report.set_aside == (first.hub_doc_id,)
    assert "edoc recheck" in report.advice[-2].en
    assert restored.receipt(first.hub_doc_id).state is ReceiptState.QUARANTINED
    restored.recheck(first.hub_doc_id)  # a person did not find it in the register
    assert [one.id for one in handle(restored)] == [first.id]


def test_after_a_restore_statuses_about_unknown_documents_are_kept(
    office: Office,
    partner: Connector,
    hub: RunningHub,
    elsewhere: Callable[[Path], Connector],
    tmp_path: Path,
    handle: Handle,
) -> None:
    """They are shown and not confirmed, and taken in when the document is known again (faults, row 35)."""
    machine = office("H29.05")
    made = machine.backup(tmp_path / "edoc.backup")
    document = sample_document()
    machine.send(document)
    machine.close()
    handle(partner)
    restored = elsewhere(made.path)
    assert handle(restored) == []
    ((unknown, (status,)),) = restored.restored().unknown_documents
    assert unknown == document.id
    assert [one.receipts[0].state for one in of_kind(hub, "G22", "status")] == ["initial"]
    assert "edoc restored" in (restored.receipt(status).error or "")
    assert restored.send(document).state is DeliveryState.SENT
    handle(restored)
    assert [one.status for one in restored.delivery(document.id).recipients] == ["01"]
    assert [one.receipts[0].state for one in of_kind(hub, "G22", "status")] == ["done"]
    assert len(of_kind(hub, "H29.05", "edoc")) == 1
    assert restored.restored().unknown_documents == ()


def test_a_restore_that_is_done_treats_unknown_documents_as_ever(
    office: Office,
    partner: Connector,
    hub: RunningHub,
    elsewhere: Callable[[Path], Connector],
    tmp_path: Path,
    handle: Handle,
) -> None:
    """A person ends the restore: what nobody knows is flagged and confirmed (faults, row 35)."""
    machine = office("H29.05")
    made = machine.backup(tmp_path / "edoc.backup")
    machine.send(sample_document())
    machine.close()
    handle(partner)
    restored = elsewhere(made.path)
    handle(restored)
    assert not restored.finish_restore().is_restoring
    restored.flush()
    assert [one.receipts[0].state for one in of_kind(hub, "G22", "status")] == ["done"]


def test_a_store_that_was_put_back_by_hand(office: Office, hub: RunningHub) -> None:
    """A database restored by other means is made ready by one command (faults, row 35)."""
    machine = office("H29.05")
    before = machine.restored()
    assert (before.is_restoring, before.advice) == (False, ())
    report = machine.begin_restore(machine.context.store.clock())
    assert (report.is_restoring, report.identity.epoch) == (True, before.identity.epoch + 1)
    assert report.identity.store != before.identity.store
    assert machine.send(sample_document()).state is DeliveryState.SENT


@pytest.mark.parametrize("moment", [datetime(9999, 12, 31, tzinfo=UTC), datetime(2026, 11, 27, 18, 0)])
def test_a_restore_to_a_time_that_cannot_be(office: Office, fails: Fails, moment: datetime) -> None:
    """A time to come, or without a zone, is refused, and the store stays as it is."""
    connector = office("H29.05")
    fails(InvalidQuery, lambda: connector.begin_restore(moment), "in the past, with its zone")
    assert not connector.restored().is_restoring


def test_the_time_in_question_is_told_as_operators_tell_time(office: Office) -> None:
    """The advice names Vietnam's time and its zone, as every command does."""
    advice = office("H29.05").begin_restore(datetime(2026, 11, 20, 23, 30, tzinfo=UTC)).advice
    assert "2026-11-21 06:30 – " in advice[0].en
    assert "(UTC+7)" in advice[0].vi
