"""Tasks of procrastinate for rows and jobs that are due, queued in the transaction of the change that made them due.

For fleets of workers: the engine's own tables lie in the store's PostgreSQL, and a task is a row there. A change that
is rolled back queues nothing, and one that is committed has queued its task. The state stays the truth: a task says
only "look at this row", one that finds nothing to do ends quietly, and one that was lost is found again by `list_due`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, Table, and_, exists, or_, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from ..._core import split_job_name
from .._sql import TABLES
from ..outgoing import build_turn_condition
from ..receipts import build_downloadable_condition, build_unnoticed_condition
from ..rows import STATUS
from ..state_machine import DeliveryState, OutgoingState, ReceiptState
from ..transaction import Tx

if TYPE_CHECKING:
    from procrastinate import App

TRANSMIT, REPORT, FETCH, HANDLE, TELL = "transmit", "report", "fetch", "handle", "tell"
HUB_TASKS = (TRANSMIT, REPORT, FETCH)
APPLICATION_TASKS = (HANDLE, TELL)

_CALLER_GRACE = timedelta(seconds=5)  # who stores a document sends it at once; the task is for one who dies before
_BATCH_ROWS = 500
_MAX_QUEUE_NAME = 34  # PostgreSQL's limit for the channel's name, less what the engine puts in front

_D, _O, _R = TABLES["deliveries"], TABLES["outgoing"], TABLES["receipts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A row or a job to look at.

    Args:
        name: what to do: `TRANSMIT` …, or the name of a job (`schedule`).
        agency: for whom.
        row_id: the row; None for a job.
        due_at: when the row says that it is due; the same row is queued once for the same time.
        run_at: when to look, where that is later.
    """

    name: str
    agency: str
    row_id: int | None
    due_at: datetime
    run_at: datetime | None = None

    @property
    def queueing_lock(self) -> str:
        """Name the task in the queue: one of this name waits at a time, and of a job one whenever it is due."""
        if self.row_id is None:
            return f"edoc {self.name} {self.agency}"
        return f"edoc {self.name} {self.row_id} {int(self.due_at.timestamp() * 1000)}"

    @property
    def lock(self) -> str | None:
        """Name what runs once at a time: jobs are for one worker, rows have their leases."""
        return f"edoc {self.name} {self.agency}" if self.row_id is None else None


def format_queue_name(agency: str, *, for_application: bool = False) -> str:
    """Format the name of an agency's queue: for the work with the hub, or for that of the application."""
    name = f"edoc:{agency}" + (":app" if for_application else "")
    if len(name.encode()) <= _MAX_QUEUE_NAME:
        return name
    return f"edoc#{hashlib.sha256(name.encode()).hexdigest()[: _MAX_QUEUE_NAME - 5]}"


