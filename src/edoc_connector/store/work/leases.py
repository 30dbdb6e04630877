"""Leases: claiming rows for one worker, renewing that, and finding what dead workers left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    Table,
    and_,
    bindparam,
    exists,
    func,
    not_,
    or_,
    select,
    update,
)

from ..._core import Text
from .._sql import TABLES, CompiledStatement, Row, UtcTime
from ..rows import CONFIRM
from ..state_machine import DELIVERIES, MACHINES, OUTGOING, RECEIPTS, DeliveryState, StateMachine
from ..transitions import HeldRow
from .future_times import (
    OverdueLimits,
    build_lease_condition,
    correct_future_times,
    has_single_clock,
    list_attempt_conditions,
)

if TYPE_CHECKING:
    from ..transaction import Tx

_SENDING_MACHINES = (DELIVERIES, OUTGOING)  # what this side of a connector sends
_SENDABLE_STATES = (DeliveryState.READY, DeliveryState.UNKNOWN)  # the same for both
_CLAIM_COLUMNS = ("state", "attempts", "lease_owner", "lease_until", "fence")
# What is of the hub before, where another one takes a row over; a packet without a hash is built anew.
_OF_ANOTHER_HUB: dict[str, dict[str, Any]] = {
    DELIVERIES.subject: {"hub_doc_id": None},
    OUTGOING.subject: {"hub_doc_id": None, "copy_doc_id": None, "sha256": None},
}


_COUNT_EXPIRED = [
    CompiledStatement(
        select(*[func.count().label("count"), func.min(table.c.lease_until).label("first")]).where(
            table.c.agency == bindparam("agency"),
            table.c.state.in_(sorted(machine.leased_states)),
            table.c.lease_until <= bindparam("before", type_=UtcTime()),
        )
    )
    for table, machine in ((TABLES[machine.table_name], machine) for machine in MACHINES)
]


@dataclass(slots=True)
class Lease:
    """A worker's right to a row.

    Args:
        owner: name of the worker, one per connector and process: it changes in a process that was forked.
        seconds: how long it lasts.
    """

    owner: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingWork:
    """Work that a look at the store found.

    Args:
        is_sending_overdue: whether a lease ran out on what was being sent, or a time lies too far ahead.
        is_receiving_overdue: whether a lease ran out on what was being handled, or a time lies too far ahead.
        are_deliveries_due: whether deliveries are due to be sent.
        are_acks_due: whether statuses or confirmations are.
    """

    is_sending_overdue: bool
    is_receiving_overdue: bool
    are_deliveries_due: bool
    are_acks_due: bool

    def __bool__(self) -> bool:
        """Whether there is something to send, or to take over from a dead sender."""
        return self.is_sending_overdue or self.are_deliveries_due or self.are_acks_due


@dataclass(slots=True, eq=False)
class Leases:
    """Claims rows for one worker, and ends what dead workers held.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def find_work(self, agency: str, limits: OverdueLimits) -> PendingWork:
        """Find whether a lease ran out, a time lies too far ahead, or a message is due.

        Nearly always there is nothing. So it is one statement that only reads, answered by indexes; a transaction
        that writes, and keeps every other writer out, follows only where there is something to do.

        Args:
            agency: code of the agency.
            limits: after how long a time must be wrong.
        """
        tx = self._tx
        query = _compile_work_query(has_single_clock(tx))
        found = query.fetch_all(tx.connection, {"agency": agency, **limits.build_bounds(tx.now)})[0]
        is_clock_wrong = bool(found["is_late_attempt"] or found["is_late_lease"])
        return PendingWork(
            is_sending_overdue=is_clock_wrong or bool(found["is_sending_expired"]),
            is_receiving_overdue=is_clock_wrong or bool(found["is_handling_expired"]),
            are_deliveries_due=bool(found["are_deliveries_due"]),
            are_acks_due=bool(found["are_acks_due"]),
        )

    def correct_future_times(self, agency: str, limits: OverdueLimits) -> None:
        """Make due, and free, what waits for a time that a clock ahead wrote.

        Args:
            agency: code of the agency.
            limits: after how long a time must be wrong.
        """
        correct_future_times(self._tx, agency, limits)

    def end_waits(self, agency: str) -> int:
        """Make due what waits to be sent again, since the hub works again; returns how much that is."""
        now = self._tx.now
        return sum(
            self._tx.connection.execute(
                update(table)
                .where(table.c.agency == agency, table.c.state == str(DeliveryState.READY))
                .where(table.c.next_attempt_at > now, table.c.attempts > 0)
                .values(next_attempt_at=now, updated_at=now)
            ).rowcount
            for table in (TABLES[machine.table_name] for machine in _SENDING_MACHINES)
        )

    def end(
        self, machine: StateMachine, row_id: int, *, state: str, fencing_token: int, detail: Text | str, **values: Any
    ) -> None:
        """End a lease on a row that stays in its state, with a row in the timeline saying why.

        Raises:
            LeaseLost: the row is in another state by now, or another worker holds it.
        """
        self._tx.transitions.compare_and_set(
            machine, row_id, state, fencing_token, {"lease_owner": None, "lease_until": None, **values}
        )
        self._tx.timeline.record_change(machine, row_id, old=state, new=state, detail=detail)

    def claim(
        self,
        machine: StateMachine,
        lease: Lease,
        *,
        agency: str,
        states: Collection[str],
        only_ids: Collection[int] | None = None,
        where: ColumnElement[bool] | None = None,
        only_due: bool = True,
        limit: int = 1,
        after_id: int = 0,
        count_attempt: bool = False,
        longest_due_first: bool = False,
        hub: str | None = None,
    ) -> list[Row]:
        """Claim rows for one worker: nobody else gets them until the lease ends.

        Args:
            machine: the kind of rows.
            lease: the worker and the time it needs.
            agency: code of the agency.
            states: the states to look in; a row in the state before a leased one is moved there.
            only_ids: only these rows.
            where: a further condition; one that is always the same object is cheaper.
            only_due: only rows whose next attempt is due.
            limit: at most so many rows, the oldest first.
            after_id: only rows with a greater key; who walks through the rows meets each once.
            count_attempt: whether the attempt counts from now on, so that one which ends the process counts too.
            longest_due_first: whether those go first that are due for the longest time, and not the oldest rows.
            hub: name of the hub that the rows are sent to, where an agency has several; they are at that from now on.
        """
        parameters = {"agency": agency, "now": self._tx.now, "after_id": after_id, "limit": limit}
        found = self._lock_claimable(
            _Claim(TABLES[machine.table_name], tuple(sorted(states)), only_due, where, longest_due_first),
            only_ids,
            parameters,
        )
        rows = [
            _bind(machine, self._record_claim(machine, lease, row, extra_attempts=int(count_attempt)), hub)
            for row in found
        ]
        columns = _CLAIM_COLUMNS if hub is None else (*_CLAIM_COLUMNS, "hub", *_OF_ANOTHER_HUB[machine.subject])
        for state in dict.fromkeys(row["state"] for row in found):
            held_rows = [
                HeldRow(claimed["id"], old["fence"], {name: claimed[name] for name in columns})
                for old, claimed in zip(found, rows, strict=True)
                if old["state"] == state
            ]
            self._tx.transitions.update_all(machine, held_rows, state=state)
        for row in rows:
            self._tx.identities[machine.subject, row["id"]] = row
        return rows

    def _lock_claimable(
        self, claim: _Claim, only_ids: Collection[int] | None, parameters: dict[str, Any]
    ) -> Sequence[Row]:
        """Lock the rows that may be claimed: by a statement made once, but for a list of keys."""
        if only_ids is None or len(only_ids) == 1:
            id_parameter = {} if only_ids is None else {"row_id": next(iter(only_ids))}
            return _compile_claim_query(claim, bool(id_parameter)).fetch_all(
                self._tx.connection, parameters | id_parameter
            )
        query = _build_claim_query(claim).where(claim.table.c.id.in_(sorted(only_ids)))
        return self._tx.connection.execute(query, parameters).mappings().all()

    def claim_from_state(
        self, machine: StateMachine, lease: Lease, row_id: int, *, state: str, fencing_token: int, **also: Any
    ) -> dict[str, Any]:
        """Claim a row that is in a state which a leased one follows; returns the columns that changed.

        Args:
            machine: the kind of row.
            lease: the worker and the time it needs.
            row_id: the row.
            state: its state.
            fencing_token: its own.
            also: further columns to set.

        Raises:
            LeaseLost: it is in that state no more, or was claimed.
        """
        leased_state = next(new for new in machine.list_next_states(state) if new in machine.leased_states)
        values = {**self._build_lease_columns(lease), "fence": fencing_token + 1, **also}
        self._tx.transitions.move(
            machine, row_id, old=state, new=leased_state, fencing_token=fencing_token, detail=lease.owner, **values
        )
        return {**values, "state": leased_state, "updated_at": self._tx.now}

    def _build_lease_columns(self, lease: Lease) -> dict[str, Any]:
        return {"lease_owner": lease.owner, "lease_until": self._tx.now + timedelta(seconds=lease.seconds)}

    def _record_claim(self, machine: StateMachine, lease: Lease, row: Row, *, extra_attempts: int) -> Row:
        """Build a row as it is once claimed; where its state changes by that, the timeline tells."""
        state = row["state"]
        values = {
            **self._build_lease_columns(lease),
            "fence": row["fence"] + 1,
            "attempts": row["attempts"] + extra_attempts,
        }
        leased_state = next((new for new in machine.list_next_states(state) if new in machine.leased_states), None)
        if leased_state is not None:
            values["state"] = leased_state
            transition = machine.require_transition(state, leased_state)
            self._tx.timeline.record_move(machine, row["id"], transition, lease.owner)
        return {**row, **values, "updated_at": self._tx.now}

    def lock_expired(self, machine: StateMachine, *, agency: str) -> list[RowMapping]:
        """Lock the rows in a leased state whose holder let the lease run out."""
        table = TABLES[machine.table_name]
        query = select(table).where(
            table.c.agency == agency,
            table.c.state.in_(sorted(machine.leased_states)),
            table.c.lease_until <= self._tx.now,
        )
        return list(
            self._tx.connection.execute(query.order_by(table.c.id).with_for_update(skip_locked=True)).mappings().all()
        )

    def count_expired(self, agency: str, *, before: datetime) -> tuple[int, datetime | None]:
        """Count the rows in a leased state whose lease ran out before a time.

        Returns:
            How many, and the end of the lease that ran out first; None where there is none.
        """
        values = {"agency": agency, "before": before}
        rows = [query.fetch_all(self._tx.connection, values)[0] for query in _COUNT_EXPIRED]
        first = min((row["first"] for row in rows if row["first"] is not None), default=None)
        return sum(row["count"] for row in rows), first

    def renew(self, table_name: str, lease: Lease, row_ids: Collection[int]) -> int:
        """Extend a worker's leases on some rows, where they have not run out; returns how many."""
        table = TABLES[table_name]
        own_leases = and_(
            table.c.id.in_(sorted(row_ids)), table.c.lease_owner == lease.owner, table.c.lease_until > self._tx.now
        )
        until = self._tx.now + timedelta(seconds=lease.seconds)
        return self._tx.connection.execute(update(table).where(own_leases).values(lease_until=until)).rowcount

    def release(self, machine: StateMachine, lease: Lease, *, only_id: int | None = None) -> int:
        """End every lease of a worker, or that on one row, as if it had run out; returns how many."""
        table = TABLES[machine.table_name]
        own_leases = and_(table.c.lease_owner == lease.owner, table.c.lease_until > self._tx.now)
        if only_id is not None:
            own_leases = and_(own_leases, table.c.id == only_id)
        return self._tx.connection.execute(update(table).where(own_leases).values(lease_until=self._tx.now)).rowcount


