"""A document that the hub refused is corrected under its own id (issue, "a refused document can be corrected")."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.client import HubClient
from edoc_connector.connector.operations.evidence_check import check_pack
from edoc_connector.connector.outbound import submission
from edoc_connector.edxml import Organization
from edoc_connector.errors import DocumentIdConflict, DuplicateDocument, OutcomeUnknown, StoreError, UnknownRecipient
from edoc_connector.mockhub import Fault
from edoc_connector.store import DeliveryState, Spool
from edoc_connector.testing import RECIPIENT, sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

NOBODY = Organization(id="H99.99", name="Không có")
WRONG = {"recipients": [NOBODY]}


def _files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "H29.05" / "spool").rglob("*.edxml"))


def test_a_refused_document_is_corrected(office: Office, tmp_path: Path, fails: Fails, handle: Handle) -> None:
    """Row, timeline and evidence stay, the packet and the recipients are the new ones (faults, row 9)."""
    sender = office("H29.05")
    fails(UnknownRecipient, lambda: sender.send(sample_document(**WRONG)))
    (refused,) = _files(tmp_path)
    told = sender.explain(sample_document().id)
    assert "Correct the document" in told.text()
    assert "sửa văn bản" in told.text(vi=True)
    old = refused.read_bytes()
    delivery = sender.send(sample_document())
    assert delivery.state is DeliveryState.SENT
    assert [one.organ_id for one in delivery.recipients] == ["G22"]
    assert delivery.last_error is None
    assert len(sender.deliveries()) == 1
    (entry,) = [one for one in delivery.timeline if (one.from_, one.to) == ("failed", "ready")]
    assert "corrected" in entry.detail
    assert "đã được sửa" in entry.detail_vi
    (now,) = _files(tmp_path)
    assert now.name != refused.name
    assert old != now.read_bytes()
    (receipt,) = handle(office("G22"))
    assert receipt.document.id == delivery.id
    assert sender.deliveries(recipient="H99.99") == []


def test_the_evidence_keeps_the_refused_packets_hash(office: Office, tmp_path: Path, fails: Fails) -> None:
    """The chain holds, names both packets, and the pack checks (issue, "evidence")."""
    sender = office("H29.05")
    fails(UnknownRecipient, lambda: sender.send(sample_document(**WRONG)))
    with sender.context.store.snapshot() as tx:
        before = submission.require_delivery(tx, sender.context, sample_document().id)
    sender.send(sample_document())
    with sender.context.store.snapshot() as tx:
        after = submission.require_delivery(tx, sender.context, sample_document().id)
        said = tx.evidence_log.list_facts_about("H29.05", {"delivery": [after.id]})
        assert tx.evidence_log.find_fault("H29.05") is None
    assert after.id == before.id
    assert after.fingerprint != before.fingerprint
    (entry,) = [one for one in said if one.get("removed") == "corrected"]
    assert (entry["sha256"], entry["replaced_by"]) == (before.sha256, after.sha256)
    pack = check_pack(sender.evidence(after.document_id, out=tmp_path / "pack.zip"))
    assert not pack.problems
    assert not pack.missing
    assert not sender.fsck(deep=True)


def test_a_correction_may_be_refused_and_corrected_again(office: Office, fails: Fails) -> None:
    """Each time the hub refused it, and never had it."""
    sender = office("H29.05")
    fails(UnknownRecipient, lambda: sender.send(sample_document(**WRONG)))
    other = Organization(id="H98", name="Cũng không có")
    fails(UnknownRecipient, lambda: sender.send(sample_document(recipients=[other])))
    fails(UnknownRecipient, lambda: sender.send(sample_document(recipients=[other])))  # the same once more
    assert sender.send(sample_document()).state is DeliveryState.SENT


def test_what_the_hub_may_have_is_never_replaced(office: Office, hub: RunningHub, fails: Fails) -> None:
    """Once unknown, the document stays the one that it was, however it ends (faults, row 4)."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document(**WRONG)))
    fails(DocumentIdConflict, lambda: sender.send(sample_document()))
    fails(OutcomeUnknown, lambda: sender.send(sample_document(**WRONG)))
    fails(UnknownRecipient, lambda: sender.send(sample_document(**WRONG)))
    assert sender.deliveries()[0].state is DeliveryState.FAILED
    assert "send the same document again" in sender.explain(sample_document().id).text()
    fails(DocumentIdConflict, lambda: sender.send(sample_document()))


