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

from sqlalchemy import func, or_, select

from .._core.text import both
from ..connector import Connector
from ..connector._retry import columns, fate
from ..connector.delivery import Delivery, delivery_views
from ..connector.handlers import Handlers
from ..connector.inbound.admission import opened
from ..connector.inbound.intake import Arrival
from ..connector.inbound.receipt import Receipt
from ..connector.inbound.status_intake import meant
from ..edxml import StatusMessage
from ..errors import EdocError, NotFound
from ..hubs import MessageType
from ..store import LeaseLost, ReceiptState, Tx, receipts, schedule, transitions
from ..store.rows import JobRow, ReceiptRow
from ..store.state_machine import MACHINES, RECEIPTS, Machine
from .task_adapter import Tasks

log = logging.getLogger("edoc_connector.connector.units")

POLL = "poll"
HUB = "hub"
WATCH = "watch"

_AMONG = 64  # workers that fetch at the same time choose among so many packets, and so seldom the same
_AT_A_TIME = 8  # packets that are downloaded in one go; one that was tried before is downloaded alone
_SECONDS_AT_A_TIME = 5.0  # and none is begun after so long
_OPEN_SECONDS = 0.5  # how long the hub's gate is taken to be open since it was looked at
_TRACEBACK_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class _Gate:
    """The failures in a row, for the back-off."""

    attempts: int


