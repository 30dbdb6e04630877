"""What is compared after a chaos run: the hub's ledger, the stores, and what the offices' own databases were told."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edoc_connector.config import Settings
from edoc_connector.connector import Connector, Receipt, Unsettled
from edoc_connector.edxml import StatusMessage
from edoc_connector.errors import EdocError
from edoc_connector.store import EDOC, RECEIPTS, STATUS, OutgoingRow, OutgoingState, ReceiptState

CONFIRMED = (ReceiptState.CONFIRMED, ReceiptState.DUPLICATE)
NOTHING = ("Nothing is open.",)
PERSON_AFTER = 5.0  # seconds that what settles by itself is given before a person steps in
ANSWERS = ("15", "16")
OPEN_KINDS = {
    "desks": "is not through with",
    "clerks": "tasks of the clerks",
    "answers": "owes an answer",
    "at the hub": "the hub has",
    "receipts": "receipt ",
    "confirmations": "confirm ",
    "statuses": "status ",
    "documents": " is ",
}
"""By which words of `Examination.find_open` the heartbeat tells apart what is left."""


@dataclass(frozen=True, order=True)
class StatusKey:
    """What tells statuses apart."""

    sender: str
    recipient: str
    document_id: str
    code: str

    @property
    def names(self) -> tuple[str, str]:
        """The document and the code."""
        return self.document_id, self.code


class Office:
    """One office: its connectors and its own database.

    Args:
        folder: its files.
        tasks: what its clerks had to do.
    """

    def __init__(self, folder: Path, tasks: Sequence[dict[str, Any]]) -> None:
        self.folder, self.tasks = folder, tasks
        self.connectors: dict[str, Connector] = {}

    def __enter__(self) -> Self:
        for settings in Settings.fleet(self.folder / "edoc.toml"):
            self.connectors[settings.agency.id] = Connector.open(settings)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connector in self.connectors.values():
            connector.close()

    def ask(self, sql: str, *values: object) -> list[Any]:
        """Ask the office's own database."""
        return query(self.folder / "register.db", sql, *values)


def query(path: Path, sql: str, *values: object) -> list[Any]:
    """Ask a database."""
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as database:
        database.row_factory = sqlite3.Row
        return database.execute(sql, values).fetchall()


def find_key(row: OutgoingRow) -> StatusKey:
    """Find what tells a status of ours apart."""
    about = StatusMessage.model_validate_json(row.message or "").response_for.document_id
    return StatusKey(row.agency, row.recipient or "", about or "", row.code)


