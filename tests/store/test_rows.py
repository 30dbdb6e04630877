"""Deliveries, receipts, outgoing messages and the directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from edoc_connector._core import Text
from edoc_connector.errors import DocumentIdConflict, StoreError
from edoc_connector.store import (
    DELIVERIES,
    DONE,
    EDOC,
    RECEIPTS,
    Change,
    DeliveryState,
    DirectoryEntry,
    Lease,
    LeaseLost,
    NewDelivery,
    Offer,
    OutgoingState,
    ReceiptState,
    Store,
)

AGENCY = "H29.05"
ME = Lease("me", 60)
AT = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


def test_the_same_document_is_one_delivery(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """The same document twice is one delivery; another under its id is a conflict (DESIGN, "store and connector")."""
    with store.transaction("test") as tx:
        first = tx.deliveries.add(new_delivery())
        again = tx.deliveries.add(new_delivery(spool_file="1" * 32 + ".edxml"))
        assert again == first
        with pytest.raises(DocumentIdConflict, match="its own id") as caught:
            tx.deliveries.add(new_delivery(fingerprint="0" * 64))
    assert "đã dùng" in caught.value.vi


def test_agencies_do_not_see_each_other(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """One store may serve several agencies; the same id is theirs apart (DESIGN, "store and connector")."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
        tx.deliveries.add(new_delivery(agency="G22", fingerprint="0" * 64))
        assert len(tx.deliveries.find_all("G22")) == 1


