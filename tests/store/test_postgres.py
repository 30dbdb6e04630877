"""Two writers at a time, and a server that goes away: a store on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import edoc_connector.store._sql.engine as engine_module
from edoc_connector.errors import StoreError
from edoc_connector.store import DELIVERIES, DONE, EDOC, DeliveryState, Lease, NewDelivery, Store
from edoc_connector.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from tests.store.conftest import Clock

AGENCY = "H29.05"


@pytest.fixture
def url(postgres_url: str) -> str:
    """URL of a database, here on PostgreSQL only."""
    return postgres_url


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that tests may stop."""
    with PostgresServer() as server:
        yield server


def _at_once(store: Store, work: Callable[[Any], Any]) -> list[Any]:
    """Two transactions that both looked before either writes."""
    both = threading.Barrier(2)

    def run(name: str) -> object:
        with store.transaction(name) as tx:
            tx.connection.exec_driver_sql("SELECT 1")
            both.wait(timeout=20)
            return work(tx)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, ["one", "two"]))


def test_two_pollers_list_the_same_packet(store: Store) -> None:
    """Two pollers make one row, and neither fails (faults, rows 7 and 19)."""
    one, two = _at_once(store, lambda tx: tx.receipts.record_offer(AGENCY, "7", EDOC).id)
    assert one == two


def test_the_same_document_stored_twice_at_once_is_one_delivery(
    store: Store, new_delivery: Callable[..., NewDelivery]
) -> None:
    """The second worker gets the first one's delivery (DESIGN, "the same document twice is one delivery")."""
    one, two = _at_once(store, lambda tx: tx.deliveries.add(new_delivery()).id)
    assert one == two
    with store.snapshot() as tx:
        assert len(tx.recipients.load([one])[one]) == 2


def test_a_confirmation_is_queued_once_by_two_workers(store: Store) -> None:
    """Two pollers that are offered a known packet queue one confirmation (faults, row 19)."""
    with store.transaction("test") as tx:
        row = tx.receipts.record_offer(AGENCY, "7", EDOC)
    _at_once(store, lambda tx: tx.outgoing.enqueue_confirmation(row, DONE))
    with store.snapshot() as tx:
        assert len(tx.outgoing.find_all(AGENCY)) == 1


def test_two_statuses_of_one_recipient_are_both_counted(
    store: Store, new_delivery: Callable[..., NewDelivery], clock: Clock
) -> None:
    """What two workers enter at once is entered one after the other (business rules, "recorded, never dropped")."""
    with store.transaction("test") as tx:
        row = tx.deliveries.add(new_delivery())
    _at_once(store, lambda tx: tx.recipients.record_status(row, "G22", "06", reported_at=clock.now, description=None))
    with store.snapshot() as tx:
        assert tx.recipients.find(row.id, "G22").out_of_order == 2


def test_claims_pass_over_rows_that_another_transaction_holds(
    store: Store, new_delivery: Callable[..., NewDelivery]
) -> None:
    """SKIP LOCKED: a second worker takes the next row and does not wait (DESIGN, "rows are claimed with a lease")."""
    with store.transaction("test") as tx:
        for name in ("a", "b"):
            tx.deliveries.add(new_delivery(document_id=name))
    with store.transaction("one") as first, store.transaction("two") as second:
        taken = [
            tx.leases.claim(DELIVERIES, Lease(tx.actor, 60), agency=AGENCY, states=[DeliveryState.READY])[0]
            for tx in (first, second)
        ]
    assert [row["document_id"] for row in taken] == ["a", "b"]


def _cut_off(store: Store, new: NewDelivery, server: PostgresServer) -> None:
    with store.transaction("test") as tx:
        tx.deliveries.add(new)
        server.stop()


def test_row_24_the_server_is_restarted(
    own_server: PostgresServer,
    tmp_path: Path,
    new_delivery: Callable[..., NewDelivery],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bounded retries and an error while it is away, nothing half written, and it goes on afterwards (faults, 24)."""
    monkeypatch.setattr(engine_module, "RECONNECT_SECONDS", 0.2)
    with Store.open(own_server.create_database("store"), spool=tmp_path / "spool") as store:
        with store.transaction("test") as tx:
            tx.deliveries.add(new_delivery(document_id="before"))
        with pytest.raises(StoreError, match="cannot be reached") as caught:
            _cut_off(store, new_delivery(document_id="during"), own_server)
        assert "máy chủ cơ sở dữ liệu" in caught.value.vi
        with pytest.raises(StoreError, match="cannot be reached"), store.snapshot():
            pass
        own_server.start()
        with store.transaction("test") as tx:
            tx.deliveries.add(new_delivery(document_id="after"))
            assert [row.document_id for row in tx.deliveries.find_all(AGENCY)] == ["after", "before"]


def test_row_24_a_server_that_comes_back_is_waited_for(own_server: PostgresServer, tmp_path: Path) -> None:
    """A restart within the time for reconnecting is no error at all (faults, row 24)."""
    with Store.open(own_server.create_database("store"), spool=tmp_path / "spool") as store:
        own_server.stop()
        starting = threading.Thread(target=own_server.start)
        starting.start()
        with store.snapshot() as tx:
            assert tx.deliveries.find_all(AGENCY) == []
        starting.join()


def test_reading_sees_one_state(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """What is committed meanwhile is not in it, and nothing can be written (faults, row 24)."""
    with store.snapshot() as tx:
        assert tx.deliveries.find_all(AGENCY) == []
        with store.transaction("other") as writing:
            writing.deliveries.add(new_delivery())
        assert tx.deliveries.find_all(AGENCY) == []
    with pytest.raises(StoreError, match="cannot be written"), store.snapshot() as tx:
        tx.deliveries.add(new_delivery(document_id="b"))
