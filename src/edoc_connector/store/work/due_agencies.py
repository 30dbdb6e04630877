"""Which of the agencies of a store have something due: one look for all of them, where each would look for itself.

The look reads indexes only, and stops at the first row of an agency that is due. It may name an agency for which
nothing can be done yet (what is due may wait for something else); it never leaves out one for which something can.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, exists, or_, select

from .._sql import TABLES, UtcTime, split_keys
from ..receipts import build_unnoticed_condition
from ..state_machine import DELIVERIES, MACHINES, OUTGOING, RECEIPTS, DeliveryState, ReceiptState

if TYPE_CHECKING:
    from ..transaction import Tx

_JOBS = TABLES["jobs"]
_RECEIPTS = TABLES[RECEIPTS.table_name]
_SENDABLE_STATES = (DeliveryState.READY, DeliveryState.UNKNOWN)
_NOW = bindparam("now", type_=UtcTime())


def list_due_agencies(
    tx: Tx,
    agencies: Sequence[str],
    job_names: Collection[str],
    *,
    common_job: str,
    hands_over: bool,
    tells: bool,
) -> dict[str, bool]:
    """List the agencies for which a worker may find something to do, each with whether more than a job of the schedule.

    Args:
        tx: the transaction.
        agencies: codes of those that the worker serves.
        job_names: the jobs of the schedule, of every agency.
        common_job: the one of these that every agency has.
        hands_over: whether the worker hands packets to an application.
        tells: whether it tells one of statuses.
    """
    query = _build_query(hands_over, tells)
    values = {"job_names": sorted(job_names), "common_job": common_job, "now": tx.now}
    return {
        agency: bool(has_rows)
        for part in split_keys(agencies)
        for agency, has_rows in tx.connection.execute(query, values | {"agencies": list(part)})
    }


@cache
def _build_query(hands_over: bool, tells: bool) -> Select[Any]:
    """Build the query over the rows of the common job: from each agency an index leads to what is due for it."""
    served = _JOBS.alias("served")
    agency = served.c.agency
    is_served = (agency.in_(bindparam("agencies", expanding=True)), served.c.job == bindparam("common_job"))
    # A job that failed is looked at whatever its name: the row of a circuit breaker is none of the schedule's.
    is_job = or_(_JOBS.c.job.in_(bindparam("job_names", expanding=True)), _JOBS.c.failures > 0)
    has_job = exists().where(_JOBS.c.agency == agency, _JOBS.c.next_at <= _NOW, _is_free(_JOBS), is_job)
    has_rows = or_(*_iter_row_conditions(agency, hands_over, tells))
    return select(agency, has_rows).where(*is_served, or_(has_job, has_rows))


def _iter_row_conditions(agency: ColumnElement[str], hands_over: bool, tells: bool) -> Iterator[ColumnElement[bool]]:
    for machine in (DELIVERIES, OUTGOING):
        yield _has_due(TABLES[machine.table_name], agency, _SENDABLE_STATES)
    yield _has_due(_RECEIPTS, agency, [ReceiptState.LISTED, *([ReceiptState.WAITING] if hands_over else [])])
    for machine in MACHINES:
        table = TABLES[machine.table_name]
        is_held = table.c.state.in_(sorted(machine.leased_states))
        yield exists().where(table.c.agency == agency, is_held, table.c.lease_until <= _NOW)
    if tells:
        is_due = (_RECEIPTS.c.state == ReceiptState.CONFIRMED, _RECEIPTS.c.next_attempt_at <= _NOW)
        yield exists().where(_RECEIPTS.c.agency == agency, *is_due, _is_free(_RECEIPTS), build_unnoticed_condition())


def _has_due(table: Table, agency: ColumnElement[str], states: Sequence[str]) -> ColumnElement[bool]:
    is_due = table.c.next_attempt_at <= _NOW
    return exists().where(table.c.agency == agency, table.c.state.in_(sorted(states)), is_due, _is_free(table))


def _is_free(table: Table) -> ColumnElement[bool]:
    return or_(table.c.lease_until.is_(None), table.c.lease_until <= _NOW)
