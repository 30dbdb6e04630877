"""The clock of a process: it follows what was set right, and not what jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from edoc_connector._core import SteadyClock


class Times:
    """A wall clock and a monotonic one, turned by hand."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
        self.mono = 0.0

    def turn(self, seconds: float, *, wall: timedelta | None = None) -> None:
        self.mono += seconds
        self.wall += timedelta(seconds=seconds) if wall is None else wall


@pytest.fixture
def times() -> Times:
    """Clocks that nobody turned yet."""
    return Times()


@pytest.fixture
def clock(times: Times) -> SteadyClock:
    """A clock over them."""
    return SteadyClock(lambda: times.wall, lambda: times.mono)


def test_row_34_a_correction_of_days_is_followed_at_once(
    times: Times, clock: SteadyClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A clock two days ahead is set right under a running process (faults, row 34)."""
    times.turn(1, wall=-timedelta(days=2))
    assert clock() == times.wall
    times.turn(1)
    assert clock() == times.wall
    assert "follows it" in caplog.text


def test_row_34_a_correction_of_an_hour_is_followed_after_a_while(times: Times, clock: SteadyClock) -> None:
    """Time goes on for two minutes, then as the machine says (faults, row 34)."""
    start = clock()
    times.turn(1, wall=-timedelta(hours=1))
    assert clock() == start + timedelta(seconds=1)
    times.turn(60)
    assert clock() == start + timedelta(seconds=61)
    times.turn(60)
    assert clock() == times.wall
    times.turn(5)
    assert clock() == times.wall


def test_a_step_of_seconds_back_is_waited_out(times: Times, clock: SteadyClock) -> None:
    """Time stands still until the machine's clock caught up (faults, row 22)."""
    start = clock()
    times.turn(1, wall=-timedelta(seconds=3))
    assert clock() == start
    times.turn(4)
    assert clock() == times.wall
