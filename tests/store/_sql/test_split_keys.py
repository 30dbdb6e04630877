"""Lists of more rows than a statement takes values, on both engines."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, select

from edoc_connector.errors import StoreError
from edoc_connector.store import DELIVERIES, Store
from edoc_connector.store._sql import schema
from edoc_connector.store._sql.compiled import MAX_KEYS, split_keys


def test_a_list_longer_than_a_statement_takes(store: Store, new_delivery) -> None:
    """A full register is listed as a short one is (issue, "1,000,000 rows in the store")."""
    with store.transaction("test") as tx:
        key = tx.deliveries.add(new_delivery()).id
    keys = [*range(key + 1, key + 70_001), key]
    with store.snapshot() as tx:
        assert len(tx.timeline.load_timelines(DELIVERIES, keys)[key]) == 1
        assert len(tx.deliveries.load_recipients(keys)[key]) == 2
        assert tx.deliveries.load_targets(keys)[key] == ()


def test_pieces_hold_every_key_once() -> None:
    """In order, and none is empty (issue, "1,000,000 rows in the store")."""
    keys = list(range(MAX_KEYS * 2 + 1))
    parts = list(split_keys(keys))
    assert [len(part) for part in parts] == [MAX_KEYS, MAX_KEYS, 1]
    assert [key for part in parts for key in part] == keys
    assert list(split_keys([])) == []


def test_a_statement_that_the_driver_refuses(store: Store, url: str) -> None:
    """The server is there: who reads the error does not look for it in vain, and nothing is tried again (issue)."""
    T = schema.deliveries  # noqa: N806  a table
    query = select(T.c.id).where(T.c.id.in_(bindparam("keys", expanding=True)))
    with pytest.raises(StoreError) as caught, store.snapshot() as tx:
        tx.connection.execute(query, {"keys": list(range(300_000 if url.startswith("sqlite") else 70_000))})
    assert "cannot be reached" not in caught.value.message
