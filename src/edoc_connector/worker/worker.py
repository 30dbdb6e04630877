"""The worker: threads that run due jobs of several agencies until they are stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from .._core import StopFlag, bind_log_fields, get_logger, log_exception, make_lock
from ..config import Settings, WorkerSettings
from ..connector import Connector, Handlers, SharedResources
from ..errors import ConfigError, StoreError
from .jobs import AgencyJobs, Job
from .shared_look import SCHEDULED_JOBS, SharedLook

log = get_logger("edoc_connector.worker")

_REPEATS = {Job.HANDLE: 8}  # packets come in, and answers leave, several at a time; so they are handled
# Jobs that there may be after one was done; the others are looked at again after the time of idleness.
_FOLLOW_UP_JOBS = {
    Job.POLL: (Job.FETCH, Job.REPORT),
    Job.FETCH: (Job.HANDLE, Job.REPORT, Job.TELL, Job.FETCH),
    Job.HANDLE: (Job.REPORT, Job.TRANSMIT, Job.HANDLE),
    Job.REPORT: (Job.REPORT, Job.TELL),
    Job.TELL: (Job.REPORT, Job.TRANSMIT, Job.TELL),
    Job.TRANSMIT: (Job.TRANSMIT, Job.REPORT),
}
_CONNECTIONS_PER_THREAD = 2  # one that reads while another one writes
_FURTHER_CONNECTIONS = 11  # for checks, leases, announcements, acknowledgements and whoever asks how the worker is
FAILURE_REST_SECONDS = 5.0  # rest after a failure that is noted nowhere: a store that is away, a mistake of ours


class Worker:
    """Works for some agencies.

    Several workers, on one machine or on many, may work for the same agencies: each thing is done by one of them at a
    time. Use it as a context manager around `run`.

    Args:
        agencies: the settings of each; the first one's ``[worker]`` counts for how many threads there are.
        handlers: the application; without any, packets that came in wait for `Connector.receive`.

    Raises:
        ConfigError: settings cannot be used, or name an agency twice.
        StoreError: a store cannot be opened.
    """

    def __init__(self, agencies: Sequence[Settings], *, handlers: Handlers | None = None) -> None:
        _require_distinct(agencies)
        self.settings: WorkerSettings = agencies[0].worker
        self._check_interval = agencies[0].checks.interval
        self.metrics = WorkerMetrics()
        self._stack = ExitStack()
        self._stop = StopFlag()
        self._has_dead_thread = self._is_without_stores = False
        self._lock = make_lock()
        self._turns: list[AgencyTurn] = []
        if handlers is not None:
            self._stack.callback(handlers.close)
        shared = SharedResources(max_connections=_count_connections(self.settings)) if len(agencies) > 1 else None
        if shared is not None:
            self._stack.callback(shared.close)
        try:
            for settings in agencies:
                connector = self._stack.enter_context(Connector(settings, shared=shared))
                self._turns.append(AgencyTurn(connector, handlers, settings.worker))
            _share_looks(self._turns)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything; `run` has ended the leases of threads that did not end in time."""
        self._stack.close()

    @property
    def connectors(self) -> tuple[Connector, ...]:
        """The agencies' connectors."""
        return tuple(turn.connector for turn in self._turns)

    @property
    def agency_jobs(self) -> tuple[AgencyJobs, ...]:
        """The agencies' work."""
        return tuple(turn.agency_jobs for turn in self._turns)

    def stop(self) -> None:
        """End `run`: nothing new is begun. May be called from a signal handler, or any thread."""
        self._stop.set()

    def is_ready(self) -> bool:
        """Whether every agency's store answers."""
        try:
            for turn in self._turns:
                turn.agency_jobs.read_schedule()
        except StoreError:
            return False
        return not self._stop.is_set()

    def run(self) -> bool:
        """Work until `stop`.

        Returns:
            Whether everything that was begun was finished; else it was let go of after ``worker.stop_within``, a
            thread ended by itself, or no agency has its store any more: the process should end now.
        """
        threads = self._start_threads()
        checking = threading.Thread(target=self._keep_checking, name="edoc-checks", daemon=True)
        checking.start()
        log.info("working for %s", ", ".join(turn.agency_jobs.agency for turn in self._turns))
        while not self._stop.wait(1.0):  # a signal that another thread got is handled when this one wakes
            self._stop_without_stores()
        deadline = time.monotonic() + self.settings.stop_within
        for thread in (*threads, checking):
            thread.join(max(0.0, deadline - time.monotonic()))
        is_finished = not self._has_dead_thread and not any(thread.is_alive() for thread in threads)
        self._release(is_finished)
        return is_finished and not self._is_without_stores

    def _stop_without_stores(self) -> None:
        """Stop where every agency's store is lost: only a start can find it again, or what was restored."""
        if all(turn.is_lost for turn in self._turns):
            log.critical("the worker ends: no agency has its store any more")
            self._is_without_stores = True
            self.stop()

    def run_once(self, *, rounds: int = 1000) -> dict[str, bool]:
        """Poll the hub now and work in this thread until nothing is due for any agency; for a schedule of one's own.

        The hub is polled whenever the next poll would be due, unless another worker is at it. Other waits count: what
        failed a moment ago is tried again when its back-off is over.

        Args:
            rounds: the most often that each kind of work is done, where there is always something due.

        Returns:
            For each agency whether its hub, or every one of several, answered the last poll.

        Raises:
            StoreError: a store failed; the other agencies were worked for.
        """
        reached: dict[str, bool] = {}
        errors: list[StoreError] = []
        for turn in self._turns:
            try:
                reached[turn.agency_jobs.agency] = self._run_agency_once(turn, rounds)
            except StoreError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return reached

    def _run_agency_once(self, turn: AgencyTurn, rounds: int) -> bool:
        turn.agency_jobs.recover()
        if turn.agency_jobs.poll(only_due=False):
            self.metrics.count_job(turn.agency_jobs.agency, Job.POLL)
        for _ in range(rounds):
            if not self._run_round(turn):
                break
        schedule = turn.agency_jobs.read_schedule()
        return all(schedule[name].failures == 0 for name in turn.agency_jobs.list_poll_jobs())

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    def _start_threads(self) -> list[threading.Thread]:
        """Start the threads that work until `stop`."""
        names = [f"edoc-worker-{number}" for number in range(1, self.settings.concurrency + 1)]
        threads = [threading.Thread(target=self._run_thread, name=name, daemon=True) for name in names]
        for thread in threads:
            thread.start()
        return threads

    def _run_thread(self) -> None:
        """Work in a thread; one that ends before it is told to ends the worker: it must not look alive."""
        try:
            self._take_turns()
        except BaseException as error:
            log_exception(
                log, logging.CRITICAL, "a thread of the worker ended by itself; the worker stops", error=error
            )
            self._has_dead_thread = True
            self.stop()

    def _keep_checking(self) -> None:
        """Look at the conditions that an operator must know, again and again."""
        while not self._stop.is_set():
            for turn in self._turns:
                run_guarded(turn.agency_jobs.agency, self.metrics, turn.run_checks)
            self._stop.wait(self._check_interval)

    def _take_turns(self) -> None:
        while not self._stop.is_set():
            turn = self._next_turn()
            if turn is None:
                self._stop.wait(min(agency_turn.settings.idle for agency_turn in self._turns) / 2)
                continue
            if turn.is_worth_a_round():
                turn.rest(0.0 if self._run_turn(turn) else turn.settings.idle)

    def _next_turn(self) -> AgencyTurn | None:
        """Find the agency that waited longest, of those that are not resting."""
        now = time.monotonic()
        with self._lock:
            turn = min(
                (one for one in self._turns if one.rests_until <= now and not one.is_lost),
                key=lambda one: one.last_turn_at,
                default=None,
            )
            if turn is not None:
                turn.last_turn_at = now
            return turn

    def _run_turn(self, turn: AgencyTurn) -> bool:
        did_work = run_guarded(turn.agency_jobs.agency, self.metrics, lambda: self._recover_and_work(turn))
        turn.note_round(has_more=did_work is None or did_work)
        if did_work is None:
            self._stop.wait(min(FAILURE_REST_SECONDS, turn.settings.idle * 5))
        return bool(did_work)

    def _recover_and_work(self, turn: AgencyTurn) -> bool:
        if turn.start_recovery_if_due():
            turn.agency_jobs.recover()
        return self._run_round(turn, skip_resting=True)

    def _run_round(self, turn: AgencyTurn, *, skip_resting: bool = False) -> bool:
        """Do each job; true where anything was done.

        Args:
            turn: the agency.
            skip_resting: whether a kind of which nothing was due a moment ago may rest.
        """
        did_work = False
        for job in turn.agency_jobs.list_jobs():
            if turn.is_resting(job, skip_resting):
                continue
            for _ in range(_REPEATS.get(job, 1)):
                if self._stop.is_set():
                    return did_work
                if not turn.agency_jobs.run(job):
                    turn.mark_idle(job)
                    break
                self.metrics.count_job(turn.agency_jobs.agency, job)
                turn.wake_follow_ups(job)
                did_work = did_work or not (skip_resting and turn.sees_what_is_left_by(job))
        return did_work

    def _release(self, is_finished: bool) -> None:
        for turn in self._turns:
            if not is_finished:
                log.warning("not everything for %s was finished in time; it is let go of", turn.agency_jobs.agency)
            try:
                turn.agency_jobs.release()
            except StoreError as error:
                log.warning("leases of %s run out by themselves: %s", turn.agency_jobs.agency, error)