class TaskQueue:
    """Queues tasks in the store's transactions.

    Args:
        app: the engine; its connector is not used, only the store's connections are.

    Attributes:
        application_tasks: those of `APPLICATION_TASKS` that a worker does in this process; others find theirs by
            `list_due`.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.application_tasks: frozenset[str] = frozenset()

    def enqueue_changes(self, tx: Tx) -> None:
        """Queue the tasks that a transaction's changes make due, in that transaction."""
        changed_rows: dict[str, set[int]] = {}
        newly_stored: set[int] = set()
        for event in tx.audit_events:
            if event.kind != "change":
                continue
            old, new = event.details.get("old"), str(event.details.get("new"))
            for name in _list_followups(event.subject, old, new):
                changed_rows.setdefault(name, set()).add(event.subject_id)
            if event.subject == "delivery" and new == DeliveryState.READY and old in (None, DeliveryState.FAILED):
                newly_stored.add(event.subject_id)
        found = [
            task
            for name, keys in changed_rows.items()
            if self._is_served(name)
            for task in _list_changed_tasks(tx, name, keys)
        ]
        after_caller = tx.now + _CALLER_GRACE
        tasks = [
            _schedule_at(task, after_caller) if task.name == TRANSMIT and task.row_id in newly_stored else task
            for task in found
        ]
        job_tasks = [
            Task(name=split_job_name(name)[0], agency=agency, row_id=None, due_at=due_at)
            for agency, name, due_at in tx.finished_jobs
        ]
        self.enqueue(tx, tasks + job_tasks)

    def enqueue(self, tx: Tx, tasks: Iterable[Task]) -> int:
        """Queue tasks, each unless the same one waits already; returns how many were new."""
        # In one order everywhere: transactions that queue the same tasks wait for each other, and must not in a circle.
        by_lock = dict(sorted({task.queueing_lock: task for task in tasks}.items()))
        if not by_lock:
            return 0
        waiting_query = (
            "SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock = ANY(:locks)"
        )
        waiting = set(tx.connection.execute(text(waiting_query), {"locks": list(by_lock)}).scalars())
        new = [task for lock, task in by_lock.items() if lock not in waiting]
        for task in by_lock.values():
            if task.row_id is None and task not in new:
                _bring_forward(tx, task)
        if not new:
            return 0
        if self._try_enqueue(tx, new):
            return len(new)
        return sum(self._try_enqueue(tx, [task]) for task in new)  # another transaction was quicker with one of them

    def advance(self, tx: Tx, tasks: Iterable[Task]) -> int:
        """Have tasks that are due run now that wait for a later look, since what that waited for is over."""
        query = (
            "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo' AND queueing_lock = ANY(:locks) "
            "AND scheduled_at > now() + :most"
        )
        values = {"locks": sorted(task.queueing_lock for task in tasks), "most": 2 * _CALLER_GRACE}
        return tx.connection.execute(text(query), values).rowcount

    def list_due(self, tx: Tx, name: str, agency: str, *, after_id: int = 0) -> list[Task]:
        """List tasks for an agency's rows that are due and that nobody holds, in order, a bounded number.

        Args:
            tx: the transaction.
            name: which tasks.
            agency: for whom.
            after_id: only of rows with a greater key.
        """
        table, query = _SOURCES[name]
        is_free = or_(table.c.lease_until.is_(None), table.c.lease_until <= tx.now)
        due_query = query.where(
            table.c.agency == agency, table.c.next_attempt_at <= tx.now, is_free, table.c.id > after_id
        )
        return list(_read_tasks(tx, name, due_query.order_by(table.c.id).limit(_BATCH_ROWS)))

    def list_due_jobs(self, tx: Tx, agency: str) -> list[Task]:
        """List tasks for an agency's jobs that are due and that nobody is at."""
        table = TABLES["jobs"]
        is_free = or_(table.c.lease_until.is_(None), table.c.lease_until <= tx.now)
        query = select(table.c.job, table.c.next_at).where(table.c.agency == agency, table.c.next_at <= tx.now, is_free)
        due = {(split_job_name(name)[0], at) for name, at in tx.connection.execute(query)}
        return [Task(name=name, agency=agency, row_id=None, due_at=at) for name, at in sorted(due)]

    def enqueue_later(self, tx: Tx, name: str, row_id: int, at: datetime) -> None:
        """Queue a later look at a row, where there is something to do with it."""
        table, query = _SOURCES[name]
        self.enqueue(tx, [_schedule_at(task, at) for task in _read_tasks(tx, name, query.where(table.c.id == row_id))])

    def _is_served(self, name: str) -> bool:
        return name in HUB_TASKS or name in self.application_tasks

    def _try_enqueue(self, tx: Tx, tasks: Sequence[Task]) -> bool:
        from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

        # The connection under ours, inside our transaction; a task that is there already must not undo that.
        raw = tx.connection.connection.driver_connection
        try:
            with tx.connection.begin_nested():
                self._app.job_manager.batch_defer_jobs([_as_job(task) for task in tasks], connection=raw)
        except AlreadyEnqueued:
            return False
        except ConnectorException as error:
            raise _as_sqlalchemy_error(error) from error
        return True


def _bring_forward(tx: Tx, task: Task) -> None:
    """Have the waiting task of a job run when the job is due, where it would run later."""
    query = (
        "UPDATE procrastinate_jobs SET scheduled_at = :due_at "
        "WHERE status = 'todo' AND queueing_lock = :lock AND scheduled_at > :due_at"
    )
    tx.connection.execute(text(query), {"lock": task.queueing_lock, "due_at": task.due_at})


