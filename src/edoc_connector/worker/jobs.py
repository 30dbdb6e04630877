"""The pieces of work that a worker is made of, each small, safe to repeat, and safe to do on many machines at a time.

Each takes one thing that is due from the store, under a lease, and returns whether there was one. What goes wrong with
that thing is in the store when the call returns; what would go wrong with the next one too is written to the gate of
the hub (`HUB`), which all workers of the agency look at, so that neither they nor a restart hammer a hub that is down.
"""

from __future__ import annotations

import functools
import logging
import random
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._core import join_languages
from ..connector import Connector
from ..connector._retry import as_error_columns, decide_retry
from ..connector.delivery import Delivery, build_deliveries
from ..connector.handlers import Handlers
from ..connector.inbound.admission import open_packet
from ..connector.inbound.intake import DownloadedPacket
from ..connector.inbound.receipt import Receipt
from ..connector.inbound.status_intake import find_delivery
from ..edxml import StatusMessage
from ..errors import EdocError, NotFound, find_stored_name
from ..hubs import MessageType
from ..store import JOBS_TABLE, MACHINES, RECEIPTS, JobRow, LeaseLost, ReceiptRow, ReceiptState, StateMachine, Tx
from .task_adapter import TaskAdapter

log = logging.getLogger("edoc_connector.connector.units")

POLL = "poll"
HUB_BREAKER = "hub"
WATCH = "watch"

_CANDIDATES = 64  # workers that fetch at the same time choose among so many packets, and so seldom the same
_FETCH_BATCH = 8  # packets that are downloaded in one go; one that was tried before is downloaded alone
_FETCH_BATCH_SECONDS = 5.0  # and none is begun after so long
_CLOSED_BREAKER_SECONDS = 0.5  # how long the hub's gate is taken to be open since it was looked at
_MAX_TRACEBACK_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class _FailureCount:
    """The failures in a row, for the back-off."""

    attempts: int


