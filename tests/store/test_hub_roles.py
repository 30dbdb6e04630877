"""Which hub sends, and what each may claim, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from edoc_connector.store import (
    DONE,
    EDOC,
    HubHoldings,
    HubRole,
    HubRows,
    Lease,
    NewDelivery,
    ReceiptState,
    Store,
)
from edoc_connector.store.state_machine import DeliveryState

if TYPE_CHECKING:
    from tests.store.conftest import Clock

AGENCY = "H29.05"
ME = Lease("me", 60)


def test_roles_are_decided_for_all_programs(store: Store, clock: Clock) -> None:
    """None before somebody decided; of a hub that keeps its role the time stays, and the evidence has each decision."""
    with store.transaction("me") as tx:
        assert tx.hub_roles.load(AGENCY) == {}
        tx.hub_roles.replace(AGENCY, {"hub": HubRole.ACTIVE, "new": HubRole.DRAIN, "third": HubRole.DRAIN})
        first = tx.now
    clock.forward(60)
    with store.transaction("an-lê") as tx:
        tx.hub_roles.replace(AGENCY, {"hub": HubRole.DRAIN, "new": HubRole.ACTIVE, "third": HubRole.DRAIN})
        assert tx.hub_roles.load(AGENCY) == {
            "hub": (HubRole.DRAIN, tx.now),
            "new": (HubRole.ACTIVE, tx.now),
            "third": (HubRole.DRAIN, first),
        }
        assert tx.hub_roles.load("G22") == {}
    with store.snapshot() as tx:
        facts = [fact for fact in tx.evidence_log.list_facts(AGENCY) if fact["kind"] == "hubs"]
    assert [(fact["actor"], fact["hubs"]["new"]) for fact in facts] == [("me", "drain"), ("an-lê", "active")]


def test_what_may_be_at_a_hub_is_claimed_for_that_alone(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """What is ready goes to the hub that sends, with nothing of the other one's; what is unknown stays where it is."""
    with store.transaction("me") as tx:
        row = tx.deliveries.add(new_delivery())
        assert tx.deliveries.claim_next(ME, agency=AGENCY, hub="new", is_sending=False) is None
        claimed = tx.deliveries.claim_known(row, ME, hub="new")
        tx.deliveries.move(claimed, DeliveryState.UNKNOWN, next_attempt_at=tx.now)
        assert tx.deliveries.claim_next(ME, agency=AGENCY, hub="hub", is_sending=True) is None
        unknown = tx.deliveries.claim_next(ME, agency=AGENCY, hub="new", is_sending=False)
        assert unknown is not None
        assert unknown.hub == "new"
        tx.deliveries.move(unknown, DeliveryState.READY, next_attempt_at=tx.now, hub_doc_id="5@new")
        again = tx.deliveries.claim_next(ME, agency=AGENCY, hub="hub", is_sending=True)
        assert again is not None
        assert (again.hub, again.hub_doc_id) == ("hub", None)
        assert tx.deliveries.get_by_id(row.id).hub == "hub"


def test_confirmations_and_reports_stay_with_their_hub(store: Store) -> None:
    """A status as a packet goes to the hub that sends, and is built anew for it; what only one hub knows goes there."""
    with store.transaction("me") as tx:
        receipt = tx.receipts.record_offer(AGENCY, "1", EDOC)
        tx.outgoing.enqueue_confirmation(receipt, DONE)
        keys = [
            tx.outgoing.enqueue_status(
                agency=AGENCY, code="01", recipient="G22", message="{}", delivery_id=None, receipt_id=None, is_tied=tied
            )
            for tied in (True, False)
        ]
        of_new = tx.outgoing.claim_batch(ME, agency=AGENCY, limit=9, hub="new", is_sending=True)
        assert of_new == []
        of_old = tx.outgoing.claim_batch(ME, agency=AGENCY, limit=9, hub="hub", is_sending=False)
        assert [row.kind for row in of_old] == ["confirm", "status"]
        tx.outgoing.mark_sent([(row, row.hub_doc_id, None) for row in of_old], values={})
        (packet,) = tx.outgoing.claim_batch(ME, agency=AGENCY, limit=9, hub="new", is_sending=True)
        assert (packet.id, packet.hub, packet.sha256) == (keys[1], "new", None)


def test_what_keeps_a_hub(store: Store, clock: Clock, new_delivery: Callable[..., NewDelivery]) -> None:
    """Each kind of open row is counted at its hub; what is open at a hub that is not known is found."""
    with store.transaction("me") as tx:
        rows = HubRows(tx)
        assert rows.find_last_news(AGENCY, "new") is None
        listed = tx.receipts.record_offer(AGENCY, "1@new", EDOC, hub="new")
        handled = tx.receipts.record_offer(AGENCY, "2@new", EDOC, hub="new")
        handled = tx.receipts.move(handled, ReceiptState.WAITING)
        tx.outgoing.enqueue_confirmation(listed, DONE)
        tx.outgoing.enqueue_status(
            agency=AGENCY, code="01", recipient="G22", message="{}", receipt_id=listed.id, hub="new", is_tied=True
        )
        claimed = tx.deliveries.claim_known(tx.deliveries.add(new_delivery()), ME, hub="new")
        found = rows.count(AGENCY, "new")
        assert found == HubHoldings(listed=1, unhandled=1, unconfirmed=1, unreported=1, undecided_documents=1)
        assert found.keeps_hub
        assert rows.count(AGENCY, "hub") == HubHoldings()
        assert rows.list_forgotten(AGENCY, ["hub", "new"]) == []
        assert rows.list_forgotten(AGENCY, ["hub"]) == ["new"]
        tx.deliveries.move(claimed, DeliveryState.SENT, sent_at=tx.now + timedelta(seconds=5))
        assert rows.count(AGENCY, "new").undecided_documents == 0
        assert rows.count(AGENCY, "new").unanswered == 1
        assert rows.find_last_news(AGENCY, "new") == tx.now + timedelta(seconds=5)
    assert not HubHoldings(unanswered=3).keeps_hub
