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

from .._core import ForkAware, Text, bind_log_fields, get_logger, log_exception, qualify_for_hub, watch_forks
from ..connector import (
    ARRIVAL_TIME,
    NO_ERROR,
    OPEN_COUNTS,
    BreakerReading,
    CheckMonitor,
    Connector,
    Handlers,
    HubChannel,
    Receipt,
    as_error_columns,
    compute_next_attempt,
    compute_next_probe,
    expire_due,
    observe_handling,
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
    DeliveryRow,
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
        self._connector = connector
        self._context = connector.context
        self._looked_for_refusals_at: datetime | None = None
        self._channels = tuple(connector.channels)
        self._outbox = connector.outbox
        self.handlers = handlers or connector.handlers
        self._settings = connector.settings.worker
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

    @property
    def has_unreleased(self) -> bool:
        """Whether a failure of ours left receipts in our hands, which the next recovery gives back."""
        return bool(self._unreleased_receipts)

    def list_jobs(self) -> tuple[Job, ...]:
        """List the jobs that there can be, the one that is nearest to a person first."""
        needs_handlers = {Job.HANDLE: self.handlers.receipts, Job.TELL: self.handlers.statuses}
        return tuple(job for job in Job if needs_handlers.get(job, True))

    def run(self, job: Job, key: int | None = None) -> bool:
        """Do one piece of a job, or its piece for one row; true where there was something to do."""
        with bind_log_fields(agency=self.agency, job=job):
            found = self._work[job](key)
            self._context.checkpoints.keep_if_due()
        return found

    def recover(self) -> None:
        """Take over what dead workers held, and give back what a failure of ours left in our hands."""
        self._context.store.require_same(self.agency)  # of several workers one polls; each has to notice
        unreleased, self._unreleased_receipts = self._unreleased_receipts, set()
        with self._context.store.transaction() as tx:
            for channel in self._channels:
                tx.schedule.ensure_job(self.agency, _name_poll(channel), first_at=tx.now)
            tx.schedule.ensure_job(self.agency, Job.WATCH, first_at=tx.now)
            tx.schedule.correct_future_times(self.agency, self._context.overdue_limits)
            for key in unreleased:
                tx.leases.release(RECEIPTS, self._context.lease, only_id=key)
        self._outbox.recover()
        self._channels[0].inbox.recover()

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
        """Poll the hub, or each of several, when that is due, or at once; on one machine at a time."""
        polled: list[bool] = []
        for channel in self._channels:
            with bind_log_fields(agency=self.agency, job=Job.POLL, hub=channel.context.hub_name):
                polled.append(self._poll_hub(channel, only_due=only_due))
        return any(polled)

    def _poll_hub(self, channel: HubChannel, *, only_due: bool) -> bool:
        inbox, breaker = channel.inbox, channel.context.breaker
        only_due = only_due and not breaker.is_half_open()  # then the poll is the probe
        job = self._claim_job(_name_poll(channel), only_due=only_due)
        if job is None:
            return False
        expire_due(self._context, tell=self._tell_expired if self.handlers.expiries else None)
        known_ids: list[int] = []
        with self._context.lease_keeper.hold_all(JOBS_TABLE, [job.id]):
            try:
                inbox.requeue_due()
                for kind in inbox.kinds:
                    known_ids += inbox.poll_offers(kind)[1]
            except EdocError as error:
                self._fail_job(job, error)
                breaker.record_poll(error)
                return True
            self._finish_job(job, self._settings.poll)
            breaker.record_poll(None, failed_before=job.failures > 0)
        for key in known_ids:
            _recheck_offered(channel, key)
        self._look_for_late_refusals()
        return True

    def _look_for_late_refusals(self) -> None:
        """Ask the hub, now and then, what became of documents that a recipient is silent about."""
        now = self._context.store.clock()
        if self._looked_for_refusals_at is None or abs(now - self._looked_for_refusals_at) >= ARRIVAL_TIME:
            self._looked_for_refusals_at = now
            self._outbox.look_for_late_refusals()

    def _tell_expired(self, row: DeliveryRow) -> bool:
        """Tell the application of a delivery whose deadline ran out; whether it took that."""
        try:
            delivery = self._connector.delivery(row.document_id)
            for handler in self.handlers.expiries:
                handler(delivery)
        except BaseException as error:  # as in `_run_receipt_handlers`
            if _is_program_exit(error):
                raise
            log_exception(log, logging.ERROR, "the application failed on an expired delivery", error=error)
            return False
        return True

    def fetch(self, key: int | None = None) -> bool:
        """Download and check a few packets that a hub offers, or this one."""
        return any(self._fetch_from(channel, key) for channel in self._list_open_channels())

    def _fetch_from(self, channel: HubChannel, key: int | None) -> bool:
        listed = self._select_listed(channel, key)
        if listed:
            self._fetch_batch(channel, [row.id for row in listed])
        return bool(listed)

    def _fetch_batch(self, channel: HubChannel, keys: Sequence[int]) -> None:
        """Bring packets in, one after another; trouble with one of them says nothing of the hub."""
        outcome = channel.inbox.intake.fetch(keys, within=_FETCH_BATCH_SECONDS)
        for error in outcome.errors:
            if error is not outcome.common_error:
                log.warning("%s: %s", self.agency, error)
        if outcome.common_error is not None or outcome.stored:
            channel.context.breaker.record_result(outcome.common_error)

    def transmit(self, key: int | None = None) -> bool:
        """Send one document, or ask a hub about one whose outcome is unknown."""
        return any(_transmit_to(channel, key) for channel in self._list_open_channels())

    def report(self, key: int | None = None) -> bool:
        """Send a few statuses and confirmations, or this one."""
        return any(_report_to(channel, key) for channel in self._list_open_channels())

    def _list_open_channels(self) -> list[HubChannel]:
        """List the channels to hubs with which work goes on; in a random order, so that each gets its turn."""
        is_open = [channel for channel in self._channels if channel.context.breaker.is_closed()]
        return random.sample(is_open, len(is_open))

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
                with bind_log_fields(hub=row.hub, doc_id=row.hub_doc_id, document_id=row.document_id):
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
        ids = bind_log_fields(hub=row.hub, doc_id=row.hub_doc_id, document_id=row.document_id)
        with ids, context.lease_keeper.hold_all(RECEIPTS.table_name, [row.id]):
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
            status = self._channels[0].inbox.open_status(row)
        except NotFound as error:
            self._record_lost_status(row, error)
            return
        detail = Text("about a document that we did not send", "về văn bản không do đơn vị gửi")
        if status is not None and status.delivery is not None:
            detail = Text("the application was told", "đã báo cho phần mềm của đơn vị")
            with observe_handling(self._context, row):
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

    def _claim_job(self, job: str, *, only_due: bool = True) -> JobRow | None:
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
        """Find until when work with every hub pauses; None where it does not with one of them."""
        times = [channel.context.breaker.find_open_until() for channel in self._channels]
        open_until = [time for time in times if time is not None]
        return min(open_until) if len(open_until) == len(times) else None

    def read_breakers(self) -> dict[str, BreakerReading]:
        """Read, for each hub by its name, whether work with it pauses, why, and until when.

        Raises:
            StoreError: the store does not answer.
        """
        return {channel.context.hub_name: channel.context.breaker.read() for channel in self._channels}

    def list_poll_jobs(self) -> tuple[str, ...]:
        """List the names of the jobs that poll, one for each hub."""
        return tuple(map(_name_poll, self._channels))

    def _select_listed(self, channel: HubChannel, key: int | None) -> list[ReceiptRow]:
        """Select packets to download: several that were not tried yet, or one that was; or this one, if it is due."""
        with self._context.store.snapshot() as tx:
            rows = tx.receipts.list_downloadable(
                self.agency, only_id=key, limit=_CANDIDATES, hub=channel.context.hub_name
            )
        if not rows:
            return []
        first = random.randrange(max(1, len(rows) - _FETCH_BATCH + 1))  # noqa: S311  as above
        if rows[first].attempts:  # one on which a worker ended must not take its neighbours along
            return rows[first : first + 1]
        return [row for row in rows[first : first + _FETCH_BATCH] if not row.attempts]


def _name_poll(channel: HubChannel) -> str:
    return qualify_for_hub(Job.POLL, channel.context.hub_name)


def _recheck_offered(channel: HubChannel, key: int) -> None:
    breaker = channel.context.breaker
    try:
        item_error = channel.inbox.recheck_offered(key)
    except LeaseLost as error:
        log.info("another worker has it: %s", error)
    except EdocError as error:
        breaker.record_result(error)
    else:
        if item_error is None:
            breaker.record_result(None)


def _transmit_to(channel: HubChannel, key: int | None) -> bool:
    sent_key, error = channel.outbox.send_next_delivery(key)
    if sent_key is not None and not isinstance(error, LeaseLost):
        channel.context.breaker.record_result(error)
    return sent_key is not None


def _report_to(channel: HubChannel, key: int | None) -> bool:
    results = channel.outbox.ack_sender.send_next(only_due=True, only_id=key)
    results_of_ours = [result for result in results if not isinstance(result.error, LeaseLost)]
    for result in results_of_ours:
        if result.opens_breaker:
            channel.context.breaker.record_result(result.error)
    if results_of_ours and not any(result.error for result in results_of_ours):
        channel.context.breaker.record_result(None)
    return bool(results)


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
