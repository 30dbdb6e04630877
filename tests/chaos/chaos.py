"""Documents through a hub that fails, between processes that are killed. Anyone can run it:

    python tests/chaos/chaos.py --documents 500 --seconds 600

A clerk's program, a sender's worker, a receiver's worker and the mock hub run as processes of their own. For a while
the first three are ended with SIGKILL, at random moments and at each step between two writes in turn, and the hub is
given faults. Then all is left in peace until nothing is open any more, and the stores are examined. Exit code 0: each
document is in the receiver's register exactly once, each has its statuses in order, nothing is lost, nothing is stuck.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.store import OutgoingState, ReceiptState, Store
from edoc_connector.testing.keys import agency_keys

sys.path.insert(0, str(Path(__file__).parent))
from child import STEPS, VARIABLE  # type: ignore[import-not-found]  # found by the line above, as its own process finds it

PARTIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}
SENDER, RECEIVER = PARTIES
UNSENT = [state for state in OutgoingState if state != OutgoingState.SENT]
UNDONE = [state for state in ReceiptState if state not in (ReceiptState.CONFIRMED, ReceiptState.DUPLICATE)]
CHILD = Path(__file__).with_name("child.py")

FAULTS: tuple[dict[str, object], ...] = (
    {"kind": "drop-before-accepting"},
    {"kind": "drop-after-accepting", "path": "/sendEdoc"},
    {"kind": "drop-after-accepting"},
    {"kind": "error", "status": 500},
    {"kind": "error", "status": 500, "accepted": True, "path": "/sendEdoc"},
    {"kind": "error", "status": 503, "retry_after": "1"},
    {"kind": "html"},
    {"kind": "truncated"},
    {"kind": "empty"},
    {"kind": "delay", "seconds": 1.0},
    {"kind": "duplicate"},
)


@dataclass
class Process:
    """A process that is started again whenever it ended.

    Args:
        role: what `child.py` is to be.
        folder: its agency's files.
        who: letter of the steps that it passes.
    """

    role: str
    folder: Path
    who: str
    popen: subprocess.Popen[bytes] | None = None
    plan: str = ""

    def start(self, plan: str = "") -> None:
        self.plan = plan
        environment = {**os.environ, VARIABLE: plan} if plan else {k: v for k, v in os.environ.items() if k != VARIABLE}
        with (self.folder / f"{self.role}.log").open("ab") as log:
            command = [sys.executable, str(CHILD), self.role, str(self.folder)]
            self.popen = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def ended(self) -> int | None:
        return self.popen.poll() if self.popen is not None else 0

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(number)
            self.popen.wait()


@dataclass
class Tally:
    """What was done to them."""

    kills: int = 0
    failpoints: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


def prepare(folder: Path, url: str, numbers: list[int], database: str | None) -> dict[str, Path]:
    """Write each party's configuration; its folder by its code."""
    folders = {}
    for code, name in PARTIES.items():
        place = folders[code] = folder / code
        place.mkdir()
        keys = agency_keys(name, organ_id=code)
        (place / "secret").write_text(f"secret-{code}")
        sections: dict[str, dict[str, object]] = {
            "agency": {"id": code, "name": name},
            "hub": {"endpoint": url, "system_id": code, "secret": "file:secret"},
            "http": {"attempts": 1, "connect": 5.0, "read": 20.0},
            "signing": {"key": keys.write_pem(place / "key.pem")},
            "receive": {"policy": "trusted", "trust": [str(keys.write_root(place / "root.pem"))]},
            "limits": {"lease": 4.0, "grace": 0.3, "backoff": 0.1, "backoff_cap": 2.0, "retry_after_cap": 2.0},
            "store": {"url": database or "sqlite:///edoc.db"},
            "worker": {"poll": 0.5, "idle": 0.1, "tries": 1000, "concurrency": 2},
        }
        lines = [
            f"[{part}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in s.items()) for part, s in sections.items()
        ]
        (place / "edoc.toml").write_text("\n".join(lines))
        Connector.open(place / "edoc.toml").close()
        with contextlib.closing(sqlite3.connect(place / "register.db")) as register, register:
            register.execute("CREATE TABLE documents (id TEXT PRIMARY KEY, size INTEGER NOT NULL)")
            register.execute("CREATE TABLE calls (document_id TEXT NOT NULL)")
    (folders[SENDER] / "numbers.json").write_text(json.dumps(numbers))
    return folders


