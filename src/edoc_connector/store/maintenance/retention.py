"""Retention of packets: which of those that rows of every kind name the spool has to keep, and which are finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, update

from ...edxml import StatusCode
from .._sql import TABLES, split_keys
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
from .legal_holds import match_held

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
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class DocumentNames:
    """How a document is named in minutes; each may be empty."""

    document_id: str | None
    code: str | None
    issued_on: date | None


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

    def describe_documents(self, rows: Sequence[PacketRow]) -> dict[tuple[str, int], DocumentNames]:
        """Describe the documents that rows are about, by subject and key; a row about none is left out."""
        found: dict[tuple[str, int], DocumentNames] = {}
        for machine in MACHINES:
            keys = [row.key for row in rows if row.machine is machine]
            for chunk in split_keys(keys):
                for key, *names in self._tx.connection.execute(_build_names_query(machine, chunk)):
                    found[machine.subject, key] = DocumentNames(*names)
        return found

    def list_kept_packets(self, agency: str, document_id: str) -> set[str]:
        """List the packets of a document itself, sent or received, that were not removed on purpose."""
        found = set[str]()
        for name in (DELIVERIES.table_name, RECEIPTS.table_name):
            table = TABLES[name]
            is_removed = exists().where(PRUNED_TABLE.c.spool_file == table.c.spool_file)
            query = select(table.c.spool_file).where(
                table.c.agency == agency, table.c.document_id == document_id, table.c.spool_file.is_not(None)
            )
            if name == RECEIPTS.table_name:
                query = query.where(table.c.message_type == "edoc")
            found.update(self._tx.connection.execute(query.where(~is_removed)).scalars())
        return found

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
        query = select(table.c.id, table.c.state, table.c.spool_file, table.c.sha256, table.c.fence, table.c.updated_at)
        query = query.where(table.c.agency == agency, table.c.spool_file.is_not(None), *conditions)
        for columns in self._tx.connection.execute(query.order_by(table.c.id)):
            yield PacketRow(machine, *columns)


def _build_names_query(machine: StateMachine, keys: Sequence[int]) -> Select[Any]:
    """Build the query for the names of the documents that rows are about."""
    table, receipts, deliveries = TABLES[machine.table_name], TABLES["receipts"], TABLES["deliveries"]
    if machine is not OUTGOING:
        return select(table.c.id, table.c.document_id, table.c.code, table.c.issued_on).where(table.c.id.in_(keys))
    names = (func.coalesce(receipts.c[name], deliveries.c[name]) for name in ("document_id", "code", "issued_on"))
    joined = table.outerjoin(receipts, receipts.c.id == table.c.receipt_id)
    joined = joined.outerjoin(deliveries, deliveries.c.id == table.c.delivery_id)
    return select(table.c.id, *names).select_from(joined).where(table.c.id.in_(keys))


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
    return [*conditions, ~_match_about_held(machine)]


def _match_about_held(machine: StateMachine) -> ColumnElement[bool]:
    """Build the condition that a row is about a document on which there is a legal hold."""
    table, receipts, deliveries = TABLES[machine.table_name], TABLES["receipts"], TABLES["deliveries"]
    if machine is OUTGOING:
        held = (
            exists().where(source.c.id == key, match_held(source.c.agency, source.c.document_id))
            for source, key in ((receipts, table.c.receipt_id), (deliveries, table.c.delivery_id))
        )
        return or_(*held)
    is_held = match_held(table.c.agency, table.c.document_id)
    if machine is RECEIPTS:
        return is_held
    targets = TABLES["delivery_targets"]
    acts_on_held = exists().where(
        targets.c.delivery_id == table.c.id, match_held(table.c.agency, targets.c.document_id)
    )
    return or_(is_held, acts_on_held)


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
