"""How processes share one SQLite:  python benchmarks/sharing.py [--documents 200] [--rounds 3] [--threads 4]

Each process has a connector on the same store and sends documents of 100 KB, signed, sealed and durable, from some
threads, to a hub that costs next to nothing (`sink.py`). One process and two, each with programs queueing for the
database and without, in turn, so that what else runs on the machine meets all of them. Told is the round with the most
documents a second, and its times of single sends.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from harness import Figure, show
from loopback import SENDER, HubProcess, settings_of

from edoc_connector._core import FileQueue
from edoc_connector.config import Settings
from edoc_connector.connector import Connector

GOAL, GOAL_P95 = 1.3, 1.5  # of two processes to one
_HERE = Path(__file__).resolve()


@dataclass(frozen=True, kw_only=True)
class Run:
    """What some processes came to.

    Attributes:
        rate: Documents a second, of all of them.
        times: Seconds of each send, in ascending order.
    """

    rate: float
    times: list[float]

    def percentile(self, part: float) -> float:
        """Milliseconds that so large a part of the sends took at most."""
        return self.times[min(len(self.times) - 1, int(len(self.times) * part))] * 1000


def figures(quick: bool = False) -> list[Figure]:
    """One process and two, without the queue and with it."""
    return measured(documents=20 if quick else 200, rounds=1 if quick else 3, threads=4)


def measured(*, documents: int, rounds: int, threads: int) -> list[Figure]:
    """Measure so many documents of each process."""
    best: dict[tuple[bool, int], Run] = {}
    with tempfile.TemporaryDirectory(prefix="edoc-sharing-") as name, _sink() as url:
        for number in range(rounds):
            for queues in (False, True):
                for processes in (1, 2):
                    folder = Path(name) / f"{number}-{queues}-{processes}"
                    run = _run(folder, url, processes, documents, threads, queues=queues)
                    key = queues, processes
                    if key not in best or run.rate > best[key].rate:
                        best[key] = run
    return [figure for queues in (False, True) for figure in _compare(best[queues, 1], best[queues, 2], queues)]


def _compare(one: Run, two: Run, queues: bool) -> list[Figure]:
    how = "queueing" if queues else "not queueing"
    goals = (GOAL, GOAL_P95) if queues else (None, None)
    p95 = two.percentile(0.95), one.percentile(0.95)
    return [
        Figure(work=f"send 100 KB, one process, {how}", value=one.rate, unit="/s", better="higher"),
        Figure(
            work=f"send 100 KB, two processes on one SQLite, {how}",
            value=two.rate,
            unit="/s",
            ratio=two.rate / one.rate,
            to="one process",
            goal=goals[0],
            better="higher",
        ),
        Figure(work=f"of these, p95, one process, {how}", value=p95[1], unit="ms"),
        Figure(
            work=f"of these, p95, two processes, {how}",
            value=p95[0],
            unit="ms",
            ratio=p95[0] / p95[1],
            to="one process",
            goal=goals[1],
        ),
        Figure(work=f"of these, longest, two processes, {how}", value=two.times[-1] * 1000, unit="ms"),
    ]


@contextmanager
def _sink() -> Iterator[str]:
    command = [sys.executable, str(_HERE.with_name("sink.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the server has no pipes")
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


def _run(folder: Path, url: str, processes: int, documents: int, threads: int, *, queues: bool) -> Run:
    """Have processes send, all from the same moment on."""
    # Keys and tables are made once: each process would make keys of its own.
    with Connector.open(settings_of(SENDER, folder, cast("HubProcess", SimpleNamespace(url=url)))):
        pass
    said: list[dict[str, Any]] = []
    with ExitStack() as stack:
        running = []
        for number in range(processes):
            command = [sys.executable, str(_HERE), "--child", str(folder), url, str(documents), str(threads)]
            command += [str(number * 1_000_000), "yes" if queues else "no"]
            running.append(
                stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            )
        for process in running:
            _line(process)  # it has sent its first document
        for process in running:
            if process.stdin is not None:
                process.stdin.close()
        said = [json.loads(_line(process)) for process in running]
    seconds = max(one["ended"] for one in said) - min(one["began"] for one in said)
    return Run(rate=processes * documents / seconds, times=sorted(time for one in said for time in one["times"]))


def _line(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise SystemExit("a process ended too early")
    return line


def _open(folder: Path, url: str) -> Connector:
    values: dict[str, dict[str, Any]] = {
        "agency": {"id": SENDER, "name": SENDER},
        "hub": {"endpoint": url, "system_id": SENDER, "secret": "file:secret"},
        "signing": {"key": f"pem:{folder / 'key.pem'}"},
        "receive": {"policy": "trusted", "trust": [str(folder / "root.pem")]},
    }
    return Connector.open(Settings.of(values, folder=folder))


def _send(folder: Path, url: str, documents: int, threads: int, first: int, *, queues: bool) -> None:
    """In a process of its own: send, and print when it began and ended and how long each took."""
    import connector as sender

    sender._numbers = sender.count(first + 1)
    if not queues:
        FileQueue.acquire = _get_no_turn  # type: ignore[method-assign]  # as before there was one
    times: list[float] = []
    with _open(folder, url) as opened:
        opened.send(sender.document())
        waiting = [sender.document() for _ in range(documents)]

        def send(one: Any) -> None:
            began = time.perf_counter()
            opened.send(one)
            times.append(time.perf_counter() - began)

        print("ready", flush=True)
        sys.stdin.read()
        began = time.monotonic()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(send, waiting))
        ended = time.monotonic()
    print(json.dumps({"began": began, "ended": ended, "times": times}), flush=True)


def _get_no_turn(_self: FileQueue, _seconds: float) -> bool:
    return False


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200, help="of each process")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=4, help="of each process")
    parser.add_argument("--child", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        folder, url, documents, threads, first, queues = options.child
        _send(Path(folder), url, int(documents), int(threads), int(first), queues=queues == "yes")
        return
    show(
        "Processes on one SQLite",
        measured(documents=options.documents, rounds=options.rounds, threads=options.threads),
    )


if __name__ == "__main__":
    main()
