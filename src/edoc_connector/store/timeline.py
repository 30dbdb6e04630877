"""What happened, in the order it happened. Rows are only ever added; a trigger in the database sees to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, select

from .._core import split_languages
from ._sql import schema
from ._sql.compiled import CompiledStatement, Row
from ._sql.pieces import split_keys
from .rows import TimelineRow
from .state_machine import MACHINES, StateMachine
from .transitions import Tx, write_timeline

TABLE = schema.timeline

_ROWS_OF_MANY = (
    select(TABLE)
    .where(TABLE.c.subject == bindparam("subject"), TABLE.c.subject_id.in_(bindparam("keys", expanding=True)))
    .order_by(TABLE.c.id)
)
_ROWS_OF_ONE = CompiledStatement(
    select(TABLE)
    .where(TABLE.c.subject == bindparam("subject"), TABLE.c.subject_id == bindparam("key"))
    .order_by(TABLE.c.id)
)


def load_timelines(tx: Tx, machine: StateMachine, row_ids: Sequence[int]) -> dict[int, tuple[TimelineRow, ...]]:
    """The timelines of some rows, by key."""
    write_timeline(tx)
    found: dict[int, list[TimelineRow]] = {key: [] for key in row_ids}
    for row in _select_rows(tx, machine.subject, row_ids):
        found[row["subject_id"]].append(TimelineRow.from_row(row))
    return {key: tuple(rows) for key, rows in found.items()}


def _select_rows(tx: Tx, subject: str, row_ids: Sequence[int]) -> Iterable[Row]:
    if len(row_ids) == 1:
        return _ROWS_OF_ONE.fetch_all(tx.connection, {"subject": subject, "key": row_ids[0]})
    return (
        row
        for chunk in split_keys(row_ids)
        for row in tx.connection.execute(_ROWS_OF_MANY, {"subject": subject, "keys": chunk}).mappings()
    )


def has_been_in_state(tx: Tx, machine: StateMachine, row_id: int, state: str) -> bool:
    """Whether a row ever was in a state."""
    write_timeline(tx)
    query = (
        select(TABLE.c.id)
        .where(TABLE.c.subject == machine.subject, TABLE.c.subject_id == row_id, TABLE.c.new == state)
        .limit(1)
    )
    return tx.connection.execute(query).first() is not None


def describe_entry(entry: TimelineRow) -> tuple[str, str]:
    """What an entry says, in English and Vietnamese: the move's cause first, where the entry is about a move."""
    en, vi = split_languages(entry.detail)
    machine = next((candidate for candidate in MACHINES if candidate.subject == entry.subject), None)
    move = machine.find_transition(entry.old, entry.new) if machine else None
    if move is None or not en.startswith(move.cause):
        return en, vi
    remainder = vi.removeprefix(move.cause).removeprefix(": ")
    return en, f"{move.cause_vi}: {remainder}" if remainder else move.cause_vi