class Examination:
    """Compares what the hub took with what everybody believes.

    Args:
        folder: of the run.
        offices: they.
    """

    def __init__(self, folder: Path, offices: Sequence[Office]) -> None:
        self._ledger_file, self._offices = folder / "ledger.db", offices
        self._began = time.monotonic()
        self.decisions: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()

    @property
    def connectors(self) -> dict[str, Connector]:
        """Every agency's connector."""
        return {code: one for office in self._offices for code, one in office.connectors.items()}

    def ask(self, sql: str, *values: object) -> list[Any]:
        """Ask the hub's ledger."""
        return query(self._ledger_file, sql, *values)

    # -- whether it is over

    def find_open(self) -> list[str]:
        """Find what is not finished."""
        return [*self._find_tasks(), *self._find_unconfirmed(), *self.find_rows()]

    def sum_up(self, left: Sequence[str]) -> str:
        """Sum up what is not finished, by what it is."""
        kinds = Counter(next((kind for kind, words in OPEN_KINDS.items() if words in line), "others") for line in left)
        return ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())

    def _find_tasks(self) -> Iterator[str]:
        for office in self._offices:
            done = office.ask("SELECT count(*) AS n FROM clerk")[0]["n"]
            wanted = sum(1 + bool(task["then"]) for task in office.tasks)
            if done < wanted:
                yield f"{office.folder.name}: {done} of {wanted} tasks of the clerks are done"
            for row in office.ask("SELECT * FROM desk WHERE NOT done"):
                yield f"{row['agency']} is not through with {row['id']}: {row['path']}"

    def _find_unconfirmed(self) -> Iterator[str]:
        rows = self.ask(
            "SELECT c.copy_id, c.recipient, c.state, p.document_id, p.code FROM copies c JOIN packets p"
            " ON p.seq = c.seq WHERE c.state != 'done'"
        )
        for row in rows:
            where = f"{row['document_id']} {row['code']} for {row['recipient']}"
            yield f"the hub has {where} as {row['state']} ({row['copy_id']})"

    def find_rows(self) -> Iterator[str]:
        """Find what is not finished in the stores."""
        for code, connector in self.connectors.items():
            with connector.context.store.snapshot() as tx:
                for delivery in tx.deliveries.find_all(code):
                    if delivery.state != "sent":
                        yield f"{delivery.document_id} is {delivery.state}: {delivery.error_text}"
                    for one in tx.recipients.list_unanswered(delivery) if delivery.business != "new" else ():
                        yield f"{one.organ_id} owes an answer to {delivery.document_id}"
                refused_ids = {row.id for row, _ in tx.outgoing.list_refused(code)}
                for row in tx.outgoing.find_all(code):
                    if row.state != "sent" and (row.state != "failed" or row.id in refused_ids):
                        yield f"{row.kind} {row.code} of {code} is {row.state} ({row.hub_doc_id}): {row.error_text}"
                for receipt in tx.receipts.find_all(code):
                    if receipt.state not in CONFIRMED and not receipt.hub_doc_id.startswith("ghost-"):
                        yield f"receipt {receipt.hub_doc_id} of {code} is {receipt.state}: {receipt.error_text}"

    # -- a person, who may look into the ledger as one looks at the hub's page

    def decide(self) -> None:
        """Do what only a person can do."""
        if time.monotonic() - self._began < PERSON_AFTER:
            return
        for code, connector in self.connectors.items():
            try:
                self._decide_of(code, connector)
            except EdocError as error:
                print(f"{code}: {type(error).__name__}: {error.message}")
        self._began = time.monotonic()

    def _decide_of(self, code: str, connector: Connector) -> None:
        result = connector.reconcile()
        for one in result.undecided:
            self.reasons[one.text] += 1
            self._settle(code, connector, one)
        for one in result.refused:
            self.decisions["refused, sent again"] += 1
            connector.resend(one.document_id, what=one.what)
        for receipt in list(connector.iter_receipts(state=ReceiptState.QUARANTINED)):
            if not receipt.hub_doc_id.startswith("ghost-"):
                self._recheck(connector, receipt)

    def _settle(self, code: str, connector: Connector, one: Unsettled) -> None:
        if one.what == "document":
            arrived = {
                bool(self.ask("SELECT 1 FROM packets WHERE sender = ? AND document_id = ?", code, one.document_id))
            }
        else:
            with connector.context.store.snapshot() as tx:
                rows = tx.outgoing.find_all(code, state=OutgoingState.UNKNOWN, kind=STATUS)
            key = StatusKey(code, one.recipient or "", one.document_id, one.what)
            arrived = {self.read_statuses()[key] > 0 for row in rows if find_key(row) == key}
        for is_there in arrived:
            self.decisions["undecided, " + ("it was there" if is_there else "it was not there")] += 1
            connector.settle(one.document_id, arrived=is_there, what=one.what, recipient=one.recipient)

    def _recheck(self, connector: Connector, receipt: Receipt) -> None:
        self.decisions["set aside, looked at again"] += 1
        self.reasons[receipt.error or ""] += 1
        with contextlib.suppress(EdocError):  # the hub is asked for it once more
            connector.recheck(receipt.hub_doc_id)

    # -- what is wrong

    def read_statuses(self) -> Counter[StatusKey]:
        """Read the statuses that the hub took."""
        rows = self.ask(
            "SELECT p.sender, c.recipient, p.document_id, p.code FROM packets p JOIN copies c ON c.seq = p.seq"
            " WHERE p.kind = 'status' ORDER BY p.seq"
        )
        return Counter(StatusKey(*row) for row in rows)

    def examine(self, moments: Sequence[tuple[float, int]], lease: float) -> list[str]:
        """Compare everything.

        Args:
            moments: when a process was ended or stopped (its pid) or a database crashed (0).
            lease: seconds.
        """
        found = [*self._compare_documents(), *self._compare_handled(), *self._compare_statuses()]
        found += [
            *self._compare_timelines(),
            *self._compare_order(),
            *self._check_explanations(),
            *self._check_ghosts(),
        ]
        found += [line for office in self._offices for line in self._check_calls(office, moments, lease)]
        rows = self.ask("SELECT detail FROM events WHERE what = 'violation'")
        return found + [f"the hub was called wrongly: {row['detail']}" for row in rows]

    def _compare_documents(self) -> Iterator[str]:
        """Every document is at the hub once, under the id that we know, and in each recipient's database once."""
        registered: Counter[tuple[str, ...]] = Counter()
        for office in self._offices:
            registered.update(map(tuple, office.ask("SELECT agency, sender, id, kind FROM documents")))
        expected: set[tuple[str, ...]] = set()
        for code, connector in self.connectors.items():
            deliveries = list(connector.iter_deliveries())
            for one in deliveries:
                rows = self.ask(
                    "SELECT doc_id FROM packets WHERE sender = ? AND kind = 'edoc' AND document_id = ?", code, one.id
                )
                if len(rows) != 1:
                    yield f"the hub has {one.id} {len(rows)} times"
                elif one.hub_doc_id not in (None, rows[0]["doc_id"]):
                    yield from self._explain_binding(connector, one.hub_doc_id or "", (EDOC, one.id, ""))
                expected |= {(to.organ_id, code, one.id, one.business.name.lower()) for to in one.recipients}
            wanted = {task["number"] for office in self._offices for task in office.tasks if task["sender"] == code}
            if missing := wanted - {one.code.partition("/")[0] for one in deliveries}:
                yield f"{code} never stored {sorted(missing)}"
        requests = [key for key in self.read_statuses() if key.code == "13"]
        expected |= {(key.recipient, key.sender, key.document_id, "take_back") for key in requests}
        for key in expected | set(registered):
            if registered[key] != (key in expected):
                yield f"{key} is in the register {registered[key]} times"

    def _compare_handled(self) -> Iterator[str]:
        """One receipt of each document took effect, and became handled once."""
        for code, connector in self.connectors.items():
            with connector.context.store.snapshot() as tx:
                rows = [row for row in tx.receipts.find_all(code, message_type=EDOC) if row.document_id]
                stories = tx.timeline.load_timelines(RECEIPTS, [row.id for row in rows])
            handled: Counter[tuple[str, ...]] = Counter()
            for row in rows:
                moves = [entry for entry in stories[row.id] if (entry.old, entry.new) == ("handling", "handled")]
                handled[row.sender or "", row.document_id or ""] += len(moves)
            yield from (f"{code} handled {key} {count} times" for key, count in handled.items() if count != 1)

    def _compare_statuses(self) -> Iterator[str]:
        """The hub's ledger = our store, per status."""
        ledger, ours = self.read_statuses(), Counter[StatusKey]()
        for code, connector in self.connectors.items():
            with connector.context.store.snapshot() as tx:
                rows = tx.outgoing.find_all(code, kind=STATUS)
            ours.update(find_key(row) for row in rows if row.state == "sent")
            doc_ids = {row["doc_id"]: row for row in self.ask("SELECT * FROM packets WHERE kind = 'status'")}
            for row in rows:
                there = doc_ids.get(row.hub_doc_id or "")
                key = find_key(row)
                if row.state != "sent" or not row.hub_doc_id:
                    continue
                if there is None or (there["sender"], there["document_id"], there["code"]) != (code, *key.names):
                    yield from self._explain_binding(connector, row.hub_doc_id, (STATUS, *key.names))
        for key in sorted(set(ledger) | set(ours)):
            if ledger[key] != ours[key] or ledger[key] > 1:
                yield f"the hub has {key} {ledger[key]} times, our store {ours[key]} times"

    def _explain_binding(self, connector: Connector, doc_id: str, itself: tuple[str, str, str]) -> Iterator[str]:
        """A message has another one's DocId: only where nobody could know whose that was (docs/faults.md)."""
        owners = self.ask("SELECT * FROM packets WHERE doc_id = ?", doc_id)
        if owners and self._find_known_id(connector, owners[0]) != doc_id:
            self.reasons["bound to the DocId of a packet whose own was never told"] += 1
        elif owners and self._read_looks(owners[0]) & self._read_looks(*self._find_packets(connector, itself)):
            self.reasons["bound to the DocId of a packet of which the hub's list says the same"] += 1
        else:
            yield f"{itself} is bound to {doc_id}, which is another packet's"

    def _find_packets(self, connector: Connector, itself: tuple[str, str, str]) -> list[sqlite3.Row]:
        """Find what the hub has of a message: its kind, its document and its code."""
        where = "sender = ? AND kind = ? AND document_id = ? AND code = ?"
        return self.ask(f"SELECT * FROM packets WHERE {where}", connector.context.agency, *itself)

    def _read_looks(self, *packets: sqlite3.Row) -> set[tuple[str, ...]]:
        """Read what the hub's list says of packets, for each recipient; the title of a status says nothing."""
        return {
            (one["kind"], one["notation"], one["title"] if one["kind"] == EDOC else "", copy["recipient"])
            for one in packets
            for copy in self.ask("SELECT recipient FROM copies WHERE seq = ?", one["seq"])
        }

    def _find_known_id(self, connector: Connector, owner: sqlite3.Row) -> str | None:
        """Find the DocId under which we know a packet: its own, none, or another's that the hub told for it."""
        with connector.context.store.snapshot() as tx:
            if owner["kind"] == EDOC:
                delivery = tx.deliveries.find_by_document_id(owner["sender"], owner["document_id"])
                return delivery.hub_doc_id if delivery is not None else None
            recipient = self.ask("SELECT recipient FROM copies WHERE seq = ?", owner["seq"])[0]["recipient"]
            rows = tx.outgoing.find_all(owner["sender"], kind=STATUS, code=owner["code"], recipient=recipient)
            own = (row.hub_doc_id for row in rows if find_key(row).document_id == owner["document_id"])
            return next(own, None)

    def _compare_order(self) -> Iterator[str]:
        """The statuses about one document came to the hub in the order in which they were made."""
        arrived = {key: number for number, key in enumerate(self.read_statuses())}
        for code, connector in self.connectors.items():
            with connector.context.store.snapshot() as tx:
                rows = tx.outgoing.find_all(code, kind=STATUS, state=OutgoingState.SENT)
            lanes: dict[str, list[OutgoingRow]] = defaultdict(list)
            for row in reversed(rows):
                lanes[row.lane].append(row)
            for lane, own in lanes.items():
                numbers = [arrived.get(find_key(row), -1) for row in own]
                if numbers != sorted(numbers):
                    yield f"{code} {lane}: {[row.code for row in own]} came in the order {numbers}"

    def _compare_timelines(self) -> Iterator[str]:
        """What a recipient reported is in the story of the document, each status once."""
        ledger = self.read_statuses()
        for code, connector in self.connectors.items():
            told: Counter[StatusKey] = Counter()
            for one in connector.iter_deliveries():
                for entry in one.timeline:
                    if entry.recipient and entry.actor == entry.recipient:
                        told[StatusKey(entry.recipient, code, one.id, entry.to)] += 1
            for key in {key for key in ledger if key.recipient == code and key.code != "13"} | set(told):
                if told[key] != ledger[key] and not (key.code in ANSWERS and told[key] > ledger[key]):
                    yield f"{key}: told {told[key]} times, and the hub has it {ledger[key]} times"

    def _check_explanations(self) -> Iterator[str]:
        """Nothing is open about anything, and each explanation says so."""
        for connector in self.connectors.values():
            receipts = [one.hub_doc_id for one in connector.iter_receipts() if not one.hub_doc_id.startswith("ghost-")]
            for name in [*(one.id for one in connector.iter_deliveries()), *receipts]:
                story = connector.explain(name)
                if story.next != NOTHING:
                    yield f"{name} of {connector.context.agency}: {story.next}"

    def _check_ghosts(self) -> Iterator[str]:
        """What never came is shown as that, to a person."""
        for row in self.ask("SELECT copy_id, recipient FROM copies WHERE ghost > 0"):
            story = self.connectors[row["recipient"]].explain(row["copy_id"])
            if story.next == NOTHING:
                yield f"{row['copy_id']} never came, and nothing is open"

    def _check_calls(self, office: Office, moments: Sequence[tuple[float, int]], lease: float) -> Iterator[str]:
        """No handler was called again for what it was done with, unless its process died or slept meanwhile."""
        calls: dict[tuple[str, ...], list[Any]] = defaultdict(list)
        for row in office.ask("SELECT * FROM calls ORDER BY began"):
            calls[row["agency"], row["sender"], row["id"], row["kind"]].append(row)
        for key, own in calls.items():
            for first, second in itertools.pairwise(own):
                pids = (first["pid"], second["pid"], 0)
                span = (first["began"] - 3 * lease, second["began"])
                if not any(pid in pids and span[0] <= at <= span[1] for at, pid in moments):
                    yield f"the handler was called twice for {key}"

    # -- figures

    def count(self) -> dict[str, object]:
        """Count what was exchanged, and what happened to it."""
        faults = self.ask(
            "SELECT what, count(*) AS n FROM events WHERE what != 'confirmed' GROUP BY what ORDER BY what"
        )
        packets = self.ask("SELECT kind, count(*) AS n FROM packets GROUP BY kind ORDER BY kind")
        codes = self.ask("SELECT code, count(*) AS n FROM packets WHERE kind = 'status' GROUP BY code ORDER BY code")
        repeated = sum(
            office.ask("SELECT count(*) - count(DISTINCT agency || sender || id || kind) AS n FROM calls")[0]["n"]
            for office in self._offices
        )
        duplicates = unknown = 0
        for code, connector in self.connectors.items():
            with connector.context.store.snapshot() as tx:
                duplicates += len(tx.receipts.find_all(code, state=ReceiptState.DUPLICATE))
                unknown += len(tx.outgoing.find_all(code, was_unknown=True)) + len(
                    tx.deliveries.find_all(code, was_unknown=True)
                )
        return {
            "packets at the hub": {row["kind"]: row["n"] for row in packets},
            "statuses by code": {row["code"]: row["n"] for row in codes},
            "hub faults": sum(row["n"] for row in faults),
            "by kind": {row["what"]: row["n"] for row in faults},
            "outcomes that were unknown": unknown,
            "received again as duplicates": duplicates,
            "handler called again after a kill": repeated,
            "decided by a person": dict(self.decisions),
            "reasons": json.dumps(dict(self.reasons.most_common(8)), ensure_ascii=False),
        }
