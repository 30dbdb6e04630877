"""Pacing of calls: a hub that takes so many a minute is not asked for more, before it says so itself (HTTP 429).

One bucket of tokens for each endpoint, which all clients of the process share; a program of its own has buckets of its
own. Nothing is kept: a bucket is full when the process begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from .._core import get_logger, make_lock
from ..hubs import get_capabilities

log = get_logger("edoc_connector.client")

_BURST_SECONDS = 5.0  # whose calls may go at once after a quiet time
_TOLD_SECONDS = 1.0  # a wait from which on it is in the log


class TokenBucket:
    """Tells when the next call to an endpoint may go. May be used from any thread.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at = 0.0
        self._lock = make_lock()

    def reserve(self, calls_a_minute: float) -> float:
        """Take the next place, and return the seconds until it.

        Args:
            calls_a_minute: how many go in a minute, in the long run; after a quiet time a few at once.
        """
        interval = 60.0 / calls_a_minute
        burst = max(0.0, _BURST_SECONDS - interval)
        with self._lock:
            now = self._clock()
            place = max(self._next_at, now - burst)
            self._next_at = place + interval
        return max(0.0, place - now)


_buckets: dict[str, TokenBucket] = {}
_buckets_lock = make_lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a client calls its hub.

    Args:
        endpoint: the hub.
        calls_a_minute: how many calls it takes; 0 for any number.
    """

    endpoint: str
    calls_a_minute: float

    @classmethod
    def of_hub(cls, dialect: object, calls_a_minute: float | None) -> Pace:
        """Find the pace for a hub: as set, else as its dialect knows it.

        Args:
            dialect: speaks to the hub; one without an endpoint is not paced.
            calls_a_minute: as set; None where it is not.
        """
        endpoint = getattr(dialect, "endpoint", "")
        known = get_capabilities(dialect).calls_a_minute if calls_a_minute is None else calls_a_minute
        return cls(endpoint=endpoint if isinstance(endpoint, str) else "", calls_a_minute=known or 0.0)

    def reserve(self) -> float:
        """Take a place for a call, and return the seconds to wait before it."""
        if not self.calls_a_minute or not self.endpoint:
            return 0.0
        seconds = _find_bucket(self.endpoint).reserve(self.calls_a_minute)
        if seconds >= _TOLD_SECONDS:
            log.info("the hub takes %g calls a minute: this one waits %.1f seconds", self.calls_a_minute, seconds)
        return seconds


def _find_bucket(endpoint: str) -> TokenBucket:
    parts = urlsplit(endpoint)
    with _buckets_lock:
        return _buckets.setdefault(f"{parts.scheme}://{parts.netloc}".lower(), TokenBucket())
