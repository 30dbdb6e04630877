"""Limits on the requests of each key."""

from __future__ import annotations

import pytest

from edoc_connector.gateway.errors import TooManyRequests
from edoc_connector.gateway.rate_limit import RateLimiter


def test_a_bucket_fills_steadily() -> None:
    """After a burst one more is taken every second of a rate of 60; the wait is told in whole seconds."""
    now = [0.0]
    limiter = RateLimiter(rate=60, burst=2, clock=lambda: now[0])
    limiter.take("a")
    limiter.take("a")
    limiter.take("b")
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("a")
    assert refused.value.retry_after == 1
    now[0] = 1.0
    limiter.take("a")
    with pytest.raises(TooManyRequests):
        limiter.take("a")
