"""What happened, in the order it happened. Rows are only ever added; a trigger in the database sees to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select

from .._core import split_languages
from ._sql import schema
from ._sql.compiled import CompiledStatement, Row, split_keys
from .audit_log import AuditEvent
from .rows import TimelineRow
from .state_machine import MACHINES, StateMachine

if TYPE_CHECKING:
    from .transaction import Tx

TABLE = schema.timeline
DETAIL_LIMIT = 2000

_INSERT = CompiledStatement(insert(TABLE))
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


@dataclass(slots=True, eq=False)
class Timeline:
    """Tells what happened to the rows.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def record_change(
        self,
        machine: StateMachine,
        row_id: int,
        *,
        old: str | None,
        new: str,
        detail: str,
        actor: str | None = None,
        recipient: str | None = None,
    ) -> None:
        """Append a row to the timeline.

        Args:
            machine: what kind of thing it is about.
            row_id: which one.
            old: state or status code before.
            new: state or status code after.
            detail: what happened.
            actor: who did it, if not the transaction's actor.
            recipient: the organisation it is about, where one recipient is meant.
        """
        row = {
            "subject": machine.subject,
            "subject_id": row_id,
            "at": self._tx.now,
            "actor": actor or self._tx.actor,
            "old": old,
            "new": new,
            "recipient": recipient,
            "detail": detail[:DETAIL_LIMIT],
        }
        self._tx.timeline_rows.append(row)
        details = {name: row[name] for name in ("old", "new", "recipient", "detail") if row[name]}
        self._tx.audit_events.append(AuditEvent("change", machine.subject, row_id, actor or self._tx.actor, details))

    def write(self) -> None:
        """Write to the timeline what was recorded so far, in one go."""
        if self._tx.timeline_rows:
            _INSERT.execute_many(self._tx.connection, self._tx.timeline_rows)
            self._tx.timeline_rows.clear()

    def load_timelines(self, machine: StateMachine, row_ids: Sequence[int]) -> dict[int, tuple[TimelineRow, ...]]:
        """The timelines of some rows, by key."""
        self.write()
        found: dict[int, list[TimelineRow]] = {key: [] for key in row_ids}
        for row in self._select_rows(machine.subject, row_ids):
            found[row["subject_id"]].append(TimelineRow.from_row(row))
        return {key: tuple(rows) for key, rows in found.items()}

    def _select_rows(self, subject: str, row_ids: Sequence[int]) -> Iterable[Row]:
        if len(row_ids) == 1:
            return _ROWS_OF_ONE.fetch_all(self._tx.connection, {"subject": subject, "key": row_ids[0]})
        return (
            row
            for chunk in split_keys(row_ids)
            for row in self._tx.connection.execute(_ROWS_OF_MANY, {"subject": subject, "keys": chunk}).mappings()
        )

    def has_been_in_state(self, machine: StateMachine, row_id: int, state: str) -> bool:
        """Whether a row ever was in a state."""
        self.write()
        query = (
            select(TABLE.c.id)
            .where(TABLE.c.subject == machine.subject, TABLE.c.subject_id == row_id, TABLE.c.new == state)
            .limit(1)
        )
        return self._tx.connection.execute(query).first() is not None


def describe_entry(entry: TimelineRow) -> tuple[str, str]:
    """What an entry says, in English and Vietnamese: the move's cause first, where the entry is about a move."""
    en, vi = split_languages(entry.detail)
    machine = next((candidate for candidate in MACHINES if candidate.subject == entry.subject), None)
    move = machine.find_transition(entry.old, entry.new) if machine else None
    if move is None or not en.startswith(move.cause):
        return en, vi
    remainder = vi.removeprefix(move.cause).removeprefix(": ")
    return en, f"{move.cause_vi}: {remainder}" if remainder else move.cause_vi
