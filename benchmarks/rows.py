"""What a full store costs:  python benchmarks/rows.py [--quick]

The same calls on an empty store and on one with so many documents, half of them sent and half received, each with its
recipients, queue, timeline and evidence. Both stores are open at once and the calls are made on them in turn, so that
what else runs on the machine meets both. Compared is the processor time of the calls: flushes to the disk cost the
same on both and would hide a walk through many rows.
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from itertools import chain, count, islice
from pathlib import Path

from harness import Figure, show
from loopback import FILED, RECEIVER, SENDER, HubProcess, settings_of

from edoc_connector.connector import Connector
from edoc_connector.edxml import Attachment, Document, Organization
from edoc_connector.evidence import CompactRange, LogEntry, LogEvent, open_log
from edoc_connector.store import DeliveryState, ReceiptState, upgrade
from edoc_connector.store.log.linking import build_row
from edoc_connector.testing import sample_document

GOAL = 1.3
SIZES = (10, 1_000, 100_000, 1_000_000)
_numbers = count(1)

_BEGAN = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) "
_WHEN = "strftime('%Y-%m-%d %H:%M:%f000', 1700000000 + i, 'unixepoch')"
_QUEUE = f"0, 1, {_WHEN}, 2, {_WHEN}, {_WHEN}"
# What :rows documents in each direction leave behind; names of columns stand in the order of the values.
FILL = (
    "INSERT INTO deliveries (agency, document_id, business, code, subject, issued_on, spool_file, sha256, size, "
    "fingerprint, hub_doc_id, sent_at, state, asked, attempts, next_attempt_at, fence, created_at, updated_at) "
    f"{_NUMBERS} SELECT :agency, 'old-' || i, 'new', i || '/SNV', 'V/v ' || i, '2025-01-01', "
    "printf('%032x.edxml', i), "
    f"printf('%064x', i), 140000, printf('%064x', i), hex(randomblob(12)), {_WHEN}, 'sent', {_QUEUE} FROM n",
    "INSERT INTO delivery_recipients (delivery_id, organ_id, name, last_code, out_of_order, agency, created_at) "
    f"{_NUMBERS} SELECT i, CASE i % 10 WHEN 0 THEN 'G22' ELSE 'H' || (i % 500) END, 'x', '03', 0, :agency, {_WHEN} "
    "FROM n",
    "INSERT INTO receipts (agency, hub_doc_id, message_type, sender, document_id, business, code, spool_file, sha256, "
    "fingerprint, findings, noticed_at, state, attempts, next_attempt_at, fence, created_at, updated_at) "
    f"{_NUMBERS} SELECT :agency, hex(randomblob(12)), 'edoc', 'H' || (i % 500), 'in-' || i, 'new', i || '/UB', "
    "printf('%032x.edxml', i), printf('%064x', i), printf('f%063x', i), 0, NULL, 'confirmed', "
    f"1, {_WHEN}, 2, {_WHEN}, {_WHEN} FROM n",
    "INSERT INTO outgoing (agency, kind, lane, receipt_id, code, hub_doc_id, state, asked, attempts, next_attempt_at, "
    f"fence, created_at, updated_at) {_NUMBERS} SELECT :agency, 'confirm', 'confirm:' || i, i, 'done', "
    f"hex(randomblob(12)), 'sent', {_QUEUE} FROM n",
    *(
        "INSERT INTO timeline (subject, subject_id, at, actor, old, new, detail) "
        f"{_NUMBERS} SELECT {subject}, i, (1700000000 + i) * 1000000, :agency, '{old}', '{new}', 'the hub took it' "
        "FROM n"
        for subject, old, new in (
            (1, "ready", "sending"),
            (1, "sending", "sent"),
            (2, "listed", "waiting"),
            (2, "handled", "confirmed"),
            (3, "sending", "sent"),
        )
    ),
    "INSERT INTO evidence_logs (agency, origin, opened_at) "
    "VALUES (:agency, 'edoc-evidence/' || :agency || '/0123456789abcdef', '2023-11-14 22:13:20.000000')",
)


def fill(path: Path, agency: str, documents: int) -> None:
    """Make a store's database with so many documents, half sent, half received."""
    path.parent.mkdir(parents=True, exist_ok=True)
    upgrade(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as database:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -500000"):
            database.execute(f"PRAGMA {pragma}")
        # Rows are made in their last state at once, which the triggers are there to forbid; indexes are quicker after.
        kinds = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL"
        dropped = database.execute(kinds).fetchall()
        for kind, name, _ in dropped:
            database.execute(f"DROP {kind} {name}")
        for statement in FILL:
            database.execute(statement, {"agency": agency, "rows": documents // 2})
        _enter(database, agency, documents // 2)
        for _, _, made in dropped:
            database.execute(made)
        database.commit()


def _enter(database: sqlite3.Connection, agency: str, rows: int) -> None:
    """Enter what happened in the log, as if each transaction had written it: entries, places and hashes."""
    grown, key = CompactRange.start(), 0
    opened = open_log(agency=agency, at=_BEGAN, actor="edoc", origin=f"edoc-evidence/{agency}/0123456789abcdef")
    entries = chain([[opened]], (_tell(agency, number) for number in range(1, rows + 1)))
    while batch := [*chain.from_iterable(islice(entries, 1000))]:
        built = [build_row(one) for one in batch]
        first, key = key, key + len(built)
        values = [(first + 1 + place, *one.values()) for place, one in enumerate(built)]
        columns = ", ".join(("id", *built[0]))
        database.executemany(f"INSERT INTO evidence_entries ({columns}) VALUES (?, ?, ?, ?, ?, ?)", values)
        runs = [(agency, first + place, first + place + 1) for place in range(len(built))]
        database.executemany("INSERT INTO evidence_runs VALUES (?, ?, ?, 1)", runs)
        nodes = grown.extend(one["leaf_hash"] for one in built)
        tiles = [(agency, node.level, node.index, node.hash) for node in nodes]
        database.executemany("INSERT INTO evidence_tiles (agency, level, number, hash) VALUES (?, ?, ?, ?)", tiles)


def _tell(agency: str, number: int) -> list[LogEntry]:
    """Tell what happened to a document that was sent, one that came, and the confirmation of that."""
    packet = hashlib.sha256(b"%d" % number).hexdigest()
    told = (
        ("delivery", "ready", "sending", "being sent"),
        ("delivery", "sending", "sent", "the hub took it"),
        ("receipt", "listed", "waiting", "it waits for the application"),
        ("receipt", "handled", "confirmed", "the hub knows"),
        ("outgoing", "sending", "sent", "the hub took it"),
    )
    return [
        LogEntry(
            agency=agency,
            at=_BEGAN + timedelta(seconds=number),
            subject=subject,
            subject_id=number,
            identity={"document_id": f"{subject[:2]}-{number}", "sha256": packet},
            events=(LogEvent("change", agency, {"old": old, "new": new, "detail": detail}),),
        )
        for subject, old, new, detail in told
    ]


def send_apart(connector: Connector, folder: Path) -> str:
    """Send a first document as if on a machine of its own, for two stores of one agency are refused on one.

    Returns:
        Its id.
    """
    tempfile.tempdir = str(folder / "machine")
    Path(tempfile.tempdir).mkdir()
    try:
        return connector.send(document()).id
    finally:
        tempfile.tempdir = None


def document(size: int = 100_000) -> Document:
    """A document like no other, to both receivers."""
    number = f"R{next(_numbers)}"
    data = b"%PDF-1.4\n" + hashlib.shake_256(number.encode()).digest(size - 9)
    to = tuple(Organization(id=code, name=code) for code in (RECEIVER, FILED))
    attachment = Attachment.from_bytes(data, name="cong-van.pdf")
    return sample_document(number=number, recipients=to, attachments=(attachment,))


def measure(documents: int, rounds: int) -> list[Figure]:
    """Send, receive and list with so many documents in the store, as ratios to an empty one."""
    with tempfile.TemporaryDirectory(prefix="edoc-rows-") as name, ExitStack() as stack:
        folder = Path(name)
        hub = stack.enter_context(HubProcess(folder / "hub"))
        places = {"send full": (SENDER, "full"), "send empty": (SENDER, "empty")}
        places |= {"receive full": (FILED, "full"), "receive empty": (RECEIVER, "empty")}
        opened = {}
        for who, (code, store) in places.items():
            path = folder / f"{code}-{store}"
            if store == "full":
                fill(path / "edoc.db", code, documents)
            opened[who] = stack.enter_context(Connector.open(settings_of(code, path, hub)))
            if code == SENDER:
                send_apart(opened[who], path)
        calls: dict[str, Callable[[Connector], object]] = {
            "send": _send,
            "list sent": _sent,
            "receive": _receive,
            "list received": _received,
        }
        found = []
        for call, work in calls.items():
            role = "receive" if "receive" in call else "send"
            full, empty = _in_turn(work, opened[f"{role} full"], opened[f"{role} empty"], rounds)
            figure = Figure(
                work=f"{call}, {documents:,} documents in the store", value=full * 1000, unit="ms", ratio=full / empty,
                to="empty store", goal=GOAL, series=call, x=float(documents),
            )  # fmt: skip
            found.append(figure)
    return found


PAGE_ROWS = (100, 100_000)  # of each direction, in the two stores between which pages are compared


def measure_pages(rounds: int) -> list[Figure]:
    """List pages of a store with many documents, as ratios to one with as many as a page has."""
    few, many = PAGE_ROWS
    with tempfile.TemporaryDirectory(prefix="edoc-pages-") as name, ExitStack() as stack:
        folder = Path(name)
        hub = stack.enter_context(HubProcess(folder / "hub"))
        opened = []
        for rows in (many, few):
            path = folder / str(rows)
            fill(path / "edoc.db", SENDER, 2 * rows)
            opened.append(stack.enter_context(Connector.open(settings_of(SENDER, path, hub))))
            send_apart(opened[-1], path)
        found = []
        for call, work in _PAGES.items():
            full, small = _in_turn(work, *opened, rounds)
            figure = Figure(
                work=f"page of 50, {call}, {many:,} rows", value=full * 1000, unit="ms", ratio=full / small,
                to=f"{few} rows", goal=GOAL,
            )  # fmt: skip
            found.append(figure)
    return found


_PAGES: dict[str, Callable[[Connector], object]] = {
    "deliveries": lambda connector: connector.deliveries(limit=50),
    "deliveries in a state": lambda connector: connector.deliveries(limit=50, state=DeliveryState.SENT),
    "deliveries by number": lambda connector: connector.deliveries(limit=50, number="77"),
    "receipts": lambda connector: connector.receipts(limit=50),
    "receipts in a state": lambda connector: connector.receipts(limit=50, state=ReceiptState.CONFIRMED),
    "receipts without statuses": lambda connector: connector.receipts(limit=50, statuses=False),
}


def _in_turn(work: Callable[[Connector], object], full: Connector, empty: Connector, rounds: int) -> tuple[float, ...]:
    """Median seconds of processor time of a call on each of two stores."""
    times: dict[int, list[float]] = {0: [], 1: []}
    for number in range(2 * rounds + 2):
        which = number % 2
        began = time.process_time()
        work(empty if which else full)
        if number > 1:  # the first of each warms up
            times[which].append(time.process_time() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def _send(connector: Connector) -> object:
    return connector.send(document())


def _sent(connector: Connector) -> object:
    """Lists as long as the empty store has by then, of the measurement's own documents."""
    sent = DeliveryState.SENT
    return [
        connector.deliveries(limit=5),
        connector.deliveries(state=sent, limit=5),
        connector.deliveries(recipient=RECEIVER, limit=5),
    ]


def _received(connector: Connector) -> object:
    return [connector.receipts(limit=5), connector.receipts(state=ReceiptState.CONFIRMED, limit=5)]


def _receive(connector: Connector) -> object:
    for receipt in connector.receive():
        with receipt:
            return receipt.id
    raise RuntimeError("nothing came")


def figures(quick: bool = False) -> list[Figure]:
    """One point per size and call."""
    sizes, rounds = ((10, 20_000), 5) if quick else (SIZES, 40)
    return [figure for documents in sizes for figure in measure(documents, rounds)] + measure_pages(rounds)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    show("Rows in the store", figures(parser.parse_args().quick))


if __name__ == "__main__":
    main()
