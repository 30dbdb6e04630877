"""Adapter of an agency's jobs to the tasks of procrastinate: run by key, postpone, sweep."""

from __future__ import annotations

from datetime import datetime

from .._core import split_job_name
from ..connector import BreakerState
from ..errors import ConfigError
from ..store import (
    APPLICATION_TASKS,
    FETCH,
    HANDLE,
    HUB_TASKS,
    REPORT,
    TELL,
    TRANSMIT,
    Task,
    TaskQueue,
    format_queue_name,
)
from .jobs import AgencyJobs, Job

_ROW_TASKS = (TRANSMIT, REPORT, FETCH, HANDLE, TELL)
_PERIODIC_TASKS = (str(Job.POLL), str(Job.WATCH))


class TaskAdapter:
    """The tasks of one agency.

    Args:
        agency_jobs: the work. Where there is no handler for them, tasks of a kind are left to other workers.

    Raises:
        ConfigError: the store queues no tasks.
    """

    def __init__(self, agency_jobs: AgencyJobs) -> None:
        if agency_jobs.store.tasks is None:
            raise ConfigError(
                'no tasks are queued: set [worker] engine = "procrastinate".',
                vi='Chưa xếp hàng tác vụ: hãy đặt [worker] engine = "procrastinate".',
            )
        self._store = agency_jobs.store
        self._agency_jobs = agency_jobs
        self._queue: TaskQueue = agency_jobs.store.tasks
        self._queue.application_tasks = frozenset(agency_jobs.list_jobs()) & frozenset(APPLICATION_TASKS)

    @property
    def agency(self) -> str:
        """Code of the agency."""
        return self._agency_jobs.agency

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks that can be run."""
        return (*_ROW_TASKS, *_PERIODIC_TASKS)

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues to take tasks from."""
        application = [format_queue_name(self.agency, for_application=True)] if self._queue.application_tasks else []
        return (format_queue_name(self.agency), *application)

    def run(self, name: str, key: int | None) -> bool:
        """Do a task; true where there was something to do.

        Raises:
            StoreError: the store does not answer; the task is found again.
        """
        if key is None:
            return self._run_job(name)
        if self._agency_jobs.run(Job(name), key):
            return True
        next_try_at = self._find_next_try() if name in HUB_TASKS else None
        if next_try_at is not None:
            self._postpone(name, key, next_try_at)  # where the pause is over, the sweep finds it soon
        return False

    def _find_next_try(self) -> datetime | None:
        """Find when a hub with which work pauses is tried next; None where it pauses with none."""
        breakers = self._agency_jobs.read_breakers().values()
        times = [one.next_try_at for one in breakers if one.state is BreakerState.OPEN and one.next_try_at is not None]
        return min(times, default=None)

    def sweep(self) -> int:
        """Take over what dead workers held, queue what is due and was not queued, and return how much that was.

        Raises:
            StoreError: the store does not answer.
        """
        self._agency_jobs.recover()
        breakers = self._agency_jobs.read_breakers().values()
        is_half_open = any(one.state is BreakerState.HALF_OPEN for one in breakers)
        with self._store.transaction() as tx:
            tasks = self._queue.list_due_jobs(tx, self.agency)
            if is_half_open:  # the poll is the probe, whenever it would be due
                tasks.append(Task(name=Job.POLL, agency=self.agency, row_id=None, due_at=tx.now))
            queued = self._queue.enqueue(tx, [task for task in tasks if task.name in _PERIODIC_TASKS])
        hub = HUB_TASKS if self._agency_jobs.find_open_until() is None else ()
        return queued + sum(
            map(self._queue_due, (*hub, *(name for name in APPLICATION_TASKS if self._is_wanted(name))))
        )

    def _is_wanted(self, name: str) -> bool:
        return name in self._queue.application_tasks

    def _queue_due(self, name: str) -> int:
        queued, page = 0, self._find_due_page(name, 0)
        while page:
            with self._store.transaction() as tx:
                queued += self._queue.enqueue(tx, page)
                self._queue.advance(tx, page)
            page = self._find_due_page(name, max(task.row_id or 0 for task in page))
        return queued

    def _find_due_page(self, name: str, after_id: int) -> list[Task]:
        with self._store.transaction() as tx:
            return self._queue.list_due(tx, name, self.agency, after_id=after_id)

    def _run_job(self, name: str) -> bool:
        if self._agency_jobs.run(Job(name)):
            return True
        schedule = self._agency_jobs.read_schedule()
        next_at = min((job.next_at for key, job in schedule.items() if split_job_name(key)[0] == name), default=None)
        if next_at is not None and next_at > self._store.clock():
            with self._store.transaction() as tx:
                self._queue.enqueue(tx, [Task(name=name, agency=self.agency, row_id=None, due_at=next_at)])
        return False

    def _postpone(self, name: str, key: int, at: datetime) -> None:
        with self._store.transaction() as tx:
            self._queue.enqueue_later(tx, name, key, at)
