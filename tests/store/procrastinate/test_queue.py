"""Tasks that a transaction's changes queue, in that transaction, each once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from edoc_connector.errors import StoreError
from edoc_connector.store import (
    DELIVERIES,
    EDOC,
    OUTGOING,
    RECEIPTS,
    STATUS,
    DeliveryState,
    Lease,
    NewDelivery,
    OutgoingState,
    ReceiptState,
    Store,
)
from edoc_connector.store.procrastinate.queue import FETCH, HANDLE, REPORT, TELL, TRANSMIT, Task, TaskQueue

if TYPE_CHECKING:
    from tests.store.conftest import Clock

pytestmark = pytest.mark.database("tasks")

AGENCY = "H29.05"
PATIENCE = 60.0


@pytest.fixture
def store(postgres_url: str, tmp_path: Path, clock: Any) -> Iterator[Store]:
    """An empty store whose changes queue tasks, those of the application too."""
    with Store.open(postgres_url, spool=tmp_path / "spool", clock=clock, tasks=True) as opened:
        assert opened.tasks is not None
        opened.tasks.application_tasks = frozenset({HANDLE, TELL})
        yield opened


@pytest.fixture
def queue(store: Store) -> TaskQueue:
    """Its queue."""
    assert store.tasks is not None
    return store.tasks


@pytest.fixture
def new(store: Store) -> Callable[[], list[tuple[str, int]]]:
    """The tasks queued since it was last called, by name and row; they are taken off."""

    def taken() -> list[tuple[str, int]]:
        query = text("DELETE FROM procrastinate_jobs RETURNING task_name, args ->> 'key'")
        with store.transaction("test") as tx:
            return sorted((name.removeprefix("edoc:"), int(key or 0)) for name, key in tx.connection.execute(query))

    return taken


def test_a_delivery_is_looked_at_after_its_caller_had_its_turn(
    store: Store, new_delivery: Callable[..., NewDelivery], clock: Clock
) -> None:
    """Who stores a document sends it at once; the task is for one that dies before (docs/worker.md)."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
        when = tx.connection.execute(text("SELECT scheduled_at FROM procrastinate_jobs")).all()
    assert when == []
    with store.snapshot() as tx:
        (when,) = tx.connection.execute(text("SELECT scheduled_at FROM procrastinate_jobs")).scalars()
    assert when == clock.now + timedelta(seconds=5)


def test_the_next_message_of_a_lane_is_queued_when_the_one_before_is_sent(
    store: Store, new: Callable[[], list[tuple[str, int]]]
) -> None:
    """Its task is not queued before its turn, and not lost then (business rules, "Allowed order")."""
    with store.transaction("test") as tx:
        receipt = tx.receipts.record_offer(AGENCY, "7", EDOC)
        keys = [
            tx.outgoing.enqueue_status(agency=AGENCY, code=code, recipient="G22", message="{}", receipt_id=receipt.id)
            for code in ("01", "03")
        ]
    assert new() == [(FETCH, receipt.id), (REPORT, keys[0])]
    with store.transaction("test") as tx:
        tx.transitions.move(OUTGOING, keys[0], old=OutgoingState.READY, new=OutgoingState.SENDING)
    assert new() == []
    with store.transaction("test") as tx:
        tx.transitions.move(OUTGOING, keys[0], old=OutgoingState.SENDING, new=OutgoingState.SENT)
    assert new() == [(REPORT, keys[1])]


def test_a_status_is_fetched_after_what_its_sender_offered_before(
    store: Store, new: Callable[[], list[tuple[str, int]]]
) -> None:
    """Its task comes when the one before has left the list (docs/worker.md, "in the order in which the hub lists")."""
    with store.transaction("test") as tx:
        kinds = (EDOC, STATUS, STATUS)
        rows = [
            tx.receipts.record_offer(AGENCY, str(number), kind, sender="G22").id for number, kind in enumerate(kinds)
        ]
    assert new() == [(FETCH, rows[0])]
    with store.transaction("test") as tx:
        tx.transitions.move(RECEIPTS, rows[0], old=ReceiptState.LISTED, new=ReceiptState.WAITING)
    assert new() == [(FETCH, rows[1]), (HANDLE, rows[0])]