class AgencyJobs:
    """The work of one agency.

    Args:
        connector: the agency's connector.
        handlers: the application, instead of the connector's own handlers.
    """

    def __init__(self, connector: Connector, handlers: Handlers | None = None) -> None:
        self._context = connector.context
        self._inbox = connector.inbox
        self._outbox = connector.outbox
        self._handlers = handlers or connector.handlers
        self._settings = connector.settings.worker
        self._unreleased: set[tuple[str, int]] = set()
        self._breaker_closed_until = 0.0

    @property
    def agency(self) -> str:
        """Whose work it is."""
        return self._context.agency

    def list_jobs(self) -> tuple[Callable[[], bool], ...]:
        """Every piece of work, the one that is nearest to a person first."""
        receipt_jobs = (self.handle,) if self._handlers.receipts else ()
        status_jobs = (self.tell,) if self._handlers.statuses else ()
        return (self.transmit, self.report, *receipt_jobs, *status_jobs, self.fetch, self.poll, self.watch)

    def build_task_adapter(self) -> TaskAdapter:
        """The same work as tasks of an engine; for a store that queues them."""
        return TaskAdapter(self._context, self, self._handlers)

    def recover(self) -> None:
        """Take over what dead workers held, and give back what a failure of ours left in our hands."""
        unreleased, self._unreleased = self._unreleased, set()
        with self._context.transaction() as tx:
            tx.schedule.ensure_job(self.agency, POLL, first_at=tx.now)
            tx.schedule.ensure_job(self.agency, WATCH, first_at=tx.now)
            for table, key in unreleased:
                tx.leases.release(_find_machine(table), self._context.lease, only_id=key)
        self._outbox.recover()
        self._inbox.recover()

    def release(self) -> None:
        """Let go of everything, as if every lease had run out: what was being sent is asked for, by whoever comes."""
        with self._context.transaction() as tx:
            for machine in MACHINES:
                tx.leases.release(machine, self._context.lease)
            tx.schedule.release_leases(self._context.lease)

    def read_schedule(self) -> dict[str, JobRow]:
        """When each job is due, and how it went.

        Raises:
            StoreError: the store does not answer.
        """
        with self._context.store.snapshot() as tx:
            return tx.schedule.list_jobs(self.agency)

    def count_rows(self) -> dict[tuple[str, str], int]:
        """How many rows there are, by table and state."""
        counts: dict[tuple[str, str], int] = {}
        with self._context.store.snapshot() as tx:
            for machine in MACHINES:
                by_state = tx.transitions.count_by_state(machine, self.agency)
                counts |= {(machine.table_name, state): count for state, count in by_state.items()}
        return counts

    # -- the hub

    def poll(self) -> bool:
        """Ask the hub what waits, when it is time to; on one machine at a time."""
        job = self._claim_job(POLL)
        if job is None:
            return False
        known_ids: list[int] = []
        with self._context.lease_keeper.hold_all(JOBS_TABLE, [job.id]):
            try:
                for kind in (MessageType.EDOC, MessageType.STATUS):
                    known_ids += self._inbox.poll_offers(kind)[1]
            except EdocError as error:
                self._fail_job(job, error)
                return True
            self._finish_job(job, self._settings.poll)
        for key in known_ids:
            self._run_with_hub(functools.partial(self._inbox.recheck_offered, key))
        return True

    def fetch(self, key: int | None = None) -> bool:
        """Download and check a few packets that the hub offers, or this one."""
        if not self._is_breaker_closed():
            return False
        listed = self._select_listed(key)
        if not listed:
            return False
        if listed[0].attempts >= self._settings.tries:
            self._quarantine_unfetched(listed[0])
            return True
        self._run_with_hub(lambda: self._fetch_batch(self._inbox.claim_listed([row.id for row in listed])))
        return True

    def _fetch_batch(self, rows: Sequence[ReceiptRow]) -> None:
        """Bring packets in that are claimed; after so many seconds those that were not begun are given back.

        Raises:
            EdocError: what the next packet would meet too, or else the first thing that one met.
        """
        deadline = time.monotonic() + _FETCH_BATCH_SECONDS
        downloads: list[DownloadedPacket] = []
        with self._context.lease_keeper.hold_all(RECEIPTS.table_name, [row.id for row in rows]):
            for row in rows:
                if downloads and (time.monotonic() >= deadline or _opens_breaker(downloads[-1].retry_error)):
                    break
                downloads.append(self._inbox.download(row))
            self._inbox.release(rows[len(downloads) :])
            errors = [
                met_error for met_error in self._inbox.store_packets(downloads) if not isinstance(met_error, LeaseLost)
            ]
        if errors:
            raise max(errors, key=_opens_breaker)

    def transmit(self, key: int | None = None) -> bool:
        """Send one document, or ask what became of one."""
        return self._is_breaker_closed() and self._run_step(lambda: self._outbox.send_next_delivery(key))

    def report(self, key: int | None = None) -> bool:
        """Send a few statuses and confirmations, or this one."""
        if not self._is_breaker_closed():
            return False
        results = self._outbox.send_ack_batch(key)
        errors = [error for _, error in results if not isinstance(error, LeaseLost)]
        for error in errors:
            if error is not None:
                self._update_breaker(error)
        if errors and not any(errors):
            self._update_breaker(None)
        return bool(results)

    # -- the application

    def handle(self, key: int | None = None) -> bool:
        """Have the application handle one packet."""
        context = self._context
        with context.transaction() as tx:
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
        receipt = Receipt(context, row, send_queued=_send_nothing, is_claimed=True)
        try:
            if row.attempts > self._settings.tries:
                receipt.set_aside(
                    join_languages(
                        "the worker ended while the application handled it",
                        "tiến trình dừng trong khi phần mềm của đơn vị đang xử lý",
                    )
                )
            else:
                self._run_receipt_handlers(receipt, row)
        except LeaseLost as error:
            log.warning("another worker has it by now: %s", error)
        except BaseException:
            self._unreleased.add((RECEIPTS.table_name, row.id))
            if receipt.claimed:
                context.lease_keeper.release(RECEIPTS.table_name, row.id)
            raise
        return True

    def _run_receipt_handlers(self, receipt: Receipt, row: ReceiptRow) -> None:
        receipt.__enter__()
        try:
            for handler in self._handlers.receipts:
                handler(receipt)
        except BaseException as error:  # whatever the application raises: it is kept, and everything else goes on
            if _is_program_exit(error):
                raise
            log.exception("the application failed on docId %s", row.hub_doc_id)
            self._record_handler_failure(receipt, row, error)
        else:
            receipt.__exit__(None, None, None)

    def _record_handler_failure(self, receipt: Receipt, row: ReceiptRow, error: BaseException) -> None:
        is_last_try = row.attempts >= self._settings.tries
        now = self._context.store.clock()
        values = {**_as_failure_columns(error), "next_attempt_at": self._context.compute_next_attempt(row, now)}
        detail = join_languages(str(values["error_text"]), str(values["error_vi"]))
        if is_last_try:
            receipt.set_aside(detail, **values)
        else:
            receipt.give_back(detail, **values)

    def tell(self, key: int | None = None) -> bool:
        """Tell the application of one status that a recipient sent."""
        context = self._context
        with context.transaction() as tx:
            row = tx.receipts.claim_next_status(context.lease, agency=self.agency, only_id=key)
        if row is None:
            return False
        with context.lease_keeper.hold_all(RECEIPTS.table_name, [row.id]):
            try:
                self._run_status_handlers(row)
            except LeaseLost as error:
                log.warning("another worker has it by now: %s", error)
            except BaseException as error:  # as in `_handled`
                if _is_program_exit(error):
                    raise
                log.exception("the application failed on the status docId %s", row.hub_doc_id)
                self._record_status_failure(row, error)
        return True

    def _run_status_handlers(self, row: ReceiptRow) -> None:
        try:
            message = open_packet(self._context, row)[0].message
        except NotFound as error:
            self._record_lost_status(row, error)
            return
        detail = join_languages("about a document that we did not send", "về văn bản không do đơn vị gửi")
        delivery = self._find_delivery(message) if isinstance(message, StatusMessage) else None
        if delivery is not None and isinstance(message, StatusMessage):
            detail = join_languages("the application was told", "đã báo cho phần mềm của đơn vị")
            for handler in self._handlers.statuses:
                handler(delivery, message)
        with self._context.transaction() as tx:
            _touch_receipt(tx, row, detail, noticed_at=tx.now, **as_error_columns(None))

    def _record_lost_status(self, row: ReceiptRow, error: NotFound) -> None:
        """A status whose packet is gone, pruned perhaps: what it said stands in its delivery, and that is all."""
        log.warning("the application was not told of the status docId %s: %s", row.hub_doc_id, error)
        detail = join_languages(
            f"the application was not told: {error.message}", f"chưa báo cho phần mềm của đơn vị: {error.vi}"
        )
        with self._context.transaction() as tx:
            _touch_receipt(tx, row, detail, noticed_at=tx.now, **as_error_columns(error))

    def _find_delivery(self, message: StatusMessage) -> Delivery | None:
        with self._context.store.snapshot() as tx:
            row = find_delivery(tx, self.agency, message)
            undelivered_after = self._context.limits.undelivered_after
            return build_deliveries(tx, [row], undelivered_after=undelivered_after)[0] if row is not None else None

    def _record_status_failure(self, row: ReceiptRow, error: BaseException) -> None:
        with self._context.transaction() as tx:
            is_last_try = row.attempts >= self._settings.tries
            values = {**_as_failure_columns(error), "next_attempt_at": self._context.compute_next_attempt(row, tx.now)}
            en, vi = (f"{values['error_text']}; it is not told again", f"{values['error_vi']}; sẽ không báo lại")
            if is_last_try:
                _touch_receipt(tx, row, join_languages(en, vi), noticed_at=tx.now, **values)
            else:
                _touch_receipt(tx, row, join_languages(str(values["error_text"]), str(values["error_vi"])), **values)

    # -- what must not surprise anybody

    def watch(self) -> bool:
        """Look at our certificate and our clock, when it is time to."""
        job = self._claim_job(WATCH)
        if job is None:
            return False
        try:
            self._check_certificate()
        except EdocError as error:
            self._fail_job(job, error)
            return True
        offset = self._context.hub.time.offset
        if offset:
            log.error("this machine's clock is %.0f seconds from the hub's: set it (NTP)", -offset.total_seconds())
        self._finish_job(job, self._settings.watch)
        return True

    def _check_certificate(self) -> None:
        signer = self._context.get_signer()
        if signer is None or not signer.certificates:
            return
        expires_at = signer.certificates[0].not_valid_after_utc
        remaining = expires_at - self._context.store.clock()
        if remaining < timedelta(0):
            log.error("our certificate ended on %s: documents are not signed until there is a new one", expires_at)
        elif remaining < timedelta(days=self._settings.certificate_days):
            log.warning("our certificate ends in %d days, on %s: ask for a new one", remaining.days, expires_at)

    # -- helpers

    def _claim_job(self, name: str) -> JobRow | None:
        with self._context.transaction() as tx:
            return tx.schedule.claim_job(self._context.lease, self.agency, name)

    def _finish_job(self, job: JobRow, seconds: float) -> None:
        spread = 1.0 + self._settings.jitter * random.uniform(-1.0, 1.0)  # noqa: S311  spreads load, hides nothing
        with self._context.transaction() as tx:
            tx.schedule.finish_job(job, next_at=tx.now + timedelta(seconds=seconds * spread), failures=0)

    def _fail_job(self, job: JobRow, error: EdocError) -> None:
        log.warning("%s of %s: %s", job.job, self.agency, error)
        with self._context.transaction() as tx:
            next_at = self._context.compute_next_attempt(_FailureCount(job.failures), tx.now, error)
            tx.schedule.finish_job(job, next_at=next_at, failures=job.failures + 1, error=as_error_columns(error))

    def find_open_until(self) -> datetime | None:
        """Until when work with the hub pauses; None where it does not."""
        with self._context.store.snapshot() as tx:
            breaker = tx.schedule.find_job(self.agency, HUB_BREAKER)
        if breaker is not None and breaker.next_at > self._context.store.clock():
            return breaker.next_at
        if breaker is None or breaker.failures == 0:  # else each success has to be noted
            self._breaker_closed_until = time.monotonic() + _CLOSED_BREAKER_SECONDS
        return None

    def _is_breaker_closed(self) -> bool:
        return time.monotonic() < self._breaker_closed_until or self.find_open_until() is None

    def _run_with_hub(self, work: Callable[[], None]) -> None:
        try:
            work()
        except LeaseLost as error:
            log.info("another worker has it: %s", error)
        except EdocError as error:
            self._update_breaker(error)
        else:
            self._update_breaker(None)

    def _run_step(self, step: Callable[[], tuple[int | None, EdocError | None]]) -> bool:
        key, error = step()
        if key is not None and not isinstance(error, LeaseLost):
            self._update_breaker(error)
        return key is not None

    def _update_breaker(self, error: EdocError | None) -> None:
        """Shut the hub's gate for a while where the next message would meet the same error; open it after a success."""
        if error is not None and not decide_retry(error).opens_breaker:
            log.warning("%s: %s", self.agency, error)
            return
        if error is None and time.monotonic() < self._breaker_closed_until:
            return
        self._breaker_closed_until = 0.0
        with self._context.store.snapshot() as tx:
            breaker = tx.schedule.find_job(self.agency, HUB_BREAKER)
        failures = breaker.failures if breaker is not None else 0
        if error is None and failures == 0:
            return
        with self._context.transaction() as tx:
            if error is None:
                tx.schedule.record_recovery(self.agency, HUB_BREAKER)
                return
            log.error("work with the hub pauses for %s, everything stays queued: %s", self.agency, error)
            next_at = self._context.compute_next_attempt(_FailureCount(failures), tx.now, error)
            tx.schedule.postpone_job(self.agency, HUB_BREAKER, next_at=next_at, error=as_error_columns(error))

    def _select_listed(self, key: int | None) -> list[ReceiptRow]:
        """Some packets to download: several that were not tried yet, or one that was; or this one, if it is due."""
        with self._context.store.snapshot() as tx:
            rows = tx.receipts.list_downloadable(self.agency, only_id=key, limit=_CANDIDATES)
        if not rows:
            return []
        first = random.randrange(max(1, len(rows) - _FETCH_BATCH + 1))  # noqa: S311  as above
        if rows[first].attempts:  # one on which a worker ended must not take its neighbours along
            return rows[first : first + 1]
        return [row for row in rows[first : first + _FETCH_BATCH] if not row.attempts]

    def _quarantine_unfetched(self, row: ReceiptRow) -> None:
        """Too many downloads failed, or ended the process: the others go on without it, and the hub is not told."""
        with self._context.transaction() as tx:
            claimed_row = tx.receipts.claim_next(
                self._context.lease, agency=self.agency, state=ReceiptState.LISTED, only_id=row.id
            )
            if claimed_row is not None:
                log.error("docId %s is set aside after %d tries", row.hub_doc_id, row.attempts)
                reason = row.error_text or "the worker ended each time"
                reason_vi = row.error_vi or "lần nào tiến trình cũng dừng"
                detail = join_languages(
                    f"{row.attempts} downloads failed: {reason}", f"{row.attempts} lần tải không được: {reason_vi}"
                )
                tx.receipts.move(claimed_row, ReceiptState.QUARANTINED, detail=detail)


