"""Documents without an id, and ids written otherwise, over a real hub (edXML, "Seen in the wild")."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import Connector
from edoc_connector.edxml import Business, BusinessType, Document, ResponseFor, StatusMessage, write
from edoc_connector.errors import NotFound
from edoc_connector.store import ReceiptState
from edoc_connector.testing import RECIPIENT, SENDER, sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

_UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_ANY = {"policy": "any"}
OfferBytes = Callable[..., str]


@pytest.fixture
def offer(hub: RunningHub, tmp_path: Path) -> OfferBytes:
    """Offers G22 a packet of H29.05, or the reverse, made by hand: of a document, without some elements."""

    def run(message: Document | StatusMessage, *, without: str = "", to: str = "G22") -> str:
        path = tmp_path / "offered.edxml"
        write(message, path, at=datetime.now(UTC), checked=True)
        data = path.read_bytes()
        path.unlink()
        if without:
            data = re.sub(without.encode(), b"", data, flags=re.DOTALL)
        kind = "status" if isinstance(message, StatusMessage) else "edoc"
        sender = "H29.05" if to == "G22" else "G22"
        return str(hub.offer(data, sender=sender, to=to, message_type=kind))

    return run


_NO_ID = "<edXML:DocumentId>.*?</edXML:DocumentId>"
_NO_NUMBER = _NO_ID + "|<edXML:CodeNumber>.*?</edXML:CodeNumber>"


def _status(
    status_code: str, *, sender: Any = SENDER, description: str | None = None, **response: Any
) -> StatusMessage:
    return StatusMessage(
        sender=sender,
        response_for=ResponseFor(**response),
        code=status_code,
        description=description,
        timestamp=datetime(2026, 11, 20, 3, tzinfo=UTC),
    )


def _request(receiver: Connector, document_id: str) -> str | None:
    """Read where a request about a document that came stands."""
    with receiver.context.store.snapshot() as tx:
        row = tx.receipts.find_effective("G22", document_id)
    assert row is not None
    return row.change


def _confirmations(connector: Connector) -> list[str]:
    with connector.context.store.snapshot() as tx:
        return sorted(row.code for row in tx.outgoing.find_all(connector.context.agency, kind="confirm"))


def test_documents_without_an_id_are_documents_each(office: Office, offer: OfferBytes, handle: Handle) -> None:
    """Number and date take its place, failing that the hub's id; none is told `fail`, and none is empty."""
    receiver = office("G22", receive=_ANY)
    first = sample_document()
    offer(first, without=_NO_ID)
    offer(sample_document(number="7817"), without=_NO_ID)
    without_number = [offer(sample_document(subject=f"V/v {n}"), without=_NO_NUMBER) for n in range(2)]
    same_number = offer(sample_document(subject="V/v khác"), without=_NO_ID)
    received = handle(receiver)
    composed = [f"H29.05,{first.issued_on:%Y/%m/%d},{number}/SNV-VP" for number in ("7816", "7817")]
    assert [one.id for one in received] == [*composed, *without_number, same_number]
    assert [one.document.id for one in received] == [one.id for one in received]
    assert {"EDX-MISSING"} == {finding.code for one in received for finding in one.findings}
    receiver.flush()
    assert set(_confirmations(receiver)) == {"done"}
    assert {one.state for one in receiver.receipts()} == {ReceiptState.CONFIRMED}


def test_a_document_without_an_id_that_is_set_aside(office: Office, offer: OfferBytes, handle: Handle) -> None:
    """One that the policy does not let in has an id too: it can be found and judged again."""
    receiver = office("G22")
    doc_ids = [offer(sample_document(), without=_NO_ID), offer(sample_document(), without=_NO_NUMBER)]
    assert handle(receiver) == []
    aside = {one.id: one.state for one in receiver.receipts()}
    assert aside == dict.fromkeys([sample_document().id, doc_ids[1]], ReceiptState.QUARANTINED)


def test_the_same_document_without_an_id_twice(office: Office, offer: OfferBytes, handle: Handle) -> None:
    """The very same packet again is a duplicate all the same, and is confirmed."""
    receiver = office("G22", receive=_ANY)
    for _ in range(2):
        offer(sample_document(), without=_NO_ID)
    assert len(handle(receiver)) == 1
    receiver.flush()
    assert sorted(one.state for one in receiver.receipts()) == [ReceiptState.CONFIRMED, ReceiptState.DUPLICATE]


def test_an_answer_to_a_document_without_an_id(
    office: Office, offer: OfferBytes, hub: RunningHub, handle: Handle
) -> None:
    """Statuses name it by the id that stands in for its own, and by number and date."""
    receiver = office("G22", receive=_ANY)
    document = sample_document()
    offer(document, without=_NO_ID)
    (receipt,) = handle(receiver)
    receipt.accept()
    receiver.flush()
    assert [packet.packet.status for packet in hub.packets()][-2:] == ["01", "03"]


