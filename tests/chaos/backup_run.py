"""A backup while documents flow, restored on another machine. Anyone can run it:

    python tests/chaos/backup_run.py --documents 500 --store postgresql

Half of the documents go from an agency to its partner, half come from there, over the mock hub; each side's worker
enters what comes in a register and answers with 01 and 03. When half of all is sent, `edoc backup` runs. Later the
machine is ended with SIGKILL and never comes back: `edoc restore` in other folders (or another database), and then a
person does what `edoc restored` says. Exit code 0: each document is at the hub once and in its register once, each
status once and in order, nothing waits.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from edoc_connector.connector import Connector
from edoc_connector.edxml import Document
from edoc_connector.errors import EdocError
from edoc_connector.mockhub import MockHubConfig
from edoc_connector.testing import RECIPIENT, SENDER, sample_document
from edoc_connector.testing.hub import RunningHub

sys.path.insert(0, str(Path(__file__).parent))
import chaos  # type: ignore[import-not-found]  # found by the line above

MACHINE, PARTNER = chaos.PARTIES


class Clerk(threading.Thread):
    """Sends documents for an agency, one after the other, until it is stopped."""

    def __init__(self, folder: Path, documents: list[Document]) -> None:
        super().__init__()
        self._folder = folder
        self._documents = documents
        self._ends = threading.Event()
        self.sent: list[Document] = []

    def run(self) -> None:
        with Connector.open(self._folder / "edoc.toml") as connector:
            for document in self._documents:
                if self._ends.is_set():
                    return
                self.sent.append(document)
                with contextlib.suppress(EdocError):  # it is stored, and the worker sends it
                    connector.send(document)

    def stop(self) -> None:
        self._ends.set()
        self.join()


@contextlib.contextmanager
def start_worker(folder: Path) -> Iterator[chaos.Process]:
    """Run a worker as a process."""
    process = chaos.Process("worker", folder, "r")
    process.start()
    try:
        yield process
    finally:
        process.kill(signal.SIGTERM)


def run_command(folder: Path, *words: str) -> str:
    """Run a command as an operator does; returns what it says."""
    command = [sys.executable, "-m", "edoc_connector", *words, "--config", str(folder / "edoc.toml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=600)
    print(f"$ edoc {' '.join(words)}\n{done.stdout}{done.stderr}", flush=True)
    if done.returncode > 1:  # 1: something is left to do
        raise RuntimeError(f"edoc {words[0]} failed")
    return done.stdout


def wait_until(is_so: object, seconds: float, what: str) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not is_so():  # type: ignore[operator]
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.2)


def move_machine(old: Path, new: Path, url: str | None) -> None:
    """Set up another machine: configuration, keys, and the application's own register, which was on neither."""
    new.mkdir()
    for path in old.iterdir():
        if path.is_file() and not path.name.startswith("edoc.db") and path.suffix != ".log":
            shutil.copy2(path, new / path.name)
    if url is not None:
        text = (new / "edoc.toml").read_text()
        (new / "edoc.toml").write_text("\n".join(
            f'url = "{url}"' if line.startswith("url = ") else line for line in text.splitlines()
        ))  # fmt: skip


def offer_again(hub: RunningHub, since: datetime) -> int:
    """Offer again what was delivered to the machine and confirmed since, as the hub's operator is asked to."""
    count = 0
    for one in hub.packets():
        for receipt in one.receipts:
            if (
                receipt.recipient == MACHINE
                and receipt.state == "done"
                and datetime.fromisoformat(receipt.updated) >= since
            ):
                hub.hub.storage.set_state(receipt.id, "initial", one.events[-1])
                count += 1
    return count


def examine(
    hub: RunningHub, restored: Path, partner: Path, going: list[Document], coming: list[Document]
) -> tuple[list[str], dict[str, int]]:
    """What is wrong, and figures."""
    wrong, figures = [], {}
    for sender, documents, receiver in ((MACHINE, going, partner), (PARTNER, coming, restored)):
        ids = {one.id for one in documents}
        at_hub = Counter(one.packet.document_id for one in hub.packets()
                         if (one.packet.sender, one.packet.message_type) == (sender, "edoc"))  # fmt: skip
        wrong += [f"{name} of {sender} is at the hub {at_hub[name]} times" for name in ids | set(at_hub)
                  if at_hub[name] != (name in ids)]  # fmt: skip
        with contextlib.closing(sqlite3.connect(receiver / "register.db")) as register:
            entered = Counter(name for (name,) in register.execute("SELECT id FROM documents"))
            calls = register.execute("SELECT count(*), count(DISTINCT document_id) FROM calls").fetchone()
        wrong += [f"{name} is in the register {entered[name]} times" for name in ids | set(entered)
                  if entered[name] != (name in ids)]  # fmt: skip
        figures[f"handed out again to {'the partner' if receiver == partner else 'the machine'}"] = calls[0] - calls[1]
        answers: dict[str, list[str]] = {}
        for one in sorted(hub.packets(), key=lambda one: int(one.packet.id) if one.packet.id.isdigit() else 0):
            if one.packet.message_type == "status" and one.packet.sender != sender:
                answers.setdefault(one.packet.notation, []).append(one.packet.status)
        wrong += [
            f"{notation} was answered with {codes}" for notation, codes in answers.items() if codes != ["01", "03"]
        ]
        if len(answers) != len(ids):
            wrong.append(f"{len(answers)} of {len(ids)} documents of {sender} were answered")
    with Connector.open(restored / "edoc.toml") as connector:
        deliveries = list(connector.iter_deliveries())
        signs = connector.find_other_store()
    wrong += [f"{one.id} is {one.state}" for one in deliveries if one.state != "sent"]
    wrong += [
        f"{one.id} shows {one.recipient(PARTNER).status}" for one in deliveries if one.recipient(PARTNER).status != "03"
    ]
    if len(deliveries) != len(going) or signs:
        wrong.append(f"{len(deliveries)} of {len(going)} deliveries are known; signs of another store: {signs}")
    return wrong, figures


