"""What a hub that is down for a day costs, and how soon the queue is drained once it is back. Anyone can run it:

    EDOC_OUTAGE_QUEUED=100000 EDOC_OUTAGE_HOURS=24 python tests/chaos/outage.py

Documents are queued, the hub is stopped, and one worker runs through the outage on a clock that is turned forward
wherever the worker would sleep. The processor time that it took is compared with the time that it lived through. Then
the hub is started, and nobody does anything.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from edoc_connector._core import StopFlag
from edoc_connector.config import Settings
from edoc_connector.connector import BreakerReading, Connector
from edoc_connector.connector.outbound import submit
from edoc_connector.mockhub import MockHubConfig
from edoc_connector.store import DELIVERIES, upgrade
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Worker

SENDER, RECEIVER = "H29.05", "G22"
PARTIES = {SENDER: "Sở Nội vụ", RECEIVER: "Văn phòng Chính phủ"}


class Turned:
    """Clocks that go on by themselves, and are turned forward besides."""

    def __init__(self) -> None:
        self.turned = 0.0
        self._monotonic = time.monotonic

    def monotonic(self) -> float:
        """Count the seconds."""
        return self._monotonic() + self.turned

    def now(self) -> datetime:
        """Read the time, aware UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.turned)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put them in the place of the machine's."""
        with (
            patch("time.monotonic", self.monotonic),
            patch("edoc_connector.connector._opening.SteadyClock", lambda: self.now),
        ):
            yield


class Sleeper(StopFlag):
    """A worker's wish to sleep, granted by turning the clocks.

    Args:
        clocks: turned by the time of each sleep.
        look: called after each.
    """

    def __init__(self, clocks: Turned, look: Callable[[], None]) -> None:
        super().__init__()
        self._clocks = clocks
        self._look = look

    def wait(self, seconds: float) -> bool:
        """Turn the clocks instead of sleeping."""
        self._clocks.turned += seconds
        self._look()
        return self.is_set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was seen.

    Args:
        queued: how many documents.
        lived: seconds of the outage.
        processor: seconds of processor time in it.
        breaker: the breaker at the end of the outage.
        drained: seconds from the hub's return until the queue was empty.
        first: seconds from the hub's return until something was sent.
        arrived: how many documents the hub has.
    """

    queued: int
    lived: float
    processor: float
    breaker: BreakerReading
    drained: float
    first: float
    arrived: int


class Outage:
    """A worker that lives through an outage.

    Args:
        worker: the worker, of one agency.
        hub: the hub, which is down.
        clocks: what it lives by.
        seconds: how long the outage lasts.
    """

    def __init__(self, worker: Worker, hub: RunningHub, clocks: Turned, seconds: float) -> None:
        self._worker = worker
        self._hub = hub
        self._clocks = clocks
        self._begun = clocks.monotonic()
        self._ends = self._begun + seconds
        self._processor = time.process_time()
        self._worker._stop = self._sleeper = Sleeper(clocks, self._look)
        self._returned: float | None = None
        self._first: float | None = None
        self._queued = self._count_queued()
        self._during: dict[str, Any] = {}

    def live(self) -> Measured:
        """Work until the queue is drained, or two hours after the hub's return."""
        self._worker._take_turns()
        returned, now = self._returned or 0.0, self._clocks.monotonic()
        return Measured(
            queued=self._queued,
            drained=now - returned,
            first=(self._first or now) - returned,
            arrived=len(self._hub.packets()),
            **self._during,
        )

    def _look(self) -> None:
        now = self._clocks.monotonic()
        if self._returned is None:
            if now >= self._ends:
                self._bring_hub_back()
            return
        left = self._count_queued()
        if left < self._queued and self._first is None:
            self._first = now
        if left == 0 or now > self._returned + 7200:
            self._sleeper.set()

    def _bring_hub_back(self) -> None:
        processor = time.process_time() - self._processor
        lived = self._clocks.monotonic() - self._begun
        self._during = {
            "processor": processor,
            "lived": lived,
            "breaker": self._worker.agency_jobs[0].read_breakers()["hub"],
        }
        self._hub.start()
        self._returned = self._clocks.monotonic()

    def _count_queued(self) -> int:
        rows = self._worker.agency_jobs[0].count_rows()
        return sum(rows.get((DELIVERIES.table_name, state), 0) for state in ("ready", "sending", "unknown"))


def make_settings(folder: Path, hub: RunningHub) -> Settings:
    """Make the sender's settings, and its store. All times are those that users get."""
    folder.mkdir()
    (folder / "secret").write_text(f"secret-{SENDER}")
    (folder / "secret").chmod(0o600)
    upgrade(f"sqlite:///{folder / 'edoc.db'}")
    values: dict[str, dict[str, Any]] = {
        "agency": {"id": SENDER, "name": PARTIES[SENDER]},
        "hub": {"endpoint": hub.url, "system_id": SENDER, "secret": "file:secret"},
        "http": {"attempts": 1},  # the waits between the others are real ones
        "receive": {"policy": "any"},
    }
    return Settings.of(values, folder=folder)


def queue(settings: Settings, count: int) -> None:
    """Queue documents, as a program does that hands them over and ends."""
    with Connector.open(settings) as connector:
        for number in range(count):
            submit(connector.context, sample_document(number=str(number)))


def measure(queued: int, seconds: float) -> Measured:
    """Queue documents, stop the hub, live through the outage, and bring the hub back."""
    clocks = Turned()
    with (
        clocks.installed(),  # before the hub begins, whose timers go by them too
        tempfile.TemporaryDirectory() as name,
        RunningHub(MockHubConfig(data=Path(name) / "hub")) as hub,
    ):
        for agency, title in PARTIES.items():
            hub.add_agency(agency, f"secret-{agency}", title)
        settings = make_settings(Path(name) / SENDER, hub)
        queue(settings, queued)
        hub.stop()
        with Worker([settings]) as worker:
            return Outage(worker, hub, clocks, seconds).live()


def main() -> None:
    """Print the figures."""
    hours = float(os.environ.get("EDOC_OUTAGE_HOURS", "24"))
    seen = measure(int(os.environ.get("EDOC_OUTAGE_QUEUED", "5000")), hours * 3600)
    print(f"{seen.queued} documents queued, the hub down for {seen.lived / 3600:.1f} hours")
    print(f"processor time {seen.processor:.0f} s, {100 * seen.processor / seen.lived:.2f} %")
    print(f"tries of the hub that failed in a row: {seen.breaker.failures}")
    print(f"after its return: first seen sent after {seen.first:.0f} s, drained after {seen.drained:.0f} s")
    print(f"{seen.arrived} at the hub")


if __name__ == "__main__":
    main()
