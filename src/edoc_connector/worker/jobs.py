"""The jobs of a worker for one agency: each small, safe to repeat, and safe to run on many machines at a time.

Each takes one thing that is due from the store, under a lease, and returns whether there was one. What goes wrong with
that thing is in the store when the call returns; what would go wrong with the next one too opens the circuit breaker of
the hub, which all workers of the agency look at, so that neither they nor a restart hammer a hub that is down.
"""

from __future__ import annotations

import logging
import random
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from .._core import ForkAware, Text, get_logger, log_exception, watch_forks
from ..connector import (
    NO_ERROR,
    OPEN_COUNTS,
    BreakerReading,
    CheckMonitor,
    Connector,
    Handlers,
    Receipt,
    as_error_columns,
    compute_next_attempt,
    compute_next_probe,
    release_leases,
)
from ..errors import EdocError, NotFound, find_stored_name
from ..store import (
    DELIVERIES,
    JOBS_TABLE,
    MACHINES,
    OUTGOING,
    POLL_JOB,
    RECEIPTS,
    JobRow,
    LeaseLost,
    ReceiptRow,
    ReceiptState,
    Store,
    Tx,
)

log = get_logger("edoc_connector.connector.units")

_CANDIDATES = 64  # workers that fetch at the same time choose among so many packets, and so seldom the same
_FETCH_BATCH = 8  # packets that are downloaded in one go; one that was tried before is downloaded alone
_FETCH_BATCH_SECONDS = 5.0  # and none is begun after so long
_MAX_TRACEBACK_CHARACTERS = 20_000


class Job(StrEnum):
    """A kind of work; its value is the label of the metrics, the name of the task and that of the schedule's row."""

    TRANSMIT = "transmit"
    REPORT = "report"
    HANDLE = "handle"
    TELL = "tell"
    FETCH = "fetch"
    POLL = POLL_JOB
    WATCH = "watch"


