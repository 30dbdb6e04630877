"""Make a store as it was before languages had columns of their own: ``python make_old_store.py OUT.tar.xz``.

Run with the last commit whose schema revision is 0004; ``old_store.tar.xz`` came of it. Two agencies share one database
and one spool, and leave deliveries, receipts and outgoing messages in every state behind, with statuses, requests,
answers, words of persons, errors and the evidence of all of it.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edoc_connector.client import HubClient
from edoc_connector.config import Settings
from edoc_connector.connector import Connector, Handlers, Receipt
from edoc_connector.edxml import Attachment, Document, Organization
from edoc_connector.errors import DuplicateDocument, EdocError
from edoc_connector.mockhub.config import MockHubConfig
from edoc_connector.mockhub.faults import Fault
from edoc_connector.store import ReceiptState
from edoc_connector.testing import RunningHub, agency_keys, sample_document
from edoc_connector.worker import Worker

AGENCIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}
HELD: list[Any] = []  # a loop over what waits, and a packet whose handling does not end


def make(out: Path) -> None:
    """Make the store and pack it.

    Args:
        out: archive to write.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        with RunningHub(MockHubConfig(data=folder / "hub")) as hub:
            for code, agency_name in AGENCIES.items():
                hub.add_agency(code, f"secret-{code}", agency_name)
            with (
                Connector.open(settings(folder, hub, "H29.05")) as sender,
                Connector.open(settings(folder, hub, "G22")) as receiver,
            ):
                live(folder, hub, sender, receiver)
                # While all of it is open: a connector that is closed gives back what it holds.
                (folder / "seen.json").write_text(json.dumps([see(sender), see(receiver)], ensure_ascii=False))
                pack(folder, out)
    tell(out)


def settings(folder: Path, hub: RunningHub, agency: str, **sections: dict[str, Any]) -> Settings:
    """Make the settings of an agency."""
    own = folder / agency
    own.mkdir(exist_ok=True)
    (own / "secret").write_text(f"secret-{agency}")
    keys = agency_keys(AGENCIES[agency], organ_id=agency, kind="p256")
    values: dict[str, dict[str, Any]] = {
        "agency": {"id": agency, "name": AGENCIES[agency]},
        "hub": {"endpoint": hub.url, "system_id": agency, "secret": "file:secret"},
        "http": {"attempts": 1, "connect": 2.0, "read": 5.0, "total": 10.0},
        "signing": {"key": keys.write_pem(own / "key.pem")},
        "receive": {"policy": "trusted", "trust": [str(keys.write_root(own / "root.pem"))]},
        "limits": {"grace": 0.0, "backoff": 0.0},
        "store": {"url": f"sqlite:///{folder / 'edoc.db'}", "spool": str(folder / "spool")},
    }
    return Settings.of(values | sections, folder=own)


def document(number: str, **changes: Any) -> Document:
    """Make a small document."""
    files = (Attachment.from_bytes(b"%PDF-1.4\n%%EOF\n", name="a.pdf"),)
    return sample_document(number=number, attachments=files, **changes)


def live(folder: Path, hub: RunningHub, sender: Connector, receiver: Connector) -> None:
    """Exchange documents until there is one in every state."""
    exchange_documents(sender, receiver)
    withdraw_documents(sender, receiver)
    refuse_documents(hub, sender, receiver)
    fail_in_the_application(folder, hub, sender)
    lose_receipts(folder, hub, sender, receiver)
    lose_statuses(hub, sender, receiver)
    lose_deliveries(hub, sender)


def exchange_documents(sender: Connector, receiver: Connector) -> None:
    """Send, answer by each code, and by persons' words."""
    for number in ("1", "2", "3", "10", "11", "12"):
        sender.send(document(number))
    first, second, third, *_ = handle(receiver)
    first.accept("đã vào sổ")
    first.processing("chuyển Phòng Hành chính")
    first.complete("xong ‖ done")
    second.reject("không thuộc thẩm quyền")
    receiver.flush()
    handle(sender)
    third.accept()


def withdraw_documents(sender: Connector, receiver: Connector) -> None:
    """Ask for documents back, recall and replace them; some are answered."""
    taken, recalled, replaced, kept, asked = (sender.send(document(number)).id for number in ("4", "5", "6", "7", "8"))
    handle(receiver)
    handle(sender)
    sender.take_back(taken, reason="Gửi nhầm nơi nhận")
    sender.recall(recalled, reason="Sai số liệu")
    sender.replace(document("9"), replaces=replaced, reason="Thay thế bản sai")
    sender.recall(kept, reason="Thu hồi")
    handle(receiver)
    for number, receipt in enumerate(sorted(receiver.receipts(), key=lambda receipt: receipt.key)):
        if receipt.change_requested or receipt.kind == "take_back":
            with suppress(EdocError):
                if number % 2:
                    receipt.refuse_change("đã thực hiện")
                else:
                    receipt.agree_change("đồng ý")
    receiver.flush()
    handle(sender)
    sender.take_back(asked, reason="Chờ trả lời")
    handle(receiver)


def refuse_documents(hub: RunningHub, sender: Connector, receiver: Connector) -> None:
    """Fail for good: refused and to be corrected, refused and corrected, in doubt; set aside, duplicates, a lost 13."""
    nobody = {"recipients": [Organization(id="H99.99", name="Không có")]}
    for number in ("20", "21"):
        with suppress(EdocError):
            sender.send(document(number, **nobody))
    sender.send(document("21"))
    with dying(HubClient, "send", DuplicateDocument("existDoc", vi="đã có", code="25")), suppress(EdocError):
        sender.send(document("22", **nobody))
    with suppress(EdocError):
        sender.send(document("22", **nobody))
    hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))
    for _ in range(3):
        with suppress(EdocError):
            sender.send(document("23", **nobody))
    hub.offer(hub.packets()[0].path.read_bytes(), sender="H29.05", to="G22")
    hub.offer(b"<nonsense/>", sender="H29.05", to="G22")
    handle(receiver)
    delivery = sender.send(document("24"))
    hub.lock("G22")
    with suppress(EdocError):
        sender.take_back(delivery.id, reason="Bị khóa")
    sender.flush()
    hub.lock("G22", locked=False)


