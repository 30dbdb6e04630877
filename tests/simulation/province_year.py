"""A province's year: agencies on three dialects, codes that die and merge in the middle, one hub switched for another.

Anyone can run it:

    python tests/simulation/province_year.py --agencies 40 --codes 30000 --documents 2000 --seed 1

Months of documents, statuses, recalls and updates go over mock hubs on sockets, with a connector and a store for each
agency. In the middle of the year every tenth code ends, some of them those of agencies that had mail; after three
quarters everybody moves to another hub. At the end the ledgers of both hubs are compared with what each agency holds:
nothing lost, nothing doubled, every status on its document.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from edoc_connector.client import ClientSettings, tls, transport
from edoc_connector.connector import Connector, Receipt
from edoc_connector.edxml import Document, Organization, StaffInfo
from edoc_connector.errors import RecipientEnded
from edoc_connector.mockhub import AgencySpec, MockHubConfig
from edoc_connector.store import upgrade
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.settings import make_settings

PROVINCE = "H29"
DIALECTS = ("vxp", "lgsp", "edocservice")
ROUNDS = 3
"""Turns of everybody in a month: documents, their statuses, and what these make others say."""
STAFF = StaffInfo(staff="Lê C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A packet that an agency sent, and what is to become of it.

    Args:
        id: its DocumentId.
        business: BussinessDocType of it, as the hub keeps it.
        sender: code of the agency.
        recipients: codes that it is for.
        about: of a recall: the document, and its recipients as it was sent to them.
    """

    id: str
    business: str
    sender: str
    recipients: tuple[str, ...]
    about: Sent | None = None


@dataclass(slots=True, kw_only=True)
class Office:
    """An agency of the province: its connector, and what its application was handed.

    Args:
        code: of the agency.
        dialect: in which it speaks to its hubs.
        connector: its own.
        handed: ids and kinds that it was handed, as often as it was.
        answered: the last status that it gave each of them.
    """

    code: str
    dialect: str
    connector: Connector
    handed: Counter[tuple[str, str]] = field(default_factory=Counter)
    answered: dict[str, str] = field(default_factory=dict)

    @property
    def organization(self) -> Organization:
        """The agency as documents name it."""
        return Organization(id=self.code, name=name_agency(self.code))


def name_agency(code: str) -> str:
    """Name the agency of a code."""
    return f"Cơ quan số {code}"