def run_guarded(agency: str, metrics: WorkerMetrics, work: Callable[[], bool]) -> bool | None:
    """Do work for an agency, and return its result; None where it failed, which is logged and counted.

    A mistake of ours must not stop the other agencies; the row that it was about is taken over when its lease ends.
    """
    with bind_log_fields(agency=agency):
        try:
            return work()
        except StoreError as error:
            log.warning("the store of %s: %s", agency, error)
        except Exception as error:
            log_exception(log, logging.ERROR, "work for %s failed", agency, error=error)
    metrics.count_failure(agency)
    return None


class AgencyTurn:
    """An agency, and when it is looked at again.

    Args:
        connector: its connector.
        handlers: the application.
        settings: its section ``[worker]``.

    Attributes:
        recovery_interval: seconds between two recoveries, where there are rounds.
        whole_round_at: when its last round ended in which every job was looked at, by the monotonic clock.
        has_more: whether that did or left something.
        shared_look: looks for what is due for all agencies of the store; None where it is the only one.
    """

    def __init__(self, connector: Connector, handlers: Handlers | None, settings: WorkerSettings) -> None:
        self.connector = connector
        self.settings = settings
        self.agency_jobs: AgencyJobs = AgencyJobs(connector, handlers)
        self.last_turn_at = 0.0
        self.rests_until = 0.0
        self._quiet_until: dict[Job, float] = {}
        self._recovered_at = float("-inf")
        self.recovery_interval = min(settings.idle * 5, connector.settings.limits.lease / 4)
        self.whole_round_at = float("-inf")
        self._is_whole_round = True
        self.has_more = True
        self.shared_look: SharedLook | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the agency's store is gone for this process; its checks go on to say so."""
        return self.agency_jobs.store.is_lost

    def run_checks(self) -> bool:
        """Look at the conditions that an operator must know; true where there are any."""
        return bool(self.agency_jobs.checks.run())

    def is_worth_a_round(self) -> bool:
        """Whether there may be something to do; an agency that has its store for itself looks with each round."""
        return self.shared_look is None or self.shared_look.has_work(self)

    def sees_what_is_left_by(self, job: Job) -> bool:
        """Whether the next look finds what a job left to do, so that no round has to follow for it."""
        return self.shared_look is not None and job in SCHEDULED_JOBS

    def plan_round(self, *, left_out: Collection[Job]) -> None:
        """Leave jobs out of the next round, where nothing can be due for them."""
        self._is_whole_round = not left_out
        for job in left_out:
            self.mark_idle(job)

    def note_round(self, *, has_more: bool) -> None:
        """Note that a round ended, and whether the next one follows whatever the look at the store says."""
        if self._is_whole_round:
            self.whole_round_at = time.monotonic()
        self.has_more = has_more or self.agency_jobs.has_unreleased

    def rest(self, seconds: float) -> None:
        """Leave the agency alone for a while."""
        self.rests_until = time.monotonic() + seconds

    def is_resting(self, job: Job, skip_resting: bool) -> bool:
        """Whether there was nothing to do for a job a moment ago."""
        return skip_resting and time.monotonic() < self._quiet_until.get(job, 0.0)

    def mark_idle(self, job: Job) -> None:
        """Leave a job alone for a while: there is nothing to do."""
        self._quiet_until[job] = time.monotonic() + self.settings.idle

    def wake_follow_ups(self, job: Job) -> None:
        """Wake the jobs that may have something to do after one was done."""
        for follow_up in _FOLLOW_UP_JOBS.get(job, ()):
            self._quiet_until.pop(follow_up, None)

    def start_recovery_if_due(self) -> bool:
        """Note that a recovery begins, if one is due; whether it is."""
        now = time.monotonic()
        is_due = now - self._recovered_at >= self.recovery_interval
        if is_due:
            self._recovered_at = now
        return is_due


