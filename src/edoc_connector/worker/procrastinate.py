"""The worker on the engine procrastinate: it takes tasks from the store's PostgreSQL instead of looking for them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url

from ..config import Settings
from ..connector import Handlers
from .figures import Figures
from .task_adapter import Tasks
from .worker import TROUBLE_SECONDS, Worker, guarded

if TYPE_CHECKING:
    from procrastinate import App

log = logging.getLogger("edoc_connector.worker")

_SWEEP = "edoc:sweep"
_HEARTBEATS = 6  # a worker says so often that it lives before it would be taken for dead


class ProcrastinateWorker(Worker):
    """Works for some agencies as `Worker` does, on tasks that are queued in the transactions that make them due.

    Each change of state queues its task; a sweep, periodic and one for all workers, finds what none was queued for.

    Args:
        agencies: the settings of each, all with ``worker.engine`` procrastinate.
        handlers: the application.

    Raises:
        ConfigError: a store is not PostgreSQL, or procrastinate is not installed.
        StoreError: a store cannot be opened, or has not the engine's tables.
    """

    def __init__(self, agencies: Sequence[Settings], *, handlers: Handlers | None = None) -> None:
        super().__init__(agencies, handlers=handlers)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def stop(self) -> None:
        """As `Worker.stop`."""
        super().stop()
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    def _started(self) -> list[threading.Thread]:
        databases = list(self._databases())
        thread = threading.Thread(target=self._run_loop, args=(databases,), name="edoc-procrastinate", daemon=True)
        thread.start()
        return [thread]

    def _run_loop(self, databases: Sequence[_Database]) -> None:
        try:
            asyncio.run(self._serve(databases))
        finally:
            super().stop()  # where it ended by a mistake of ours: a worker that does nothing must not look alive

    async def _serve(self, databases: Sequence[_Database]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_default_executor(ThreadPoolExecutor(self.settings.concurrency + 1, "edoc-worker"))
        if self.stopped:
            self._stopping.set()
        await asyncio.gather(*(self._kept_up(one, self._stopping) for one in databases))
        self._loop = None

    def _databases(self) -> Iterator[_Database]:
        """One engine for each database, however many agencies are in it."""
        by_url: dict[str, list[Tasks]] = {}
        for connector, units in zip(self.connectors, self.units, strict=True):
            by_url.setdefault(connector.settings.store_url(), []).append(units.tasks())
        for url, tasks in by_url.items():
            yield _Database(url, tasks, self)

    async def _kept_up(self, database: _Database, stopping: asyncio.Event) -> None:
        """Run an engine until the stop; one that ends before, because its database is away, is begun again."""
        told = asyncio.create_task(stopping.wait())
        while not stopping.is_set():
            running = asyncio.create_task(database.run())
            await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.is_set():
                running.cancel()  # it finishes what it is at
            (ended,) = await asyncio.gather(running, return_exceptions=True)
            if stopping.is_set():
                return
            log.warning("the engine ended (%s); it is begun again", ended or "its database is away")
            for tasks in database.tasks:
                self.figures.trouble(tasks.agency)
            await asyncio.wait({told}, timeout=min(TROUBLE_SECONDS, self.settings.idle * 5))


class _Database:
    """The engine on one database.

    Args:
        url: where it is.
        tasks: the agencies' work.
        worker: whose settings and figures count.
    """

    def __init__(self, url: str, tasks: Sequence[Tasks], worker: ProcrastinateWorker) -> None:
        self.tasks = tuple(tasks)
        self._by_agency = {one.agency: one for one in tasks}
        self._url = url
        self._worker = worker
        self._settings = worker.settings
        lease = min(worker.connectors[0].settings.limits.lease, 120.0)
        self._dead_after = max(2.0, lease / 4)

    async def run(self) -> None:
        """Take tasks until cancelled, or until the database is away."""
        for tasks in self.tasks:
            await asyncio.to_thread(self._guarded, tasks, tasks.sweep)
        app = self._app()
        async with app.open_async():
            await app.run_worker_async(
                queues=[queue for tasks in self.tasks for queue in tasks.queues],
                name="edoc",
                concurrency=self._settings.concurrency,
                fetch_job_polling_interval=self._settings.idle,
                delete_jobs="always",  # what was done stands in the timelines and in the evidence
                install_signal_handlers=False,
                update_heartbeat_interval=self._dead_after / _HEARTBEATS,
                stalled_worker_timeout=self._dead_after,
            )

    def _app(self) -> App:
        from procrastinate import App, PsycopgConnector

        arguments: dict[str, Any] = _connection(self._url)
        app = App(connector=PsycopgConnector(kwargs=arguments, min_size=2, max_size=6, timeout=10.0))
        for name in self.tasks[0].names:
            app.task(name=f"edoc:{name}")(self._task(name))
        sweep = app.task(name=_SWEEP)(self._sweep_of(app))
        for tasks in self.tasks:
            for queue in tasks.queues:
                arguments = {"agency": tasks.agency, "queue": queue}
                lock = f"{_SWEEP} {queue}"
                cron = f"* * * * * */{self._settings.sweep}" if self._settings.sweep < 60 else "* * * * *"
                app.periodic(cron=cron, periodic_id=queue, queue=queue, queueing_lock=lock, task_kwargs=arguments)(
                    sweep
                )
        return app

    def _task(self, name: str) -> Any:
        def work(agency: str, key: int | None = None) -> None:
            tasks = self._by_agency[agency]
            if self._guarded(tasks, lambda: tasks.run(name, key)):
                self._figures.did(agency, name)

        return work

    def _sweep_of(self, app: App) -> Any:
        async def sweep(timestamp: int, agency: str, queue: str) -> None:  # noqa: ARG001  the engine gives the time
            await self._take_off(app, queue)
            tasks = self._by_agency[agency]
            if await asyncio.to_thread(self._guarded, tasks, tasks.sweep):
                self._figures.did(agency, "sweep")

        return sweep

    async def _take_off(self, app: App, queue: str) -> None:
        """End the tasks of workers that are gone: their rows say what is left to do, and are queued again by that."""
        from procrastinate.exceptions import ConnectorException
        from procrastinate.jobs import Status

        for job in await app.job_manager.get_stalled_jobs(queue=queue, seconds_since_heartbeat=self._dead_after):
            log.warning("the task %s of a worker that is gone is taken off the queue", job.task_name)
            try:
                await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)
            except ConnectorException as error:
                log.info("another worker did it: %s", error)

    @property
    def _figures(self) -> Figures:
        return self._worker.figures

    def _guarded(self, tasks: Tasks, work: Any) -> bool:
        """Do something; what goes wrong is logged, and the sweep finds again what is left of it."""
        return bool(guarded(tasks.agency, self._figures, lambda: bool(work())))


def _connection(url: str) -> dict[str, Any]:
    """What psycopg connects with, as SQLAlchemy would tell it."""
    parsed = make_url(url)
    _, arguments = parsed.get_dialect()().create_connect_args(parsed)
    return dict(arguments)
