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

from ..config.sections import LimitSettings
from ..store import DeliveryState, Tx
from ..store._sql.compiled import Hot
from ..store._sql.schema import UtcTime
from ..store.state_machine import DELIVERIES, MACHINES, OUTGOING
from ..store.transitions import table_of

log = logging.getLogger("edoc_connector.connector.clocks")

_CLOCK_TOLERANCE = timedelta(seconds=5)
_OURS = (DELIVERIES, OUTGOING)  # what this side of a connector sends
_READY = (DeliveryState.READY, DeliveryState.UNKNOWN)  # the same for both


def anything(tx: Tx, *, agency: str, limits: LimitSettings, queues: bool = False) -> bool:
    """Whether there is something to recover, or to send.

    Args:
        tx: the transaction.
        agency: whose rows.
        limits: the longest waits.
        queues: whether messages that are due count too.
    """
    values = {
        "agency": agency,
        "now": tx.now,
        "next": tx.now + longest_wait(limits),
        "lease": tx.now + longest_lease(limits),
    }
    query = _query(tx.connection.dialect.name == "sqlite", queues)
    return any(query.rows(tx.connection, values)[0].values())


@cache
def _query(one_clock: bool, queues: bool) -> Hot:
    looks: list[ColumnElement[Any]] = []
    for table, machine in ((table_of(machine), machine) for machine in MACHINES):
        looks.append(_look(table, machine.states, table.c.next_attempt_at > _time("next")))
        if one_clock:
            looks.append(exists().where(_ours(table), table.c.lease_until > _time("lease")))
    for table, machine in ((table_of(machine), machine) for machine in _OURS):
        looks.append(_look(table, machine.leased, table.c.lease_until <= _time("now")))
        if queues:
            free = or_(table.c.lease_until.is_(None), table.c.lease_until <= _time("now"))
            looks.append(_look(table, _READY, and_(free, table.c.next_attempt_at <= _time("now"))))
    return Hot(select(*(look.label(f"look_{number}") for number, look in enumerate(looks))))


def _look(table: Table, states: Iterable[str], where: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(_ours(table), table.c.state.in_(sorted({str(state) for state in states})), where)


def _ours(table: Table) -> ColumnElement[bool]:
    return table.c.agency == bindparam("agency")


def _time(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=UtcTime())


def longest_wait(limits: LimitSettings) -> timedelta:
    """The longest that anything may wait for its next attempt."""
    return timedelta(seconds=max(limits.backoff_cap, limits.retry_after_cap, limits.grace)) + _CLOCK_TOLERANCE


def longest_lease(limits: LimitSettings) -> timedelta:
    """The longest that a lease can last, where one clock gives all of them."""
    return 2 * timedelta(seconds=limits.lease)


def mend(tx: Tx, *, agency: str, limits: LimitSettings) -> None:
    """Make due what waits longer than anything may: its time was written by a clock that was ahead.

    Args:
        tx: the transaction.
        agency: whose rows.
        limits: the longest waits.
    """
    for machine in MACHINES:
        table = table_of(machine)
        late = and_(
            table.c.agency == agency,
            table.c.state.in_([str(state) for state in machine.states]),  # all of them, so that an index serves
            table.c.next_attempt_at > tx.now + longest_wait(limits),
        )
        mended = tx.connection.execute(update(table).where(late).values(next_attempt_at=tx.now)).rowcount
        if tx.connection.dialect.name == "sqlite":  # one machine, one clock: nobody can hold a lease for so long
            held = and_(table.c.agency == agency, table.c.lease_until > tx.now + longest_lease(limits))
            mended += tx.connection.execute(update(table).where(held).values(lease_until=tx.now)).rowcount
        if mended:
            log.error("%d %s rows waited for a time that a wrong clock had written; they are due now", mended, table)
