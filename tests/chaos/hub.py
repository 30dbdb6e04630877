"""A small hub of the VXP interface, with a ledger on disk of all that it truly took, and a plan of faults.

    python hub.py FOLDER --seed 1 --grace 0.3 CODE=SECRET…

Written from the description of the interface, and sharing no line with the connector or its mock hub: what both of
those got wrong shows here. It prints its port, and fails as planned until a file ``calm`` lies in the folder.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import random
import sqlite3
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from fault_plan import (  # type: ignore[import-not-found]  # found beside it, as its own process finds it
    CONFIRMATIONS_REFUSED,
    GHOSTS,
    LATE_LISTING,
    LATE_OFFER,
    ODD_ANSWERS,
    ODD_BODIES,
    SHOWN_IDS,
    Fault,
    draw,
)

VIETNAM = timezone(timedelta(hours=7))
PREFIX = "xroadvnpt-"
CLOCK_TOLERANCE = 120.0
HALF_OPEN_SECONDS = 6.0
LATE_GRACES = 6.0  # a packet is shown at most so many graces late

TABLES = """
CREATE TABLE packets (
    seq INTEGER PRIMARY KEY, doc_id TEXT UNIQUE, system TEXT, sender TEXT, kind TEXT, document_id TEXT, code TEXT,
    business TEXT, notation TEXT, title TEXT, at REAL, listed_at REAL, identity TEXT UNIQUE, shown_id TEXT, body BLOB
);
CREATE TABLE copies (
    copy_id TEXT PRIMARY KEY, seq INTEGER, recipient TEXT, state TEXT DEFAULT 'initial', visible_at REAL,
    refusals INTEGER DEFAULT 0, ghost INTEGER DEFAULT 0, downloads INTEGER DEFAULT 0
);
CREATE TABLE events (at REAL, what TEXT, detail TEXT);
CREATE INDEX copies_by_recipient ON copies (recipient, state);
CREATE INDEX copies_by_packet ON copies (seq);
CREATE INDEX packets_by_system ON packets (system, kind);
"""


class Refusal(Exception):
    """A no in the hub's own form."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Failure(Exception):
    """Any other end of a call: an HTTP status with a page, or a connection that is cut (0)."""

    def __init__(self, status: int, body: bytes = b"", **headers: str) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


@dataclass(frozen=True)
class Facts:
    """What a packet says."""

    kind: str
    sender: str
    recipients: tuple[str, ...]
    document_id: str
    code: str
    business: str
    notation: str
    title: str


def read_facts(body: bytes) -> Facts:
    """Read a packet as far as a hub has to."""
    root = ElementTree.fromstring(body)
    header = next(node for node in root.iter() if local(node) == "MessageHeader")
    business = next((node.text or "" for node in root.iter() if local(node) == "BussinessDocType"), "0")
    if code := text(header, "StatusCode"):
        return Facts(
            "status", text(header, "From", "OrganId"), (text(header, "ResponseFor", "OrganId"),),
            text(header, "ResponseFor", "DocumentId"), code, "", text(header, "ResponseFor", "Code"),
            text(header, "Description"),
        )  # fmt: skip
    to = tuple(text(node, "OrganId") for node in header if local(node) == "To")
    notation = f"{text(header, 'Code', 'CodeNumber')}/{text(header, 'Code', 'CodeNotation')}"
    return Facts(
        "edoc", text(header, "From", "OrganId"), to, text(header, "DocumentId"), "", business, notation,
        text(header, "Subject"),
    )  # fmt: skip


def local(node: ElementTree.Element) -> str:
    """Name of an element without its namespace."""
    return node.tag.rpartition("}")[2]


def text(node: ElementTree.Element, *path: str) -> str:
    """Text at a path of names; empty where there is none."""
    for name in path:
        found = next((child for child in node if local(child) == name), None)
        if found is None:
            return ""
        node = found
    return (node.text or "").strip()


