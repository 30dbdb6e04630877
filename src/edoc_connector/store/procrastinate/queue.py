"""What is due, as tasks of procrastinate: queued in the transaction of the change that made it due.

For fleets of workers: the engine's own tables lie in the store's PostgreSQL, and a task is a row there. A change that
is rolled back queues nothing, and one that is committed has queued its task. The state stays the truth: a task says
only "look at this row", one that finds nothing to do ends quietly, and one that was lost is found again by `due`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, Table, and_, exists, or_, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from .. import outgoing, receipts, schedule
from .._sql import schema
from ..state_machine import DeliveryState, OutgoingState, ReceiptState
from ..transitions import Tx

if TYPE_CHECKING:
    from procrastinate import App

TRANSMIT, REPORT, FETCH, HANDLE, TELL = "transmit", "report", "fetch", "handle", "tell"
WITH_HUB = (TRANSMIT, REPORT, FETCH)
WITH_APPLICATION = (HANDLE, TELL)

_BY_ITS_CALLER = timedelta(seconds=5)  # who stores a document sends it at once; the task is for one who dies before
_BATCH = 500
_LONGEST_QUEUE = 34  # PostgreSQL's limit for the channel's name, less what the engine puts in front

_D, _O, _R = schema.deliveries, schema.outgoing, schema.receipts


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to look at.

    Args:
        name: what to do: `TRANSMIT` …, or the name of a job (`jobs`).
        agency: for whom.
        key: the row; None for a job.
        due: when the row says that it is due; the same row is queued once for the same time.
        at: when to look, where that is later.
    """

    name: str
    agency: str
    key: int | None
    due: datetime
    at: datetime | None = None

    @property
    def queueing_lock(self) -> str:
        """One task of this name waits at a time."""
        return f"edoc {self.name} {self.agency if self.key is None else self.key} {int(self.due.timestamp() * 1000)}"

    @property
    def lock(self) -> str | None:
        """One task of this name runs at a time: jobs are for one worker, rows have their leases."""
        return f"edoc {self.name} {self.agency}" if self.key is None else None


def queue_of(agency: str, *, application: bool = False) -> str:
    """The name of an agency's queue: for the work with the hub, or for that of the application."""
    name = f"edoc:{agency}" + (":app" if application else "")
    if len(name.encode()) <= _LONGEST_QUEUE:
        return name
    return f"edoc#{hashlib.sha256(name.encode()).hexdigest()[: _LONGEST_QUEUE - 5]}"


class TaskQueue:
    """Queues tasks.

    Args:
        app: the engine; its connector is not used, only the store's connections are.

    Attributes:
        application: those of `WITH_APPLICATION` that a worker does in this process; others find theirs by `due`.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.application: frozenset[str] = frozenset()

    def enter(self, tx: Tx) -> None:
        """Queue what a transaction's changes make due, in that transaction."""
        wanted: dict[str, set[int]] = {}
        fresh: set[int] = set()
        for note in tx.notes:
            if note.kind != "change":
                continue
            old, new = note.said.get("old"), str(note.said.get("new"))
            for name in _follows(note.subject, old, new):
                wanted.setdefault(name, set()).add(note.key)
            if note.subject == "delivery" and new == DeliveryState.READY and old in (None, DeliveryState.FAILED):
                fresh.add(note.key)
        found = [task for name, keys in wanted.items() if self._done(name) for task in _changed(tx, name, keys)]
        later = tx.now + _BY_ITS_CALLER
        tasks = [_at(task, later) if task.name == TRANSMIT and task.key in fresh else task for task in found]
        jobs_ = [Task(name=name, agency=agency, key=None, due=due) for agency, name, due in tx.jobs_ended]
        self.defer(tx, tasks + jobs_)

    def defer(self, tx: Tx, tasks: Iterable[Task]) -> int:
        """Queue tasks, each unless the same one waits already; how many were new."""
        # In one order everywhere: transactions that queue the same tasks wait for each other, and must not in a circle.
        by_lock = dict(sorted({task.queueing_lock: task for task in tasks}.items()))
        if not by_lock:
            return 0
        known = "SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock = ANY(:locks)"
        waiting = set(tx.connection.execute(text(known), {"locks": list(by_lock)}).scalars())
        new = [task for lock, task in by_lock.items() if lock not in waiting]
        if not new:
            return 0
        if self._deferred(tx, new):
            return len(new)
        return sum(self._deferred(tx, [task]) for task in new)  # another transaction was quicker with one of them

    def due(self, tx: Tx, name: str, agency: str, *, after: int = 0) -> list[Task]:
        """Tasks for an agency's rows that are due and that nobody holds, in order, a bounded number.

        Args:
            tx: the transaction.
            name: which tasks.
            agency: for whom.
            after: only of rows with a greater key.
        """
        table, query = _SOURCES[name]
        free = or_(table.c.lease_until.is_(None), table.c.lease_until <= tx.now)
        mine = query.where(table.c.agency == agency, table.c.next_attempt_at <= tx.now, free, table.c.id > after)
        return list(_tasks(tx, name, mine.order_by(table.c.id).limit(_BATCH)))

    def due_jobs(self, tx: Tx, agency: str) -> list[Task]:
        """Tasks for an agency's jobs that are due and that nobody is at."""
        T = schedule.T  # noqa: N806  a table
        free = or_(T.c.lease_until.is_(None), T.c.lease_until <= tx.now)
        query = select(T.c.job, T.c.next_at).where(T.c.agency == agency, T.c.next_at <= tx.now, free)
        return [Task(name=name, agency=agency, key=None, due=at) for name, at in tx.connection.execute(query)]

    def again(self, tx: Tx, name: str, key: int, at: datetime) -> None:
        """Look at a row later, where there is still something to do with it then."""
        table, query = _SOURCES[name]
        self.defer(tx, [_at(task, at) for task in _tasks(tx, name, query.where(table.c.id == key))])

    def _done(self, name: str) -> bool:
        return name in WITH_HUB or name in self.application

    def _deferred(self, tx: Tx, tasks: Sequence[Task]) -> bool:
        from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

        # The connection under ours, inside our transaction; a task that is there already must not undo that.
        raw = tx.connection.connection.driver_connection
        try:
            with tx.connection.begin_nested():
                self._app.job_manager.batch_defer_jobs([_job(task) for task in tasks], connection=raw)
        except AlreadyEnqueued:
            return False
        except ConnectorException as error:
            raise _as_sqlalchemy(error) from error
        return True


