"""The tables of states and moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date, datetime

import pytest
from sqlalchemy import create_engine, insert, text
from sqlalchemy.exc import IntegrityError

from edoc_connector.errors import StoreError
from edoc_connector.store import DELIVERIES, MACHINES, NewDelivery, StateMachine, Store
from edoc_connector.store._sql.schema import TABLES

IDS = [machine.subject for machine in MACHINES]


@pytest.mark.parametrize("machine", MACHINES, ids=IDS)
def test_every_state_can_be_reached(machine: StateMachine) -> None:
    """No state is an island (DESIGN, "states and their moves stand in one table")."""
    reached: set[str | None] = set()
    front: set[str | None] = {None}
    while front:
        follow: set[str | None] = {move.new for move in machine.transitions if move.old in front}
        front = follow - reached
        reached |= front
    assert reached == set(machine.states)


@pytest.mark.parametrize("machine", MACHINES, ids=IDS)
def test_a_leased_state_can_be_left(machine: StateMachine) -> None:
    """Rows that a dead worker held go on (faults, row 7)."""
    for state in machine.leased_states:
        assert machine.list_next_states(state)


def _filler(machine: StateMachine, now: datetime) -> dict[str, object]:
    """A row with something in every column that needs it."""
    by_type = {int: 1, str: "status", bytes: "00" * 32, datetime: now, date: now.date()}
    columns = TABLES[machine.table_name].columns
    given = [column for column in columns if not column.nullable and not column.primary_key]
    needed = [column for column in given if column.default is None and column.server_default is None]
    stored = {column.name: getattr(column.type, "impl_instance", column.type) for column in needed}
    return {name: by_type[kind.python_type] for name, kind in stored.items()}


@pytest.mark.parametrize("machine", MACHINES, ids=IDS)
def test_the_database_refuses_the_moves_that_the_table_lacks(machine: StateMachine, store: Store, url: str) -> None:
    """A trigger holds the table of moves, whoever writes (DESIGN, "states and their moves stand in one table")."""
    values = _filler(machine, store.clock())
    engine = create_engine(url)
    table = TABLES[machine.table_name]
    firsts = set(machine.list_next_states(None))
    with engine.connect() as connection:
        for state in set(machine.states) - firsts:
            with pytest.raises(IntegrityError, match="no such first state"), connection.begin_nested():
                connection.execute(insert(table).values({**values, "state": state}))
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(insert(table).values({**values, "state": "nonsense"}))
        connection.rollback()
        on_table = f" ON {machine.table_name}" if engine.dialect.name == "postgresql" else ""
        connection.exec_driver_sql(f"DROP TRIGGER {machine.table_name}_first{on_table}")
        connection.commit()
        for old, new in itertools.product(machine.states, repeat=2):
            connection.execute(insert(table).values({**values, "state": old}))
            allowed = old == new or machine.find_transition(old, new) is not None
            change = text(f"UPDATE {machine.table_name} SET state = :new")
            if allowed:
                connection.execute(change, {"new": new})
            else:
                with pytest.raises(IntegrityError, match="no such move"):
                    connection.execute(change, {"new": new})
            connection.rollback()
    engine.dispose()


def test_a_move_that_is_not_in_the_table_is_refused_in_code(
    store: Store, new_delivery: Callable[..., NewDelivery]
) -> None:
    """Illegal moves are impossible and named (DESIGN, "states and their moves stand in one table")."""
    with store.transaction("test") as tx:
        row = tx.deliveries.add(new_delivery())
    with (
        pytest.raises(StoreError, match="may not go from ready to sent; allowed: sending") as caught,
        store.transaction("test") as tx,
    ):
        tx.transitions.move(DELIVERIES, row.id, old="ready", new="sent")
    assert "không được chuyển" in caught.value.vi