class AgencyJobs:
    """The work of one agency.

    Args:
        connector: the agency's connector.
        handlers: the application, instead of the connector's own handlers.
    """

    def __init__(self, connector: Connector, handlers: Handlers | None = None) -> None:
        self._session = connector.context
        self._inbox = connector.inbox
        self._outbox = connector.outbox
        self._handlers = handlers or connector.handlers
        self._settings = connector.settings.worker
        self._stuck: set[tuple[str, int]] = set()
        self._open_until = 0.0

    @property
    def agency(self) -> str:
        """Whose work it is."""
        return self._session.agency

    def all(self) -> tuple[Callable[[], bool], ...]:
        """Every piece of work, the one that is nearest to a person first."""
        told = (self.handle,) if self._handlers.receipts else ()
        news = (self.tell,) if self._handlers.statuses else ()
        return (self.transmit, self.report, *told, *news, self.fetch, self.poll, self.watch)

    def tasks(self) -> Tasks:
        """The same work as tasks of an engine; for a store that queues them."""
        return Tasks(self._session, self, self._handlers)

    def recover(self) -> None:
        """Take over what dead workers held, and give back what a failure of ours left in our hands."""
        stuck, self._stuck = self._stuck, set()
        with self._session.transaction() as tx:
            schedule.made(tx, self.agency, POLL, first_at=tx.now)
            schedule.made(tx, self.agency, WATCH, first_at=tx.now)
            for table, key in stuck:
                transitions.release(tx, _machine(table), self._session.lease, key=key)
        self._outbox.recover()
        self._inbox.recover()

    def release(self) -> None:
        """Let go of everything, as if every lease had run out: what was being sent is asked for, by whoever comes."""
        with self._session.transaction() as tx:
            for machine in MACHINES:
                transitions.release(tx, machine, self._session.lease)
            schedule.release(tx, self._session.lease)

    def jobs(self) -> dict[str, JobRow]:
        """When each job is due, and how it went.

        Raises:
            StoreError: the store does not answer.
        """
        with self._session.store.reading() as tx:
            return schedule.of(tx, self.agency)

    def counts(self) -> dict[tuple[str, str], int]:
        """How many rows there are, by table and state."""
        found: dict[tuple[str, str], int] = {}
        with self._session.store.reading() as tx:
            for machine in MACHINES:
                table = transitions.table_of(machine)
                query = select(table.c.state, func.count()).where(table.c.agency == self.agency)
                rows = tx.connection.execute(query.group_by(table.c.state)).all()
                found |= {(machine.table, state): count for state, count in rows}
        return found

    # -- the hub

    def poll(self) -> bool:
        """Ask the hub what waits, when it is time to; on one machine at a time."""
        job = self._job(POLL)
        if job is None:
            return False
        known: list[int] = []
        with self._session.keeper.holding(schedule.T, [job.id]):
            try:
                for kind in (MessageType.EDOC, MessageType.STATUS):
                    known += self._inbox.listed(kind)[1]
            except EdocError as error:
                self._failed(job, error)
                return True
            self._done(job, self._settings.poll)
        for key in known:
            self._with_hub(functools.partial(self._inbox.look_again, key))
        return True

    def fetch(self, key: int | None = None) -> bool:
        """Download and check a few packets that the hub offers, or this one."""
        if not self._hub_open():
            return False
        found = self._listed(key)
        if not found:
            return False
        if found[0].attempts >= self._settings.tries:
            self._set_aside_unfetched(found[0])
            return True
        self._with_hub(lambda: self._fetched(self._inbox.claimed([row.id for row in found])))
        return True

    def _fetched(self, rows: Sequence[ReceiptRow]) -> None:
        """Bring packets in that are claimed; after so many seconds those that were not begun are given back.

        Raises:
            EdocError: what the next packet would meet too, or else the first thing that one met.
        """
        until = time.monotonic() + _SECONDS_AT_A_TIME
        arrivals: list[Arrival] = []
        with self._session.keeper.holding(receipts.T, [row.id for row in rows]):
            for row in rows:
                if arrivals and (time.monotonic() >= until or _pauses(arrivals[-1].error)):
                    break
                arrivals.append(self._inbox.brought(row))
            self._inbox.let_go(rows[len(arrivals) :])
            errors = [one for one in self._inbox.enter(arrivals) if not isinstance(one, LeaseLost)]
        if errors:
            raise max(errors, key=_pauses)

    def transmit(self, key: int | None = None) -> bool:
        """Send one document, or ask what became of one."""
        return self._hub_open() and self._stepped(lambda: self._outbox.send_one(key))

    def report(self, key: int | None = None) -> bool:
        """Send a few statuses and confirmations, or this one."""
        if not self._hub_open():
            return False
        found = self._outbox.report_some(key)
        errors = [error for _, error in found if not isinstance(error, LeaseLost)]
        for error in errors:
            if error is not None:
                self._met(error)
        if errors and not any(errors):
            self._met(None)
        return bool(found)

    # -- the application

    def handle(self, key: int | None = None) -> bool:
        """Have the application handle one packet."""
        session = self._session
        with session.transaction() as tx:
            row = receipts.claim(
                tx, session.lease, agency=self.agency, state=ReceiptState.WAITING, key=key, due=True, count=True
            )
        if row is None:
            return False
        receipt = Receipt(session, row, sent=_nothing, claimed=True)
        try:
            if row.attempts > self._settings.tries:
                receipt.set_aside(
                    both(
                        "the worker ended while the application handled it",
                        "tiến trình dừng trong khi phần mềm của đơn vị đang xử lý",
                    )
                )
            else:
                self._handled(receipt, row)
        except LeaseLost as error:
            log.warning("another worker has it by now: %s", error)
        except BaseException:
            self._stuck.add((RECEIPTS.table, row.id))
            if receipt.claimed:
                session.keeper.release(receipts.T, row.id)
            raise
        return True

    def _handled(self, receipt: Receipt, row: ReceiptRow) -> None:
        receipt.__enter__()
        try:
            for handler in self._handlers.receipts:
                handler(receipt)
        except BaseException as error:  # whatever the application raises: it is kept, and everything else goes on
            if _ends_the_program(error):
                raise
            log.exception("the application failed on docId %s", row.hub_doc_id)
            self._handler_failed(receipt, row, error)
        else:
            receipt.__exit__(None, None, None)

    def _handler_failed(self, receipt: Receipt, row: ReceiptRow, error: BaseException) -> None:
        last = row.attempts >= self._settings.tries
        now = self._session.store.clock()
        values = {**_failure(error), "next_attempt_at": self._session.next_attempt(row, now)}
        why = both(str(values["error_text"]), str(values["error_vi"]))
        if last:
            receipt.set_aside(why, **values)
        else:
            receipt.give_back(why, **values)

    def tell(self, key: int | None = None) -> bool:
        """Tell the application of one status that a recipient sent."""
        session = self._session
        with session.transaction() as tx:
            row = receipts.claim_news(tx, session.lease, agency=self.agency, key=key)
        if row is None:
            return False
        with session.keeper.holding(receipts.T, [row.id]):
            try:
                self._told(row)
            except LeaseLost as error:
                log.warning("another worker has it by now: %s", error)
            except BaseException as error:  # as in `_handled`
                if _ends_the_program(error):
                    raise
                log.exception("the application failed on the status docId %s", row.hub_doc_id)
                self._news_failed(row, error)
        return True

    def _told(self, row: ReceiptRow) -> None:
        try:
            message = opened(self._session, row)[0].message
        except NotFound as error:
            self._untold(row, error)
            return
        detail = both("about a document that we did not send", "về văn bản không do đơn vị gửi")
        delivery = self._delivery_of(message) if isinstance(message, StatusMessage) else None
        if delivery is not None and isinstance(message, StatusMessage):
            detail = both("the application was told", "đã báo cho phần mềm của đơn vị")
            for handler in self._handlers.statuses:
                handler(delivery, message)
        with self._session.transaction() as tx:
            _touch(tx, row, detail, noticed_at=tx.now, **columns(None))

    def _untold(self, row: ReceiptRow, error: NotFound) -> None:
        """A status whose packet is gone, pruned perhaps: what it said stands in its delivery, and that is all."""
        log.warning("the application was not told of the status docId %s: %s", row.hub_doc_id, error)
        detail = both(f"the application was not told: {error.message}", f"chưa báo cho phần mềm của đơn vị: {error.vi}")
        with self._session.transaction() as tx:
            _touch(tx, row, detail, noticed_at=tx.now, **columns(error))

    def _delivery_of(self, message: StatusMessage) -> Delivery | None:
        with self._session.store.reading() as tx:
            found = meant(tx, self.agency, message)
            late = self._session.limits.undelivered_after
            return delivery_views(tx, [found], undelivered_after=late)[0] if found is not None else None

    def _news_failed(self, row: ReceiptRow, error: BaseException) -> None:
        with self._session.transaction() as tx:
            last = row.attempts >= self._settings.tries
            values = {**_failure(error), "next_attempt_at": self._session.next_attempt(row, tx.now)}
            en, vi = (f"{values['error_text']}; it is not told again", f"{values['error_vi']}; sẽ không báo lại")
            if last:
                _touch(tx, row, both(en, vi), noticed_at=tx.now, **values)
            else:
                _touch(tx, row, both(str(values["error_text"]), str(values["error_vi"])), **values)

    # -- what must not surprise anybody

    def watch(self) -> bool:
        """Look at our certificate and our clock, when it is time to."""
        job = self._job(WATCH)
        if job is None:
            return False
        try:
            self._look_at_certificate()
        except EdocError as error:
            self._failed(job, error)
            return True
        offset = self._session.hub.time.offset
        if offset:
            log.error("this machine's clock is %.0f seconds from the hub's: set it (NTP)", -offset.total_seconds())
        self._done(job, self._settings.watch)
        return True

    def _look_at_certificate(self) -> None:
        signer = self._session.signer()
        if signer is None or not signer.certificates:
            return
        ends = signer.certificates[0].not_valid_after_utc
        left = ends - self._session.store.clock()
        if left < timedelta(0):
            log.error("our certificate ended on %s: documents are not signed until there is a new one", ends)
        elif left < timedelta(days=self._settings.certificate_days):
            log.warning("our certificate ends in %d days, on %s: ask for a new one", left.days, ends)

    # -- helpers

    def _job(self, name: str) -> JobRow | None:
        with self._session.transaction() as tx:
            return schedule.claim(tx, self._session.lease, self.agency, name)

    def _done(self, job: JobRow, seconds: float) -> None:
        spread = 1.0 + self._settings.jitter * random.uniform(-1.0, 1.0)  # noqa: S311  spreads load, hides nothing
        with self._session.transaction() as tx:
            schedule.ended(tx, job, next_at=tx.now + timedelta(seconds=seconds * spread), failures=0)

    def _failed(self, job: JobRow, error: EdocError) -> None:
        log.warning("%s of %s: %s", job.job, self.agency, error)
        with self._session.transaction() as tx:
            wait = self._session.next_attempt(_Gate(job.failures), tx.now, error)
            schedule.ended(tx, job, next_at=wait, failures=job.failures + 1, error=columns(error))

    def shut_until(self) -> datetime | None:
        """Until when work with the hub pauses; None where it does not."""
        with self._session.store.reading() as tx:
            gate = schedule.get(tx, self.agency, HUB)
        if gate is not None and gate.next_at > self._session.store.clock():
            return gate.next_at
        if gate is None or gate.failures == 0:  # else each success has to be noted
            self._open_until = time.monotonic() + _OPEN_SECONDS
        return None

    def _hub_open(self) -> bool:
        return time.monotonic() < self._open_until or self.shut_until() is None

    def _with_hub(self, work: Callable[[], None]) -> None:
        try:
            work()
        except LeaseLost as error:
            log.info("another worker has it: %s", error)
        except EdocError as error:
            self._met(error)
        else:
            self._met(None)

    def _stepped(self, step: Callable[[], tuple[int | None, EdocError | None]]) -> bool:
        key, error = step()
        if key is not None and not isinstance(error, LeaseLost):
            self._met(error)
        return key is not None

    def _met(self, error: EdocError | None) -> None:
        """Shut the hub's gate for a while where the next message would meet the same error; open it after a success."""
        if error is not None and not fate(error).pause:
            log.warning("%s: %s", self.agency, error)
            return
        if error is None and time.monotonic() < self._open_until:
            return
        self._open_until = 0.0
        with self._session.store.reading() as tx:
            gate = schedule.get(tx, self.agency, HUB)
        failures = gate.failures if gate is not None else 0
        if error is None and failures == 0:
            return
        with self._session.transaction() as tx:
            if error is None:
                schedule.cleared(tx, self.agency, HUB)
                return
            log.error("work with the hub pauses for %s, everything stays queued: %s", self.agency, error)
            wait = self._session.next_attempt(_Gate(failures), tx.now, error)
            schedule.put_off(tx, self.agency, HUB, next_at=wait, error=columns(error))

    def _listed(self, key: int | None) -> list[ReceiptRow]:
        """Some packets to download: several that were not tried yet, or one that was; or this one, if it is due."""
        T = receipts.T  # noqa: N806  a table
        now = self._session.store.clock()
        free = or_(T.c.lease_until.is_(None), T.c.lease_until <= now)
        due = [T.c.agency == self.agency, T.c.state == ReceiptState.LISTED, T.c.next_attempt_at <= now, free]
        due += [T.c.id == key] if key is not None else []
        with self._session.store.reading() as tx:
            query = select(T).where(*due, receipts.turn()).order_by(T.c.next_attempt_at, T.c.id).limit(_AMONG)
            rows = [ReceiptRow.of(row) for row in tx.connection.execute(query).mappings()]
        if not rows:
            return []
        first = random.randrange(max(1, len(rows) - _AT_A_TIME + 1))  # noqa: S311  as above
        if rows[first].attempts:  # one on which a worker ended must not take its neighbours along
            return rows[first : first + 1]
        return [row for row in rows[first : first + _AT_A_TIME] if not row.attempts]

    def _set_aside_unfetched(self, row: ReceiptRow) -> None:
        """Too many downloads failed, or ended the process: the others go on without it, and the hub is not told."""
        with self._session.transaction() as tx:
            held = receipts.claim(tx, self._session.lease, agency=self.agency, state=ReceiptState.LISTED, key=row.id)
            if held is not None:
                log.error("docId %s is set aside after %d tries", row.hub_doc_id, row.attempts)
                why = row.error_text or "the worker ended each time"
                why_vi = row.error_vi or "lần nào tiến trình cũng dừng"
                detail = both(f"{row.attempts} downloads failed: {why}", f"{row.attempts} lần tải không được: {why_vi}")
                receipts.move(tx, held, ReceiptState.QUARANTINED, detail=detail)


def _pauses(error: EdocError | None) -> bool:
    return error is not None and fate(error).pause


def _machine(table: str) -> Machine:
    return next(machine for machine in MACHINES if machine.table == table)


def _touch(tx: Tx, row: ReceiptRow, detail: str, **values: object) -> None:
    transitions.touch(tx, RECEIPTS, row.id, state=row.state, token=row.fence, detail=detail, **values)


def _ends_the_program(error: BaseException) -> bool:
    """Ctrl-C and sys.exit() in the main thread; in a worker's thread they would end that thread, and tell nobody."""
    return not isinstance(error, Exception) and threading.current_thread() is threading.main_thread()


def _failure(error: BaseException) -> dict[str, str | datetime | None]:
    """An exception of the application, as columns; the traceback's end is what tells."""
    text = "".join(traceback.format_exception(error))[-_TRACEBACK_LIMIT:].replace("\0", "")
    words = f"{type(error).__name__}: {error}".replace("\0", "")
    return {
        "error_code": type(error).__name__[:64],
        "error_text": f"the application failed: {words}",
        "error_vi": f"Phần mềm của đơn vị gặp lỗi: {words}",
        "traceback": text,
    }


def _nothing() -> None:
    """A worker sends what is queued by itself."""
