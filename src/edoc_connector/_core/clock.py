"""The clock of one process, which follows a correction and nothing less.

Waits and leases stand in the database as times, because they must outlive a restart. `SteadyClock` follows the
machine's clock as long as that advances. Where the machine's clock was set back, time goes on at its own pace for two
minutes, within which a clock that only jumped is right again; a correction that stays is followed then, and one of more
than a day at once. A clock that was ahead leaves times in the database that are too late; `store.work` has the
rule which of them are not believed, and corrects them when work is looked for.

Several machines on one PostgreSQL compare each other's times, and nothing here can help where their clocks disagree by
more than a lease: keep them on NTP. If they do disagree, a lease is taken over early; the fencing token keeps the slow
worker from writing, and the hub is asked about the request it was sending, as after a crash.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from .forks import make_lock
from .logs import get_logger

log = get_logger("edoc_connector.connector.clocks")

_CLOCK_SLACK = timedelta(seconds=5)
_PATIENCE_SECONDS = 120.0  # after which a clock that was set back is believed
_FOLLOWED_AT_ONCE = timedelta(days=1)  # no wait and no lease is as long: going on without the clock saves nothing


def utc_now() -> datetime:
    """Read the machine's clock, aware UTC."""
    return datetime.now(UTC)


class SteadyClock:
    """A clock for one process: the machine's time, which goes back only where that was set right.

    Args:
        wall: the machine's clock; returns aware UTC.
        monotonic: a count of seconds that only grows, from any start.
    """

    def __init__(self, wall: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._lock = make_lock()
        self._last_time = wall()
        self._last_monotonic = monotonic()
        self._behind_since: float | None = None

    def __call__(self) -> datetime:
        """Read the time, aware UTC."""
        with self._lock:
            monotonic, wall = self._monotonic(), self._wall()
            steady = self._last_time + timedelta(seconds=monotonic - self._last_monotonic)
            self._last_time, self._last_monotonic = self._choose_time(wall, steady, monotonic), monotonic
            return self._last_time

    def _choose_time(self, wall: datetime, steady: datetime, monotonic: float) -> datetime:
        """Choose between the machine's time and that which passed since the last call."""
        behind = steady - wall
        if behind <= _CLOCK_SLACK:
            self._behind_since = None
            return max(wall, self._last_time)
        if self._behind_since is None:
            self._behind_since = monotonic
            log.error("the machine's clock was set back by %s; this process goes on without it for a while", behind)
        if behind <= _FOLLOWED_AT_ONCE and monotonic - self._behind_since < _PATIENCE_SECONDS:
            return steady
        log.error("the machine's clock stays set back by %s: this process follows it now", behind)
        self._behind_since = None
        return wall
