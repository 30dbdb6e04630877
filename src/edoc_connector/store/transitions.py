"""Transitions: the one way to insert a row, and to move it from one state to another.

A move is looked up in the tables of `state_machine`, made with compare-and-set on the state (and on the fencing token,
where a worker holds the row), and written to the timeline in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Table, Update, and_, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from .._core import Text
from ..errors import StoreError
from ._sql import TABLES, CompiledStatement, Row
from .log import get_identity_columns
from .state_machine import StateMachine, Transition

if TYPE_CHECKING:
    from .transaction import Tx


class LeaseLost(StoreError):
    """Another worker took the row over; what this one wanted to write was not written."""


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A row that is held, and what to set when it is moved together with others.

    Args:
        row_id: the row.
        fencing_token: of the holder's lease; None where nobody holds it.
        values: columns to set; the same ones in all rows.
        detail: what happened, for the timeline.
    """

    row_id: int
    fencing_token: int | None
    values: Mapping[str, Any] = field(default_factory=dict)
    detail: Text | str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A further condition of a move.

    Args:
        clause: the condition; always the same object, for the statement is made once for it.
        values: what is bound in it.
    """

    clause: ColumnElement[bool]
    values: Mapping[str, Any]


@dataclass(slots=True, eq=False)
class Transitions:
    """Inserts rows and moves them from state to state, each time with a row in the timeline.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def insert_row(self, machine: StateMachine, values: dict[str, Any], *, state: str, detail: Text | str = "") -> int:
        """Insert a row in its first state; returns its key."""
        transition = machine.require_transition(None, state)
        row = {
            "next_attempt_at": self._tx.now,
            **values,
            "state": state,
            "created_at": self._tx.now,
            "updated_at": self._tx.now,
        }
        inserted = _compile_insert(TABLES[machine.table_name]).fetch_all(self._tx.connection, row)[0]
        return int(self._record_insert(machine, inserted, transition, detail)["id"])

    def insert_row_once(
        self,
        machine: StateMachine,
        values: dict[str, Any],
        *,
        unique_columns: Sequence[str],
        state: str,
        detail: Text | str = "",
    ) -> Row | None:
        """Insert a row, unless there is one with the same values in some columns; returns the row, or None.

        A row that another transaction is about to insert is waited for.

        Args:
            machine: the kind of row.
            values: its columns.
            unique_columns: the columns whose values only one row may have.
            state: its first state.
            detail: words for the timeline, in place of the move's own cause.
        """
        return next(
            iter(self.insert_rows_once(machine, [values], unique_columns=unique_columns, state=state, detail=detail)),
            None,
        )

    def insert_rows_once(
        self,
        machine: StateMachine,
        rows: Sequence[dict[str, Any]],
        *,
        unique_columns: Sequence[str],
        state: str,
        detail: Text | str = "",
    ) -> list[Row]:
        """Insert several rows in one go; those that are there already are left out of the result."""
        transition = machine.require_transition(None, state)
        fixed = {"state": state, "created_at": self._tx.now, "updated_at": self._tx.now}
        complete_rows = [{"next_attempt_at": self._tx.now, **values, **fixed} for values in rows]
        dialect = self._tx.connection.dialect.name
        inserted: Sequence[Row]
        if len(complete_rows) == 1:
            inserted = _compile_insert_once(TABLES[machine.table_name], dialect, tuple(unique_columns)).fetch_all(
                self._tx.connection, complete_rows[0]
            )
        else:
            query = _build_insert_once(TABLES[machine.table_name], dialect, tuple(unique_columns))
            inserted = sorted(
                self._tx.connection.execute(query, complete_rows).mappings(), key=lambda row: int(row["id"])
            )
        return [self._record_insert(machine, row, transition, detail) for row in inserted]

    def _record_insert(self, machine: StateMachine, inserted: Row, transition: Transition, detail: Text | str) -> Row:
        row_id = int(inserted["id"])
        self._tx.identities[machine.subject, row_id] = inserted
        if detail:
            self._tx.timeline.record_change(machine, row_id, old=None, new=transition.new, detail=detail)
        else:
            self._tx.timeline.record_move(machine, row_id, transition)
        return inserted

    def move(
        self,
        machine: StateMachine,
        row_id: int,
        *,
        old: str,
        new: str,
        fencing_token: int | None = None,
        detail: Text | str = "",
        cause: Text | None = None,
        condition: Condition | None = None,
        **values: Any,
    ) -> None:
        """Move a row from one state to another.

        Args:
            machine: the kind of row; its table of moves decides.
            row_id: the row.
            old: the state the caller believes the row to be in.
            new: the state to move to.
            fencing_token: that of the caller's lease, where it holds one.
            detail: what happened, for the timeline; the move's own cause is put in front.
            cause: what made it happen, in place of the move's own cause and the detail.
            condition: a further condition on the row.
            values: further columns to set.

        Raises:
            StoreError: no such move exists.
            LeaseLost: the row is in another state by now, or another worker holds it, or the condition does not hold.
        """
        transition = machine.require_transition(old, new)
        self.compare_and_set(
            machine,
            row_id,
            old,
            fencing_token,
            {**_build_entry_columns(machine, new), **values, "state": new},
            condition,
        )
        if cause is None:
            self._tx.timeline.record_move(machine, row_id, transition, detail)
        else:
            self._tx.timeline.record_change(machine, row_id, old=old, new=new, detail=cause)

    def move_returning_row(
        self,
        machine: StateMachine,
        row_id: int,
        *,
        old: str,
        new: str,
        fencing_token: int | None = None,
        detail: Text | str = "",
        **values: Any,
    ) -> Row:
        """Move a row as `move` does; returns the whole row as it is afterwards."""
        transition = machine.require_transition(old, new)
        bound_values = {
            **_build_entry_columns(machine, new),
            **values,
            "state": new,
            "updated_at": self._tx.now,
            **_build_guard_values(row_id, old, fencing_token),
        }
        row = _compile_update_returning_row(TABLES[machine.table_name], fencing_token is not None).fetch_first(
            self._tx.connection, bound_values
        )
        if row is None:
            raise build_lease_lost_error(machine, row_id, old)
        self._tx.identities[machine.subject, row_id] = row
        self._tx.timeline.record_move(machine, row_id, transition, detail)
        return row

    def move_all(self, machine: StateMachine, rows: Sequence[HeldRow], *, old: str, new: str) -> None:
        """Move rows that are in one state and set the same columns, in one go: all of them or none.

        Raises:
            StoreError: no such move exists.
            LeaseLost: one of them is in another state by now, or another worker holds it.
        """
        transition = machine.require_transition(old, new)
        fixed = _build_entry_columns(machine, new)
        self.update_all(
            machine,
            [replace(held_row, values={**fixed, **held_row.values, "state": new}) for held_row in rows],
            state=old,
        )
        for held_row in rows:
            self._tx.timeline.record_move(machine, held_row.row_id, transition, held_row.detail)

    def update_all(self, machine: StateMachine, rows: Sequence[HeldRow], *, state: str) -> None:
        """Update rows that are in one state, in one go; the timeline is not told.

        Raises:
            LeaseLost: one of them is in another state by now, or another worker holds it.
        """
        if not rows:
            return
        bound_rows = [
            {
                **held_row.values,
                "updated_at": self._tx.now,
                **_build_guard_values(held_row.row_id, state, held_row.fencing_token),
            }
            for held_row in rows
        ]
        if _compile_update_many(TABLES[machine.table_name], rows[0].fencing_token is not None).execute_many(
            self._tx.connection, bound_rows
        ) != len(rows):
            raise build_lease_lost_error(machine, rows[0].row_id, state)
        if not rows[0].values.keys().isdisjoint(get_identity_columns(machine.subject)):
            for held_row in rows:
                self._tx.identities.pop((machine.subject, held_row.row_id), None)

    def has_rows(self, machine: StateMachine, agency: str) -> bool:
        """Whether there is any row of an agency."""
        query = _compile_presence_query(TABLES[machine.table_name])
        return query.fetch_first(self._tx.connection, {"agency": agency}) is not None

    def count_by_state(self, machine: StateMachine, agency: str) -> dict[str, int]:
        """Count an agency's rows by state."""
        table = TABLES[machine.table_name]
        query = select(table.c.state, func.count()).where(table.c.agency == agency).group_by(table.c.state)
        return {str(state): int(count) for state, count in self._tx.connection.execute(query)}

    def compare_and_set(
        self,
        machine: StateMachine,
        row_id: int,
        state: str,
        fencing_token: int | None,
        values: dict[str, Any],
        condition: Condition | None = None,
    ) -> None:
        bound_values, clause = ({}, None) if condition is None else (condition.values, condition.clause)
        query = _compile_update_returning_identity(
            TABLES[machine.table_name], machine.subject, fencing_token is not None, clause
        )
        row = query.fetch_first(
            self._tx.connection,
            {**values, "updated_at": self._tx.now, **_build_guard_values(row_id, state, fencing_token), **bound_values},
        )
        if row is None:
            raise build_lease_lost_error(machine, row_id, state)
        self._tx.identities[machine.subject, row_id] = row


