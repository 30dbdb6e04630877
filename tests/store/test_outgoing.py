"""What was refused is found in one query, however much it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from edoc_connector.store import OutgoingRow, OutgoingState, Store
from edoc_connector.store._sql import hear_statements
from edoc_connector.store.deliveries import NewDelivery
from edoc_connector.store.work import Lease

AGENCY = "H29.05"
_LEASE = Lease("worker", 60.0)


def _refuse(store: Store, delivery_id: int, recipient: str, *, then_sent: bool = False) -> None:
    """Have the hub refuse a status about a delivery, and perhaps take a later one of its lane."""
    states = [OutgoingState.FAILED, *([OutgoingState.SENT] if then_sent else [])]
    for state in states:
        with store.transaction() as tx:
            tx.outgoing.enqueue_status(
                agency=AGENCY, code="13", recipient=recipient, message="{}", delivery_id=delivery_id
            )
            (row,) = tx.outgoing.claim_batch(_LEASE, agency=AGENCY)
            tx.outgoing.move(row, state, error_code="PacketRefused" if state is OutgoingState.FAILED else None)


def test_what_was_refused_is_one_query(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """The list, with the documents concerned, and the gauges do not ask once for each row (14.11, lists)."""
    with store.transaction() as tx:
        deliveries = [tx.deliveries.add(new_delivery(document_id=f"d-{number}")) for number in range(4)]
    for number, delivery in enumerate(deliveries):
        _refuse(store, delivery.id, "G22")
        _refuse(store, delivery.id, "H30", then_sent=number % 2 == 0)
    heard: list[str] = []

    def hear(_: Connection, __: object, statement: str, *___: Any) -> None:
        heard.append(statement)

    hear_statements(store._engine, hear)
    with store.snapshot() as tx:
        heard.clear()
        refused = tx.outgoing.list_refused(AGENCY)
        assert len([one for one in heard if one.startswith("SELECT")]) == 1
        counts = tx.outgoing.count_refused(AGENCY)
        about: list[OutgoingRow] = tx.outgoing.list_refused_about(AGENCY, delivery_ids=[deliveries[1].id])
        others = tx.outgoing.list_refused("G99")
    expected = [("d-0", "G22"), ("d-1", "G22"), ("d-1", "H30"), ("d-2", "G22"), ("d-3", "G22"), ("d-3", "H30")]
    assert [(document_id, row.recipient) for row, document_id in refused] == expected
    assert counts == {"status": 6}
    assert [row.recipient for row in about] == ["G22", "H30"]
    assert others == []
