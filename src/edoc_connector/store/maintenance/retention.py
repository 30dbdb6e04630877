"""Retention of packets: which of those that rows of every kind name the spool has to keep, and which are finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, exists, or_, select, update

from ...edxml import StatusCode
from .._sql import TABLES
from ..log import PRUNED_TABLE
from ..rows import CONFIRM, TAKE_BACK_KIND
from ..state_machine import (
    DELIVERIES,
    MACHINES,
    OUTGOING,
    RECEIPTS,
    DeliveryState,
    OutgoingState,
    ReceiptState,
    StateMachine,
)
from ..status_rules import Change

if TYPE_CHECKING:
    from ..transaction import Tx

# Finished rows: nobody will send them, hand them out or answer them any more.
_FINISHED_STATES: Mapping[StateMachine, tuple[str, ...]] = {
    DELIVERIES: (DeliveryState.SENT, DeliveryState.FAILED),
    RECEIPTS: (ReceiptState.CONFIRMED, ReceiptState.DUPLICATE, ReceiptState.QUARANTINED),
    OUTGOING: (OutgoingState.SENT, OutgoingState.FAILED),
}

# Answered by 15 or 16, for which the packet that asks is read once more.
_KINDS_ASKING_ANSWER = ("recall", "update", "replace")


@dataclass(frozen=True, slots=True)
class PacketRow:
    """A row that has a packet."""

    machine: StateMachine
    key: int
    state: str
    file: str
    sha256: str
    fencing_token: int


@dataclass(slots=True, eq=False)
class PacketRetention:
    """Lists the packets of all rows together, and which of them are finished.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def list_rows(self, agency: str) -> list[PacketRow]:
        """List the rows of an agency that have a packet."""
        return [row for machine in MACHINES for row in self._select_rows(agency, machine)]

    def list_finished(self, agency: str, changed_before: datetime) -> list[PacketRow]:
        """List the rows of an agency whose packet nobody needs any more, and that did not change since."""
        return [
            row
            for machine in MACHINES
            for row in self._select_rows(agency, machine, *_match_finished(machine, changed_before))
        ]

    def fence_off_finished(self, row: PacketRow, changed_before: datetime) -> bool:
        """Fence off whoever read a finished row before; whether it is unchanged, and finished still."""
        table = TABLES[row.machine.table_name]
        unchanged = [table.c.id == row.key, table.c.fence == row.fencing_token, table.c.spool_file == row.file]
        statement = update(table).where(*unchanged, *_match_finished(row.machine, changed_before))
        return self._tx.connection.execute(statement.values(fence=row.fencing_token + 1)).rowcount == 1

    def list_named_files(self) -> set[str]:
        """List every packet that a row of any agency names: agencies may share a spool."""
        return {name for machine in MACHINES for name in self._select_named_files(machine)}

    def list_agencies(self) -> set[str]:
        """List the agencies whose packets this database names."""
        queries = [select(TABLES[machine.table_name].c.agency).distinct() for machine in MACHINES]
        return {agency for query in queries for agency in self._tx.connection.execute(query).scalars()}

    def _select_named_files(self, machine: StateMachine) -> Iterator[str]:
        table = TABLES[machine.table_name]
        query = select(table.c.spool_file).where(table.c.spool_file.is_not(None))
        yield from self._tx.connection.execute(query).scalars()

    def _select_rows(self, agency: str, machine: StateMachine, *conditions: ColumnElement[bool]) -> Iterator[PacketRow]:
        table = TABLES[machine.table_name]
        query = select(table.c.id, table.c.state, table.c.spool_file, table.c.sha256, table.c.fence)
        query = query.where(table.c.agency == agency, table.c.spool_file.is_not(None), *conditions)
        for columns in self._tx.connection.execute(query.order_by(table.c.id)):
            yield PacketRow(machine, *columns)


def _match_finished(machine: StateMachine, changed_before: datetime) -> list[ColumnElement[bool]]:
    """Build the conditions that nobody needs a row's packet: it is finished, unchanged since, and not removed yet."""
    table = TABLES[machine.table_name]
    conditions: list[ColumnElement[bool]] = [
        table.c.state.in_([str(state) for state in _FINISHED_STATES[machine]]),
        table.c.updated_at < changed_before,
        ~exists().where(PRUNED_TABLE.c.spool_file == table.c.spool_file),
    ]
    if machine is not OUTGOING:
        O = TABLES["outgoing"]  # noqa: E741, N806  a table
        subject_id = O.c.delivery_id if machine is DELIVERIES else O.c.receipt_id
        open_states = [str(state) for state in OutgoingState if state not in _FINISHED_STATES[OUTGOING]]
        conditions.append(~exists().where(and_(subject_id == table.c.id, O.c.state.in_(open_states))))
    if machine is RECEIPTS:
        conditions += _match_unawaited()
    return conditions


def _match_unawaited() -> list[ColumnElement[bool]]:
    """Build the conditions that nobody waits: no sender for our answer, no person for a packet that was set aside."""
    R, O = TABLES["receipts"], TABLES["outgoing"]  # noqa: E741, N806  tables
    target = R.alias("about")
    asks_back = exists().where(
        R.c.business == TAKE_BACK_KIND, target.c.agency == R.c.agency, target.c.document_id == R.c.document_id,
        target.c.sender == R.c.sender, target.c.change == Change.ASKED,
    )  # fmt: skip
    is_confirmed = exists().where(O.c.receipt_id == R.c.id, O.c.kind == CONFIRM)
    return [
        R.c.change.is_distinct_from(Change.ASKED),
        or_(
            R.c.state != ReceiptState.CONFIRMED,
            R.c.business.is_(None),
            R.c.business.not_in(_KINDS_ASKING_ANSWER),
            R.c.last_code != StatusCode.ARRIVED,
        ),
        ~asks_back,
        or_(R.c.state != ReceiptState.QUARANTINED, is_confirmed),
    ]
