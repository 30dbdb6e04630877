"""Messages to webhooks: added by the database with what they tell, claimed in order, told once more on demand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from edoc_connector._core import Text
from edoc_connector.errors import StoreError
from edoc_connector.store import DELIVERIES, DeliveryState, DueMessage, NewDelivery, Store, WebhookRow

if TYPE_CHECKING:
    from tests.store.conftest import Clock

AGENCY = "H29.05"
LEASE = timedelta(seconds=60)

Make = Callable[..., NewDelivery]


@pytest.fixture
def webhook(store: Store) -> WebhookRow:
    """An endpoint of the agency."""
    with store.transaction() as tx:
        row = tx.webhooks.add(AGENCY, "https://dms.example.vn/hook", secrets=["env:SECRET"], events=None)
    assert row is not None
    return row


def add_twice(store: Store, delivery: NewDelivery) -> None:
    """Store a delivery, and do what the store refuses: all of it is rolled back."""
    with store.transaction() as tx:
        row = tx.deliveries.add(delivery)
        tx.transitions.move(DELIVERIES, row.id, old="ready", new="sent")


def claim(store: Store, limit: int = 10) -> list[DueMessage]:
    """Claim what is due."""
    with store.transaction() as tx:
        return tx.webhooks.claim_due(AGENCY, lease=LEASE, limit=limit)


def fail(store: Store, new_delivery: Make, document_id: str) -> None:
    """Store a delivery and have the hub refuse it: three entries of its timeline, of which two are told."""
    with store.transaction() as tx:
        row = tx.deliveries.add(new_delivery(document_id=document_id))
        tx.transitions.move(DELIVERIES, row.id, old="ready", new="sending")
        tx.transitions.move(DELIVERIES, row.id, old="sending", new="failed")


def test_a_message_is_stored_with_what_it_tells(store: Store, webhook: WebhookRow, new_delivery: Make) -> None:
    """What is rolled back is told to nobody; what is committed is, whoever wrote it; of other agencies, nothing."""
    with pytest.raises(StoreError):
        add_twice(store, new_delivery())
    assert claim(store) == []
    with store.transaction() as tx:
        tx.deliveries.add(new_delivery())
        tx.deliveries.add(new_delivery(agency="H30"))
    found = claim(store)
    assert [(one.change.agency, one.change.entry.new) for one in found] == [(AGENCY, DeliveryState.READY)]
    assert claim(store) == []  # somebody has it


def test_messages_about_a_document_wait_for_each_other(store: Store, webhook: WebhookRow, new_delivery: Make) -> None:
    """Of each document the first is told alone; the next when it arrived, or when it was given up."""
    for name in ("a", "b"):
        fail(store, new_delivery, name)
    first = claim(store)
    assert [(one.message.lane, one.change.entry.new) for one in first] == [("a", "ready"), ("b", "ready")]
    with store.transaction() as tx:
        tx.webhooks.record_delivered(first[0])
        tx.webhooks.record_failure(first[1], Text("no", "không"), next_attempt_at=None)
    assert [(one.message.lane, one.change.entry.new) for one in claim(store)] == [("a", "failed"), ("b", "failed")]


def test_a_failure_waits_and_so_does_its_endpoint(
    store: Store, webhook: WebhookRow, new_delivery: Make, clock: Clock
) -> None:
    """A message is due again at its time; an endpoint that is down rests. A lease that ran out frees its message."""
    fail(store, new_delivery, "a")
    due = claim(store)[0]
    with store.transaction() as tx:
        soon = tx.now + timedelta(seconds=10)
        tx.webhooks.record_failure(due, Text("no", "không"), next_attempt_at=soon, rests_until=soon)
    fail(store, new_delivery, "b")
    assert claim(store) == []
    clock.forward(11)
    assert [one.message.lane for one in claim(store)] == ["a", "b"]
    clock.forward(61)
    assert [one.message.lane for one in claim(store)] == ["a", "b"]


def test_a_replay_tells_again(store: Store, webhook: WebhookRow, new_delivery: Make, clock: Clock) -> None:
    """What arrived is told again from a time on, or by number; what was not wanted is not."""
    fail(store, new_delivery, "a")
    for _ in range(2):
        with store.transaction() as tx:
            for due in tx.webhooks.claim_due(AGENCY, lease=LEASE, limit=10):
                tx.webhooks.record_delivered(due)
    clock.forward(60)
    since = clock()
    fail(store, new_delivery, "b")
    with store.transaction() as tx:
        tx.webhooks.record_unwanted(tx.webhooks.claim_due(AGENCY, lease=LEASE, limit=1)[0].message)
        assert tx.webhooks.replay(webhook, since=since, numbers=None) == 1
        assert tx.webhooks.replay(webhook, since=None, numbers=[1]) == 1
        assert tx.webhooks.count_by_state(webhook) == {"delivered": 1, "ready": 2, "unwanted": 1}


def test_nothing_is_told_without_endpoints(store: Store, new_delivery: Make) -> None:
    """Without an endpoint, or with one that is gone, no message is stored; a removed one leaves nothing."""
    fail(store, new_delivery, "a")
    with store.transaction() as tx:
        row = tx.webhooks.add(AGENCY, "https://dms.example.vn", secrets=["env:A"], events=["delivery.changed"])
        assert row is not None
        tx.webhooks.record_gone(row)
    fail(store, new_delivery, "b")
    with store.transaction() as tx:
        assert tx.webhooks.count_by_state(row) == {}
        tx.webhooks.remove(row)
        assert tx.webhooks.list_all(AGENCY) == []