class AgencyJobs(ForkAware):
    """The jobs of one agency.

    Args:
        connector: the agency's connector.
        handlers: the application, instead of the connector's own handlers.

    Attributes:
        handlers: the application.
        subject: the agency, as its checks look at it.
        checks: what an operator must know.
    """

    def __init__(self, connector: Connector, handlers: Handlers | None = None) -> None:
        self._context = connector.context
        self._inbox = connector.inbox
        self._outbox = connector.outbox
        self.handlers = handlers or connector.handlers
        self._settings = connector.settings.worker
        self._breaker = connector.context.breaker
        self.subject = connector.check_subject
        self.checks = CheckMonitor(self.subject, slow_interval=self._settings.watch)
        self._unreleased_receipts: set[int] = set()
        self._work: Mapping[Job, Callable[[int | None], bool]] = {
            Job.TRANSMIT: self.transmit,
            Job.REPORT: self.report,
            Job.HANDLE: self.handle,
            Job.TELL: self.tell,
            Job.FETCH: self.fetch,
            Job.POLL: lambda _: self.poll(),
            Job.WATCH: lambda _: self.watch(),
        }
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Forget the receipts of the parent's leases."""
        self._unreleased_receipts = set()

    @property
    def agency(self) -> str:
        """Code of the agency."""
        return self._context.agency

    @property
    def store(self) -> Store:
        """The agency's store."""
        return self._context.store

    def list_jobs(self) -> tuple[Job, ...]:
        """List the jobs that there can be, the one that is nearest to a person first."""
        needs_handlers = {Job.HANDLE: self.handlers.receipts, Job.TELL: self.handlers.statuses}
        return tuple(job for job in Job if needs_handlers.get(job, True))

    def run(self, job: Job, key: int | None = None) -> bool:
        """Do one piece of a job, or its piece for one row; true where there was something to do."""
        found = self._work[job](key)
        self._context.checkpoints.keep_if_due()
        return found

    def recover(self) -> None:
        """Take over what dead workers held, and give back what a failure of ours left in our hands."""
        self._context.store.require_same(self.agency)  # of several workers one polls; each has to notice
        unreleased, self._unreleased_receipts = self._unreleased_receipts, set()
        with self._context.store.transaction() as tx:
            tx.schedule.ensure_job(self.agency, Job.POLL, first_at=tx.now)
            tx.schedule.ensure_job(self.agency, Job.WATCH, first_at=tx.now)
            tx.schedule.correct_future_times(self.agency, self._context.overdue_limits)
            for key in unreleased:
                tx.leases.release(RECEIPTS, self._context.lease, only_id=key)
        self._outbox.recover()
        self._inbox.recover()

    def release(self) -> None:
        """End every lease as if it had run out: the next worker asks the hub about what was being sent."""
        release_leases(self._context)

    def read_schedule(self) -> dict[str, JobRow]:
        """Read when each job is due, and how it went.

        Raises:
            StoreError: the store does not answer.
        """
        with self._context.store.snapshot() as tx:
            return tx.schedule.list_jobs(self.agency)

    def count_rows(self) -> dict[tuple[str, str], int]:
        """Count the rows by table and state."""
        counts: dict[tuple[str, str], int] = {}
        with self._context.store.snapshot() as tx:
            for machine in MACHINES:
                by_state = tx.transitions.count_by_state(machine, self.agency)
                counts |= {(machine.table_name, state): count for state, count in by_state.items()}
        return counts

    def count_open(self) -> dict[str, int]:
        """Count what a person has to see, by kind: outcomes unknown, what was refused or set aside, what is late."""
        with self._context.store.snapshot() as tx:
            unknown = [
                tx.transitions.count_by_state(machine, self.agency).get("unknown", 0)
                for machine in (DELIVERIES, OUTGOING)
            ]
        return {"unknown": sum(unknown)} | {kind: count(self.subject) for kind, count in OPEN_COUNTS.items()}

    # -- the hub

    def poll(self, *, only_due: bool = True) -> bool:
        """Poll the hub when that is due, or at once; on one machine at a time."""
        only_due = only_due and not self._breaker.is_half_open()  # then the poll is the probe
        job = self._claim_job(Job.POLL, only_due=only_due)
        if job is None:
            return False
        known_ids: list[int] = []
        with self._context.lease_keeper.hold_all(JOBS_TABLE, [job.id]):
            try:
                self._inbox.requeue_due()
                for kind in self._inbox.kinds:
                    known_ids += self._inbox.poll_offers(kind)[1]
            except EdocError as error:
                self._fail_job(job, error)
                self._breaker.record_poll(error)
                return True
            self._finish_job(job, self._settings.poll)
            self._breaker.record_poll(None, failed_before=job.failures > 0)
        for key in known_ids:
            self._recheck_offered(key)
        return True

    def _recheck_offered(self, key: int) -> None:
        try:
            item_error = self._inbox.recheck_offered(key)
        except LeaseLost as error:
            log.info("another worker has it: %s", error)
        except EdocError as error:
            self._breaker.record_result(error)
        else:
            if item_error is None:
                self._breaker.record_result(None)

    def fetch(self, key: int | None = None) -> bool:
        """Download and check a few packets that the hub offers, or this one."""
        if not self._breaker.is_closed():
            return False
        listed = self._select_listed(key)
        if listed:
            self._fetch_batch([row.id for row in listed])
        return bool(listed)

    def _fetch_batch(self, keys: Sequence[int]) -> None:
        """Bring packets in, one after another; trouble with one of them says nothing of the hub."""
        outcome = self._inbox.intake.fetch(keys, within=_FETCH_BATCH_SECONDS)
        for error in outcome.errors:
            if error is not outcome.common_error:
                log.warning("%s: %s", self.agency, error)
        if outcome.common_error is not None or outcome.stored:
            self._breaker.record_result(outcome.common_error)

    def transmit(self, key: int | None = None) -> bool:
        """Send one document, or ask the hub about one whose outcome is unknown."""
        if not self._breaker.is_closed():
            return False
        sent_key, error = self._outbox.send_next_delivery(key)
        if sent_key is not None and not isinstance(error, LeaseLost):
            self._breaker.record_result(error)
        return sent_key is not None

    def report(self, key: int | None = None) -> bool:
        """Send a few statuses and confirmations, or this one."""
        if not self._breaker.is_closed():
            return False
        results = self._outbox.ack_sender.send_next(only_due=True, only_id=key)
        results_of_ours = [result for result in results if not isinstance(result.error, LeaseLost)]
        for result in results_of_ours:
            if result.opens_breaker:
                self._breaker.record_result(result.error)
        if results_of_ours and not any(result.error for result in results_of_ours):
            self._breaker.record_result(None)
        return bool(results)

    # -- the application

    def handle(self, key: int | None = None) -> bool:
        """Have the application handle one packet."""
        context = self._context
        with context.store.transaction() as tx:
            row = tx.receipts.claim_next(
                context.lease,
                agency=self.agency,
                state=ReceiptState.WAITING,
                only_id=key,
                only_due=True,
                count_attempt=True,
            )
        if row is None:
            return False
        receipt = Receipt(context, row, is_claimed=True)  # a worker sends what is queued by itself
        try:
            if row.attempts > self._settings.tries:
                receipt.set_aside(
                    Text(
                        "the worker ended while the application handled it",
                        "tiến trình dừng trong khi phần mềm của đơn vị đang xử lý",
                    )
                )
            else:
                self._run_receipt_handlers(receipt, row)
        except LeaseLost as error:
            log.warning("another worker has it by now: %s", error)
        except BaseException:
            self._unreleased_receipts.add(row.id)
            if receipt.claimed:
                context.lease_keeper.release(RECEIPTS.table_name, row.id)
            raise
        return True

    def _run_receipt_handlers(self, receipt: Receipt, row: ReceiptRow) -> None:
        receipt.__enter__()
        try:
            for handler in self.handlers.receipts:
                handler(receipt)
        except BaseException as error:  # whatever the application raises: it is kept, and everything else goes on
            if _is_program_exit(error):
                raise
            log_exception(log, logging.ERROR, "the application failed on docId %s", row.hub_doc_id, error=error)
            self._record_handler_failure(receipt, row, error)
        else:
            receipt.__exit__(None, None, None)

    def _record_handler_failure(self, receipt: Receipt, row: ReceiptRow, error: BaseException) -> None:
        is_last_try = row.attempts >= self._settings.tries
        now = self._context.store.clock()
        next_attempt_at = compute_next_attempt(self._context.limits, row.attempts, now)
        values = {**_as_failure_columns(error), "next_attempt_at": next_attempt_at}
        detail = Text(str(values["error_text"]), str(values["error_vi"]))
        if is_last_try:
            receipt.set_aside(detail, **values)
        else:
            receipt.give_back(detail, **values)

    def tell(self, key: int | None = None) -> bool:
        """Tell the application of one status that a recipient sent."""
        context = self._context
        with context.store.transaction() as tx:
            row = tx.receipts.claim_next_status(context.lease, agency=self.agency, only_id=key)
        if row is None:
            return False
        with context.lease_keeper.hold_all(RECEIPTS.table_name, [row.id]):
            try:
                self._run_status_handlers(row)
            except LeaseLost as error:
                log.warning("another worker has it by now: %s", error)
            except BaseException as error:  # as in `_run_receipt_handlers`
                if _is_program_exit(error):
                    raise
                doc_id = row.hub_doc_id
                log_exception(log, logging.ERROR, "the application failed on the status docId %s", doc_id, error=error)
                self._record_status_failure(row, error)
        return True

    def _run_status_handlers(self, row: ReceiptRow) -> None:
        try:
            status = self._inbox.open_status(row)
        except NotFound as error:
            self._record_lost_status(row, error)
            return
        detail = Text("about a document that we did not send", "về văn bản không do đơn vị gửi")
        if status is not None and status.delivery is not None:
            detail = Text("the application was told", "đã báo cho phần mềm của đơn vị")
            for handler in self.handlers.statuses:
                handler(status.delivery, status.message, status.authority)
        with self._context.store.transaction() as tx:
            _touch_receipt(tx, row, detail, noticed_at=tx.now, **NO_ERROR)

    def _record_lost_status(self, row: ReceiptRow, error: NotFound) -> None:
        """Note that the application was not told of a status whose packet is gone; its code stands in the delivery."""
        log.warning("the application was not told of the status docId %s: %s", row.hub_doc_id, error)
        detail = Text(f"the application was not told: {error.message}", f"chưa báo cho phần mềm của đơn vị: {error.vi}")
        with self._context.store.transaction() as tx:
            _touch_receipt(tx, row, detail, noticed_at=tx.now, **as_error_columns(error))

    def _record_status_failure(self, row: ReceiptRow, error: BaseException) -> None:
        with self._context.store.transaction() as tx:
            is_last_try = row.attempts >= self._settings.tries
            next_attempt_at = compute_next_attempt(self._context.limits, row.attempts, tx.now)
            values = {**_as_failure_columns(error), "next_attempt_at": next_attempt_at}
            en, vi = (f"{values['error_text']}; it is not told again", f"{values['error_vi']}; sẽ không báo lại")
            if is_last_try:
                _touch_receipt(tx, row, Text(en, vi), noticed_at=tx.now, **values)
            else:
                _touch_receipt(tx, row, Text(str(values["error_text"]), str(values["error_vi"])), **values)

    # -- what an operator must know

    def watch(self) -> bool:
        """Look at our key, our clock and every other condition when due; link what a crashed process left unlinked."""
        job = self._claim_job(Job.WATCH)
        if job is None:
            return False
        self.checks.run()
        try:
            self._context.get_signer()
            self._context.store.link_evidence(self.agency)
        except EdocError as error:
            self._fail_job(job, error)
            return True
        self._finish_job(job, self._settings.watch)
        return True

    # -- helpers

    def _claim_job(self, job: Job, *, only_due: bool = True) -> JobRow | None:
        with self._context.store.transaction() as tx:
            return tx.schedule.claim_job(self._context.lease, self.agency, job, only_due=only_due)

    def _finish_job(self, job: JobRow, seconds: float) -> None:
        spread = 1.0 + self._settings.jitter * random.uniform(-1.0, 1.0)  # noqa: S311  spreads load, hides nothing
        with self._context.store.transaction() as tx:
            tx.schedule.finish_job(job, next_at=tx.now + timedelta(seconds=seconds * spread), failures=0)

    def _fail_job(self, job: JobRow, error: EdocError) -> None:
        log.warning("%s of %s: %s", job.job, self.agency, error)
        with self._context.store.transaction() as tx:
            next_at = compute_next_probe(self._context.limits, job.failures, tx.now, error)
            tx.schedule.finish_job(job, next_at=next_at, failures=job.failures + 1, error=as_error_columns(error))

    def find_open_until(self) -> datetime | None:
        """Find until when work with the hub pauses; None where it does not."""
        return self._breaker.find_open_until()

    def read_breaker(self) -> BreakerReading:
        """Read whether work with the hub pauses, why, and until when.

        Raises:
            StoreError: the store does not answer.
        """
        return self._breaker.read()

    def _select_listed(self, key: int | None) -> list[ReceiptRow]:
        """Select packets to download: several that were not tried yet, or one that was; or this one, if it is due."""
        with self._context.store.snapshot() as tx:
            rows = tx.receipts.list_downloadable(self.agency, only_id=key, limit=_CANDIDATES)
        if not rows:
            return []
        first = random.randrange(max(1, len(rows) - _FETCH_BATCH + 1))  # noqa: S311  as above
        if rows[first].attempts:  # one on which a worker ended must not take its neighbours along
            return rows[first : first + 1]
        return [row for row in rows[first : first + _FETCH_BATCH] if not row.attempts]


def _touch_receipt(tx: Tx, row: ReceiptRow, detail: Text | str, **values: object) -> None:
    tx.leases.end(RECEIPTS, row.id, state=row.state, fencing_token=row.fence, detail=detail, **values)


def _is_program_exit(error: BaseException) -> bool:
    """Whether an exception is Ctrl-C or sys.exit() in the main thread; any other thread it would end unnoticed."""
    return not isinstance(error, Exception) and threading.current_thread() is threading.main_thread()


def _as_failure_columns(error: BaseException) -> dict[str, str | datetime | None]:
    """Express an exception of the application as columns; of a long traceback the end is kept."""
    text = "".join(traceback.format_exception(error))[-_MAX_TRACEBACK_CHARACTERS:].replace("\0", "")
    said = error.full if isinstance(error, EdocError) else error
    words = f"{find_stored_name(error)}: {said}".replace("\0", "")
    return {
        "error_code": find_stored_name(error)[:64],
        "error_text": f"the application failed: {words}",
        "error_vi": f"Phần mềm của đơn vị gặp lỗi: {words}",
        "traceback": text,
    }
