"""What a person in charge asks of a connector: unknown outcomes, stories, pruning, and the spool's check."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import check_pack
from edoc_connector.edxml import Organization
from edoc_connector.errors import HubUnavailable, NotFound, OutcomeUnknown, StoreError
from edoc_connector.mockhub import Fault
from edoc_connector.store import DeliveryState, OutgoingState, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

ID = sample_document().id
YEAR = timedelta(days=365)


def refuse_to_tell(hub: RunningHub) -> None:
    """A hub that does not say what was sent."""
    hub.hub.config = hub.hub.config.__class__(data=hub.hub.config.data, recent_sent=False)


def spool(tmp_path: Path, agency: str) -> list[Path]:
    """The packets in an agency's spool."""
    return sorted(path for path in (tmp_path / agency / "spool").glob("??/*.edxml"))


def aged(path: Path) -> None:
    """Make a file old enough that nobody is about to write its row."""
    os.utime(path, (0, 0))


# -- unknown outcomes


def test_reconciling_settles_what_the_hub_has(office: Office, hub: RunningHub, fails: Fails) -> None:
    """Asked, and settled by the answer (VXP interface, "Settling a send whose answer was lost")."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    found = sender.reconcile()
    ((one,), waiting, undecided) = (found.settled, found.waiting, found.undecided)
    assert (one.document_id, one.state, waiting, undecided) == (ID, "sent", (), ())
    assert sender.reconcile().settled == ()


def test_reconciling_waits_the_grace_period(office: Office, hub: RunningHub, fails: Fails) -> None:
    """Not found once: asked again later, by itself; then the same bytes go again (VXP interface, "Asked twice")."""
    sender = office("H29.05", limits={"grace": 3600.0})
    hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    for _ in range(2):
        (one,) = sender.reconcile().waiting
        assert one.next_attempt_at is not None
    sender.close()
    (again,) = office("H29.05", limits={"grace": 0.0}).deliveries()
    assert again.state is DeliveryState.UNKNOWN


def test_reconciling_leaves_to_a_person_what_the_hub_will_not_tell(
    office: Office, hub: RunningHub, fails: Fails
) -> None:
    """Never guessed; a person settles it (VXP interface, "Still unclear")."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    fails(OutcomeUnknown, lambda: sender.send(sample_document()))
    refuse_to_tell(hub)
    (one,) = sender.reconcile().undecided
    assert (one.state, one.next_attempt_at, "settle()" in one.text_vi) == ("unknown", None, True)
    assert "A person must find out" in sender.explain(ID).next[0]
    sender.settle(ID, arrived=True)
    assert sender.explain(ID).next == ("G22 has not reported 01 (arrived).",)


