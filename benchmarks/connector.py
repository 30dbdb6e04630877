"""What sending costs:  python benchmarks/connector.py [--quick] [--profile]

One connector on SQLite, a mock hub in a process of its own on the loopback interface. Every document is another one,
signed and sealed, with one file of 100 KB. Everything is durable before `send` returns: the packet in the spool, the
rows, the evidence. `--profile` prints instead where the processor time of sending goes, in one thread.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import os
import pstats
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import rows
import sharing
from harness import Figure, show
from loopback import SENDER, Cost, HubProcess, cost, settings_of

from edoc_connector.connector import Connector
from edoc_connector.edxml import Attachment, Document
from edoc_connector.testing import sample_document

GOAL = 300.0  # documents a second
GOAL_MS = 100.0
THREADS = 8
_numbers = count(1)


def document(size: int = 100_000) -> Document:
    """A document like no other, with one file of `size` bytes that does not compress."""
    number = str(next(_numbers))
    data = b"%PDF-1.4\n" + hashlib.shake_256(number.encode()).digest(size - 9)
    return sample_document(number=number, attachments=(Attachment.from_bytes(data, name="cong-van.pdf"),))


@contextmanager
def sending() -> Iterator[tuple[HubProcess, Connector]]:
    """A hub, and a connector that has sent a document, so that everything is loaded."""
    with tempfile.TemporaryDirectory(prefix="edoc-benchmark-") as name:
        folder = Path(name)
        with HubProcess(folder / "hub") as hub, Connector.open(settings_of(SENDER, folder / SENDER, hub)) as connector:
            connector.send(document())
            yield hub, connector


def throughput(threads: int, documents: int) -> list[Figure]:
    """Send from so many threads on one connector."""
    with sending() as (hub, connector):
        waiting = [document() for _ in range(documents)]
        times: list[float] = []

        def send(one: Document) -> None:
            began = time.perf_counter()
            connector.send(one)
            times.append(time.perf_counter() - began)

        def work() -> None:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(send, waiting))

        written = _written()
        spent = cost(hub, work)
        written = _written() - written
    return _figures(threads, sorted(times), spent, written)


def _figures(threads: int, times: list[float], spent: Cost, written: int) -> list[Figure]:
    done, what = len(times), f"send 100 KB, {threads} thread{'s' * (threads > 1)}"
    goal = GOAL if threads == THREADS else None
    p95 = times[int(done * 0.95)] * 1000
    return [
        Figure(work=f"{what}, raw", value=done / spent.wall, unit="/s", better="higher"),
        Figure(work=f"{what}, net of the hub", value=done / spent.net, unit="/s", goal=goal, better="higher"),
        Figure(work=f"{what}, p50", value=statistics.median(times) * 1000, unit="ms"),
        Figure(work=f"{what}, p95", value=p95, unit="ms", goal=GOAL_MS if threads == THREADS else None),
        Figure(work=f"{what}, our processor time a document", value=spent.ours / done * 1000, unit="ms"),
        Figure(work=f"{what}, the hub's processor time a document", value=spent.hub / done * 1000, unit="ms"),
        Figure(work=f"{what}, written to the disk a document", value=written / done / 1024, unit="KiB"),
    ]


def _written() -> int:
    """Bytes that this process caused to be written to the disk (``/proc/self/io``)."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def flush_floor(times: int = 50) -> Figure:
    """What flushing one small write costs on this disk: a send waits for at least four of them, one after another."""
    taken = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return Figure(work="fsync of 4 KB on this disk, p50", value=statistics.median(taken) * 1000, unit="ms")


def profile(documents: int = 100) -> None:
    """Print where the processor time of `send` goes, by function with all that it calls, then by function alone."""
    with sending() as (_, connector):
        waiting = [document() for _ in range(documents)]
        profiler = cProfile.Profile(time.thread_time)
        profiler.enable()
        for one in waiting:
            connector.send(one)
        profiler.disable()
    stats = pstats.Stats(profiler)
    stats.sort_stats("cumulative").print_stats(80)
    stats.sort_stats("tottime").print_stats(40)


def figures(quick: bool = False) -> list[Figure]:
    """Throughput with 1 and 8 threads, with 1 and 2 processes, and how calls slow down as the store fills."""
    documents = 60 if quick else 1000
    found = [flush_floor(), *throughput(1, documents // 2), *throughput(THREADS, documents)]
    return [*found, *sharing.figures(quick), *rows.figures(quick)]


def main() -> None:
    """Print the figures, or the profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if options.profile:
        profile()
    else:
        show("Sending", figures(options.quick))


if __name__ == "__main__":
    main()
