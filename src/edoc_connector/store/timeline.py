"""What happened, in the order it happened. Rows are only ever added; a trigger in the database sees to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, select

from .._core.text import parted
from ._sql import schema
from ._sql.compiled import Hot, Row
from ._sql.pieces import pieces
from .rows import TimelineRow
from .state_machine import MACHINES, Machine
from .transitions import Tx, tell

T = schema.timeline

_OF = (
    select(T)
    .where(T.c.subject == bindparam("subject"), T.c.subject_id.in_(bindparam("keys", expanding=True)))
    .order_by(T.c.id)
)
_OF_ONE = Hot(select(T).where(T.c.subject == bindparam("subject"), T.c.subject_id == bindparam("key")).order_by(T.c.id))


def of(tx: Tx, machine: Machine, keys: Sequence[int]) -> dict[int, tuple[TimelineRow, ...]]:
    """The timelines of some rows, by key."""
    tell(tx)
    found: dict[int, list[TimelineRow]] = {key: [] for key in keys}
    for row in _rows(tx, machine.subject, keys):
        found[row["subject_id"]].append(TimelineRow.of(row))
    return {key: tuple(rows) for key, rows in found.items()}


def _rows(tx: Tx, subject: str, keys: Sequence[int]) -> Iterable[Row]:
    if len(keys) == 1:
        return _OF_ONE.rows(tx.connection, {"subject": subject, "key": keys[0]})
    return (
        row
        for some in pieces(keys)
        for row in tx.connection.execute(_OF, {"subject": subject, "keys": some}).mappings()
    )


def happened(tx: Tx, machine: Machine, key: int, state: str) -> bool:
    """Whether a row ever was in a state."""
    tell(tx)
    query = select(T.c.id).where(T.c.subject == machine.subject, T.c.subject_id == key, T.c.new == state).limit(1)
    return tx.connection.execute(query).first() is not None


def told(entry: TimelineRow) -> tuple[str, str]:
    """What an entry says, in English and Vietnamese: the move's cause first, where the entry is about a move."""
    en, vi = parted(entry.detail)
    machine = next((one for one in MACHINES if one.subject == entry.subject), None)
    move = machine.find(entry.old, entry.new) if machine else None
    if move is None or not en.startswith(move.cause):
        return en, vi
    more = vi.removeprefix(move.cause).removeprefix(": ")
    return en, f"{move.cause_vi}: {more}" if more else move.cause_vi
