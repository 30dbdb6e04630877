"""Jobs that a worker does again and again for an agency (poll, watch): when next, how they went, and who is at them.

The times are in the database, so that a restart neither forgets a back-off nor polls at once, and the workers of one
agency share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from .._sql import TABLES, CompiledStatement, UtcTime
from ..rows import JobRow
from ..transitions import LeaseLost
from .future_times import OverdueLimits, correct_jobs

if TYPE_CHECKING:
    from ..transaction import Tx
    from .leases import Lease

TABLE = TABLES["jobs"]
JOBS_TABLE = TABLE.name  # whose rows a worker holds while it is at a job

HUB_BREAKER = "hub"  # the row of the circuit breaker of an agency's hub
POLL_JOB = "poll"  # the row of polling the hub

_LISTED = "listed-"
"""Beginning of the names of the rows that hold how far a hub's lists by date were read; no job has such a name."""
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)

_OF_AGENCY = select(TABLE).where(TABLE.c.agency == bindparam("agency"))
_OF_NAME = _OF_AGENCY.where(TABLE.c.job == bindparam("job"))
_SELECT_JOB = CompiledStatement(_OF_NAME)
_SELECT_JOBS = CompiledStatement(
    _OF_AGENCY.where(~TABLE.c.job.startswith(_LISTED, autoescape=True)).order_by(TABLE.c.job)
)

_BY_ID = update(TABLE).where(TABLE.c.id == bindparam("row_id"))
_CLAIM = CompiledStatement(_BY_ID)
_FINISH = CompiledStatement(_BY_ID.where(TABLE.c.fence == bindparam("held_fence")))

_ERROR_COLUMNS = ("error_code", "error_text", "error_vi")