def test_a_status_that_only_a_person_can_settle(office: Office, hub: RunningHub, handle: Handle) -> None:
    """It holds up those behind it until it is settled, by the document it is about (VXP interface)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    refuse_to_tell(hub)
    (receipt,) = handle(receiver)
    receipt.accept()
    (one,) = receiver.reconcile().undecided
    assert (one.document_id, one.what) == (ID, "01")
    assert receiver.settle(ID, arrived=True) is None
    receiver.flush()
    with receiver.context.store.snapshot() as tx:
        states = {row.state for row in tx.outgoing.find_all("G22")}
    assert states == {OutgoingState.SENT}


def test_of_two_undecided_statuses_one_is_settled(office: Office, hub: RunningHub, fails: Fails) -> None:
    """The hub may have one of them and not the other: what is not named is not decided with it (faults, row 30)."""
    sender = office("H29.05")
    both = (Organization(id="G22", name="Văn phòng Chính phủ"), Organization(id="H30", name="UBND tỉnh"))
    sender.send(sample_document(recipients=both))
    for kind in ("drop-after-accepting", "drop-before-accepting"):
        hub.faults.add(Fault(kind=kind, path="/sendEdoc"))
    refuse_to_tell(hub)
    sender.take_back(ID, reason="gửi nhầm")
    undecided = sender.reconcile().undecided
    assert {(one.what, one.recipient) for one in undecided} == {("13", "G22"), ("13", "H30")}
    assert "edoc settle ID --what 13 --recipient H30" in " ".join(sender.explain(ID).next)
    fails(StoreError, lambda: sender.settle(ID, arrived=True), "13 → H30, 13 → G22")
    sender.settle(ID, arrived=True, what="13", recipient="G22")
    (left,) = sender.reconcile().undecided
    assert (left.what, left.recipient, left.state) == ("13", "H30", "unknown")
    sender.settle(ID, arrived=False)
    with sender.context.store.snapshot() as tx:
        assert {row.recipient: row.state for row in tx.outgoing.find_all("H29.05")} == {"G22": "sent", "H30": "ready"}


# -- stories


def test_a_story_of_sending(office: Office, hub: RunningHub, handle: Handle, fails: Fails) -> None:
    """Attempts, answers, statuses, what is next and when, in both languages (issue, "one readable story")."""
    sender, receiver = office("H29.05", limits={"backoff": 60.0}), office("G22")
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503))
    fails(HubUnavailable, lambda: sender.send(sample_document()))
    waiting = sender.explain(ID)
    assert "it is sent (attempt 2; last: The hub is busy" in waiting.next[0]
    assert "gửi gói tin (lần 2; lần trước: Trục đang quá tải" in waiting.next_vi[0]
    sender.send(sample_document())
    (receipt,) = handle(receiver)
    receipt.reject("Sai nơi nhận")
    handle(sender)
    story = sender.explain(ID)
    told, told_vi = story.text(), story.text(vi=True)
    assert "the hub on sendEdoc: HTTP 503" in told
    assert "G22: 02 rejected (hub-announced): Sai nơi nhận" in told
    assert "G22 báo: 02 Từ chối tiếp nhận (theo thông báo của trục)" in told_vi
    assert story.next == ("Nothing is open.",)
    assert [one.time for one in story.events] == sorted(one.time for one in story.events)


def test_a_story_of_receiving(office: Office, hub: RunningHub, handle: Handle, fails: Fails) -> None:
    """The same for what came in, by DocumentId or by the hub's id (issue, "one readable story")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    (receipt,) = handle(receiver)
    sender.take_back(ID, reason="Gửi nhầm")
    handle(receiver)
    story = receiver.explain(ID)
    assert "confirmation done taken by the hub" in story.text()
    assert "trạng thái 01 (Đã đến) báo H29.05: đã được trục nhận" in story.text(vi=True)
    assert "xác nhận đã nhận (done): chờ gửi" in story.text(vi=True)
    assert "trục đã ghi nhận đơn vị nhận được gói tin" in story.text(vi=True)
    assert story.next[0].startswith("The sender asks for it back")
    assert receiver.explain(receipt.hub_doc_id).title == story.title
    bad = hub.offer(b"nonsense", sender="H29.05", to="G22")
    handle(receiver)
    assert "recheck()" in receiver.explain(bad).next[0]
    fails(NotFound, lambda: receiver.explain("x"))


# -- pruning


def test_pruning_removes_bytes_and_nothing_else(
    office: Office, hub: RunningHub, handle: Handle, tmp_path: Path, fails: Fails
) -> None:
    """Dry by default; rows, timelines, hashes and the chain stay, and what was removed says so (issue, "Retention")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(receiver)
    receiver.flush()
    before = len(spool(tmp_path, "G22"))
    assert receiver.prune(timedelta(0)).packets == before == len(spool(tmp_path, "G22"))
    assert receiver.prune(YEAR, dry_run=False).packets == 0
    assert receiver.prune(timedelta(0), dry_run=False).packets == before
    assert spool(tmp_path, "G22") == []
    assert receiver.prune(timedelta(0), dry_run=False).packets == 0
    fails(NotFound, lambda: receiver.receipt(ID).document, "was removed on")
    assert receiver.fsck(deep=True) == []
    found = check_pack(receiver.evidence(ID, out=tmp_path / "x.zip"))
    assert (found.problems, len(found.missing)) == ((), before)


def test_what_is_open_is_not_pruned(office: Office, hub: RunningHub, tmp_path: Path, fails: Fails) -> None:
    """What waits to be sent, to be handled or to be told to the hub is kept whatever its age (issue, "Retention")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    next(receiver.receive())
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503))
    fails(HubUnavailable, lambda: sender.send(sample_document(number="2")))
    assert (sender.prune(timedelta(0)).packets, receiver.prune(timedelta(0)).packets) == (1, 0)