@contextlib.contextmanager
def mock_hub(folder: Path) -> Iterator[str]:
    """The hub, as a process; its address."""
    command = [sys.executable, "-m", "edoc_connector", "mockhub", "--port", "0", "--data", str(folder / "hub")]
    for code, name in PARTIES.items():
        command += ["--agency", f"{code}:secret-{code}:{name}"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (
        (folder / "hub.log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment) as hub,
    ):
        assert hub.stdout is not None
        try:
            words = hub.stdout.readline().decode().split()
            yield next(word for word in words if word.startswith("http://"))
        finally:
            hub.terminate()


def faulty(url: str, fault: dict[str, object] | None) -> None:
    """Give the hub a fault, or take all of them away."""
    body = json.dumps(fault).encode() if fault else None
    request = urllib.request.Request(
        f"{url}/mock/faults",
        data=body,
        method="POST" if fault else "DELETE",
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60):
        pass


def disturb(processes: list[Process], url: str, seconds: float, most: int, dice: random.Random) -> Tally:
    """Kill and fail for a while; every process that ended is started again with the next step to end at.

    Args:
        processes: they.
        url: the hub's.
        seconds: for how long.
        most: a step is passed at most so often before it ends the process.
        dice: decides.
    """
    tally = Tally()
    plans = {process.who: shuffled(process.who, dice) for process in processes}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for process in processes:
            if process.popen is None:
                process.start(f"{next(plans[process.who])}:1")
            code = process.ended()
            if code is not None and (code != 0 or process.role != "clerk"):
                if code == -signal.SIGKILL and process.plan:
                    tally.failpoints[process.plan.rpartition(":")[0]] += 1
                process.start(f"{next(plans[process.who])}:{dice.randint(1, most)}")
        if dice.random() < 0.25:
            fault = dice.choice(FAULTS)
            faulty(url, fault)
            tally.faults[str(fault["kind"])] += 1
        if dice.random() < 0.03:
            victim = dice.choice(processes)
            if victim.ended() is None:
                victim.plan = ""
                victim.kill()
                tally.kills += 1
        time.sleep(dice.uniform(0.1, 0.6))
    return tally


def shuffled(who: str, dice: random.Random) -> Iterator[str]:
    """The steps that a process passes, in turn, without end."""
    steps = [name for name, step in STEPS.items() if who in step.who]
    dice.shuffle(steps)
    return cycle(steps)


def settle(processes: list[Process], url: str, folders: dict[str, Path], count: int, seconds: float) -> bool:
    """Leave everything in peace until nothing is open; whether that came about in time."""
    faulty(url, None)
    for process in processes:
        process.kill()
        process.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        clerk = next(one for one in processes if one.role == "clerk")
        if clerk.ended() not in (None, 0):
            clerk.start()
        if clerk.ended() == 0 and not busy(folders) and not open_things(folders, count):
            return True
        time.sleep(2.0)
    return False


@contextlib.contextmanager
def store_of(folder: Path) -> Iterator[Store]:
    """An agency's store."""
    settings = Settings.load(folder / "edoc.toml")
    with Store.open(settings.store_url(), spool=settings.spool()) as store:
        yield store


def busy(folders: dict[str, Path]) -> bool:
    """Whether anything waits; quick, so that asking does not slow the workers down."""
    for code, folder in folders.items():
        with store_of(folder) as store, store.snapshot() as tx:
            if tx.outgoing.find_all(code, state=UNSENT, limit=1):
                return True
            if tx.receipts.find_all(code, state=UNDONE, limit=1):
                return True
    return False


def open_things(folders: dict[str, Path], count: int) -> list[str]:
    """What is not finished."""
    found = []
    with Connector.open(folders[SENDER] / "edoc.toml") as sender:
        for one in sender.deliveries():
            if one.state != "sent" or one.recipient(RECEIVER).status != "03":
                found.append(f"{one.id} is {one.state}, {one.recipient(RECEIVER).status}: {one.last_error}")
        if len(sender.deliveries()) < count:
            found.append("not every document is stored")
    for code, folder in folders.items():
        with store_of(folder) as store, store.snapshot() as tx:
            for row in tx.outgoing.find_all(code, state=UNSENT):
                found.append(f"{row.kind} {row.code} of {code} is {row.state}: {row.error_text}")
            for receipt in tx.receipts.find_all(code, state=UNDONE):
                found.append(f"receipt {receipt.hub_doc_id} of {code} is {receipt.state}: {receipt.error_text}")
    return found


def examine(folders: dict[str, Path], count: int) -> tuple[list[str], dict[str, int]]:
    """What is wrong, and figures."""
    wrong = []
    with contextlib.closing(sqlite3.connect(folders[RECEIVER] / "register.db")) as register:
        registered = dict(register.execute("SELECT id, count(*) FROM documents GROUP BY id").fetchall())
        calls = register.execute("SELECT count(*) FROM calls").fetchone()[0]
    with Connector.open(folders[SENDER] / "edoc.toml") as sender:
        sent = sender.deliveries()
    if len(sent) != count:
        wrong.append(f"{len(sent)} of {count} documents are stored")
    wrong += [
        f"{one.id} is in the register {registered.get(one.id, 0)} times" for one in sent if registered.get(one.id) != 1
    ]
    wrong += [f"{name} was never sent" for name in set(registered) - {one.id for one in sent}]
    unknown = 0
    for one in sent:
        codes = [entry.to for entry in one.timeline if entry.recipient == RECEIVER]
        unknown += sum(entry.to == "unknown" for entry in one.timeline)
        if codes != ["01", "03"] or one.recipient(RECEIVER).out_of_order:
            wrong.append(f"{one.id} has the statuses {codes}")
    with store_of(folders[RECEIVER]) as store, store.snapshot() as tx:
        doubles = len(tx.receipts.find_all(RECEIVER, state="duplicate"))
    figures = {"documents": len(sent), "handler calls": calls, "unknown outcomes settled": unknown, "doubles": doubles}
    return wrong, figures


def run(folder: Path, options: argparse.Namespace) -> int:
    """One whole run."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        database = None
        if options.store == "postgresql":
            from edoc_connector.testing.postgres import PostgresServer

            database = stack.enter_context(PostgresServer()).create_database()
        url = stack.enter_context(mock_hub(folder))
        folders = prepare(folder, url, list(range(1, options.documents + 1)), database)
        processes = [
            Process("clerk", folders[SENDER], "c"),
            Process("worker", folders[SENDER], "s"),
            Process("worker", folders[RECEIVER], "r"),
        ]
        for process in processes:
            stack.callback(process.kill)
        tally = disturb(processes, url, options.seconds, max(2, options.documents // 40), random.Random(options.seed))
        settled = settle(processes, url, folders, options.documents, options.patience)
        for process in processes:
            process.kill(signal.SIGTERM)
        wrong, figures = examine(folders, options.documents)
        if not settled:
            wrong += open_things(folders, options.documents) or ["it was still busy"]
    for name, value in figures.items():
        print(f"{name}: {value}")
    print(f"kill -9 at random: {tally.kills}; at a step: {tally.failpoints.total()} ({len(tally.failpoints)} steps)")
    print(f"hub faults: {tally.faults.total()} ({', '.join(f'{k} {n}' for k, n in sorted(tally.faults.items()))})")
    print(f"steps not reached: {', '.join(sorted(set(STEPS) - set(tally.failpoints))) or 'none'}")
    print(f"seconds: {time.monotonic() - began:.0f}; wrong: {len(wrong)}")
    for line in wrong[:20]:
        print(f"  {line}")
    return 1 if wrong else 0


def main() -> int:
    """Run with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to disturb")
    parser.add_argument("--patience", type=float, default=600.0, help="how long to wait for the end afterwards")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--keep", type=Path, help="a new folder for the files, kept afterwards")
    options = parser.parse_args()
    if options.keep is not None:
        options.keep.mkdir(parents=True)
        return run(options.keep, options)
    with tempfile.TemporaryDirectory(prefix="edoc-chaos-") as folder:
        return run(Path(folder), options)


if __name__ == "__main__":
    sys.exit(main())
