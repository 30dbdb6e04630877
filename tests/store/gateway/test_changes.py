"""The feed of what changed: nothing is skipped, whatever order transactions are committed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edoc_connector.store import NewDelivery, Store

if TYPE_CHECKING:
    from tests.store.conftest import Clock


def read(store: Store, number: int = 0) -> list[int]:
    """Read the numbers behind one."""
    with store.snapshot() as tx:
        return [row.entry.id for row in tx.changes.read_after(number, limit=100)]


def test_a_young_gap_ends_the_page(store: Store, new_delivery: Callable[..., NewDelivery], clock: Clock) -> None:
    """On a server a number that was given and not committed yet is waited for; one that never comes, for a minute."""
    with store.transaction() as tx:
        tx.deliveries.add(new_delivery(document_id="a"))
    first = read(store)
    is_server = not store.url.startswith("sqlite")
    if is_server:
        with store.transaction() as tx:
            tx.connection.exec_driver_sql("SELECT nextval(pg_get_serial_sequence('timeline', 'id'))")
    with store.transaction() as tx:
        tx.deliveries.add(new_delivery(document_id="b"))
    assert len(read(store, first[-1])) == (0 if is_server else 1)
    clock.forward(61)
    assert len(read(store, first[-1])) == 1


def test_a_change_tells_what_it_is_about(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """Each entry has the agency and the document of its row."""
    with store.transaction() as tx:
        tx.deliveries.add(new_delivery())
    with store.snapshot() as tx:
        row = tx.changes.read_after(0, limit=1)[0]
        assert tx.changes.load([row.entry.id]) == {row.entry.id: row}
        assert tx.changes.find_last() == row.entry.id
    assert (row.agency, row.document_id, row.kind) == ("H29.05", "H29.05,2026/11/20,7816/SNV-VP", "new")
