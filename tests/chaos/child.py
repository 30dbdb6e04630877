"""A process of the chaos test: a worker or a clerk's program, which may end itself at a chosen step.

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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edoc_connector.client import HubClient
from edoc_connector.config import Settings
from edoc_connector.connector import Connector, Handlers
from edoc_connector.connector.inbound import inbox, intake, receipt
from edoc_connector.connector.outbound import ack_sender, outbox
from edoc_connector.connector.outbound import submission as dispatching
from edoc_connector.errors import EdocError
from edoc_connector.store import group_commit, spool
from edoc_connector.store.schedule import Schedule
from edoc_connector.testing import sample_document
from edoc_connector.worker import Worker

VARIABLE = "EDOC_FAILPOINT"


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


class Register:
    """The receiving office's own database, as a careful application writes it: one row per DocumentId."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, received: receipt.Receipt) -> None:
        """Enter a document unless it is there, and note the call."""
        size = sum(one.size for one in received.attachments)
        with sqlite3.connect(self._path, timeout=60) as database:
            database.execute("INSERT INTO calls (document_id) VALUES (?)", (received.id,))
            known = database.execute("SELECT 1 FROM documents WHERE id = ?", (received.id,)).fetchone()
            if known is None:
                database.execute("INSERT INTO documents (id, size) VALUES (?, ?)", (received.id, size))
        database.close()
        received.accept()


def work(folder: Path) -> None:
    """Run a worker until SIGTERM."""
    handlers = Handlers()
    register = Register(folder / "register.db")
    handlers.on_receipt(register.save)
    with Worker(Settings.fleet(folder / "edoc.toml"), handlers=handlers) as worker:
        signal.signal(signal.SIGTERM, lambda *_: worker.stop())
        worker.run()


def send(folder: Path) -> None:
    """Send every document of the list; who starts again repeats those that are not known to be stored."""
    numbers = json.loads((folder / "numbers.json").read_text())
    stored = folder / "stored.txt"
    done = set(stored.read_text().split()) if stored.exists() else set()
    with Connector.open(folder / "edoc.toml") as connector, stored.open("a") as log:
        for number in numbers:
            if str(number) in done:
                continue
            document = sample_document(number=str(number))
            try:
                connector.send(document)
            except EdocError:
                connector.delivery(document.id)  # stored all the same, or this ends the process and it starts again
            log.write(f"{number}\n")
            log.flush()


def main() -> None:
    """Run as told."""
    plan = os.environ.get(VARIABLE)
    if plan:
        arm(plan)
    role, folder = sys.argv[1:]
    {"worker": work, "clerk": send}[role](Path(folder))


if __name__ == "__main__":
    main()