def test_news_of_one_document_are_told_in_their_order(store: Store, new: Callable[[], list[tuple[str, int]]]) -> None:
    """The second status is queued when the application was told of the first (issue, "DMS handlers")."""
    with store.transaction("test") as tx:
        rows = [tx.receipts.record_offer(AGENCY, name, STATUS, sender="G22").id for name in ("1", "2")]
        for key in rows:
            tx.transitions.move(RECEIPTS, key, old="listed", new="handled", document_id="d")
            tx.transitions.move(RECEIPTS, key, old="handled", new="confirmed")
    assert new() == [(TELL, rows[0])]
    with store.transaction("test") as tx:
        fence = tx.receipts.get_by_id(rows[0]).fence
        tx.leases.end(RECEIPTS, rows[0], state="confirmed", fencing_token=fence, detail="told", noticed_at=tx.now)
    assert new() == [(TELL, rows[1])]


def test_what_no_worker_here_does_is_not_queued(
    store: Store, queue: TaskQueue, new: Callable[[], list[tuple[str, int]]]
) -> None:
    """Without an application, packets that came in leave no tasks behind (docs/worker.md)."""
    queue.application_tasks = frozenset()
    with store.transaction("test") as tx:
        key = tx.receipts.record_offer(AGENCY, "1", EDOC).id
        tx.transitions.move(RECEIPTS, key, old="listed", new="waiting")
    assert new() == []


def test_what_is_due_and_free_is_found(
    store: Store, queue: TaskQueue, new_delivery: Callable[..., NewDelivery], clock: Clock
) -> None:
    """Rows in order, after a key; not those that a worker holds (DESIGN, "rows are claimed with a lease")."""
    with store.transaction("test") as tx:
        keys = [tx.deliveries.add(new_delivery(document_id=name)).id for name in ("a", "b", "c")]
        tx.leases.claim(DELIVERIES, Lease("other", 60.0), agency=AGENCY, states=[DeliveryState.READY])
    with store.snapshot() as tx:
        assert [task.row_id for task in queue.list_due(tx, TRANSMIT, AGENCY)] == keys[1:]
        assert [task.row_id for task in queue.list_due(tx, TRANSMIT, AGENCY, after_id=keys[1])] == keys[2:]
        assert queue.list_due(tx, TRANSMIT, "G22") == []


def test_two_transactions_queue_the_same_task(
    store: Store, queue: TaskQueue, new: Callable[[], list[tuple[str, int]]], clock: Clock
) -> None:
    """The second waits for the first, then queues only what is new; its own changes stay (issue, "queueing_lock")."""
    one, two = (Task(name=TRANSMIT, agency=AGENCY, row_id=key, due_at=clock.now) for key in (1, 2))
    queued: list[int] = []

    def other() -> None:
        with store.transaction("other") as tx:
            tx.receipts.record_offer(AGENCY, "7", EDOC)
            queued.append(queue.enqueue(tx, [one, two]))

    thread = threading.Thread(target=other)
    with store.transaction("test") as tx:
        assert queue.enqueue(tx, [one]) == 1
        thread.start()
        _until_blocked(store)
    thread.join(PATIENCE)
    assert queued == [1]
    assert new() == [(FETCH, 1), (TRANSMIT, 1), (TRANSMIT, 2)]


GONE = """
CREATE OR REPLACE FUNCTION procrastinate_defer_jobs_v1(jobs procrastinate_job_to_defer_v1[]) RETURNS bigint[]
LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'admin_shutdown'; END $$
"""


@pytest.mark.parametrize(
    ("before", "words"),
    [("DROP FUNCTION procrastinate_defer_jobs_v1", "the store failed"), (GONE, "cannot be reached")],
    ids=["missing", "gone"],
)
def test_what_the_engine_meets_is_an_error_of_the_store(
    store: Store, new_delivery: Callable[..., NewDelivery], before: str, words: str
) -> None:
    """Typed, in both languages, and nothing changed (issue, "in the same transaction")."""
    with pytest.raises(StoreError, match=words) as caught:
        _add_after(store, before, new_delivery())
    assert "chưa có gì thay đổi" in caught.value.vi
    with store.snapshot() as tx:
        assert tx.deliveries.find_all(AGENCY) == []


def _add_after(store: Store, statement: str, new: NewDelivery) -> None:
    with store.transaction("test") as tx:
        tx.connection.execute(text(statement))
        tx.deliveries.add(new)


def _until_blocked(store: Store) -> None:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    end = time.monotonic() + PATIENCE
    while True:
        with store.snapshot() as tx:
            if tx.connection.execute(query).scalar():
                return
        assert time.monotonic() < end
        time.sleep(0.02)
