"""The circuit breaker of an agency's hub, in the store: every program of the agency looks at the same one.

::

    CLOSED ──an error that the next message would meet too──▶ OPEN
    OPEN ──its time is over, minutes at most──▶ HALF_OPEN    nothing is sent; the hub is asked for its list
    HALF_OPEN ──the list comes──▶ TRIAL                      everything may be sent
    HALF_OPEN, TRIAL ──such an error──▶ OPEN                 for longer, up to ``limits.pause_cap``
    TRIAL ──a message goes out, or the list comes again──▶ CLOSED

Only the poll, what is sent and the connection speak for the hub; what is about one docId does not (`HubProbe`). A list
that comes does not prove that messages are taken: so the failures in a row count on until one is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ..._core import LONE_HUB, Labelled, Text, get_logger, label_members, qualify_for_hub
from ...config import LimitSettings
from ...errors import EdocError
from ...store import HUB_BREAKER, JobRow, Store, Tx
from .._retry import as_error_columns, compute_next_probe, decide_retry

log = get_logger("edoc_connector.connector.units")

_READING_SECONDS = 0.5  # how long a look at the store counts
_OUTAGE_FAILURES = 3  # in a row, from which on it is the hub, and no message, that fails
_PROBE_TIME = timedelta(seconds=5)  # that a probe may take, after which it is worth looking again


@label_members(
    {
        "closed": Text("working", "đang hoạt động"),
        "open": Text("pausing", "đang tạm dừng"),
        "half-open": Text("asking the hub", "đang hỏi lại trục"),
        "trial": Text("trying one message", "đang gửi thử"),
    }
)
class BreakerState(Labelled, StrEnum):
    """Whether work with the hub may be begun."""

    CLOSED = "closed"
    """It works."""
    OPEN = "open"
    """It pauses."""
    HALF_OPEN = "half-open"
    """The pause is over, and the hub is asked for its list before anything else."""
    TRIAL = "trial"
    """The hub gave its list; the next message tells."""

    @property
    def allows_work(self) -> bool:
        """Whether messages may be sent."""
        return self in (BreakerState.CLOSED, BreakerState.TRIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerReading:
    """The breaker as the store has it.

    Args:
        state: whether work may be begun.
        next_try_at: when the hub is tried next, UTC; None where it works.
        failures: how often it failed in a row.
        error: its last error; None where it works.
    """

    state: BreakerState
    next_try_at: datetime | None = None
    failures: int = 0
    error: Text | None = None


class HubBreaker:
    """The circuit breaker of an agency's hub. May be used from any thread.

    Args:
        store: the store.
        agency: code of the agency.
        limits: the pauses.
        list_waiting: asks the hub for its list.
        hub: name of the hub.
    """

    def __init__(
        self,
        store: Store,
        agency: str,
        limits: LimitSettings,
        list_waiting: Callable[[], EdocError | None],
        *,
        hub: str = LONE_HUB,
    ) -> None:
        self._job = qualify_for_hub(HUB_BREAKER, hub)
        self._store = store
        self._agency = agency
        self._limits = limits
        self._list_waiting = list_waiting
        self._reading = BreakerReading(state=BreakerState.CLOSED)
        self._reading_until = 0.0

    def read(self) -> BreakerReading:
        """Read the breaker from the store."""
        with self._store.snapshot() as tx:
            self._reading = _read_job(tx, self._agency, self._job)
        self._reading_until = time.monotonic() + _READING_SECONDS
        return self._reading

    def find_open_until(self) -> datetime | None:
        """Find until when work with the hub pauses at least; None where it does not."""
        reading = self.read()
        if reading.state.allows_work:
            return None
        return reading.next_try_at if reading.state is BreakerState.OPEN else self._store.clock() + _PROBE_TIME

    def is_closed(self) -> bool:
        """Whether messages may be sent."""
        return self._look().state.allows_work

    def is_on_trial(self) -> bool:
        """Whether the next message tells if the hub works again."""
        return self._look().state is BreakerState.TRIAL

    def is_half_open(self) -> bool:
        """Whether the hub is to be asked for its list before anything else."""
        return self.read().state is BreakerState.HALF_OPEN

    def try_to_close(self) -> bool:
        """Whether messages may be sent; where the pause is over, ask the hub for its list first."""
        if self.is_closed():
            return True
        if not self.is_half_open():
            return False
        self.record_poll(self._list_waiting())
        return self.is_closed()

    def record_poll(self, error: EdocError | None, *, failed_before: bool = False) -> None:
        """Record that the hub gave its list, or did not.

        A list that comes while work pauses ends the pause only where it had not come before; else that began with what
        the hub says to messages.

        Args:
            error: what the poll met.
            failed_before: whether the poll before failed too.
        """
        if error is not None:
            self._open(error)
            return
        state = self.read().state
        if state is BreakerState.TRIAL:
            self._close()
        elif state is not BreakerState.CLOSED:
            self._begin_trial(is_early=failed_before)

    def record_result(self, error: EdocError | None) -> None:
        """Record that a message went out, or what it met: that opens the breaker where the next would meet it too."""
        if error is not None:
            self._open(error)
        elif self._look().failures:
            self._close()

    def _look(self) -> BreakerReading:
        """Look at the breaker, not more often than the store need be asked; a pause is over in time."""
        is_fresh = time.monotonic() < self._reading_until
        return self._reading if is_fresh else self.read()

    def _open(self, error: EdocError) -> None:
        if not decide_retry(error).opens_breaker:
            log.warning("%s: %s", self._agency, error)
            return
        failures = self.read().failures
        with self._store.transaction() as tx:
            next_at = compute_next_probe(self._limits, failures, tx.now, error)
            if tx.schedule.postpone_job(self._agency, self._job, next_at=next_at, error=as_error_columns(error)):
                log.error("work with the hub pauses for %s, everything stays queued: %s", self._agency, error)
        self._reading_until = 0.0

    def _begin_trial(self, *, is_early: bool) -> None:
        with self._store.transaction() as tx:
            is_trial = tx.schedule.record_probe(self._agency, self._job, is_early=is_early)
        if is_trial:
            log.warning("the hub of %s answers again: what is queued is sent", self._agency)
        self._reading_until = 0.0

    def _close(self) -> None:
        """Close it; after an outage what waited by itself is due at once.

        Not so where a message or two opened it: they would be tried first each time, and open it again.
        """
        with self._store.transaction() as tx:
            failures = _read_job(tx, self._agency, self._job).failures
            tx.schedule.record_recovery(self._agency, self._job)
            if failures >= _OUTAGE_FAILURES:
                tx.leases.end_waits(self._agency)
        log.warning("work with the hub goes on for %s", self._agency)
        self._reading_until = 0.0


def read_breaker(tx: Tx, agency: str, *, hub: str = LONE_HUB) -> BreakerReading:
    """Read the breaker of an agency's hub."""
    return _read_job(tx, agency, qualify_for_hub(HUB_BREAKER, hub))


def _read_job(tx: Tx, agency: str, name: str) -> BreakerReading:
    job = tx.schedule.find_job(agency, name)
    if job is None or job.failures == 0:
        return BreakerReading(state=BreakerState.CLOSED)
    return BreakerReading(
        state=_find_state(job, tx.now),
        next_try_at=job.next_at,
        failures=job.failures,
        error=Text(job.error_text or "", job.error_vi or ""),
    )


def _find_state(job: JobRow, now: datetime) -> BreakerState:
    if job.next_at > now:
        return BreakerState.OPEN
    was_probed = job.succeeded_at is not None and job.next_at <= job.succeeded_at <= now  # a wrong clock may be later
    return BreakerState.TRIAL if was_probed else BreakerState.HALF_OPEN