@dataclass(slots=True, eq=False)
class Schedule:
    """Keeps the jobs that a worker does again and again.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def find_job(self, agency: str, name: str) -> JobRow | None:
        """Find a job, if it ever ran."""
        row = _SELECT_JOB.fetch_first(self._tx.connection, {"agency": agency, "job": name})
        return JobRow.from_row(row) if row is not None else None

    def list_jobs(self, agency: str) -> dict[str, JobRow]:
        """List the jobs of an agency, by name."""
        rows = _SELECT_JOBS.fetch_all(self._tx.connection, {"agency": agency})
        return {row["job"]: JobRow.from_row(row) for row in rows}

    def find_listed_until(self, agency: str, kind: str) -> datetime | None:
        """Find the time until which everything that the hub listed is recorded; None where nothing was listed yet.

        Args:
            agency: code of the agency.
            kind: value of a `MessageType`.
        """
        row = self.find_job(agency, _LISTED + kind)
        return row.succeeded_at if row is not None else None

    def record_listed(self, agency: str, kind: str, *, until: datetime) -> None:
        """Record that everything is here that the hub listed until a time; it never moves back."""
        self.ensure_job(agency, _LISTED + kind, first_at=_NEVER)
        is_later = or_(TABLE.c.succeeded_at.is_(None), TABLE.c.succeeded_at < until)
        row = (TABLE.c.agency == agency, TABLE.c.job == _LISTED + kind, is_later)
        values = {"succeeded_at": until, "updated_at": self._tx.now}
        self._tx.connection.execute(update(TABLE).where(*row).values(values))

    def record_listed_anew(self, agency: str, kind: str, *, until: datetime) -> None:
        """Record how far a list is believed to be read, where what is recorded lies in the future."""
        values = {"succeeded_at": until, "updated_at": self._tx.now}
        row = (TABLE.c.agency == agency, TABLE.c.job == _LISTED + kind, TABLE.c.succeeded_at > self._tx.now)
        self._tx.connection.execute(update(TABLE).where(*row).values(values))

    def ensure_job(self, agency: str, name: str, *, first_at: datetime) -> None:
        """Make a job's row where there is none."""
        if self.find_job(agency, name) is not None:
            return
        values = {
            "agency": agency,
            "job": name,
            "next_at": first_at,
            "failures": 0,
            "fence": 0,
            "updated_at": self._tx.now,
        }
        dialect = postgresql if self._tx.connection.dialect.name == "postgresql" else sqlite
        self._tx.connection.execute(
            dialect.insert(TABLE).values(values).on_conflict_do_nothing(index_elements=["agency", "job"])
        )

    def claim_job(self, lease: Lease, agency: str, name: str, *, only_due: bool = True) -> JobRow | None:
        """Claim a job that nobody is at.

        Args:
            lease: the worker's.
            agency: code of the agency.
            name: the job.
            only_due: only where its time has come.
        """
        keys = {"agency": agency, "job": name, "now": self._tx.now}
        row = _compile_claim_query(only_due).fetch_first(self._tx.connection, keys)
        if row is None:
            return None
        until = self._tx.now + timedelta(seconds=lease.seconds)
        values = {
            "lease_owner": lease.owner,
            "lease_until": until,
            "fence": row["fence"] + 1,
            "updated_at": self._tx.now,
        }
        _CLAIM.execute_many(self._tx.connection, [{"row_id": row["id"], **values}])
        return JobRow.from_row({**row, **values})

    def finish_job(
        self, row: JobRow, *, next_at: datetime, failures: int, error: dict[str, str | None] | None = None
    ) -> None:
        """Finish a job, and say when it is due again.

        Args:
            row: the job as it was claimed.
            next_at: when it is due again.
            failures: how often it failed in a row by now; 0 after a success.
            error: what it met, as columns; none after a success.

        Raises:
            LeaseLost: another worker took it over.
        """
        values = {
            "next_at": next_at,
            "failures": failures,
            "lease_owner": None,
            "lease_until": None,
            "updated_at": self._tx.now,
        }
        values |= error or dict.fromkeys(_ERROR_COLUMNS)
        if failures == 0:
            values["succeeded_at"] = self._tx.now
        keys = {"row_id": row.id, "held_fence": row.fence}
        if _FINISH.execute_many(self._tx.connection, [keys | values]) != 1:
            raise LeaseLost(
                f"the job {row.job} of {row.agency} was taken over by another worker.",
                vi=f"Việc {row.job} của {row.agency} đã được tiến trình khác nhận.",
            )
        self._tx.finished_jobs.append((row.agency, row.job, next_at))

    def postpone_job(self, agency: str, name: str, *, next_at: datetime, error: dict[str, str | None]) -> bool:
        """Postpone a job, because the next attempt would meet the same error; false where it is postponed already."""
        self.ensure_job(agency, name, first_at=self._tx.now)
        # Threads that meet the same trouble at the same time count as one failure.
        values = {"next_at": next_at, "failures": TABLE.c.failures + 1, "updated_at": self._tx.now, **error}
        is_due = TABLE.c.next_at <= self._tx.now
        query = update(TABLE).where(TABLE.c.agency == agency, TABLE.c.job == name, is_due).values(values)
        return self._tx.connection.execute(query).rowcount > 0

    def record_probe(self, agency: str, name: str, *, is_early: bool = False) -> bool:
        """Record that a job that failed may be tried again from now on; false where it need not be, or not yet."""
        values = {"next_at": self._tx.now, "succeeded_at": self._tx.now, "updated_at": self._tx.now}
        is_due = TABLE.c.failures > 0 if is_early else and_(TABLE.c.failures > 0, TABLE.c.next_at <= self._tx.now)
        query = update(TABLE).where(TABLE.c.agency == agency, TABLE.c.job == name, is_due)
        return self._tx.connection.execute(query.values(values)).rowcount > 0

    def record_recovery(self, agency: str, name: str) -> None:
        """Record that a job works again."""
        values = {
            "failures": 0,
            "next_at": self._tx.now,
            "succeeded_at": self._tx.now,
            "updated_at": self._tx.now,
            **dict.fromkeys(_ERROR_COLUMNS),
        }
        self._tx.connection.execute(
            update(TABLE).where(TABLE.c.agency == agency, TABLE.c.job == name, TABLE.c.failures > 0).values(values)
        )

    def correct_future_times(self, agency: str, limits: OverdueLimits) -> None:
        """Make due, and free, the jobs that wait for a time that a clock ahead wrote."""
        correct_jobs(self._tx, agency, limits)

    def forget_leases(self) -> None:
        """Make every job due, of every agency, whoever held it: the store was restored."""
        values = {"lease_owner": None, "lease_until": None, "next_at": self._tx.now, "failures": 0}
        self._tx.connection.execute(update(TABLE).values(**values, updated_at=self._tx.now))

    def release_leases(self, lease: Lease) -> None:
        """End every lease of a worker."""
        update_held = update(TABLE).where(TABLE.c.lease_owner == lease.owner, TABLE.c.lease_until > self._tx.now)
        self._tx.connection.execute(update_held.values(lease_until=self._tx.now))


@cache
def _compile_claim_query(only_due: bool) -> CompiledStatement:
    """Compile the query that locks a job that is free ``now``, and that is due then."""
    now = bindparam("now", type_=UtcTime())
    query = _OF_NAME.where(or_(TABLE.c.lease_until.is_(None), TABLE.c.lease_until <= now))
    query = query.where(TABLE.c.next_at <= now) if only_due else query
    return CompiledStatement(query.with_for_update(skip_locked=True))
