"""Receive, verify and confirm signed documents of 100 KB from a mock hub:  python benchmarks/receiving.py [--profile]

The mock hub is a process of its own, which has the packets before the clock starts; its CPU time is taken from the
operating system. The receiver is another process, with a store on SQLite and full durability. Two figures come out:

- raw: documents per second of the receiver, from the first poll until the last one is confirmed at the hub. The hub
  works on the same processors meanwhile.
- net: the same without the hub's own share: the time less the hub's CPU seconds divided by the number of processors.

On a machine that is busy with other things neither tells much; the CPU time for each document stands beside them, and
what that would allow on one idle processor. (Python runs one thread at a time but for hashing, checking and waiting.)

All hold the status 01 of each document too, built, signed and sent: it leaves together with the confirmation.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import hashlib
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import Figure, show

from edoc_connector import edxml, signing
from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.mockhub.config import AgencySpec, MockHubConfig
from edoc_connector.mockhub.faults import Fault
from edoc_connector.store import ReceiptState
from edoc_connector.testing import agency_keys, sample_document
from edoc_connector.testing.hub import RunningHub

SENDER, RECEIVER = "H29.05", "G22"
ATTACHMENT = 74_000  # bytes; as base64, with the rest of a packet, about 100 KB
GOAL = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")


def figures(quick: bool = False) -> list[Figure]:
    """Measure in processes of their own.

    Args:
        quick: fewer documents.
    """
    with tempfile.TemporaryDirectory(prefix="edoc-receiving-") as folder:
        said = measured(Path(folder), 100 if quick else 1000)
    rate, hub_share = said["documents"] / said["seconds"], said["hub_cpu"] / (os.cpu_count() or 1)
    net = said["documents"] / max(said["seconds"] - hub_share, 0.001)
    each = 1000 / said["documents"]
    return [
        Figure(work="receive, verify, confirm 100 KB: raw", value=rate, unit="/s", goal=GOAL, better="higher"),
        Figure(
            work="receive, verify, confirm 100 KB: net of the hub", value=net, unit="/s", goal=GOAL, better="higher"
        ),
        Figure(work="what its CPU time allows on one processor", value=said["documents"] / said["cpu"], unit="/s"),
        Figure(work="CPU of the receiver for each", value=said["cpu"] * each, unit="ms"),
        Figure(work="CPU of the mock hub for each", value=said["hub_cpu"] * each, unit="ms"),
        Figure(work="peak memory of the receiver", value=said["peak"], unit="MiB"),
    ]


def measured(folder: Path, documents: int, *options: str) -> dict[str, float]:
    """Make packets, start a hub that offers them, receive them; what the receiver says, with the hub's CPU seconds."""
    make_packets(folder, documents, size=ATTACHMENT)
    with hub_process(folder) as hub:
        hub.offer()
        before = hub.cpu
        command = [sys.executable, __file__, "--receive", str(folder), hub.url, *options]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        said: dict[str, float] = json.loads(answer.splitlines()[-1])
        said["hub_cpu"] = hub.cpu - before
    if answer.count("\n") > 1:
        print(answer.rsplit("\n", 2)[0])
    return said


def make_packets(folder: Path, documents: int, *, size: int) -> None:
    """Signed packets as files, each with another attachment of `size` bytes."""
    packets = folder / "packets"
    packets.mkdir()
    keys = agency_keys(SENDER, organ_id=SENDER)
    signer = keys.signer()
    keys.write_root(folder / "root.pem")
    for number in range(documents):
        content = hashlib.shake_256(str(number).encode()).digest(size)
        document = sample_document(
            number=str(number), attachments=(edxml.Attachment.from_bytes(content, name="tep.bin"),)
        )
        seal = signing.seal_maker(document, signer=signer, at=datetime.now(UTC))
        path = packets / f"{number:06}.edxml"
        edxml.write(document, path, at=datetime.now(UTC), signature=signing.enveloped(signer), seal=seal)