def _opens_breaker(error: EdocError | None) -> bool:
    return error is not None and decide_retry(error).opens_breaker


def _find_machine(table: str) -> StateMachine:
    return next(machine for machine in MACHINES if machine.table_name == table)


def _touch_receipt(tx: Tx, row: ReceiptRow, detail: str, **values: object) -> None:
    tx.leases.end(RECEIPTS, row.id, state=row.state, fencing_token=row.fence, detail=detail, **values)


def _is_program_exit(error: BaseException) -> bool:
    """Ctrl-C and sys.exit() in the main thread; in a worker's thread they would end that thread, and tell nobody."""
    return not isinstance(error, Exception) and threading.current_thread() is threading.main_thread()


def _as_failure_columns(error: BaseException) -> dict[str, str | datetime | None]:
    """An exception of the application, as columns; the traceback's end is what tells."""
    text = "".join(traceback.format_exception(error))[-_MAX_TRACEBACK_CHARACTERS:].replace("\0", "")
    words = f"{find_stored_name(error)}: {error}".replace("\0", "")
    return {
        "error_code": find_stored_name(error)[:64],
        "error_text": f"the application failed: {words}",
        "error_vi": f"Phần mềm của đơn vị gặp lỗi: {words}",
        "traceback": text,
    }


def _send_nothing() -> None:
    """A worker sends what is queued by itself."""