def test_a_duplicate_is_never_replaced(
    office: Office, hub: RunningHub, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub has something under the id: refused later for another reason, it still may be ours (faults, row 4)."""
    sender = office("H29.05")

    def known(*_: object, **__: object) -> None:
        raise DuplicateDocument("existDoc", vi="đã có", code="25")

    with monkeypatch.context() as patch:
        patch.setattr(HubClient, "send", known)
        fails(DuplicateDocument, lambda: sender.send(sample_document(**WRONG)))
    fails(UnknownRecipient, lambda: sender.send(sample_document(**WRONG)))
    fails(DocumentIdConflict, lambda: sender.send(sample_document()))


def test_a_sent_document_is_not_corrected(office: Office, fails: Fails) -> None:
    """What the hub took keeps its id for itself."""
    sender = office("H29.05")
    sender.send(sample_document())
    fails(DocumentIdConflict, lambda: sender.send(sample_document(subject="V/v khác")))


def test_a_store_that_fails_keeps_the_refused_document(
    office: Office, tmp_path: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is removed before the correction is on the disk (DESIGN, "send")."""
    sender = office("H29.05")
    fails(UnknownRecipient, lambda: sender.send(sample_document(**WRONG)))
    (refused,) = _files(tmp_path)

    def full(*_: object) -> None:
        raise StoreError("full", vi="đầy")

    with monkeypatch.context() as patch:
        patch.setattr(submission, "_record_request", full)
        fails(StoreError, lambda: sender.send(sample_document()))
    assert _files(tmp_path) == [refused]
    assert sender.deliveries()[0].recipients[0].organ_id == "H99.99"
    assert sender.send(sample_document()).state is DeliveryState.SENT


def test_killed_after_the_correction(
    office: Office, tmp_path: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refused packet's file may stay; the next pruning removes it, and nobody takes it for a stray."""
    sender = office("H29.05")
    fails(UnknownRecipient, lambda: sender.send(sample_document(**WRONG)))

    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "delete_file", killed)
        with pytest.raises(SystemExit):
            sender.send(sample_document())
    assert len(_files(tmp_path)) == 2
    other = office("H29.05")
    assert other.flush().sent == 1
    assert not other.fsck()
    other.prune(older_than=other.context.store.clock() - other.context.store.clock(), dry_run=False)
    assert not [path for path in _files(tmp_path) if "G22" not in path.read_text("utf-8")]


def test_two_workers_correct_the_same_document(office: Office, hub: RunningHub, fails: Fails, tmp_path: Path) -> None:
    """One correction, one packet at the hub (faults, row 7)."""
    first, second = office("H29.05"), office("H29.05")
    fails(UnknownRecipient, lambda: first.send(sample_document(**WRONG)))
    threads = [threading.Thread(target=one.send, args=(sample_document(),)) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hub.packets()) == 1
    assert len(_files(tmp_path)) == 1
    timeline = first.delivery(sample_document().id).timeline
    assert len([one for one in timeline if (one.from_, one.to) == ("failed", "ready")]) == 1


def test_a_refused_recall_is_corrected(office: Office, fails: Fails) -> None:
    """A recall to a recipient whom the hub does not know is asked of the right one."""
    sender = office("H29.05")
    document = sender.send(sample_document())
    fails(UnknownRecipient, lambda: sender.recall(document.id, reason="Sai", recipients=[NOBODY]))
    recall = sender.recall(document.id, reason="Sai", recipients=[RECIPIENT])
    assert (recall.state, [one.organ_id for one in recall.recipients]) == (DeliveryState.SENT, ["G22"])
    assert sender.delivery(document.id).recipient("G22").change == "asked"
    assert len(sender.deliveries()) == 2


def test_who_was_asked_stays_asked(office: Office, fails: Fails) -> None:
    """A recall that asked somebody is not corrected to ask somebody else: it would be waited for without end."""
    sender = office("H29.05")
    document = sender.send(sample_document())
    fails(UnknownRecipient, lambda: sender.recall(document.id, reason="Sai", recipients=[RECIPIENT, NOBODY]))
    fails(DocumentIdConflict, lambda: sender.recall(document.id, reason="Sai", recipients=[NOBODY]))
    recall = sender.recall(document.id, reason="Sai", recipients=[RECIPIENT])
    assert recall.state is DeliveryState.SENT