def run(folder: Path, count: int, store: str, patience: float) -> int:
    """One whole run."""
    began = time.monotonic()
    going = [sample_document(number=str(number)) for number in range(1, count // 2 + 1)]
    coming = [sample_document(number=str(10_000 + number), sender=RECIPIENT, recipients=(SENDER,))
              for number in range(1, count // 2 + 1)]  # fmt: skip
    with contextlib.ExitStack() as stack:
        url = new_url = None
        if store == "postgresql":
            from edoc_connector.testing.postgres import PostgresServer

            server = stack.enter_context(PostgresServer())
            url, new_url = server.create_database(), server.create_database()
        hub = stack.enter_context(RunningHub(MockHubConfig(data=folder / "hub")))
        for code, name in chaos.PARTIES.items():
            hub.add_agency(code, f"secret-{code}", name)
        folders = chaos.prepare(folder, hub.url, [], None)
        for place in folders.values():
            settings = (place / "edoc.toml").read_text()
            (place / "edoc.toml").write_text(
                settings.replace("[receive]", '[receive]\norganisations_others = "report"')
            )
        machine, partner, restored = folders[MACHINE], folders[PARTNER], folder / "elsewhere"
        if url is not None:
            move_machine(machine, folder / "machine", url)
            machine = folder / "machine"
            Connector.open(machine / "edoc.toml").close()
        clerks = [Clerk(machine, going), Clerk(partner, coming)]
        stack.enter_context(start_worker(partner))
        with start_worker(machine) as worker:
            for clerk in clerks:
                clerk.start()
            wait_until(lambda: sum(len(clerk.sent) for clerk in clerks) >= count // 2, patience, "half is sent")
            since = datetime.now(UTC)
            run_command(machine, "backup", str(folder / "edoc.backup"))
            wait_until(lambda: len(clerks[0].sent) >= len(going) * 9 // 10, patience, "most is sent")
            worker.kill()
            clerks[0].stop()
        clerks[1].join()

        move_machine(machine, restored, new_url)
        run_command(restored, "restore", str(folder / "edoc.backup"))
        report = run_command(restored, "restored")
        offered = offer_again(hub, since)
        with start_worker(restored):
            clerk = Clerk(restored, going)  # the application sends again whatever it sent, and goes on
            clerk.run()
            run_command(restored, "reconcile")
            parties = {MACHINE: restored, PARTNER: partner}
            with contextlib.suppress(TimeoutError):  # what is open then is told below
                wait_until(lambda: not chaos.busy(parties) and not waits_at_hub(hub, count), patience, "the end")
            open_things = chaos.open_things(parties, len(going))
            open_things += ["packets or statuses are missing at the hub"] if waits_at_hub(hub, count) else []
            run_command(restored, "reconcile")
        run_command(restored, "restored")
        done = run_command(restored, "restored", "--done")
        wrong, figures = examine(hub, restored, partner, going, coming)
        wrong += (
            [] if "ask the hub" in report.lower() and "no restore is under way" in done else ["the report is short"]
        )
    print(f"documents: {count}; offered again by the hub's operator: {offered}")
    for name, value in figures.items():
        print(f"{name}: {value}")
    print(f"seconds: {time.monotonic() - began:.0f}; wrong: {len(wrong)}")
    for line in wrong[:20]:
        print(f"  {line}")
    return 1 if wrong else 0


def waits_at_hub(hub: RunningHub, count: int) -> bool:
    """Whether statuses are missing at the hub, or packets wait there."""
    statuses = [one for one in hub.packets() if one.packet.message_type == "status"]
    return len(statuses) < 2 * count or any(
        receipt.state == "initial" for one in hub.packets() for receipt in one.receipts
    )


def main() -> int:
    """Run with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=500, help="in both directions together")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--patience", type=float, default=600.0, help="how long to wait for each step")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edoc-backup-") as folder:
        return run(Path(folder), options.documents, options.store, options.patience)


if __name__ == "__main__":
    sys.exit(main())
