"""What a document and a status take in the database:  python benchmarks/sizes.py [--documents 10000] [--database NAME]

So many documents are sent, received, each confirmed, and one status of each is reported, through a hub; with realistic
contents, on SQLite and on PostgreSQL. Told are the bytes of all pages in use for each; ``--profile`` tells which tables
and indexes have them.
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from harness import Figure, show
from loopback import RECEIVER, SENDER, HubProcess, settings_of
from sqlalchemy import create_engine, text

from edoc_connector.connector import Connector, Receipt
from edoc_connector.edxml import Attachment, Document, Organization
from edoc_connector.testing import sample_document
from edoc_connector.testing.postgres import PostgresServer

GOALS = {"received document": 6.0, "reported status": 2.0}  # KiB
DATABASES = ("sqlite", "postgresql")
_KIB = 1024
_numbers = count(1)
_SUBJECTS = (
    "V/v triển khai kết nối, liên thông văn bản điện tử giữa các cơ quan trên địa bàn tỉnh",
    "V/v góp ý dự thảo Quyết định ban hành Quy chế tiếp nhận, xử lý văn bản",
    "V/v báo cáo tình hình thực hiện nhiệm vụ quý III",
    "Quyết định về việc cử cán bộ tham gia đoàn công tác",
)

Sizes = Counter[str]
"""Bytes by table and index."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What some work left in the database.

    Attributes:
        work: What was done: "received document".
        times: How often.
        sizes: Bytes that came, by table and index.
    """

    work: str
    times: int
    sizes: Sizes

    @property
    def kib(self) -> float:
        """KiB for each."""
        return self.sizes.total() / self.times / _KIB

    def list_lines(self) -> Iterator[str]:
        """Tell the bytes of each table and index, the largest first."""
        for name, size in self.sizes.most_common():
            if size:
                yield f"{size / self.times:10.0f}  {name}"


def make_document() -> Document:
    """Make a document as agencies write them, like no other."""
    number = next(_numbers)
    data = b"%PDF-1.4\n" + hashlib.shake_256(str(number).encode()).digest(4000)
    return sample_document(
        number=str(number),
        recipients=(Organization(id=RECEIVER, name="Văn phòng Chính phủ"),),
        subject=f"{_SUBJECTS[number % len(_SUBJECTS)]} (lần {number})",
        attachments=(Attachment.from_bytes(data, name="cong-van.pdf"),),
    )


def measure(database: str, documents: int) -> list[Growth]:
    """Send, receive and report so many documents, and measure what each leaves behind."""
    with tempfile.TemporaryDirectory(prefix="edoc-sizes-") as name, ExitStack() as stack:
        folder = Path(name)
        hub = stack.enter_context(HubProcess(folder / "hub"))
        urls = stack.enter_context(_lend(database, folder))
        sender, receiver = (
            stack.enter_context(Connector.open(settings_of(code, folder / code, hub, store={"url": urls[code]})))
            for code in (SENDER, RECEIVER)
        )
        # the first few make what every store has: the log, jobs, the directory
        _exchange(sender, receiver, 20)
        watched = {"sent document": SENDER, "received document": RECEIVER, "reported status": RECEIVER}
        watched["status that came in"] = SENDER
        works: dict[str, Callable[[], object]] = {}
        receipts: list[Receipt] = []
        works["sent document"] = lambda: [sender.send(make_document()) for _ in range(documents)]
        works["received document"] = lambda: receipts.extend(_receive(receiver, documents))
        works["reported status"] = lambda: [receipt.accept() for receipt in receipts] and receiver.flush()
        works["status that came in"] = lambda: list(sender.receive())
        found = []
        for work, do in works.items():
            before = read_sizes(urls[watched[work]])
            do()
            sizes = read_sizes(urls[watched[work]])
            sizes.subtract(before)
            times = 2 * documents if work == "status that came in" else documents  # 01 and 03
            found.append(Growth(work=work, times=times, sizes=sizes))
        return found


def _exchange(sender: Connector, receiver: Connector, documents: int) -> None:
    for _ in range(documents):
        sender.send(make_document())
    for receipt in _receive(receiver, documents):
        receipt.accept()
    receiver.flush()
    list(sender.receive())


def _receive(receiver: Connector, documents: int) -> list[Receipt]:
    found = []
    for receipt in islice(receiver.receive(), documents):
        with receipt:
            found.append(receipt)
    receiver.flush()
    return found


@contextmanager
def _lend(database: str, folder: Path) -> Iterator[dict[str, str]]:
    codes = (SENDER, RECEIVER)
    if database == "sqlite":
        yield {code: f"sqlite:///{folder / code / 'edoc.db'}" for code in codes}
        return
    with PostgresServer() as server:
        yield {code: server.create_database() for code in codes}


def read_sizes(url: str) -> Sizes:
    """Read how many bytes each table and index has, in whole pages."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return Counter(dict(connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name")))
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # as a server that is looked after: what dead rows left is used again, and not counted
        connection.execute(text("VACUUM FULL"))
        query = (
            "SELECT relname, pg_relation_size(oid) + CASE WHEN reltoastrelid <> 0 THEN "
            "pg_relation_size(reltoastrelid) ELSE 0 END FROM pg_class "
            "WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace"
        )
        found: Sizes = Counter({str(name): int(size) for name, size in connection.execute(text(query))})
    engine.dispose()
    return found


def figures(documents: int = 10_000, databases: tuple[str, ...] = DATABASES, *, profile: bool = False) -> list[Figure]:
    """Every figure."""
    found = []
    for database in databases:
        for growth in measure(database, documents):
            if profile:
                print(f"\n{database}: {growth.work}, {growth.kib:.2f} KiB", *growth.list_lines(), sep="\n", flush=True)
            goal = GOALS.get(growth.work)
            figure = Figure(
                work=f"{growth.work}, {database}", value=growth.kib, unit="KiB", goal=goal and 1.0,
                ratio=goal and growth.kib / goal, to=f"{goal:g} KiB" if goal else "",
            )  # fmt: skip
            found.append(figure)
    return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--database", action="append", choices=DATABASES)
    parser.add_argument("--profile", action="store_true", help="tell the bytes of each table and index")
    arguments = parser.parse_args()
    databases = tuple(arguments.database or DATABASES)
    show("Sizes", figures(arguments.documents, databases, profile=arguments.profile))


if __name__ == "__main__":
    main()