class Ledger:
    """What the hub has, on disk before it says so."""

    def __init__(self, folder: Path, seed: int, grace: float) -> None:
        self._lock = threading.RLock()
        self._database = sqlite3.connect(folder / "ledger.db", check_same_thread=False, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + TABLES)
        self._seed, self._grace = seed, grace

    def ask(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Ask or change it."""
        with self._lock:
            return self._database.execute(sql, values).fetchall()

    def note(self, what: str, detail: str = "") -> None:
        """Note an event."""
        self.ask("INSERT INTO events VALUES (?, ?, ?)", time.time(), what, detail)

    def take(self, system: str, facts: Facts, recipients: tuple[str, ...], body: bytes) -> str:
        """Take a packet; its DocId.

        Raises:
            Refusal: it is here already: a document by its id, a status by its bytes.
        """
        with self._lock:
            key = hashlib.sha256(body).hexdigest() if facts.kind == "status" else facts.document_id + facts.business
            identity = json.dumps([system, facts.kind, key, sorted(recipients)])
            if self.ask("SELECT 1 FROM packets WHERE identity = ?", identity):
                self.note("again", f"{facts.kind} {facts.document_id} {facts.code}")
                raise Refusal("25", f"ExistDoc: {facts.document_id}")
            return self._add(system, facts, recipients, body, identity)

    def _add(self, system: str, facts: Facts, recipients: tuple[str, ...], body: bytes, identity: str) -> str:
        dice, doc_id, now = random.Random(f"{self._seed}/{identity}"), str(uuid.uuid4()), time.time()
        shown = {"document": facts.document_id, "hub": doc_id, "empty": ""}[dice.choice(SHOWN_IDS)]
        late = LATE_GRACES * self._grace
        listed_at = now + (dice.uniform(0, late) if dice.random() < LATE_LISTING else 0)
        self._database.execute("BEGIN IMMEDIATE")
        try:
            cursor = self._database.execute(
                "INSERT INTO packets VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (doc_id, system, facts.sender, facts.kind, facts.document_id, facts.code, facts.business,
                 facts.notation, facts.title, now, listed_at, identity, shown, body),
            )  # fmt: skip
            for recipient in recipients:
                visible_at = now + (dice.uniform(0, late) if dice.random() < LATE_OFFER else 0)
                refusals = dice.randint(1, 4) if dice.random() < CONFIRMATIONS_REFUSED else 0
                self._database.execute(
                    "INSERT INTO copies (copy_id, seq, recipient, visible_at, refusals) VALUES (?, ?, ?, ?, ?)",
                    (str(uuid.uuid4()), cursor.lastrowid, recipient, visible_at, refusals),
                )
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
        return doc_id


class Hub:
    """The calls, and what goes wrong with them."""

    def __init__(self, folder: Path, secrets: Mapping[str, str], seed: int, grace: float, strength: float) -> None:
        self.ledger = Ledger(folder, seed, grace)
        self._calm_file, self._secrets, self._seed, self._strength = folder / "calm", dict(secrets), seed, strength
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._bursts: dict[str, float] = {}
        self._others_given: dict[str, set[int]] = {}
        self._shift = 0.0
        for code in secrets if strength else ():
            for status in GHOSTS:
                copy = (f"ghost-{code}-{status}", code, status)
                self.ledger.ask(
                    "INSERT INTO copies (copy_id, seq, recipient, visible_at, ghost) VALUES (?, 0, ?, 0, ?)", *copy
                )

    @property
    def now(self) -> float:
        """The hub's time, which is off now and then."""
        return time.time() + (self._shift if self._bursts.get("clock off", 0.0) > time.time() else 0.0)

    @property
    def calm(self) -> bool:
        """Whether faults are over."""
        return self._calm_file.exists()

    def draw(self, call: str) -> Fault | None:
        """Draw the fault of the next call of a kind."""
        if self.calm:
            self._bursts.clear()
            return None
        with self._lock:
            self._counts[call] += 1
            number = self._counts[call]
        fault = draw(self._seed, call, number, self._strength)
        if fault is not None:
            self.ledger.note(fault.kind, call)
            if fault.seconds[1]:
                dice = random.Random(f"{self._seed}/burst/{call}/{number}")
                self._shift = dice.choice((-1, 1)) * dice.uniform(200, 900)
                self._bursts[fault.kind] = time.time() + dice.uniform(*fault.seconds)
        if self._bursts.get("401 burst", 0.0) > time.time():
            raise Failure(401, b"who are you?")
        return fault

    def check(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Check the signed headers; the parameters, names in lower case."""
        signed = headers.get(PREFIX + "sign-header", "")
        given = {name.lower().removeprefix(PREFIX): value for name, value in json.loads(signed).items()}
        secret = self._secrets.get(given.get("systemid", ""), "")
        digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        wrong = [name for name, value in given.items() if headers.get(PREFIX + name) != value]
        names = headers.get(PREFIX + "sign-header-key", "").lower().split(";")
        if not secret or wrong or names != list(given) or digest != headers.get(PREFIX + "hash-header"):
            self.ledger.note("violation", f"signature of {given.get('systemid')}: {wrong}")
            raise Refusal("15", "the signature is wrong")
        stamp = datetime.strptime(given["timestamp"][:15], "%d%m%YT%H%M%S").replace(tzinfo=VIETNAM).timestamp()
        if abs(stamp - self.now) > CLOCK_TOLERANCE:
            raise Refusal("16", "the time stamp is too far off")
        return given

    def answer(self, call: str, given: dict[str, str], body: bytes, fault: Fault | None) -> dict[str, Any] | bytes:
        """Do a call."""
        kind, system = given.get("messagetype", "edoc"), given["systemid"]
        if call == "sendEdoc":
            return {"DocId": self._send(system, given, body)}
        if call == "getReceivedEdocList":
            return {"data": self._list_waiting(system, kind)}
        if call == "getSentEdocList":
            return {"data": self._list_sent(system, kind, given.get("docid"))}
        if call == "downloadEdoc":
            return self._fetch(system, given["docid"], fault.kind if fault else "")
        if call == "updateStatus":
            return self._confirm(system, given["docid"], given["status"])
        raise Refusal("28", f"there is no call {call}")

    def _send(self, system: str, given: dict[str, str], body: bytes) -> str:
        packet = body.removesuffix(b"\r\n")
        digest = hashlib.sha256(packet).digest()
        if given["hash-file"] not in ("".join(f"{byte:x}" for byte in digest), digest.hex()):
            raise Refusal("24", "hash-file is wrong")
        facts = read_facts(packet)
        recipients = tuple(json.loads(given["to"])) if "to" in given else facts.recipients
        if unknown := [code for code in recipients if code not in self._secrets]:
            raise Refusal("18", f"there is no {unknown[0]}")
        if given["from"] != system or facts.sender != system or facts.kind != given["messagetype"]:
            self.ledger.note("violation", f"{system} sent {facts.kind} of {facts.sender} as {given}")
        return self.ledger.take(system, facts, recipients, packet)

    def _list_waiting(self, system: str, kind: str) -> list[dict[str, str]]:
        rows = self.ledger.ask(
            "SELECT c.*, p.sender, p.at, p.kind FROM copies c LEFT JOIN packets p ON p.seq = c.seq"
            " WHERE c.recipient = ? AND c.state IN ('initial', 'processing') AND c.visible_at <= ?"
            " AND coalesce(p.kind, 'edoc') = ? ORDER BY c.seq",
            system, time.time(), kind,
        )  # fmt: skip
        if not self.calm:
            random.shuffle(rows)
            ghosts = [row for row in rows if row["ghost"]]
            rows = ghosts + [row for row in rows if not row["ghost"]][:30]
        return [
            {"docId": row["copy_id"], "serviceType": "eDoc", "messageType": kind, "from": row["sender"] or "G09",
             "to": system, "status": row["state"], "created_time": show(row["at"] or time.time())}
            for row in rows
        ]  # fmt: skip

    def _list_sent(self, system: str, kind: str, doc_id: str | None) -> list[dict[str, str]]:
        rows = self.ledger.ask(
            "SELECT p.*, c.copy_id, c.recipient, c.state FROM packets p JOIN copies c ON c.seq = p.seq"
            " WHERE p.system = ? AND p.kind = ? AND p.listed_at <= ? AND (? IS NULL OR p.doc_id = ?) ORDER BY p.seq",
            system, kind, time.time(), doc_id, doc_id,
        )  # fmt: skip
        return [
            {"senderDocId": row["shown_id"], "receiverDocId": row["copy_id"], "fromCode": row["sender"],
             "toCode": row["recipient"], "messageType": kind, "title": row["title"], "notation": row["notation"],
             "sentTime": show(row["at"]), "receiveStatus": row["state"]}
            for row in rows
        ]  # fmt: skip

    def _fetch(self, system: str, copy_id: str, fault: str) -> bytes:
        copy = self._find(system, copy_id)
        if copy["ghost"]:
            raise Failure(copy["ghost"], b"no")
        self.ledger.ask("UPDATE copies SET downloads = downloads + 1 WHERE copy_id = ?", copy_id)
        if fault == "odd body":  # never the same bytes twice: two identical downloads are the hub's last word
            odd: bytes = ODD_BODIES[copy["downloads"] % len(ODD_BODIES)] + b" " * copy["downloads"]
            return odd
        seq = self._draw_other(system, copy) if fault == "other body" else copy["seq"]
        body: bytes = self.ledger.ask("SELECT body FROM packets WHERE seq = ?", seq)[0]["body"]
        # As above: never the same half twice.
        return body[: len(body) // 2 - copy["downloads"]] if fault == "half body" else body

    def _draw_other(self, system: str, copy: sqlite3.Row) -> int:
        """Draw another packet; never one twice for the same docId: a body that comes again and again is believed."""
        with self._lock:
            given = self._others_given.setdefault(copy["copy_id"], {copy["seq"]})
            others = self.ledger.ask(
                "SELECT seq FROM copies WHERE recipient = ? AND seq > 0 ORDER BY random() LIMIT 9", system
            )
            seq: int = next((other["seq"] for other in others if other["seq"] not in given), copy["seq"])
            given.add(seq)
        return seq

    def _confirm(self, system: str, copy_id: str, state: str) -> dict[str, Any]:
        copy = self._find(system, copy_id)
        if copy["refusals"] and not self.calm:
            self.ledger.ask("UPDATE copies SET refusals = refusals - 1 WHERE copy_id = ?", copy_id)
            raise Refusal("21", "cannot be processed")
        if copy["state"] in ("done", "fail") and copy["state"] != state:
            raise Refusal("26", f"docId {copy_id} is {copy['state']} and waits no more")
        self.ledger.ask("UPDATE copies SET state = ? WHERE copy_id = ?", state, copy_id)
        self.ledger.note("confirmed", f"{copy_id} {state}")
        return {}

    def _find(self, system: str, copy_id: str) -> sqlite3.Row:
        found = self.ledger.ask("SELECT * FROM copies WHERE copy_id = ? AND recipient = ?", copy_id, system)
        if not found:
            raise Refusal("26", f"there is no docId {copy_id}")
        return found[0]

    def spoil(self, call: str, answer: dict[str, Any], fault: Fault, given: dict[str, str]) -> bytes:
        """Spoil the answer to a call that was done."""
        if fault.kind == "foreign DocId":
            others = self.ledger.ask(
                "SELECT doc_id FROM packets WHERE system = ? ORDER BY random() LIMIT 1", given["systemid"]
            )
            return envelope(DocId=others[0]["doc_id"])
        if fault.kind == "no DocId":
            return envelope()
        if fault.kind == "list of DocIds":
            return envelope(DocId=[answer["DocId"]])
        if fault.kind == "empty list":
            return envelope(data=[])
        if fault.kind == "empty":
            return b""
        if fault.kind == "truncated":
            return envelope(**answer)[:-9]
        if fault.kind == "odd 200":
            odd: bytes = random.Random(str(answer)).choice(ODD_ANSWERS)
            return odd
        return envelope(**answer)


def show(at: float) -> str:
    """Write a time as hubs do."""
    return datetime.fromtimestamp(at, VIETNAM).strftime("%Y-%m-%d %H:%M:%S")


def envelope(code: str = "0", words: str = "", **answer: Any) -> bytes:
    """Write an answer."""
    content = {"status": "OK" if code == "0" else "FAIL", "ErrorCode": code, "ErrorDesc": words, **answer}
    return json.dumps(content).encode()


BEFORE = {
    "500 before": Failure(500, b"<html><title>Server Error</title></html>"),
    "503": Failure(503, b"busy", Retry_After="1"),
    "gateway page": Failure(200, b"<html><title>Gateway</title></html>"),
    "redirect": Failure(302, b"", Location="https://portal.invalid/login"),
    "gone": Failure(404, b"not here"),
    "cut before": Failure(0),
}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body would wait 40 ms for the word that the headers arrived
    hub: Hub

    def do_POST(self) -> None:
        """Answer any call."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = urlsplit(self.path).path.rpartition("/")[2]
        try:
            fault = self.hub.draw(call)
            self._fail_before(fault)
            self._answer(call, body, fault)
        except Refusal as refusal:
            self._reply(200, envelope(refusal.code, refusal.text, **({"DocId": ""} if call == "sendEdoc" else {})))
        except Failure as failure:
            if failure.status == 0:
                self.close_connection = True
                return
            self._reply(failure.status, failure.body, failure.headers)

    do_GET = do_POST  # noqa: N815  the name that the library calls

    def _fail_before(self, fault: Fault | None) -> None:
        kind = fault.kind if fault else ""
        if kind in BEFORE:
            raise BEFORE[kind]
        if kind == "half-open before":
            time.sleep(HALF_OPEN_SECONDS)
            raise Failure(0)
        if kind == "429 until a date":
            raise Failure(429, b"slowly", Retry_After=formatdate(self.hub.now + 2, usegmt=True))
        if kind == "late":
            time.sleep(0.5)

    def _answer(self, call: str, body: bytes, fault: Fault | None) -> None:
        given = self.hub.check({name.lower(): value for name, value in self.headers.items()})
        kind = fault.kind if fault else ""
        if kind in ("refused", "question refused"):
            raise Refusal("28", "not now")
        answer = self.hub.answer(call, given, body, fault)
        if isinstance(answer, bytes):
            self._reply(200, answer, is_cut=kind == "cut body")
            return
        if kind == "half-open after":
            time.sleep(HALF_OPEN_SECONDS)
        if kind in ("half-open after", "cut after"):
            raise Failure(0)
        if kind == "500 after":
            raise Failure(500, b"<html><title>Server Error</title></html>")
        self._reply(200, self.hub.spoil(call, answer, fault, given) if fault else envelope(**answer))

    def _reply(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, is_cut: bool = False
    ) -> None:
        self.send_response_only(status)
        self.send_header("Date", formatdate(self.hub.now, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if is_cut else body)
        self.close_connection = self.close_connection or is_cut

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server that leaves connections to their threads."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show what is wrong with the hub; a client that was killed is not."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("agencies", nargs="+")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--grace", type=float, default=0.3)
    parser.add_argument("--strength", type=float, default=1.0)
    options = parser.parse_args()
    secrets = dict(agency.split("=", 1) for agency in options.agencies)
    Handler.hub = Hub(options.folder, secrets, options.seed, options.grace, options.strength)
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
