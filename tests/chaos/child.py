"""A process of the chaos run: a worker or the clerks' program, which may end itself at a chosen step.

    python child.py worker|clerk FOLDER

``EDOC_FAILPOINT=NAME:N`` makes the N-th passing of a step end the process with SIGKILL. The steps lie between two
writes, and are found by wrapping functions of the library from here: the library itself knows nothing of them.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sqlite3
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from edoc_connector._core import StopFlag
from edoc_connector.client import HubClient
from edoc_connector.config import Settings
from edoc_connector.connector import Connector, Delivery, Handlers
from edoc_connector.connector.inbound import inbox, intake, receipt
from edoc_connector.connector.outbound import ack_sender, outbox
from edoc_connector.connector.outbound import submission as dispatching
from edoc_connector.edxml import Document, Organization, StatusMessage
from edoc_connector.errors import EdocError, StatusNotAllowed
from edoc_connector.store import group_commit, spool
from edoc_connector.store.work import Schedule
from edoc_connector.testing import sample_document
from edoc_connector.worker import open_worker

VARIABLE = "EDOC_FAILPOINT"
AT_ONCE = 3  # documents that a clerk's `send_many` works on at a time
OFFICERS = 4  # who report on documents at the same time, in one office


@dataclass(frozen=True)
class Step:
    """Where a process may end: before or after a function; and who passes there (clerk, sender, receiver)."""

    owner: Any
    name: str
    after: bool
    who: str = "csr"

    def __post_init__(self) -> None:
        """A function that has gone elsewhere must not leave its step untried."""
        getattr(self.owner, self.name)


STEPS = {
    "packet built, not stored": Step(dispatching, "build_packet", True, "c"),
    "delivery stored, not sent": Step(dispatching, "submit", True, "c"),
    "file in the spool, no row": Step(spool.Spool, "keep_draft", True),
    "delivery claimed": Step(outbox.Outbox, "_send_claimed_delivery", False, "cs"),
    "hub has the packet, not written": Step(HubClient, "send", True, "csr"),
    "before the packet leaves": Step(HubClient, "send", False, "csr"),
    "answer not written": Step(outbox.Outbox, "_mark_delivery_sent", False, "cs"),
    "delivery sent": Step(outbox.Outbox, "_mark_delivery_sent", True, "cs"),
    "error not written": Step(outbox.Outbox, "_record_delivery_failure", False, "cs"),
    "messages claimed": Step(ack_sender.AckSender, "send_claimed", False, "sr"),
    "statuses built": Step(ack_sender.AckSender, "_prepare_packets", True, "r"),
    "answers to messages not written": Step(ack_sender.AckSender, "_record_outcomes", False, "sr"),
    "answers to messages written": Step(ack_sender.AckSender, "_record_outcomes", True, "sr"),
    "confirmed at the hub, not here": Step(HubClient, "confirm", True, "sr"),
    "before confirming": Step(HubClient, "confirm", False, "sr"),
    "listed at the hub, not here": Step(HubClient, "list_waiting", True, "sr"),
    "listed": Step(inbox.Inbox, "poll_offers", True, "sr"),
    "receipt claimed for download": Step(intake, "fetch_to_spool", False, "sr"),
    "downloaded, not taken in": Step(intake.Intake, "store_packets", False, "sr"),
    "taken in": Step(intake.Intake, "store_packets", True, "sr"),
    "written, not committed (SQLite)": Step(group_commit.GroupCommit, "_end_group", False),
    "committed, not told (SQLite)": Step(group_commit.GroupCommit, "_end_group", True),
    "asked about an unknown outcome": Step(HubClient, "sent_state", True, "sr"),
    "handled by the application, not here": Step(receipt.Receipt, "_finish", False, "r"),
    "handled": Step(receipt.Receipt, "_finish", True, "r"),
    "poll done, not written": Step(Schedule, "finish_job", False, "sr"),
}


def arm(plan: str) -> None:
    """Wrap the function of a step so that the N-th passing ends the process."""
    name, _, count = plan.rpartition(":")
    step = STEPS[name]
    real: Callable[..., Any] = getattr(step.owner, step.name)
    left = [int(count)]
    lock = threading.Lock()

    def passing() -> None:
        with lock:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(real)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not step.after:
            passing()
        result = real(*args, **kwargs)
        if step.after:
            passing()
        return result

    setattr(step.owner, step.name, wrapped)


TABLES = """
CREATE TABLE documents (agency TEXT, sender TEXT, id TEXT, kind TEXT, size INTEGER);
CREATE TABLE calls (
    number INTEGER PRIMARY KEY, pid INTEGER, began REAL, ended REAL, agency TEXT, sender TEXT, id TEXT, kind TEXT
);
CREATE TABLE told (agency TEXT, recipient TEXT, id TEXT, code TEXT);
CREATE TABLE desk (
    agency TEXT, sender TEXT, id TEXT, path TEXT, done INTEGER DEFAULT 0, PRIMARY KEY (agency, sender, id)
);
CREATE TABLE clerk (sender TEXT, number TEXT, what TEXT, PRIMARY KEY (sender, number, what));
"""
PATHS = ("03", "03 05 06", "03 04 05", "02", "03 04 05 06")
"""What offices say about a document, one of these for each."""

ASKED_FOR = "03 05"
"""What they say of one that its sender will ask to be given back, recall or update: it must not be finished by then."""

METHODS: dict[str, Callable[[receipt.Receipt], None]] = {
    "02": lambda received: received.reject("không thuộc thẩm quyền"),
    "03": lambda received: received.accept(),
    "04": lambda received: received.assign(),
    "05": lambda received: received.processing(),
    "06": lambda received: received.complete(),
}


class Register:
    """The offices' own database, as a careful application writes it: one row per sender and DocumentId."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, sql: str, *values: object) -> list[Any]:
        """Ask or change it, durably."""
        with closing(sqlite3.connect(self._path, timeout=60)) as database, database:
            return database.execute(sql, values).fetchall()

    def save(self, received: receipt.Receipt) -> None:
        """Enter a packet unless it is there, answer it, and note the call."""
        key = (received.agency, received.sender, received.id, received.kind)
        number = self.ask(
            "INSERT INTO calls (pid, began, agency, sender, id, kind) VALUES (?, ?, ?, ?, ?, ?) RETURNING number",
            os.getpid(), time.time(), *key,
        )[0][0]  # fmt: skip
        size = sum(one.size for one in received.attachments)
        self.ask(
            "INSERT INTO documents SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS"
            " (SELECT 1 FROM documents WHERE agency = ? AND sender = ? AND id = ? AND kind = ?)",
            *key, size, *key,
        )  # fmt: skip
        if received.kind == "new":
            path = choose_path(received)
            self.ask("INSERT OR IGNORE INTO desk (agency, sender, id, path) VALUES (?, ?, ?, ?)", *key[:3], path)
            with suppress(StatusNotAllowed):  # it is given back in this moment
                if not received.withdrawn:  # else that was before it came here: nothing is said about it any more
                    METHODS[path[:2]](received)
        elif zlib.crc32(received.id.encode()) % 2:
            received.agree_change()
        else:
            received.refuse_change("đã xử lý xong")
        self.ask("UPDATE calls SET ended = ? WHERE number = ?", time.time(), number)

    def note(self, delivery: Delivery, status: StatusMessage) -> None:
        """Note what a recipient says."""
        values = (delivery.agency, status.sender.id, delivery.id, status.code)
        self.ask("INSERT INTO told VALUES (?, ?, ?, ?)", *values)


