"""Registers of incoming and outgoing documents, built from what two agencies really exchanged."""

from __future__ import annotations

import zipfile
from datetime import date, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

import anyio
import pytest

from edoc_connector.connector import AsyncConnector, Connector, IncomingEntry, OutgoingEntry
from edoc_connector.edxml import Organization, SignerInfo
from edoc_connector.errors import InvalidQuery
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office, SettingsOf

G22 = Organization(id="G22", name="Văn phòng Chính phủ")


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """The queries are for both databases."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


@pytest.fixture
def exchanged(office: Office, handle: Handle) -> tuple[Connector, Connector]:
    """A sender and a receiver of three documents, of which the second and then the first were accepted."""
    sender, receiver = office("H29.05"), office("G22")
    for number, subject in (("1", "Kế hoạch năm 2027"), ("2", "Báo cáo Đề án 06"), ("3", "=cmd|' /C calc'!A0")):
        sender.send(
            sample_document(
                number=number,
                subject=subject,
                recipients=(G22,),
                issued_on=date(2026, 11, 20),
                signer=SignerInfo(full_name="Trần Thị B"),
                to_places=("Như trên;", "Lưu: VT, HC."),
                copies=2,
            )
        )
    first, second, third = handle(receiver)
    second.accept()
    first.accept()
    first.assign("Phòng Hành chính")
    third.reject("Sai thẩm quyền")
    list(sender.receive())
    return sender, receiver


def test_the_register_of_what_went_out(exchanged: tuple[Connector, Connector]) -> None:
    """Columns (1) to (8) of Decree 30/2020, with what only the packet says, the oldest first."""
    register = exchanged[0].register("outgoing")
    assert [one.subject for one in register] == ["Kế hoạch năm 2027", "Báo cáo Đề án 06", "=cmd|' /C calc'!A0"]
    first: OutgoingEntry = register.entries[0]
    assert (first.code, first.issued_on, first.type_name) == ("1/SNV-VP", date(2026, 11, 20), "Công văn")
    assert (first.signer, first.recipients) == ("Trần Thị B", ("Văn phòng Chính phủ (G22)",))
    assert (first.copy_holder, first.copies, first.remarks.vi) == ("VT, HC", 2, "")
    assert register.entries[2].remarks.vi == "G22: Từ chối tiếp nhận"


def test_the_register_of_what_came_in(exchanged: tuple[Connector, Connector]) -> None:
    """Columns (1) to (10) of Decree 30/2020; a document is numbered when it is accepted, and keeps its number."""
    register = exchanged[1].register("incoming")
    assert [one.number for one in register] == [2, 1, None]
    first: IncomingEntry = register.entries[0]
    assert (first.author, first.code) == ("Sở Nội vụ (H29.05)", "1/SNV-VP")
    assert (first.unit, first.passed_on_at is not None, first.signature) == ("Phòng Hành chính", True, "")
    assert [one.remarks.vi for one in register] == ["Phân công", "Đã tiếp nhận", "Từ chối tiếp nhận"]
    assert [one.number for one in exchanged[1].register("incoming", text="ke hoach")] == [2]


@pytest.mark.parametrize(
    ("words", "found"),
    [("bao cao de an", ["2/SNV-VP"]), ("VAN PHONG CHINH", ["1/SNV-VP", "2/SNV-VP", "3/SNV-VP"]), ("an de hoach", [])],
)
def test_words_are_found_without_diacritics(
    exchanged: tuple[Connector, Connector], words: str, found: list[str]
) -> None:
    """By the rule of `edoc agencies find`: each word begins one of the document's or of the recipients' names."""
    assert [one.code for one in exchanged[0].register("outgoing", text=words)] == found


def test_a_time_is_chosen_and_a_wrong_question_refused(exchanged: tuple[Connector, Connector], fails: Fails) -> None:
    """The interval is half open, and what cannot be asked is one typed error."""
    sender = exchanged[0]
    now = sender.context.store.clock()
    assert len(sender.register("outgoing", since=now + timedelta(seconds=1))) == 0
    assert len(sender.register("outgoing", until=now + timedelta(seconds=1))) == 3
    fails(InvalidQuery, lambda: sender.register("all"), "incoming")
    fails(InvalidQuery, lambda: sender.register("outgoing", since=now.replace(tzinfo=None)), "zone")


def test_a_packet_that_was_removed_leaves_its_row(exchanged: tuple[Connector, Connector]) -> None:
    """What only the packet said stays empty, and nothing else is lost."""
    sender = exchanged[0]
    sender.prune(timedelta(0), dry_run=False)
    entry = sender.register("outgoing").entries[0]
    assert (entry.code, entry.recipients, entry.signer) == ("1/SNV-VP", ("Văn phòng Chính phủ (G22)",), "")


def test_files_compute_nothing(exchanged: tuple[Connector, Connector]) -> None:
    """A subject that is a formula is text in the CSV and in the workbook, and Excel sees UTF-8."""
    register = exchanged[0].register("outgoing")
    csv = register.format_csv()
    assert csv.startswith('\ufeff"Số, ký hiệu'.encode())
    assert "Công văn =cmd" in csv.decode()  # behind the type's name it is no formula
    with zipfile.ZipFile(BytesIO(register.format_xlsx())) as book:
        sheet, texts = book.read("xl/worksheets/sheet1.xml").decode(), book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in sheet
    assert "=cmd|&#39; /C calc" in texts or "=cmd|' /C calc" in texts


def test_the_coroutine_is_the_same(exchanged: tuple[Connector, Connector], settings: SettingsOf) -> None:
    """`AsyncConnector.register` gives what `Connector.register` gives."""

    async def ask() -> object:
        async with AsyncConnector(settings("H29.05")) as connector:
            return await connector.register("outgoing")

    assert anyio.run(ask) == exchanged[0].register("outgoing")
