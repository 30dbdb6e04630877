"""Whether a worker that runs on through faults keeps growing. Anyone can run it:

    python tests/chaos/soak.py --minutes 60 --per-minute 6 --curve soak.csv

The offices and the failing hub of the chaos run in a steady flow. One worker of each office is never killed: its
memory, descriptors and threads are read from /proc every few seconds. The worker beside it is killed and stopped as in
the chaos run. In the end everything is compared as there, and the slopes after the warm-up are printed. Exit code 0:
all compared well, and no worker that was to live ended.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import linear_regression, median

sys.path.insert(0, str(Path(__file__).parent))
from examine import Examination, Office  # type: ignore[import-not-found]  # as above

from chaos import (  # type: ignore[import-not-found]  # found by the line above
    LEASE,
    OFFICES,
    Process,
    Storm,
    settle,
    small_hub,
    write_office,
    write_tasks,
)

PAGE = os.sysconf("SC_PAGE_SIZE")
GLIBC = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""What the units of `deploy/` set (docs/worker.md, "Memory")."""


@dataclass(frozen=True)
class Sample:
    """What a process has at a moment.

    Args:
        seconds: since the beginning.
        name: of the process.
        pid: of it.
        resident: bytes of memory.
        descriptors: open ones.
        threads: of it.
    """

    seconds: float
    name: str
    pid: int
    resident: int
    descriptors: int
    threads: int


def read_sample(name: str, pid: int, seconds: float) -> Sample:
    """Read what a process has.

    Raises:
        OSError: it has ended.
    """
    place = Path(f"/proc/{pid}")
    resident = int((place / "statm").read_text().split()[1]) * PAGE
    return Sample(seconds, name, pid, resident, *(len(list((place / name).iterdir())) for name in ("fd", "task")))


class Observer:
    """Reads what processes have, every few seconds, into a file with a line each.

    Args:
        processes: they.
        curve: the file.
        interval: seconds.
    """

    def __init__(self, processes: Sequence[Process], curve: Path, interval: float) -> None:
        self.samples: list[Sample] = []
        self._processes, self._curve, self._interval = processes, curve, interval
        self._stop = threading.Event()

    @contextlib.contextmanager
    def observe(self) -> Iterator[None]:
        """Observe until the end of the block."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        with self._curve.open("w", newline="", buffering=1) as file:
            writer = csv.writer(file)
            writer.writerow(field.name for field in fields(Sample))
            while not self._stop.wait(self._interval):
                for process in self._processes:
                    with contextlib.suppress(OSError):  # it has ended: told by `find_ended`
                        sample = read_sample(
                            f"{process.folder.name}/{process.name}", process.pid, time.monotonic() - began
                        )
                        self.samples.append(sample)
                        writer.writerow(astuple(sample))

    def find_ended(self) -> list[str]:
        """Find the processes that ended."""
        return [
            f"{process.folder.name}/{process.name} ended with {process.ended()}"
            for process in self._processes
            if process.ended() is not None
        ]


def summarize(samples: Sequence[Sample], warm_up: float) -> Iterator[str]:
    """Say what each process had after the warm-up, and how that grew in an hour."""
    for name in sorted({one.name for one in samples}):
        own = [one for one in samples if one.name == name and one.seconds >= warm_up]
        if len(own) < 8:
            yield f"{name}: too few samples"
            continue
        for title, values, unit in (
            ("memory", [one.resident / 1e6 for one in own], "MB"),
            ("descriptors", [float(one.descriptors) for one in own], ""),
            ("threads", [float(one.threads) for one in own], ""),
        ):
            slope = linear_regression([one.seconds / 3600 for one in own], values).slope
            fourth = len(own) // 4
            yield (
                f"{name}: {title} {median(values[:fourth]):.1f} in the first quarter, {median(values[-fourth:]):.1f}"
                f" in the last, {max(values):.1f} at most, {slope:+.2f} {unit} an hour"
            )


def run(folder: Path, options: argparse.Namespace) -> int:
    """One whole run."""
    began, dice = time.monotonic(), random.Random(options.seed)
    seconds = options.minutes * 60
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(small_hub(folder, options.seed, options.strength))
        for office, codes in OFFICES.items():
            write_office(folder / office, codes, url, "sqlite:///edoc.db", "own")
        tasks = write_tasks(folder, round(options.minutes * options.per_minute), dice, seconds)
        clerks = [Process("clerk", folder / office, "clerk") for office in OFFICES]
        living = [Process("worker", folder / office, "worker-0") for office in OFFICES]
        victims = [Process("worker", folder / office, "worker-1") for office in OFFICES]
        for process in (*clerks, *living, *victims):
            stack.callback(process.kill)
            process.start()
        observer = Observer(living, options.curve, options.interval)
        storm = Storm(victims, None, 5, dice)
        with observer.observe():
            storm.blow(seconds, float("inf"))
        wrong = observer.find_ended()
        offices = [stack.enter_context(Office(folder / office, tasks[office])) for office in OFFICES]
        examination = Examination(folder, offices)
        settled = settle((*clerks, *living, *victims), examination, folder, options.patience, storm.tally)
        for process in (*clerks, *living, *victims):
            process.kill(signal.SIGTERM)
        wrong += examination.examine(storm.tally.moments, LEASE)
        if not settled:
            wrong += examination.find_open() or ["it was still busy"]
        figures = examination.count()
    for name, value in figures.items():
        print(f"{name}: {value}")
    print(f"kills: {storm.tally.kills} and {storm.tally.steps.total()} at a step; stopped: {storm.tally.stops}")
    for line in summarize(observer.samples, seconds / 4):
        print(line)
    print(f"seconds: {time.monotonic() - began:.0f}; wrong: {len(wrong)}")
    for line in wrong[:40]:
        print(f"  {line}")
    return 1 if wrong else 0


def main() -> int:
    """Run with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--per-minute", type=float, default=6, help="documents of all offices")
    parser.add_argument("--interval", type=float, default=10, help="seconds between two samples")
    parser.add_argument("--curve", type=Path, default=Path("soak.csv"), help="file for the samples")
    parser.add_argument("--patience", type=float, default=180, help="of standstill at the end")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--strength", type=float, default=1.0, help="of the hub's faults")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that every process is ended
    for name, value in GLIBC.items():
        os.environ.setdefault(name, value)
    folder = Path(tempfile.mkdtemp(prefix="edoc-soak-"))
    code = 1
    try:
        code = run(folder, options)
    finally:
        if code:
            print(f"seed {options.seed}; everything is kept in {folder}")
        else:
            shutil.rmtree(folder)
    return code


if __name__ == "__main__":
    sys.exit(main())
