"""Pacing of calls to a hub before it refuses them."""

from __future__ import annotations

import threading
import time

import anyio
import pytest

from edoc_connector.client import AsyncHubClient, ClientSettings, HubClient
from edoc_connector.client.pacing import Pace, TokenBucket
from edoc_connector.hubs import HubCapabilities, Vxp
from edoc_connector.testing.hub import RunningHub


class Clock:
    """Seconds that move only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_a_minute_go() -> None:
    """A minute of calls as fast as they may is the number set, and a burst (issue, "token bucket")."""
    clock = Clock()
    bucket = TokenBucket(clock=clock)
    calls = 0
    while clock.now < 1060.0:
        clock.now += bucket.reserve(60)
        calls += 1
    assert 60 <= calls <= 65


def test_quiet_time_is_not_saved_up() -> None:
    """After an hour five seconds' worth may go at once, and the next one waits (issue, "pacing before a 429")."""
    clock = Clock()
    bucket = TokenBucket(clock=clock)
    bucket.reserve(60)
    clock.now += 3600
    assert [round(bucket.reserve(60), 3) for _ in range(7)] == [0, 0, 0, 0, 0, 1, 2]
    assert bucket.reserve(1) > 2  # a limit of less than a burst waits from the second call on


def test_threads_share_the_places() -> None:
    """No two threads get the same place (issue, "shared by threads")."""
    bucket = TokenBucket(clock=Clock())
    taken: list[float] = []
    threads = [
        threading.Thread(target=lambda: taken.extend(bucket.reserve(6000) for _ in range(200))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waiting = [seconds for seconds in taken if seconds > 0]
    assert len(set(waiting)) == len(waiting)
    assert max(taken) == pytest.approx(800 * 0.01 - 5, abs=0.05)


def test_the_pace_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set counts before what the dialect knows; 0 is any number (issue, "overridable by settings")."""
    vxp = Vxp(endpoint="https://pace.example.gov.vn", system_id="G22", secret="s")
    assert Pace.of_hub(vxp, None).calls_a_minute == 0
    monkeypatch.setattr(Vxp, "capabilities", HubCapabilities(calls_a_minute=30))
    assert [Pace.of_hub(vxp, limit).calls_a_minute for limit in (None, 90, 0)] == [30, 90, 0]
    assert Pace.of_hub(object(), 5).reserve() == 0


def test_calls_wait_for_their_place(mock_hub: RunningHub, plain_http: None) -> None:
    """Clients of one endpoint, blocking and awaiting, wait before the call (issue, "per hub endpoint")."""
    mock_hub.add_agency("G22", "secret")
    vxp = Vxp(endpoint=mock_hub.url, system_id="G22", secret="secret")
    settings = ClientSettings(calls_a_minute=300)
    for _ in range(25):  # the burst, which others of this endpoint may use up
        Pace.of_hub(vxp, 300).reserve()
    began = time.monotonic()
    with HubClient(vxp, settings) as client:
        client.list_waiting()

    async def ask() -> None:
        async with AsyncHubClient(vxp, settings) as other:
            await other.list_waiting()

    anyio.run(ask)
    assert time.monotonic() - began >= 0.2
