"""One look at the store that tells whether anything is overdue: dead workers' leases, wrong times, a queue that is due.

Every call looks, and nearly always there is nothing. So it is one statement that only reads, answered by indexes; a
transaction that writes, and keeps every other writer out, follows only where there is something to do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, bindparam, exists, or_, select, update

from ..config import LimitSettings
from ..store import DeliveryState, Tx
from ..store._sql.compiled import CompiledStatement
from ..store._sql.schema import UtcTime
from ..store.state_machine import DELIVERIES, MACHINES, OUTGOING
from ..store.transitions import get_table

log = logging.getLogger("edoc_connector.connector.clocks")

_CLOCK_TOLERANCE = timedelta(seconds=5)
_SENDING_MACHINES = (DELIVERIES, OUTGOING)  # what this side of a connector sends
_SENDABLE_STATES = (DeliveryState.READY, DeliveryState.UNKNOWN)  # the same for both


def has_work(tx: Tx, *, agency: str, limits: LimitSettings, include_due: bool = False) -> bool:
    """Whether there is something to recover, or to send.

    Args:
        tx: the transaction.
        agency: whose rows.
        limits: the longest waits.
        include_due: whether messages that are due count too.
    """
    values = {
        "agency": agency,
        "now": tx.now,
        "next": tx.now + compute_longest_wait(limits),
        "lease": tx.now + compute_longest_lease(limits),
    }
    query = _compile_query(tx.connection.dialect.name == "sqlite", include_due)
    return any(query.fetch_all(tx.connection, values)[0].values())


@cache
def _compile_query(has_single_clock: bool, include_due: bool) -> CompiledStatement:
    conditions: list[ColumnElement[Any]] = []
    for table, machine in ((get_table(machine), machine) for machine in MACHINES):
        conditions.append(_match_states(table, machine.states, table.c.next_attempt_at > _bind_time("next")))
        if has_single_clock:
            conditions.append(exists().where(_match_agency(table), table.c.lease_until > _bind_time("lease")))
    for table, machine in ((get_table(machine), machine) for machine in _SENDING_MACHINES):
        conditions.append(_match_states(table, machine.leased_states, table.c.lease_until <= _bind_time("now")))
        if include_due:
            is_free = or_(table.c.lease_until.is_(None), table.c.lease_until <= _bind_time("now"))
            conditions.append(
                _match_states(table, _SENDABLE_STATES, and_(is_free, table.c.next_attempt_at <= _bind_time("now")))
            )
    return CompiledStatement(
        select(*(condition.label(f"look_{number}") for number, condition in enumerate(conditions)))
    )


def _match_states(table: Table, states: Iterable[str], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(_match_agency(table), table.c.state.in_(sorted({str(state) for state in states})), condition)


def _match_agency(table: Table) -> ColumnElement[bool]:
    return table.c.agency == bindparam("agency")


def _bind_time(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=UtcTime())


def compute_longest_wait(limits: LimitSettings) -> timedelta:
    """The longest that anything may wait for its next attempt."""
    return timedelta(seconds=max(limits.backoff_cap, limits.retry_after_cap, limits.grace)) + _CLOCK_TOLERANCE


def compute_longest_lease(limits: LimitSettings) -> timedelta:
    """The longest that a lease can last, where one clock gives all of them."""
    return 2 * timedelta(seconds=limits.lease)


def correct_future_times(tx: Tx, *, agency: str, limits: LimitSettings) -> None:
    """Make due what waits longer than anything may: its time was written by a clock that was ahead.

    Args:
        tx: the transaction.
        agency: whose rows.
        limits: the longest waits.
    """
    for machine in MACHINES:
        table = get_table(machine)
        waits_too_long = and_(
            table.c.agency == agency,
            table.c.state.in_([str(state) for state in machine.states]),  # all of them, so that an index serves
            table.c.next_attempt_at > tx.now + compute_longest_wait(limits),
        )
        corrected_rows = tx.connection.execute(
            update(table).where(waits_too_long).values(next_attempt_at=tx.now)
        ).rowcount
        if tx.connection.dialect.name == "sqlite":  # one machine, one clock: nobody can hold a lease for so long
            leased_too_long = and_(
                table.c.agency == agency, table.c.lease_until > tx.now + compute_longest_lease(limits)
            )
            corrected_rows += tx.connection.execute(
                update(table).where(leased_too_long).values(lease_until=tx.now)
            ).rowcount
        if corrected_rows:
            log.error(
                "%d %s rows waited for a time that a wrong clock had written; they are due now", corrected_rows, table
            )