# -- the spool's check


def test_files_without_a_row_are_set_aside(office: Office, hub: RunningHub, tmp_path: Path) -> None:
    """Found, and with repair moved, never deleted; young ones may be about to get their row (issue, "edoc fsck")."""
    sender = office("H29.05")
    sender.send(sample_document())
    (packet,) = spool(tmp_path, "H29.05")
    orphan = packet.with_name("ab" * 16 + ".edxml")
    orphan.write_bytes(b"x")
    draft = tmp_path / "H29.05" / "spool" / "tmp" / "draft"
    draft.write_bytes(b"x")
    assert sender.fsck() == []
    aged(orphan)
    aged(draft)
    assert [(one.kind, one.repaired) for one in sender.fsck()] == [("orphan", None), ("draft", None)]
    assert all(one.repaired and one.repaired_vi for one in sender.fsck(repair=True))
    assert sender.fsck(deep=True) == []
    assert [path.read_bytes() for path in (tmp_path / "H29.05" / "spool" / "orphans").iterdir()] == [b"x"]


@pytest.mark.parametrize("kind", ["missing", "altered"])
def test_a_lost_packet_is_fetched_again(
    office: Office, hub: RunningHub, tmp_path: Path, kind: str, handle: Handle
) -> None:
    """What the hub still has comes back with the same hash; what it has not is reported (issue, "edoc fsck")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    next(receiver.receive()).give_back("not yet")
    for agency in ("G22", "H29.05"):
        (packet,) = spool(tmp_path, agency)
        packet.unlink() if kind == "missing" else packet.write_bytes(b"x")
    assert [one.kind for one in receiver.fsck(deep=True)] == [kind]
    (back,) = receiver.fsck(deep=True, repair=True)
    assert back.repaired == "downloaded from the hub once more"
    (receipt,) = handle(receiver)
    assert receipt.document.subject == sample_document().subject
    (gone,) = sender.fsck(deep=True, repair=True)
    assert (gone.kind, gone.repaired, "backup" in gone.advice) == (kind, None, True)


def test_a_lost_packet_is_found_among_the_orphans(office: Office, hub: RunningHub, tmp_path: Path) -> None:
    """A file under another name, with the hash of the one that is gone, is it (issue, "edoc fsck")."""
    sender = office("H29.05")
    sender.send(sample_document())
    (packet,) = spool(tmp_path, "H29.05")
    packet.rename(packet.with_name("cd" * 16 + ".edxml"))
    (back,) = sender.fsck(repair=True)
    assert back.repaired == "found among the orphans"
    assert spool(tmp_path, "H29.05") == [packet]


def test_a_pruned_file_that_a_crash_left_is_removed(
    office: Office, hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the word, then the deed: the next run finishes it (issue, "Retention")."""
    sender = office("H29.05")
    sender.send(sample_document())

    def dying(*args: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(type(sender.context.store.spool), "delete_file", dying)
        with pytest.raises(SystemExit):
            sender.prune(timedelta(0), dry_run=False)
    assert len(spool(tmp_path, "H29.05")) == 1
    sender.prune(timedelta(0), dry_run=False)
    assert spool(tmp_path, "H29.05") == []


def test_a_recall_of_a_pruned_document_says_why_not(office: Office, hub: RunningHub, fails: Fails) -> None:
    """The packet it would be made of is gone on purpose (issue, "Retention")."""
    sender = office("H29.05")
    sender.send(sample_document())
    sender.prune(timedelta(0), dry_run=False)
    fails(NotFound, lambda: sender.recall(ID, reason="x"), "was removed on")
    fails(StoreError, lambda: sender.settle(ID, arrived=True))
    assert sender.receipts(state=ReceiptState.WAITING) == []
