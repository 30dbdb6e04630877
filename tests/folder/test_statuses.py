"""Statuses in the folder: each change once, in order, at the department that sent the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.folder.office import Office

from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.folder.conftest import OpenOffice


def test_statuses_come_to_the_department_that_sent(office: Office) -> None:
    """What became of a document appears in its department's folder, in the order of the files' names."""
    document_id = office.put_document("7816", department="Kế toán")
    office.look()
    office.exchange()
    office.partner.accept(document_id)
    office.exchange()
    office.look()
    found = office.read_statuses("Kế toán")
    assert [(one["state"], one["recipients"][0]["status"]) for one in found] == [("ready", None), ("sent", "03")]
    assert (found[-1]["name"], found[-1]["document_id"]) == ("7816", document_id)
    assert found[-1]["recipients"][0]["status_vi"] == "Đã tiếp nhận"
    assert office.read_statuses() == []
    office.look()
    assert len(office.read_statuses("Kế toán")) == 2


def test_what_came_otherwise_is_not_told(office: Office) -> None:
    """Documents that did not come through the folder have no file there; nor has what was before it was watched."""
    office.connector.queue(sample_document(number="1"))
    office.look()
    office.connector.queue(sample_document(number="2"))
    office.look()
    assert not list((office.root / "status").rglob("*.*"))


def test_a_refusal_of_the_hub_is_told(open_office: OpenOffice) -> None:
    """A document that the hub refuses is told as failed, with the reason in both languages."""
    office = open_office(format="both")
    office.put_document("7816", recipients=["X99=Nowhere"])
    office.look()
    office.exchange()
    office.look()
    last = office.read_statuses()[-1]
    assert (last["state"], bool(last["error"]), bool(last["error_vi"])) == ("failed", True, True)
    table = sorted((office.root / "status").glob("*.csv"))[-1].read_text(encoding="utf-8-sig").splitlines()
    assert len(table) == 2
    assert "X99" in table[1]


def test_a_recall_is_told_where_its_document_is(office: Office) -> None:
    """What becomes of a recall is told to the department of the document, however it was asked for."""
    document_id = office.put_document("7816", department="A")
    office.look()
    office.exchange()
    office.connector.recall(document_id, reason="Nhầm", queue=True)
    office.look()
    assert ("recall", [document_id]) in [(one["kind"], one["targets"]) for one in office.read_statuses("A")]