def _bind(machine: StateMachine, row: Row, hub: str | None) -> Row:
    """Bind a row to the hub that it is sent to; what another hub told of it is not that one's."""
    if hub is None or row["hub"] == hub:
        return row
    return {**row, "hub": hub, **_OF_ANOTHER_HUB[machine.subject]}


@cache
def build_hub_condition(machine: StateMachine, hub: str, *, is_sending: bool) -> ColumnElement[bool]:
    """Build the condition that a row that waits is one hub's; always the same object.

    What may be at a hub is that one's alone, and a confirmation or a report the one's that offered the packet. All else
    goes to the hub that sends now.

    Args:
        machine: deliveries or messages.
        hub: name of the hub.
        is_sending: whether it is the one that sends.
    """
    table = TABLES[machine.table_name]
    is_bound = table.c.state == str(DeliveryState.UNKNOWN)
    if machine is OUTGOING:
        is_bound = or_(is_bound, table.c.kind == CONFIRM, table.c.is_tied)
    is_ours = and_(is_bound, table.c.hub == hub)
    return or_(is_ours, not_(is_bound)) if is_sending else is_ours


@dataclass(frozen=True, slots=True)
class _Claim:
    """What may be claimed, and what goes first; see `Leases.claim`."""

    table: Table
    states: tuple[str, ...]
    only_due: bool
    where: ColumnElement[bool] | None
    longest_due_first: bool


