"""Limits on how many requests each key may make: a bucket of tokens for each, which fills steadily."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from .._core import make_lock
from .errors import TooManyRequests

_MAX_KEYS = 10_000  # buckets in memory; full ones are forgotten first


class RateLimiter:
    """Counts the requests of each key, in this process.

    Args:
        rate: requests a minute, in the long run.
        burst: requests at once.
        clock: seconds that never go back.
    """

    def __init__(self, *, rate: int, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = rate / 60
        self._burst = burst
        self._clock = clock
        self._lock = make_lock()
        self._full_at: dict[str, float] = {}  # when the bucket of a key is full again

    def take(self, key: str) -> None:
        """Count a request.

        Raises:
            TooManyRequests: it is one too many.
        """
        wait = self._take(key)
        if wait > 0:
            seconds = math.ceil(wait)
            raise TooManyRequests(
                f"this key made too many requests: wait {seconds} s.",
                vi=f"Khóa truy cập này đã gửi quá nhiều yêu cầu: hãy chờ {seconds} giây.",
                retry_after=seconds,
            )

    def _take(self, key: str) -> float:
        """Count a request, and return how long it has to wait; 0 where it is let through."""
        with self._lock:
            now = self._clock()
            full_at = max(now, self._full_at.get(key, now)) + 1 / self._per_second
            wait = full_at - now - self._burst / self._per_second
            if wait > 1e-9:
                return wait
            self._forget_full(now)
            self._full_at[key] = full_at
            return 0.0

    def _forget_full(self, now: float) -> None:
        if len(self._full_at) >= _MAX_KEYS:
            self._full_at = {key: at for key, at in self._full_at.items() if at > now}
