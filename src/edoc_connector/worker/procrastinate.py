"""The worker on the engine procrastinate: run tasks that are queued in the store's PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url

from .._core import get_logger
from ..config import Settings
from ..connector import Handlers
from .task_adapter import TaskAdapter
from .worker import FAILURE_REST_SECONDS, Worker, WorkerMetrics, run_guarded

if TYPE_CHECKING:
    from procrastinate import App

log = get_logger("edoc_connector.worker")

POOL_SECONDS = 10.0  # a database that is away is waited for so long before the engine begins anew
_SWEEP = "edoc:sweep"
_HEARTBEATS_PER_TIMEOUT = 6  # a worker says so often that it lives before it would be taken for dead


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
        self._stop_event: asyncio.Event | None = None

    def stop(self) -> None:
        """Stop as `Worker.stop` does."""
        super().stop()
        if self._loop is not None and self._stop_event is not None:
            self._loop.call_soon_threadsafe(self._stop_event.set)

    def _start_threads(self) -> list[threading.Thread]:
        databases = list(self._group_databases())
        thread = threading.Thread(target=self._run_loop, args=(databases,), name="edoc-procrastinate", daemon=True)
        thread.start()
        return [thread]

    def _run_loop(self, databases: Sequence[_DatabaseEngine]) -> None:
        try:
            asyncio.run(self._serve(databases))
        finally:
            super().stop()  # where it ended by a mistake of ours: a worker that does nothing must not look alive

    async def _serve(self, databases: Sequence[_DatabaseEngine]) -> None:
        self._loop, self._stop_event = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_default_executor(ThreadPoolExecutor(self.settings.concurrency + 1, "edoc-worker"))
        if self.stopped:
            self._stop_event.set()
        await asyncio.gather(*(self._keep_running(database, self._stop_event) for database in databases))
        self._loop = None

    def _group_databases(self) -> Iterator[_DatabaseEngine]:
        """Make one engine for each database, however many agencies are in it."""
        by_url: dict[str, list[TaskAdapter]] = {}
        for connector, agency_jobs in zip(self.connectors, self.agency_jobs, strict=True):
            by_url.setdefault(connector.settings.store_url(), []).append(TaskAdapter(agency_jobs))
        for url, adapters in by_url.items():
            yield _DatabaseEngine(url, adapters, self)

    async def _keep_running(self, database: _DatabaseEngine, stop_event: asyncio.Event) -> None:
        """Run an engine until the stop; one that ends before, because its database is away, is begun again."""
        stop_wait = asyncio.create_task(stop_event.wait())
        while not stop_event.is_set():
            running = asyncio.create_task(database.run())
            await asyncio.wait({running, stop_wait}, return_when=asyncio.FIRST_COMPLETED)
            if stop_event.is_set():
                running.cancel()  # it finishes what it is at
            (engine_error,) = await asyncio.gather(running, return_exceptions=True)
            if stop_event.is_set():
                return
            log.warning("the engine ended (%s); it is begun again", engine_error or "its database is away")
            for adapter in database.task_adapters:
                self.metrics.count_failure(adapter.agency)
            await asyncio.wait({stop_wait}, timeout=min(FAILURE_REST_SECONDS, self.settings.idle * 5))


class _DatabaseEngine:
    """The engine on one database.

    Args:
        url: where it is.
        task_adapters: the agencies' work.
        worker: whose settings and figures count.
    """

    def __init__(self, url: str, task_adapters: Sequence[TaskAdapter], worker: ProcrastinateWorker) -> None:
        self.task_adapters = tuple(task_adapters)
        self._adapters_by_agency = {adapter.agency: adapter for adapter in task_adapters}
        self._url = url
        self._worker = worker
        self._settings = worker.settings
        lease = min(worker.connectors[0].settings.limits.lease, 120.0)
        self._stalled_seconds = max(2.0, lease / 4)

    async def run(self) -> None:
        """Take tasks until cancelled, or until the database is away."""
        for adapter in self.task_adapters:
            await asyncio.to_thread(self._run_guarded, adapter, adapter.sweep)
        app = self._build_app()
        async with app.open_async():
            await app.run_worker_async(
                queues=[queue for adapter in self.task_adapters for queue in adapter.queues],
                name="edoc",
                concurrency=self._settings.concurrency,
                fetch_job_polling_interval=self._settings.idle,
                delete_jobs="always",  # what was done stands in the timelines and in the evidence
                install_signal_handlers=False,
                update_heartbeat_interval=self._stalled_seconds / _HEARTBEATS_PER_TIMEOUT,
                stalled_worker_timeout=self._stalled_seconds,
            )

    def _build_app(self) -> App:
        from procrastinate import App, PsycopgConnector

        arguments: dict[str, Any] = _parse_connection_arguments(self._url)
        app = App(connector=PsycopgConnector(kwargs=arguments, min_size=2, max_size=6, timeout=POOL_SECONDS))
        for name in self.task_adapters[0].names:
            app.task(name=f"edoc:{name}")(self._build_task(name))
        sweep = app.task(name=_SWEEP)(self._build_sweep(app))
        for adapter in self.task_adapters:
            for queue in adapter.queues:
                arguments = {"agency": adapter.agency, "queue": queue}
                lock = f"{_SWEEP} {queue}"
                cron = f"* * * * * */{self._settings.sweep}" if self._settings.sweep < 60 else "* * * * *"
                app.periodic(cron=cron, periodic_id=queue, queue=queue, queueing_lock=lock, task_kwargs=arguments)(
                    sweep
                )
        return app

    def _build_task(self, name: str) -> Any:
        def work(agency: str, key: int | None = None) -> None:
            adapter = self._adapters_by_agency[agency]
            if self._run_guarded(adapter, lambda: adapter.run(name, key)):
                self._metrics.count_job(agency, name)

        return work

    def _build_sweep(self, app: App) -> Any:
        async def sweep(timestamp: int, agency: str, queue: str) -> None:  # noqa: ARG001  the engine gives the time
            await self._remove_stalled(app, queue)
            adapter = self._adapters_by_agency[agency]
            if await asyncio.to_thread(self._run_guarded, adapter, adapter.sweep):
                self._metrics.count_job(agency, "sweep")

        return sweep

    async def _remove_stalled(self, app: App, queue: str) -> None:
        """End the tasks of workers that are gone: their rows say what is left to do, and are queued again by that."""
        from procrastinate.exceptions import ConnectorException
        from procrastinate.jobs import Status

        for job in await app.job_manager.get_stalled_jobs(queue=queue, seconds_since_heartbeat=self._stalled_seconds):
            log.warning("the task %s of a worker that is gone is taken off the queue", job.task_name)
            try:
                await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)
            except ConnectorException as error:
                log.info("another worker did it: %s", error)

    @property
    def _metrics(self) -> WorkerMetrics:
        return self._worker.metrics

    def _run_guarded(self, adapter: TaskAdapter, work: Any) -> bool:
        """Do some work; errors are logged, and the sweep finds again what is left of it."""
        return bool(run_guarded(adapter.agency, self._metrics, lambda: bool(work())))


def _parse_connection_arguments(url: str) -> dict[str, Any]:
    """Parse the arguments with which psycopg connects, as SQLAlchemy does."""
    parsed = make_url(url)
    _, arguments = parsed.get_dialect()().create_connect_args(parsed)
    return dict(arguments)
