"""How throughput grows with workers on one PostgreSQL:  python benchmarks/workers.py --documents 2000 --workers 1 2 4 8

A mock hub, in a process of its own, offers signed documents; so many worker processes of one agency download, verify,
hand over and confirm them, and the time until each one is confirmed is taken. Afterwards each document must have been
handled exactly once. How busy the machine was in that time stands beside it (/proc/stat, all processes): where it is
near 100 %, more workers cannot help. With ``--delay`` the hub holds each answer back, as a hub behind a network does:
then the machine is not what limits, and workers add up.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness import Figure
from receiving import RECEIVER, hub_process, make_packets
from sqlalchemy import create_engine, text

from edoc_connector.testing.keys import agency_keys
from edoc_connector.testing.postgres import PostgresServer

HANDLERS = """
import os
def register(receipt):
    receipt.document
    with open(f"handled-{os.getpid()}.txt", "a") as log:
        log.write(receipt.id + "\\n")
"""
DELAY = 0.25  # seconds
SMALL = 4000  # bytes of an attachment


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a number of workers came to.

    Attributes:
        seconds: From the first document in their store until each one was confirmed. They were at work before.
        busy: The share of the machine's processors in use meanwhile, by whomever.
        cpu: CPU seconds of the workers, their start included.
        twice: Documents handled more than once.
        left: Documents not handled.
    """

    seconds: float
    busy: float
    cpu: float
    twice: int
    left: int


def figures(quick: bool = False) -> list[Figure]:
    """Documents per second with 1, 2, 4 and 8 workers, on a hub at hand and on one that is far away."""
    found = []
    counts = [1, 2] if quick else [1, 2, 4, 8]
    for delay, documents in ((0.0, 40 if quick else 2000), (DELAY, 20 if quick else 100)):
        runs = measured(documents, counts, delay)
        one = runs[counts[0]].seconds
        where = f"hub {delay:g} s away" if delay else "hub at hand"
        for count, run in runs.items():
            found.append(
                Figure(
                    work=f"{count} workers, {where}, machine {run.busy:.0%} busy",
                    value=documents / run.seconds,
                    unit="/s",
                    ratio=one / run.seconds,
                    to="one worker",
                    better="higher",
                    series=f"workers, {where}",
                    x=count,
                )
            )
            if run.twice or run.left:
                raise SystemExit(f"{run.twice} documents handled twice, {run.left} left")
    return found


def measured(documents: int, counts: list[int], delay: float, *, tell: bool = False) -> dict[int, Run]:
    """Run so many workers, for each of the counts, over as many documents."""
    runs = {}
    with tempfile.TemporaryDirectory(prefix="edoc-workers-") as name, PostgresServer() as server:
        folder = Path(name)
        make_packets(folder, documents, size=SMALL)
        for count in counts:
            runs[count] = run = _run(server.create_database(), folder, documents, count, delay)
            if tell:
                print(
                    f"{count:7} {run.seconds:8.1f} {documents / run.seconds:12.1f} {run.busy:13.0%}"
                    f" {1000 * run.cpu / documents:13.1f} {run.twice:14} {run.left:5}",
                    flush=True,
                )
    return runs


def _run(url: str, folder: Path, documents: int, count: int, delay: float) -> Run:
    with hub_process(folder, name=f"hub-{count}", delay=delay) as hub:
        place = _configured(folder, f"{RECEIVER}-{count}", hub.url, url)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        workers = [_started(place) for _ in range(count)]
        hub.offer()
        _waited(url, "true", 1)
        before, began = _processors(), time.monotonic()
        _waited(url, "state = 'confirmed' AND message_type = 'edoc'", documents)
        seconds, after = time.monotonic() - began, _processors()
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.communicate()
        cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    handled = [line for log in place.glob("handled-*.txt") for line in log.read_text().split("\n") if line]
    return Run(
        seconds=seconds,
        busy=1 - (after[1] - before[1]) / max(1, after[0] - before[0]),
        cpu=cpu.ru_utime + cpu.ru_stime - used.ru_utime - used.ru_stime,
        twice=len(handled) - len(set(handled)),
        left=documents - len(set(handled)),
    )


def _processors() -> tuple[int, int]:
    """Ticks of all processors since the start of the machine: all, and those in which they were idle."""
    ticks = [int(one) for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def _configured(folder: Path, name: str, endpoint: str, url: str) -> Path:
    """The receiving agency's folder."""
    place = folder / name
    place.mkdir()
    (place / "secret").write_text(f"secret-{RECEIVER}")
    (place / "dms.py").write_text(HANDLERS)
    key = agency_keys(RECEIVER, organ_id=RECEIVER).write_pem(place / "key.pem")
    sections = {
        "agency": {"id": RECEIVER, "name": RECEIVER},
        "hub": {"endpoint": endpoint, "system_id": RECEIVER, "secret": "file:secret"},
        "signing": {"key": key},
        "receive": {"policy": "trusted", "trust": [str(folder / "root.pem")]},
        "store": {"url": url},
        "worker": {"poll": 2.0, "idle": 0.2, "concurrency": 2},
    }
    lines = [
        f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in one.items()) for name, one in sections.items()
    ]
    (place / "edoc.toml").write_text("\n".join(lines))
    return place


def _started(place: Path) -> subprocess.Popen[bytes]:
    """A worker that is at work."""
    command = [sys.executable, "-m", "edoc_connector", "worker", "--handlers", "dms:register"]
    worker = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if worker.stdout is not None:
        worker.stdout.readline()
    return worker


def _waited(url: str, where: str, count: int) -> None:
    """Wait until there are so many receipts of a kind."""
    engine = create_engine(url)
    query = text(f"SELECT count(*) FROM receipts WHERE {where}")
    done = 0
    while done < count:
        time.sleep(0.1)
        with engine.connect() as connection:
            done = connection.execute(query).scalar_one()
    engine.dispose()


def main() -> None:
    """Print one line per number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that the hub holds each answer back")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, {options.documents} documents, hub {options.delay:g} s away")
    print("workers  seconds  documents/s  machine busy  CPU ms each  handled twice  left")
    measured(options.documents, options.workers, options.delay, tell=True)


if __name__ == "__main__":
    main()
