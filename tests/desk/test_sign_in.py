"""How often somebody may try to sign in."""

from __future__ import annotations

from edoc_connector.desk.sign_in import Throttle


def test_failures_are_forgotten_after_the_window() -> None:
    """Five are let through, the sixth waits until the first is fifteen minutes old; others are not touched."""
    now = [0.0]
    throttle = Throttle(most=5, window=900.0, clock=lambda: now[0])
    for _ in range(5):
        assert throttle.is_open("a")
        throttle.note_failure("a")
        now[0] += 1.0
    assert (throttle.is_open("a"), throttle.is_open("b")) == (False, True)
    now[0] = 900.5
    assert throttle.is_open("a")
    throttle.note_failure("a")
    assert not throttle.is_open("a")
    throttle.forget("a")
    assert throttle.is_open("a")


def test_tries_at_the_same_time_are_counted_before_they_are_looked_at() -> None:
    """Forty guesses that come together are let through five at most; one that was right counts for nothing."""
    throttle = Throttle(most=5, window=900.0, clock=lambda: 0.0)
    assert [throttle.begin("a") for _ in range(40)] == [True] * 5 + [False] * 35
    throttle.take_back("a")
    assert throttle.begin("a")
    throttle.forget("a")
    assert throttle.is_open("a")