def _share_looks(turns: Sequence[AgencyTurn]) -> None:
    """Have agencies that share a store share the look for what is due."""
    by_database: dict[str, list[AgencyTurn]] = {}
    for turn in turns:
        by_database.setdefault(turn.agency_jobs.store.database, []).append(turn)
    for group in by_database.values():
        look = SharedLook(group) if len(group) > 1 else None
        for turn in group:
            turn.shared_look = look


def _count_connections(settings: WorkerSettings) -> int:
    """Count the connections to a database server that a worker may need at a time, however many agencies it has."""
    return _CONNECTIONS_PER_THREAD * settings.concurrency + _FURTHER_CONNECTIONS


def _require_distinct(agencies: Sequence[Settings]) -> None:
    if not agencies:
        raise ConfigError(
            "no agency is configured: write [agency] or [agencies.NAME].",
            vi="Chưa cấu hình đơn vị nào: hãy ghi [agency] hoặc [agencies.TÊN].",
        )
    codes = [settings.agency.id for settings in agencies]
    repeated = next((code for code in codes if codes.count(code) > 1), None)
    if repeated is not None:
        raise ConfigError(
            f"the agency {repeated} is configured twice: give each agency one section [agencies.NAME].",
            vi=f"Đơn vị {repeated} được cấu hình hai lần: mỗi đơn vị chỉ một mục [agencies.TÊN].",
        )


class WorkerMetrics:
    """Counts of jobs done and of failures. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = make_lock()
        self._job_counts: Counter[tuple[str, str]] = Counter()
        self._failure_counts: Counter[str] = Counter()

    def count_job(self, agency: str, job: str) -> None:
        """Count a job that was done."""
        with self._lock:
            self._job_counts[agency, job] += 1

    def count_failure(self, agency: str) -> None:
        """Count a failure of the store, or one of ours."""
        with self._lock:
            self._failure_counts[agency] += 1

    def read_job_counts(self) -> dict[tuple[str, str], int]:
        """Read how many jobs were done, by agency and job."""
        with self._lock:
            return dict(self._job_counts)

    def read_failure_counts(self) -> dict[str, int]:
        """Read how often the store failed, or we did, by agency."""
        with self._lock:
            return dict(self._failure_counts)