_CASES: dict[str, Callable[[Document], dict[str, Any]]] = {
    "upper case": lambda one: {"document_id": one.id.upper()},
    "braces": lambda one: {"document_id": f"{{{one.id}}}"},
    "no hyphens": lambda one: {"document_id": one.id.replace("-", "")},
    "composed, without Code": lambda one: {"document_id": f"H29.05,{one.issued_on:%Y/%m/%d},{one.code}"},
    "composed, in lower case, another date": lambda one: {
        "document_id": f"h29.05,{one.issued_on:%d/%m/%Y},0{one.code.lower()}"
    },
    "code only": lambda one: {"organ_id": "H29.05", "code": one.code},
    "code in lower case and date": lambda one: {"code": one.code.lower(), "issued_on": one.issued_on},
    "code with spaces and a zero": lambda one: {"code": f"0{one.code}".replace("/", " / "), "issued_on": one.issued_on},
    "a day off": lambda one: {"code": one.code, "issued_on": one.issued_on and one.issued_on - timedelta(days=1)},
    "code and organisation exchanged": lambda one: {
        "organ_id": one.code, "code": "H29.05", "issued_on": one.issued_on
    },
    "an id of somebody else's making": lambda one: {
        "document_id": "d-1", "code": one.code, "issued_on": one.issued_on
    },
}  # fmt: skip


@pytest.mark.parametrize("case", _CASES)
def test_a_status_with_the_id_written_otherwise(case: str, office: Office, offer: OfferBytes, handle: Handle) -> None:
    """It finds its document, with a finding where the spelling is another; nothing is lost."""
    sender = office("H29.05")
    document = sample_document(id=_UUID, notation="QĐ-TTg")
    sender.send(document)
    offer(_status("01", sender=RECIPIENT, **_CASES[case](document)), to="H29.05")
    handle(sender)
    recipient = sender.delivery(_UUID).recipient("G22")
    assert recipient.status == "01", case
    (status,) = sender.receipts(kind="status")
    assert (status.id, status.state) == (_UUID, ReceiptState.CONFIRMED)
    codes = {finding.code for finding in status.authority_findings}
    assert ("ID-SPELLING" in codes) == (case != "code only")


@pytest.mark.parametrize("case", _CASES)
def test_a_take_back_with_the_id_written_otherwise(
    case: str, office: Office, offer: OfferBytes, handle: Handle
) -> None:
    """It is handed out with its document, and an agreement withdraws that one."""
    sender, receiver = office("H29.05"), office("G22")
    document = sample_document(id=_UUID, notation="QĐ-TTg")
    sender.send(document)
    handle(receiver)
    offer(_status("13", description="Gửi nhầm", **_CASES[case](document)))
    (request,) = handle(receiver)
    assert (request.kind, request.id, request.document.id) == ("take_back", _UUID, _UUID)
    request.agree_change()
    assert receiver.receipt(_UUID).withdrawn


@pytest.mark.parametrize("case", [name for name in _CASES if name != "an id of somebody else's making"])
def test_a_recall_with_the_id_written_otherwise(case: str, office: Office, offer: OfferBytes, handle: Handle) -> None:
    """An agreed recall withdraws the original, also where it names that by its code (TraceHeaderList, type 1)."""
    receiver = office("G22", receive=_ANY)
    document = sample_document(id=_UUID, notation="QĐ-TTg")
    offer(document)
    (original,) = handle(receiver)
    named = ResponseFor(**_CASES[case](document))
    recall = sample_document(
        number="99", responses_for=(named,), business=Business(type=BusinessType.RECALL, reason="Sai sót")
    )
    offer(recall)
    (request,) = handle(receiver)
    assert request.kind == "recall"
    assert _request(receiver, _UUID) == "asked"
    original.agree_change()
    assert original.withdrawn, "the receipt is fresh after its own call"
    assert receiver.receipt(_UUID).withdrawn


def test_several_candidates_are_none(office: Office, offer: OfferBytes, handle: Handle, fails: Fails) -> None:
    """Two documents of one number and date: a request by number is kept before a person, and not confirmed unseen."""
    receiver = office("G22", receive=_ANY)
    document = sample_document(id=_UUID)
    offer(document)
    offer(sample_document(id=_UUID.replace("0f", "1f"), subject="V/v khác"))
    handle(receiver)
    doc_id = offer(_status("13", description="Gửi nhầm", code=document.code, issued_on=document.issued_on))
    assert handle(receiver) == []
    aside = receiver.receipt(doc_id)
    assert aside.state is ReceiptState.QUARANTINED
    assert _confirmations(receiver) == ["done", "done"]
    assert "not here, or not one alone" in receiver.explain(doc_id).text()
    assert "nhiều văn bản phù hợp" in receiver.explain(doc_id).text(vi=True)
    fails(NotFound, lambda: receiver.recheck(doc_id), "7816/SNV-VP")


def test_a_request_before_its_document(office: Office, offer: OfferBytes, handle: Handle) -> None:
    """A request about a document that is not here yet waits before a person, and counts once that has come."""
    receiver = office("G22", receive=_ANY)
    doc_id = offer(_status("13", description="Gửi nhầm", document_id=_UUID.upper()))
    assert handle(receiver) == []
    offer(sample_document(id=_UUID))
    handle(receiver)
    receiver.recheck(doc_id)
    (request,) = handle(receiver)
    assert (request.kind, request.id) == ("take_back", _UUID)


def test_a_document_of_another_sender_is_not_meant(office: Office, offer: OfferBytes, handle: Handle) -> None:
    """A request by number means a document of who asks, never one of somebody else with the same number."""
    receiver = office("G22", receive=_ANY)
    document = sample_document(id=_UUID)
    offer(document)
    handle(receiver)
    stranger = SENDER.model_copy(update={"id": "H30"})
    offer(_status("13", sender=stranger, description="x", code=document.code, issued_on=document.issued_on))
    assert handle(receiver) == []
    assert _request(receiver, _UUID) is None
