"""One look at the store that tells whether anything is overdue: dead workers' leases, wrong times, a queue that is due.

Every call looks, and nearly always there is nothing. So it is one statement that only reads, answered by indexes; a
transaction that writes, and keeps every other writer out, follows only where there is something to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, bindparam, exists, or_, select

from ..sections import LimitSettings
from ..store import DeliveryState, Tx
from ..store.hot import Hot
from ..store.moves import table_of
from ..store.schema import UtcTime
from ..store.states import DELIVERIES, MACHINES, OUTGOING
from .clocks import longest_lease, longest_wait

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