class Province:
    """The agencies, their two hubs, and the record of what was sent.

    Args:
        folder: of stores and hubs.
        agencies: how many have a connector.
        codes: how many the directory has.
        documents: how many are sent in the year, recalls and updates beside them.
        months: how many the year has.
        seed: of every choice.
        tell: told how far the year is.
    """

    def __init__(
        self,
        folder: Path,
        *,
        agencies: int,
        codes: int,
        documents: int,
        months: int,
        seed: int,
        tell: Callable[[str], None],
    ) -> None:
        self.folder, self.seed, self.tell = folder, seed, tell
        self.dice = random.Random(seed)
        self.documents, self.months = documents, months
        self.reform, self.switch = months // 2, months * 3 // 4
        self.codes = [f"{PROVINCE}.{number:02}" for number in range(1, agencies + 1)]
        self.others = [f"{PROVINCE}.{100 + number // 90}.{10 + number % 90}" for number in range(codes - agencies - 1)]
        self.offices: dict[str, Office] = {}
        self.closed: dict[str, Office] = {}
        self.heirs: dict[str, str] = {}
        self.sent: list[Sent] = []
        self.refused = 0
        self._numbers = 0
        self._lock = threading.Lock()

    # --- The year. ---

    def live(self) -> list[str]:
        """Live through the year; gives what is wrong at its end."""
        with ExitStack() as stack:
            hubs = [stack.enter_context(RunningHub(MockHubConfig(data=self.folder / name))) for name in ("old", "new")]
            self.old, self.new = hubs
            for hub in hubs:
                hub.add_agencies(self._list_specs())
            self._open_offices(stack)
            self._for_each(lambda office: office.connector.sync_agencies())
            for month in range(1, self.months + 1):
                self._live_a_month(month)
                if month == self.reform:
                    self._reform()
                if month == self.switch:
                    self._switch()
                self.tell(f"month {month}: {len(self.sent)} sent")
            wrongs = self.list_wrongs()
            self._require_sharp_eyes()
            return wrongs

    def _list_specs(self) -> list[AgencySpec]:
        """List the directory: the province, the agencies with a connector, and the thousands below it."""
        named = [PROVINCE, *self.codes, *self.others]
        return [
            AgencySpec(
                code=code, secret=f"secret-{code}", name=name_agency(code), parent="" if code == PROVINCE else PROVINCE
            )
            for code in named
        ]

    def _open_offices(self, stack: ExitStack) -> None:
        tables = self.folder / "tables.db"
        upgrade(f"sqlite:///{tables}")
        for number, code in enumerate(self.codes):
            dialect = DIALECTS[number % len(DIALECTS)]
            folder = self.folder / code
            folder.mkdir()
            (folder / "edoc.db").write_bytes(tables.read_bytes())
            settings = self._make_settings(code, dialect, folder)
            self.offices[code] = Office(
                code=code, dialect=dialect, connector=stack.enter_context(Connector.open(settings))
            )

    def _make_settings(self, code: str, dialect: Any, folder: Path) -> Any:
        base = "/EdocService" if dialect == "edocservice" else ""
        root = {"directory_root": PROVINCE} if dialect == "edocservice" else {}
        other = {"role": "drain", "dialect": dialect, "endpoint": self.new.url + base, "system_id": code}
        return make_settings(
            self.old,
            code,
            folder,
            dialect=dialect,
            name=name_agency(code),
            hub=root,
            hubs={"new": {**other, **root, "secret": "file:secret"}},
            http={"read": 120.0, "total": 300.0},
        )

    def _live_a_month(self, month: int) -> None:
        each = max(1, round(self.documents / self.months / len(self.offices)))
        self._for_each(lambda office: self._send_month(office, month, each))
        for _ in range(ROUNDS):
            self._take_turns()

    def _take_turns(self) -> None:
        """Let each agency receive, answer and report.

        Those at an eDoc hub take turns alone: there a confirmation confirms statuses that arrive in that moment, which
        no client can keep from being lost.
        """
        for office in self.offices.values():
            if office.dialect == "edocservice":
                self._receive(office)
        self._for_each(self._receive, [one for one in self.offices.values() if one.dialect != "edocservice"])

    def _for_each(self, do: Callable[[Office], Any], offices: Iterable[Office] | None = None) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(do, list(self.offices.values()) if offices is None else offices))

    # --- Sending. ---

    def _send_month(self, office: Office, month: int, count: int) -> None:
        dice = random.Random(f"{self.seed}:{office.code}:{month}")
        living = [code for code in self.offices if code != office.code]
        for _ in range(count):
            recipients = dice.sample(living, k=min(len(living), dice.choice((1, 1, 2))))
            document = self._make_document(office, recipients)
            self._record(office, office.connector.send(document).id, "0", recipients)
            if dice.random() < 0.1:
                self._update(office, document, recipients)
        if month > self.reform:
            self._send_to_ended(office, dice)
        if month % 2 == 0 or month > self.reform:
            self._recall(office, dice)

    def _make_document(self, office: Office, recipients: Iterable[str], **changes: Any) -> Document:
        with self._lock:
            self._numbers += 1
            number = self._numbers
        named = tuple(Organization(id=code, name=name_agency(code)) for code in recipients)
        return sample_document(number=str(number), sender=office.organization, recipients=named, **changes)

    def _record(
        self, office: Office, document_id: str, business: str, recipients: Iterable[str], about: Sent | None = None
    ) -> None:
        with self._lock:
            codes = tuple(recipients)
            self.sent.append(Sent(id=document_id, business=business, sender=office.code, recipients=codes, about=about))

    def _update(self, office: Office, document: Document, recipients: Iterable[str]) -> None:
        changed = self._make_document(office, recipients, subject="V/v kết nối, bản cập nhật")
        delivery = office.connector.update(changed, updates=document.id, reason="Sửa trích yếu", staff=STAFF)
        self._record(office, delivery.id, "2", recipients)

    def _recall(self, office: Office, dice: random.Random) -> None:
        """Recall a document, from the heir where the code of its recipient ended meanwhile; such a one first."""
        recalled = {one.about.id for one in list(self.sent) if one.about is not None}
        own = [one for one in list(self.sent) if one.sender == office.code and one.business == "0"]
        own = [one for one in own if one.id not in recalled and self._list_heirs(office, one)]
        if not own:
            return
        inherited = [one for one in own if set(one.recipients) & set(self.heirs)]
        sent = dice.choice(inherited or own)
        now = self._list_heirs(office, sent)
        asked = [Organization(id=code, name=name_agency(code)) for code in now]
        recall = office.connector.recall(sent.id, reason="Ban hành nhầm", recipients=asked, staff=STAFF)
        self._record(office, recall.id, "1", now, about=sent)

    def _list_heirs(self, office: Office, sent: Sent) -> list[str]:
        """List who is asked about a document today; none where its heirs are one agency, or its own sender."""
        now = [self.heirs.get(code, code) for code in sent.recipients]
        return [] if len(set(now)) < len(now) or office.code in now else now

    def _send_to_ended(self, office: Office, dice: random.Random) -> None:
        """Send to a code that ended: it is refused with its heir, and goes there where that is wished."""
        code = dice.choice([one for one, heir in self.heirs.items() if heir != office.code])
        document = self._make_document(office, [code])
        try:
            office.connector.send(document)
        except RecipientEnded as error:
            if error.heirs != {code: self.heirs[code]}:
                raise AssertionError(f"{code}: {error.heirs} instead of {self.heirs[code]}") from error
        else:
            raise AssertionError(f"{office.code} sent to {code}, which ended")
        with self._lock:
            self.refused += 1
        self._record(office, office.connector.send(document, use_successors=True).id, "0", [self.heirs[code]])

    # --- Receiving. ---

    def _receive(self, office: Office) -> None:
        for receipt in office.connector.receive():
            with receipt:
                office.handed[receipt.id, receipt.kind] += 1
            self._answer(office, receipt)
        office.connector.flush()

    def _answer(self, office: Office, receipt: Receipt) -> None:
        chance = random.Random(f"{self.seed}:{office.code}:{receipt.id}:{receipt.kind}").random()
        if receipt.kind != "new":
            receipt.agree_change() if chance < 0.8 else receipt.refuse_change("Đã giải quyết")
            office.answered[receipt.id] = "15" if chance < 0.8 else "16"
        elif chance < 0.15:
            receipt.reject("Sai nơi nhận")
            office.answered[receipt.id] = "02"
        elif chance < 0.9:
            receipt.accept("Đã vào sổ")
            office.answered[receipt.id] = "03"
            if chance < 0.5:
                receipt.processing()
                receipt.complete()
                office.answered[receipt.id] = "06"
        else:
            office.answered[receipt.id] = "01"

    # --- What the year brings. ---

    def _reform(self) -> None:
        """End every tenth code, in favour of agencies that live on; of six agencies with a connector one ends."""
        ended = self.codes[5::6]
        living = [code for code in self.codes if code not in ended]
        self._for_each(lambda office: self._send_a_last_one(office, ended))
        for code in ended:  # what is on its way arrives; what comes after it is the heir's
            self._receive(self.offices[code])
        gone = self.dice.sample(self.others, k=len(self.others) // 10)
        self.heirs = {code: self.dice.choice(living) for code in (*ended, *gone)}
        for code in ended:
            self.closed[code] = self.offices.pop(code)
        path = self.folder / "reform.csv"
        lines = [f"{code};30/06/2025;{heir}" for code, heir in self.heirs.items()]
        path.write_text("\n".join(["mã cũ;đến ngày;mã mới", *lines]), "utf-8")
        for hub in (self.old, self.new):
            hub.remove_agencies(list(self.heirs))

        def learn(office: Office) -> None:
            office.connector.import_agencies(path)
            office.connector.sync_agencies(whole=True)

        self._for_each(learn)
        self.tell(f"reform: {len(self.heirs)} codes ended")

    def _send_a_last_one(self, office: Office, ended: list[str]) -> None:
        """Send a document to an agency on its last day, which will be answered, and recalled from its heir."""
        recipients = [code for code in ended if code != office.code][:1]
        if recipients:
            document = self._make_document(office, recipients)
            self._record(office, office.connector.send(document).id, "0", recipients)

    def _switch(self) -> None:
        """Move everybody to the new hub, with what is still on its way on the old one."""
        self._for_each(lambda office: self._send_month(office, self.switch, 1))
        self._for_each(lambda office: office.connector.switch_hub("new", by="Nguyễn Văn A"))
        self._for_each(lambda office: office.connector.sync_agencies(whole=True))

    # --- The end. ---

    def list_wrongs(self) -> list[str]:
        """Compare the ledgers of both hubs, what agencies were handed, and what senders know of it."""
        return [*self._list_ledger_wrongs(), *self._list_handed_wrongs(), *self._list_status_wrongs()]

    def _require_sharp_eyes(self) -> None:
        """Require that the comparison finds a loss, a double and a status at another document, made up here."""
        office = next(iter(self.offices.values()))
        key, answered = next(iter(office.handed)), next(iter(office.answered))
        status = office.answered[answered]
        made_up = Sent(id="never sent", business="0", sender=office.code, recipients=(office.code,))
        changes: tuple[tuple[Callable[[], Any], Callable[[], Any]], ...] = (
            (lambda: self.sent.append(made_up), self.sent.pop),
            (lambda: office.handed.update([key]), lambda: office.handed.subtract([key])),
            (lambda: office.answered.update({answered: "04"}), lambda: office.answered.update({answered: status})),
        )
        for change, undo in changes:
            change()
            checks = (
                (self._list_handed_wrongs, self._list_ledger_wrongs) if made_up in self.sent else (self.list_wrongs,)
            )
            if not all(list(check()) for check in checks):
                raise AssertionError("the comparison of ledgers sees nothing")
            undo()

    def _list_ledger_wrongs(self) -> Iterator[str]:
        taken: Counter[tuple[str, str, str]] = Counter()
        for hub in (self.old, self.new):
            for held in hub.packets():
                for receipt in held.receipts:
                    if held.packet.message_type == "edoc":
                        taken[held.packet.document_id, held.packet.business, receipt.recipient] += 1
                    if receipt.state != "done" and receipt.recipient in self.offices:
                        yield f"{held.packet.document_id} is {receipt.state} for {receipt.recipient} at the hub"
        wanted = Counter((one.id, one.business, code) for one in self.sent for code in one.recipients)
        for key in wanted | taken:
            if wanted[key] != 1 or taken[key] != 1:
                yield f"{key}: sent {wanted[key]} times, {taken[key]} times at the hubs"

    def _list_handed_wrongs(self) -> Iterator[str]:
        kinds = {"0": "new", "1": "recall", "2": "update"}
        everybody = {**self.offices, **self.closed}
        wanted = Counter((code, one.id, kinds[one.business]) for one in self.sent for code in one.recipients)
        handed = Counter(
            {(code, *key): times for code, office in everybody.items() for key, times in office.handed.items()}
        )
        for key in wanted | handed:
            if handed[key] != wanted[key]:
                yield f"{key}: handed {handed[key]} times, sent {wanted[key]} times"

    def _list_status_wrongs(self) -> Iterator[str]:
        everybody = {**self.offices, **self.closed}
        for one in self.sent:
            if one.sender in self.closed:
                continue
            delivery = everybody[one.sender].connector.delivery(one.id)
            if delivery.state.value != "sent":
                yield f"{one.id} of {one.sender} is {delivery.state.value}"
            for code in one.recipients:
                told, given = delivery.recipient(code).status, everybody[code].answered.get(one.id)
                if told != given:
                    yield f"{one.id}: {code} answered {given}, {one.sender} has {told}"
                elif one.about is not None and given == "15":
                    yield from self._list_withdrawal_wrongs(one.about, code)

    def _list_withdrawal_wrongs(self, sent: Sent, code: str) -> Iterator[str]:
        """List a document that an agency, or the heir of one, gave back, and that still counts."""
        delivery = self.offices[sent.sender].connector.delivery(sent.id)
        asked = [one for one in sent.recipients if code in (one, self.heirs.get(one))]
        if not any(delivery.recipient(one).withdrawn for one in asked):
            yield f"{sent.id}: {code} gave it back, {sent.sender} does not know"


@contextmanager
def _sharing_tls() -> Iterator[None]:
    """Make one TLS context for all clients: the hubs speak plain HTTP, and reading authorities takes long."""
    with patch.object(transport, "build_tls_context", _build_context(tls.build_tls_context)):
        yield


def _build_context(real: Callable[[ClientSettings], Any]) -> Callable[[ClientSettings], Any]:
    context = cache(lambda: real(ClientSettings()))
    return lambda _: context()


def main() -> int:
    """Live through the year that the command line asks for; 1 where something is lost, doubled, or misplaced."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("agencies", 6), ("codes", 300), ("documents", 72), ("months", 12), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = vars(parser.parse_args())
    logging.disable(logging.WARNING)  # that codes ended is what this is about
    begun = time.monotonic()

    def tell(words: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {words}", flush=True)

    with tempfile.TemporaryDirectory() as folder, _sharing_tls():
        province = Province(Path(folder), tell=tell, **asked)
        wrongs = province.live()
    for wrong in wrongs[:50]:
        print(wrong)
    statuses = sum(len(one.answered) for one in (*province.offices.values(), *province.closed.values()))
    recalls = [one for one in province.sent if one.about is not None]
    inherited = sum(one.recipients != one.about.recipients for one in recalls if one.about is not None)
    print(
        f"{len(province.sent)} packets, {len(recalls)} recalls of which {inherited} by heirs, {statuses} answers, ",
        end="",
    )
    print(f"{province.refused} refused for an ended code, {len(province.heirs)} codes ended; {len(wrongs)} wrong")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
