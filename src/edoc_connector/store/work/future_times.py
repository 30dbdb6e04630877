"""Times that a clock ahead wrote: which stored times are not believed, and their correction.

A machine whose clock was ahead leaves times in the future. Once it is set right, nothing may wait for them. One rule
holds for every stored time that is compared with now:

- *how far ahead it lies*: a time farther ahead than the longest wait that could have set it was never right;
- *when it was written*: a row whose last change lies in the future, by more than the clocks of a fleet may differ, was
  written by a clock that was ahead, however short its wait.

What is not believed is due at once, or free. Nothing is sent blindly by that: a holder that lives is fenced off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Table, and_, bindparam, or_, update

from ..._core import get_logger, split_job_name
from .._sql import TABLES, CompiledStatement, UtcTime
from ..state_machine import MACHINES, StateMachine

if TYPE_CHECKING:
    from ..rows import JobRow
    from ..transaction import Tx

log = get_logger("edoc_connector.connector.clocks")

_JOBS = TABLES["jobs"]
_LONGEST_LEASE = timedelta(days=1)  # that can be configured


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueLimits:
    """How far ahead a stored time may lie; one that lies farther was written by a clock that was ahead.

    Args:
        wait: the longest that anything may wait for its next attempt.
        lease: the longest that a lease can last, where one clock gives all of them.
        written: how far ahead the time of a row's last change may lie: as far as the clocks of a fleet may differ.
        jobs: the longest wait of a job that succeeded, by its name.
    """

    wait: timedelta
    lease: timedelta
    written: timedelta
    jobs: Mapping[str, timedelta] = field(default_factory=dict)

    def get_job_wait(self, job: JobRow) -> timedelta:
        """Get the longest that a job may wait: its interval, or after a failure a back-off."""
        interval = self.jobs.get(split_job_name(job.job)[0], self.wait)
        return interval if job.failures == 0 else max(interval, self.wait)

    def build_bounds(self, now: datetime) -> dict[str, datetime]:
        """Build the values that the conditions of this module compare with."""
        return {
            "now": now,
            "next": now + self.wait,
            "lease": now + self.lease,
            "written": now + self.written,
            "longest_lease": now + _LONGEST_LEASE + self.lease,
        }


def has_waited(since: datetime, wait: timedelta, *, now: datetime, limits: OverdueLimits) -> bool:
    """Whether a wait that began at a stored time is over; one that began in the future was begun by a wrong clock."""
    return now - since >= wait or since > now + limits.written


def list_attempt_conditions(table: Table, bounds: Mapping[str, Any]) -> tuple[ColumnElement[bool], ...]:
    """List the conditions under which the time of a row's next attempt is not believed; an index serves each."""
    next_at = table.c.next_attempt_at
    was_ahead = and_(next_at > bounds["now"], table.c.updated_at > bounds["written"])
    return (next_at > bounds["next"], was_ahead)


def build_lease_condition(table: Table, bounds: Mapping[str, Any], *, has_single_clock: bool) -> ColumnElement[bool]:
    """Build the condition under which the end of a row's lease is not believed.

    Args:
        table: the rows.
        bounds: as of `OverdueLimits.build_bounds`.
        has_single_clock: whether one machine gives all leases. Else another program's may be longer than ours, and the
            time of the claim tells, or that no lease is as long.
    """
    is_long: ColumnElement[bool] = table.c.lease_until > bounds["lease"]
    if has_single_clock:
        return is_long
    return and_(is_long, or_(table.c.updated_at > bounds["written"], table.c.lease_until > bounds["longest_lease"]))


def correct_future_times(tx: Tx, agency: str, limits: OverdueLimits) -> None:
    """Make due, and free, what waits for a time that is not believed."""
    bounds = limits.build_bounds(tx.now)
    for machine in MACHINES:
        rows = _correct_attempts(tx, agency, machine, bounds) + _correct_leases(tx, agency, machine, bounds)
        if rows:
            log.error(
                "%d %s rows waited for a time that a wrong clock had written; they are due now",
                rows,
                machine.table_name,
            )
    correct_jobs(tx, agency, limits)


def _correct_attempts(tx: Tx, agency: str, machine: StateMachine, bounds: Mapping[str, Any]) -> int:
    table = TABLES[machine.table_name]
    all_states = table.c.state.in_([str(state) for state in machine.states])  # so that an index serves
    return sum(
        tx.connection.execute(
            update(table)
            .where(table.c.agency == agency, all_states, condition)
            .values(next_attempt_at=tx.now, updated_at=tx.now)
        ).rowcount
        for condition in list_attempt_conditions(table, bounds)
    )


def _correct_leases(tx: Tx, agency: str, machine: StateMachine, bounds: Mapping[str, Any]) -> int:
    table = TABLES[machine.table_name]
    is_wrong = build_lease_condition(table, bounds, has_single_clock=has_single_clock(tx))
    return tx.connection.execute(
        update(table).where(table.c.agency == agency, is_wrong).values(lease_until=tx.now)
    ).rowcount


def correct_jobs(tx: Tx, agency: str, limits: OverdueLimits) -> None:
    """Make due, and free, the jobs that wait for a time that is not believed, and the breaker among them."""
    bounds = limits.build_bounds(tx.now)
    for job in tx.schedule.list_jobs(agency).values():
        if is_job_overdue(job, limits, bounds):
            log.error("%s of %s waited for a time that a wrong clock had written; it is due now", job.job, agency)
            values = {"next_at": min(job.next_at, tx.now), "updated_at": tx.now}
            tx.connection.execute(update(_JOBS).where(_JOBS.c.id == job.id).values(values))
    correction, names = _compile_lease_correction(has_single_clock(tx))
    bound: dict[str, object] = {name: bounds[name] for name in names}
    correction.execute_many(tx.connection, [bound | {"of_agency": agency, "lease_until": tx.now}])


@cache
def _compile_lease_correction(is_single_clock: bool) -> tuple[CompiledStatement, Sequence[str]]:
    """Compile what frees jobs whose lease is not believed; with the names of the bounds that it looks at."""
    names = ("lease",) if is_single_clock else ("lease", "written", "longest_lease")
    bounds = {name: bindparam(name, type_=UtcTime()) for name in names}
    is_wrong = build_lease_condition(_JOBS, bounds, has_single_clock=is_single_clock)
    return CompiledStatement(update(_JOBS).where(_JOBS.c.agency == bindparam("of_agency"), is_wrong)), names


def is_job_overdue(job: JobRow, limits: OverdueLimits, bounds: Mapping[str, datetime]) -> bool:
    """Whether the time of a job is not believed."""
    is_far = job.next_at > bounds["now"] + limits.get_job_wait(job)
    return is_far or (job.next_at > bounds["now"] and job.updated_at > bounds["written"])


def has_single_clock(tx: Tx) -> bool:
    """Whether one machine's clock gives all times: a file of SQLite is used on one machine."""
    return tx.connection.dialect.name == "sqlite"
