"""The clock of one process, which never goes back.

Waits and leases stand in the database as times, because they must outlive a restart. Within one process time never
goes back: `SteadyClock` follows the machine's clock as long as that advances, and a monotonic one while the machine's
clock was set back. A clock that was ahead leaves times in the database that are too late; `correct_future_times`
corrects them when work is looked for: nothing waits longer than the longest wait there is.

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


def utc_now() -> datetime:
    """Read the machine's clock, aware UTC."""
    return datetime.now(UTC)


class SteadyClock:
    """A clock for one process: the machine's time, which never goes back while the process lives.

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
        self._is_behind = False

    def __call__(self) -> datetime:
        """Read the time, aware UTC."""
        with self._lock:
            monotonic, wall = self._monotonic(), self._wall()
            steady = self._last_time + timedelta(seconds=monotonic - self._last_monotonic)
            is_behind = steady - wall > _CLOCK_SLACK
            if is_behind and not self._is_behind:
                log.error("the machine's clock was set back by %s; this process goes on without it", steady - wall)
            self._is_behind = is_behind
            self._last_time, self._last_monotonic = (
                max(wall, steady) if is_behind else max(wall, self._last_time),
                monotonic,
            )
            return self._last_time
