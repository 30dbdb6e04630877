"""Documents in both directions through a hub that fails, between processes that are killed. Anyone can run it:

    python tests/chaos/chaos.py --documents 500 --store postgresql

Two offices with two agencies each: a clerks' program and some workers each, and a hub of this folder, run as processes
of their own. While the documents, their statuses, recalls, updates and requests to give back go to and fro, the hub
fails as `fault_plan.py` says; processes are ended with SIGKILL at random moments and at each step between two writes,
stopped for longer than a lease, and the databases are crashed. Then all is left in peace until nothing is open any
more, what only a person can decide is decided by one who reads the hub's ledger, and `examine.py` compares everything
with everything. Exit code 0: nothing is lost, doubled or stuck. A run that failed keeps its folder and says its seed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.edxml import VIETNAM
from edoc_connector.testing.keys import agency_keys

sys.path.insert(0, str(Path(__file__).parent))
from child import STEPS, TABLES, VARIABLE  # type: ignore[import-not-found]  # found by the line above
from examine import Examination, Office  # type: ignore[import-not-found]  # as above
from fault_plan import FAULTS  # type: ignore[import-not-found]  # as above

if TYPE_CHECKING:
    from edoc_connector.testing.postgres import PostgresServer

OFFICES = {
    "north": {"H29.05": "Sở Nội vụ", "H29.06": "Sở Tài chính"},
    "south": {"G22": "Văn phòng Chính phủ", "G17": "Bộ Xây dựng"},
}
NAMES = {code: name for names in OFFICES.values() for code, name in names.items()}
CHILD, HUB = (Path(__file__).with_name(name) for name in ("child.py", "hub.py"))
LEASE, GRACE = 4.0, 0.3
STORM_PACE = {"poll": 0.5, "idle": 0.1}
CALM_PACE = {"poll": 1.0, "idle": 0.5}  # workers that look at a store all the time keep the clerks out of it
HEARTBEAT_SECONDS = 15.0
STOP_SECONDS = LEASE * 1.5
BATCH_SHARE = 0.4  # of the documents, which their clerk gives to `send_many` with whatever else is due
PACKETS_PER_COPY = 4.2
"""How many packets come of a document for a recipient, on average: it, its statuses, and what is asked about it."""


@dataclass
class Process:
    """A process that is started again whenever it ended.

    Args:
        role: what `child.py` is to be.
        folder: its office's files.
        name: of its log.
        popen: the process now.
        plan: the step at which it ends itself.
        stopped_until: until when it is stopped.
    """

    role: str
    folder: Path
    name: str
    popen: subprocess.Popen[bytes] | None = None
    plan: str = ""
    stopped_until: float = 0.0

    @property
    def letters(self) -> str:
        """The letters of the steps that it passes."""
        return "c" if self.role == "clerk" else "sr"

    def start(self, plan: str = "") -> None:
        self.plan, self.stopped_until = plan, 0.0
        environment = {**os.environ, VARIABLE: plan} if plan else {k: v for k, v in os.environ.items() if k != VARIABLE}
        with (self.folder / f"{self.name}.log").open("ab") as log:
            command = [sys.executable, str(CHILD), self.role, str(self.folder)]
            self.popen = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        return self.popen.pid if self.popen is not None else 0

    def ended(self) -> int | None:
        return self.popen.poll() if self.popen is not None else 0

    def stop(self, until: float) -> None:
        if self.popen is not None and self.ended() is None:
            self.popen.send_signal(signal.SIGSTOP)
            self.stopped_until = until

    def go_on(self) -> None:
        if self.popen is not None and self.stopped_until:
            self.stopped_until = 0.0
            self.popen.send_signal(signal.SIGCONT)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.go_on()
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(20)
            self.popen.kill()
            self.popen.wait()


@dataclass
class Tally:
    """What was done to them; the moments tell which second call of a handler has its reason."""

    kills: int = 0
    stops: int = 0
    crashes: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    moments: list[tuple[float, int]] = field(default_factory=list)  # time, process; 0 for all

    def note(self, pid: int) -> None:
        self.moments.append((time.time(), pid))


def write_office(place: Path, codes: dict[str, str], url: str, database: str, engine: str) -> None:
    """Write an office's configuration, and make its stores."""
    place.mkdir()
    root = agency_keys("x").write_root(place / "root.pem")
    sections: dict[str, dict[str, object]] = {
        "http": {"attempts": 1, "connect": 3.0, "read": 3.0, "total": 10.0},
        "receive": {"policy": "trusted", "organisations_others": "report", "trust": [str(root)]},
        "limits": {"lease": LEASE, "grace": GRACE, "backoff": 0.1, "backoff_cap": 2.0, "retry_after_cap": 2.0},
        "store": {"url": database},
        "worker": {**STORM_PACE, "tries": 8, "concurrency": 2, "engine": engine, "sweep": 1},
    }
    for number, (code, name) in enumerate(codes.items()):
        secret = place / f"secret-{number}"
        secret.touch(0o600)
        secret.write_text(f"secret-{code}")
        key = agency_keys(name, organ_id=code).write_pem(place / f"key-{number}.pem")
        sections |= {
            f"agencies.a{number}.agency": {"id": code, "name": name},
            f"agencies.a{number}.hub": {"endpoint": url, "system_id": code, "secret": f"file:{secret.name}"},
            f"agencies.a{number}.signing": {"key": key},
        }
    lines = [f"[{part}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in s.items()) for part, s in sections.items()]
    (place / "edoc.toml").write_text("\n".join(lines))
    for settings in Settings.fleet(place / "edoc.toml"):
        Connector.open(settings).close()
    with contextlib.closing(sqlite3.connect(place / "register.db")) as register:
        register.executescript("PRAGMA journal_mode=WAL;" + TABLES)


def slow_down(place: Path) -> None:
    """Have an office's workers look at its store more seldom, from their next start on."""
    text = (place / "edoc.toml").read_text()
    for name, value in STORM_PACE.items():
        text = text.replace(f"{name} = {value}\n", f"{name} = {CALM_PACE[name]}\n")
    (place / "edoc.toml").write_text(text)


def write_tasks(
    folder: Path, documents: int, dice: random.Random, seconds: float = 0.0
) -> dict[str, list[dict[str, Any]]]:
    """Write what the clerks of each office have to do, spread over some seconds."""
    tasks: dict[str, list[dict[str, Any]]] = {office: [] for office in OFFICES}
    began = time.time()
    day = datetime.now(VIETNAM).date().isoformat()  # also of what is sent after midnight
    for number in range(1, documents + 1):
        office = dice.choice(list(OFFICES))
        others = [code for name, codes in OFFICES.items() if name != office for code in codes]
        tasks[office].append(
            {
                "number": str(number),
                "sender": dice.choice(list(OFFICES[office])),
                "to": dice.sample(others, dice.choice((1, 1, 2))),
                "then": dice.choices(("", "take_back", "recall", "update"), (70, 10, 10, 10))[0],
                "in_batch": dice.random() < BATCH_SHARE,
                "names": NAMES,
                "day": day,
                "not_before": began + seconds * number / documents,
            }
        )
    for office, own in tasks.items():
        (folder / office / "tasks.json").write_text(json.dumps(own))
    return tasks


def count_copies(tasks: dict[str, list[dict[str, Any]]]) -> int:
    """Count the documents, each as often as it has recipients."""
    return sum(len(task["to"]) for own in tasks.values() for task in own)


@contextlib.contextmanager
def small_hub(folder: Path, seed: int, strength: float) -> Iterator[str]:
    """The hub, as a process; its address."""
    command = [sys.executable, str(HUB), str(folder), *(f"{code}=secret-{code}" for code in NAMES)]
    command += ["--seed", str(seed), "--grace", str(GRACE), "--strength", str(strength)]
    with (
        (folder / "hub.log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as hub,
    ):
        assert hub.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(hub.stdout.readline())}"
        finally:
            hub.kill()


class Heartbeat:
    """Says now and then how far a run is, so that a slow one and one that is stuck can be told apart.

    Args:
        stage: what is going on.
    """

    def __init__(self, stage: str) -> None:
        self._stage, self._began, self._next = stage, time.monotonic(), 0.0

    def beat(self, words: str) -> None:
        """Say it, where it is time to."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + HEARTBEAT_SECONDS
            print(f"{datetime.now(VIETNAM):%H:%M:%S} {self._stage} {now - self._began:.0f} s: {words}", flush=True)


class Storm:
    """What is done to the processes, for a while.

    Args:
        processes: they.
        server: the database server; None with SQLite, whose writers are killed.
        most: a step is passed at most so often before it ends the process.
        dice: decides.
    """

    def __init__(
        self, processes: Sequence[Process], server: PostgresServer | None, most: int, dice: random.Random
    ) -> None:
        self.tally = Tally()
        self._folder = processes[0].folder.parent
        self._processes, self._server, self._most, self._dice = processes, server, most, dice
        self._plans = {process.name + process.folder.name: self._shuffle(process.letters) for process in processes}
        self._crash_at = time.monotonic() + dice.uniform(5, 15)

    def blow(self, seconds: float, copies: float) -> None:
        """Kill, stop and crash from the first packet at the hub on.

        Args:
            seconds: for how long at most.
            copies: until recipients have so many packets.
        """
        end, heartbeat, disturbed_at = time.monotonic() + seconds, Heartbeat("storm"), 0
        while time.monotonic() < end and (count := self._count_copies()) < copies:
            heartbeat.beat(f"{count} of {copies:.0f} packets; kills {self.tally.kills + self.tally.steps.total()}")
            for process in self._processes:
                self._look_after(process)
            if count > disturbed_at:  # processes that are ended before they have done anything try nothing
                disturbed_at = count if self._disturb(self._dice.choice(self._processes)) else disturbed_at
                disturbed_at = count if self._crash_if_due() else disturbed_at
            time.sleep(self._dice.uniform(0.1, 0.5))

    def _count_copies(self) -> int:
        """Count the packets at the hub, a copy for each recipient."""
        with contextlib.closing(sqlite3.connect(self._folder / "ledger.db", timeout=60)) as ledger:
            count: int = ledger.execute("SELECT count(*) FROM copies WHERE ghost = 0").fetchone()[0]
            return count

    def _shuffle(self, letters: str) -> Iterator[str]:
        steps = [name for name, step in STEPS.items() if set(letters) & set(step.who)]
        self._dice.shuffle(steps)
        return cycle(steps)

    def _look_after(self, process: Process) -> None:
        """Start it again if it ended, and let it go on if it was stopped long enough."""
        if process.stopped_until and time.monotonic() > process.stopped_until:
            self.tally.note(process.pid)
            process.go_on()
        code = process.ended()
        if code is None:
            return
        if process.popen is not None:
            self.tally.note(process.pid)
            if code == -signal.SIGKILL and process.plan:
                self.tally.steps[process.plan.rpartition(":")[0]] += 1
        plan = next(self._plans[process.name + process.folder.name])
        has_plan = self._dice.random() < 0.5  # else nothing gets done where starting takes long
        process.start(f"{plan}:{self._dice.randint(1, self._most)}" if has_plan else "")

    def _disturb(self, victim: Process) -> bool:
        if victim.ended() is not None or victim.stopped_until:
            return False
        fate = self._dice.random()
        if fate < 0.04:
            victim.plan = ""
            victim.kill()
            self.tally.kills += 1
        elif fate < 0.06:
            victim.stop(time.monotonic() + STOP_SECONDS)
            self.tally.note(victim.pid)
            self.tally.stops += 1
        return fate < 0.06

    def _crash_if_due(self) -> bool:
        if self._server is None or time.monotonic() < self._crash_at:
            return False
        self._crash_at = time.monotonic() + self._dice.uniform(15, 40)
        self._crash(self._server)
        return True

    def _crash(self, server: PostgresServer) -> None:
        self.tally.note(0)
        server.stop(crash=True)
        time.sleep(self._dice.uniform(0, 3))
        server.start()
        self.tally.note(0)
        self.tally.crashes += 1


def settle(processes: Sequence[Process], examination: Examination, folder: Path, patience: float, tally: Tally) -> bool:
    """Leave everything in peace until nothing is open; false where nothing moves any more for so long."""
    (folder / "calm").touch()
    for place in {process.folder for process in processes}:
        slow_down(place)
    for process in processes:
        tally.note(process.pid)
        process.kill()
        process.start()
    end, before, heartbeat = time.monotonic() + patience, 0, Heartbeat("calm")
    while (began := time.monotonic()) < end:
        for process in processes:
            if process.ended() is not None:
                tally.note(process.pid)
                process.start()
        left = examination.find_open()
        heartbeat.beat(
            f"{len(left)} left, nothing moved for {began - end + patience:.0f} s; {examination.sum_up(left)}"
        )
        if not left:
            return True
        if hash(tuple(left)) != before:  # something moved
            end, before = time.monotonic() + patience, hash(tuple(left))
        time.sleep(min(5.0, max(1.0, time.monotonic() - began)))  # the look itself is work
        began = time.monotonic()
        examination.decide()
        end += time.monotonic() - began  # in which nobody looked whether something moves
    return False


def run(folder: Path, options: argparse.Namespace) -> int:
    """One whole run."""
    began, dice = time.monotonic(), random.Random(options.seed)
    with contextlib.ExitStack() as stack:
        server = None
        if options.store == "postgresql":
            from edoc_connector.testing.postgres import PostgresServer

            server = stack.enter_context(PostgresServer())
        url = stack.enter_context(small_hub(folder, options.seed, options.strength))
        tables: Any = "tasks" if options.engine == "procrastinate" else "store"
        for office, codes in OFFICES.items():
            database = server.create_database(tables) if server is not None else "sqlite:///edoc.db"
            write_office(folder / office, codes, url, database, options.engine)
        tasks = write_tasks(folder, options.documents, dice)
        processes = [Process("clerk", folder / office, "clerk") for office in OFFICES]
        for office in OFFICES:
            processes += [Process("worker", folder / office, f"worker-{n}") for n in range(options.workers)]
        for process in processes:
            stack.callback(process.kill)
        storm = Storm(processes, server, 3 + options.documents // 20, dice)
        storm.blow(options.seconds, options.share * PACKETS_PER_COPY * count_copies(tasks))
        offices = [stack.enter_context(Office(folder / office, tasks[office])) for office in OFFICES]
        examination = Examination(folder, offices)
        settled = settle(processes, examination, folder, options.patience, storm.tally)
        for process in processes:
            process.kill(signal.SIGTERM)
        wrong = examination.examine(storm.tally.moments, LEASE)
        if not settled:
            wrong = (examination.find_open() or ["it was still busy"]) + wrong
        figures = examination.count()
    report(options, storm.tally, figures, wrong, time.monotonic() - began)
    return 1 if wrong else 0


def report(
    options: argparse.Namespace, tally: Tally, figures: dict[str, object], wrong: list[str], seconds: float
) -> None:
    """Print what happened."""
    print(f"seed {options.seed}, {options.store}, engine {options.engine}, {options.workers} workers an office")
    for name, value in figures.items():
        print(f"{name}: {value}")
    print(f"kill -9 at random: {tally.kills}; at a step: {tally.steps.total()} ({len(tally.steps)} steps)")
    print(f"stopped beyond the lease: {tally.stops}; databases crashed: {tally.crashes}")
    print(
        f"kinds of fault in the plan: {len(FAULTS)}; steps not reached: {len(STEPS) - len(tally.steps)} of {len(STEPS)}"
    )
    print(f"seconds: {seconds:.0f}; wrong: {len(wrong)}")
    for line in wrong[:40]:
        print(f"  {line}")


def main() -> int:
    """Run with the options of the command line."""
    number = os.environ.get
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=number("EDOC_CHAOS_DOCUMENTS", "500"))
    parser.add_argument(
        "--seconds", type=float, default=number("EDOC_CHAOS_SECONDS", "1800"), help="of disturbance, at most"
    )
    parser.add_argument("--share", type=float, default=0.7, help="of the packets that is exchanged in disturbance")
    parser.add_argument("--patience", type=float, default=number("EDOC_CHAOS_PATIENCE", "180"), help="of standstill")
    parser.add_argument("--workers", type=int, default=number("EDOC_CHAOS_WORKERS", "3"), help="of each office")
    parser.add_argument("--seed", type=int, default=number("EDOC_CHAOS_SEED", "1"))
    parser.add_argument("--strength", type=float, default=1.0, help="of the hub's faults")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default=number("EDOC_CHAOS_STORE", "sqlite"))
    parser.add_argument("--engine", choices=("own", "procrastinate"), default=number("EDOC_CHAOS_ENGINE", "own"))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that every process is ended
    folder = Path(tempfile.mkdtemp(prefix="edoc-chaos-"))
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