def _as_sqlalchemy(error: Exception) -> DBAPIError:
    """What the driver raised, as SQLAlchemy would have raised it, for the one place that maps drivers' errors."""
    from psycopg import OperationalError as Gone

    cause = error.__cause__ or error
    return (OperationalError if isinstance(cause, Gone) else DBAPIError)("queue tasks", None, cause)


def _job(task: Task) -> Any:
    from procrastinate.jobs import Job

    arguments: dict[str, Any] = {"agency": task.agency}
    if task.key is not None:
        arguments["key"] = task.key
    return Job(
        id=None,
        queue=queue_of(task.agency, application=task.name in WITH_APPLICATION),
        lock=task.lock,
        queueing_lock=task.queueing_lock,
        task_name=f"edoc:{task.name}",
        task_kwargs=arguments,
        scheduled_at=max(task.due, task.at or task.due),
    )


def _at(task: Task, at: datetime) -> Task:
    return Task(name=task.name, agency=task.agency, key=task.key, due=task.due, at=at)


# -- which rows are due for what: the same conditions as those of the workers' claims


def _waiting_transmissions() -> Select[Any]:
    return _chosen(_D).where(_D.c.state.in_([DeliveryState.READY, DeliveryState.UNKNOWN]))


def _waiting_reports() -> Select[Any]:
    mine = _O.c.state.in_([OutgoingState.READY, OutgoingState.UNKNOWN])
    return _chosen(_O).where(mine, outgoing.turn())


def _waiting_downloads() -> Select[Any]:
    return _chosen(_R).where(_R.c.state == ReceiptState.LISTED, receipts.turn())


def _waiting_for_the_application() -> Select[Any]:
    return _chosen(_R).where(_R.c.state == ReceiptState.WAITING)


def _waiting_news() -> Select[Any]:
    return _chosen(_R).where(_R.c.state == ReceiptState.CONFIRMED, receipts.untold())


def _chosen(table: Table) -> Select[Any]:
    return select(table.c.id, table.c.agency, table.c.next_attempt_at)


_SOURCES: Mapping[str, tuple[Table, Select[Any]]] = {
    TRANSMIT: (_D, _waiting_transmissions()),
    REPORT: (_O, _waiting_reports()),
    FETCH: (_R, _waiting_downloads()),
    HANDLE: (_R, _waiting_for_the_application()),
    TELL: (_R, _waiting_news()),
}

# What may be due after a row came into a state. The end of one message may be the turn of the next one.
_FOLLOWS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("delivery", DeliveryState.READY): (TRANSMIT,),
    ("delivery", DeliveryState.UNKNOWN): (TRANSMIT,),
    ("outgoing", OutgoingState.READY): (REPORT,),
    ("outgoing", OutgoingState.UNKNOWN): (REPORT,),
    ("outgoing", OutgoingState.SENT): (REPORT,),
    ("outgoing", OutgoingState.FAILED): (REPORT,),
    ("receipt", ReceiptState.LISTED): (FETCH,),
    ("receipt", ReceiptState.WAITING): (HANDLE,),
    ("receipt", ReceiptState.CONFIRMED): (TELL,),
}


def _follows(subject: str, old: str | None, new: str) -> tuple[str, ...]:
    names = _FOLLOWS.get((subject, new), ())
    left_the_list = subject == "receipt" and old == ReceiptState.LISTED and new != ReceiptState.LISTED
    return (*names, FETCH) if left_the_list else names


# Whose turn may come after a row: those that are alike in a column.
_NEIGHBOURS: Mapping[str, str] = {REPORT: "lane", FETCH: "offered_by", TELL: "document_id"}


def _changed(tx: Tx, name: str, keys: Collection[int]) -> Iterator[Task]:
    """Tasks for rows that changed, and for those whose turn it is now."""
    table, query = _SOURCES[name]
    near: ColumnElement[bool] = table.c.id.in_(sorted(keys))
    column = _NEIGHBOURS.get(name)
    if column is not None:
        alias = table.alias("changed")
        alike = and_(alias.c.agency == table.c.agency, alias.c[column] == table.c[column])
        next_ = exists().where(alias.c.id.in_(sorted(keys)), alike)
        near = or_(near, next_ if name != FETCH else and_(next_, table.c.message_type == receipts.STATUS))
    return _tasks(tx, name, query.where(near))


def _tasks(tx: Tx, name: str, query: Select[Any]) -> Iterator[Task]:
    for key, agency, due in tx.connection.execute(query).all():
        yield Task(name=name, agency=agency, key=key, due=due)