def _as_sqlalchemy_error(error: Exception) -> DBAPIError:
    """Wrap an error of the driver as SQLAlchemy does, for the one place that maps drivers' errors."""
    from psycopg import OperationalError as Gone

    cause = error.__cause__ or error
    return (OperationalError if isinstance(cause, Gone) else DBAPIError)("queue tasks", None, cause)


def _as_job(task: Task) -> Any:
    from procrastinate.jobs import Job

    arguments: dict[str, Any] = {"agency": task.agency}
    if task.row_id is not None:
        arguments["key"] = task.row_id
    return Job(
        id=None,
        queue=format_queue_name(task.agency, for_application=task.name in APPLICATION_TASKS),
        lock=task.lock,
        queueing_lock=task.queueing_lock,
        task_name=f"edoc:{task.name}",
        task_kwargs=arguments,
        scheduled_at=max(task.due_at, task.run_at or task.due_at),
    )


def _schedule_at(task: Task, at: datetime) -> Task:
    return Task(name=task.name, agency=task.agency, row_id=task.row_id, due_at=task.due_at, run_at=at)


# -- which rows are due for what: the same conditions as those of the workers' claims


def _select_transmissions() -> Select[Any]:
    return _select_task_columns(_D).where(_D.c.state.in_([DeliveryState.READY, DeliveryState.UNKNOWN]))


def _select_reports() -> Select[Any]:
    is_waiting = _O.c.state.in_([OutgoingState.READY, OutgoingState.UNKNOWN])
    return _select_task_columns(_O).where(is_waiting, build_turn_condition())


def _select_downloads() -> Select[Any]:
    return _select_task_columns(_R).where(_R.c.state == ReceiptState.LISTED, build_downloadable_condition())


def _select_for_application() -> Select[Any]:
    return _select_task_columns(_R).where(_R.c.state == ReceiptState.WAITING)


def _select_unnoticed_statuses() -> Select[Any]:
    return _select_task_columns(_R).where(_R.c.state == ReceiptState.CONFIRMED, build_unnoticed_condition())


def _select_task_columns(table: Table) -> Select[Any]:
    return select(table.c.id, table.c.agency, table.c.next_attempt_at)


_SOURCES: Mapping[str, tuple[Table, Select[Any]]] = {
    TRANSMIT: (_D, _select_transmissions()),
    REPORT: (_O, _select_reports()),
    FETCH: (_R, _select_downloads()),
    HANDLE: (_R, _select_for_application()),
    TELL: (_R, _select_unnoticed_statuses()),
}

# Tasks that may be due after a row came into a state. The end of one message may be the turn of the next one.
_FOLLOWUPS: Mapping[tuple[str, str], tuple[str, ...]] = {
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


def _list_followups(subject: str, old: str | None, new: str) -> tuple[str, ...]:
    names = _FOLLOWUPS.get((subject, new), ())
    left_the_list = subject == "receipt" and old == ReceiptState.LISTED and new != ReceiptState.LISTED
    return (*names, FETCH) if left_the_list else names


# Whose turn may come after a row: those that are alike in a column.
_NEIGHBOUR_COLUMNS: Mapping[str, str] = {REPORT: "lane", FETCH: "offered_by", TELL: "document_id"}


def _list_changed_tasks(tx: Tx, name: str, row_ids: Collection[int]) -> Iterator[Task]:
    """List tasks for rows that changed, and for those whose turn it is now."""
    table, query = _SOURCES[name]
    is_affected: ColumnElement[bool] = table.c.id.in_(sorted(row_ids))
    column = _NEIGHBOUR_COLUMNS.get(name)
    if column is not None:
        alias = table.alias("changed")
        is_neighbour = and_(alias.c.agency == table.c.agency, alias.c[column] == table.c[column])
        has_changed_neighbour = exists().where(alias.c.id.in_(sorted(row_ids)), is_neighbour)
        is_affected = or_(
            is_affected,
            has_changed_neighbour if name != FETCH else and_(has_changed_neighbour, table.c.message_type == STATUS),
        )
    return _read_tasks(tx, name, query.where(is_affected))


def _read_tasks(tx: Tx, name: str, query: Select[Any]) -> Iterator[Task]:
    for row_id, agency, due_at in tx.connection.execute(query).all():
        yield Task(name=name, agency=agency, row_id=row_id, due_at=due_at)
