"""Compiled statements return and raise the same as through SQLAlchemy, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from edoc_connector.errors import StoreError
from edoc_connector.store import DELIVERIES, NewDelivery, Store
from edoc_connector.store._sql import schema
from edoc_connector.store._sql.compiled import (
    MAX_KEYS,
    CompiledStatement,
    execute_directly,
    hear_statements,
    split_keys,
)

T = schema.deliveries
AT = datetime(2026, 11, 20, 3, 0, 0, 7, tzinfo=UTC)
SELECT_ALL = CompiledStatement(
    select(T).where(T.c.agency == bindparam("agency"), T.c.state.in_(["ready", "sending"])).order_by(T.c.id)
)
POSTPONE = CompiledStatement(update(T).where(T.c.id == bindparam("row_id")).returning(T.c.id, T.c.next_attempt_at))
INSERT_ENTRY = CompiledStatement(insert(schema.timeline))


def _entry(key: int) -> dict[str, object]:
    return {"subject": "delivery", "subject_id": key, "at": AT, "actor": "me", "new": "x", "detail": "d"}


@pytest.mark.parametrize("heard", [False, True], ids=["driver", "listened-to"])
def test_rows_are_the_same_either_way(store: Store, new_delivery: Callable[..., NewDelivery], heard: bool) -> None:
    """Lists in the statement, defaults of columns, times and dates; and a listener hears each statement."""
    statements: list[str] = []
    if heard:
        hear_statements(store._engine, lambda *given: statements.append(given[2]))
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
        (moved,) = POSTPONE.fetch_all(tx.connection, {"row_id": 1, "next_attempt_at": AT})
        assert dict(moved) == {"id": 1, "next_attempt_at": AT}
        assert INSERT_ENTRY.execute_many(tx.connection, [_entry(1), _entry(2)]) == 2
        assert INSERT_ENTRY.fetch_all(tx.connection, _entry(3)) == []
        (row,) = SELECT_ALL.fetch_all(tx.connection, {"agency": "H29.05"})
        known = tx.connection.execute(select(T)).mappings().one()
        assert dict(row) == dict(known)
        assert SELECT_ALL.fetch_first(tx.connection, {"agency": "nobody"}) is None
    assert bool(statements) is heard


def test_a_connection_that_is_open_already_is_heard(store: Store) -> None:
    """A new listener hears the next statement on any connection, and those around it."""
    with store.snapshot() as tx:
        assert SELECT_ALL.fetch_all(tx.connection, {"agency": "H29.05"}) == []
    heard: list[str] = []
    hear_statements(store._engine, lambda *given: heard.append(given[2]))
    with store.snapshot() as tx:
        assert SELECT_ALL.fetch_all(tx.connection, {"agency": "H29.05"}) == []
    sqlite = store._engine.dialect.name == "sqlite"
    assert [one.split()[0] for one in heard] == ["BEGIN", "SELECT"][not sqlite :]


def test_an_error_is_sqlalchemys(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """So that one place maps all of them; and it repeats no value."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
    with pytest.raises(StoreError, match="breaks its rules") as caught, store.transaction("test") as tx:
        CompiledStatement(update(T).where(T.c.id == bindparam("row_id"))).fetch_all(
            tx.connection, {"row_id": 1, "fence": None}
        )
    assert isinstance(caught.value.__cause__, IntegrityError)
    with pytest.raises(StoreError) as caught, store.transaction("test") as tx:
        INSERT_ENTRY.execute_many(tx.connection, [{**_entry(1), "actor": None}])
    assert isinstance(caught.value.__cause__, IntegrityError)
    assert "[parameters: " not in str(caught.value.__cause__)
    with pytest.raises(StoreError) as caught, store.snapshot() as tx:
        execute_directly(tx.connection, "NONSENSE")
    assert isinstance(caught.value.__cause__, DBAPIError)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_server_that_ends_the_connection(store: Store) -> None:
    """A connection that the server ended is not used again (faults, row 24)."""

    def ended() -> None:
        with store.snapshot() as tx:
            with store.snapshot() as other:
                pid = tx.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
                other.connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid}), pg_sleep(0.2)")
            SELECT_ALL.fetch_all(tx.connection, {"agency": "H29.05"})

    with pytest.raises(StoreError, match="cannot be reached"):
        ended()
    with store.snapshot() as tx:
        assert SELECT_ALL.fetch_all(tx.connection, {"agency": "H29.05"}) == []


def test_a_list_longer_than_a_statement_takes(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """A full register is listed as a short one is (issue, "1,000,000 rows in the store")."""
    with store.transaction("test") as tx:
        key = tx.deliveries.add(new_delivery()).id
    keys = [*range(key + 1, key + 70_001), key]
    with store.snapshot() as tx:
        assert len(tx.timeline.load_timelines(DELIVERIES, keys)[key]) == 1
        assert len(tx.recipients.load(keys)[key]) == 2
        assert tx.deliveries.load_targets(keys)[key] == ()


def test_pieces_hold_every_key_once() -> None:
    """Parts of a list hold every key once, in order, and none is empty (issue, "1,000,000 rows in the store")."""
    keys = list(range(MAX_KEYS * 2 + 1))
    parts = list(split_keys(keys))
    assert [len(part) for part in parts] == [MAX_KEYS, MAX_KEYS, 1]
    assert [key for part in parts for key in part] == keys
    assert list(split_keys([])) == []


def test_a_statement_that_the_driver_refuses(store: Store, url: str) -> None:
    """The error of a statement that the driver refuses does not say that the server is away."""
    query = select(T.c.id).where(T.c.id.in_(bindparam("keys", expanding=True)))
    with pytest.raises(StoreError) as caught, store.snapshot() as tx:
        tx.connection.execute(query, {"keys": list(range(300_000 if url.startswith("sqlite") else 70_000))})
    assert "cannot be reached" not in caught.value.message
