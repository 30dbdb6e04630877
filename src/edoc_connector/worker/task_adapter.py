"""A worker's work as tasks of an engine: done by key, put off by the hub's gate, and found again when lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ..connector._context import Session
from ..connector.handlers import Handlers
from ..errors import ConfigError
from ..store.procrastinate.queue import (
    FETCH,
    HANDLE,
    REPORT,
    TELL,
    TRANSMIT,
    WITH_APPLICATION,
    WITH_HUB,
    Task,
    TaskQueue,
    queue_of,
)

if TYPE_CHECKING:
    from .jobs import AgencyJobs


class Tasks:
    """The tasks of one agency.

    Args:
        session: the store.
        units: the work.
        handlers: the application; without any, tasks of that kind are left to other workers.

    Raises:
        ConfigError: the store queues no tasks.
    """

    def __init__(self, session: Session, units: AgencyJobs, handlers: Handlers) -> None:
        if session.store.tasks is None:
            raise ConfigError(
                'no tasks are queued: set [worker] engine = "procrastinate".',
                vi='Chưa xếp hàng tác vụ: hãy đặt [worker] engine = "procrastinate".',
            )
        self._session = session
        self._units = units
        self._queue: TaskQueue = session.store.tasks
        told = {HANDLE: bool(handlers.receipts), TELL: bool(handlers.statuses)}
        self._queue.application = frozenset(name for name, wanted in told.items() if wanted)
        self._rows: Mapping[str, Callable[[int | None], bool]] = {
            TRANSMIT: units.transmit,
            REPORT: units.report,
            FETCH: units.fetch,
            HANDLE: units.handle,
            TELL: units.tell,
        }
        self._jobs: Mapping[str, Callable[[], bool]] = {"poll": units.poll, "watch": units.watch}

    @property
    def agency(self) -> str:
        """Whose tasks they are."""
        return self._session.agency

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks that can be run."""
        return (*self._rows, *self._jobs)

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues to take tasks from."""
        application = [queue_of(self.agency, application=True)] if self._queue.application else []
        return (queue_of(self.agency), *application)

    def run(self, name: str, key: int | None) -> bool:
        """Do a task; whether there was something to do.

        Raises:
            StoreError: the store does not answer; the task is found again.
        """
        if key is None:
            return self._run_job(name)
        if self._rows[name](key):
            return True
        shut_until = self._units.shut_until() if name in WITH_HUB else None
        if shut_until is not None:
            self._later(name, key, shut_until)
        return False

    def sweep(self) -> int:
        """Take over what dead workers held, and queue what is due and was not queued; how much that was.

        Raises:
            StoreError: the store does not answer.
        """
        self._units.recover()
        with self._session.transaction() as tx:
            tasks = self._queue.due_jobs(tx, self.agency)
            found = self._queue.defer(tx, [task for task in tasks if task.name in self._jobs])
        hub = WITH_HUB if self._units.shut_until() is None else ()
        return found + sum(map(self._swept, (*hub, *(name for name in WITH_APPLICATION if self._done(name)))))

    def _done(self, name: str) -> bool:
        return name in self._queue.application

    def _swept(self, name: str) -> int:
        found, page = 0, self._page(name, 0)
        while page:
            with self._session.transaction() as tx:
                found += self._queue.defer(tx, page)
            page = self._page(name, max(task.key or 0 for task in page))
        return found

    def _page(self, name: str, after: int) -> list[Task]:
        with self._session.transaction() as tx:
            return self._queue.due(tx, name, self.agency, after=after)

    def _run_job(self, name: str) -> bool:
        if self._jobs[name]():
            return True
        job = self._units.jobs().get(name)
        if job is not None and job.next_at > self._session.store.clock():
            with self._session.transaction() as tx:
                self._queue.defer(tx, [Task(name=name, agency=self.agency, key=None, due=job.next_at)])
        return False

    def _later(self, name: str, key: int, at: datetime) -> None:
        with self._session.transaction() as tx:
            self._queue.again(tx, name, key, at)
