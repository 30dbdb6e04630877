"""Timelines of rows, in the order of events. Entries are only ever added; a trigger in the database sees to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select

from .._core import Text
from ._sql import TABLES, CompiledStatement, Row, split_keys
from .log import AuditEvent, join_languages
from .rows import TimelineRow, join_words
from .state_machine import StateMachine, Transition

if TYPE_CHECKING:
    from .transaction import Tx

TABLE = TABLES["timeline"]
DETAIL_LIMIT = 2000

_INSERT = CompiledStatement(insert(TABLE))
_ROWS_OF_MANY = (
    select(TABLE)
    .where(TABLE.c.subject == bindparam("subject"), TABLE.c.subject_id.in_(bindparam("row_ids", expanding=True)))
    .order_by(TABLE.c.id)
)
_ROWS_OF_ONE = CompiledStatement(
    select(TABLE)
    .where(TABLE.c.subject == bindparam("subject"), TABLE.c.subject_id == bindparam("row_id"))
    .order_by(TABLE.c.id)
)


@dataclass(slots=True, eq=False)
class Timeline:
    """Records what happened to rows, and loads it.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def record_move(self, machine: StateMachine, row_id: int, transition: Transition, detail: Text | str = "") -> None:
        """Record that a row was moved.

        Args:
            machine: what kind of thing it is about.
            row_id: which one.
            transition: the move, whose cause is put in front.
            detail: what happened besides; a person's own words as they are.
        """
        words = join_languages(detail)
        note = f"{transition.cause}: {words}" if words else transition.cause
        self._append(machine, row_id, (transition.old, transition.new), transition.describe(detail), note)

    def record_change(
        self,
        machine: StateMachine,
        row_id: int,
        *,
        old: str | None,
        new: str,
        detail: Text | str,
        actor: str | None = None,
        recipient: str | None = None,
        authority: str | None = None,
        stated_at: datetime | None = None,
    ) -> None:
        """Record a change of a row that is no move: a status, a request, a note.

        Args:
            machine: what kind of thing it is about.
            row_id: which one.
            old: state or status code before.
            new: state or status code after.
            detail: what happened; a person's own words as they are.
            actor: who did it, if not the transaction's actor.
            recipient: the organisation it is about, where one recipient is meant.
            authority: who vouches for it, where it came in.
            stated_at: the time that it gives itself, where it came in and gives one.
        """
        self._append(
            machine,
            row_id,
            (old, new),
            Text.of(detail),
            join_languages(detail),
            actor=actor,
            recipient=recipient,
            authority=authority,
            stated_at=stated_at,
        )

    def _append(
        self,
        machine: StateMachine,
        row_id: int,
        change: tuple[str | None, str],
        words: Text,
        note: str,
        *,
        actor: str | None = None,
        recipient: str | None = None,
        authority: str | None = None,
        stated_at: datetime | None = None,
    ) -> None:
        """Append an entry, and an event for the evidence with the words in its own form."""
        tx = self._tx
        old, new = change
        detail_text, detail_vi = join_words(Text(words.en[:DETAIL_LIMIT], words.vi[:DETAIL_LIMIT]))
        row = {
            "subject": machine.subject,
            "subject_id": row_id,
            "at": tx.now,
            "actor": actor or tx.actor,
            "old": old,
            "new": new,
            "recipient": recipient,
            "detail": detail_text,
            "detail_vi": detail_vi,
            "stated_at": stated_at,
            "authority": authority,
        }
        tx.timeline_rows.append(row)
        details = {
            "old": old,
            "new": new,
            "recipient": recipient,
            "detail": note[:DETAIL_LIMIT],
            "stated_at": stated_at and stated_at.isoformat(),
            "authority": authority,
        }
        told = {name: value for name, value in details.items() if value}
        tx.audit_events.append(AuditEvent("change", machine.subject, row_id, actor or tx.actor, told))

    def write(self) -> None:
        """Write the entries recorded so far, in one go."""
        if self._tx.timeline_rows:
            _INSERT.execute_many(self._tx.connection, self._tx.timeline_rows)
            self._tx.timeline_rows.clear()

    def load_timelines(self, machine: StateMachine, row_ids: Sequence[int]) -> dict[int, tuple[TimelineRow, ...]]:
        """Load the timelines of some rows, by key."""
        self.write()
        found: dict[int, list[TimelineRow]] = {key: [] for key in row_ids}
        for row in self._select_rows(machine.subject, row_ids):
            found[row["subject_id"]].append(TimelineRow.from_row(row))
        return {key: tuple(rows) for key, rows in found.items()}

    def _select_rows(self, subject: str, row_ids: Sequence[int]) -> Iterable[Row]:
        if len(row_ids) == 1:
            return _ROWS_OF_ONE.fetch_all(self._tx.connection, {"subject": subject, "row_id": row_ids[0]})
        return (
            row
            for chunk in split_keys(row_ids)
            for row in self._tx.connection.execute(_ROWS_OF_MANY, {"subject": subject, "row_ids": chunk}).mappings()
        )