def _build_guard_values(row_id: int, state: str, fencing_token: int | None) -> dict[str, Any]:
    return {"row_id": row_id, "row_state": state} | ({} if fencing_token is None else {"row_fence": fencing_token})


def _build_entry_columns(machine: StateMachine, new: str) -> dict[str, Any]:
    """Build the columns that entering a state sets: its lease ends, and the row is marked with what it was."""
    released = {} if new in machine.leased_states else {"lease_owner": None, "lease_until": None}
    return {**released, **machine.marks.get(new, {})}


def build_lease_lost_error(machine: StateMachine, row_id: int, state: str) -> LeaseLost:
    """Build the error for a row that somebody else moved or took."""
    return LeaseLost(
        f"{machine.subject} {row_id} is no longer {state} in this worker's hands: another one took it over, "
        "and nothing was written.",
        vi=f"{machine.subject} {row_id} không còn ở tình trạng {state} do tiến trình này giữ: "
        "tiến trình khác đã nhận, nên không ghi gì.",
    )


# Statements that every message needs are made once: making one costs several times what running it does.


@cache
def _compile_insert(table: Table) -> CompiledStatement:
    """Compile the insert of a row, which returns it."""
    return CompiledStatement(insert(table).returning(table))


@cache
def _build_insert_once(table: Table, dialect: str, unique_columns: Sequence[str]) -> ReturningInsert[Any]:
    """Build the insert of rows that returns them, without those of which there is one with the same unique values."""
    module = postgresql if dialect == "postgresql" else sqlite
    query = module.insert(table).on_conflict_do_nothing(index_elements=list(unique_columns))
    returning: ReturningInsert[Any] = query.returning(table)
    return returning