@dataclass(frozen=True)
class HubProcess:
    """A mock hub in a process of its own, which holds the packets back until it is told to offer them."""

    url: str
    process: subprocess.Popen[str]

    def offer(self) -> None:
        """Offer all packets at once."""
        if self.process.stdin is not None and self.process.stdout is not None:
            print("offer", file=self.process.stdin, flush=True)
            self.process.stdout.readline()

    @property
    def cpu(self) -> float:
        """CPU seconds so far, those of its threads included."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.contextmanager
def hub_process(folder: Path, *, name: str = "hub", delay: float = 0.0) -> Iterator[HubProcess]:
    """Start a mock hub.

    Args:
        folder: where the packets are.
        name: of the hub's own folder in it.
        delay: seconds that each answer is held back.
    """
    command = [sys.executable, __file__, "--hub", str(folder), name, str(delay)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the hub has no pipes")
        try:
            yield HubProcess(process.stdout.readline().strip(), process)
        finally:
            process.stdin.close()


def run_hub(folder: Path, name: str, delay: float) -> None:
    """Offer the packets once a line comes, until the pipe is closed."""
    agencies = tuple(AgencySpec(code=code, secret=f"secret-{code}") for code in (SENDER, RECEIVER))
    with RunningHub(MockHubConfig(data=folder / name, agencies=agencies, pass_through=True)) as hub:
        for path in sorted((folder / "packets").iterdir()):
            hub.offer(path.read_bytes(), sender=SENDER, to=RECEIVER)
        database = hub.hub.storage._db
        database.execute("UPDATE receipts SET state = 'held'")
        if delay:
            hub.faults.add(Fault(kind="delay", seconds=delay, count=None))
        print(hub.url, flush=True)
        sys.stdin.readline()
        database.execute("UPDATE receipts SET state = 'initial'")
        print("offered", flush=True)
        sys.stdin.read()


def receiver_settings(folder: Path, url: str) -> Settings:
    """The receiver's settings."""
    place = folder / "receiver"
    place.mkdir(exist_ok=True)
    (place / "secret").write_text(f"secret-{RECEIVER}")
    values: dict[str, dict[str, Any]] = {
        "agency": {"id": RECEIVER, "name": RECEIVER},
        "hub": {"endpoint": url, "system_id": RECEIVER, "secret": "file:secret"},
        "signing": {"key": agency_keys(RECEIVER, organ_id=RECEIVER).write_pem(place / "key.pem")},
        "receive": {"policy": "trusted", "trust": [str(folder / "root.pem")]},
        "store": {"url": f"sqlite:///{place / 'edoc.db'}"},
    }
    return Settings.of(values, folder=place)


def run_receiver(folder: Path, url: str, *, profile: bool) -> None:
    """Receive everything; print seconds, CPU seconds and peak memory as JSON."""
    with Connector.open(receiver_settings(folder, url)) as connector, _profiled(profile):
        began, cpu = time.perf_counter(), time.process_time()
        count = 0
        for receipt in connector.receive():
            with receipt:
                if receipt.verification.status is not signing.VerificationStatus.VALID:
                    raise SystemExit(receipt.verification.explanation)
                count += len(receipt.document.attachments)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        confirmed = sum(1 for _ in connector.iter_receipts(state=ReceiptState.CONFIRMED))
    if confirmed != count:
        raise SystemExit(f"{count} documents came, {confirmed} are confirmed")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"documents": count, "seconds": seconds, "cpu": cpu, "peak": peak}))


@contextlib.contextmanager
def _profiled(wanted: bool) -> Iterator[None]:
    """Profile every thread, and print where the time went, by own time and by cumulated time."""
    if not wanted:
        yield
        return
    profiles: list[cProfile.Profile] = [cProfile.Profile(time.thread_time)]
    run = threading.Thread.run

    def profiled_run(self: threading.Thread) -> None:
        profiles.append(own := cProfile.Profile(time.thread_time))
        own.enable()
        try:
            run(self)
        finally:
            own.disable()

    threading.Thread.run = profiled_run  # type: ignore[method-assign]  # the only way to reach every thread
    profiles[0].enable()
    try:
        yield
    finally:
        profiles[0].disable()
        threading.Thread.run = run  # type: ignore[method-assign]
        stats = pstats.Stats(profiles[0])
        for one in profiles[1:]:
            one.create_stats()
            stats.add(one)
        for order in ("tottime", "cumtime"):
            stats.sort_stats(order).print_stats(45)


def main() -> None:
    """Print the figures, or a profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if options.profile:
        with tempfile.TemporaryDirectory(prefix="edoc-receiving-") as folder:
            print(measured(Path(folder), 100 if options.quick else 300, "--profile"))
        return
    show("Receiving", figures(options.quick))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--hub"]:
        run_hub(Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
    elif sys.argv[1:2] == ["--receive"]:
        run_receiver(Path(sys.argv[2]), sys.argv[3], profile="--profile" in sys.argv)
    else:
        main()
