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
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from edoc_connector.connector import Connector
from edoc_connector.edxml import Document
from edoc_connector.errors import EdocError
from edoc_connector.mockhub import MockHubConfig
from edoc_connector.mockhub.storage import Receipt
from edoc_connector.testing import RECIPIENT, SENDER, sample_document
from edoc_connector.testing.hub import HubPacket, RunningHub

sys.path.insert(0, str(Path(__file__).parent))
from backup_office import (  # type: ignore[import-not-found]  # found by the line above
    MACHINE,
    PARTIES,
    PARTNER,
    move_machine,
    run_command,
    start_worker,
    wait_until,
)
from examine import Examination, Office  # type: ignore[import-not-found]  # as above

from chaos import write_office  # type: ignore[import-not-found]  # as above


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


def find_confirmed(hub: RunningHub, since: datetime) -> list[tuple[HubPacket, Receipt]]:
    """Find what was delivered to the machine and confirmed since."""
    return [
        (one, receipt)
        for one in hub.packets()
        for receipt in one.receipts
        if receipt.recipient == MACHINE and receipt.state == "done" and datetime.fromisoformat(receipt.updated) >= since
    ]


def offer_again(hub: RunningHub, since: datetime) -> int:
    """Offer again what was confirmed since, as the hub's operator is asked to."""
    found = find_confirmed(hub, since)
    for one, receipt in found:
        hub.hub.storage.set_state(receipt.id, "initial", one.events[-1])
    return len(found)


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
            calls = register.execute("SELECT count(*), count(DISTINCT id) FROM calls").fetchone()
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
        url, new_url = "sqlite:///edoc.db", "sqlite:///edoc.db"
        if store == "postgresql":
            from edoc_connector.testing.postgres import PostgresServer

            server = stack.enter_context(PostgresServer())
            url, new_url = server.create_database(), server.create_database()
        hub = stack.enter_context(RunningHub(MockHubConfig(data=folder / "hub")))
        for code, name in PARTIES.items():
            hub.add_agency(code, f"secret-{code}", name)
        machine, partner, restored = (folder / name for name in ("machine", "partner", "elsewhere"))
        write_office(machine, {MACHINE: PARTIES[MACHINE]}, hub.url, url, "own")
        write_office(partner, {PARTNER: PARTIES[PARTNER]}, hub.url, "sqlite:///edoc.db", "own")
        clerks = [Clerk(machine, going), Clerk(partner, coming)]
        stack.enter_context(start_worker(partner))
        with start_worker(machine) as worker:
            for clerk in clerks:
                clerk.start()
            wait_until(lambda: sum(len(clerk.sent) for clerk in clerks) >= count // 2, patience, "half is sent")
            since = datetime.now(UTC)
            run_command(machine, "backup", str(folder / "edoc.backup"))
            wait_until(lambda: len(clerks[0].sent) >= len(going) * 9 // 10, patience, "most is sent")
            wait_until(lambda: bool(find_confirmed(hub, since)), patience, "something came in since the backup")
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
            offices = [stack.enter_context(Office(place, [])) for place in (restored, partner)]
            examination = Examination(folder, offices)
            with contextlib.suppress(TimeoutError):  # what is open then is told below
                wait_until(lambda: not list_open(hub, examination, count), patience, "the end")
            wrong = list_open(hub, examination, count)
            run_command(restored, "reconcile")
        run_command(restored, "restored")
        done = run_command(restored, "restored", "--done")
        mistakes, figures = examine(hub, restored, partner, going, coming)
        wrong += mistakes
        if "ask the hub" not in report.lower() or "no restore is under way" not in done:
            wrong.append("the report is short")
    print(f"documents: {count}; offered again by the hub's operator: {offered}")
    for name, value in figures.items():
        print(f"{name}: {value}")
    print(f"seconds: {time.monotonic() - began:.0f}; wrong: {len(wrong)}")
    for line in wrong[:20]:
        print(f"  {line}")
    return 1 if wrong else 0


def list_open(hub: RunningHub, examination: Examination, count: int) -> list[str]:
    """List what is missing at the hub or waits there, else what is open in the stores."""
    packets = hub.packets()
    statuses = sum(one.packet.message_type == "status" for one in packets)
    if statuses < 2 * count:
        return [f"{statuses} of {2 * count} statuses are at the hub"]
    waiting = [
        f"{one.packet.document_id or one.packet.notation} waits at the hub for {receipt.recipient}"
        for one in packets
        for receipt in one.receipts
        if receipt.state == "initial"
    ]
    return waiting or list(examination.find_rows())


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