def fail_in_the_application(folder: Path, hub: RunningHub, sender: Connector) -> None:
    """Have a worker's handler fail on a packet once too often."""
    handlers = Handlers()

    @handlers.on_receipt
    def register(receipt: Receipt) -> None:
        if receipt.code == "25/SNV-VP":
            raise ValueError("phần mềm lỗi")
        receipt.accept()

    sender.send(document("25"))
    rules = {"worker": {"poll": 0.001, "idle": 0.05, "tries": 1}}
    worker = Worker([settings(folder, hub, "G22", **rules)], handlers=handlers)
    with worker:
        worker.run_once(rounds=10)
    handle(sender)


def lose_receipts(folder: Path, hub: RunningHub, sender: Connector, receiver: Connector) -> None:
    """Leave packets on their way in: offered, waiting, handed out, handled and not confirmed."""
    hub.faults.add(Fault(kind="error", path="/updateStatus", status=503, count=None))
    sender.send(document("30"))
    handle(receiver)
    sender.send(document("31"))
    sender.send(document("32"))
    HELD.append(receiver.receive())
    HELD.append(next(HELD[0]).__enter__())
    while len(receiver.receipts(state=ReceiptState.WAITING)) < 1:  # the one behind it is fetched meanwhile
        time.sleep(0.05)
    hub.faults.add(Fault(kind="error", path="/downloadEdoc", status=503, count=None))
    sender.send(document("33"))
    with Connector.open(settings(folder, hub, "G22")) as other, suppress(EdocError):
        list(other.receive())


def lose_statuses(hub: RunningHub, sender: Connector, receiver: Connector) -> None:
    """Leave messages on their way out: queued, being sent, in doubt."""
    receipts = {receipt.code: receipt for receipt in receiver.receipts(kind="new") if receipt.id}
    with dying(HubClient, "send", SystemExit()), suppress(SystemExit, EdocError):
        receipts["10/SNV-VP"].accept("đang gửi thì dừng")
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    hub.faults.add(Fault(kind="error", path="/getSentEdocList", status=503, count=None))
    receipts["11/SNV-VP"].accept("mất câu trả lời")
    hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503, count=None))
    receipts["12/SNV-VP"].accept("chưa gửi được")


def lose_deliveries(hub: RunningHub, sender: Connector) -> None:
    """Leave documents on their way out: queued, in doubt, being sent."""
    with suppress(EdocError):
        sender.send(document("40"))
    hub.faults.clear()
    hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    hub.faults.add(Fault(kind="error", path="/getSentEdocList", status=503, count=None))
    with suppress(EdocError):
        sender.send(document("41"))
    with dying(HubClient, "send", SystemExit()), suppress(SystemExit):
        sender.send(document("42"))


def handle(connector: Connector) -> list[Receipt]:
    """Handle every packet that waits."""
    handled = []
    with suppress(EdocError):
        for receipt in connector.receive():
            with receipt:
                handled.append(receipt)
    connector.flush()
    return handled


@contextmanager
def dying(owner: type, name: str, error: BaseException) -> Iterator[None]:
    """Have a call fail while the block runs."""
    real = getattr(owner, name)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    setattr(owner, name, fail)
    try:
        yield
    finally:
        setattr(owner, name, real)


def see(connector: Connector) -> dict[str, Any]:
    """Tell what a person sees of an agency's documents: timelines, events, and whether one may be corrected."""
    deliveries = connector.deliveries()
    events = {
        **{delivery.id: connector.explain(delivery.id) for delivery in deliveries},
        **{receipt.hub_doc_id: connector.explain(receipt.hub_doc_id) for receipt in connector.receipts()},
    }
    return {
        "timelines": {
            delivery.id: [[entry.to, entry.detail, entry.detail_vi] for entry in delivery.timeline]
            for delivery in deliveries
        },
        "events": {
            key: [[event.time.isoformat(), event.text, event.text_vi] for event in story.events]
            for key, story in events.items()
        },
        "correctable": [
            delivery.id for delivery in deliveries if "Correct the document" in "".join(events[delivery.id].next)
        ],
    }


def pack(folder: Path, out: Path) -> None:
    """Copy database and spool into an archive."""
    with closing(sqlite3.connect(folder / "edoc.db")) as database:
        database.execute("VACUUM INTO ?", (str(folder / "copy.db"),))
    with tarfile.open(out, "w:xz") as archive:
        archive.add(folder / "copy.db", "edoc.db")
        archive.add(folder / "seen.json", "seen.json")
        for path in sorted((folder / "spool").rglob("*.edxml")):
            archive.add(path, str(path.relative_to(folder)))


def tell(out: Path) -> None:
    """Print how many rows there are in each state."""
    with TemporaryDirectory() as name, tarfile.open(out) as archive:
        archive.extract("edoc.db", name, filter="data")
        with closing(sqlite3.connect(Path(name) / "edoc.db")) as database:
            for table in ("deliveries", "receipts", "outgoing"):
                print(table, dict(database.execute(f"SELECT state, count(*) FROM {table} GROUP BY state")))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