def _build_claim_query(claim: _Claim) -> Select[Any]:
    """Build the query that locks an ``agency``'s rows that are free ``now``, after ``after_id``, to a ``limit``."""
    table, now = claim.table, bindparam("now", type_=UtcTime())
    conditions = [
        table.c.agency == bindparam("agency"),
        table.c.state.in_(claim.states),
        or_(table.c.lease_until.is_(None), table.c.lease_until <= now),
        table.c.id > bindparam("after_id"),
    ]
    if claim.only_due:
        conditions.append(table.c.next_attempt_at <= now)
    if claim.where is not None:
        conditions.append(claim.where)
    order = [table.c.next_attempt_at, table.c.id] if claim.longest_due_first else [table.c.id]
    query = select(table).where(and_(*conditions)).order_by(*order).limit(bindparam("limit"))
    return query.with_for_update(skip_locked=True)


@lru_cache(maxsize=64)  # some conditions are made for one claim
def _compile_claim_query(claim: _Claim, single: bool) -> CompiledStatement:
    """Compile the query of `_build_claim_query`, or that for the row with ``row_id``."""
    query = _build_claim_query(claim)
    return CompiledStatement(query.where(claim.table.c.id == bindparam("row_id")) if single else query)


@cache
def _compile_work_query(single_clock: bool) -> CompiledStatement:
    """Compile one query whose columns are questions, each true where a row answers it."""
    tables = [(TABLES[machine.table_name], machine) for machine in MACHINES]
    (deliveries, _), (acks, _) = sending = [(TABLES[machine.table_name], machine) for machine in _SENDING_MACHINES]
    bounds = {name: _bind_time(name) for name in ("now", "next", "lease", "written", "longest_lease")}
    late_attempts = [
        _match_states(table, machine.states, condition)
        for table, machine in tables
        for condition in list_attempt_conditions(table, bounds)
    ]
    late_leases = [
        exists().where(_match_agency(table), build_lease_condition(table, bounds, has_single_clock=single_clock))
        for table, _ in tables
    ]
    questions: dict[str, ColumnElement[Any]] = {
        "is_late_attempt": or_(*late_attempts),
        "is_late_lease": or_(*late_leases),
        "is_sending_expired": or_(*(_match_expired(table, machine) for table, machine in sending)),
        "is_handling_expired": _match_expired(TABLES[RECEIPTS.table_name], RECEIPTS),
        "are_deliveries_due": _match_due(deliveries),
        "are_acks_due": _match_due(acks),
    }
    return CompiledStatement(select(*(condition.label(name) for name, condition in questions.items())))


def _match_expired(table: Table, machine: StateMachine) -> ColumnElement[bool]:
    return _match_states(table, machine.leased_states, table.c.lease_until <= _bind_time("now"))


def _match_due(table: Table) -> ColumnElement[bool]:
    is_free = or_(table.c.lease_until.is_(None), table.c.lease_until <= _bind_time("now"))
    return _match_states(table, _SENDABLE_STATES, and_(is_free, table.c.next_attempt_at <= _bind_time("now")))


def _match_states(table: Table, states: Iterable[str], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(_match_agency(table), table.c.state.in_(sorted({str(state) for state in states})), condition)


def _match_agency(table: Table) -> ColumnElement[bool]:
    return table.c.agency == bindparam("agency")


def _bind_time(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=UtcTime())
