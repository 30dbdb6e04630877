"""What evidence costs:  python benchmarks/evidence.py [--documents 20000] [--postgres URL]

Bytes of a pack beside its packets (what a document takes in the database: sizes.py); how much longer `explain` and a
pack take with so many documents in the store than in an empty one; and, on PostgreSQL whose flushes
take five milliseconds (or as it is, with --postgres), the transactions of one agency with eight threads and with one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from harness import Figure, show
from loopback import SENDER, HubProcess, settings_of
from rows import _in_turn, document, fill, send_apart
from sqlalchemy import text

from edoc_connector.connector import Connector, check_pack
from edoc_connector.store import Store
from edoc_connector.store._sql.connections import PooledConnectionSource
from edoc_connector.testing.postgres import PostgresServer

FLUSH = 0.005
_KIB = 1024
_packs = count(1)


def measure_pack() -> Figure:
    """Send a document, and pack its evidence."""
    with tempfile.TemporaryDirectory(prefix="edoc-evidence-") as name, HubProcess(Path(name) / "hub") as hub:
        folder = Path(name)
        with Connector.open(settings_of(SENDER, folder / "sender", hub)) as sender:
            pack = sender.evidence(sender.send(document(10_000)).id, out=folder / "x.zip")
        with zipfile.ZipFile(pack) as archive:
            packets = [one for one in archive.infolist() if one.filename.startswith("packets/")]
            size = (pack.stat().st_size - sum(one.compress_size for one in packets)) / _KIB
    goal = 100
    return Figure(work="pack beside its packets", value=size, unit="KiB", ratio=size / goal, to=f"{goal} KiB", goal=1.0)


def measure_lookups(documents: int, rounds: int) -> list[Figure]:
    """Explain and pack a document, with so many in the store, as ratios to an empty one."""
    with tempfile.TemporaryDirectory(prefix="edoc-evidence-") as name, ExitStack() as stack:
        folder = Path(name)
        hub = stack.enter_context(HubProcess(folder / "hub"))
        opened, ids = [], {}
        for store in ("full", "empty"):
            if store == "full":
                fill(folder / store / "edoc.db", SENDER, documents)
            connector = stack.enter_context(Connector.open(settings_of(SENDER, folder / store, hub)))
            ids[connector] = send_apart(connector, folder / store)
            opened.append(connector)
        calls: dict[str, Callable[[Connector], object]] = {
            "explain": lambda connector: connector.explain(ids[connector]),
            "pack": lambda connector: connector.evidence(ids[connector], out=folder / f"{next(_packs)}.zip"),
            "pack and its check": lambda connector: check_pack(
                connector.evidence(ids[connector], out=folder / f"{next(_packs)}.zip")
            ),
            "page of deliveries": lambda connector: connector.deliveries(limit=1),
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


def measure_threads(url: str, transactions: int, *, flush: float, rounds: int = 5) -> list[Figure]:
    """Transactions of one agency on a server with eight threads, as a ratio to one thread; the best of some rounds."""
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
        rates = [(measure(1, transactions), measure(8, 4 * transactions)) for _ in range(rounds)]
        one, eight = map(max, zip(*rates, strict=True))  # what else the machine does only slows either
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
    found = [measure_pack(), *measure_lookups(documents, rounds)]
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
