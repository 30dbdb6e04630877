"""What evidence costs:  python benchmarks/evidence.py [--documents 20000] [--postgres URL]

Bytes of the database for each received document and each status, and of a pack beside its packets; how much longer
`explain` and a pack take with so many documents in the store than in an empty one; and, on PostgreSQL whose flushes
take five milliseconds (or as it is, with --postgres), the transactions of one agency with eight threads and with one.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

from harness import Figure, show
from loopback import RECEIVER, SENDER, HubProcess, settings_of
from rows import _in_turn, document, fill
from sqlalchemy import text

from edoc_connector.connector import Connector
from edoc_connector.store import Store
from edoc_connector.store._sql.connections import PooledConnectionSource
from edoc_connector.testing.postgres import PostgresServer

FLUSH = 0.005
_KIB = 1024
_packs = count(1)


def measure_bytes(documents: int) -> list[Figure]:
    """Receive so many documents, each confirmed, and report two statuses of each."""
    with tempfile.TemporaryDirectory(prefix="edoc-evidence-") as name, ExitStack() as stack:
        folder = Path(name)
        hub = stack.enter_context(HubProcess(folder / "hub"))
        sender = stack.enter_context(Connector.open(settings_of(SENDER, folder / "sender", hub)))
        receiver = stack.enter_context(Connector.open(settings_of(RECEIVER, folder / "receiver", hub)))
        sent = [sender.send(document(10_000)) for _ in range(documents)]
        empty = _measure(folder / "receiver" / "edoc.db")
        receipts = []
        for receipt in receiver.receive():
            with receipt:
                receipts.append(receipt)
        receiver.flush()
        received = _measure(folder / "receiver" / "edoc.db")
        for receipt in receipts:
            receipt.accept()
        receiver.flush()
        reported = _measure(folder / "receiver" / "edoc.db")
        pack = sender.evidence(sent[0].id, out=folder / "x.zip")
        with zipfile.ZipFile(pack) as archive:
            packets = [one for one in archive.infolist() if one.filename.startswith("packets/")]
            beside = pack.stat().st_size - sum(one.compress_size for one in packets)
        return [
            _size("database for each received document", (received - empty) / len(receipts), 6),
            _size("database for each status that was reported", (reported - received) / len(receipts), 2),
            _size("pack beside its packets", beside, 100),
        ]


def _size(work: str, size: float, goal: float) -> Figure:
    return Figure(work=work, value=size / _KIB, unit="KiB", ratio=size / _KIB / goal, to=f"{goal} KiB", goal=1.0)


def _measure(path: Path) -> int:
    """Bytes of the pages in use."""
    with closing(sqlite3.connect(path)) as database:
        pages, free, size = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return (int(pages) - int(free)) * int(size)


def measure_lookups(documents: int, rounds: int) -> list[Figure]:
    """Explain and pack a document, with so many in the store, as ratios to an empty one."""
    with tempfile.TemporaryDirectory(prefix="edoc-evidence-") as name, ExitStack() as stack:
        folder = Path(name)
        hub = stack.enter_context(HubProcess(folder / "hub"))
        opened, ids = [], {}
        for store in ("full", "empty"):
            if store == "full":
                fill(folder / store / "edoc.db", SENDER, documents)
            (folder / f"{store}-temporary").mkdir()
            tempfile.tempdir = str(folder / f"{store}-temporary")  # so that two stores of one agency do not meet
            connector = stack.enter_context(Connector.open(settings_of(SENDER, folder / store, hub)))
            ids[connector] = connector.send(document()).id
            opened.append(connector)
        tempfile.tempdir = None
        calls: dict[str, Callable[[Connector], object]] = {
            "explain": lambda connector: connector.explain(ids[connector]),
            "pack": lambda connector: connector.evidence(ids[connector], out=folder / f"{next(_packs)}.zip"),
        }
        found = []
        for call, work in calls.items():
            full, empty = _in_turn(work, *opened, rounds)
            figure = Figure(
                work=f"{call}, {documents:,} documents in the store", value=full * 1000, unit="ms", ratio=full / empty,
                to="empty store", goal=1.3,
            )  # fmt: skip
            found.append(figure)
        return found


def measure_threads(url: str, transactions: int, *, flush: float) -> list[Figure]:
    """Transactions of one agency on a server with eight threads, as a ratio to one thread."""
    if flush:
        PooledConnectionSource.commit = _flush_slowly(flush)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as spool, Store.open(url, spool=Path(spool)) as store:

        def write(number: int) -> None:
            with store.transaction("benchmark") as tx:
                tx.audit_log.record("packet", None, 0, {"number": number}, agency=SENDER)

        def measure(threads: int, total: int) -> float:
            with ThreadPoolExecutor(threads) as pool:
                began = time.perf_counter()
                list(pool.map(write, range(total)))
                return total / (time.perf_counter() - began)

        measure(8, 50)
        one, eight = measure(1, transactions), measure(8, 4 * transactions)
    work = f"transactions of one agency, flush {flush * 1000:.0f} ms"
    return [
        Figure(work=f"{work}, 1 thread", value=one, unit="per s"),
        Figure(work=f"{work}, 8 threads", value=eight, unit="per s", ratio=one / eight, to="1 thread", goal=0.25),
    ]


def _flush_slowly(seconds: float) -> Callable[..., None]:
    """A commit that takes as long as a flush, where it is flushed; locks are held meanwhile, as a server holds them."""
    commit = PooledConnectionSource.commit

    def slow(self: PooledConnectionSource, connection: object) -> None:
        if connection.execute(text("SHOW synchronous_commit")).scalar() == "on":  # type: ignore[attr-defined]
            time.sleep(seconds)
        commit(self, connection)  # type: ignore[arg-type]

    return slow


def figures(documents: int = 20_000, url: str | None = None, rounds: int = 10) -> list[Figure]:
    """Every figure."""
    found = measure_bytes(200) + measure_lookups(documents, rounds)
    if url is not None:
        return found + measure_threads(url, 300, flush=0.0)
    with PostgresServer() as server, server.lend_database("store") as lent:
        return found + measure_threads(lent, 300, flush=FLUSH)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--postgres", default=None, help="URL of a database; one is started where it is left out")
    arguments = parser.parse_args()
    show("Evidence", figures(arguments.documents, arguments.postgres))


if __name__ == "__main__":
    main()