@cache
def _compile_insert_once(table: Table, dialect: str, unique_columns: Sequence[str]) -> CompiledStatement:
    """Compile the insert of `_build_insert_once`, for a single row."""
    return CompiledStatement(_build_insert_once(table, dialect, unique_columns))


@cache
def _compile_update_returning_identity(
    table: Table, subject: str, fenced: bool, where: ColumnElement[bool] | None
) -> CompiledStatement:
    """Compile the update of a row in a state, and held; returns its identity in the evidence."""
    query = _build_guarded_update(table, fenced)
    return CompiledStatement(
        (query if where is None else query.where(where)).returning(
            *(table.c[column] for column in get_identity_columns(subject))
        )
    )


@cache
def _compile_update_returning_row(table: Table, fenced: bool) -> CompiledStatement:
    """Compile the update of a row in a state, and held; returns the whole row."""
    return CompiledStatement(_build_guarded_update(table, fenced).returning(table))


@cache
def _compile_update_many(table: Table, fenced: bool) -> CompiledStatement:
    """Compile the update of many rows in a state, and held; returns none."""
    return CompiledStatement(_build_guarded_update(table, fenced))


@cache
def _compile_presence_query(table: Table) -> CompiledStatement:
    """Compile the query for any row of an agency."""
    return CompiledStatement(select(table.c.id).where(table.c.agency == bindparam("agency")).limit(1))


def _build_guarded_update(table: Table, fenced: bool) -> Update:
    conditions = [table.c.id == bindparam("row_id"), table.c.state == bindparam("row_state")]
    if fenced:
        conditions.append(table.c.fence == bindparam("row_fence"))
    return update(table).where(and_(*conditions))