def test_recipients_and_their_statuses(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """The sender's system shows, per receiver, where the document stands (business rules, "Who owes what")."""
    with store.transaction("test") as tx:
        row = tx.deliveries.add(new_delivery())
        assert tx.recipients.record_status(row, "G22", "01", reported_at=AT, description=None)
        assert tx.recipients.record_status(row, "G22", "03", reported_at=AT, description="đã vào sổ")
        first, second = tx.recipients.load([row.id])[row.id]
        lines = tx.timeline.load_timelines(DELIVERIES, [row.id])[row.id]
    assert (first.last_code, first.last_description, first.last_at, first.out_of_order) == ("03", "đã vào sổ", AT, 0)
    assert second.last_code is None
    assert [(line.actor, line.recipient, line.old, line.new, line.detail) for line in lines[1:]] == [
        ("G22", "G22", None, "01", ""),
        ("G22", "G22", "01", "03", "đã vào sổ"),
    ]


def test_a_code_out_of_order_is_recorded_and_flagged(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """A code out of order that comes in is never dropped (business rules)."""
    with store.transaction("test") as tx:
        row = tx.deliveries.add(new_delivery())
        assert not tx.recipients.record_status(row, "G22", "06", reported_at=AT, description=None)
        assert not tx.recipients.record_status(row, "X99", "01", reported_at=AT, description=None, name="Nơi khác")
        first, _, stranger = tx.recipients.load([row.id])[row.id]
        lines = tx.timeline.load_timelines(DELIVERIES, [row.id])[row.id]
    assert (first.last_code, first.out_of_order) == ("06", 1)
    assert (stranger.organ_id, stranger.name, stranger.out_of_order) == ("X99", "Nơi khác", 1)
    assert lines[1].text == Text("(out of order)", "(không đúng thứ tự)")


@pytest.mark.parametrize(
    ("came", "stands"),
    [
        (("01", "03", "01"), "03"),
        (("03", "06", "05"), "06"),
        (("01", "03", "02"), "02"),
        (("01", "02", "03"), "02"),
        (("01", "05", "04"), "05"),
        (("01", "03", "15"), "03"),
        (("01", "?", "03"), "03"),
    ],
)
def test_a_code_that_comes_late_does_not_turn_a_document_back(
    store: Store, new_delivery: Callable[..., NewDelivery], came: tuple[str, ...], stands: str
) -> None:
    """A late code is flagged, and the sender still sees how far the document is (business rules, "Allowed order")."""
    with store.transaction("test") as tx:
        row = tx.deliveries.add(new_delivery())
        for code in came:
            tx.recipients.record_status(row, "G22", code, reported_at=AT, description=code)
        first = tx.recipients.find(row.id, "G22")
        lines = tx.timeline.load_timelines(DELIVERIES, [row.id])[row.id]
    assert first is not None
    assert (first.last_code, first.last_description, first.change) == (stands, stands, None)
    assert first.out_of_order > 0
    assert [line.new for line in lines[1:]] == list(came)


def test_a_take_back_lies_beside_the_last_code(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """13 is answered by 15 or 16 and does not replace the last code (business rules)."""
    with store.transaction("test") as tx:
        row = tx.deliveries.add(new_delivery())
        tx.recipients.record_status(row, "G22", "01", reported_at=AT, description=None)
        tx.recipients.record_request(row, ["G22"], request="13", detail="nhầm nơi nhận")
        asked = tx.recipients.find(row.id, "G22")
        assert tx.recipients.record_status(row, "G22", "15", reported_at=AT, description=None)
        agreed = tx.recipients.find(row.id, "G22")
        assert not tx.recipients.record_status(row, "G22", "03", reported_at=AT, description=None)
    assert asked is not None
    assert agreed is not None
    assert (asked.last_code, asked.change) == ("01", Change.ASKED)
    assert (agreed.last_code, agreed.change) == ("01", Change.AGREED)


def test_changes_to_a_document_are_found(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """Recalls, updates and replacements of a document are found by its id (edXML, "TraceHeaderList")."""
    with store.transaction("test") as tx:
        row = tx.deliveries.add(new_delivery())
        recall = tx.deliveries.add(new_delivery(document_id="r", business="recall", targets=(row.document_id,)))
        assert tx.deliveries.list_changes_to(AGENCY, row.document_id) == [recall]
        assert tx.deliveries.list_changes_to(AGENCY, row.document_id, "update") == []
        tx.recipients.record_status(recall, "G22", "01", reported_at=AT, description=None)
        assert tx.recipients.record_status(recall, "G22", "15", reported_at=AT, description=None)
        tx.recipients.record_answer(row, "G22", "15", detail="nobody asked")
        unasked = tx.recipients.find(row.id, "G22")
        tx.recipients.record_request(row, ["G22"], request="recall", detail="nhầm")
        tx.recipients.record_answer(row, "G22", "15", detail="agreed to the recall")
        holder = tx.recipients.find(row.id, "G22")
    assert unasked is not None
    assert unasked.change is None
    assert holder is not None
    assert holder.change == Change.AGREED


def test_a_receipt_is_known_by_the_hubs_id(store: Store) -> None:
    """The same docId twice is one receipt (faults, row 19)."""
    with store.transaction("test") as tx:
        first = tx.receipts.record_offer(AGENCY, "7", EDOC)
        assert tx.receipts.record_offer(AGENCY, "7", EDOC) == first
        assert tx.receipts.record_offer("G22", "7", EDOC) != first
    assert first.state == ReceiptState.LISTED


def test_packets_are_listed_together(store: Store) -> None:
    """Known packets stay as they are, rows of the others are made in the hub's order (faults, row 19)."""
    with store.transaction("test") as tx:
        known = tx.receipts.record_offer(AGENCY, "7", EDOC)
        offers = [Offer(hub_doc_id=name, message_type=EDOC) for name in ("9", "7", "8")]
        rows, made = tx.receipts.record_offers(AGENCY, offers)
        assert tx.receipts.record_offers(AGENCY, offers) == (rows, set())
    assert made == {"8", "9"}
    assert rows["7"] == known
    assert rows["9"].id < rows["8"].id


def test_rows_move_together_or_not_at_all(store: Store) -> None:
    """No row is written where another worker took one of them (faults, row 7)."""
    with store.transaction("test") as tx:
        keys = [tx.receipts.record_offer(AGENCY, name, EDOC).id for name in ("7", "8")]
        held = tx.receipts.claim_listed(ME, agency=AGENCY, row_ids=keys)
        assert [row.attempts for row in held] == [1, 1]
        assert tx.receipts.claim_listed(Lease("other", 60), agency=AGENCY, row_ids=keys) == []
    facts = [(row, {"document_id": row.hub_doc_id, "sender": "G22"}) for row in held]
    stale = replace(held[1], fence=9)
    with pytest.raises(LeaseLost), store.transaction("me") as tx:
        tx.receipts.mark_downloaded([facts[0], (stale, facts[1][1])])
    with store.transaction("me") as tx:
        assert tx.receipts.get_by_id(keys[0]).state == ReceiptState.LISTED
        tx.receipts.mark_downloaded(facts)
        rows = [tx.receipts.get_by_id(key) for key in keys]
        lines = tx.timeline.load_timelines(RECEIPTS, keys)
    assert [(row.state, row.document_id, row.lease_owner) for row in rows] == [("waiting", one, None) for one in "78"]
    assert [len(lines[key]) for key in keys] == [2, 2]


def test_a_document_counts_once(store: Store) -> None:
    """Two packets with one DocumentId of one sender cannot both take effect, even by mistake (faults, the promise)."""
    with store.transaction("test") as tx:
        first = tx.receipts.record_offer(AGENCY, "7", EDOC)
        tx.receipts.move(first, ReceiptState.WAITING, sender="G22", document_id="d")
        found = tx.receipts.find_effective(AGENCY, "d", "G22")
        assert found is not None
        assert found.id == first.id
        assert tx.receipts.find_effective(AGENCY, "d", "H30") is None
        assert tx.receipts.find_effective(AGENCY, "other") is None
        second = tx.receipts.record_offer(AGENCY, "8", EDOC)
    with pytest.raises(StoreError, match="breaks its rules") as caught, store.transaction("test") as tx:
        tx.receipts.move(second, ReceiptState.WAITING, sender="G22", document_id="d")
    assert isinstance(caught.value.__cause__, IntegrityError)


def test_what_is_said_about_a_receipt_is_kept(store: Store) -> None:
    """A status of ours is a line in the receipt's timeline (business rules, "every state change … is kept")."""
    with store.transaction("test") as tx:
        row = tx.receipts.record_offer(AGENCY, "7", EDOC)
        tx.receipts.record_note(row, detail="03 accepted", last_code="03")
        assert tx.receipts.get_by_id(row.id).last_code == "03"


def _sent(store: Store, rows: list[Any]) -> None:
    with store.transaction("me") as tx:
        for row in rows:
            tx.outgoing.move(row, OutgoingState.SENT)


def test_statuses_leave_in_order(store: Store) -> None:
    """03 never overtakes 01 (business rules, "Allowed order for one receiver")."""
    with store.transaction("test") as tx:
        receipt = tx.receipts.record_offer(AGENCY, "7", EDOC)
        for code in ("01", "03"):
            tx.outgoing.enqueue_status(agency=AGENCY, code=code, recipient="G22", message="{}", receipt_id=receipt.id)
        tx.outgoing.enqueue_confirmation(receipt, DONE)
    with store.transaction("me") as tx:
        first = tx.outgoing.claim_batch(ME, agency=AGENCY, limit=10)
    assert [row.code for row in first] == ["01", "done"]
    _sent(store, first)
    with store.transaction("me") as tx:
        assert [row.code for row in tx.outgoing.claim_batch(ME, agency=AGENCY, limit=10)] == ["03"]


def test_take_backs_have_a_lane_per_recipient(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """One recipient's trouble does not hold up the others (business rules, 13)."""
    with store.transaction("test") as tx:
        row = tx.deliveries.add(new_delivery())
        for organ_id in ("G22", "H30"):
            tx.outgoing.enqueue_status(agency=AGENCY, code="13", recipient=organ_id, message="{}", delivery_id=row.id)
        assert len(tx.outgoing.claim_batch(ME, agency=AGENCY, limit=10)) == 2
        assert tx.outgoing.claim_batch(ME, agency=AGENCY, limit=10, after_id=99) == []


def test_a_confirmation_is_queued_once_and_again_when_asked(store: Store) -> None:
    """An offered packet that was confirmed is confirmed again (faults, rows 18 and 19)."""
    with store.transaction("test") as tx:
        receipt = tx.receipts.record_offer(AGENCY, "7", EDOC)
        tx.outgoing.enqueue_confirmation(receipt, DONE)
        tx.outgoing.enqueue_confirmation(receipt, DONE)
        rows = tx.outgoing.claim_batch(ME, agency=AGENCY, limit=10)
    assert len(rows) == 1
    _sent(store, rows)
    with store.transaction("test") as tx:
        tx.outgoing.enqueue_confirmation(receipt, DONE)
        assert [row.state for row in tx.outgoing.find_all(AGENCY)] == [OutgoingState.READY]


def test_a_delivery_is_found_by_the_hubs_id(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """A docId already bound can be recognised (faults, row 13)."""

    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
        tx.leases.claim(DELIVERIES, ME, agency=AGENCY, states=["ready"])
        tx.deliveries.move(tx.deliveries.get_by_id(1), DeliveryState.SENT, hub_doc_id="99", sent_at=tx.now)
        found = tx.deliveries.find_by_hub_doc_id(AGENCY, "99")
        assert found is not None
        assert tx.deliveries.find_by_hub_doc_id(AGENCY, "98") is None


def test_the_directory_knows_both_codes(store: Store) -> None:
    """Only the directory maps one form of a code to the other (edXML, "OrganId")."""
    entries = [
        DirectoryEntry(code="H29.05", other_code="000.00.05.H29", name="Sở Nội vụ"),
        DirectoryEntry(code="G22", name="VPCP"),
    ]
    with store.transaction("test") as tx:
        assert tx.directory.replace_agencies(AGENCY, entries) == 2
        (found,) = tx.directory.list_by_code(AGENCY, "000.00.05.H29")
        assert found.code == "H29.05"
        assert tx.directory.replace_agencies(AGENCY, [DirectoryEntry(code="G22", name="Văn phòng Chính phủ")]) == 1
        assert tx.directory.list_by_code(AGENCY, "H29.05") == []
        assert [(row.code, row.name, row.active) for row in tx.directory.list_agencies(AGENCY)] == [
            ("G22", "Văn phòng Chính phủ", True),
            ("H29.05", "Sở Nội vụ", False),
        ]
