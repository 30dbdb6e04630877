"""What a worker does again and again for an agency (poll, send, watch): when next, how it went, and who is at it.

The times are in the database, so that a restart neither forgets a back-off nor polls at once, and the workers of one
agency share them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ._sql import schema
from .rows import JobRow
from .transitions import Lease, LeaseLost, Tx

T = schema.jobs

_ERROR = ("error_code", "error_text", "error_vi")


def get(tx: Tx, agency: str, job: str) -> JobRow | None:
    """A job, if it ever ran."""
    row = tx.connection.execute(select(T).where(T.c.agency == agency, T.c.job == job)).mappings().first()
    return JobRow.of(row) if row is not None else None


def of(tx: Tx, agency: str) -> dict[str, JobRow]:
    """The jobs of an agency, by name."""
    query = select(T).where(T.c.agency == agency).order_by(T.c.job)
    return {row["job"]: JobRow.of(row) for row in tx.connection.execute(query).mappings()}


def made(tx: Tx, agency: str, job: str, *, first_at: datetime) -> None:
    """Make a job's row where there is none."""
    values = {"agency": agency, "job": job, "next_at": first_at, "failures": 0, "fence": 0, "updated_at": tx.now}
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    tx.connection.execute(dialect.insert(T).values(values).on_conflict_do_nothing(index_elements=["agency", "job"]))


def claim(tx: Tx, lease: Lease, agency: str, job: str) -> JobRow | None:
    """Take a job that is due and that nobody is at."""
    free = or_(T.c.lease_until.is_(None), T.c.lease_until <= tx.now)
    query = select(T).where(T.c.agency == agency, T.c.job == job, T.c.next_at <= tx.now, free)
    row = tx.connection.execute(query.with_for_update(skip_locked=True)).mappings().first()
    if row is None:
        return None
    until = tx.now + timedelta(seconds=lease.seconds)
    values = {"lease_owner": lease.owner, "lease_until": until, "fence": row["fence"] + 1, "updated_at": tx.now}
    tx.connection.execute(update(T).where(T.c.id == row["id"]).values(values))
    return JobRow.of(tx.connection.execute(select(T).where(T.c.id == row["id"])).mappings().one())


def ended(tx: Tx, row: JobRow, *, next_at: datetime, failures: int, error: dict[str, str | None] | None = None) -> None:
    """Give a job back.

    Args:
        tx: the transaction.
        row: the job as it was claimed.
        next_at: when it is due again.
        failures: how often it failed in a row by now; 0 after a success.
        error: what it met, as columns; none after a success.

    Raises:
        LeaseLost: another worker took it over.
    """
    values = {"next_at": next_at, "failures": failures, "lease_owner": None, "lease_until": None, "updated_at": tx.now}
    values |= error or dict.fromkeys(_ERROR)
    if failures == 0:
        values["succeeded_at"] = tx.now
    held = update(T).where(T.c.id == row.id, T.c.fence == row.fence).values(values)
    if tx.connection.execute(held).rowcount != 1:
        raise LeaseLost(
            f"the job {row.job} of {row.agency} was taken over by another worker.",
            vi=f"Việc {row.job} của {row.agency} đã được tiến trình khác nhận.",
        )
    tx.jobs_ended.append((row.agency, row.job, next_at))


def put_off(tx: Tx, agency: str, job: str, *, next_at: datetime, error: dict[str, str | None]) -> None:
    """Let nobody do a job before a time, because the next attempt would meet the same error."""
    made(tx, agency, job, first_at=tx.now)
    # Threads that meet the same trouble at the same time count as one failure.
    values = {"next_at": next_at, "failures": T.c.failures + 1, "updated_at": tx.now, **error}
    due = T.c.next_at <= tx.now
    tx.connection.execute(update(T).where(T.c.agency == agency, T.c.job == job, due).values(values))


def cleared(tx: Tx, agency: str, job: str) -> None:
    """Note that a job works again."""
    values = {"failures": 0, "next_at": tx.now, "succeeded_at": tx.now, "updated_at": tx.now, **dict.fromkeys(_ERROR)}
    tx.connection.execute(update(T).where(T.c.agency == agency, T.c.job == job, T.c.failures > 0).values(values))


def release(tx: Tx, lease: Lease) -> None:
    """End every lease of a worker."""
    held = update(T).where(T.c.lease_owner == lease.owner, T.c.lease_until > tx.now)
    tx.connection.execute(held.values(lease_until=tx.now))
