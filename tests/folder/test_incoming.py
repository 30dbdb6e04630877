"""Received documents in the folder: each whole, under names of ours, once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.folder.office import OURS, THEIRS, Office

from edoc_connector.edxml import Attachment
from edoc_connector.testing import sample_pdf

if TYPE_CHECKING:
    from tests.folder.conftest import OpenOffice

RULES = [
    {"department": "Tài chính", "subjects": ["*NGÂN SÁCH*"], "senders": ["G2*"]},
    {"department": "Nội bộ", "kinds": ["quyết định"]},
]


def list_names(folder: Path) -> list[str]:
    """The names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_document_appears_with_its_files(office: Office) -> None:
    """A received document is a folder with its description and its files, which have names of ours."""
    evil = Attachment.from_bytes(sample_pdf(["evil"]), name="../../evil.exe")
    plain = Attachment.from_bytes(b"text", name="b.txt", content_type="text/plain")
    document_id = office.partner.send(to=OURS, attachments=(evil, plain))
    office.exchange()
    office.look()
    (facts,) = office.read_received()
    (folder,) = (path.parent for path in (office.root / "in").glob("*/document.json"))
    assert list_names(folder) == ["01.pdf", "02.txt", "document.json"]
    assert (facts["document_id"], facts["sender"], facts["kind"]) == (document_id, THEIRS, "new")
    assert facts["files"][0]["name"].endswith("evil.exe")
    assert facts["files"][0]["sha256"] == hashlib.sha256((folder / "01.pdf").read_bytes()).hexdigest()
    office.exchange()
    assert office.partner.list_statuses(document_id) == ["01"]
    office.look()
    assert len(office.read_received()) == 1


def test_documents_go_to_departments_by_the_table_of_rules(open_office: OpenOffice) -> None:
    """The first rule that fits says whose a document is; the others go to the default."""
    office = open_office(rules=RULES, default="Văn thư", departments=["Tài chính"])
    changed: list[dict[str, Any]] = [
        {"subject": "Dự toán ngân sách 2027"},
        {"type_name": "Quyết định"},
        {"subject": "Khác"},
    ]
    for number, changes in enumerate(changed, 1):
        office.partner.send(to=OURS, number=str(number), **changes)
    office.exchange()
    office.look()
    found = {
        name: [one["document"]["number"] for one in office.read_received(name)]
        for name in ("Tài chính", "Nội bộ", "Văn thư")
    }
    assert found == {"Tài chính": ["1"], "Nội bộ": ["2"], "Văn thư": ["3"]}


def test_a_request_says_what_it_is(open_office: OpenOffice) -> None:
    """A recall and a taking back appear too, with their reason; a CSV says the same in a line."""
    office = open_office(format="both")
    first, second = (office.partner.send(to=OURS, number=number) for number in "12")
    office.exchange()
    office.look()
    office.exchange()
    office.partner.recall(first, "Nhầm số")
    office.partner.take_back(second, "Nhầm nơi nhận")
    office.exchange()
    office.look()
    assert [(one["kind"], one["reason"]) for one in office.read_received()][2:] == [
        ("recall", "Nhầm số"),
        ("take_back", "Nhầm nơi nhận"),
    ]
    tables = sorted((office.root / "in").glob("*/document.csv"))
    assert [path.read_text(encoding="utf-8-sig").splitlines()[1].split(",")[0] for path in tables] == [
        "new",
        "new",
        "recall",
        "take_back",
    ]


def test_a_full_share_loses_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the share takes no file, the document waits in the store, and appears when it does."""
    office.partner.send(to=OURS)
    office.exchange()
    with monkeypatch.context() as full:
        full.setattr("edoc_connector.folder.incoming.write_file", _fail)
        with pytest.raises(OSError, match="No space"):
            office.watcher.look()
    assert [one.state for one in office.connector.iter_receipts()] == ["waiting"]
    office.look()
    assert len(office.read_received()) == 1


def _fail(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_one_that_cannot_be_written_stops_no_other(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that meets a fault of ours waits for its next try; the others appear."""
    for number in "12":
        office.partner.send(to=OURS, number=number)
    office.exchange()
    describe = office.watcher._received._stage

    def stage(receipt: object) -> None:
        if getattr(receipt, "code", "").startswith("1/"):
            raise ZeroDivisionError
        describe(receipt)  # type: ignore[arg-type]

    with monkeypatch.context() as broken:
        broken.setattr(office.watcher._received, "_stage", stage)
        office.watcher.look()
    assert [one["document"]["number"] for one in office.read_received()] == ["2"]
    office.look()
    assert {one["document"]["number"] for one in office.read_received()} == {"1", "2"}
