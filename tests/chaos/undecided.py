"""What undecided outcomes cost the statuses behind them. Anyone can run it:

    python tests/chaos/undecided.py --undecided 60 --seconds 20 --per-second 5

Documents flow to a receiver whose worker answers each with 01 and 03, over a mock hub that does not tell what it has of
us. The time from queueing a status to the hub's yes is measured, once without and once with undecided statuses.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from typing import Any

from edoc_connector.config import Settings
from edoc_connector.connector import Connector, Handlers, Receipt
from edoc_connector.mockhub import Fault, MockHubConfig
from edoc_connector.store import STATUS, OutgoingState, upgrade
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Worker

PARTIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}


def make_settings(folder: Path, agency: str, hub: RunningHub) -> Settings:
    """Make an agency's settings, and its store."""
    folder.mkdir()
    values: dict[str, dict[str, Any]] = {
        "agency": {"id": agency, "name": PARTIES[agency]},
        "hub": {"endpoint": hub.url, "system_id": agency, "secret": "file:secret"},
        "http": {"attempts": 1},
        "receive": {"policy": "any"},
        "limits": {"grace": 1.0, "backoff": 1.0},
        "worker": {"poll": 0.5, "idle": 0.1},
    }
    (folder / "secret").write_text(f"secret-{agency}")
    (folder / "secret").chmod(0o600)
    upgrade(f"sqlite:///{folder / 'edoc.db'}")
    return Settings.of(values, folder=folder)


def make_undecided(sender: Connector, receiver: Settings, hub: RunningHub, count: int) -> None:
    """Leave statuses of the receiver undecided: their answers are lost, and the hub does not tell."""
    with Connector.open(receiver) as connector:
        for number in range(count):
            sender.send(sample_document(number=f"9{number:04}"))
        receipts = []
        for receipt in connector.receive():
            with receipt:
                receipts.append(receipt)
        connector.flush()
        for receipt in receipts:
            hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
            receipt.accept()
        for _ in range(2):
            connector.flush()


def measure(undecided: int, seconds: float, per_second: float, slow: float) -> list[float]:
    """Measure how long each new status waited, in seconds."""
    with tempfile.TemporaryDirectory() as name, RunningHub(MockHubConfig(data=Path(name) / "hub")) as hub:
        for agency, title in PARTIES.items():
            hub.add_agency(agency, f"secret-{agency}", title)
        hub.hub.config = replace(hub.hub.config, recent_sent=False)
        ours, theirs = (make_settings(Path(name) / agency, agency, hub) for agency in PARTIES)
        handlers = Handlers()

        @handlers.on_receipt
        def accept(receipt: Receipt) -> None:
            receipt.accept()

        with Connector.open(ours) as sender:
            make_undecided(sender, theirs, hub, undecided)
            hub.faults.add(Fault(kind="delay", path="/getSentEdocList", seconds=slow, count=None))
            with Worker([theirs], handlers=handlers) as worker:
                thread = threading.Thread(target=worker.run)
                thread.start()
                started = time.monotonic()
                for number in range(int(seconds * per_second)):
                    sender.send(sample_document(number=str(number)))
                    time.sleep(max(0.0, started + (number + 1) / per_second - time.monotonic()))
                time.sleep(3.0)
                worker.stop()
                thread.join()
                with worker.connectors[0].context.store.snapshot() as tx:
                    rows = tx.outgoing.find_all("G22", kind=STATUS, state=OutgoingState.SENT)
                    left = len(tx.outgoing.find_all("G22", state=OutgoingState.UNKNOWN))
        new_rows = rows[: 2 * int(seconds * per_second)]
        print(f"{undecided} undecided: {left} still are; {len(new_rows)} new statuses")
        return [(row.sent_at - row.created_at).total_seconds() for row in new_rows if row.sent_at is not None]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--undecided", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--per-second", type=float, default=5.0)
    parser.add_argument("--slow", type=float, default=0.5, help="seconds that the hub takes for a question")
    options = parser.parse_args()
    for undecided in (0, options.undecided):
        waits = measure(undecided, options.seconds, options.per_second, options.slow)
        cuts = quantiles(waits, n=100)
        print(f"  median {cuts[49]:.3f} s, p95 {cuts[94]:.3f} s, longest {max(waits):.3f} s")


if __name__ == "__main__":
    main()