def choose_path(received: receipt.Receipt) -> str:
    """Choose what is said about a document, the same whenever it is asked."""
    if received.subject.endswith(")"):
        return ASKED_FOR
    return PATHS[zlib.crc32(f"{received.agency} {received.id}".encode()) % len(PATHS)]


def work(folder: Path) -> None:
    """Run a worker until SIGTERM."""
    handlers = Handlers()
    register = Register(folder / "register.db")
    handlers.on_receipt(register.save)
    handlers.on_status(register.note)
    with open_worker(Settings.fleet(folder / "edoc.toml"), handlers=handlers) as worker:
        signal.signal(signal.SIGTERM, lambda *_: worker.stop())
        worker.run()


class Clerks:
    """The clerks and officers of an office's agencies: they send, ask back and report, each thing until it is done."""

    def __init__(self, folder: Path, connectors: dict[str, Connector]) -> None:
        self._register = Register(folder / "register.db")
        self._connectors = connectors
        self._tasks: list[dict[str, Any]] = json.loads((folder / "tasks.json").read_text())
        self._officers = ThreadPoolExecutor(OFFICERS, "officer")

    def go_round(self) -> None:
        """Do what can be done now."""
        done = set(self._register.ask("SELECT sender, number, what FROM clerk"))
        batches: dict[str, list[dict[str, Any]]] = {}
        for task in self._tasks:
            if task["not_before"] > time.time():
                continue
            for what in ("send", task["then"]):
                if what and (task["sender"], task["number"], what) not in done:
                    if what == "send" and task["in_batch"]:
                        batches.setdefault(task["sender"], []).append(task)
                    else:
                        self._try(lambda task=task, what=what: self._do(task, what))  # type: ignore[misc]
                    break
        for sender, tasks in batches.items():
            self._try(lambda sender=sender, tasks=tasks: self._send_batch(sender, tasks))  # type: ignore[misc]
        waiting = self._register.ask(
            "SELECT agency, sender, id, path FROM desk WHERE NOT done ORDER BY random() LIMIT 40"
        )
        list(self._officers.map(lambda row: self._try(lambda: self._report(*row)), waiting))

    def _try(self, do: Callable[[], None]) -> None:
        try:
            do()
        except EdocError as error:
            print(f"{type(error).__name__}: {error.message}", flush=True)

    def _do(self, task: dict[str, Any], what: str) -> None:
        connector, document = self._connectors[task["sender"]], build_document(task)
        if what == "send":
            self._send(connector, document)
        elif not self._ask_back(connector, document, what):
            return
        self._note(task, what)

    def _note(self, task: dict[str, Any], what: str) -> None:
        self._register.ask("INSERT OR IGNORE INTO clerk VALUES (?, ?, ?)", task["sender"], task["number"], what)

    def _send_batch(self, sender: str, tasks: list[dict[str, Any]]) -> None:
        """Send documents with one call; a task is done when its document is stored, else it is tried again."""
        connector = self._connectors[sender]
        for result in connector.send_many(map(build_document, tasks), at_once=AT_ONCE):
            if result.error is not None:
                print(f"{type(result.error).__name__}: {result.error.message}", flush=True)
                try:
                    connector.delivery(result.document.id)
                except EdocError:
                    continue
            self._note(tasks[result.position], "send")

    def _send(self, connector: Connector, document: Document) -> None:
        try:
            connector.send(document)
        except EdocError:
            connector.delivery(document.id)  # stored all the same, or this is tried again

    def _ask_back(self, connector: Connector, document: Document, what: str) -> bool:
        """Ask for a change; whether that is stored."""
        delivery = connector.delivery(document.id)
        if delivery.state != "sent":
            return False
        if what == "update":
            changed = document.model_copy(update={"subject": document.subject + " – bản mới"})
            connector.update(changed, updates=document.id, reason="sửa lỗi")
        elif all(one.change is None for one in delivery.recipients) and what == "recall":
            connector.recall(document.id, reason="gửi nhầm")
        elif all(one.change is None for one in delivery.recipients):
            connector.take_back(document.id, reason="gửi nhầm")
        return True

    def _report(self, agency: str, sender: str, document_id: str, path: str) -> None:
        received = self._connectors[agency].receipt(document_id, sender=sender)
        if received.state not in ("handled", "confirmed"):
            return
        codes = path.split()
        if not received.withdrawn and received.status != codes[-1]:
            try:
                METHODS[codes[codes.index(received.status or "") + 1]](received)
            except StatusNotAllowed:
                return  # somebody else did it, or it was taken back meanwhile: seen at the next round
        else:
            where = (agency, sender, document_id)
            self._register.ask("UPDATE desk SET done = 1 WHERE agency = ? AND sender = ? AND id = ?", *where)


def build_document(task: dict[str, Any]) -> Document:
    """Build the document of a task, the same each time."""
    suffix = f" ({task['then']})" if task["then"] else ""
    return sample_document(
        sender=Organization(id=task["sender"], name=task["names"][task["sender"]]),
        recipients=tuple(Organization(id=code, name=task["names"][code]) for code in task["to"]),
        number=task["number"],
        issued_on=date.fromisoformat(task["day"]),
        subject=f"V/v công việc số {task['number']}{suffix}",
    )


def serve_clerks(folder: Path) -> None:
    """Work at the desks until SIGTERM."""
    stop = StopFlag()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with ExitStack() as stack:
        connectors = {
            settings.agency.id: stack.enter_context(Connector.open(settings))
            for settings in Settings.fleet(folder / "edoc.toml")
        }
        clerks = Clerks(folder, connectors)
        while not stop.wait(0.3):
            clerks.go_round()


def main() -> None:
    """Run as told."""
    plan = os.environ.get(VARIABLE)
    if plan:
        arm(plan)
    role, folder = sys.argv[1:]
    {"worker": work, "clerk": serve_clerks}[role](Path(folder))


if __name__ == "__main__":
    main()
